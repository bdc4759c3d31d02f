package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// Serve looks at samples and answers clients until ctx ends; then it gives answers under way a moment, stops the
// engines, and closes the listener. Without a TLS configuration it speaks plain HTTP, which is for the
// loopback address and for tests. Serve is called once.
func (s *Sandbox) Serve(ctx context.Context, l net.Listener, secure *tls.Config) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop() // before waiting, also when listening failed
	for range s.limits.Parallel {
		workers.Go(func() { s.work(running) })
	}
	server := s.server()
	l = &bounded{Listener: l, counter: newCounter(s.limits.Connections, s.limits.ClientConnections), refused: func(client string) {
		s.log.Warn("a client has too many connections", "client", client)
	}}
	if secure != nil {
		secure = secure.Clone()
		secure.MinVersion = max(secure.MinVersion, tls.VersionTLS12)
		secure.NextProtos = []string{"http/1.1"}
		l = tls.NewListener(l, secure)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err := server.Shutdown(stopping)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-ended
	return err
}

// server returns the HTTP server with all its bounds. It speaks HTTP/1.1 only: there a connection carries one
// request at a time, so that bounding connections bounds requests.
func (s *Sandbox) server() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           s.Handler(),
		Protocols:         &protocols,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       headerTime + bodyGrace, // uploads move it along
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Handler returns the API as a handler. It bounds requests but not connections, which [Sandbox.Serve] does.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.HandleFunc(r.pattern, s.guard(r.handle))
	}
	// A web page that somebody looks at on this computer must not send samples.
	return http.NewCrossOriginProtection().Handler(mux)
}

// guard puts around a route what holds for all, and turns its error or panic into an answer.
func (s *Sandbox) guard(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set(headerDatabase, s.database)
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				s.log.Error("answering a client failed", "request", r.Method+" "+r.URL.Path, "panic", v, "stack", string(debug.Stack()))
				s.fail(w, r, errors.New("panic"))
			}
		}()
		err := handle(&timed{ResponseWriter: w}, r)
		if err != nil {
			s.fail(w, r, err)
		}
	}
}

// timed begins the time in which an answer must be taken with its first byte: receiving a sample may
// take longer than that.
type timed struct {
	http.ResponseWriter
	begun bool
}

func (t *timed) WriteHeader(status int) {
	t.begin()
	t.ResponseWriter.WriteHeader(status)
}

func (t *timed) Write(p []byte) (int, error) {
	t.begin()
	return t.ResponseWriter.Write(p)
}

func (t *timed) begin() {
	if !t.begun {
		t.begun = true
		_ = http.NewResponseController(t.ResponseWriter).SetWriteDeadline(time.Now().Add(answerTime))
	}
}

// Unwrap is for http.ResponseController.
func (t *timed) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// fail answers with an error: its text, plainly, as clients of this API expect it.
func (s *Sandbox) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := asProblem(err)
	var told *problem
	if !errors.As(err, &told) && p.status == http.StatusInternalServerError && !errors.Is(err, errQueueFull) {
		s.log.Error("a request failed", "request", r.Method+" "+r.URL.Path, "error", err)
	}
	if p.retry {
		w.Header().Set("Retry-After", "5")
	}
	text(&timed{ResponseWriter: w}, p.status, p.text)
}
