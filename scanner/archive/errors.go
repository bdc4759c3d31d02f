package archive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/nwaples/rardecode/v2"
	"github.com/ulikunitz/xz/lzma"

	"tyto/finding"
)

// Error says why an archive or a member of it could not, or not fully, be read. Use [errors.As].
type Error struct {
	// Reason is Encrypted, Damaged, Unsupported or ArchiveLimit; Unreadable if the archive's
	// own file could not be read; Timeout or Stopped if the budget's context ended.
	Reason finding.Reason
	Member string // the member's name as in [Member]; empty for the archive itself
	Detail string // the cause in words
	Err    error  // the underlying error, if there is one
}

func (e *Error) Error() string {
	if e.Member == "" {
		return fmt.Sprintf("archive is %s: %s", e.Reason, e.Detail)
	}
	return fmt.Sprintf("archive member %q is %s: %s", e.Member, e.Reason, e.Detail)
}

func (e *Error) Unwrap() error { return e.Err }

func damaged(format string, args ...any) *Error {
	return &Error{Reason: finding.Damaged, Detail: fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) *Error {
	return &Error{Reason: finding.Unsupported, Detail: fmt.Sprintf(format, args...)}
}

func overLimit(format string, args ...any) *Error {
	return &Error{Reason: finding.ArchiveLimit, Detail: fmt.Sprintf(format, args...)}
}

var errEncrypted = &Error{Reason: finding.Encrypted, Detail: "a password is needed"}

// reasons maps what the libraries say to reasons. Whatever is not listed is damage.
var reasons = []struct {
	err    error
	reason finding.Reason
	detail string // instead of the library's words, if set
}{
	{context.DeadlineExceeded, finding.Timeout, "the time for this object ran out"},
	{context.Canceled, finding.Stopped, "the scan was stopped"},
	{rardecode.ErrArchiveEncrypted, finding.Encrypted, "the directory needs a password"},
	{rardecode.ErrArchivedFileEncrypted, finding.Encrypted, "a password is needed"},
	{rardecode.ErrUnknownEncryptMethod, finding.Encrypted, "unknown encryption"},
	{rardecode.ErrDictionaryTooLarge, finding.ArchiveLimit, "the dictionary is larger than the memory allowed"},
	{rardecode.ErrUnknownDecoder, finding.Unsupported, "unknown compression method"},
	{rardecode.ErrUnsupportedDecoder, finding.Unsupported, "compression method of RAR 1.5"},
	{rardecode.ErrMultipleDecoders, finding.Unsupported, "compression methods of several RAR versions in one archive"},
	{rardecode.ErrMultiVolume, finding.Unsupported, "it continues in another volume"},
	{rardecode.ErrBadVolumeNumber, finding.Unsupported, "not the first volume of a set"},
	{zstd.ErrWindowSizeExceeded, finding.ArchiveLimit, "the window is larger than the memory allowed"},
	{zstd.ErrDecoderSizeExceeded, finding.ArchiveLimit, "the window is larger than the memory allowed"},
	{zstd.ErrUnknownDictionary, finding.Unsupported, "a dictionary is needed"},
	{io.ErrUnexpectedEOF, finding.Damaged, "it ends too early"},
	{io.EOF, finding.Damaged, "it ends too early"},
}

// classify turns any error met in reading into an [*Error] about that member. A failure of the
// underlying file outweighs what a decoder makes of it.
func (w *walk) classify(err error, member string) *Error {
	if w.src.err != nil {
		return &Error{Reason: finding.Unreadable, Member: member, Detail: w.src.err.Error(), Err: w.src.err}
	}
	var known *Error
	if errors.As(err, &known) {
		if known.Member == "" && member != "" {
			named := *known // the original may be shared
			named.Member = member
			return &named
		}
		return known
	}
	var dict *lzma.ErrDictSize
	if errors.As(err, &dict) {
		return &Error{finding.ArchiveLimit, member, "the dictionary is larger than the memory allowed", err}
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return &Error{r.reason, member, r.detail, err}
		}
	}
	return &Error{finding.Damaged, member, err.Error(), err}
}

// guard calls f and turns a panic into an error. It wraps calls into third-party decoders and
// nothing else, so a panic of the caller's own loop body passes through.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = damaged("the decoder failed: %v", p)
		}
	}()
	return f()
}
