//go:build linux

package x11

import (
	"context"
	"fmt"
	"io"

	"tyto/idle/peer"
)

// First bytes of what a server sends; all others are events.
const (
	isError   = 0
	isReply   = 1
	isGeneric = 35 // an event that may be longer than 32 bytes
)

// serverError is an answer that says no.
type serverError struct{ code byte }

func (e *serverError) Error() string {
	return fmt.Sprintf("the X server answered with error %d", e.code)
}

// words is a sequence of 32-bit numbers.
func words(numbers ...uint32) []byte {
	var b []byte
	for _, n := range numbers {
		b = order.AppendUint32(b, n)
	}
	return b
}

// pad fills up to a multiple of four.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// ask sends a request and returns its reply, at least 32 bytes.
func (d *Display) ask(ctx context.Context, code, minor byte, parts ...[]byte) (reply []byte, err error) {
	ctx, cancel := limit(ctx)
	defer cancel()
	err = peer.Within(ctx, d.conn, func() error {
		if err := d.send(code, minor, parts...); err != nil {
			return err
		}
		for {
			m, err := d.read()
			if err != nil {
				return err
			}
			switch {
			case order.Uint16(m[2:]) != d.sent:
			case m[0] == isReply:
				reply = m
				return nil
			case m[0] == isError:
				return &serverError{code: m[1]}
			}
		}
	})
	return reply, err
}

func (d *Display) send(code, minor byte, parts ...[]byte) error {
	b := []byte{code, minor, 0, 0}
	for _, part := range parts {
		b = append(b, part...)
	}
	b = pad(b)
	order.PutUint16(b[2:], uint16(len(b)/4))
	d.sent++
	_, err := d.conn.Write(b)
	return err
}

// read returns the next message: 32 bytes, for a reply as many more as it says. Events set hinted.
func (d *Display) read() ([]byte, error) {
	for {
		size, err := messageSize(d.in)
		if err != nil {
			return nil, err
		}
		if size > 0 && len(d.in) >= size {
			m := d.in[:size:size]
			d.in = append([]byte(nil), d.in[size:]...)
			if !d.budget.Spend() {
				return nil, fmt.Errorf("%w: it floods the connection", ErrMalformed)
			}
			if m[0] != isReply && m[0] != isError && !d.isNoise(m) {
				d.hinted = true
			}
			return m, nil
		}
		var chunk [4096]byte
		n, err := d.conn.Read(chunk[:])
		d.in = append(d.in, chunk[:n]...)
		if err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			return nil, err
		}
	}
}

// isNoise tells events about properties of the root window that are not xscreensaver's: window managers
// and clocks change them all the time.
func (d *Display) isNoise(event []byte) bool {
	const propertyNotify = 28
	return event[0]&0x7f == propertyNotify && order.Uint32(event[8:]) != d.status
}

// messageSize is the size of the message that begins in b, 0 when b is too short to say.
func messageSize(b []byte) (int, error) {
	if len(b) < 32 {
		return 0, nil
	}
	if b[0] != isReply && b[0]&0x7f != isGeneric {
		return 32, nil
	}
	more := order.Uint32(b[4:])
	if more > maxReply/4 {
		return 0, fmt.Errorf("%w: larger than %d bytes", ErrMalformed, maxReply)
	}
	return 32 + 4*int(more), nil
}
