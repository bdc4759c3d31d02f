package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

// The limits on clients.
const (
	MaxBody        = 1 << 20 // bytes of a request
	maxHeader      = 8 << 10
	maxConnections = 64
	headerTime     = 5 * time.Second  // for a request's head to arrive
	requestTime    = 15 * time.Second // for all of it
	answerTime     = 60 * time.Second // for the answer to be made and taken, streams aside
	idleTime       = 60 * time.Second
	stopTime       = 2 * time.Second // that answers may take when the agent stops
	writeTime      = 10 * time.Second
	followEvery    = 250 * time.Millisecond
)

// ServerOptions configure a [Server].
type ServerOptions struct {
	// Log takes who asked for what; nil discards it.
	Log *slog.Logger
	// FollowEvery is how often a stream of progress looks at its run; 0 is a quarter of a second.
	FollowEvery time.Duration
}

// Server offers a backend to clients.
type Server struct {
	backend Backend
	options ServerOptions
	http    *http.Server
}

// NewServer returns a server of the API.
func NewServer(b Backend, o ServerOptions) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FollowEvery <= 0 {
		o.FollowEvery = followEvery
	}
	s := &Server{backend: b, options: o}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if p, ok := c.(*admitted); ok {
				return context.WithValue(ctx, peerKey{}, p)
			}
			return ctx
		},
	}
	return s
}

// Serve answers clients until ctx ends, then gives answers under way a moment, and closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	// Streams end with the agent.
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(&bounded{Listener: l, slots: make(chan struct{}, maxConnections)}) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err := s.http.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	<-ended
	return err
}

type peerKey struct{}

// PeerOf returns who asked, for the log and for what is recorded: "root (uid 0)". Empty if it is not known.
func PeerOf(ctx context.Context) string {
	if p, ok := ctx.Value(peerKey{}).(*admitted); ok {
		return p.peer
	}
	return ""
}

// ProcessOf returns the process that connected; 0 if it is not known.
func ProcessOf(ctx context.Context) int {
	if p, ok := ctx.Value(peerKey{}).(*admitted); ok {
		return p.pid
	}
	return 0
}

// handler puts what holds for all requests around the routes.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.HandleFunc(r.pattern, s.guard(r))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, Errorf(http.StatusNotFound, "GET /v1/openapi.json describes the API", "there is no %s %s", r.Method, r.URL.Path))
	})
	return mux
}

// guard sets the limits of one request and turns its error, or panic, into an answer.
func (s *Server) guard(route route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		ctx := r.Context()
		if !route.stream {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, answerTime)
			defer cancel()
			// Making the answer and taking it have the same time: a client that does not read is let go.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime + writeTime))
		}
		r = r.WithContext(ctx)
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				s.options.Log.Error("answering a client failed", "request", r.Method+" "+r.URL.Path, "panic", v, "stack", string(debug.Stack()))
				fail(w, Errorf(http.StatusInternalServerError, "report this with the agent's log", "the agent has a mistake in it"))
			}
		}()
		if r.Method != http.MethodGet {
			s.options.Log.Info("command", "request", r.Method+" "+r.URL.Path, "by", PeerOf(ctx))
		}
		if err := route.handle(w, r); err != nil {
			fail(w, Problem(err))
		}
	}
}

// fail answers with a problem, unless the answer has begun.
func fail(w http.ResponseWriter, p *Error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(struct {
		Type string `json:"type"`
		*Error
	}{"about:blank", p}) // a client that is gone needs no answer
}

// answer writes a value as JSON.
func answer(w http.ResponseWriter, status int, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that is gone needs no answer
	return nil
}

// receive reads the request's body into a value, strictly. An empty body leaves the value as it is.
func receive(r *http.Request, into any) error {
	body, err := bodyOf(r)
	if err != nil || len(body) == 0 {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return Errorf(http.StatusBadRequest, "GET /v1/openapi.json describes what is expected", "the request cannot be read: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Errorf(http.StatusBadRequest, "send one value", "something follows the end of the request")
	}
	return nil
}

// bodyOf returns the request's body, which must be JSON.
func bodyOf(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if t := r.Header.Get("Content-Type"); len(body) > 0 && t != "application/json" {
		return nil, Errorf(http.StatusUnsupportedMediaType, "send application/json", "%q is not understood", t)
	}
	return body, nil
}

// bounded admits a number of connections at a time. Those beyond are told so and closed.
type bounded struct {
	net.Listener
	slots chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case b.slots <- struct{}{}:
		default:
			refuse(conn, Errorf(http.StatusServiceUnavailable, "try again in a moment", "the agent has too many connections"))
			continue
		}
		a, ok := conn.(*admitted)
		if !ok {
			a = &admitted{Conn: conn}
		}
		a.slots = b.slots
		return a, nil
	}
}
