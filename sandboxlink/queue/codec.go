package queue

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

const (
	// window is how far back zstd looks. It decides what one encoder or decoder takes: below 8 MiB with all
	// its tables. Executables repeat themselves over short distances.
	window = 1 << 20
	// writers is how many objects can be written at the same time.
	writers = 2
	// chunk is how much is encoded and written at once.
	chunk = 64 << 10
)

// codec lends encoders and decoders, which are costly to make and are used again.
type codec struct {
	slots    chan struct{} // one for each writer at work
	encoders chan *zstd.Encoder
	decoders chan *zstd.Decoder
}

func newCodec() codec {
	return codec{make(chan struct{}, writers), make(chan *zstd.Encoder, writers), make(chan *zstd.Decoder, writers)}
}

func (c *codec) encoder(w io.Writer) (*zstd.Encoder, error) {
	select {
	case e := <-c.encoders:
		e.Reset(w)
		return e, nil
	default:
	}
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderCRC(false), // SHA-256 sees more
		zstd.WithZeroFrames(true))
}

func (c *codec) putEncoder(e *zstd.Encoder) {
	e.Reset(nil)
	select {
	case c.encoders <- e:
	default:
	}
}

func (c *codec) decoder(r io.Reader) (*zstd.Decoder, error) {
	select {
	case d := <-c.decoders:
		return d, d.Reset(r)
	default:
	}
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(2*window))
}

func (c *codec) putDecoder(d *zstd.Decoder) {
	if d.Reset(nil) != nil {
		d.Close()
		return
	}
	select {
	case c.decoders <- d:
	default:
		d.Close()
	}
}

// scrambler encodes what is written through it.
type scrambler struct {
	w    io.Writer
	head *head
	at   int64
	buf  []byte
}

func (s *scrambler) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		n := copy(s.buf, p)
		s.head.scramble(s.buf[:n], s.at)
		if n, err = s.w.Write(s.buf[:n]); err != nil {
			return written, err
		}
		s.at, written, p = s.at+int64(n), written+n, p[n:]
	}
	return written, nil
}

// unscrambler decodes what is read through it.
type unscrambler struct {
	r    io.Reader
	head *head
	at   int64
}

func (u *unscrambler) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	u.head.scramble(p[:n], u.at)
	u.at += int64(n)
	return n, err
}

// content yields the original bytes of an object. Its last bytes come only when all were found to be what the
// SHA-256 says: whoever has read to io.EOF has the original.
type content struct {
	file    *os.File
	codec   *codec
	decoder *zstd.Decoder
	digest  hash.Hash
	left    int64 // bytes to come
	want    sum
	err     error
	damaged func(error) // told once when it is not what it should be
}

func (c *content) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.decoder.Read(p)
	c.left -= int64(n)
	c.digest.Write(p[:n])
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return 0, c.fail(err)
	case c.left < 0:
		return 0, c.fail(errors.New("there is more than there should be"))
	case c.left > 0 && err != nil:
		return 0, c.fail(fmt.Errorf("%d bytes are missing", c.left))
	case c.left > 0:
		return n, nil
	}
	if err == nil { // the end must follow
		if more, err := c.decoder.Read(make([]byte, 1)); more != 0 || !errors.Is(err, io.EOF) {
			return 0, c.fail(fmt.Errorf("the end does not come where it should: %v", err))
		}
	}
	if sum(c.digest.Sum(nil)) != c.want {
		return 0, c.fail(errors.New("its SHA-256 is another"))
	}
	c.err = io.EOF
	return n, io.EOF
}

func (c *content) fail(err error) error {
	if ofDisk(err) {
		c.err = err
		return err
	}
	c.err = fmt.Errorf("%w: the content of %s: %w", ErrDamaged, c.want, err)
	c.damaged(c.err)
	return c.err
}

// Close gives back what reading took. The content cannot be read after it.
func (c *content) Close() error {
	if c.decoder == nil {
		return nil
	}
	c.codec.putDecoder(c.decoder)
	c.decoder = nil
	if c.err == nil {
		c.err = os.ErrClosed
	}
	return c.file.Close()
}

// read opens the content of a file whose head has been read. The file is closed with it.
func (c *codec) read(f *os.File, h *head, damaged func(error)) (*content, error) {
	want, _ := parseSum(h.meta.object.SHA256)
	section := io.NewSectionReader(f, h.content(), h.meta.stored)
	d, err := c.decoder(&unscrambler{r: section, head: h})
	if err != nil {
		return nil, err
	}
	return &content{file: f, codec: c, decoder: d, digest: sha256.New(), left: h.meta.object.Size, want: want, damaged: damaged}, nil
}
