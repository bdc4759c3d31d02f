package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"tyto/finding"
)

// archives are all fixtures and hand-made archives, by name.
func archives(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) < 30 {
		t.Fatalf("only %d fixtures: %v", len(files), err)
	}
	all := map[string][]byte{
		"rar4":   rar4(rarFile{name: "a.txt", content: "content a"}, rarFile{name: "b.txt", content: "content b"}),
		"rar5":   rar5(rarFile{name: "a.txt", content: "content a"}, rarFile{name: "b.txt", content: "content b"}),
		"sfx":    append(portableExecutable(), fixture(t, "locked.7z")...),
		"tar":    makeTar(t, file{"unread", strings.Repeat("x", 3000)}, file{"b", "content b"}),
		"zip":    makeZip(t, file{"a", "content a"}, file{"b", "content b"}),
		"hidden": makeZip(t, file{"a", "content a"})[:50],
	}
	for _, file := range files {
		if !strings.HasSuffix(file, ".sh") {
			all[filepath.Base(file)] = fixture(t, filepath.Base(file))
		}
	}
	return all
}

// TestTruncated cuts archives at every offset (long ones at 200 of them): each ends with an
// error or all members, never with a panic or without end.
func TestTruncated(t *testing.T) {
	for name, data := range archives(t) {
		t.Run(name, func(t *testing.T) {
			whole := walkAll(t, name, data, newBudget(len(data)))
			content := make(map[string]string)
			for _, s := range whole {
				content[s.Name] = s.Content
			}
			for n := 0; n < len(data); n += 1 + len(data)/200 {
				for _, s := range walkAll(t, name, data[:n], newBudget(n)) {
					// What is delivered is the beginning of the truth.
					if want, ok := content[s.Name]; ok && !strings.HasPrefix(want, s.Content) {
						t.Fatalf("cut at %d: %q has other content", n, s.Name)
					}
				}
			}
		})
	}
}

// TestFlipped changes single bytes.
func TestFlipped(t *testing.T) {
	for name, data := range archives(t) {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			for range 100 {
				damaged := bytes.Clone(data)
				// Mostly in headers: at the beginning and at the end.
				i := random.IntN(len(damaged))
				switch random.IntN(3) {
				case 0:
					i = random.IntN(min(len(damaged), 128))
				case 1:
					i = len(damaged) - 1 - random.IntN(min(len(damaged), 256))
				}
				damaged[i] ^= byte(1 + random.IntN(255))
				_ = walkAll(t, name, damaged, NewBudget(context.Background(), Limits{Memory: 4 << 20}, int64(len(damaged))))
			}
		})
	}
}

// failing is a file whose sectors from some offset on cannot be read.
type failing struct {
	r    io.ReaderAt
	from int64
}

var errDisk = errors.New("input/output error")

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.from {
		return 0, errDisk
	}
	return f.r.ReadAt(p, off)
}

// TestUnreadable: a failing disk is not a damaged archive.
func TestUnreadable(t *testing.T) {
	for name, data := range archives(t) {
		t.Run(name, func(t *testing.T) {
			for _, from := range []int64{0, int64(len(data)) / 2} {
				found := false
				for m, err := range Walk(failing{bytes.NewReader(data), from}, int64(len(data)), name, newBudget(len(data))) {
					if err == nil {
						_, err = io.ReadAll(m)
					}
					var e *Error
					if errors.As(err, &e) && e.Reason == finding.Unreadable && errors.Is(err, errDisk) {
						found = true
					}
				}
				if !found {
					t.Errorf("unreadable from %d on: not reported", from)
				}
			}
		})
	}
}

// TestStopped: the context ends in the middle of a member.
func TestStopped(t *testing.T) {
	data := gzipZeros(t, 1)
	for _, test := range []struct {
		name string
		err  error
		want finding.Reason
	}{
		{"cancelled", context.Canceled, finding.Stopped},
		{"out of time", context.DeadlineExceeded, finding.Timeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := &endingContext{Context: context.Background()}
			for m, err := range Walk(bytes.NewReader(data), int64(len(data)), "a.gz", NewBudget(ctx, Limits{}, int64(len(data)))) {
				if err == nil {
					_, _ = io.CopyN(io.Discard, m, 1<<20)
					ctx.err = test.err
					_, err = io.ReadAll(m)
				}
				var e *Error
				if !errors.As(err, &e) || e.Reason != test.want {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

type endingContext struct {
	context.Context
	err error
}

func (c *endingContext) Err() error { return c.err }
