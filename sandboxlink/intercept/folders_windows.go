package intercept

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/windows"
)

const (
	// lookForFolders is how often folders and drives that were not there are looked for.
	lookForFolders = 10 * time.Second
	// changesBuffer is what the system keeps for us while we are busy, in bytes; more it does not allow over a network.
	changesBuffer = 64 << 10
)

// watchFolders watches each folder or drive, now and as they come.
func (b *observer) watchFolders(ctx context.Context) {
	var watching sync.WaitGroup
	defer watching.Wait()
	again := time.NewTicker(lookForFolders)
	defer again.Stop()
	for {
		folders := b.o.FileSystems
		kind := "folder"
		if len(folders) == 0 {
			folders, kind = drives(), "drive"
		}
		for _, dir := range folders {
			b.mu.Lock()
			busy := b.folders[dir].Watching
			b.mu.Unlock()
			if busy {
				continue
			}
			h, err := openFolder(dir)
			b.setPlace(Place{Path: dir, Kind: kind, Watching: err == nil, Reason: reason(err)})
			if err != nil {
				continue
			}
			watching.Go(func() {
				err := b.watchFolder(ctx, dir, h)
				if ctx.Err() == nil {
					b.setPlace(Place{Path: dir, Kind: kind, Reason: reason(err)})
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// setPlace keeps, and tells if it is news, whether a folder is watched.
func (b *observer) setPlace(p Place) {
	b.mu.Lock()
	before := b.folders[p.Path]
	b.folders[p.Path] = p
	b.mu.Unlock()
	switch {
	case p == before:
	case p.Watching:
		b.o.Event(Event{Kind: Watching, Place: p.Path, Reason: p.Kind})
	default:
		b.o.Event(Event{Kind: NotWatching, Place: p.Path, Reason: p.Reason})
	}
}

// drives are the roots of fixed and removable drives.
func drives() (roots []string) {
	mask, err := windows.GetLogicalDrives()
	if err != nil {
		return nil
	}
	for i := range 26 {
		if mask&(1<<i) == 0 {
			continue
		}
		root := string(rune('A'+i)) + `:\`
		name, err := windows.UTF16PtrFromString(root)
		if err != nil {
			continue
		}
		if kind := windows.GetDriveType(name); kind == windows.DRIVE_FIXED || kind == windows.DRIVE_REMOVABLE {
			roots = append(roots, root)
		}
	}
	return roots
}

func openFolder(dir string) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("%q is no path: %w", dir, err)
	}
	h, err := windows.CreateFile(name, windows.FILE_LIST_DIRECTORY,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OVERLAPPED, 0)
	if err != nil {
		return 0, fmt.Errorf("it cannot be opened: %w", err)
	}
	return h, nil
}

// watchFolder passes on the changes below a folder until ctx ends or the folder is gone. It takes the handle.
func (b *observer) watchFolder(ctx context.Context, dir string, h windows.Handle) error {
	defer windows.CloseHandle(h)
	done, err := windows.CreateEvent(nil, 0, 0, nil)
	if err != nil {
		return fmt.Errorf("creating an event: %w", err)
	}
	defer windows.CloseHandle(done)
	ended, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return fmt.Errorf("creating an event: %w", err)
	}
	defer windows.CloseHandle(ended)
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(told); _ = windows.SetEvent(ended) })
	defer func() {
		if !stop() {
			<-told // before its event is closed
		}
	}()
	buf := make([]byte, changesBuffer)
	for ctx.Err() == nil {
		const what = windows.FILE_NOTIFY_CHANGE_FILE_NAME | windows.FILE_NOTIFY_CHANGE_LAST_WRITE | windows.FILE_NOTIFY_CHANGE_SIZE
		overlapped := &windows.Overlapped{HEvent: done}
		err := windows.ReadDirectoryChanges(h, &buf[0], uint32(len(buf)), true, what, nil, overlapped, 0)
		if err != nil && !errors.Is(err, windows.ERROR_IO_PENDING) {
			return fmt.Errorf("it can no longer be watched: %w", err)
		}
		n, err := result(h, done, ended, overlapped)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, windows.ERROR_NOTIFY_ENUM_DIR), err == nil && n == 0: // more than the buffer holds
			b.lost.Add(1)
		case err != nil:
			return fmt.Errorf("it can no longer be watched: %w", err)
		default:
			b.pass(dir, parseChanges(buf[:n]))
		}
	}
	return nil
}

// result waits for the end of an operation, or cancels it: the system writes to the buffer until it has ended.
func result(h, done, ended windows.Handle, overlapped *windows.Overlapped) (n uint32, err error) {
	first, err := windows.WaitForMultipleObjects([]windows.Handle{ended, done}, false, windows.INFINITE)
	if err != nil || first == windows.WAIT_OBJECT_0 {
		_ = windows.CancelIoEx(h, overlapped) // it may have ended by itself
	}
	err = windows.GetOverlappedResult(h, overlapped, &n, true)
	return n, err
}

// pass hands over changed files.
func (b *observer) pass(dir string, names []string) {
	for _, name := range names {
		select {
		case b.changes <- filepath.Join(dir, name):
		default:
			b.lost.Add(1)
		}
	}
}
