//go:build linux

// Package bus is a small D-Bus client for peers that are not trusted.
//
// Tyto runs as root and asks the session bus of each user whether that user's screensaver is on. The
// socket of such a bus belongs to the user, who can put any program behind it. A general library
// trusts its bus: it takes messages of 128 MiB, answers calls, keeps queues, and may panic in a goroutine
// of its own when a message of the bus itself is malformed. This client does the few things that are
// needed, and each of them within limits:
//
//   - One goroutine. [Conn.Call] sends and reads until the answer is there; [Conn.Wait] reads until a
//     signal is. Nothing runs in the background, nothing is queued: signals that arrive during a call
//     only set a flag.
//   - Signals are hints. Any program on a bus can send a signal with any content to anybody, so what a
//     signal says is not used. It only makes the caller ask again.
//   - Messages are at most 128 KiB, hold at most 8192 values, nested 16 deep ([Decode]).
//   - A peer that sends more than a few hundred messages a second is hung up on ([ErrFlood]).
//   - Every operation takes a context, and each call ends after [CallTimeout].
//   - Calls never start a service (the flag NO_AUTO_START).
//
// It is used for the system bus as well, on which every local user can write to everybody.
//
// Format: the D-Bus Specification 0.43, "Message Protocol" and "Authentication Protocol".
package bus

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tyto/idle/peer"
)

// CallTimeout is how long an answer may take. Screensavers and logind answer within milliseconds; one
// that needs seconds hangs.
const CallTimeout = 2 * time.Second

const (
	// busName is the bus itself, as a destination and as the sender of its own signals.
	busName      = "org.freedesktop.DBus"
	busPath      = "/org/freedesktop/DBus"
	maxAuthLine  = 512 // bytes of one line of the authentication; "OK" and a GUID are 36
	maxBurst     = 400 // messages that may arrive at once: many sessions announced together
	maxPerSecond = 100 // messages that may arrive in the long run
	hintBurst    = 20  // signals that each make Wait return at once
	hintRate     = 5   // per second, in the long run: a storm of signals must not make a storm of questions
)

var (
	// ErrFlood ends a connection whose peer sends more messages than any honest one does.
	ErrFlood = errors.New("the peer floods the connection with messages")

	// ErrMalformed ends a connection whose peer does not keep to the protocol or to this package's limits.
	ErrMalformed = errors.New("malformed message")
)

// Error is an error that the called service, or the bus on its behalf, answered with.
type Error struct {
	Name string // such as "org.freedesktop.DBus.Error.UnknownMethod"
	Text string // what the peer added for people; hostile
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Name
	}
	return fmt.Sprintf("%s: %q", e.Name, e.Text)
}

// NotThere reports whether err says that there is no such service, object or method, as opposed to one
// that fails.
func NotThere(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch strings.TrimPrefix(e.Name, busName+".Error.") {
	case "ServiceUnknown", "NameHasNoOwner", "UnknownMethod", "UnknownObject", "UnknownInterface",
		"UnknownProperty", "NotSupported":
		return true
	}
	return false
}

// Conn is a connection to a bus. It must be used from one goroutine at a time.
type Conn struct {
	socket *net.UnixConn
	serial uint32
	senders
	hinted bool            // a signal arrived and nobody has been told
	in     []byte          // the beginning of a message that has not arrived as a whole
	files  []int           // received with the message that is being read
	budget *peer.Allowance // of messages
	hints  *peer.Allowance // of returns of Wait because of a signal
}

// senders are the unique names whose signals count; empty: anybody's do.
type senders map[string]bool

// New makes a bus connection of a connected socket: it authenticates as uid, which must be the user
// whose credentials the kernel noted when the socket was connected, and says hello. It closes the
// socket when it fails.
func New(ctx context.Context, socket *net.UnixConn, uid int) (*Conn, error) {
	c := &Conn{socket: socket, budget: peer.NewAllowance(maxBurst, maxPerSecond), hints: peer.NewAllowance(hintBurst, hintRate)}
	ctx, cancel := limit(ctx)
	defer cancel()
	err := c.within(ctx, func() error { return c.authenticate(uid) })
	if err == nil {
		_, err = c.Call(ctx, busName, busPath, busName, "Hello")
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("greet bus: %w", err)
	}
	return c, nil
}

func limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, CallTimeout, fmt.Errorf("no answer within %v", CallTimeout))
}

// Close ends the connection. The bus forgets what it was asked to send.
func (c *Conn) Close() error {
	c.dropFiles()
	return c.socket.Close()
}

// Call calls a method and returns the values of its answer, as [Decode] describes them. Arguments are
// strings, booleans and uint32. An answer that is an error is returned as an [*Error]; after any other
// error the connection is of no more use.
func (c *Conn) Call(ctx context.Context, destination, path, iface, member string, args ...any) ([]any, error) {
	body, _, err := c.call(ctx, destination, path, iface, member, args...)
	return body, err
}

