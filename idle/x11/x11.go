//go:build linux

// Package x11 asks an X server two things: how long ago the last input was (extensions MIT-SCREEN-SAVER
// and SYNC), and whether xscreensaver has blanked or locked the screen (it writes a property of the root window).
//
// The server may be any program that a user started, so this is a client of its own rather than a
// library that trusts its server: one goroutine, answers of at most 64 KiB, a time limit for each, and
// no more than a few hundred messages a second. Events only say that it is time to ask again.
//
// Formats: X Window System Protocol, X Version 11; Screen Saver Extension 1.1; for the property
// xscreensaver's windows.c and subprocs.c (store_saver_status).
package x11

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"tyto/idle/peer"
)

// CallTimeout is how long an answer may take.
const CallTimeout = 2 * time.Second

const (
	maxReply     = 64 << 10 // bytes; a list of 4,000 windows has 16 KiB
	maxWindows   = 1024     // top-level windows that are looked at for xscreensaver's own
	maxBurst     = 2048     // messages that may arrive at once: an answer for each window, and events
	maxPerSecond = 200      // messages that may arrive in the long run
	eventBurst   = 20       // events that each make Wait return at once
	eventRate    = 5        // per second, in the long run
)

// ErrMalformed ends a connection whose server does not keep to the protocol or to the limits.
var ErrMalformed = errors.New("malformed answer of the X server")

// ErrUnsupported is returned by a question that this server knows nothing of.
var ErrUnsupported = errors.New("the X server does not have it")

// RefusedError says why the server did not let us in.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return fmt.Sprintf("the X server refused: %q", e.Reason) }

var order = binary.LittleEndian

// Display is a connection to an X server. It must be used from one goroutine at a time.
type Display struct {
	conn   net.Conn
	root   uint32 // window of the first screen
	ids    uint32 // base of the numbers that we may give to things
	sent   uint16 // number of the last request
	hinted bool
	in     []byte          // the beginning of a message that has not arrived as a whole
	budget *peer.Allowance // of messages
	events *peer.Allowance // of returns of Wait because of an event

	saverCode   byte // major opcode of MIT-SCREEN-SAVER, 0 if missing
	status      uint32
	version     uint32
	blank, lock uint32
	keeper      uint32 // xscreensaver's own window, while it is known
}

// New greets the server at the other end of conn; cookie is the server's MIT-MAGIC-COOKIE-1 or empty. It
// closes conn when it fails.
func New(ctx context.Context, conn net.Conn, cookie []byte) (*Display, error) {
	d := &Display{conn: conn, budget: peer.NewAllowance(maxBurst, maxPerSecond), events: peer.NewAllowance(eventBurst, eventRate)}
	ctx, cancel := limit(ctx)
	defer cancel()
	err := peer.Within(ctx, conn, func() error { return d.greet(cookie) })
	if err == nil {
		err = d.prepare(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet X server: %w", err)
	}
	return d, nil
}

func limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, CallTimeout, fmt.Errorf("no answer within %v", CallTimeout))
}

// Close ends the connection.
func (d *Display) Close() error { return d.conn.Close() }

func (d *Display) greet(cookie []byte) error {
	name := ""
	if len(cookie) > 0 {
		name = cookieName
	}
	hello := []byte{'l', 0}
	for _, n := range []int{11, 0, len(name), len(cookie), 0} {
		hello = order.AppendUint16(hello, uint16(n))
	}
	hello = pad(append(hello, name...))
	hello = pad(append(hello, cookie...))
	if _, err := d.conn.Write(hello); err != nil {
		return err
	}
	var head [8]byte
	if _, err := io.ReadFull(d.conn, head[:]); err != nil {
		return err
	}
	rest := make([]byte, min(4*int(order.Uint16(head[6:])), maxReply))
	if 4*int(order.Uint16(head[6:])) > len(rest) {
		return fmt.Errorf("%w: greeting too long", ErrMalformed)
	}
	if _, err := io.ReadFull(d.conn, rest); err != nil {
		return err
	}
	if head[0] != 1 {
		return &RefusedError{Reason: string(rest[:min(int(head[1]), len(rest))])}
	}
	root, err := firstRoot(rest)
	if err != nil {
		return err
	}
	d.root, d.ids = root, order.Uint32(rest[4:])
	return nil
}

// firstRoot finds the root window of the first screen in what follows the head of the greeting.
func firstRoot(b []byte) (uint32, error) {
	if len(b) < 32 {
		return 0, fmt.Errorf("%w: greeting too short", ErrMalformed)
	}
	screens := 32 + (int(order.Uint16(b[16:]))+3)/4*4 + 8*int(b[21])
	if b[20] == 0 || len(b) < screens+4 {
		return 0, fmt.Errorf("%w: greeting without a screen", ErrMalformed)
	}
	return order.Uint32(b[screens:]), nil
}

// prepare looks up the numbers that this server gives to names, and asks for the root's property changes.
func (d *Display) prepare(ctx context.Context) error {
	reply, err := d.ask(ctx, 98, 0, words(uint32(len(saverExtension))), []byte(saverExtension))
	if err != nil {
		return err
	}
	if reply[8] == 1 {
		d.saverCode = reply[9]
	}
	for name, atom := range map[string]*uint32{
		"_SCREENSAVER_STATUS": &d.status, "_SCREENSAVER_VERSION": &d.version, "BLANK": &d.blank, "LOCK": &d.lock,
	} {
		reply, err := d.ask(ctx, 16, 0, words(uint32(len(name))), []byte(name)) // InternAtom
		if err != nil {
			return err
		}
		*atom = order.Uint32(reply[8:])
	}
	const propertyChange = 0x400000
	return d.selectEvents(ctx, d.root, propertyChange)
}

const (
	saverExtension = "MIT-SCREEN-SAVER"
	cookieName     = "MIT-MAGIC-COOKIE-1"
)

// selectEvents asks for a window's events. The server answers with nothing, or with an error later,
// which is passed over: such a window is gone.
func (d *Display) selectEvents(ctx context.Context, window, mask uint32) error {
	return peer.Within(ctx, d.conn, func() error {
		return d.send(2, 0, words(window, 0x800, mask)) // ChangeWindowAttributes: event-mask
	})
}

// Idle is the time since the last input on this display.
func (d *Display) Idle(ctx context.Context) (time.Duration, error) {
	if d.saverCode == 0 {
		return 0, fmt.Errorf("extension %s: %w", saverExtension, ErrUnsupported)
	}
	reply, err := d.ask(ctx, d.saverCode, 1, words(d.root)) // QueryInfo
	if err != nil {
		return 0, err
	}
	return time.Duration(order.Uint32(reply[16:])) * time.Millisecond, nil
}

// Wait returns true when the server has sent an event since the last Wait, and false when it sends none
// until the timeout (0: none).
func (d *Display) Wait(ctx context.Context, timeout time.Duration) (event bool, err error) {
	parent := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err = peer.Within(ctx, d.conn, func() error {
		for !d.hinted {
			if _, err := d.read(); err != nil {
				return err
			}
		}
		return nil
	})
	event, d.hinted = d.hinted, false
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && parent.Err() == nil {
		return event, nil
	}
	if err == nil {
		err = d.events.Wait(parent)
	}
	return event, err
}
