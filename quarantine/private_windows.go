package quarantine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// makeFolder makes the vault's folder, closed from the first moment: only the system, administrators and
// this process's user may use it and what is in it, and nothing is inherited from above.
func makeFolder(dir string) error {
	sd, err := forUs()
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	return windows.CreateDirectory(name, &windows.SecurityAttributes{
		Length:             uint32(unsafe.Sizeof(windows.SecurityAttributes{})),
		SecurityDescriptor: sd,
	})
}

// closeToOthers gives a file in the vault the same list of rights. Windows lets it inherit them from the
// folder, file systems of others may not.
func closeToOthers(root *os.Root, name string) error {
	sd, err := forUs()
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(filepath.Join(root.Name(), name), windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}

func forUs() (*windows.SECURITY_DESCRIPTOR, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("ask for this process's user: %w", err)
	}
	return windows.SecurityDescriptorFromString("D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;" + user.User.Sid.String() + ")")
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

// using are the rights by which a file can be read, written or replaced.
const using = windows.FILE_READ_DATA | windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.DELETE |
	windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_READ | windows.GENERIC_WRITE | windows.GENERIC_ALL

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
		if ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE || ace.Mask&using == 0 {
			continue
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		for _, kind := range []windows.WELL_KNOWN_SID_TYPE{
			windows.WinWorldSid, windows.WinBuiltinUsersSid, windows.WinAuthenticatedUserSid, windows.WinBuiltinGuestsSid,
		} {
			if sid.IsWellKnown(kind) {
				return fmt.Errorf("%w: %q may be used by %s (%s)", ErrUnsafe, path, sid, sd)
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
