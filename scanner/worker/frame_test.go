package worker

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// readFrames returns all frames of a stream and the error at its end.
func readFrames(read func([]byte) (int, error)) (frames []frame, err error) {
	r := frameReader{read: read}
	for {
		f, err := r.next()
		if err != nil {
			return frames, err
		}
		f.payload = bytes.Clone(f.payload)
		frames = append(frames, f)
	}
}

func TestFrames(t *testing.T) {
	want := []frame{
		{kind: kindHello, payload: []byte("{}")},
		{kind: kindSetup, files: MaxSetupFiles, payload: make([]byte, 3*readBuffer)},
		{kind: kindRequest, files: 1, id: 1<<64 - 1, payload: []byte("request")},
		{kind: kindEnd, id: 7, payload: []byte{}},
	}
	var stream []byte
	for _, f := range want {
		stream = appendFrame(stream, f)
	}
	readers := map[string]io.Reader{
		"at once":      bytes.NewReader(stream),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"by halves":    iotest.HalfReader(bytes.NewReader(stream)),
	}
	for name, r := range readers {
		t.Run(name, func(t *testing.T) {
			got, err := readFrames(r.Read)
			if err != io.EOF {
				t.Errorf("error %v at the end, want EOF", err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(frame{}), cmp.Comparer(bytes.Equal)); diff != "" {
				t.Errorf("frames (-want +got):\n%.1000s", diff)
			}
		})
	}
}

func TestBadFrames(t *testing.T) {
	whole := appendFrame(nil, frame{kind: kindEnd, payload: []byte("text")})
	tests := map[string][]byte{
		"cut header":     whole[:headerSize-1],
		"cut payload":    whole[:len(whole)-1],
		"too large":      {0, 0, 0, 2, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"reserved bytes": {0, 0, 0, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
	}
	for name, stream := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := readFrames(bytes.NewReader(stream).Read); !errors.Is(err, errProtocol) {
				t.Errorf("error %v, want a protocol violation", err)
			}
		})
	}
}

// A header that announces much does not make the reader take memory for it.
func TestAnnouncedSizeCostsNothing(t *testing.T) {
	header := appendFrame(nil, frame{kind: kindResponse, payload: make([]byte, MaxFrame)})[:headerSize]
	r := frameReader{read: bytes.NewReader(header).Read}
	r.next()
	if len(r.buf) > readBuffer {
		t.Errorf("buffer of %d bytes for a stream of %d", len(r.buf), len(header))
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(nil, frame{kind: kindEnd, id: 1, payload: []byte("text")}))
	f.Add(appendFrame(appendFrame(nil, frame{kind: kindReady}), frame{kind: kindResponse, id: 3, payload: make([]byte, 100)}))
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, err1 := readFrames(bytes.NewReader(stream).Read)
		pieces, err2 := readFrames(iotest.OneByteReader(bytes.NewReader(stream)).Read)
		if diff := cmp.Diff(whole, pieces, cmp.AllowUnexported(frame{})); diff != "" || (err1 == io.EOF) != (err2 == io.EOF) {
			t.Errorf("differs when it arrives in pieces: %v, %v\n%s", err1, err2, diff)
		}
		var again []byte
		for _, f := range whole {
			again = appendFrame(again, f)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Error("frames do not make the stream that they came from")
		}
	})
}

func TestPrintable(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":         {"panic: owl", "panic: owl"},
		"controls":      {"\x1b]0;title\x07a\nb\x7f", "]0;title a b"},
		"c1 controls":   {"a\u009bb", "a b"},
		"not utf 8":     {"a\xffb", "a\ufffdb"},
		"only controls": {"\n\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := printable([]byte(test.in)); got != test.want {
				t.Errorf("printable(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
	if got := printable(bytes.Repeat([]byte("x"), 1<<20)); len(got) != maxText {
		t.Errorf("%d bytes of text were kept, want %d", len(got), maxText)
	}
}
