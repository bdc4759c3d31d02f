package walk

// A directory stays open while those inside it are walked, so that the way back cannot be
// diverted. Where there are too many, those in the middle of the stack are closed: the
// outermost must stay, for if someone moves a directory away while it is closed, it cannot be
// found again, and a user who can do that to their own deep directories must not be able to
// end the whole walk.

// makeRoom closes directories when more than maxOpen are open.
func (w *walker) makeRoom() {
	keep := w.maxOpen / 2
	for i := len(w.stack) - keep - 1; i >= keep && w.stack[i].dir != nil; i-- {
		w.stack[i].close()
	}
}

// openDir opens a directory, and if descriptors have run out, closes some and tries again.
func (w *walker) openDir(d *dir, name string, m *meta) (*dir, error) {
	child, err := d.openDir(name, m)
	if err == nil || !noDescriptors(err) || len(w.stack) < 4 {
		return child, err
	}
	w.maxOpen = max(4, len(w.stack)/2)
	for i := w.maxOpen / 2; i < len(w.stack)-w.maxOpen/2; i++ {
		w.stack[i].close()
	}
	return d.openDir(name, m)
}

func (f *frame) close() {
	if f.dir != nil {
		f.dir.close()
		f.dir = nil
	}
}

// pop leaves the innermost directory, and opens the one above it again if it was closed.
func (w *walker) pop() {
	last := len(w.stack) - 1
	top := w.stack[last]
	w.stack = w.stack[:last]
	if last > 0 && w.stack[last-1].dir == nil {
		w.reopen(last-1, top.dir)
	}
	top.close()
	w.stack[:last+1][last] = frame{}
}

// reopen opens the directory at index i of the stack again: by way of the one inside it, which
// was just left and may be nil, or else from the nearest one above that is open. It must be the
// same as before.
func (w *walker) reopen(i int, child *dir) {
	f := &w.stack[i]
	if f.ended && len(f.pending) == 0 {
		return // there is nothing more to do in it
	}
	var err error
	if child != nil {
		f.dir, err = child.reopen("..", f.id, f.pos)
	}
	if f.dir == nil {
		f.dir, err = w.descend(i)
	}
	if err != nil {
		f.ended, f.pending = true, nil
		w.fail(string(w.path[:f.pathLen]), err)
	}
}

// descend opens the directory at index i of the stack by the names of those above it.
func (w *walker) descend(i int) (*dir, error) {
	from := i - 1
	for w.stack[from].dir == nil {
		from--
	}
	current := w.stack[from].dir
	for j := from + 1; j <= i; j++ {
		next, err := current.reopen(w.stack[j].name, w.stack[j].id, w.stack[j].pos)
		if current != w.stack[from].dir {
			current.close()
		}
		if err != nil {
			return nil, err
		}
		current = next
	}
	return current, nil
}
