//go:build linux

package bus

import (
	"encoding/binary"
	"fmt"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// Kinds of messages.
const (
	kindCall   = 1
	kindReply  = 2
	kindError  = 3
	kindSignal = 4
)

// Fields of a message's header.
const (
	fieldPath        = 1
	fieldInterface   = 2
	fieldMember      = 3
	fieldErrorName   = 4
	fieldReplySerial = 5
	fieldDestination = 6
	fieldSender      = 7
	fieldSignature   = 8
)

// noAutoStart asks the bus not to start a service for the sake of a question.
const noAutoStart = 0x2

const (
	fixedHeader = 16        // bytes before the fields of the header, their length included
	maxMessage  = 128 << 10 // bytes; the largest honest one is the list of all sessions, 100 bytes each
	maxFiles    = 8         // open files that may come with one message
)

// message is what this package needs of a received message.
type message struct {
	kind      byte
	replyTo   uint32
	sender    string
	errorName string
	body      []any // nil for signals: nobody looks at it
}

func (m *message) asError() error {
	e := &Error{Name: m.errorName}
	if len(m.body) > 0 {
		e.Text, _ = m.body[0].(string)
	}
	if len(e.Text) > 200 {
		e.Text = e.Text[:200]
	}
	if len(e.Name) > 200 {
		e.Name = e.Name[:200]
	}
	return e
}

// read returns the next message. What has arrived of a message when a deadline interrupts it stays in
// the buffer.
func (c *Conn) read() (*message, error) {
	for {
		size, err := messageSize(c.in)
		if err != nil {
			return nil, err
		}
		if size > 0 && len(c.in) >= size {
			m, err := parseMessage(c.in[:size])
			if c.in = append(c.in[:0], c.in[size:]...); len(c.in) == 0 && (m == nil || m.kind != kindReply) {
				c.dropFiles() // they came with something else than an answer
			}
			if err != nil {
				return nil, err
			}
			if !c.budget.Spend() {
				return nil, ErrFlood
			}
			return m, nil
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads what there is, and takes the open files that come with it.
func (c *Conn) fill() error {
	var chunk [4096]byte
	oob := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oobn, _, _, err := c.socket.ReadMsgUnix(chunk[:], oob)
	if oobn > 0 {
		messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			return fmt.Errorf("%w: control data", ErrMalformed)
		}
		for i := range messages {
			if fds, err := syscall.ParseUnixRights(&messages[i]); err == nil {
				c.files = append(c.files, fds...)
			}
		}
		if len(c.files) > maxFiles {
			return fmt.Errorf("%w: more than %d files", ErrMalformed, maxFiles)
		}
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return io.EOF
	}
	c.in = append(c.in, chunk[:n]...)
	return nil
}

// messageSize is the size of the message that begins in b, 0 when b is too short to say.
func messageSize(b []byte) (int, error) {
	if len(b) < fixedHeader {
		return 0, nil
	}
	order, err := byteOrder(b)
	if err != nil {
		return 0, err
	}
	body, fields := order.Uint32(b[4:]), order.Uint32(b[12:])
	if body > maxMessage || fields > maxMessage {
		return 0, fmt.Errorf("%w: larger than %d bytes", ErrMalformed, maxMessage)
	}
	size := align(fixedHeader+int(fields), 8) + int(body)
	if size > maxMessage {
		return 0, fmt.Errorf("%w: larger than %d bytes", ErrMalformed, maxMessage)
	}
	return size, nil
}

func byteOrder(b []byte) (binary.ByteOrder, error) {
	switch b[0] {
	case 'l':
		return binary.LittleEndian, nil
	case 'B':
		return binary.BigEndian, nil
	}
	return nil, fmt.Errorf("%w: byte order %#x", ErrMalformed, b[0])
}

// parseMessage takes a complete message apart.
func parseMessage(b []byte) (*message, error) {
	order, err := byteOrder(b)
	if err != nil {
		return nil, err
	}
	if b[3] != 1 {
		return nil, fmt.Errorf("%w: protocol version %d", ErrMalformed, b[3])
	}
	d := decoder{order: order, in: b, at: 12, left: maxValues}
	fields, err := d.values("a(yv)")
	if err != nil {
		return nil, err
	}
	m := &message{kind: b[1]}
	signature := ""
	for _, field := range fields[0].([]any) {
		pair := field.([]any)
		text, _ := pair[1].(string)
		switch pair[0].(byte) {
		case fieldReplySerial:
			m.replyTo, _ = pair[1].(uint32)
		case fieldErrorName:
			m.errorName = text
		case fieldSender:
			m.sender = text
		case fieldSignature:
			signature = text
		}
	}
	if m.kind != kindReply && m.kind != kindError {
		return m, nil
	}
	if err := d.align(8); err != nil {
		return nil, err
	}
	m.body, err = d.values(signature)
	return m, err
}

// encodeCall makes the message that calls a method.
func encodeCall(serial uint32, destination, path, iface, member string, args []any) ([]byte, error) {
	var body encoder
	signature := ""
	for _, arg := range args {
		switch arg := arg.(type) {
		case string:
			signature += "s"
			body.string(arg)
		case bool:
			signature += "b"
			n := uint32(0)
			if arg {
				n = 1
			}
			body.uint32(n)
		case uint32:
			signature += "u"
			body.uint32(arg)
		default:
			return nil, fmt.Errorf("call %q: cannot send a %T", member, arg)
		}
	}
	var fields encoder
	field := func(code byte, kind byte, value string) {
		fields.align(8)
		fields.out = append(fields.out, code, 1, kind, 0)
		if kind == 'g' {
			fields.out = append(append(fields.out, byte(len(value))), value...)
			fields.out = append(fields.out, 0)
			return
		}
		fields.string(value)
	}
	field(fieldPath, 'o', path)
	field(fieldInterface, 's', iface)
	field(fieldMember, 's', member)
	field(fieldDestination, 's', destination)
	if signature != "" {
		field(fieldSignature, 'g', signature)
	}
	var out encoder
	out.out = append(out.out, 'l', kindCall, noAutoStart, 1)
	out.uint32(uint32(len(body.out)))
	out.uint32(serial)
	out.uint32(uint32(len(fields.out)))
	out.out = append(out.out, fields.out...)
	out.align(8)
	out.out = append(out.out, body.out...)
	if len(out.out) > maxMessage {
		return nil, fmt.Errorf("call %q: the message is larger than %d bytes", member, maxMessage)
	}
	return out.out, nil
}

// encoder writes values in little-endian order.
type encoder struct{ out []byte }

func (e *encoder) align(n int) {
	for len(e.out)%n != 0 {
		e.out = append(e.out, 0)
	}
}

func (e *encoder) uint32(n uint32) {
	e.align(4)
	e.out = binary.LittleEndian.AppendUint32(e.out, n)
}

func (e *encoder) string(s string) {
	e.uint32(uint32(len(s)))
	e.out = append(append(e.out, s...), 0)
}

func align(n, to int) int { return (n + to - 1) / to * to }