// CallForFile calls a method whose answer carries an open file.
func (c *Conn) CallForFile(ctx context.Context, destination, path, iface, member string, args ...any) (*os.File, error) {
	_, files, err := c.call(ctx, destination, path, iface, member, args...)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("call %q: %w: no file in the answer", member, ErrMalformed)
	}
	for _, fd := range files[1:] {
		unix.Close(fd)
	}
	return os.NewFile(uintptr(files[0]), member), nil
}

func (c *Conn) call(ctx context.Context, destination, path, iface, member string, args ...any) (body []any, files []int, err error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	c.serial++
	message, err := encodeCall(c.serial, destination, path, iface, member, args)
	if err != nil {
		return nil, nil, err
	}
	err = c.within(ctx, func() error {
		if _, err := c.socket.Write(message); err != nil {
			return err
		}
		for {
			m, err := c.read()
			if err != nil {
				return err
			}
			if m.kind == kindSignal {
				c.hint(m)
			}
			if m.replyTo != c.serial || (m.kind != kindReply && m.kind != kindError) {
				continue
			}
			if m.kind == kindError {
				return m.asError()
			}
			body, files, c.files = m.body, c.files, nil
			return nil
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("call %q: %w", member, err)
	}
	return body, files, nil
}

// Match asks the bus for the signals of a sender, by its well-known name, on an interface.
func (c *Conn) Match(ctx context.Context, sender, iface string) error {
	_, err := c.Call(ctx, busName, busPath, busName, "AddMatch",
		fmt.Sprintf("type='signal',sender='%s',interface='%s'", sender, iface))
	return err
}

// MatchOwner asks the bus to tell when a well-known name gets another owner.
func (c *Conn) MatchOwner(ctx context.Context, name string) error {
	_, err := c.Call(ctx, busName, busPath, busName, "AddMatch",
		fmt.Sprintf("type='signal',sender='%s',interface='%s',member='NameOwnerChanged',arg0='%s'", busName, busName, name))
	return err
}

// Owner returns the unique name that owns a well-known one; an error for which [NotThere] holds if
// nobody does.
func (c *Conn) Owner(ctx context.Context, name string) (string, error) {
	body, err := c.Call(ctx, busName, busPath, busName, "GetNameOwner", name)
	if err != nil {
		return "", err
	}
	if len(body) == 1 {
		if owner, ok := body[0].(string); ok {
			return owner, nil
		}
	}
	return "", fmt.Errorf("owner of %q: %w", name, ErrMalformed)
}

// Listen makes only signals of these unique names, and of the bus itself, count as hints. On the system
// bus everybody can send signals to everybody.
func (c *Conn) Listen(unique ...string) {
	c.senders = senders{busName: true}
	for _, name := range unique {
		c.senders[name] = true
	}
}

// Wait returns nil when a signal has arrived since the last Wait, or when no signal arrives until the
// timeout (0: none). When signals come thick and fast it takes its time.
func (c *Conn) Wait(ctx context.Context, timeout time.Duration) error {
	parent := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	err := c.within(ctx, func() error {
		for !c.hinted {
			m, err := c.read()
			if err != nil {
				return err
			}
			if m.kind == kindSignal {
				c.hint(m)
			}
		}
		return nil
	})
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && parent.Err() == nil {
		return nil
	}
	if err == nil {
		err = c.hints.Wait(parent)
	}
	c.hinted = false
	return err
}

func (c *Conn) hint(m *message) {
	if len(c.senders) == 0 || c.senders[m.sender] {
		c.hinted = true
	}
}

// within runs blocking reads and writes that end when ctx does. A message of which a part has arrived
// by then is continued by the next call: see in.
func (c *Conn) within(ctx context.Context, f func() error) error {
	return peer.Within(ctx, c.socket, f)
}

// authenticate speaks the line protocol that precedes messages: mechanism EXTERNAL, with files.
func (c *Conn) authenticate(uid int) error {
	ask := func(line, want string) error {
		if _, err := c.socket.Write([]byte(line + "\r\n")); err != nil {
			return err
		}
		answer, err := c.readLine()
		if err != nil {
			return err
		}
		if word, _, _ := strings.Cut(answer, " "); word != want {
			return fmt.Errorf("the bus refused user %d: %q", uid, answer)
		}
		return nil
	}
	id := hex.EncodeToString([]byte(strconv.Itoa(uid)))
	if err := ask("\x00AUTH EXTERNAL "+id, "OK"); err != nil {
		return err
	}
	if err := ask("NEGOTIATE_UNIX_FD", "AGREE_UNIX_FD"); err != nil {
		return err
	}
	_, err := c.socket.Write([]byte("BEGIN\r\n"))
	return err
}

// readLine reads a byte at a time, so that nothing of what follows is taken.
func (c *Conn) readLine() (string, error) {
	var line []byte
	for len(line) < maxAuthLine {
		var b [1]byte
		if _, err := io.ReadFull(c.socket, b[:]); err != nil {
			return "", err
		}
		if b[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, b[0])
	}
	return "", fmt.Errorf("%w: a line of more than %d bytes", ErrMalformed, maxAuthLine)
}

func (c *Conn) dropFiles() {
	for _, fd := range c.files {
		unix.Close(fd)
	}
	c.files = nil
}
