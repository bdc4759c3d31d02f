package response

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

var ntResumeProcess = windows.NewLazySystemDLL("ntdll.dll").NewProc("NtResumeProcess")

// family is a program and what it has started: a job object.
type family struct {
	job, process windows.Handle
}

// startFamily starts the program suspended, so that it is in the job before it can start anything.
func startFamily(cmd *exec.Cmd) (_ *family, err error) {
	f := &family{}
	if f.job, err = windows.CreateJobObject(nil, nil); err != nil {
		return nil, fmt.Errorf("make a job object: %w", err)
	}
	var limits windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	if _, err = windows.SetInformationJobObject(f.job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		f.close()
		return nil, fmt.Errorf("limit a job object: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		HideWindow:    true,
		CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NEW_PROCESS_GROUP,
	}
	if err = cmd.Start(); err != nil {
		f.close()
		return nil, err
	}
	if err = f.adopt(uint32(cmd.Process.Pid)); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		f.close()
		return nil, err
	}
	return f, nil
}

// adopt puts the suspended program into the job and lets it run. Its id is its own as long as cmd, which
// holds it open, has not waited for it.
func (f *family) adopt(pid uint32) (err error) {
	const access = windows.PROCESS_SET_QUOTA | windows.PROCESS_TERMINATE | windows.PROCESS_SUSPEND_RESUME | windows.SYNCHRONIZE
	if f.process, err = windows.OpenProcess(access, false, pid); err != nil {
		return fmt.Errorf("open the process: %w", err)
	}
	if err = windows.AssignProcessToJobObject(f.job, f.process); err != nil {
		return fmt.Errorf("put the process into a job object: %w", err)
	}
	if status, _, _ := ntResumeProcess.Call(uintptr(f.process)); status != 0 {
		return fmt.Errorf("let the process run: %w", windows.NTStatus(status))
	}
	return nil
}

func (f *family) wait() { windows.WaitForSingleObject(f.process, windows.INFINITE) }

func (f *family) kill() { windows.TerminateJobObject(f.job, 1) }

func (f *family) close() {
	if f.process != 0 {
		windows.CloseHandle(f.process)
	}
	windows.CloseHandle(f.job)
}

// rootDir is the root of the system's drive.
func rootDir() string { return filepath.VolumeName(windowsDir()) + `\` }

// environment is what a program is started with: many fail to start without SystemRoot.
func environment() []string {
	root := windowsDir()
	return []string{"SystemRoot=" + root, "PATH=" + filepath.Join(root, "System32") + ";" + root}
}

func windowsDir() string {
	if dir, err := windows.GetSystemWindowsDirectory(); err == nil {
		return dir
	}
	return `C:\Windows`
}
