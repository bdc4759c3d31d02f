package wire

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"tyto/verdict"
)

// Object is what a sandbox is asked about.
type Object struct {
	// SHA256 identifies the content, 64 lower-case hexadecimal digits. SHA1 and MD5 may be empty.
	SHA256, SHA1, MD5 string
	// Size is that of the content in bytes.
	Size int64
	// Name is a base name for the sandbox: some choose by its ending how to start the object. It may be empty.
	Name string
	// Type is in the words of package filetype; it may be empty.
	Type string
}

// Answer is what a server says of an object. Exactly one of these holds:
//
//   - Pending: the server has the object and is not done; Task identifies it there.
//   - Verdict is set: it is done. Its time may be zero, which is now. Report may be set, if the server tells more than the verdict.
//
// Back ends return an error in all other cases, also when the sandbox says that it cannot judge the object
// (kind [Refused]).
type Answer struct {
	Task    string
	Pending bool
	Verdict *verdict.Verdict
	Report  *verdict.Report
	// NoReport says why there is no report although the server should have one; nil otherwise. Asking again
	// may bring it.
	NoReport error
}

// ErrUnknown is returned for a look-up by hash when the server knows nothing of the object, or offers no
// look-up. Test with errors.Is.
var ErrUnknown = errors.New("the server does not know the object")

// ErrForgotten is returned for a poll when the server does not know the task. Test with errors.Is.
var ErrForgotten = errors.New("the server does not know the task")

// maxTask is longer than any task id that was seen: 32 hexadecimal digits, a UUID, a short number.
const maxTask = 256

// CheckTask returns an error unless the id that a server has given can be kept and asked for: 1 to 256 visible
// ASCII characters, none of which means something in a path.
func CheckTask(id string) error {
	bad := strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\?#%`, r) })
	if id == "" || len(id) > maxTask || id == "." || id == ".." || bad {
		return &Error{Kind: Garbage, Answered: true, Reason: fmt.Sprintf("%q is no id of a task", printable(id, 60))}
	}
	return nil
}

// Segment escapes a text for use as one element of a path.
func Segment(s string) string { return url.PathEscape(s) }

func isPrint(r rune) bool { return unicode.IsPrint(r) }
