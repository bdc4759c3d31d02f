package worker

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// restrictedToken makes a token for workers from that of this process: without privileges, without
// the rights of administrators, at low integrity, so that it can write to nothing and open no
// process of the user.
func restrictedToken() (restricted windows.Token, err error) {
	var own windows.Token
	const access = windows.TOKEN_DUPLICATE | windows.TOKEN_ASSIGN_PRIMARY | windows.TOKEN_QUERY | windows.TOKEN_ADJUST_DEFAULT
	if err := windows.OpenProcessToken(windows.CurrentProcess(), access, &own); err != nil {
		return 0, fmt.Errorf("open own token: %w", err)
	}
	defer own.Close()
	administrators, err := windows.CreateWellKnownSid(windows.WinBuiltinAdministratorsSid)
	if err != nil {
		return 0, err
	}
	low, err := windows.CreateWellKnownSid(windows.WinLowLabelSid)
	if err != nil {
		return 0, err
	}

	const disableMaxPrivilege = 1
	deny := windows.SIDAndAttributes{Sid: administrators}
	ok, _, err := createRestrictedToken.Call(uintptr(own), disableMaxPrivilege,
		1, uintptr(unsafe.Pointer(&deny)), 0, 0, 0, 0, uintptr(unsafe.Pointer(&restricted)))
	if ok == 0 {
		return 0, fmt.Errorf("CreateRestrictedToken: %w", err)
	}
	label := windows.Tokenmandatorylabel{
		Label: windows.SIDAndAttributes{Sid: low, Attributes: windows.SE_GROUP_INTEGRITY},
	}
	if err := windows.SetTokenInformation(restricted, windows.TokenIntegrityLevel,
		(*byte)(unsafe.Pointer(&label)), label.Size()); err != nil {
		restricted.Close()
		return 0, fmt.Errorf("lower integrity: %w", err)
	}
	return restricted, nil
}

// confineFromOutside puts the process into a job object, whose limits it cannot change, and lowers what
// it cannot lower itself. Only failure to get hold of the process is an error.
func (w *process) confineFromOutside(c *Config) (err error) {
	w.handle, err = windows.OpenProcess(windows.PROCESS_ALL_ACCESS, false, uint32(w.pid))
	if err != nil {
		return err
	}
	var r report
	w.job, err = windows.CreateJobObject(nil, nil)
	if err == nil {
		err = windows.AssignProcessToJobObject(w.job, w.handle)
	}
	r.note("job object", err)
	if err == nil {
		r.note("dies with the broker, starts no process", limitJob(w.job, c.Memory))
		r.note("no clipboard, desktop or windows of others", limitInterface(w.job))
	}
	if c.LowPriority {
		const veryLow = 0
		priority := uint32(veryLow)
		r.note("lowest I/O priority", windows.NtSetInformationProcess(w.handle, windows.ProcessIoPriority,
			unsafe.Pointer(&priority), uint32(unsafe.Sizeof(priority))))
	}
	w.measures = append(append(w.measures, r.Measures...), "memory watch")
	w.missing = append(w.missing, r.Missing...)
	return nil
}

// overhead is what the limit on committed memory leaves beyond what a worker may use, which
// the broker watches: the runtime commits more than it uses.
const overhead = 128 << 20

func limitJob(job windows.Handle, memory int64) error {
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE |
		windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS | windows.JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION
	info.BasicLimitInformation.ActiveProcessLimit = 1
	if memory > 0 {
		info.BasicLimitInformation.LimitFlags |= windows.JOB_OBJECT_LIMIT_PROCESS_MEMORY
		info.ProcessMemoryLimit = uintptr(memory + overhead)
	}
	_, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	return err
}

func limitInterface(job windows.Handle) error {
	info := windows.JOBOBJECT_BASIC_UI_RESTRICTIONS{UIRestrictionsClass: windows.JOB_OBJECT_UILIMIT_DESKTOP |
		windows.JOB_OBJECT_UILIMIT_DISPLAYSETTINGS | windows.JOB_OBJECT_UILIMIT_EXITWINDOWS |
		windows.JOB_OBJECT_UILIMIT_GLOBALATOMS | windows.JOB_OBJECT_UILIMIT_HANDLES |
		windows.JOB_OBJECT_UILIMIT_READCLIPBOARD | windows.JOB_OBJECT_UILIMIT_WRITECLIPBOARD |
		windows.JOB_OBJECT_UILIMIT_SYSTEMPARAMETERS}
	_, err := windows.SetInformationJobObject(job, windows.JobObjectBasicUIRestrictions,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	return err
}

// confine adds what a process can do to itself: mitigation policies, see
// SetProcessMitigationPolicy. They cannot be taken back.
func confine(_ hello, r *report) error {
	policies := []struct {
		name   string
		policy uintptr
		flags  uint32
	}{
		{"no executable memory", 2, 1},                     // ProcessDynamicCodePolicy: ProhibitDynamicCode
		{"no extension points", 6, 1},                      // ProcessExtensionPointDisablePolicy
		{"no libraries from network or low places", 10, 3}, // ProcessImageLoadPolicy: NoRemoteImages, NoLowMandatoryLabelImages
	}
	for _, p := range policies {
		ok, _, err := setMitigationPolicy.Call(p.policy, uintptr(unsafe.Pointer(&p.flags)), unsafe.Sizeof(p.flags))
		if ok != 0 {
			err = nil
		}
		r.note(p.name, err)
	}
	r.note("no reading of files, no network", errors.New("a restricted token does not deny them"))
	return nil
}
