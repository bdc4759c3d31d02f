package queue

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"time"
)

// A file of the queue is two heads of the same size and the content:
//
//	head | head | content
//
// Both heads say all there is to say; the valid one with the higher number counts. A change is written to the
// other one, so that at each moment one of them is whole. A head is
//
//	offset  bytes  what
//	     0      8  magic: "TytoQ", CR, LF, and the version of the format, 1
//	     8      8  number of the head, which grows with each change
//	    16      4  size of a head in bytes: 4096, 8192, 16384, 32768 or 65536
//	    20      4  length of the description in bytes
//	    24     32  key, random for each file and the same in both heads
//	    56     32  seal: SHA-256 of the bytes before it and of the description behind it
//	    88         description: JSON, encoded
//
// and up to its size what was there before. Numbers are little-endian. Encoded means: each byte is XORed with a
// byte of the key, which repeats itself. The key stands beside it: this hides nothing, it only takes care that
// neither a signature of another scanner nor a program loader finds what it looks for. The content is encoded as
// well, beneath that compressed with zstd (RFC 8878), one frame with a window of at most 1 MiB.

const (
	minHead   = 4 << 10 // one sector of today's disks: a write that fails damages no more
	maxHead   = 64 << 10
	fixedHead = 88
	keySize   = 32
	// stateRoom is what is kept free in a head for the state when its size is chosen.
	stateRoom = 1536
)

var magic = [8]byte{'T', 'y', 't', 'o', 'Q', '\r', '\n', 1}

// head is what a head says.
type head struct {
	number uint64
	size   int // of each head
	key    [keySize]byte
	meta   meta
}

// meta is the description of an object.
type meta struct {
	object Object
	state  State
	stored int64 // bytes of the encoded content
}

// metaJSON is its form on disk. Paths are base64, as they need not be text.
type metaJSON struct {
	SHA256    string     `json:"sha256"`
	Size      int64      `json:"size"`
	Stored    int64      `json:"stored"`
	Type      string     `json:"type,omitempty"`
	Names     []nameJSON `json:"names,omitempty"`
	MoreNames int        `json:"more_names,omitempty"`
	Risk      int        `json:"risk"`
	Why       []string   `json:"why,omitempty"`
	Added     time.Time  `json:"added"`
	State     stateJSON  `json:"state,omitzero"`
}

type nameJSON struct {
	Path []byte    `json:"path"`
	Seen time.Time `json:"seen,omitzero"`
	By   string    `json:"by,omitempty"`
}

