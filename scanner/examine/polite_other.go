//go:build !linux

package examine

import (
	"errors"
	"io"
	"os"
)

// politeness reads plainly: on Windows the broker opens files with FILE_FLAG_SEQUENTIAL_SCAN and the
// process runs at low memory priority, which keeps what it reads from displacing other pages.
type politeness struct{}

func newPoliteness() *politeness { return &politeness{} }

func (*politeness) readAt(f *os.File, b []byte, off int64) (int, error) {
	n, err := f.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		return n, nil
	}
	return n, err
}
