// Package examine turns the bytes of one object into facts: its hashes, its type, the YARA rules
// and the strings that match, and the same for each member if it is an archive.
//
// It runs inside a confined worker process (package worker) and is the only code that parses what
// a scanned machine holds. It is a function from content and hints to plain, serialisable values:
// it opens nothing, keeps nothing from one object to the next, and knows neither indicators
// nor scores. The broker, which holds all the privileges, decides what the facts mean.
//
// # One read
//
// Content is read once, in order, into memory of our own (never mapped, so that a file which
// shrinks meanwhile cannot raise SIGBUS); hashes are taken from each block while it is hot, and the
// rules, the strings and the unpacker see the very same bytes. Content larger than
// [Limits.Whole] is not held: it passes through in overlapping chunks, and is read again for the
// unpacker, and for a rule that asks for its MD5.
package examine

import (
	"time"

	"tyto/finding"
	"tyto/ioc/stringlist"
	"tyto/rules"
	"tyto/scanner/archive"
)

// Config tells a worker what to look for. It is sent once, at the worker's start.
type Config struct {
	// MD5, SHA1 and SHA256 say which digests some indicator or rule needs.
	MD5, SHA1, SHA256 bool
	// Strings are the patterns of the StringList indicators.
	Strings []stringlist.Pattern `json:",omitempty"`
	// HasRules says that the first set-up file holds the compiled rules.
	HasRules bool
	// Limits bound what is done with one object.
	Limits Limits
	// KeepCache leaves what was read in the page cache; otherwise reading does not displace
	// what the computer's user works with.
	KeepCache bool
}

// Limits bound the examination of one object. Each that bites is reported as a skip.
type Limits struct {
	// Whole is the largest content in bytes that is held in memory and scanned in one piece.
	// Larger content is scanned in chunks: rules then see at most [Limits.Chunk] bytes around
	// each place, and facts of file formats are those of the first chunk.
	Whole int64
	// Chunk is the size in bytes of such a piece.
	Chunk int
	// Matches is the number of matched strings kept per object.
	Matches int
	// MatchBytes is the number of bytes kept of each matched string.
	MatchBytes int
	// Archives says whether archives are unpacked.
	Archives bool
	// Archive bounds unpacking.
	Archive archive.Limits
}

// Request is what the broker says of an object when it passes its descriptor. The strings
// may hold any bytes.
type Request struct {
	Path  []byte // as the rules' external variables shall see it: the original path if there is one
	Owner []byte
	Group []byte
	Mode  uint32 // permission bits and type, as in POSIX st_mode
	Size  int64
}

// Facts is what was learned of one object. An archive answers with one Facts for itself and one
// for each of its members, in the order in which they were read.
type Facts struct {
	// Member is nil for the object itself; for a member of it, the path inside:
	// "dir/inner.exe", or "inner.zip!/b.exe" for a member's member. Nil and empty differ: a member may
	// have an empty name, and must not be taken for the object itself.
	Member   []byte    `json:",omitzero"`
	Modified time.Time `json:",omitzero"` // of a member
	Size     int64     // bytes of content that were found; of a member after unpacking
	Hashes   finding.Hashes
	Type     string           `json:",omitempty"`
	Rules    []rules.Match    `json:",omitempty"`
	Strings  []stringlist.Hit `json:",omitempty"`
	Skips    []Skip           `json:",omitempty"`
	// Partial is set if the content was not read to its end: what was not found in it may be in the rest.
	Partial bool `json:",omitempty"`
}

// Skip says what of the object could not be examined. Member is as in [Facts].
type Skip struct {
	Member []byte `json:",omitzero"`
	Reason finding.Reason
	Detail string
}
