package quarantine

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

// removal says what became of a file.
type removal struct {
	names     uint64 // that the file still has
	atRestart bool
	note      string
}

// remove removes the file by its handle, so that it cannot be another one, whatever its name is by now; if
// it is a stream, the stream only. A file that runs or is locked is put down for deletion at the
// next start of the computer.
func (s *source) remove(e *Entry, step func(string) error) (removal, error) {
	if err := s.unchanged(); err != nil {
		return removal{}, err
	}
	if err := step("looked"); err != nil {
		return removal{}, err
	}
	left := removal{}
	for i := range e.Names { // first, while the handle still tells whose they are
		if n := &e.Names[i]; n.Remove {
			if err := s.removeOther(string(n.Path)); err != nil {
				n.Remove = false
				left.note = fmt.Sprintf("the name %q could not be removed: %v", n.Path, err)
			}
		}
	}
	if info, _, err := s.state(); err == nil && s.meta.Windows.Stream == "" {
		left.names = max(uint64(info.NumberOfLinks), 1) - 1
	}
	err := ErrBusy
	if !s.locked {
		err = deleteByHandle(s.handle(), s.meta.Windows.Attributes)
	}
	switch {
	case err == nil:
		// The name goes with the last handle, which is ours unless the note says otherwise.
		err = s.file.Close()
		s.file = nil
		return left, err
	case s.locked, errors.Is(err, windows.ERROR_ACCESS_DENIED), sharing(err), errors.Is(err, windows.ERROR_USER_MAPPED_FILE):
		if atRestart := s.deleteAtRestart(); atRestart != nil {
			return left, fmt.Errorf("%w: it cannot be deleted now (%v), nor at the next start: %w", ErrBusy, err, atRestart)
		}
		left.atRestart = true
		return left, nil
	}
	return left, err
}

// removeOther removes another name of the file.
func (s *source) removeOther(path string) error {
	p, err := openPlace(path)
	if err != nil {
		return err
	}
	defer p.close()
	h, err := p.open(p.name, windows.DELETE|windows.FILE_WRITE_ATTRIBUTES, shareAll, windows.FILE_OPEN)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(h)
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return err
	}
	if keyOf(&info) != (fileKey{s.id.device, s.id.inode}) {
		return ErrChanged
	}
	return deleteByHandle(h, info.FileAttributes)
}

// deleteByHandle deletes a file with the semantics of POSIX, by which its name goes at once even if
// others have it open; or with the older ones, for which a read-only file must be made writable.
func deleteByHandle(h windows.Handle, attributes uint32) error {
	const deleteFile, posixSemantics, ignoreReadOnly = 0x1, 0x2, 0x10
	flags := uint32(deleteFile | posixSemantics | ignoreReadOnly)
	err := windows.SetFileInformationByHandle(h, windows.FileDispositionInfoEx, (*byte)(unsafe.Pointer(&flags)), uint32(unsafe.Sizeof(flags)))
	if !errors.Is(err, windows.ERROR_INVALID_PARAMETER) && !errors.Is(err, windows.ERROR_INVALID_FUNCTION) &&
		!errors.Is(err, windows.ERROR_NOT_SUPPORTED) && !errors.Is(err, windows.ERROR_CALL_NOT_IMPLEMENTED) {
		return err
	}
	readOnly := attributes&windows.FILE_ATTRIBUTE_READONLY != 0
	if readOnly {
		if err := setBasic(h, basicInfo{attributes: windows.FILE_ATTRIBUTE_NORMAL}); err != nil {
			return err
		}
	}
	yes := byte(1)
	err = windows.SetFileInformationByHandle(h, windows.FileDispositionInfo, &yes, 1)
	if err != nil && readOnly {
		_ = setBasic(h, basicInfo{attributes: attributes})
	}
	return err
}

// deleteAtRestart has the session manager delete what is at the path when the computer starts. That goes by
// the path, so it is refused for one that does not lead to the file any more; who exchanges it after that
// has whatever he put there deleted.
func (s *source) deleteAtRestart() error {
	if k, err := s.is(s.name); err != nil || k != (fileKey{s.id.device, s.id.inode}) {
		return errors.Join(ErrChanged, err)
	}
	path := s.path
	if !strings.HasPrefix(path, `\\`) {
		path = `\\?\` + path
	}
	wide, err := windows.UTF16PtrFromString(filepath.Clean(path))
	if err != nil {
		return err
	}
	return windows.MoveFileEx(wide, nil, windows.MOVEFILE_DELAY_UNTIL_REBOOT)
}
