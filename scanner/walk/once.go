package walk

// maxLinks is how many files with several names are remembered at a time. Each takes about 100
// bytes. A file is forgotten when all its names have been seen.
const maxLinks = 500_000

// once knows what has been visited, in memory that does not grow with the number of files.
//
// A file or directory can be reached by two paths for three reasons only: it has several names
// (hard links); a mount repeats a part of a file system; a root lies below another one. For the second
// and third it is enough to know the identities of all roots and all mounts' roots, called
// anchors here: where two such trees overlap, the root of one lies inside the other.
type once struct {
	anchors map[FileID]bool // true once visited
	links   map[FileID]link
	own     map[FileID]bool
}

// link is a file of which more names are to come.
type link struct {
	changed int64 // the inode's change time; another one means other content
	left    uint64
}

func newOnce(own []FileID) *once {
	o := &once{anchors: map[FileID]bool{}, links: map[FileID]link{}, own: map[FileID]bool{}}
	for _, id := range own {
		o.own[id] = true
	}
	return o
}

// anchor notes that several paths may lead to id.
func (o *once) anchor(id FileID) {
	if _, ok := o.anchors[id]; !ok {
		o.anchors[id] = false
	}
}

// enter reports whether a directory is to be walked, and notes that it is.
func (o *once) enter(m *meta) bool {
	visited, anchored := o.anchors[m.id]
	if anchored || m.mount {
		o.anchors[m.id] = true
	}
	return !visited
}

// seen reports whether a file was visited before under another name.
func (o *once) seen(m *meta) bool {
	if o.anchors[m.id] {
		return true
	}
	if m.links < 2 {
		return false
	}
	l, ok := o.links[m.id]
	if !ok || l.changed != m.changed.UnixNano() {
		return false
	}
	if l.left--; l.left == 0 {
		delete(o.links, m.id)
	} else {
		o.links[m.id] = l
	}
	return true
}

// visited notes that a file's content had its visit.
func (o *once) visited(m *meta) {
	if _, anchored := o.anchors[m.id]; anchored || m.mount {
		o.anchors[m.id] = true
	}
	if m.links > 1 && len(o.links) < maxLinks {
		o.links[m.id] = link{changed: m.changed.UnixNano(), left: m.links - 1}
	}
}
