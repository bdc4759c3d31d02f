package wire_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tyto/sandboxlink/submit/wire"
	"tyto/sandboxlink/submit/wire/wiretest"
)

// raw serves plain TCP: it reads the head of a request and lets answer write what it likes.
func raw(t *testing.T, answer func(net.Conn)) wire.Server {
	t.Helper()
	return wire.Server{Address: "http://" + wiretest.Listen(t, func(c net.Conn) {
		if head, err := c.Read(make([]byte, 64<<10)); head == 0 || err != nil {
			return
		}
		answer(c)
	})}
}

// say returns an answerer that writes a text and closes the connection.
func say(text string) func(net.Conn) {
	return func(c net.Conn) { io.WriteString(c, text) }
}

// forever writes a text until the connection breaks, with a pause in between.
func forever(begin, text string, pause time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := io.WriteString(c, begin); err != nil {
			return
		}
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

func bomb() string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	io.Copy(w, io.LimitReader(zeros{}, 8<<20))
	w.Close()
	return packed.String()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

const ok = "HTTP/1.1 200 OK\r\n"

// No answer, however it is broken, is more than an error that says so.
func TestHostileAnswers(t *testing.T) {
	wiretest.NoLeaks(t)
	short := limits
	short.Answer = 300 * time.Millisecond
	packed := bomb()
	for _, test := range []struct {
		name   string
		answer func(net.Conn)
		limits wire.Limits
		kind   wire.Kind
		reason string
	}{
		{"nothing", func(net.Conn) {}, limits, wire.Down, "closed the connection"},
		{"no http", say("220 mail.example ESMTP\r\n"), limits, wire.Garbage, "cannot be understood"},
		{"half a head", say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"), limits, wire.Down, "closed the connection"},
		{"half an answer", say(ok + "Content-Length: 100\r\n\r\nNot fo"), limits, wire.Down, "closed the connection"},
		{"half a chunk", say(ok + "Transfer-Encoding: chunked\r\n\r\nff\r\nFou"), limits, wire.Down, "closed the connection"},
		{"a chunk of no size", say(ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), limits, wire.Garbage, "cannot be understood"},
		{"two lengths", say(ok + "Content-Length: 5\r\nContent-Length: 7\r\n\r\nFound"), limits, wire.Garbage, "cannot be understood"},
		{"a gibibyte is promised", say(ok + "Content-Length: 1073741824\r\n\r\n" + strings.Repeat("x", 100<<10)), limits, wire.Garbage, "longer than any"},
		{"endless body", forever(ok+"\r\n", strings.Repeat("x", 32<<10), 0), limits, wire.Garbage, "longer than any"},
		{"endless chunks", forever(ok+"Transfer-Encoding: chunked\r\n\r\n", "8\r\nxxxxxxxx\r\n", 0), limits, wire.Garbage, "longer than any"},
		{"endless head", forever(ok, "X-More: "+strings.Repeat("x", 1000)+"\r\n", 0), limits, wire.Garbage, "cannot be understood"},
		{"endless line", forever(ok+"X-More: ", strings.Repeat("x", 1000), 0), limits, wire.Garbage, "cannot be understood"},
		{"endless interim answers", forever("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 0), limits, wire.Garbage, "cannot be understood"},
		{"a slow drip", forever(ok+"Content-Length: 100000\r\n\r\n", "x", 20*time.Millisecond), short, wire.Down, "not answer in time"},
		{"a slow head", forever(ok, "X: y\r\n", 20*time.Millisecond), short, wire.Down, "not answer in time"},
		{"silence", func(c net.Conn) { io.Copy(io.Discard, c) }, short, wire.Down, "not answer in time"},
		{"compressed", say(fmt.Sprintf("%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", ok, len(packed), packed)), limits, wire.Garbage, "encoded as"},
		{"switching protocols", say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n\x00\x00\x00\x04"), limits, wire.Garbage, "101"},
		{"http 2 in plain", say("\x00\x00\x12\x04\x00\x00\x00\x00\x00"), limits, wire.Garbage, "cannot be understood"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := wire.NewClient(raw(t, test.answer), test.limits, "Bearer")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			reply, err := c.Ask(t.Context(), "/")
			if err == nil && reply.Status != http.StatusOK {
				err = reply.Unexpected()
			}
			wantFault(t, err, test.kind, test.reason)
		})
	}
}

// A redirect is told and not followed, wherever it leads.
func TestRedirectsAreNotFollowed(t *testing.T) {
	other := wiretest.Serve(t, "", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	for _, to := range []string{"https://" + other.Address + "/", "file:///etc/passwd", "/elsewhere", "//" + other.Address, ""} {
		t.Run("to "+to, func(t *testing.T) {
			server := wiretest.Serve(t, "", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/" {
					t.Error("the redirect was followed")
				}
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusFound)
			}))
			c, err := wire.NewClient(server, limits, "Bearer")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			reply, err := c.Ask(t.Context(), "/")
			if err != nil {
				t.Fatal(err)
			}
			wantFault(t, reply.Unexpected(), wire.Config, "redirects are not followed")
		})
	}
}

// A TLS server's port entered with http://, and the other way round.
func TestWrongProtocol(t *testing.T) {
	secure := wiretest.Serve(t, "", http.NotFoundHandler())
	c, err := wire.NewClient(wire.Server{Address: "http://" + secure.Address}, limits, "Bearer")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reply, err := c.Ask(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, reply.Unexpected(), wire.Config, "wants TLS")

	plain := raw(t, say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
	c, err = wire.NewClient(wire.Server{Address: strings.TrimPrefix(plain.Address, "http://")}, limits, "Bearer")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Ask(t.Context(), "/")
	wantFault(t, err, wire.Config, "does not speak TLS")
}

func TestUpload(t *testing.T) {
	wiretest.NoLeaks(t)
	content := strings.Repeat("content ", 100_000)
	form := wire.Form{Field: "sample", Name: "a.exe", Size: int64(len(content))}
	broken := errors.New("bad sector")
	got := make(chan string, 1)
	keep := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, _, err := r.FormFile("sample")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		data, err := io.ReadAll(f)
		if err != nil {
			t.Error(err)
		}
		got <- string(data)
	})
	upload := func(t *testing.T, server wire.Server, limits wire.Limits, content io.Reader) (wire.Reply, error) {
		t.Helper()
		c, err := wire.NewClient(server, limits, "Bearer")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Upload(t.Context(), "/", form, content)
	}
	t.Run("arrives as it is", func(t *testing.T) {
		reply, err := upload(t, wiretest.Serve(t, "", keep), limits, strings.NewReader(content))
		if err != nil || reply.Status != http.StatusOK {
			t.Fatalf("Upload = %d %s, %v", reply.Status, reply.Text(), err)
		}
		if <-got != content {
			t.Error("other content arrived")
		}
	})
	t.Run("our own read error is nobody else's", func(t *testing.T) {
		_, err := upload(t, wiretest.Serve(t, "", keep), limits, io.MultiReader(strings.NewReader(content[:1000]), iotest.ErrReader(broken)))
		if !errors.Is(err, wire.ErrContent) || !errors.Is(err, broken) {
			t.Errorf("Upload = %v; want the read error", err)
		}
	})
	t.Run("a server that does not read", func(t *testing.T) {
		short := limits
		short.Upload = 300 * time.Millisecond
		done := make(chan struct{})
		defer close(done)
		_, err := upload(t, raw(t, func(c net.Conn) { <-done }), short, io.LimitReader(zeros{}, form.Size))
		wantFault(t, err, wire.Down, "not answer in time")
	})
}

