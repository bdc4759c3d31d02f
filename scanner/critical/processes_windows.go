package critical

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/windows"

	"tyto/finding"
)

// platform has nothing to say here.
type platform struct{}

func thisComputer() platform { return platform{} }

const (
	// maxProcesses is how many processes are looked at.
	maxProcesses = 1_000_000
	// maxModules is how many modules of one process are looked at.
	maxModules = 100_000
	// maxSnapshots is how often the modules of a process that is loading some are asked for, as
	// Microsoft's documentation of CreateToolhelp32Snapshot wants it.
	maxSnapshots = 10
)

// processes takes the programs and modules of all processes.
func (s *Source) processes(ctx context.Context, c *collection) error {
	pids, err := running()
	if err != nil {
		c.skip(finding.Skip{Path: "processes", Reason: finding.Unreadable, Detail: err.Error()})
	}
	const idle, system = 0, 4 // which have no program
	for _, pid := range pids {
		if pid == idle || pid == system {
			continue
		}
		if err := s.opts.Gate(ctx); err != nil {
			return err
		}
		if err := s.process(ctx, c, pid); err != nil {
			return err
		}
	}
	return nil
}

// running returns the ids of all processes.
func running() (pids []uint32, err error) {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(snapshot, &entry); err == nil; err = windows.Process32Next(snapshot, &entry) {
		if len(pids) == maxProcesses {
			return pids, fmt.Errorf("list the processes: more than %d", maxProcesses)
		}
		pids = append(pids, entry.ProcessID)
	}
	if errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		err = nil
	}
	return pids, err
}

// process takes the program and the modules of one process. The program is known of protected
// processes, too; their modules are not.
func (s *Source) process(ctx context.Context, c *collection, pid uint32) error {
	path, err := program(pid)
	switch {
	case err == nil:
		if err := c.add(ctx, path); err != nil {
			return err
		}
	case gone(err):
		return nil
	}
	paths, modulesErr := modules(pid)
	if err == nil {
		err = modulesErr
	}
	if err != nil && !gone(err) {
		name := "process " + strconv.FormatUint(uint64(pid), 10)
		if path != "" {
			name += " (" + path + ")"
		}
		c.skip(finding.Skip{Path: name, Reason: finding.Unreadable, Detail: fmt.Sprintf("its program and modules: %v", err)})
	}
	for _, path := range paths {
		if err := c.add(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// gone reports whether err says that there is no such process any more.
func gone(err error) bool { return errors.Is(err, windows.ERROR_INVALID_PARAMETER) }

// program returns the path of a process's program, as the kernel knows it.
func program(pid uint32) (string, error) {
	handle, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return "", fmt.Errorf("open the process: %w", err)
	}
	defer windows.CloseHandle(handle)
	const longest = 32 << 10
	buf := make([]uint16, longest)
	n := uint32(len(buf))
	if err := windows.QueryFullProcessImageName(handle, 0, &buf[0], &n); err != nil {
		return "", fmt.Errorf("ask for the program: %w", err)
	}
	return windows.UTF16ToString(buf[:n]), nil
}

// modules returns the paths of what a process has loaded. With an error it returns those it
// learned until then.
func modules(pid uint32) ([]string, error) {
	snapshot, err := snapshot(pid)
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w", err)
	}
	defer windows.CloseHandle(snapshot)
	var paths []string
	entry := windows.ModuleEntry32{Size: uint32(unsafe.Sizeof(windows.ModuleEntry32{}))}
	for err = windows.Module32First(snapshot, &entry); err == nil; err = windows.Module32Next(snapshot, &entry) {
		if len(paths) == maxModules {
			return paths, fmt.Errorf("list the modules: more than %d", maxModules)
		}
		paths = append(paths, win32Path(windows.UTF16ToString(entry.ExePath[:])))
	}
	if errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		err = nil
	}
	return paths, err
}

func snapshot(pid uint32) (handle windows.Handle, err error) {
	for range maxSnapshots {
		handle, err = windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPMODULE|windows.TH32CS_SNAPMODULE32, pid)
		if !errors.Is(err, windows.ERROR_BAD_LENGTH) {
			break
		}
	}
	return handle, err
}
