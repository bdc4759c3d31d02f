package quarantine

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"time"

	"filippo.io/age"
)

// The names of the files in a sealed archive, in their order. The description comes last, because only
// then the digests of all others are known.
const (
	partContent     = "content"
	partStream      = "stream-" // and a number
	partFinding     = "finding.json"
	partDescription = "entry.json"
	partMAC         = "entry.mac"
)

const (
	// maxDescription bounds a description: names, and the extended attributes, of which Linux allows 64 KiB
	// each.
	maxDescription = 16 << 20
	// maxFinding bounds the line of a finding.
	maxFinding = 32 << 20
	// maxParts bounds the files in a sealed archive: NTFS itself allows some thousand streams.
	maxParts = 10_000
)

// sealer writes one entry.
type sealer struct {
	key     *key
	sealed  io.WriteCloser // into age
	archive *tar.Writer
	parts   []Part
}

func newSealer(w io.Writer, k *key) (*sealer, error) {
	sealed, err := age.Encrypt(w, k.identity.Recipient())
	if err != nil {
		return nil, err
	}
	return &sealer{key: k, sealed: sealed, archive: tar.NewWriter(sealed)}, nil
}

// begin starts a file of the archive.
func (s *sealer) begin(name string, size int64) error {
	return s.archive.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o400, Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)})
}

// errResized is the cause when a file is not as long as it was a moment ago.
var errResized = errors.New("its size has changed")

// part copies exactly size bytes of r, which must then be at its end, and returns their digests.
func (s *sealer) part(ctx context.Context, name, stream string, size int64, r io.Reader) (Hashes, error) {
	if err := s.begin(name, size); err != nil {
		return Hashes{}, err
	}
	d := newDigests()
	n, err := io.Copy(io.MultiWriter(s.archive, d), io.LimitReader(cancellable(ctx, r), size))
	if err != nil {
		return Hashes{}, err
	}
	var more [1]byte
	if k, _ := r.Read(more[:]); n != size || k != 0 {
		return Hashes{}, fmt.Errorf("%w: %w", ErrChanged, errResized)
	}
	sums := d.sums()
	s.parts = append(s.parts, Part{Name: name, Stream: stream, Size: size, SHA256: sums.SHA256})
	return sums, nil
}

// finish writes the description, which the MAC covers, and through its digests all other files.
func (s *sealer) finish(e *Entry) error {
	e.Parts = s.parts
	description, err := json.MarshalIndent(e, "", "\t")
	if err != nil {
		return err
	}
	if len(description) > maxDescription {
		return fmt.Errorf("%w: its metadata takes %d bytes, and no more than %d are kept", ErrTooLarge, len(description), maxDescription)
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{partDescription, description}, {partMAC, s.key.sign(description)}} {
		if err := s.begin(f.name, int64(len(f.content))); err != nil {
			return err
		}
		if _, err := s.archive.Write(f.content); err != nil {
			return err
		}
	}
	return errors.Join(s.archive.Close(), s.sealed.Close())
}

// An opened entry gives its description and its parts.
type opened struct {
	file        *os.File
	plain       io.ReaderAt
	entry       Entry
	description []byte  // as it was written
	at          []int64 // where the parts of the entry begin in plain
}

// open opens an entry's file and checks its description. The content is checked by whoever reads it to
// its end, see part. All errors but those of the file system are ErrDamaged.
func (v *Vault) open(f stored) (*opened, error) {
	if v.key() == nil {
		return nil, ErrKeyLost
	}
	file, err := v.root().Open(f.name())
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	o, err := unseal(file, info.Size(), v.key())
	if err == nil && o.entry.ID != f.id {
		err = fmt.Errorf("it was written as %q", o.entry.ID)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, f.name(), err)
	}
	o.file = file
	o.entry.Stored, o.entry.Original = info.Size(), Unconfirmed
	if f.suffix == suffixDone {
		o.entry.Original = Removed
	}
	return o, nil
}

func (o *opened) close() { o.file.Close() }

// read returns an entry's description.
func (v *Vault) read(f stored) (*Entry, error) {
	o, err := v.open(f)
	if err != nil {
		return nil, err
	}
	o.close()
	return &o.entry, nil
}

// unseal finds the parts of a sealed archive and reads its description. It reads the headers, the
// description and little else, whatever the size of the content, and trusts nothing before its MAC.
func unseal(sealed io.ReaderAt, size int64, k *key) (*opened, error) {
	plain, length, err := age.DecryptReaderAt(sealed, size, k.identity)
	if err != nil {
		return nil, err
	}
	return unpack(plain, length, k)
}

