package idle

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// fileEvery is how often the file is looked at.
const fileEvery = 20 * time.Millisecond

// fileLimit is how much of the file is read, in bytes.
const fileLimit = 4096

// File returns a provider that believes a file: its first word is "active" or "idle", anything after it
// becomes the reason. Anything else, or no file, is an error and so counts as active. Write it with a
// rename, or in one short write.
//
// It is for tests of programs that use a [Monitor], also where no real source can be had (Wine). It is not
// for production: who may write the file decides when scans run.
func File(path string) Provider { return file(path) }

type file string

func (f file) Name() string { return "file" }

// Watch reads the file again and again: it is tiny, and an exchanged file is noticed in the same way as a
// rewritten one.
func (f file) Watch(ctx context.Context, report func(Report)) error {
	tick := time.NewTicker(fileEvery)
	defer tick.Stop()
	last := "not read yet"
	for {
		content, err := readShort(string(f))
		seen := content
		if err != nil {
			seen = err.Error()
		}
		if seen != last {
			report(parseFile(content, err))
			last = seen
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func readShort(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would keep us waiting for a writer
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return "", err
	} else if !info.Mode().IsRegular() {
		return "", fmt.Errorf("presence file %q: it is no regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, fileLimit))
	return string(b), err
}

// parseFile makes a report of what reading the file gave.
func parseFile(content string, err error) Report {
	if err != nil {
		return Report{Err: err}
	}
	word, detail, _ := strings.Cut(strings.TrimSpace(content), " ")
	switch p := Presence(word); p {
	case Active, Idle:
		claim := Claim{Source: "file", About: Lock, Says: p, Detail: strings.TrimSpace(detail)}
		return Report{Sessions: []Session{{Name: "of the test", Claims: []Claim{claim}}}}
	}
	return Report{Err: fmt.Errorf("presence file: want %q or %q, got %q", Active, Idle, word)}
}
