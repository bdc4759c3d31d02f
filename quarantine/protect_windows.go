package quarantine

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// systemFiles are what Windows does not start or cannot be repaired without.
func systemFiles() []systemList {
	windowsDir, err := windows.GetSystemWindowsDirectory()
	if err != nil {
		windowsDir = `C:\Windows`
	}
	drive := filepath.VolumeName(windowsDir)
	in := func(folder string, names ...string) (list []string) {
		for _, name := range names {
			list = append(list, filepath.Join(folder, name))
		}
		return list
	}
	var system []string
	for _, folder := range []string{"System32", "SysWOW64"} {
		system = append(system, in(filepath.Join(windowsDir, folder),
			"ntoskrnl.exe", "ntkrnl*.exe", "hal.dll", "ci.dll", "kdcom.dll", "bootvid.dll", "winload.*", "winresume.*",
			"ntdll.dll", "kernel32.dll", "kernelbase.dll", "user32.dll", "gdi32*.dll", "win32u.dll", "win32k*.sys", "advapi32.dll",
			"sechost.dll", "rpcrt4.dll", "msvcrt.dll", "ucrtbase.dll", "bcryptprimitives.dll", "combase.dll", "ole32.dll",
			"smss.exe", "csrss.exe", "csrsrv.dll", "wininit.exe", "winlogon.exe", "services.exe", "lsass.exe", "lsasrv.dll",
			"svchost.exe", "userinit.exe", "logonui.exe", "dwm.exe", "cmd.exe", "rundll32.exe", "wow64*.dll",
			`config\**`, `drivers\ntfs.sys`, `drivers\disk.sys`, `drivers\acpi.sys`, `drivers\fltmgr.sys`, `drivers\volmgr.sys`,
			`drivers\partmgr.sys`, `drivers\mountmgr.sys`, `drivers\stor*.sys`, `drivers\ksecdd.sys`, `drivers\tcpip.sys`,
			`drivers\ndis.sys`, `drivers\pci.sys`, `drivers\classpnp.sys`, `drivers\wdf*.sys`, `drivers\cng.sys`)...)
	}
	return []systemList{
		{"the system starts from it", append(in(drive+`\`, "bootmgr", "BOOTNXT", `Boot\**`, `EFI\**`, "ntldr", "ntdetect.com"),
			in(windowsDir, "explorer.exe", `Boot\**`)...)},
		{"the system does not run without it", system},
		{"the package manager repairs the system", in(windowsDir, `servicing\**`, `System32\msiexec.exe`, `System32\dism.exe`, `System32\sfc.exe`)},
	}
}

// vital says whether the open file is one that Tyto itself runs from.
func (s *source) vital() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	p, err := openPlace(self)
	if err != nil {
		return ""
	}
	defer p.close()
	if k, err := p.is(p.name); err == nil && k == (fileKey{s.id.device, s.id.inode}) {
		return "it is Tyto itself"
	}
	return ""
}
