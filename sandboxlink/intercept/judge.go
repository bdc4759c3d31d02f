package intercept

import (
	"time"

	"tyto/sandboxlink/generations"
)

// settle is how old a change must be before the times of a file tell it from the next one: the kernel's clock for files
// may stand still for 10 ms.
const settle = 100 * time.Millisecond

// settled reports whether a later change would show in the identity of a file that was seen at a time.
func (id Identity) settled(at time.Time) bool {
	return at.UnixNano()-max(id.Changed, id.Modified) >= int64(settle)
}

// maxInodes bounds each of the caches below: at most twice as many entries of about 100 bytes, some 7 MB.
const maxInodes = 1 << 15

// inode is a file, whatever its content.
type inode struct{ device, number uint64 }

func (id Identity) inode() inode { return inode{id.Device, id.Inode} }

// ruling is what the judge says of an access.
type ruling int

const (
	allow ruling = iota
	refuse
	hash // only the content can tell
)

// judge decides by what is in memory. It is safe for concurrent use.
type judge struct {
	memory Memory
	sums   *generations.Map[inode, hashed]
}

// hashed is a content that was read from a file while it had this identity.
type hashed struct {
	identity Identity
	sum      [32]byte
}

func newJudge(m Memory) *judge {
	return &judge{memory: m, sums: generations.New[inode, hashed](maxInodes)}
}

// rule decides on an access. The sum is that of what is refused. The memory is asked each time: what it says changes,
// the sum of an unchanged file does not.
func (j *judge) rule(id Identity) (ruling, [32]byte) {
	if !j.memory.MaliciousSize(id.Size) {
		return allow, [32]byte{}
	}
	known, ok := j.sums.Get(id.inode())
	switch {
	case !ok || known.identity != id:
		return hash, [32]byte{}
	case j.memory.Malicious(known.sum):
		return refuse, known.sum
	}
	return allow, [32]byte{}
}

// learn keeps the sum of a file that had this identity before and after it was read, which must be settled.
func (j *judge) learn(id Identity, sum [32]byte) {
	j.sums.Put(id.inode(), hashed{id, sum})
}

// unlearn forgets a file.
func (j *judge) unlearn(f inode) { j.sums.Remove(f) }

// news tells what has been seen lately from what has not. It is safe for concurrent use.
type news struct {
	lately time.Duration
	now    func() time.Time
	seen   *generations.Map[inode, sighting]
}

type sighting struct {
	identity Identity
	exec     bool
	at       time.Time
}

func newNews(lately time.Duration, now func() time.Time) *news {
	return &news{lately: lately, now: now, seen: generations.New[inode, sighting](maxInodes)}
}

// is reports whether the file was not seen like this lately, and notes that it has been seen now. That a file is
// executed is news even if it has been opened.
func (n *news) is(id Identity, exec bool) bool {
	now := n.now()
	last, ok := n.seen.Get(id.inode())
	if ok && last.identity == id && (last.exec || !exec) && n.counts(last, now) {
		return false
	}
	n.seen.Put(id.inode(), sighting{id, exec, now})
	return true
}

// counts reports whether a sighting is not too old.
func (n *news) counts(last sighting, now time.Time) bool {
	if now.Before(last.at) {
		return false // the clock was set back: news, instead of silence for as long as it was wrong
	}
	lately := n.lately
	if !last.identity.settled(last.at) {
		lately = min(lately, settle) // it may have changed unseen
	}
	return now.Sub(last.at) < lately
}

// forget makes news of a file again.
func (n *news) forget(f inode) { n.seen.Remove(f) }
