//go:build linux

package bus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"

	"tyto/idle/idletest"
	"tyto/idle/peer"
)

// open connects to a bus as root.
func open(t *testing.T, b *idletest.Bus) *Conn {
	t.Helper()
	socket, err := peer.Dial(b.Socket, os.Geteuid(), os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := New(t.Context(), socket, os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A real bus with a service written with another library.
func TestConversation(t *testing.T) {
	b := idletest.SystemBus(t)
	conn := open(t, b)
	const name = "org.example.Saver"
	if _, err := conn.Owner(t.Context(), name); !NotThere(err) {
		t.Fatalf("owner of a free name: %v", err)
	}
	if err := conn.MatchOwner(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := conn.Match(t.Context(), name, name); err != nil {
		t.Fatal(err)
	}
	service := idletest.OwnName(t, b, name, "/saver", map[string]any{
		"Echo": func(s string, b bool, n uint32) (string, bool, uint32, map[string]dbus.Variant, *dbus.Error) {
			return s, b, n, map[string]dbus.Variant{"list": dbus.MakeVariant([]int16{-1, 2})}, nil
		},
		"File": func() (dbus.UnixFD, *dbus.Error) {
			f, err := os.Open("/proc/self/stat")
			if err != nil {
				return 0, dbus.MakeFailedError(err)
			}
			return dbus.UnixFD(f.Fd()), nil
		},
	})
	if err := conn.Wait(t.Context(), 0); err != nil {
		t.Fatalf("hear of the new owner: %v", err)
	}
	owner, err := conn.Owner(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := conn.Call(t.Context(), name, "/saver", name, "Echo", "ü", true, uint32(7))
	want := []any{"ü", true, uint32(7), map[string]any{"list": []any{int16(-1), int16(2)}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("echo: %v (-want +got):\n%s", err, diff)
	}
	if _, err := conn.Call(t.Context(), name, "/saver", name, "Missing"); !NotThere(err) {
		t.Errorf("a missing method: %v", err)
	}
	f, err := conn.CallForFile(t.Context(), name, "/saver", name, "File")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if content, err := io.ReadAll(f); err != nil || !bytes.HasPrefix(content, []byte("")) || len(content) == 0 {
		t.Errorf("file: %q, %v", content, err)
	}

	// A signal of the service is a hint, also one that comes during a call; one of somebody else is not.
	conn.Listen(owner)
	if err := service.Emit("/saver", name+".Changed", true); err != nil {
		t.Fatal(err)
	}
	if err := conn.Wait(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	conn.Listen(":1.999")
	if err := service.Emit("/saver", name+".Changed", true); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Call(t.Context(), name, "/saver", name, "Echo", "", true, uint32(0)); err != nil {
		t.Fatal(err)
	}
	if conn.hinted {
		t.Error("a stranger's signal counts")
	}
}

// served is a connection to a program that does what answer does with each connection.
func served(t *testing.T, answer func(net.Conn)) (*Conn, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		answer(c)
	}()
	t.Cleanup(func() { l.Close(); <-done })
	socket, err := peer.Dial(path, os.Geteuid(), os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	return New(t.Context(), socket, os.Geteuid())
}

// login answers as a bus until a client has said hello.
func login(c net.Conn) bool {
	expect := func(text string) bool {
		var b []byte
		for !bytes.HasSuffix(b, []byte(text)) && len(b) < 4096 {
			var one [1]byte
			if _, err := c.Read(one[:]); err != nil {
				return false
			}
			b = append(b, one[0])
		}
		return true
	}
	if !expect("\r\n") {
		return false
	}
	io.WriteString(c, "OK 0123456789abcdef\r\n")
	if !expect("\r\n") {
		return false
	}
	io.WriteString(c, "AGREE_UNIX_FD\r\n")
	if !expect("BEGIN\r\n") {
		return false
	}
	return expect("Hello\x00") && reply(c, 1)
}

// reply answers a call with an empty message.
func reply(c net.Conn, serial uint32) bool {
	m := dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{dbus.FieldReplySerial: dbus.MakeVariant(serial)}}
	_, err := c.Write(encode(&m, binary.LittleEndian))
	return err == nil
}

// signal is a message of a bus that godbus makes.
func signal(iface, member string, body ...any) []byte {
	m := dbus.Message{Type: dbus.TypeSignal, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldPath:      dbus.MakeVariant(dbus.ObjectPath("/")),
		dbus.FieldInterface: dbus.MakeVariant(iface),
		dbus.FieldMember:    dbus.MakeVariant(member),
		dbus.FieldSender:    dbus.MakeVariant("org.freedesktop.DBus"),
	}}
	if len(body) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(body...))
	}
	return encode(&m, binary.LittleEndian)
}

// encode is godbus's encoding of a message, with the serial number that it gives to messages when it sends
// them only.
func encode(m *dbus.Message, order binary.ByteOrder) []byte {
	var b bytes.Buffer
	if err := m.EncodeTo(&b, order); err != nil {
		panic(err)
	}
	order.PutUint32(b.Bytes()[8:], 8)
	return b.Bytes()
}

// No peer makes us wait without end, use much memory, or crash.
func TestHostilePeers(t *testing.T) {
	tests := []struct {
		name   string
		answer func(net.Conn)
		want   string
	}{
		{"hangs up", func(net.Conn) {}, "hung up"},
		{"says nothing", func(c net.Conn) { io.Copy(io.Discard, c) }, "no answer within"},
		{"refuses", func(c net.Conn) { io.WriteString(c, "REJECTED EXTERNAL\r\n"); io.Copy(io.Discard, c) }, "refused user"},
		{"endless line", func(c net.Conn) { io.Copy(c, endless('x')) }, "a line of more than"},
		{"endless message", func(c net.Conn) {
			login(c)
			c.Write([]byte{'l', kindReply, 0, 1, 0xff, 0xff, 0xff, 0x07, 1, 0, 0, 0, 8, 0, 0, 0})
			io.Copy(c, endless(0))
		}, "larger than"},
		{"messages that are no answers", func(c net.Conn) {
			if login(c) {
				for s := signal("a.b", "C"); ; {
					if _, err := c.Write(s); err != nil {
						return
					}
				}
			}
		}, ErrFlood.Error()},
		{"a signal of the bus that lacks its body", func(c net.Conn) { // which makes other libraries panic
			login(c)
			c.Write(signal("org.freedesktop.DBus", "NameLost"))
			c.Write([]byte("and then nonsense"))
			io.Copy(io.Discard, c)
		}, "byte order"},
		{"noise", func(c net.Conn) {
			login(c)
			c.Write(bytes.Repeat([]byte("noise"), 100))
			io.Copy(io.Discard, c)
		}, "byte order"},
		{"an answer of another type", func(c net.Conn) { login(c); reply(c, 2); io.Copy(io.Discard, c) }, "malformed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn, err := served(t, test.answer)
			if err == nil {
				defer conn.Close()
				_, err = conn.Owner(t.Context(), "org.example")
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// endless is a reader of one byte again and again.
type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

// A message that a deadline interrupts is read on by the next call.
func TestInterruptedMessage(t *testing.T) {
	half := make(chan bool)
	conn, err := served(t, func(c net.Conn) {
		login(c)
		s := signal("a.b", "C", "text")
		c.Write(s[:len(s)/2])
		if <-half {
			c.Write(s[len(s)/2:])
		}
		io.Copy(io.Discard, c)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Wait(t.Context(), 50*time.Millisecond); err != nil {
		t.Fatalf("the time passes: %v", err)
	}
	half <- true
	if err := conn.Wait(t.Context(), 0); err != nil {
		t.Fatalf("the rest comes: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := conn.Wait(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}

// What godbus encodes is decoded to the same values.
func TestDecode(t *testing.T) {
	body := []any{
		byte(1), true, int16(-2), uint16(3), int32(-4), uint32(5), int64(-6), uint64(7), 8.5, "nine", dbus.ObjectPath("/ten"),
		[]byte{1, 2}, []string{"a", "b"}, []string{}, map[string]dbus.Variant{"k": dbus.MakeVariant(uint32(1)), "l": dbus.MakeVariant([]string{"x"})},
		map[uint32]string{1: "one"}, struct {
			A string
			B uint64
		}{"s", 1}, []struct{ A, B string }{{"p", "q"}},
	}
	want := []any{
		byte(1), true, int16(-2), uint16(3), int32(-4), uint32(5), int64(-6), uint64(7), 8.5, "nine", "/ten",
		[]byte{1, 2}, []any{"a", "b"}, []any{}, map[string]any{"k": uint32(1), "l": []any{"x"}},
		[]any{[]any{uint32(1), "one"}}, []any{"s", uint64(1)}, []any{[]any{"p", "q"}},
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		m := dbus.Message{Type: dbus.TypeMethodReply, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldReplySerial: dbus.MakeVariant(uint32(9)),
			dbus.FieldSender:      dbus.MakeVariant(":1.5"),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(body...)),
		}}
		got, err := parseMessage(encode(&m, order))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&message{kind: kindReply, replyTo: 9, sender: ":1.5", body: want}, got, cmp.AllowUnexported(message{})); diff != "" {
			t.Errorf("%v (-want +got):\n%s", order, diff)
		}
	}
}

// What we encode is what godbus reads.
func TestEncode(t *testing.T) {
	b, err := encodeCall(3, "org.example", "/path", "org.example.Iface", "Member", []any{"text", true, uint32(4), ""})
	if err != nil {
		t.Fatal(err)
	}
	m, err := dbus.DecodeMessage(iotest.OneByteReader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	got := []any{m.Type, m.Flags, m.Serial(), m.Headers[dbus.FieldDestination].Value(), m.Headers[dbus.FieldPath].Value(),
		m.Headers[dbus.FieldInterface].Value(), m.Headers[dbus.FieldMember].Value(), m.Body}
	want := []any{dbus.TypeMethodCall, dbus.FlagNoAutoStart, uint32(3), "org.example", dbus.ObjectPath("/path"),
		"org.example.Iface", "Member", []any{"text", true, uint32(4), ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Nothing makes the parser panic, and what it accepts godbus does not contradict.
func FuzzParseMessage(f *testing.F) {
	f.Add(signal("org.freedesktop.DBus", "NameLost"))
	f.Add(signal("a.b", "C", "text", map[string]dbus.Variant{"k": dbus.MakeVariant([]int64{1})}))
	reply := signal("a.b", "C", []string{"x"}, []struct{ A, B string }{{"p", "q"}})
	reply[1] = kindReply
	f.Add(reply)
	f.Fuzz(func(t *testing.T, b []byte) {
		size, err := messageSize(b)
		if err != nil || size == 0 || size > len(b) {
			return
		}
		m, err := parseMessage(b[:size])
		if err != nil {
			return
		}
		theirs, err := dbus.DecodeMessage(bytes.NewReader(b[:size]))
		if err != nil || theirs.IsValid() != nil {
			return // they look at more
		}
		if sender, _ := theirs.Headers[dbus.FieldSender].Value().(string); sender != m.sender {
			t.Errorf("sender %q, godbus says %q", m.sender, sender)
		}
		if m.body != nil && len(m.body) != len(theirs.Body) {
			t.Errorf("%d values, godbus says %d", len(m.body), len(theirs.Body))
		}
	})
}
