package archive

import (
	"errors"
	"io"
	"io/fs"
	"time"
)

// Member is one entry of an archive. It is an [io.Reader] of its unpacked content, and may be
// read only until the next step of the walk. What is left unread is skipped at the least cost
// that the format allows.
//
// Read returns an [*Error] where the content cannot be had: at once if the member is encrypted
// or its method is not supported, after the part that was good if it is damaged (a wrong
// checksum shows at the end), and behind Limits.MemberBytes.
type Member struct {
	Name     string      // raw bytes as stored, cut at Limits.NameLength
	Size     int64       // declared by the archive and not to be trusted; -1 if it says nothing
	Modified time.Time   // zero if unknown; without a time zone in the archive, taken as UTC
	Mode     fs.FileMode // type and, where the format has them, permissions; only regular files have content

	w      *walk
	open   func() (io.Reader, error) // called at the first read
	charge bool                      // whether its bytes are charged here, and not by a stream below
	r      io.Reader
	n      int64 // bytes read
	err    error // sticky: what Read returns from now on
	broken error // sticky: what the decoder returned, io.EOF at the regular end
}

var errOver = errors.New("archive: member read after its turn")

// Read reads the content. See [Member] for its errors.
func (m *Member) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	limit := m.w.budget.limits.MemberBytes
	if left := limit - m.n; left <= 0 {
		// Ask for one byte more, to tell a member of exactly the limit from a larger one.
		var one [1]byte
		n, err := m.pull(one[:])
		if n > 0 {
			err = overLimit("larger than %s; only its beginning was read", bytesText(limit))
		}
		m.fail(err)
		return 0, m.err
	} else if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := m.pull(p)
	m.fail(err)
	if n > 0 {
		return n, nil // the error comes with the next call
	}
	return 0, m.err
}

func (m *Member) fail(err error) {
	switch {
	case err == nil:
	case err == io.EOF:
		m.err = io.EOF
	default:
		m.err = m.w.classify(err, m.Name)
	}
}

// pull reads from the decoder, whatever the limit on the member is, and charges the budget. Only
// a regular end is io.EOF.
func (m *Member) pull(p []byte) (n int, err error) {
	if m.broken != nil {
		return 0, m.broken
	}
	if err := m.w.budget.alive(); err != nil {
		return 0, err
	}
	p = p[:min(len(p), 64<<10)] // the budget is asked after each read
	err = guard(func() error {
		if m.r == nil {
			r, err := m.open()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return err
			}
			m.r = r
		}
		var err error
		for range 100 {
			if n, err = m.r.Read(p); n != 0 || err != nil {
				return err
			}
		}
		return io.ErrNoProgress
	})
	m.n += int64(n)
	m.broken = err
	if m.charge && n > 0 {
		if over := m.w.budget.charge(int64(n)); over != nil && (err == nil || err == io.EOF) {
			m.broken = over
		}
	}
	return n, m.broken
}

// drain decodes what is left of the member, for formats in which the next one can only be
// reached through it. It returns nil if the end was reached regularly.
func (m *Member) drain() error {
	for {
		_, err := m.pull(m.w.scratch())
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// empty is what members without content open.
func empty() (io.Reader, error) { return eof{}, nil }

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// unreadable is what members open whose content is out of reach.
func unreadable(err error) func() (io.Reader, error) {
	return func() (io.Reader, error) { return nil, err }
}
