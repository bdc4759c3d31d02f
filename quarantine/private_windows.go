package quarantine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// ownerOnly lets in the system, administrators and whoever made the folder (OWNER RIGHTS), and inherits
// nothing from above.
const ownerOnly = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"

// closeToOthers gives the vault's folder a list of rights of its own, which all in it inherit.
func closeToOthers(dir string) error {
	sd, err := windows.SecurityDescriptorFromString(ownerOnly)
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}

// private refuses a file or folder to which everybody, all users or guests have rights.
func private(root *os.Root, name string) error {
	path := filepath.Join(root.Name(), name)
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if info.Mode()&(os.ModeSymlink|os.ModeIrregular) != 0 {
		return fmt.Errorf("%w: %q is a link", ErrUnsafe, path)
	}
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return nil // a file system without rights, such as FAT
	}
	return openToMany(sd, path)
}

// openToMany looks for entries that let in more than persons chosen one by one.
func openToMany(sd *windows.SECURITY_DESCRIPTOR, path string) error {
	dacl, _, err := sd.DACL()
	if err != nil || dacl == nil {
		return nil
	}
	for i := range uint32(dacl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(dacl, i, &ace); err != nil {
			return err
		}
		if ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE {
			continue
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		for _, kind := range []windows.WELL_KNOWN_SID_TYPE{
			windows.WinWorldSid, windows.WinBuiltinUsersSid, windows.WinAuthenticatedUserSid, windows.WinBuiltinGuestsSid,
		} {
			if sid.IsWellKnown(kind) {
				return fmt.Errorf("%w: %q may be used by %s", ErrUnsafe, path, sid)
			}
		}
	}
	return nil
}

// lockFile takes a lock that ends when f is closed, or returns errLocked.
func lockFile(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return errLocked
	}
	return err
}

// syncFolder has nothing to do: NTFS journals names by itself, and folders cannot be synced.
func syncFolder(*os.Root) error { return nil }

func currentUser() string {
	var name [256]uint16
	size := uint32(len(name))
	if err := windows.GetUserNameEx(windows.NameSamCompatible, &name[0], &size); err != nil {
		return os.Getenv("USERNAME")
	}
	return windows.UTF16ToString(name[:])
}
