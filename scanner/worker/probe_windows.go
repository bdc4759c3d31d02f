package worker

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// refused reports whether an error says that something is not allowed. ERROR_NOT_ENOUGH_QUOTA is what a
// job object answers that has its number of processes.
func refused(err error) bool {
	return errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_NOT_ENOUGH_QUOTA)
}

// attempts are those at what Windows offers.
func attempts(t probeTargets) []attempt {
	open := func(access uint32) func() error {
		return func() error {
			h, err := windows.OpenProcess(access, false, uint32(t.Parent))
			if err == nil {
				windows.CloseHandle(h)
			}
			return err
		}
	}
	return []attempt{
		{"open the broker to end it", open(windows.PROCESS_TERMINATE)},
		{"open the broker to read its memory", open(windows.PROCESS_VM_READ)},
		{"open the broker to write to its memory", open(windows.PROCESS_VM_WRITE)},
		{"start a process", func() error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			p, err := os.StartProcess(self, []string{self}, &os.ProcAttr{Files: []*os.File{nil, nil, nil}})
			if err == nil {
				p.Kill()
				p.Release()
			}
			return err
		}},
		{"allocate executable memory", func() error {
			address, err := windows.VirtualAlloc(0, 4096, windows.MEM_COMMIT|windows.MEM_RESERVE, windows.PAGE_EXECUTE_READWRITE)
			if err == nil {
				windows.VirtualFree(address, 0, windows.MEM_RELEASE)
			}
			return err
		}},
	}
}
