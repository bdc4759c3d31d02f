//go:build unix

package service

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestNotifier(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	receive := func() string {
		t.Helper()
		b := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	env := map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "2000"}
	n := NewNotifier(func(name string) string { return env[name] })
	for _, test := range []struct {
		name string
		send func() error
		want string
	}{
		{"ready", func() error { return n.Ready("all is\nwell") }, "READY=1\nSTATUS=all is well"},
		{"reloading", n.Reloading, "RELOADING=1"},
		{"status", func() error { return n.Status("x\nREADY=1") }, "STATUS=x READY=1"},
		{"stopping", n.Stopping, "STOPPING=1"},
	} {
		if err := test.send(); err != nil {
			t.Fatal(err)
		}
		if got := receive(); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	asked := 0
	go func() { defer close(done); n.Watch(ctx, func() bool { asked++; return asked > 2 }) }()
	if got := receive(); got != "WATCHDOG=1" {
		t.Errorf("watchdog: %q", got)
	}
	cancel()
	<-done
	if asked < 3 {
		t.Errorf("told to be alive after %d questions, the first two of which were denied", asked)
	}
}

func TestWithoutSystemd(t *testing.T) {
	n := NewNotifier(func(string) string { return "" })
	if err := n.Ready("x"); err != nil {
		t.Error(err)
	}
	n.Watch(t.Context(), nil) // returns at once
	gone := NewNotifier(func(string) string { return filepath.Join(t.TempDir(), "none") })
	if err := gone.Stopping(); err == nil {
		t.Error("a socket that is not there took a message")
	}
}