type stateJSON struct {
	Server    string    `json:"server,omitempty"`
	Task      string    `json:"task,omitempty"`
	Sent      time.Time `json:"sent,omitzero"`
	Attempts  int       `json:"attempts,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	Forgotten int       `json:"forgotten,omitempty"`
	Refusals  []Refusal `json:"refusals,omitempty"`
}

// newHead returns the first head of a file, in the smallest size that leaves room for a state.
func newHead(o Object) (*head, error) {
	h := &head{number: 1, meta: meta{object: o}}
	rand.Read(h.key[:])
	for h.size = minHead; ; h.size *= 2 {
		text, err := h.meta.marshal()
		if err != nil {
			return nil, err
		}
		if fixedHead+len(text)+stateRoom <= h.size || h.size == maxHead {
			return h, nil
		}
	}
}

// slot returns where the head with the present number is written: even ones first, odd ones second.
func (h *head) slot() int64 { return int64(h.number%2) * int64(h.size) }

// content returns where the content begins.
func (h *head) content() int64 { return 2 * int64(h.size) }

// encode returns the head as it is written. What does not fit is left out: first of the last error and of refusals, then names.
func (h *head) encode() ([]byte, error) {
	text, err := h.fit()
	if err != nil {
		return nil, err
	}
	b := make([]byte, fixedHead, fixedHead+len(text))
	copy(b, magic[:])
	binary.LittleEndian.PutUint64(b[8:], h.number)
	binary.LittleEndian.PutUint32(b[16:], uint32(h.size))
	binary.LittleEndian.PutUint32(b[20:], uint32(len(text)))
	copy(b[24:], h.key[:])
	h.scramble(text, 0)
	b = append(b, text...)
	seal := sealOf(b)
	copy(b[56:], seal[:])
	return b, nil
}

func (h *head) fit() ([]byte, error) {
	for {
		text, err := h.meta.marshal()
		if err != nil || fixedHead+len(text) <= h.size {
			return text, err
		}
		if s := &h.meta.state; s.LastError != "" {
			s.LastError = cut(s.LastError, len(s.LastError)/2)
		} else if s.forgetReason() {
			continue
		} else if o := &h.meta.object; !o.forgetName() {
			if len(o.Why) == 0 {
				return nil, fmt.Errorf("the description has %d bytes and does not fit", len(text))
			}
			o.Why = o.Why[:len(o.Why)-1]
		}
	}
}

// sealOf returns the seal of a head. Its own place does not count.
func sealOf(b []byte) [sha256.Size]byte {
	d := sha256.New()
	d.Write(b[:56])
	d.Write(b[fixedHead:])
	return [sha256.Size]byte(d.Sum(nil))
}

// scramble encodes or decodes in place; at is where in the text or content the bytes stand.
func (h *head) scramble(b []byte, at int64) {
	for len(b) > 0 {
		from := int(at % keySize)
		n := subtle.XORBytes(b, b, h.key[from:])
		b, at = b[n:], at+int64(n)
	}
}

func (m *meta) marshal() ([]byte, error) {
	o, s := &m.object, &m.state
	j := metaJSON{
		SHA256: o.SHA256, Size: o.Size, Stored: m.stored, Type: o.Type, MoreNames: o.MoreNames,
		Risk: o.Risk, Why: o.Why, Added: o.Added.UTC(), State: stateJSON(*s),
	}
	for _, n := range o.Names {
		j.Names = append(j.Names, nameJSON{[]byte(n.Path), n.Seen.UTC(), n.By})
	}
	j.State.Sent, j.State.NotBefore = s.Sent.UTC(), s.NotBefore.UTC()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(j)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func (m *meta) unmarshal(text []byte) error {
	var j metaJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	_, ok := parseSum(j.SHA256)
	switch {
	case !ok:
		return fmt.Errorf("%q is no SHA-256", cut(j.SHA256, maxText))
	case j.Size < 0, j.Stored < 0, j.MoreNames < 0:
		return errors.New("a size or a count is negative")
	case len(j.Names) > MaxNames:
		return fmt.Errorf("%d names, at most %d", len(j.Names), MaxNames)
	}
	o := Object{
		SHA256: j.SHA256, Size: j.Size, Type: j.Type, MoreNames: j.MoreNames, Risk: j.Risk, Why: j.Why, Added: j.Added,
	}
	for _, n := range j.Names {
		o.Names = append(o.Names, Name{string(n.Path), n.Seen, n.By})
	}
	*m = meta{object: o.bound(), state: State(j.State).bound(), stored: j.Stored}
	return m.state.check()
}

// headSizes are the sizes that a head may have.
var headSizes = [...]int{minHead, 2 * minHead, 4 * minHead, 8 * minHead, maxHead}

// readHead reads the head of a file of a size that counts. It reads and allocates some 300 KiB at most, whatever
// the file holds, and some KiB usually.
func readHead(f io.ReaderAt, size int64) (*head, error) {
	first, why := readSlot(f, 0, 0)
	var second *head
	if first != nil {
		second, _ = readSlot(f, int64(first.size), first.size)
	}
	for _, at := range headSizes {
		if first != nil || second != nil {
			break
		}
		second, _ = readSlot(f, int64(at), at)
	}
	h := first
	if h == nil || second != nil && second.number > h.number {
		h = second
	}
	switch {
	case h == nil && ofDisk(why):
		return nil, why
	case h == nil:
		return nil, fmt.Errorf("%w: %w", ErrDamaged, why)
	case first != nil && second != nil && first.key != second.key:
		return nil, fmt.Errorf("%w: its heads are of two files", ErrDamaged)
	case h.content()+h.meta.stored != size:
		return nil, fmt.Errorf("%w: it has %d bytes and should have %d", ErrDamaged, size, h.content()+h.meta.stored)
	}
	return h, nil
}

// readSlot reads one head. want is the size of heads in this file if that is known, or 0.
func readSlot(f io.ReaderAt, at int64, want int) (*head, error) {
	b := make([]byte, minHead)
	n, err := f.ReadAt(b, at)
	if n < fixedHead {
		return nil, fmt.Errorf("no head at %d: %w", at, err)
	}
	b = b[:n]
	if [8]byte(b) != magic {
		if [7]byte(b) == [7]byte(magic[:]) {
			return nil, fmt.Errorf("format version %d, this Tyto knows %d", b[7], magic[7])
		}
		return nil, errors.New("no file of a sandbox queue")
	}
	h := &head{number: binary.LittleEndian.Uint64(b[8:]), size: int(binary.LittleEndian.Uint32(b[16:]))}
	copy(h.key[:], b[24:])
	length := int(binary.LittleEndian.Uint32(b[20:]))
	switch {
	case !slices.Contains(headSizes[:], h.size) || want != 0 && want != h.size:
		return nil, fmt.Errorf("a head of %d bytes", h.size)
	case h.slot() != at || h.number == math.MaxUint64:
		return nil, fmt.Errorf("head %d at %d", h.number, at)
	case length < 0 || length > h.size-fixedHead:
		return nil, fmt.Errorf("a description of %d bytes in a head of %d", length, h.size)
	}
	total := fixedHead + length
	if total > len(b) {
		b = make([]byte, total)
		if n, err := f.ReadAt(b, at); n < total {
			return nil, fmt.Errorf("the head ends after %d of %d bytes: %w", n, total, err)
		}
	}
	b = b[:total]
	if sealOf(b) != [sha256.Size]byte(b[56:]) {
		return nil, errors.New("the head is not what was sealed")
	}
	text := b[fixedHead:]
	h.scramble(text, 0)
	if err := h.meta.unmarshal(text); err != nil {
		return nil, fmt.Errorf("the description: %w", err)
	}
	return h, nil
}

// ofDisk reports whether an error says that the disk did not answer, which says nothing about what is on it.
func ofDisk(err error) bool {
	var e *fs.PathError
	return errors.As(err, &e)
}
