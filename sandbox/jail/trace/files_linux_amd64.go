package trace

import (
	"strings"

	"golang.org/x/sys/unix"

	"tyto/verdict"
)

// dull are folders whose reading says nothing: a program's libraries, and what every runtime asks about itself.
var dull = []string{"/usr/", "/lib", "/bin/", "/sbin/", "/etc/ld.so.", "/proc/self/", "/dev/null", "/dev/urandom"}

// telling are exceptions of dull.
var telling = []string{"/etc/ld.so.preload", "/proc/self/mem", "/proc/self/status"}

func isDull(path string) bool {
	for _, p := range telling {
		if path == p {
			return false
		}
	}
	for _, p := range dull {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// open serves the calls that open a file.
func (t *tracer) open(k *task, dir int32, pointer, flags uint64) reply {
	path := t.path(k, dir, pointer)
	const accessMode = unix.O_ACCMODE
	writes := flags&accessMode != unix.O_RDONLY || flags&unix.O_TRUNC != 0
	creates := flags&unix.O_CREAT != 0 || flags&unix.O_TMPFILE == unix.O_TMPFILE
	act := verdict.Read
	switch {
	case creates && (t.Exists == nil || !t.Exists(path)):
		act = verdict.Created
	case writes || creates:
		act = verdict.Written
	case flags&unix.O_DIRECTORY != 0 || isDull(path):
		return reply{}
	}
	return then(func(result int64) {
		t.file(File{Path: path, Act: act, Refused: outcome(result)})
	})
}

func (t *tracer) openat2(k *task, c call) reply {
	return t.open(k, int32(c.args[0]), c.args[1], k.process.mem().word(c.args[2]))
}

// write serves calls that change a file without opening it.
func (t *tracer) write(k *task, dir int32, pointer uint64) reply {
	path := t.path(k, dir, pointer)
	return then(func(result int64) {
		t.file(File{Path: path, Act: verdict.Written, Refused: outcome(result)})
	})
}

// node serves mknod: pipes, sockets and regular files are harmless, and devices need privileges that nobody
// in the jail has; the try is written down.
func (t *tracer) node(k *task, dir int32, pointer, mode uint64) reply {
	path := t.path(k, dir, pointer)
	if kind := mode & unix.S_IFMT; kind == unix.S_IFBLK || kind == unix.S_IFCHR {
		t.deed(Forbidden, "mknod "+path)
		return denied(unix.EPERM)
	}
	return then(func(result int64) {
		t.file(File{Path: path, Act: verdict.Created, Refused: outcome(result)})
	})
}

// remove serves the calls that delete. What the file holds is looked at before.
func (t *tracer) remove(k *task, dir int32, pointer uint64) reply {
	path := t.path(k, dir, pointer)
	var left Departure
	kept := false
	if t.Remember != nil && t.departed < maxDepartures {
		if left, kept = t.Remember(path); kept {
			t.departed++
			left.Path = cut(path)
		}
	}
	self := path == k.process.path || path == t.Sample
	return then(func(result int64) {
		t.file(File{Path: path, Act: verdict.Deleted, Refused: outcome(result)})
		if result != 0 {
			return
		}
		if kept {
			t.Departures = append(t.Departures, left)
		}
		if self {
			t.deed(DeleteSelf, path)
		}
	})
}

func (t *tracer) move(k *task, fromDir int32, from uint64, toDir int32, to uint64) reply {
	source, target := t.path(k, fromDir, from), t.path(k, toDir, to)
	return then(func(result int64) {
		t.file(File{Path: source, Act: verdict.Moved, To: target, Refused: outcome(result)})
	})
}

func (t *tracer) link(k *task, fromDir int32, from uint64, toDir int32, to uint64) reply {
	source, target := t.path(k, fromDir, from), t.path(k, toDir, to)
	return then(func(result int64) {
		t.file(File{Path: target, Act: verdict.Created, To: source, Refused: outcome(result)})
	})
}

// symlink notes a link with what it leads to, which is any text.
func (t *tracer) symlink(k *task, target uint64, dir int32, pointer uint64) reply {
	path, to := t.path(k, dir, pointer), k.process.mem().text(target)
	return then(func(result int64) {
		t.file(File{Path: path, Act: verdict.Created, To: to, Refused: outcome(result)})
	})
}

func (t *tracer) chmod(k *task, dir int32, pointer, mode uint64) reply {
	return t.chmodAt(k, t.path(k, dir, pointer), mode)
}

func (t *tracer) chmodAt(_ *task, path string, mode uint64) reply {
	const setID, execute = unix.S_ISUID | unix.S_ISGID, 0o111
	return then(func(result int64) {
		switch {
		case mode&setID != 0 && mode&execute != 0: // also where it was refused
			t.deed(MakeSetuid, path)
		case mode&execute != 0 && result == 0:
			t.deed(MakeExecutable, path)
		}
	})
}
