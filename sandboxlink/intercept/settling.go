package intercept

import "time"

const (
	// quiet is how long a changed file must have been left alone before it is looked at.
	quiet = time.Second
	// restless is after which time it is looked at although it still changes.
	restless = 10 * time.Second
	// maxSettling bounds how many changed files may be waiting for that.
	maxSettling = 4096
)

// settling holds changed files back until they are left alone, so that they are looked at once and whole. It is used by
// one goroutine.
type settling struct {
	files map[string]change
}

type change struct{ first, last time.Time }

func newSettling() *settling { return &settling{files: map[string]change{}} }

// changed takes note of a change. It returns false when there is no place.
func (s *settling) changed(path string, now time.Time) bool {
	c, ok := s.files[path]
	if !ok {
		if len(s.files) >= maxSettling {
			return false
		}
		c.first = now
	}
	c.last = now
	s.files[path] = c
	return true
}

// ready returns the files whose time has come, and forgets them.
func (s *settling) ready(now time.Time) (paths []string) {
	for path, c := range s.files {
		if now.Sub(c.last) >= quiet || now.Sub(c.first) >= restless || now.Before(c.last) {
			paths = append(paths, path)
			delete(s.files, path)
		}
	}
	return paths
}
