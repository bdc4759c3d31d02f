package sandbox

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// upload is a sample that has been received: a file of its own, and what is known of it without parsing.
type upload struct {
	file              *os.File // open, in incoming/
	name              string
	size              int64
	md5, sha1, sha256 string
	room              *reservation
}

// discard throws an upload away that became no task. It may be called at any time, also twice.
func (u *upload) discard() {
	if u == nil || u.file == nil {
		return
	}
	_ = u.file.Close()
	_ = remove(u.file.Name()) // what stays is removed at the next start
	u.room.release()
	u.file = nil
}

// disk counts the bytes that samples take.
type disk struct {
	limit int64
	used  atomic.Int64
}

// reservation is the share of one sample.
type reservation struct {
	disk  *disk
	bytes int64
}

// add takes n bytes more; it fails with errQueueFull if there are none.
func (r *reservation) add(n int64) error {
	if r.disk.used.Add(n) > r.disk.limit {
		r.disk.used.Add(-n)
		return errQueueFull
	}
	r.bytes += n
	return nil
}

func (r *reservation) release() {
	r.disk.used.Add(-r.bytes)
	r.bytes = 0
}

// receive reads a multipart body whose part "sample" is the sample, and writes it to disk as it comes. Whoever
// gets the upload discards it.
func (s *Sandbox) receive(w http.ResponseWriter, r *http.Request) (*upload, error) {
	boundary, err := boundaryOf(r)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > s.limits.Sample+maxFields+maxParts*maxFraming {
		return nil, s.tooLarge()
	}
	in := &body{
		r:     http.MaxBytesReader(w, r.Body, s.limits.Sample+maxFields+maxParts*maxFraming),
		pace:  pace{control: http.NewResponseController(w), rate: s.limits.UploadRate, begun: time.Now()},
		quota: unlimited,
	}
	parts := multipart.NewReader(in, boundary)
	var sample *upload
	fields := int64(maxFields)
	for n := 0; ; n++ {
		in.quota = maxFraming // what stands between parts is held in memory, so it must be short
		part, err := parts.NextRawPart()
		in.quota = unlimited
		switch {
		case errors.Is(err, io.EOF) && sample != nil:
			return sample, nil
		case errors.Is(err, io.EOF):
			err = problemf(http.StatusBadRequest, `send the file as the part "sample" of a multipart form: curl -F sample=@FILE`)
		case err != nil:
			err = s.uploadError(err)
		case n >= maxParts:
			err = problemf(http.StatusBadRequest, "the form has more than %d parts", maxParts)
		case part.FormName() != "sample":
			fields, err = s.skip(part, fields)
		case sample != nil:
			err = problemf(http.StatusBadRequest, "the form has more than one sample: send one at a time")
		default:
			sample, err = s.spool(part)
		}
		if err != nil {
			sample.discard()
			return nil, err
		}
	}
}

// boundaryOf returns what separates the parts of a form.
func boundaryOf(r *http.Request) (string, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return "", problemf(http.StatusBadRequest, "send multipart/form-data with the file as the part \"sample\": curl -F sample=@FILE")
	}
	// RFC 2046 §5.1.1
	if b := params["boundary"]; len(b) > 0 && len(b) <= 70 {
		return b, nil
	}
	return "", problemf(http.StatusBadRequest, "the form has no usable boundary")
}

// skip reads over a part that is no sample.
func (s *Sandbox) skip(part *multipart.Part, left int64) (int64, error) {
	n, err := io.Copy(io.Discard, io.LimitReader(part, left+1))
	switch {
	case err != nil:
		return 0, s.uploadError(err)
	case n > left:
		return 0, problemf(http.StatusBadRequest, "the form's other parts have more than %d bytes", maxFields)
	}
	return left - n, nil
}

