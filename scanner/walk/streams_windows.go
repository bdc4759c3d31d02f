package walk

import (
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/sys/windows"

	"tyto/finding"
)

// Stream is a further stream of a file or directory on NTFS.
type Stream struct {
	Name string
	Size int64 // bytes
}

// maxStreamList bounds the memory for the list of one file's streams. NTFS itself allows no
// more than fit into some 256 KiB of attribute list.
const maxStreamList = 1 << 20

// Streams returns the streams of an open file but the unnamed one. FindFirstStreamW would
// do the same by path, with a path's races and lengths.
func Streams(handle windows.Handle) ([]Stream, error) {
	for size := 4 << 10; ; size *= 4 {
		buf := make([]byte, size)
		err := windows.GetFileInformationByHandleEx(handle, windows.FileStreamInfo, &buf[0], uint32(size))
		switch {
		case err == nil:
			return parseStreams(buf), nil
		case errors.Is(err, windows.ERROR_MORE_DATA) && size < maxStreamList:
			continue
		case errors.Is(err, windows.ERROR_MORE_DATA):
			return nil, err
		}
		// ERROR_HANDLE_EOF says that there are none, other errors that the file system has none.
		return nil, nil
	}
}

// parseStreams takes apart a list of FILE_STREAM_INFO: the offset of the next, the length of
// the name, the size, the allocated size, and the name as ":name:$DATA".
func parseStreams(buf []byte) []Stream {
	const header = 24
	le := binary.LittleEndian
	var list []Stream
	for len(buf) >= header {
		length := int(le.Uint32(buf[4:]))
		if length > len(buf)-header {
			break
		}
		name, isData := strings.CutSuffix(wideString(buf[header:header+length]), ":$DATA")
		if name = strings.TrimPrefix(name, ":"); isData && name != "" {
			list = append(list, Stream{Name: name, Size: int64(le.Uint64(buf[8:]))})
		}
		next := int(le.Uint32(buf))
		if next == 0 || next > len(buf) {
			break
		}
		buf = buf[next:]
	}
	return list
}

// streams visits the further streams of a file or directory, each as a file of its own with
// the path "C:\a.txt:stream".
func (w *walker) streams(d *dir, name, path string, m meta, seen bool) error {
	for _, s := range m.platformMeta.streams {
		full := path + ":" + s.Name
		if w.excluded(full, false) {
			continue
		}
		e := &w.entry
		*e = Entry{dir: d, name: name + ":" + s.Name, meta: m, SeenBefore: seen}
		e.meta.size, e.meta.stream = s.Size, true
		w.fill(e, full)
		if err := w.visit(e); err != nil {
			return err
		}
		if seen {
			w.leave(full, finding.HardLink, "")
		}
	}
	return nil
}
