package intercept

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// lookForProcesses is how often started processes are looked for. One that ends sooner can go by unseen, and what a
// program does in this time it has done.
const lookForProcesses = 500 * time.Millisecond

// maxProcesses bounds the table of processes.
const maxProcesses = 100_000

// process tells one process from another as far as the table does: a number is used again.
type process struct {
	pid, parent uint32
	name        [windows.MAX_PATH]uint16
}

// watchProcesses notices the programs of processes that were started after it.
func (b *observer) watchProcesses(ctx context.Context) error {
	before, err := processes()
	if err != nil {
		return err
	}
	look := time.NewTicker(lookForProcesses)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		now, err := processes()
		if err != nil {
			b.o.Log.Debug("processes cannot be listed", "error", err)
			continue
		}
		for p := range now {
			if !before[p] {
				b.started(p)
			}
		}
		before = now
	}
}

// started notices the program of a new process.
func (b *observer) started(p process) {
	program := programOf(p.pid)
	switch {
	case program == "":
		b.o.Log.Debug("a started process could not be looked at", "pid", p.pid, "name", windows.UTF16ToString(p.name[:]))
	case b.isExcluded(program):
		b.passed.Add(1)
	default:
		_ = b.noticeFile(Access{Path: program, PID: int(p.pid), Process: programOf(p.parent), Exec: true}) // it is logged
	}
}

// processes lists what runs.
func processes() (map[process]bool, error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	defer windows.CloseHandle(snapshot)
	found := map[process]bool{}
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snapshot, &entry); err == nil && len(found) < maxProcesses; err = windows.Process32Next(snapshot, &entry) {
		found[process{entry.ProcessID, entry.ParentProcessID, entry.ExeFile}] = true
	}
	if err != nil && !errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	return found, nil
}

// programOf is the path of a process's program, empty if it has ended or is protected.
func programOf(pid uint32) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(h)
	buf := make([]uint16, windows.MAX_LONG_PATH)
	n := uint32(len(buf))
	if err := windows.QueryFullProcessImageName(h, 0, &buf[0], &n); err != nil {
		return ""
	}
	return windows.UTF16ToString(buf[:n])
}