// unpack is unseal for what age has opened, which anybody may have written who knows the recipient.
func unpack(plain io.ReaderAt, length int64, k *key) (*opened, error) {
	var (
		o           = &opened{plain: plain}
		section     = io.NewSectionReader(plain, 0, length)
		archive     = tar.NewReader(section)
		found       []Part
		description []byte
	)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it has no end")
		}
		if err != nil {
			return nil, err
		}
		switch {
		case h.Typeflag != tar.TypeReg:
			return nil, fmt.Errorf("%q is no file", h.Name)
		case h.Name == partDescription && description == nil:
			if description, err = readWhole(archive, h.Size, maxDescription); err != nil {
				return nil, err
			}
		case h.Name == partMAC && description != nil:
			mac, err := readWhole(archive, h.Size, sha256.Size)
			if err != nil {
				return nil, err
			}
			if !hmac.Equal(mac, k.sign(description)) {
				return nil, errors.New("it was not written by this vault")
			}
			return o, o.describe(description, found)
		default:
			if len(found) == maxParts {
				return nil, fmt.Errorf("it has more than %d parts", maxParts)
			}
			at, err := section.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			o.at = append(o.at, at)
			found = append(found, Part{Name: h.Name, Size: h.Size})
		}
	}
}

// describe reads the description, now that it is known to be ours, and compares it with what was found.
func (o *opened) describe(description []byte, found []Part) error {
	o.description = description
	if err := json.Unmarshal(description, &o.entry); err != nil {
		return err
	}
	if o.entry.Format > format {
		return fmt.Errorf("it has format %d, and this program knows %d: use a newer Tyto", o.entry.Format, format)
	}
	if len(found) == 0 || found[0].Name != partContent {
		return errors.New("it has no content")
	}
	if len(found) != len(o.entry.Parts) {
		return fmt.Errorf("it has %d parts, and should have %d", len(found), len(o.entry.Parts))
	}
	for i, p := range o.entry.Parts {
		if p.Name != found[i].Name || p.Size != found[i].Size {
			return fmt.Errorf("part %d is not as it was written", i+1)
		}
	}
	return nil
}

// part copies a part to w and checks its digest at the end: what was written before an error must not
// be used.
func (o *opened) part(ctx context.Context, i int, w io.Writer) error {
	p := o.entry.Parts[i]
	sum := sha256.New()
	r := cancellable(ctx, &sealedReader{o.entry.ID, io.NewSectionReader(o.plain, o.at[i], p.Size)})
	if _, err := io.CopyBuffer(io.MultiWriter(onlyWriter{w}, sum), r, make([]byte, 128<<10)); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.SHA256 {
		return fmt.Errorf("%w: %s: the digest of %q is wrong", ErrDamaged, o.entry.ID, p.Name)
	}
	return nil
}

// sealedReader tells an entry that cannot be decrypted from a disk that cannot be read.
type sealedReader struct {
	id string
	r  io.Reader
}

func (s *sealedReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	var disk *fs.PathError
	if err != nil && err != io.EOF && !errors.As(err, &disk) {
		err = fmt.Errorf("%w: %s: %w", ErrDamaged, s.id, err)
	}
	return n, err
}

// index returns the number of a part, or -1.
func (o *opened) index(name string) int {
	for i, p := range o.entry.Parts {
		if p.Name == name {
			return i
		}
	}
	return -1
}

// verify reads everything back.
func (o *opened) verify(ctx context.Context) error {
	for i := range o.entry.Parts {
		if err := o.part(ctx, i, io.Discard); err != nil {
			return err
		}
	}
	return nil
}

func readWhole(r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("a part of %d bytes, where at most %d can be", size, limit)
	}
	var b bytes.Buffer // grows with what is there, not with what is said
	_, err := io.CopyN(&b, r, size)
	return b.Bytes(), err
}

// digests are all three that indicators know.
type digests struct {
	io.Writer
	md5, sha1, sha256 hash.Hash
}

func newDigests() *digests {
	d := &digests{md5: md5.New(), sha1: sha1.New(), sha256: sha256.New()}
	d.Writer = io.MultiWriter(d.md5, d.sha1, d.sha256)
	return d
}

func (d *digests) sums() Hashes {
	return Hashes{
		MD5:    hex.EncodeToString(d.md5.Sum(nil)),
		SHA1:   hex.EncodeToString(d.sha1.Sum(nil)),
		SHA256: hex.EncodeToString(d.sha256.Sum(nil)),
	}
}

// cancellable returns a reader that fails once ctx has ended.
func cancellable(ctx context.Context, r io.Reader) io.Reader { return &cancelReader{ctx, r} }

type cancelReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// onlyWriter hides other methods of a writer, by which io.Copy would go around us.
type onlyWriter struct{ io.Writer }
