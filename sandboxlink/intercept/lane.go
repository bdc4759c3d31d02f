package intercept

import "container/list"

// lane is a bounded queue that its users share. Each has a line of its own, the first of each is taken in turn, and when the
// lane is full the longest line gives way to a shorter one. So a flood of one user's delays another's by as many
// items as there are users, and never keeps them out. Every operation takes constant time, but for one look at
// each line when the lane is full.
type lane[T any] struct {
	limit, n int
	lines    map[uint32]*line[T]     // by user; none is empty
	turns    list.List               // of *line[T], the next one first
	places   map[place]*list.Element // of every entry in its line
	missed   uint64                  // items for which there was no place
	passed   int                     // how often a better lane went first while something waited here
}

// line is what waits for one user.
type line[T any] struct {
	entries list.List // of *entry[T], the oldest first
	turn    *list.Element
}

// place is what a user has at most one entry for.
type place struct {
	user uint32
	file inode
}

type entry[T any] struct {
	place
	item T
}

// fate is what has become of an item that was offered.
type fate int

const (
	kept     fate = iota // there was place
	replaced             // it has taken the place of an older one about the same file
	missed               // it, or another in its stead, has found no place
)

func newLane[T any](limit int) *lane[T] {
	return &lane[T]{limit: limit, lines: map[uint32]*line[T]{}, places: map[place]*list.Element{}}
}

// put takes an item, and returns the one that had to go unless its fate is kept.
func (l *lane[T]) put(user uint32, file inode, item T) (out T, f fate) {
	at := place{user, file}
	if e, ok := l.places[at]; ok {
		older := e.Value.(*entry[T])
		out, older.item = older.item, item
		return out, replaced
	}
	own := l.lines[user]
	if l.n == l.limit {
		l.missed++
		longest := l.longest()
		if own != nil && longest.entries.Len() <= own.entries.Len()+1 || own == nil && longest.entries.Len() <= 1 {
			return item, missed
		}
		out, f = l.remove(longest, longest.entries.Back()), missed
	}
	if own == nil {
		own = &line[T]{}
		own.turn = l.turns.PushBack(own)
		l.lines[user] = own
	}
	l.places[at] = own.entries.PushBack(&entry[T]{at, item})
	l.n++
	return out, f
}

// pop takes an item of the user whose turn it is. The lane is not empty.
func (l *lane[T]) pop() T {
	next := l.turns.Front().Value.(*line[T])
	l.turns.MoveToBack(next.turn)
	l.passed = 0
	return l.remove(next, next.entries.Front())
}

func (l *lane[T]) longest() (longest *line[T]) {
	for e := l.turns.Front(); e != nil; e = e.Next() {
		if other := e.Value.(*line[T]); longest == nil || other.entries.Len() > longest.entries.Len() {
			longest = other
		}
	}
	return longest
}

func (l *lane[T]) remove(from *line[T], e *list.Element) T {
	gone := from.entries.Remove(e).(*entry[T])
	delete(l.places, gone.place)
	if from.entries.Len() == 0 {
		l.turns.Remove(from.turn)
		delete(l.lines, gone.user)
	}
	l.n--
	return gone.item
}
