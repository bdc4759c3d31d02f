//go:build linux

package x11

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jezek/xgb"
	"github.com/jezek/xgb/screensaver"
	"github.com/jezek/xgb/xproto"

	"tyto/idle/idletest"
	"tyto/idle/peer"
)

func cookieOf(t *testing.T, d *idletest.Display) []byte {
	t.Helper()
	file, err := peer.ReadFile(d.Xauthority, idletest.Nobody, 4096)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(d.Number[1:])
	if err != nil {
		t.Fatal(err)
	}
	return Cookie(file, number)
}

func dial(t *testing.T, d *idletest.Display) net.Conn {
	t.Helper()
	conn, err := peer.Dial("/tmp/.X11-unix/X"+d.Number[1:], idletest.Nobody, idletest.Nobody)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// The idle time of a real server is the one that another client library reads, and input resets it.
func TestIdle(t *testing.T) {
	display := idletest.NewDisplay(t, idletest.Nobody)
	_, err := New(t.Context(), dial(t, display), nil)
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Fatalf("without a cookie: %v", err)
	}
	d, err := New(t.Context(), dial(t, display), cookieOf(t, display))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()

	t.Setenv("XAUTHORITY", display.Xauthority)
	theirs, err := xgb.NewConnDisplay(display.Number)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := screensaver.Init(theirs); err != nil {
		t.Fatal(err)
	}
	root := xproto.Setup(theirs).DefaultScreen(theirs).Root
	if uint32(root) != d.root {
		t.Errorf("root window %#x, xgb says %#x", d.root, root)
	}
	their := func() time.Duration {
		info, err := screensaver.QueryInfo(theirs, xproto.Drawable(root)).Reply()
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(info.MsSinceUserInput) * time.Millisecond
	}
	before := their()
	got, err := d.Idle(t.Context())
	if after := their(); err != nil || got < before || got > after {
		t.Errorf("idle for %v, xgb says from %v to %v (%v)", got, before, after, err)
	}
	idletest.Until(t, "time passes", func() bool { return their() > 200*time.Millisecond })
	before = their()
	display.Touch(t)
	if got, err := d.Idle(t.Context()); err != nil || got >= before {
		t.Errorf("idle for %v after input, before it was %v (%v)", got, before, err)
	}
	if saver, err := d.Saver(t.Context()); err != nil || saver != SaverAbsent {
		t.Errorf("without xscreensaver: %v, %v", saver, err)
	}
}

