package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/verdict"
)

func sum(content string) string {
	h := sha256.Sum256([]byte(content))
	return hex.EncodeToString(h[:])
}

// A content's way: new, being looked at, known.
func TestLife(t *testing.T) {
	engine := &stub{hold: make(chan struct{}), begun: make(chan string, 1)}
	s := start(t, Options{Engines: []Engine{engine}})
	first := s.send("dropper.sh", "evil thing")
	id := first.Body
	if first.Status != 201 || !isHex(id, 32) || first.header.Get("X-Tyto-Task") != id || first.header.Get("X-Tyto-Database") != s.Database() {
		t.Fatalf("the first upload is answered with %d %q %v", first.Status, first.Body, first.header)
	}
	<-engine.begun
	if runtime.GOOS != "windows" {
		info, err := os.Stat(s.folder.sample(sum("evil thing")))
		if err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("the sample has the mode %v, want 0400 (%v)", info.Mode(), err)
		}
	}
	// The same again while it is being looked at is the same task.
	if again := s.send("other-name", "evil thing"); again.Status != 201 || again.Body != id {
		t.Errorf("the second upload is answered with %d %q, want 201 and the id of the first", again.Status, again.Body)
	}
	if got := s.get("/sandbox/v1/tasks/" + id); got.Status != 200 || got.Body != "Processing" {
		t.Errorf("the task stands at %d %q", got.Status, got.Body)
	}
	if got := s.get("/sandbox/v1/tasks/" + id + "/report"); got.Status != 202 {
		t.Errorf("the report before the verdict is %d %q, want 202", got.Status, got.Body)
	}
	object := "/sandbox/v1/objects/" + sum("evil thing")
	if diff := cmp.Diff(map[string]string{"task": id, "status": "Processing"}, decode[map[string]string](t, s.get(object).Body)); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	close(engine.hold)
	if got := s.judged(id); got != "200 Found" {
		t.Errorf("the verdict is %q", got)
	}
	if diff := cmp.Diff(map[string]string{"task": id, "status": "Found"}, decode[map[string]string](t, s.get(object).Body)); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	known := s.send("x", "evil thing")
	if known.Status != 200 || known.Body != "Found" || known.header.Get("X-Tyto-Task") != id {
		t.Errorf("known content is answered with %d %q %v", known.Status, known.Body, known.header)
	}
	if n := engine.looks.Load(); n != 1 {
		t.Errorf("the engine looked %d times, want once", n)
	}
	want := &verdict.Report{
		Format:     verdict.Format,
		Verdict:    verdict.Verdict{SHA256: sum("evil thing"), Level: verdict.Malicious, Score: 90, Threats: []string{"Evil"}, Sandbox: "Tyto test", Database: s.Database()},
		Object:     verdict.Object{Name: "dropper.sh", Size: 10, SHA256: sum("evil thing"), MD5: "db71f969458016f646fb08f48258e5bf", SHA1: "dd8a8bc14c084efb4a78f77dfecebaa2bab6850e"},
		Engines:    []verdict.Engine{{Name: "stub", Level: verdict.Malicious, Score: 90, Saw: "Read it.", Blind: []string{"Everything else."}}},
		Behaviours: []verdict.Behaviour{{ID: "stub-evil", Engine: "stub", Score: 90, Detail: "It says so."}},
	}
	got := s.reportOf(id)
	got.Verdict.Time, got.Engines[0].Seconds = time.Time{}, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	for _, dir := range []string{samplesDir, tasksDir, incomingDir} {
		if left := s.files(dir); left != nil {
			t.Errorf("%s holds %v after the verdict", dir, left)
		}
	}
}