// spool writes a sample to a file of its own.
func (s *Sandbox) spool(part *multipart.Part) (_ *upload, err error) {
	file, err := os.CreateTemp(s.folder.at(incomingDir), "sample-")
	if err != nil {
		return nil, fmt.Errorf("receive a sample: %w", err)
	}
	u := &upload{file: file, name: cleanName(part.FileName()), room: &reservation{disk: &s.disk}}
	defer func() {
		if err != nil {
			u.discard()
		}
	}()
	digests := []hash.Hash{md5.New(), sha1.New(), sha256.New()}
	out := io.MultiWriter(&writer{u}, digests[0], digests[1], digests[2])
	if u.size, err = io.Copy(out, io.LimitReader(part, s.limits.Sample+1)); err != nil {
		return nil, s.uploadError(err)
	}
	switch {
	case u.size > s.limits.Sample:
		return nil, s.tooLarge()
	case u.size == 0:
		return nil, problemf(http.StatusBadRequest, "the sample is empty")
	}
	for i, into := range []*string{&u.md5, &u.sha1, &u.sha256} {
		*into = hex.EncodeToString(digests[i].Sum(nil))
	}
	// Nobody needs to write it any more, and nobody shall run it.
	if err := file.Chmod(0o400); err != nil {
		return nil, fmt.Errorf("receive a sample: %w", err)
	}
	// Here nobody waits for it; when it becomes a task, others do.
	if err := file.Sync(); err != nil {
		return nil, fmt.Errorf("receive a sample: %w", err)
	}
	return u, nil
}

// writer takes disk before it writes.
type writer struct{ *upload }

func (w *writer) Write(p []byte) (int, error) {
	if err := w.room.add(int64(len(p))); err != nil {
		return 0, err
	}
	n, err := w.file.Write(p)
	if err != nil {
		err = writeError{err}
	}
	return n, err
}

// writeError is an error of the server's disk, not of the client.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func (s *Sandbox) tooLarge() *problem {
	return problemf(http.StatusInternalServerError, "the sample is too large: at most %d bytes are taken", s.limits.Sample)
}

// errFraming says that more than [maxFraming] bytes stand between two parts.
var errFraming = errors.New("a part's head is too long")

// uploadError says whose fault it is that an upload broke off.
func (s *Sandbox) uploadError(err error) error {
	var tooLarge *http.MaxBytesError
	var disk writeError
	switch {
	case errors.As(err, &tooLarge):
		return s.tooLarge()
	case errors.Is(err, errQueueFull):
		return err
	case errors.As(err, &disk):
		return fmt.Errorf("receive a sample: %w", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problemf(http.StatusGatewayTimeout, "the sample came too slowly: at least %d bytes per second are wanted", s.limits.UploadRate)
	}
	return problemf(http.StatusBadRequest, "the form cannot be read: %v", err)
}

// body is a request's body that must keep a pace, and whose next bytes may be rationed.
type body struct {
	r     io.Reader
	pace  pace
	quota int64
}

const unlimited = 1 << 62

func (b *body) Read(p []byte) (int, error) {
	if b.quota <= 0 {
		return 0, errFraming
	}
	b.pace.next()
	n, err := b.r.Read(p)
	b.pace.bytes += int64(n)
	b.quota -= int64(n)
	return n, err
}

// pace moves a connection's deadline along with the bytes that come: whoever sends at the rate has all
// the time that he needs, whoever drips is let go.
type pace struct {
	control *http.ResponseController
	rate    int64
	begun   time.Time
	bytes   int64
	set     time.Time
}

// next sets the deadline for the next read. It moves in steps, which spares timers.
func (p *pace) next() {
	deadline := p.begun.Add(bodyGrace + time.Duration(float64(p.bytes)/float64(p.rate)*float64(time.Second)))
	if deadline.Sub(p.set) < time.Second {
		return
	}
	p.set = deadline
	_ = p.control.SetReadDeadline(deadline) // a server that knows no deadlines is one of a test
}

// cleanName makes what a client calls a file a name that can be shown: no folders of any system, no control
// characters, UTF-8, not longer than [maxName] bytes.
func cleanName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
	for len(name) > maxName {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	if name == "." || name == ".." {
		return ""
	}
	return name
}