// A change of a property of the root window ends Wait.
func TestWait(t *testing.T) {
	display := idletest.NewDisplay(t, idletest.Nobody)
	d, err := New(t.Context(), dial(t, display), cookieOf(t, display))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if event, err := d.Wait(t.Context(), 10*time.Millisecond); err != nil || event {
		t.Fatalf("the time passes: %v, %v", event, err)
	}
	saver := idletest.XScreensaver(t, display)
	saver.Lock()
	for state := SaverAbsent; state != SaverLocked; {
		if event, err := d.Wait(t.Context(), 0); err != nil || !event {
			t.Fatalf("the property changes: %v, %v", event, err)
		}
		if state, err = d.Saver(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// The server tells when input has been missing for long enough, and when there is some again.
func TestAlarm(t *testing.T) {
	display := idletest.NewDisplay(t, idletest.Nobody)
	d, err := New(t.Context(), dial(t, display), cookieOf(t, display))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const threshold = 300 * time.Millisecond
	display.Touch(t)
	if err := d.Alarm(t.Context(), threshold); err != nil {
		t.Fatal(err)
	}
	// awaitIdle waits for events until the idle time is on one side of the threshold.
	awaitIdle := func(long bool) {
		t.Helper()
		for {
			idle, err := d.Idle(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if idle >= threshold == long {
				return
			}
			if event, err := d.Wait(t.Context(), 30*time.Second); err != nil || !event {
				t.Fatalf("no event came: %v", err)
			}
		}
	}
	for range 2 {
		awaitIdle(true)
		display.Touch(t)
		awaitIdle(false)
	}
}

// greeting is what a server with one screen, whose root window is 7, says to a client.
func greeting() []byte {
	b := []byte{1, 0, 11, 0, 0, 0, 0, 0}
	order.PutUint16(b[6:], (32+40)/4)
	fixed := make([]byte, 32)
	fixed[20] = 1
	return append(append(b, fixed...), append(words(7), make([]byte, 36)...)...)
}

func TestHostileServers(t *testing.T) {
	tests := []struct {
		name   string
		answer func(net.Conn)
		want   string
	}{
		{"hangs up", func(net.Conn) {}, "closed pipe"},
		{"says nothing", func(c net.Conn) { io.Copy(io.Discard, c) }, "no answer within"},
		{"refuses", func(c net.Conn) {
			c.Write(append([]byte{0, 2, 11, 0, 0, 0, 1, 0}, "no\x1b\x00"...))
			io.Copy(io.Discard, c)
		}, `refused: "no"`},
		{"no screen", func(c net.Conn) {
			c.Write(append([]byte{1, 0, 11, 0, 0, 0, 8, 0}, make([]byte, 32)...))
			io.Copy(io.Discard, c)
		}, "without a screen"},
		{"greeting too long", func(c net.Conn) { c.Write([]byte{1, 0, 11, 0, 0, 0, 0xff, 0xff}); io.Copy(io.Discard, c) }, "greeting too long"},
		{"endless reply", func(c net.Conn) {
			c.Write(greeting())
			c.Write(append([]byte{isReply, 0, 1, 0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 24)...))
			io.Copy(io.Discard, c)
		}, "larger than"},
		{"endless event", func(c net.Conn) {
			c.Write(greeting())
			c.Write(append([]byte{isGeneric, 0, 1, 0, 0xff, 0xff, 0xff, 0xff}, make([]byte, 24)...))
			io.Copy(io.Discard, c)
		}, "larger than"},
		{"events that are no answers", func(c net.Conn) {
			c.Write(greeting())
			for event := make([]byte, 3200); ; {
				for i := 0; i < len(event); i += 32 {
					event[i] = 28
				}
				if _, err := c.Write(event); err != nil {
					return
				}
			}
		}, "floods"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				defer theirs.Close()
				go io.Copy(io.Discard, theirs) // what we send must not block them
				test.answer(theirs)
			}()
			d, err := New(t.Context(), ours, nil)
			if err == nil {
				d.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
			<-done
		})
	}
}

func TestCookie(t *testing.T) {
	entry := func(family uint16, texts ...string) (b []byte) {
		b = append(b, byte(family>>8), byte(family))
		for _, s := range texts {
			b = append(b, byte(len(s)>>8), byte(len(s)))
			b = append(b, s...)
		}
		return b
	}
	const mit = "MIT-MAGIC-COOKIE-1"
	file := bytes.Join([][]byte{
		entry(0, "10.0.0.1", "0", mit, "remote"),
		entry(256, "host", "0", "XDM-AUTHORIZATION-1", "other kind"),
		entry(65535, "", "", mit, "any"),
		entry(256, "host", "0", mit, "zero"),
		entry(256, "host", "1", mit, "one"),
	}, nil)
	got := map[int]string{}
	for _, n := range []int{0, 1, 2} {
		got[n] = string(Cookie(file, n))
	}
	if diff := cmp.Diff(map[int]string{0: "zero", 1: "one", 2: "any"}, got); diff != "" {
		t.Errorf("cookies (-want +got):\n%s", diff)
	}
	for i := range file {
		Cookie(file[:i], 1) // a torn file harms nobody
	}
}

// Nothing that a server says makes the client panic or read without end.
func FuzzServer(f *testing.F) {
	f.Add(greeting())
	reply := append([]byte{isReply, 0, 1, 0, 0, 0, 0, 0, 1, 130}, make([]byte, 22)...)
	f.Add(append(greeting(), reply...))
	f.Fuzz(func(t *testing.T, said []byte) {
		d, err := New(context.Background(), &script{Reader: bytes.NewReader(said)}, []byte("cookie"))
		if err != nil {
			return
		}
		d.Saver(t.Context())
		d.Idle(t.Context())
		d.Alarm(t.Context(), time.Second)
	})
}

// script is a connection that says what is in it.
type script struct {
	io.Reader
	net.Conn
}

func (s *script) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s *script) Write(b []byte) (int, error) { return len(b), nil }
func (s *script) Close() error                { return nil }
func (s *script) SetDeadline(time.Time) error { return nil }

func TestMain(m *testing.M) {
	xgb.Logger.SetOutput(io.Discard) // it complains when it is closed
	os.Exit(m.Run())
}

// An Xauthority file is its user's, who may write anything into it.
func FuzzCookie(f *testing.F) {
	f.Add([]byte("\xff\xff\x00\x00\x00\x00\x00\x12MIT-MAGIC-COOKIE-1\x00\x101234567890123456"), 0)
	f.Fuzz(func(t *testing.T, file []byte, display int) {
		if cookie := Cookie(file, display); len(cookie) > len(file) {
			t.Errorf("a cookie of %d bytes in a file of %d", len(cookie), len(file))
		}
	})
}