func TestVerdicts(t *testing.T) {
	s := start(t, Options{Limits: Limits{SampleTime: 100 * time.Millisecond}})
	tests := []struct {
		content, status string
		level           verdict.Level
	}{
		{"good", "200 Not found", verdict.Clean},
		{"odd", "200 Not found", verdict.Suspicious},
		{"evil", "200 Found", verdict.Malicious},
		{"broken", "200 Error", verdict.Error},
		{"panic", "200 Error", verdict.Error},
		{"slow", "200 Error", verdict.Error},
	}
	for _, test := range tests {
		t.Run(test.content, func(t *testing.T) {
			id := s.send("x", test.content).Body
			if got := s.judged(id); got != test.status {
				t.Errorf("the task ends with %q, want %q", got, test.status)
			}
			r := s.reportOf(id)
			if r.Verdict.Level != test.level || (r.Engines[0].Failed != "") != (test.level == verdict.Error) {
				t.Errorf("the verdict is %+v of %+v", r.Verdict, r.Engines)
			}
			// An error is no knowledge: the content is looked at once more.
			again := s.send("x", test.content)
			if wantNew := test.level == verdict.Error; (again.Status == 201) != wantNew || (again.Body == id) {
				t.Errorf("the same content again is answered with %d %q", again.Status, again.Body)
			}
		})
	}
}

// What one engine saw stands although another failed; but nothing is clean then.
func TestOneOfTwoEnginesFails(t *testing.T) {
	s := start(t, Options{Engines: []Engine{&stub{}, failing{}}})
	for content, want := range map[string]verdict.Level{"evil": verdict.Malicious, "odd": verdict.Suspicious, "good": verdict.Error} {
		id := s.send("x", content).Body
		s.judged(id)
		if got := s.reportOf(id); got.Verdict.Level != want || len(got.Engines) != 2 || got.Engines[1].Failed == "" {
			t.Errorf("%s: %+v %+v, want %s", content, got.Verdict, got.Engines, want)
		}
	}
}

type failing struct{}

func (failing) Name() string    { return "failing" }
func (failing) Version() string { return "" }
func (failing) Examine(context.Context, Sample) (*Seen, error) {
	return nil, os.ErrPermission
}

func TestUnknown(t *testing.T) {
	s := start(t, Options{})
	for _, path := range []string{
		"/sandbox/v1/tasks/" + strings.Repeat("a", 32), "/sandbox/v1/tasks/x", "/sandbox/v1/tasks/..%2f..%2fetc%2fpasswd",
		"/sandbox/v1/tasks/" + strings.Repeat("a", 32) + "/report", "/sandbox/v1/objects/" + strings.Repeat("b", 64), "/sandbox/v1/objects/..%2fx", "/nothing",
	} {
		if got := s.get(path); got.Status != 404 {
			t.Errorf("%s is answered with %d %q, want 404", path, got.Status, got.Body)
		}
	}
}

