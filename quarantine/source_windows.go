package quarantine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"tyto/scanner/walk"
)

// source is an open file, or one stream of a file, that is to be quarantined. While it is open, nobody
// else can write to it, rename it or delete it, unless they could before: see note and locked.
type source struct {
	place
	path    string
	file    *os.File
	id      identity
	meta    Metadata
	streams []walk.Stream
	note    string
	locked  bool // somebody has it open and lets nobody delete it
}

const (
	readAccess   = windows.FILE_READ_DATA | windows.READ_CONTROL
	removeAccess = readAccess | windows.DELETE | windows.FILE_WRITE_ATTRIBUTES
)

// openSource opens a file for reading, itself and not what a link leads to, and describes it.
func openSource(path string) (*source, error) {
	p, err := openPlace(path)
	if err != nil {
		return nil, err
	}
	s := &source{place: p, path: filepath.Clean(path)}
	h, err := p.open(p.name, removeAccess, windows.FILE_SHARE_READ, windows.FILE_OPEN)
	if sharing(err) {
		s.note = "a program has the file open for writing or deleting; what it wrote after the copy was made is lost"
		h, err = p.open(p.name, removeAccess, shareAll, windows.FILE_OPEN)
	}
	if sharing(err) {
		s.locked = true
		h, err = p.open(p.name, readAccess, shareAll, windows.FILE_OPEN)
	}
	if err != nil {
		defer p.close()
		return nil, p.whatInstead(err)
	}
	s.file = os.NewFile(uintptr(h), path)
	if err := s.look(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func sharing(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }

// whatInstead explains why a file cannot be opened.
func (p place) whatInstead(err error) error {
	dir, notDir := ntOpen(p.dir, p.name, 0, shareAll, windows.FILE_OPEN, windows.FILE_DIRECTORY_FILE|windows.FILE_OPEN_REPARSE_POINT)
	switch {
	case notDir == nil:
		windows.CloseHandle(dir)
		return ErrNotFile
	case sharing(err):
		return fmt.Errorf("%w: a program has it open and lets nobody read it: %w", ErrBusy, err)
	}
	return err
}

func (s *source) close() {
	if s.file != nil {
		s.file.Close()
	}
	s.place.close()
}

func (s *source) handle() windows.Handle { return windows.Handle(s.file.Fd()) }

// volume is the device in the words of package walk: the serial number.
func (s *source) volume() uint64 { return s.id.device }

// bytes is how much there is to copy.
func (s *source) bytes() int64 {
	sum := s.id.size
	for _, st := range s.streams {
		sum += st.Size
	}
	return sum
}

// streamName is the stream that a name in a directory names; empty for the file itself.
func streamName(name string) string {
	_, stream, _ := strings.Cut(name, ":")
	return strings.TrimSuffix(stream, ":$DATA")
}

// look fills in identity and metadata.
func (s *source) look() error {
	info, basic, err := s.state()
	if err != nil {
		return err
	}
	if info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0 && streamName(s.name) == "" {
		return ErrNotFile
	}
	if tag, err := reparseTag(s.handle()); err != nil || nameSurrogate(tag) {
		return errors.Join(ErrLink, err)
	}
	s.id = identityOf(info, basic)
	if err := s.sizeOfStream(); err != nil {
		return err
	}
	s.meta = Metadata{
		Modified: fromTicks(basic.modified), Accessed: fromTicks(basic.accessed),
		Changed: fromTicks(basic.changed), Created: fromTicks(basic.created),
		Links: uint64(info.NumberOfLinks), Device: s.id.device, Inode: s.id.inode,
		Windows: &Windows{Attributes: basic.attributes, Stream: streamName(s.name)},
	}
	sd, err := windows.GetSecurityInfo(s.handle(), windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.GROUP_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err == nil { // FAT has none
		s.meta.Windows.Security = sd.String()
	}
	if s.meta.Windows.Stream != "" {
		return nil
	}
	if basic.attributes&windows.FILE_ATTRIBUTE_SPARSE_FILE != 0 {
		s.meta.Data = allocatedRanges(s.handle(), s.id.size)
	}
	s.streams, err = walk.Streams(s.handle())
	return err
}

func (s *source) state() (*windows.ByHandleFileInformation, basicInfo, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(s.handle(), &info); err != nil {
		return nil, basicInfo{}, err
	}
	basic, err := getBasic(s.handle())
	return &info, basic, err
}

func identityOf(info *windows.ByHandleFileInformation, basic basicInfo) identity {
	k := keyOf(info)
	return identity{
		device: k.device, inode: k.inode, size: int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow),
		modified: fromTicks(basic.modified), changed: fromTicks(basic.changed),
	}
}

// sizeOfStream corrects the size if a stream is what was opened.
func (s *source) sizeOfStream() error {
	if streamName(s.name) == "" {
		return nil
	}
	info, err := s.file.Stat()
	if err == nil {
		s.id.size = info.Size()
	}
	return err
}

// unchanged looks at the open file again, after it was read.
func (s *source) unchanged() error {
	info, basic, err := s.state()
	if err != nil {
		return err
	}
	now := identityOf(info, basic)
	if streamName(s.name) != "" {
		now.size = s.id.size // which its part has compared
	}
	if now != s.id {
		return fmt.Errorf("%w: while it was copied", ErrChanged)
	}
	return nil
}

// eachStream opens the file's further streams, one after the other.
func (s *source) eachStream(visit func(i int, name string, size int64, content io.Reader) error) error {
	for i, st := range s.streams {
		h, err := s.open(s.name+":"+st.Name, windows.FILE_READ_DATA, shareAll, windows.FILE_OPEN)
		if err != nil {
			return fmt.Errorf("stream %q: %w", st.Name, err)
		}
		f := os.NewFile(uintptr(h), st.Name)
		err = visit(i+1, st.Name, st.Size, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("stream %q: %w", st.Name, err)
		}
	}
	return nil
}

// removable says early why the file could not be removed.
func (s *source) removable() error {
	var flags uint32
	err := windows.GetVolumeInformationByHandle(s.handle(), nil, 0, nil, nil, &flags, nil, 0)
	if err == nil && flags&windows.FILE_READ_ONLY_VOLUME != 0 {
		return ErrReadOnly
	}
	return nil
}

// otherNames returns those of the known names that are the file's. Windows tells all of them.
func (s *source) otherNames(known []string) (names []string) {
	if s.meta.Links < 2 {
		return nil
	}
	seen := map[string]bool{strings.ToLower(s.path): true}
	for _, path := range append(hardLinks(s.path), known...) {
		p, err := openPlace(path)
		if err != nil {
			continue
		}
		lower := strings.ToLower(filepath.Clean(path))
		if k, err := p.is(p.name); err == nil && k == (fileKey{s.id.device, s.id.inode}) && !seen[lower] {
			seen[lower] = true
			names = append(names, filepath.Clean(path))
		}
		p.close()
	}
	return names
}

// maxHardLinks is what NTFS allows.
const maxHardLinks = 1024

// hardLinks lists the names of a file (FindFirstFileName).
func hardLinks(path string) (names []string) {
	const longest = 32 << 10
	kernel := windows.NewLazySystemDLL("kernel32.dll")
	first, next := kernel.NewProc("FindFirstFileNameW"), kernel.NewProc("FindNextFileNameW")
	wide, err := windows.UTF16PtrFromString(path)
	if err != nil || first.Find() != nil || next.Find() != nil {
		return nil
	}
	buf := make([]uint16, longest)
	size := uint32(len(buf))
	h, _, _ := first.Call(uintptr(unsafe.Pointer(wide)), 0, uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&buf[0])))
	if windows.Handle(h) == windows.InvalidHandle {
		return nil
	}
	defer windows.FindClose(windows.Handle(h))
	for len(names) < maxHardLinks {
		names = append(names, filepath.VolumeName(path)+windows.UTF16ToString(buf))
		size = uint32(len(buf))
		if ok, _, _ := next.Call(h, uintptr(unsafe.Pointer(&size)), uintptr(unsafe.Pointer(&buf[0]))); ok == 0 {
			break
		}
	}
	return names
}

