package intercept

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/windows"
)

// observer notices after the fact: changes in folders (Options.Open) and started processes (Options.Exec). Nothing can be
// refused, so Memory, Wait and Refused are of no use to it.
type observer struct {
	o        Options
	fresh    *news
	backlog  *backlog[Access]
	changes  chan string // paths of changed files
	excluded []string    // programs, in lower case

	mu      sync.Mutex
	folders map[string]Place

	noticed, repeated, passed, lost atomic.Uint64
}

// open checks that there is something to watch.
func open(o Options) (system, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("observing accesses: %w", err)
	}
	b := &observer{
		o:       o,
		fresh:   newNews(o.Remember, o.Now),
		changes: make(chan string, maxSettling),
		folders: map[string]Place{},
	}
	for _, path := range append([]string{own}, o.Excluded...) {
		b.excluded = append(b.excluded, strings.ToLower(path))
	}
	b.backlog = newBacklog[Access](o.Pending)
	return b, nil
}

func (b *observer) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if b.o.Open {
		group.Go(func() error { b.watchFolders(ctx); return nil })
		group.Go(func() error { b.settle(ctx); return nil })
	}
	if b.o.Exec {
		group.Go(func() error { return b.watchProcesses(ctx) })
	}
	group.Go(func() error {
		b.backlog.deliver(ctx, func(_ priority, a Access) { b.noticed.Add(1); b.o.Notice(a) })
		return nil
	})
	group.Go(func() error { b.tell(ctx); return nil })
	err := group.Wait()
	b.backlog.drain(func(a Access) { a.File.Close() })
	return err
}

// tell reports what was lost, and what found no place.
func (b *observer) tell(ctx context.Context) {
	var lost, notNoticed tally
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
			s, now := b.stats(), b.o.Now()
			if n := lost.due(s.Lost, now); n > 0 {
				b.o.Event(Event{Kind: Lost, Reason: "files change faster than the system can tell", Count: n})
			}
			if notNoticed.due(s.NotNoticed, now) > 0 {
				b.o.Event(Event{Kind: NotNoticed, Reason: "more files change than can be looked at", Count: s.NotNoticed})
			}
		}
	}
}

// settle looks at changed files once they are left alone.
func (b *observer) settle(ctx context.Context) {
	files := newSettling()
	look := time.NewTicker(quiet / 4)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case path := <-b.changes:
			if !files.changed(path, b.o.Now()) {
				b.lost.Add(1)
			}
		case <-look.C:
			for _, path := range files.ready(b.o.Now()) {
				err := b.noticeFile(Access{Path: path})
				if errors.Is(err, windows.ERROR_SHARING_VIOLATION) { // somebody still writes; tried again later
					files.changed(path, b.o.Now())
				}
			}
		}
	}
}

// noticeFile opens a file and notices it, if it is one and it is news.
func (b *observer) noticeFile(a Access) error {
	f, id, err := openRegular(a.Path)
	if err != nil {
		b.o.Log.Debug("a changed file cannot be looked at", "path", a.Path, "error", err)
		return err
	}
	a.File, a.Identity, a.Time, a.After = f, id, b.o.Now(), true
	switch {
	case b.o.Notice == nil:
		f.Close()
	case !b.fresh.is(id, a.Exec):
		b.repeated.Add(1)
		f.Close()
	default:
		b.queue(a)
	}
	return nil
}

// queue has an access wait for Notice, and lets go what gives way to it. Whose it is, is not known here.
func (b *observer) queue(a Access) {
	lane := opens
	if a.Exec {
		lane = starts
	}
	out, fate := b.backlog.offer(lane, 0, a.Identity.inode(), a)
	switch fate {
	case kept:
		return
	case replaced:
		b.repeated.Add(1)
	case missed:
		b.fresh.forget(out.Identity.inode())
	}
	out.File.Close()
}

// errNotRegular is returned for what is no file on a disk: folders, links, files that are still in the cloud.
var errNotRegular = errors.New("not a regular file")

// openRegular opens a file so that everybody else can do with it what they like. A link is not followed: it may lead to a
// server that wants to know our name.
func openRegular(path string) (*os.File, Identity, error) {
	name, err := windows.UTF16PtrFromString(extended(path))
	if err != nil {
		return nil, Identity{}, err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		nil, windows.OPEN_EXISTING, windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return nil, Identity{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	id, err := identify(h)
	if err != nil {
		windows.CloseHandle(h)
		return nil, Identity{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), id, nil
}

// extended is a path in the form that has no limit of length and no special names.
func extended(path string) string {
	switch {
	case strings.HasPrefix(path, `\\`):
		return path
	default:
		return `\\?\` + path
	}
}

// identify returns the identity of an open regular file.
func identify(h windows.Handle) (Identity, error) {
	kind, err := windows.GetFileType(h)
	if err != nil {
		return Identity{}, err
	}
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return Identity{}, err
	}
	const other = windows.FILE_ATTRIBUTE_DIRECTORY | windows.FILE_ATTRIBUTE_REPARSE_POINT | windows.FILE_ATTRIBUTE_DEVICE
	if kind != windows.FILE_TYPE_DISK || info.FileAttributes&other != 0 {
		return Identity{}, errNotRegular
	}
	written := info.LastWriteTime.Nanoseconds()
	changed := written
	var basic [40]byte // FILE_BASIC_INFO: four times, the last one of them the change time, and the attributes
	if windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, &basic[0], uint32(len(basic))) == nil {
		t := binary.LittleEndian.Uint64(basic[24:])
		changed = (&windows.Filetime{LowDateTime: uint32(t), HighDateTime: uint32(t >> 32)}).Nanoseconds()
	}
	return Identity{
		Device: uint64(info.VolumeSerialNumber), Inode: uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow),
		Size:     int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow),
		Modified: written, Changed: changed,
	}, nil
}

func (b *observer) isExcluded(program string) bool {
	return slices.Contains(b.excluded, strings.ToLower(program))
}

func (b *observer) stats() Stats {
	return Stats{
		Excluded: b.passed.Load(), Noticed: b.noticed.Load(), Repeated: b.repeated.Load(), Lost: b.lost.Load(),
		NotNoticed: b.backlog.missed(starts) + b.backlog.missed(opens),
	}
}

func (b *observer) recheck() {} // nothing is let through because it is known

func (b *observer) learn(Access, [32]byte) {} // nobody waits

func (b *observer) forget(a Access) { b.fresh.forget(a.Identity.inode()) }

func (b *observer) places() []Place {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.folders), func(x, y Place) int { return strings.Compare(x.Path, y.Path) })
}

func (b *observer) close() error { return nil }
