package archive

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"io"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// compressed walks a compressed stream: as a tar or cpio archive if it holds one, otherwise as
// an archive of one member. All that it unpacks is charged here and not at the members.
func (w *walk) compressed(f Format, packed io.Reader) error {
	one := &Member{Name: plainName(w.name), Size: -1}
	unpacked := &chargedReader{w: w}
	err := guard(func() (err error) {
		unpacked.r, err = w.decoder(f, bufio.NewReader(packed), one)
		return err
	})
	if err != nil {
		one.open = unreadable(noEOF(err))
		return w.member(one)
	}
	br := bufio.NewReaderSize(unpacked, 32<<10)
	head, _ := br.Peek(HeadSize) // an error comes again with the first read
	switch inner, _ := Detect(head); inner {
	case Tar:
		return w.tar(br, false)
	case Cpio:
		return w.cpio(br, false)
	}
	one.open = func() (io.Reader, error) { return br, nil }
	return w.member(one)
}

// decoder returns a reader of the unpacked stream. It fills in what the format says of the one
// member in it.
func (w *walk) decoder(f Format, packed *bufio.Reader, one *Member) (io.Reader, error) {
	switch f {
	case Gzip:
		return newFrames(packed, "\x1f\x8b", func(br *bufio.Reader) (io.Reader, error) {
			z, err := gzip.NewReader(br)
			if err != nil {
				return nil, err
			}
			z.Multistream(false)
			if one.w == nil { // the first of the concatenated ones; later the member is out
				one.Name = cmp.Or(z.Name, one.Name)
				if z.ModTime.After(time.Unix(0, 0)) {
					one.Modified = z.ModTime
				}
			}
			return z, nil
		})
	case LZ4:
		// A concatenation may mix frames with their own magic and legacy ones.
		return newFrames(packed, "", func(br *bufio.Reader) (io.Reader, error) {
			z := lz4.NewReader(br)
			return z, z.Apply(lz4.ConcurrencyOption(1)) // 1: no goroutines
		})
	case XZ:
		return newXZReader(packed, w.budget), nil
	case Bzip2:
		return bzip2.NewReader(packed), nil
	case Zstd:
		return w.zstdReader(packed)
	}
	return nil, unsupported("format %s", f)
}

// zstdReader resets the walk's one decoder to r.
func (w *walk) zstdReader(r io.Reader) (io.Reader, error) {
	if w.zstd == nil {
		memory := uint64(w.budget.limits.Memory)
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), // 1: no goroutines
			zstd.WithDecoderMaxMemory(memory), zstd.WithDecoderMaxWindow(max(memory, zstd.MinWindowSize)))
		if err != nil {
			return nil, err
		}
		w.zstd = d
	}
	return w.zstd, w.zstd.Reset(r)
}

// chargedReader charges what is read to the budget, recovers panics of the decoder, and keeps
// its first error: readers above it may otherwise go on behind it.
type chargedReader struct {
	w   *walk
	r   io.Reader
	err error
}

func (c *chargedReader) Read(p []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	err = guard(func() (err error) {
		n, err = c.r.Read(p)
		return err
	})
	if over := c.w.budget.charge(int64(n)); over != nil && (err == nil || err == io.EOF) {
		err = over
	}
	c.err = err
	return n, err
}

// frames reads a concatenation of compressed streams as one. Zeros behind the last one are
// padding, as tapes have it.
type frames struct {
	br    *bufio.Reader
	magic string
	open  func(*bufio.Reader) (io.Reader, error)
	r     io.Reader
}

func newFrames(br *bufio.Reader, magic string, open func(*bufio.Reader) (io.Reader, error)) (*frames, error) {
	r, err := open(br)
	return &frames{br: br, magic: magic, open: open, r: r}, err
}

func (f *frames) Read(p []byte) (int, error) {
	for {
		n, err := f.r.Read(p)
		if n > 0 || err != io.EOF {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		if err := f.next(); err != nil {
			return 0, err
		}
	}
}

func (f *frames) next() error {
	for {
		c, err := f.br.ReadByte()
		if err != nil {
			return err // io.EOF: the regular end
		}
		if c != 0 {
			break
		}
	}
	if err := f.br.UnreadByte(); err != nil {
		return err
	}
	head, _ := f.br.Peek(4)
	if f.magic != "" && !bytes.HasPrefix(head, []byte(f.magic)) {
		return damaged("unknown data behind the end of the stream")
	}
	r, err := f.open(f.br)
	f.r = r
	return noEOF(err)
}

// noEOF makes an end of the data where there should be more an error.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// plainName is the name of what a compressed file holds: "a.log" for "dir/a.log.gz".
func plainName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	switch strings.ToLower(ext) {
	case ".gz", ".xz", ".zst", ".bz2", ".lz4", ".z":
		return stem
	case ".tgz", ".txz", ".tzst", ".tbz", ".tbz2":
		return stem + ".tar"
	case ".svgz":
		return stem + ".svg"
	}
	return name
}
