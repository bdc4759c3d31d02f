package agent

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tyto/agent/control"
	"tyto/sandbox"
	"tyto/sandbox/cert"
)

// moody is a sandbox that answers wrongly until it is healed.
type moody struct {
	fault  http.HandlerFunc // nil: it answers as it should
	inner  http.Handler
	healed atomic.Bool
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.fault != nil && !m.healed.Load() {
		m.fault(w, r)
		return
	}
	m.inner.ServeHTTP(w, r)
}

// wrong answers with a status and a text.
func wrong(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) }
}

// half begins an answer and breaks off.
func half(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte(`{"task": "77`))
	panic(http.ErrAbortHandler)
}

// slow answers after two seconds, with nothing of use.
func slow(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(2 * time.Second):
	case <-r.Context().Done():
	}
	wrong(http.StatusGatewayTimeout, "")(w, r)
}

// Whatever a server does: what was queued stays until there is a verdict, and one event tells that the server cannot be
// used.
func TestSandboxFaults(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"busy":          wrong(http.StatusServiceUnavailable, ""),
		"queue full":    wrong(http.StatusInternalServerError, "request queue full"),
		"not found":     wrong(http.StatusNotFound, "nothing here"),
		"forbidden":     wrong(http.StatusForbidden, "who are you"),
		"garbage":       wrong(http.StatusOK, "<html>welcome to the hotel's network</html>"),
		"half answer":   half,
		"slow":          slow,
		"redirect":      http.RedirectHandler("http://192.0.2.1/", http.StatusFound).ServeHTTP,
		"huge":          func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("Found", 1<<20))) },
		"strange codes": wrong(299, "Found"),
	} {
		if testing.Short() && name != "queue full" && name != "half answer" {
			continue
		}
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel() // they mostly wait
			testFault(t, fault)
		})
	}
}

func testFault(t *testing.T, fault http.HandlerFunc) {
	dir := t.TempDir()
	box, err := sandbox.Open(sandbox.Options{Dir: filepath.Join(dir, "data"), Engines: []sandbox.Engine{oracle{}}, Product: "Test"})
	if err != nil {
		t.Fatal(err)
	}
	// Engines work while the sandbox serves; its own listener is for that alone.
	own, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mood := &moody{fault: fault, inner: box.Handler()}
	server := httptest.NewUnstartedServer(mood)
	authority, err := cert.Create(filepath.Join(dir, "tls"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Server([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := cert.Load(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	ended := make(chan error, 1)
	go func() { ended <- box.Serve(t.Context(), own, nil) }()
	t.Cleanup(func() { <-ended })

	m := newMachine(t)
	m.policy(fmt.Sprintf("sandbox:\n  servers: [{address: %q, ca: %q}]\n  timeout: 10s\n  response: {quarantine: true}\n", server.URL, authority.File()))
	m.start()
	var evil []string
	for i := range 3 {
		evil = append(evil, m.write(fmt.Sprintf("tree/%d.sh", i), script(fmt.Sprint(i, needle))))
		if v, err := m.client.CheckObject(t.Context(), control.ObjectCheck{Path: evil[i]}); err != nil || !v.Queued {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	m.awaitEvent("sandbox-lost", 1)
	if waiting, err := m.client.SandboxQueue(t.Context()); err != nil || len(waiting) != 3 {
		t.Errorf("%d objects wait, want 3; %v", len(waiting), err)
	}
	mood.healed.Store(true)
	if _, err := m.client.FlushQueue(t.Context()); err != nil {
		t.Error(err)
	}
	for _, path := range evil {
		m.await(path+" to be moved", func() bool { _, err := os.Lstat(path); return os.IsNotExist(err) })
	}
	if lost := m.events("sandbox-lost"); len(lost) != 1 {
		t.Errorf("one outage, told so: %q", lost)
	}
	if without := m.events("sandbox-no-verdict"); len(without) > 0 {
		t.Errorf("objects were given up: %q", without)
	}
}
