//go:build !linux && !windows

package quarantine

import (
	"context"
	"io"
	"os"
)

// On other systems nothing is quarantined: each has its own metadata and its own way to remove a file
// without removing another, and half of it would be dangerous. A vault made elsewhere can be listed,
// exported and examined.

const foldCase = false

type source struct {
	path string
	file *os.File
	id   identity
	meta Metadata
	note string
}

func openSource(string) (*source, error) { return nil, ErrUnsupported }
func (s *source) close()                 {}
func (s *source) volume() uint64         { return 0 }
func (s *source) bytes() int64           { return 0 }
func (s *source) unchanged() error       { return ErrUnsupported }
func (s *source) removable() error       { return ErrUnsupported }
func (s *source) remove(*Entry, func(string) error) (removal, error) {
	return removal{}, ErrUnsupported
}
func (s *source) otherNames([]string) []string     { return nil }
func (s *source) holders(context.Context) []Holder { return nil }
func (s *source) vital() string                    { return "" }
func (s *source) eachStream(func(int, string, int64, io.Reader) error) error {
	return ErrUnsupported
}

type removal struct {
	names     uint64
	atRestart bool
	note      string
}

type target struct{ name string }

func openTarget(string, bool) (*target, error) { return nil, ErrUnsupported }
func (t *target) close()                       {}
func (t *target) free(*Entry, bool) error      { return ErrUnsupported }
func (t *target) draft(*Entry) (*draft, error) { return nil, ErrUnsupported }

type draft struct{}

func (d *draft) close()                              {}
func (d *draft) fill(context.Context, *opened) error { return ErrUnsupported }
func (d *draft) dress(*Metadata) ([]string, error)   { return nil, ErrUnsupported }
func (d *draft) sync() error                         { return ErrUnsupported }
func (d *draft) publish(string, bool) error          { return ErrUnsupported }
func (d *draft) finish(*Entry, bool) []string        { return nil }

func removeDraft(string, string) bool { return false }

func stillThere(*Entry) bool { return true }

// anonymous makes a file and takes its name away.
func anonymous(root *os.Root) (*os.File, error) {
	name := "extract-" + newID()
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := root.Remove(name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func forget(*os.File) {}

func systemKind(error) error { return nil }

func systemFiles() []systemList { return nil }
