package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tyto/agent/control"
	"tyto/agent/place"
	"tyto/sandboxlink/decide/inspect"
	"tyto/scanner/examine"
	"tyto/scanner/worker"
	"tyto/scheduler"
)

// workerArgument makes this test binary a worker, inspectArgument one that looks for what sandboxes are asked about.
const (
	workerArgument  = "be-a-worker"
	inspectArgument = "be-an-inspector"
)

func TestMain(m *testing.M) {
	handlers := map[string]worker.Handler{workerArgument: examine.New(), inspectArgument: new(inspect.Handler)}
	if len(os.Args) > 1 && handlers[os.Args[1]] != nil {
		if err := worker.Serve(handlers[os.Args[1]]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what must happen.
const patience = time.Minute

// machine is a computer with an agent: a folder with the agent's places, a tree to scan, and a file that says
// whether somebody is there.
type machine struct {
	t    *testing.T
	dir  string
	tree string

	stop    context.CancelFunc // of the running agent; nil while none runs
	ended   sync.WaitGroup
	runErr  error
	client  *control.Client
	address string
}

// needle is what the rules of these tests look for.
const needle = "n33dle-in-the-h4ystack"

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "tyto-agent-test-") // short, as the names of sockets must be
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, dir: dir, tree: filepath.Join(dir, "tree"), address: controlAddress(dir)}
	t.Cleanup(func() {
		m.halt()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Mkdir(m.tree, 0o700); err != nil {
		t.Fatal(err)
	}
	m.write("rules.yar", `rule needle { meta: score = 100 strings: $a = "`+needle+`" condition: $a }`)
	m.presence("idle")
	return m
}

// write writes a file of the machine and returns its path.
func (m *machine) write(name, content string) string {
	m.t.Helper()
	path := filepath.Join(m.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// fill fills the tree with files, of which each hundredth is to be found.
func (m *machine) fill(files int) (planted int) {
	m.t.Helper()
	for i := range files {
		content := fmt.Sprintf("file %d\n%s", i, strings.Repeat("hay ", 500))
		if i%100 == 50 {
			content += needle
			planted++
		}
		m.write(fmt.Sprintf("tree/%02d/%d.txt", i%20, i), content)
	}
	// What has just changed is not recalled, as its change time proves nothing.
	return planted
}

// presence says whether somebody is there.
func (m *machine) presence(what string) {
	m.t.Helper()
	path := filepath.Join(m.dir, "presence")
	if err := os.WriteFile(path+".new", []byte(what), 0o600); err != nil {
		m.t.Fatal(err)
	}
	// On Windows a file that is being read cannot be replaced.
	m.await("the presence file to be replaced", func() bool { return os.Rename(path+".new", path) == nil })
}

// policy writes the policy: what all tests want, and more. Whether somebody is there says a file, unless more
// says something about it.
func (m *machine) policy(more string) {
	m.t.Helper()
	if !strings.Contains(more, "presence:") {
		more += fmt.Sprintf("\npresence: {source: %q, settle: 0s}\n", "file:"+filepath.Join(m.dir, "presence"))
	}
	m.write("policy.yaml", fmt.Sprintf(`
detection: {rules: [%q]}
events: {system_log: "off"}
%s`, filepath.Join(m.dir, "rules.yar"), more))
}

// start starts the agent and waits until it answers.
func (m *machine) start() {
	m.t.Helper()
	ctx, stop := context.WithCancel(m.t.Context())
	m.stop = stop
	o := Options{
		Places: place.Places{
			Policy: filepath.Join(m.dir, "policy.yaml"), Data: filepath.Join(m.dir, "data"), Control: m.address,
		},
		Version: "test",
		Worker:  []string{os.Args[0], workerArgument},
		Inspect: []string{os.Args[0], inspectArgument},
		Log:     slog.New(slog.NewTextHandler(logWriter{m.t}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	m.ended.Go(func() { m.runErr = Run(ctx, o) })
	m.client = control.NewClient(m.address)
	m.await("an agent that answers", func() bool {
		_, err := m.client.Status(ctx)
		return err == nil
	})
}

// halt stops the agent, if one runs.
func (m *machine) halt() {
	if m.stop == nil {
		return
	}
	m.client.Close()
	m.stop()
	m.ended.Wait()
	m.stop = nil
	if m.runErr != nil {
		m.t.Error(m.runErr)
	}
}

// await waits until something is so.
func (m *machine) await(what string, is func() bool) {
	m.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(lookEvery) {
		if time.Now().After(end) {
			m.t.Fatalf("waited in vain for %s; the events were:\n%s", what, strings.Join(m.events(""), "\n"))
		}
	}
}

// events returns the messages of events of a kind, or of all, the oldest first, from the file of events.
func (m *machine) events(name string) (messages []string) {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.dir, "data", eventsFile))
	if err != nil {
		return nil
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var e struct {
			Event   struct{ Action string }
			Message string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			m.t.Fatalf("the line %q of the events: %v", line, err)
		}
		switch name {
		case "":
			messages = append(messages, e.Event.Action+": "+e.Message)
		case e.Event.Action:
			messages = append(messages, e.Message)
		}
	}
	return messages
}

// awaitEvent waits until there are so many events of a kind, and returns their messages.
func (m *machine) awaitEvent(name string, n int) (messages []string) {
	m.t.Helper()
	m.await(fmt.Sprintf("%d events %q", n, name), func() bool {
		messages = m.events(name)
		return len(messages) >= n
	})
	return messages
}

// task returns a task as the agent shows it.
func (m *machine) task(id string) scheduler.TaskView {
	m.t.Helper()
	v, err := m.client.Task(m.t.Context(), id)
	if err != nil {
		m.t.Fatal(err)
	}
	return v
}

// progress returns how far the task's run is; nothing if none is at work.
func (m *machine) progress(id string) (p control.Progress) {
	m.t.Helper()
	if r := m.task(id).Run; r != nil && r.Progress != nil {
		if err := json.Unmarshal(r.Progress, &p); err != nil {
			m.t.Fatal(err)
		}
	}
	return p
}

// found returns the paths of the findings in a run's records, and how often each stands there.
func (m *machine) found(run int64) map[string]int {
	m.t.Helper()
	found := map[string]int{}
	for line, err := range m.client.Records(m.t.Context(), run) {
		if err != nil {
			m.t.Fatal(err)
		}
		var r struct {
			Event struct{ Action string }
			File  struct{ Path string }
		}
		if err := json.Unmarshal(line, &r); err != nil {
			m.t.Fatalf("the record %q: %v", line, err)
		}
		if r.Event.Action == "finding" {
			found[r.File.Path]++
		}
	}
	return found
}

// logWriter writes the log where it is only seen if the test fails.
type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}
