package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
)

// Form is a multipart form (RFC 7578) with one file in it.
type Form struct {
	// Field is the name of the file's field, Name that of the file; see [Object].Name.
	Field, Name string
	// Size is that of the content in bytes. It must be right: servers behind Django or nginx want to know the
	// length of a request before it comes.
	Size int64
}

// maxName is the longest name of a file that is sent.
const maxName = 120

// body makes the body of a request of the form.
func (f Form) body(content io.Reader) *formBody {
	boundary := "tyto-" + rand.Text()
	head := fmt.Sprintf("--%s\r\nContent-Disposition: form-data; name=%q; filename=%q\r\nContent-Type: application/octet-stream\r\n\r\n",
		boundary, f.Field, fileName(f.Name))
	tail := "\r\n--" + boundary + "--\r\n"
	b := &formBody{
		contentType: "multipart/form-data; boundary=" + boundary,
		size:        int64(len(head)) + f.Size + int64(len(tail)),
	}
	b.r = io.MultiReader(strings.NewReader(head), &exactly{r: content, left: f.Size}, strings.NewReader(tail))
	return b
}

// fileName makes a name that is safe in a header and as a file's name on any system, and keeps its ending.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "_"), `\`, "/"))
	name = strings.Map(func(r rune) rune {
		if !isPrint(r) || strings.ContainsRune(`"<>:|?*%/`, r) {
			return '_'
		}
		return r
	}, name)
	if cut := len(name) - maxName; cut > 0 {
		// The end says the type.
		name = strings.ToValidUTF8(name[cut:], "")
	}
	if strings.Trim(name, ". ") == "" {
		return "object"
	}
	return name
}

// errEnded is returned by a formBody that was closed.
var errEnded = errors.New("the request is over")

// formBody is the body of a request. The transport reads it in a goroutine of its own that may live on for a moment
// when the exchange has failed; Close returns only when no read is under way, and then none comes any more.
type formBody struct {
	contentType string
	size        int64

	mu     sync.Mutex
	r      io.Reader
	closed bool
	err    error
}

func (b *formBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, errEnded
	}
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// Close ends reading; it closes nothing.
func (b *formBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// failed returns the error of reading the content, if there was one of its own.
func (b *formBody) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(b.err, context.Canceled) || errors.Is(b.err, context.DeadlineExceeded) {
		return nil // waiting for bandwidth was ended with the exchange
	}
	return b.err
}

// exactly reads left bytes and fails if there are fewer or more.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		var one [1]byte
		switch n, err := io.ReadFull(e.r, one[:]); {
		case n > 0:
			return 0, errors.New("the object is longer than it was")
		default:
			return 0, err // io.EOF, or what is wrong with the object's end, such as its checksum
		}
	}
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if err == io.EOF {
		if e.left > 0 {
			return n, fmt.Errorf("the object is %d bytes shorter than it was: %w", e.left, io.ErrUnexpectedEOF)
		}
		err = nil
	}
	return n, err
}
