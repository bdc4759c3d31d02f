package quarantine

import (
	"errors"
	"fmt"
	"io/fs"
)

// The outcomes by which an operation can fail, to be told apart with errors.Is. In all of them nothing
// was taken and nothing removed, unless the comment says otherwise.
var (
	// ErrChanged: what is at the path is not, or not any more, the file that was examined.
	ErrChanged = errors.New("the file has changed since it was examined")
	// ErrGone: nothing is at the path any more.
	ErrGone = errors.New("the file is gone")
	// ErrLink: a symbolic link or junction is on the way to the file, or in its place.
	ErrLink = errors.New("a symbolic link is in the way")
	// ErrNotFile: a directory, device, pipe or socket.
	ErrNotFile = errors.New("not a regular file")
	// ErrProtected: the system or Tyto itself needs the file.
	ErrProtected = errors.New("the file is protected")
	// ErrMember: the object lies in an archive, and the archive was not asked for.
	ErrMember = errors.New("the object is inside an archive")
	// ErrTooLarge: larger than Options.ObjectLimit, or than the whole vault.
	ErrTooLarge = errors.New("too large for the quarantine")
	// ErrFull: the vault has reached Options.Limit.
	ErrFull = errors.New("the quarantine is full")
	// ErrNoSpace: the disk is full, or the quota used up.
	ErrNoSpace = errors.New("the disk is full")
	// ErrReadOnly: the file system cannot be written to.
	ErrReadOnly = errors.New("the file system is read-only")
	// ErrPermission: this user may not do it.
	ErrPermission = errors.New("permission denied")
	// ErrImmutable: an attribute of the file or of its directory forbids it.
	ErrImmutable = errors.New("the file or its directory is immutable")
	// ErrBusy: the file is a mount point, or is locked by another program and cannot be deleted at the
	// next start either.
	ErrBusy = errors.New("the file is in use")
	// ErrDisplaced: while the file was being replaced by another process, that other file was moved and
	// could not be put back, as something new had its name. Nothing is lost; the message says
	// where it is.
	ErrDisplaced = errors.New("another file was moved")
	// ErrExists: something is where the object should be restored.
	ErrExists = errors.New("something is there already")
	// ErrNoFolder: the folder in which the object should be restored does not exist.
	ErrNoFolder = errors.New("the folder does not exist")
	// ErrNotFound: there is no entry of that id.
	ErrNotFound = errors.New("no such entry in the quarantine")
	// ErrDamaged: an entry cannot be opened with this key, or is not as it was written.
	ErrDamaged = errors.New("the entry is damaged")
	// ErrUnsafe: others may read or write the vault or its key.
	ErrUnsafe = errors.New("the quarantine is open to others")
	// ErrKeyLost: there are entries, but not the key that opens them.
	ErrKeyLost = errors.New("the key of the quarantine is missing")
	// ErrUnsupported: this system cannot do it.
	ErrUnsupported = errors.ErrUnsupported
)

// Error says what could not be done, and why.
type Error struct {
	Op   string // "quarantine", "restore", …
	Path string // of the object or of the vault, any bytes
	Kind error  // one of the errors above; nil if it is none of them
	Err  error  // the cause, if there is more to say
	Hint string // what to do about it; may be empty
}

// Error returns the message on one line, without the hint.
func (e *Error) Error() string {
	msg := fmt.Sprintf("%s %q", e.Op, e.Path)
	if e.Kind != nil {
		msg += ": " + e.Kind.Error()
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	var list []error
	if e.Kind != nil {
		list = append(list, e.Kind)
	}
	if e.Err != nil {
		list = append(list, e.Err)
	}
	return list
}

// Hint returns what a person can do about an error, or the empty string.
func Hint(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		if e.Hint != "" {
			return e.Hint
		}
		return hints[e.Kind]
	}
	return ""
}

// hints say what to do where the place of the error does not know better.
var hints = map[error]string{
	ErrChanged:     "scan it again, and quarantine what is found then",
	ErrLink:        "name the file by its real path",
	ErrProtected:   "look at it before you do anything; a computer may not start without it. Restore it from its package if it was tampered with",
	ErrMember:      "deal with the archive as a whole, or name it itself",
	ErrTooLarge:    "raise the limit for one object, or copy the file away and remove it by hand",
	ErrFull:        "delete or export entries, raise the limit, or let the oldest be dropped",
	ErrNoSpace:     "make room on the disk, or use another folder",
	ErrReadOnly:    "mount it for writing, or deal with the file where the disk can be written to",
	ErrPermission:  "run it as root or administrator",
	ErrImmutable:   "see lsattr, and take the attribute off with chattr -i -a",
	ErrBusy:        "unmount it, or end the program that holds it",
	ErrExists:      "choose another place, let it be replaced, or take another name",
	ErrNoFolder:    "make the folder, ask for it to be made, or choose another place",
	ErrUnsafe:      "check who has changed it, then take away the rights of all but its owner",
	ErrKeyLost:     "bring key.txt back from a backup, or choose another folder for a new vault",
	ErrUnsupported: "",
}

// operation returns a function that wraps errors of one operation on one path. What the system said is
// given its kind; what has one keeps it.
func operation(op, path string) func(error) error {
	return func(err error) error {
		var known *Error
		if err == nil || errors.As(err, &known) {
			return err
		}
		for kind := range hints {
			if errors.Is(err, kind) {
				return &Error{Op: op, Path: path, Err: err, Kind: nil, Hint: hints[kind]}
			}
		}
		return &Error{Op: op, Path: path, Kind: kindOf(err), Err: err}
	}
}

// vaultError wraps an error about the vault's own folder.
func (v *Vault) vaultError(op string, err error) error { return operation(op, v.dir)(err) }

// kindOf returns the outcome for what the system said.
func kindOf(err error) error {
	if kind := systemKind(err); kind != nil {
		return kind
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrGone
	case errors.Is(err, fs.ErrPermission):
		return ErrPermission
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	}
	return nil
}
