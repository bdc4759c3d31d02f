package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tyto/verdict"
)

// stub is an engine for tests: it judges by what the sample says of itself.
type stub struct {
	version string
	// hold, if set, is received from before each verdict.
	hold chan struct{}
	// begun, if set, gets each sample's hash.
	begun chan string
	looks atomic.Int32
}

func (*stub) Name() string      { return "stub" }
func (e *stub) Version() string { return e.version }

func (e *stub) Examine(ctx context.Context, s Sample) (*Seen, error) {
	e.looks.Add(1)
	if e.begun != nil {
		e.begun <- s.SHA256
	}
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	content, err := os.ReadFile(s.Path)
	if err != nil {
		return nil, err
	}
	seen := &Seen{Engine: verdict.Engine{Saw: "Read it.", Blind: []string{"Everything else."}}}
	switch text := string(content); {
	case strings.HasPrefix(text, "evil"):
		seen.Threats = []string{"Evil"}
		seen.Behaviours = []verdict.Behaviour{{ID: "stub-evil", Score: 90, Detail: "It says so."}}
	case strings.HasPrefix(text, "odd"):
		seen.Behaviours = []verdict.Behaviour{{ID: "stub-odd", Score: 50, Detail: "It says so."}}
	case strings.HasPrefix(text, "broken"):
		return nil, errors.New("it broke")
	case strings.HasPrefix(text, "panic"):
		panic("a mistake")
	case strings.HasPrefix(text, "slow"):
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return seen, nil
}

// server is a sandbox that runs and is asked over real connections.
type server struct {
	*Sandbox
	t    testing.TB
	url  string
	stop func() // ends it as a signal would
}

// start opens and runs a sandbox.
func start(t testing.TB, o Options) *server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Engines == nil {
		o.Engines = []Engine{&stub{}}
	}
	if o.Product == "" {
		o.Product = "Tyto test"
	}
	box, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- box.Serve(ctx, l, nil) }()
	s := &server{Sandbox: box, t: t, url: "http://" + l.Addr().String()}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(s.stop)
	return s
}

// said is an answer.
type said struct {
	Status int
	Body   string
	header http.Header
}

func (s *server) do(r *http.Request) said {
	s.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return said{response.StatusCode, string(body), response.Header}
}

func (s *server) get(path string) said {
	s.t.Helper()
	r, err := http.NewRequest("GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.do(r)
}

// form makes a body of parts, given as name, file name and content.
func form(t testing.TB, parts ...[3]string) (kind string, body *bytes.Buffer) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, p := range parts {
		part, err := w.CreateFormFile(p[0], p[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, p[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), body
}

func (s *server) post(kind string, body io.Reader) said {
	s.t.Helper()
	r, err := http.NewRequest("POST", s.url+"/sandbox/v1/tasks", body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	return s.do(r)
}

// send sends one sample.
func (s *server) send(name, content string) said {
	s.t.Helper()
	kind, body := form(s.t, [3]string{"sample", name, content})
	return s.post(kind, body)
}

// judged waits until a task has an end and returns it.
func (s *server) judged(id string) string {
	s.t.Helper()
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(2 * time.Millisecond) {
		if a := s.get("/sandbox/v1/tasks/" + id); a.Status != 200 || a.Body != "Processing" {
			return fmt.Sprintf("%d %s", a.Status, a.Body)
		}
	}
	s.t.Fatal("no verdict within a minute")
	return ""
}

// report returns the report of a task.
func (s *server) reportOf(id string) *verdict.Report {
	s.t.Helper()
	a := s.get("/sandbox/v1/tasks/" + id + "/report")
	if a.Status != 200 {
		s.t.Fatalf("report: %d %s", a.Status, a.Body)
	}
	r, err := verdict.Parse([]byte(a.Body))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// files lists what lies below a sandbox's folder, without the folders.
func (s *server) files(dir string) (names []string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.folder.at(dir))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