// Two uploads at once give one task, and one look.
func TestUploadsAtOnce(t *testing.T) {
	engine := &stub{}
	s := start(t, Options{Engines: []Engine{engine}, Limits: Limits{ClientUploads: 16}})
	var wg sync.WaitGroup
	ids := make([]string, 12)
	for i := range ids {
		wg.Go(func() {
			a := s.send("x", "good, sent by many")
			ids[i] = a.header.Get("X-Tyto-Task")
			if a.Status != 200 && a.Status != 201 {
				t.Errorf("%d %q", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	for _, id := range ids[1:] {
		if id != ids[0] {
			t.Errorf("the tasks are %v, want one", ids)
			break
		}
	}
	s.judged(ids[0])
	if n := engine.looks.Load(); n != 1 {
		t.Errorf("the engine looked %d times, want once", n)
	}
}

func TestQueueFull(t *testing.T) {
	engine := &stub{hold: make(chan struct{}), begun: make(chan string, 10)}
	s := start(t, Options{Engines: []Engine{engine}, Limits: Limits{Waiting: 2, Parallel: 1}})
	first := s.send("x", "one")
	<-engine.begun
	s.send("x", "two")
	s.send("x", "three")
	got := s.send("x", "four")
	if got.Status != 500 || got.Body != "request queue full" || got.header.Get("Retry-After") == "" {
		t.Errorf("the one too many is answered with %d %q", got.Status, got.Body)
	}
	if again := s.send("x", "one"); again.Status != 201 || again.Body != first.Body {
		t.Errorf("what is being looked at is answered with %d %q while the queue is full", again.Status, again.Body)
	}
	if h := s.get("/healthz"); h.Status != 503 {
		t.Errorf("the health is %d, want 503", h.Status)
	}
	if n := len(s.files(incomingDir)); n != 0 {
		t.Errorf("%d refused uploads were left", n)
	}
	close(engine.hold)
	s.judged(first.Body)
	s.judged(s.send("x", "four").Body)
	if h := s.get("/healthz"); h.Status != 200 || h.Body != "ok" {
		t.Errorf("the health is %d %q", h.Status, h.Body)
	}
}

// The disk is bounded for what waits and what is being received together.
func TestDiskFull(t *testing.T) {
	engine := &stub{hold: make(chan struct{})}
	s := start(t, Options{Engines: []Engine{engine}, Limits: Limits{Disk: 1000, Sample: 800}})
	first := s.send("x", strings.Repeat("a", 700))
	if got := s.send("x", strings.Repeat("b", 700)); got.Status != 500 || got.Body != "request queue full" {
		t.Errorf("answered with %d %q", got.Status, got.Body)
	}
	close(engine.hold)
	s.judged(first.Body)
	if got := s.send("x", strings.Repeat("b", 700)); got.Status != 201 {
		t.Errorf("answered with %d %q although the disk is free again", got.Status, got.Body)
	}
}

// A server that is stopped or killed takes its tasks up again; what a killed one leaves is put in order.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	engine := &stub{hold: make(chan struct{}), begun: make(chan string, 3)}
	s := start(t, Options{Dir: dir, Engines: []Engine{engine}, Limits: Limits{Parallel: 1}})
	one, two := s.send("x", "evil one").Body, s.send("y", "good two").Body
	<-engine.begun
	s.stop()
	for name, content := range map[string]string{
		"incoming/sample-123":                          "half an upload",
		"samples/" + sum("nobody's"):                   "nobody's",
		"tasks/" + strings.Repeat("c", 32) + ".json":   "{",
		"tasks/" + strings.Repeat("d", 32) + ".json":   `{"id":"` + strings.Repeat("d", 32) + `","sha256":"../../x","size":1}`,
		"results/" + sum("damaged") + ".json":          "{}",
		"results/" + strings.Repeat("e", 64) + ".json": strings.Repeat("[", 10_000),
		"tasks/not-ours.txt":                           "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = start(t, Options{Dir: dir})
	if got := s.judged(one); got != "200 Found" {
		t.Errorf("the task that was being looked at ends with %q", got)
	}
	if got := s.judged(two); got != "200 Not found" {
		t.Errorf("the task that waited ends with %q", got)
	}
	s.stop()
	s = start(t, Options{Dir: dir})
	if got := s.judged(one); got != "200 Found" {
		t.Errorf("the verdict is forgotten: %q", got)
	}
	if got := s.send("z", "good two"); got.Status != 200 || got.Body != "Not found" {
		t.Errorf("the content is forgotten: %d %q", got.Status, got.Body)
	}
	for _, d := range []string{incomingDir, samplesDir} {
		if left := s.files(d); left != nil {
			t.Errorf("%s holds %v", d, left)
		}
	}
}

// Verdicts end with the version of what gave them.
func TestDatabaseChanges(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Dir: dir, Engines: []Engine{&stub{version: "1"}}})
	id, old := s.send("x", "good").Body, s.Database()
	s.judged(id)
	s.stop()
	s = start(t, Options{Dir: dir, Engines: []Engine{&stub{version: "2"}}})
	if s.Database() == old {
		t.Error("another version of an engine has the same database version")
	}
	if got := s.get("/sandbox/v1/tasks/" + id); got.Status != 404 {
		t.Errorf("the old task is answered with %d %q, want 404", got.Status, got.Body)
	}
	if got := s.send("x", "good"); got.Status != 201 {
		t.Errorf("the content is answered with %d %q, want 201", got.Status, got.Body)
	}
	if diff := cmp.Diff(map[string]string{"sandbox": "Tyto test", "database": s.Database()}, decode[map[string]string](t, s.get("/sandbox/v1/database").Body)); diff != "" {
		t.Errorf("database (-want +got):\n%s", diff)
	}
}

// A sample that takes the server down with it is not tried for ever.
func TestKilledByASample(t *testing.T) {
	dir := t.TempDir()
	var id string
	for range maxAttempts {
		engine := &stub{hold: make(chan struct{}), begun: make(chan string, 1)}
		s := start(t, Options{Dir: dir, Engines: []Engine{engine}})
		if id == "" {
			id = s.send("x", "good").Body
		}
		<-engine.begun
		killed := filepath.Join(dir, "killed.json")
		content, err := os.ReadFile(s.folder.task(id))
		if err != nil {
			t.Fatal(err)
		}
		s.stop() // in an orderly way, which does not count: so put back what a killed server leaves
		if err := os.WriteFile(killed, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(killed, s.folder.task(id)); err != nil {
			t.Fatal(err)
		}
	}
	engine := &stub{}
	s := start(t, Options{Dir: dir, Engines: []Engine{engine}})
	if got := s.judged(id); got != "200 Error" || engine.looks.Load() != 0 {
		t.Errorf("the task ends with %q after %d more looks, want an error without any", got, engine.looks.Load())
	}
}

// Results are bounded by number and by age; the oldest go.
func TestResultsAreBounded(t *testing.T) {
	var mu sync.Mutex
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	later := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	s := start(t, Options{Now: clock, Limits: Limits{Results: 2, ResultAge: 24 * time.Hour}})
	var ids []string
	for _, content := range []string{"one", "two", "three"} {
		id := s.send("x", content).Body
		s.judged(id)
		ids = append(ids, id)
		later(time.Minute)
	}
	standing := func() (left []bool) {
		for _, id := range ids {
			left = append(left, s.get("/sandbox/v1/tasks/"+id).Status == 200)
		}
		return left
	}
	if diff := cmp.Diff([]bool{false, true, true}, standing()); diff != "" {
		t.Errorf("by number (-want +got):\n%s", diff)
	}
	later(25 * time.Hour)
	if diff := cmp.Diff([]bool{false, false, false}, standing()); diff != "" {
		t.Errorf("what is too old is told (-want +got):\n%s", diff)
	}
	s.judged(s.send("x", "four").Body)
	if diff := cmp.Diff([]bool{false, false, false}, standing()); diff != "" {
		t.Errorf("by age (-want +got):\n%s", diff)
	}
	if n := len(s.files(resultsDir)); n != 1 {
		t.Errorf("%d results are on disk, want 1", n)
	}
}

// The status page shows what clients sent as text, whatever it is.
func TestStatusPage(t *testing.T) {
	s := start(t, Options{Notes: func() []string { return []string{"a <b>note</b>"} }})
	s.judged(s.send(`<script>alert(1)</script>.exe`, "evil").Body)
	page := s.get("/")
	if page.Status != 200 || strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "<b>") {
		t.Errorf("the page is not escaped: %d %s", page.Status, page.Body)
	}
	for _, want := range []string{"Tyto test", s.Database(), "stub", "malicious", "Evil", "1 malicious", sum("evil"), "0 of 100 waiting", "a &lt;b&gt;note"} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page does not tell %q:\n%s", want, page.Body)
		}
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the policy is %q", csp)
	}
}

// A page of another site cannot make a browser send samples.
func TestCrossOrigin(t *testing.T) {
	s := start(t, Options{})
	kind, body := form(t, [3]string{"sample", "x", "good"})
	r, err := http.NewRequest("POST", s.url+"/sandbox/v1/tasks", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Origin", "https://elsewhere.example")
	if got := s.do(r); got.Status != 403 {
		t.Errorf("answered with %d %q, want 403", got.Status, got.Body)
	}
}
