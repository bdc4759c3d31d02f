package quarantine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxRanges bounds the layout of a sparse file; one with more is restored without holes.
const maxRanges = 100_000

// readMetadata reads all that is kept of an open file.
func readMetadata(fd int, st *unix.Stat_t) (Metadata, error) {
	m := Metadata{
		Modified: timeOf(st.Mtim),
		Accessed: timeOf(st.Atim),
		Changed:  timeOf(st.Ctim),
		Links:    st.Nlink,
		Device:   st.Dev,
		Inode:    st.Ino,
		Unix:     &Unix{Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid},
	}
	var stx unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &stx); err == nil && stx.Mask&unix.STATX_BTIME != 0 {
		m.Created = Time{Sec: stx.Btime.Sec, Nsec: int32(stx.Btime.Nsec)}
	}
	u := m.Unix
	if who, err := user.LookupId(strconv.Itoa(int(st.Uid))); err == nil {
		u.Owner = who.Username
	}
	if group, err := user.LookupGroupId(strconv.Itoa(int(st.Gid))); err == nil {
		u.Group = group.Name
	}
	if flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS); err == nil {
		u.Flags = uint32(flags)
	}
	var err error
	if u.Xattrs, err = readXattrs(fd); err != nil {
		return m, fmt.Errorf("read the extended attributes: %w", err)
	}
	if st.Blocks*512 < st.Size {
		m.Data, err = dataRanges(fd, st.Size)
	}
	return m, err
}

// readXattrs reads all extended attributes that we may see, in the order of their names.
func readXattrs(fd int) ([]Xattr, error) {
	list, err := grown(func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var attrs []Xattr
	for name := range bytes.SplitSeq(list, []byte{0}) {
		if len(name) == 0 {
			continue
		}
		value, err := grown(func(buf []byte) (int, error) { return unix.Fgetxattr(fd, string(name), buf) })
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) {
			continue // gone meanwhile, or listed but not ours to read
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		attrs = append(attrs, Xattr{Name: Bytes(name), Value: value})
	}
	slices.SortFunc(attrs, func(a, b Xattr) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return attrs, nil
}

// grown calls a system call with a larger buffer until it has enough: 64 KiB are the kernel's limit.
func grown(call func([]byte) (int, error)) ([]byte, error) {
	for size := 4 << 10; ; size *= 4 {
		buf := make([]byte, size)
		n, err := call(buf)
		if errors.Is(err, unix.ERANGE) && size < 1<<20 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n:n], nil
	}
}

// dataRanges returns where a sparse file has data; nil if the file system cannot tell. The offset of the
// descriptor is back at the start.
func dataRanges(fd int, size int64) ([]Range, error) {
	ranges := []Range{} // not nil: the file may be one hole
	for at := int64(0); at < size; {
		data, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole up to the end
		}
		if err != nil {
			ranges = nil
			break
		}
		hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
		if err != nil || hole <= data || len(ranges) == maxRanges {
			ranges = nil
			break
		}
		ranges = append(ranges, Range{Offset: data, Length: min(hole, size) - data})
		at = hole
	}
	_, err := unix.Seek(fd, 0, io.SeekStart)
	if len(ranges) == 1 && ranges[0] == (Range{0, size}) {
		ranges = nil
	}
	return ranges, err
}
