package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Notifier tells systemd how the service is doing, see sd_notify(3). Without systemd it does nothing.
type Notifier struct {
	socket string
	every  time.Duration // of the watchdog; 0: none
}

// NewNotifier returns the notifier for the environment that systemd gives a service.
func NewNotifier(getenv func(string) string) *Notifier {
	n := &Notifier{socket: getenv("NOTIFY_SOCKET")}
	if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
		n.every = time.Duration(usec) * time.Microsecond
	}
	return n
}

// Ready tells that the service has started, and what it does.
func (n *Notifier) Ready(status string) error { return n.send("READY=1", "STATUS="+oneLine(status)) }

// Reloading tells that the policy is being read; Ready ends it.
func (n *Notifier) Reloading() error { return n.send("RELOADING=1") }

// Stopping tells that the service ends.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status tells what the service does.
func (n *Notifier) Status(text string) error { return n.send("STATUS=" + oneLine(text)) }

// Watch tells that the service is alive as long as alive says so, until ctx ends. alive is asked at half the
// watchdog's time; a service for which it does not return is restarted.
func (n *Notifier) Watch(ctx context.Context, alive func() bool) {
	if n.socket == "" || n.every == 0 {
		return
	}
	ticker := time.NewTicker(n.every / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if alive() {
				_ = n.send("WATCHDOG=1") // if it is lost, systemd restarts the service
			}
		}
	}
}

func (n *Notifier) send(lines ...string) error {
	if n.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	err = conn.SetDeadline(time.Now().Add(time.Second))
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	}
	if err = errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	return nil
}

// oneLine keeps a text from being taken for several assignments.
func oneLine(text string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(text) }