// maxHolders bounds how many processes are named.
const maxHolders = 32

// holders returns the processes that use the file (FileProcessIdsUsingFileInformation).
func (s *source) holders(context.Context) (holders []Holder) {
	const fileProcessIDsUsingFile = 47
	buf := make([]byte, 4096)
	var status windows.IO_STATUS_BLOCK
	if windows.NtQueryInformationFile(s.handle(), &status, &buf[0], uint32(len(buf)), fileProcessIDsUsingFile) != nil {
		return nil
	}
	n := min(int(binary.LittleEndian.Uint32(buf)), maxHolders)
	for i := range n {
		pid := int(binary.LittleEndian.Uint64(buf[8+8*i:]))
		if pid != os.Getpid() {
			holders = append(holders, Holder{PID: pid, Name: programName(uint32(pid)), How: "uses"})
		}
	}
	return holders
}

// programName returns the file name of a process's program; empty if we may not know.
func programName(pid uint32) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(h)
	var buf [windows.MAX_PATH]uint16
	size := uint32(len(buf))
	if windows.QueryFullProcessImageName(h, 0, &buf[0], &size) != nil {
		return ""
	}
	return filepath.Base(windows.UTF16ToString(buf[:size]))
}

// allocatedRanges returns where a sparse file has data (FSCTL_QUERY_ALLOCATED_RANGES); nil if that cannot
// be known, or if there are too many.
func allocatedRanges(h windows.Handle, size int64) []Range {
	const queryAllocatedRanges = 0x940cf
	const most = 64 << 10
	in := [2]int64{0, size}
	out := make([]Range, most) // FILE_ALLOCATED_RANGE_BUFFER is an offset and a length as well
	var n uint32
	err := windows.DeviceIoControl(h, queryAllocatedRanges, (*byte)(unsafe.Pointer(&in)), uint32(unsafe.Sizeof(in)),
		(*byte)(unsafe.Pointer(&out[0])), uint32(len(out))*uint32(unsafe.Sizeof(out[0])), &n, nil)
	if err != nil {
		return nil
	}
	ranges := append([]Range{}, out[:n/uint32(unsafe.Sizeof(out[0]))]...)
	for i := range ranges {
		ranges[i].Length = min(ranges[i].Length, size-ranges[i].Offset)
	}
	return ranges
}

// stillThere reports whether the original of an entry is in its place, or cannot be looked for.
func stillThere(e *Entry) bool {
	gone := func(err error) bool {
		return errors.Is(err, windows.ERROR_FILE_NOT_FOUND) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND)
	}
	p, err := openPlace(string(e.Path))
	if err != nil {
		return !gone(err)
	}
	defer p.close()
	k, err := p.is(p.name)
	if err != nil {
		return !gone(err)
	}
	return k == fileKey{e.Metadata.Device, e.Metadata.Inode}
}

// anonymous makes a temporary file that nobody else can open and that ends with its handle.
func anonymous(root *os.Root) (*os.File, error) {
	path := filepath.Join(root.Name(), "extract-"+newID())
	wide, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(wide, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.CREATE_NEW,
		windows.FILE_ATTRIBUTE_TEMPORARY|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), path), nil
}

// forget has nothing to do: there is no way to have one file read from the disk again.
func forget(*os.File) {}
