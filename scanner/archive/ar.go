package archive

import (
	"io"
	"strconv"
	"strings"
	"time"
)

// ar walks the archive format of ar(5), which is also that of Debian packages: a header of 60
// bytes of text before each member, which starts at an even offset. Of the extensions for long
// names both are read: GNU's table of names ("//", "/123") and BSD's name before the data
// ("#1/20"). Symbol tables are passed over.
func (w *walk) ar() error {
	const magic, headerSize = 8, 60
	names := ""
	for pos := int64(magic); pos < w.src.size; {
		var h [headerSize]byte
		if _, err := w.src.ReadAt(h[:], pos); err != nil {
			return noEOF(err)
		}
		size, err := arNumber(h[48:58], 10)
		if err != nil || string(h[58:]) != "`\n" {
			return damaged("ar: the header at byte %d is broken", pos)
		}
		name := strings.TrimRight(string(h[:16]), " ")
		from, to := pos+headerSize, pos+headerSize+size
		pos = to + to&1
		switch {
		case name == "//":
			if names, err = w.arNames(from, to); err != nil {
				return err
			}
			continue
		case name == "/" || name == "/SYM64/":
			continue
		case strings.HasPrefix(name, "#1/"):
			n, _ := strconv.ParseInt(name[3:], 10, 32)
			if name, err = w.arName(from, min(from+n, to)); err != nil {
				return err
			}
			from = min(from+max(n, 0), to)
		case len(name) > 1 && name[0] == '/':
			if n, err := strconv.Atoi(name[1:]); err == nil && n >= 0 && n < len(names) {
				name, _, _ = strings.Cut(names[n:], "\n")
				name = strings.TrimSuffix(name, "/")
			}
		default:
			name = strings.TrimSuffix(name, "/") // GNU's mark of the end
		}
		mode, _ := arNumber(h[40:48], 8)
		modified, _ := arNumber(h[16:28], 10)
		m := &Member{Name: name, Size: to - from, Mode: unixMode(uint32(mode)).Perm(), charge: true}
		if modified > 0 {
			m.Modified = time.Unix(modified, 0).UTC()
		}
		m.open = func() (io.Reader, error) {
			return &exactly{r: w.section(from, to), n: to - from}, nil
		}
		if err := w.member(m); err != nil {
			return err
		}
	}
	return nil
}

// arNames reads GNU's table of long names; of a large one the beginning.
func (w *walk) arNames(from, to int64) (string, error) {
	return w.arName(from, min(to, from+1<<20))
}

func (w *walk) arName(from, to int64) (string, error) {
	b, err := io.ReadAll(w.section(from, min(to, from+1<<20)))
	return strings.TrimRight(string(b), "\x00"), err
}

func arNumber(field []byte, base int) (int64, error) {
	s := strings.TrimRight(string(field), " ")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, base, 62)
	return int64(n), err
}