// The reason for which an upload is refused arrives, also when the server says it at once and takes nothing.
func TestEarlyRefusal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows drops what has arrived on a connection that is reset")
	}
	wiretest.NoLeaks(t)
	server := wire.Server{Address: "http://" + wiretest.Listen(t, func(c net.Conn) {
		c.Read(make([]byte, 1))
		io.WriteString(c, "HTTP/1.1 413 Payload Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlarg")
		// Closed with bytes unread, which resets the connection.
	})}
	for range 20 {
		c, err := wire.NewClient(server, limits, "Bearer")
		if err != nil {
			t.Fatal(err)
		}
		reply, err := c.Upload(t.Context(), "/", wire.Form{Field: "sample", Size: 32 << 20}, io.LimitReader(zeros{}, 32<<20))
		if err != nil || reply.Status != http.StatusRequestEntityTooLarge {
			t.Fatalf("Upload = %d, %v; want 413", reply.Status, err)
		}
		c.Close()
	}
}

// A stream is cut at its limit, and what its reader complains about is the server's fault.
func TestStream(t *testing.T) {
	server := wiretest.Serve(t, "", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, strings.Repeat("x", 1000))
	}))
	c, err := wire.NewClient(server, limits, "Bearer")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	read := func(r io.Reader) error { _, err := io.ReadAll(r); return err }
	if _, err := c.Stream(t.Context(), "/", 1000, read); err != nil {
		t.Errorf("Stream of 1000 of 1000 bytes: %v", err)
	}
	_, err = c.Stream(t.Context(), "/", 999, read)
	wantFault(t, err, wire.Garbage, "longer than any")
	_, err = c.Stream(t.Context(), "/", 1000, func(io.Reader) error { return wire.Bad("nonsense") })
	wantFault(t, err, wire.Garbage, "nonsense")
}
