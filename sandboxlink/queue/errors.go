package queue

import "errors"

// The outcomes of operations that callers tell apart; test with errors.Is.
var (
	// ErrFull is returned by Add when the limit in bytes or entries is reached.
	ErrFull = errors.New("the sandbox queue is full")
	// ErrNoSpace is returned by Add and Update when the disk is full.
	ErrNoSpace = errors.New("no space left on the disk of the sandbox queue")
	// ErrTooLarge is returned by Add for an object beyond the limit for one.
	ErrTooLarge = errors.New("the object is too large for the sandbox queue")
	// ErrChanged is returned by Add when the content is not the one that was announced.
	ErrChanged = errors.New("the content has changed since it was looked at")
	// ErrNotFound is returned for what is not in the queue, or not any more.
	ErrNotFound = errors.New("not in the sandbox queue")
	// ErrAmbiguous is returned for the beginning of several SHA-256.
	ErrAmbiguous = errors.New("several objects begin so: write more of it")
	// ErrDamaged is returned when a file of the queue cannot be read. It has been set aside.
	ErrDamaged = errors.New("the file in the sandbox queue is damaged")
	// ErrReleased is returned for an item after its lease has ended.
	ErrReleased = errors.New("the item has been given back")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the sandbox queue is closed")
	// ErrUnsafe is returned by Open for a folder that others may use.
	ErrUnsafe = errors.New("the folder is not private")
	// ErrInUse is returned by Open for a folder that another process has open.
	ErrInUse = errors.New("another process has the sandbox queue open")
)
