package place

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// system asks Windows for the folder of programs' data. The variable of the environment, which whoever started
// this process may have set, is for the case that it does not say.
func system(getenv func(string) string) Places {
	data, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		data = getenv("ProgramData")
	}
	if data == "" {
		data = `C:\ProgramData`
	}
	dir := filepath.Join(data, "Tyto")
	return Places{Policy: filepath.Join(dir, "policy.yaml"), Data: dir, Control: `\\.\pipe\tyto-agent`}
}

// forAdministrators gives the system and administrators everything, also below, and takes nothing from
// the folder above, in which every user may create files. The owner is the administrators: an owner may
// always change the list.
const forAdministrators = "O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// makeAll makes path with its access list in one step: there is no moment in which it is open.
func makeAll(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(forAdministrators)
	if err != nil {
		return fmt.Errorf("make an access list: %w", err)
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	return windows.CreateDirectory(name, &windows.SecurityAttributes{
		Length:             uint32(unsafe.Sizeof(windows.SecurityAttributes{})),
		SecurityDescriptor: sd,
	})
}

// What lets somebody change or replace a thing, or read it. See winnt.h.
const (
	changing = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.DELETE | windows.WRITE_DAC |
		windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL | fileDeleteChild
	reading         = windows.FILE_READ_DATA | windows.GENERIC_READ
	fileDeleteChild = 0x40
)

// check looks at the place itself. Folders above it are the system's (%ProgramData%), where users may create
// files but neither delete nor rename a folder that is closed to them.
func check(path string, want demand) error {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return fmt.Errorf("ask who may change %q: %w", path, err)
	}
	trusted, err := trustedSIDs()
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return fmt.Errorf("ask who owns %q: %w", path, err)
	}
	next := fmt.Sprintf(`change that: icacls "%s" /inheritance:r /grant *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F /setowner *S-1-5-32-544`, path)
	if !trusted.holds(owner) {
		return &Unsafe{Path: path, Why: fmt.Sprintf("it belongs to %s", name(owner)), Next: next}
	}
	acl, _, err := sd.DACL()
	if err != nil || acl == nil {
		return &Unsafe{Path: path, Why: "it has no access list, so that everybody may change it", Next: next}
	}
	forbidden := windows.ACCESS_MASK(changing)
	if want == private {
		forbidden |= reading
	}
	for i := range uint32(acl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(acl, i, &ace); err != nil {
			return fmt.Errorf("read the access list of %q: %w", path, err)
		}
		if ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE || ace.Mask&forbidden == 0 ||
			ace.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 {
			continue
		}
		if sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart)); !trusted.holds(sid) {
			return &Unsafe{Path: path, Why: fmt.Sprintf("its access list lets %s use it", name(sid)), Next: next}
		}
	}
	return nil
}

type sids []*windows.SID

func (s sids) holds(sid *windows.SID) bool {
	for _, t := range s {
		if windows.EqualSid(t, sid) {
			return true
		}
	}
	return false
}

// trustedSIDs are the system, the administrators, the installer of Windows, whoever made the file under
// an inherited entry, and this process's user.
func trustedSIDs() (sids, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("ask for this process's user: %w", err)
	}
	known := sids{user.User.Sid}
	for _, kind := range []windows.WELL_KNOWN_SID_TYPE{
		windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid, windows.WinCreatorOwnerSid,
	} {
		sid, err := windows.CreateWellKnownSid(kind)
		if err != nil {
			return nil, fmt.Errorf("ask for the administrators: %w", err)
		}
		known = append(known, sid)
	}
	return known, nil
}

// name returns a SID's account, or the SID where it has none.
func name(sid *windows.SID) string {
	account, domain, _, err := sid.LookupAccount("")
	if err != nil {
		return sid.String()
	}
	return domain + `\` + account
}
