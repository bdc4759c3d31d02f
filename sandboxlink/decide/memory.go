package decide

import "time"

// maxRemembered is how many decisions are remembered, and how many contents; at most twice as many are held. A
// decision takes about a kilobyte.
const maxRemembered = 2048

// Times of remembering. See the package comment.
const (
	rememberFor = 10 * time.Minute
	settled     = time.Minute
)

// key is by what a decision is remembered.
type key struct {
	identity identity
	path     string
	exec     bool
}

// identity tells one state of one file from all others.
type identity struct {
	device, inode           uint64
	size, modified, changed int64  // times in nanoseconds since 1970
	version                 uint64 // counts or dates changes in a way that programs cannot set, 0 where there is none
}

// remembered is a decision that was taken.
type remembered struct {
	decision Decision
	until    time.Time
}
