package critical

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadMaps(t *testing.T) {
	const text = `00400000-0040b000 r-xp 00000000 fe:01 1835                               /usr/bin/cat
55d70b655000-55d70b659000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 rw-s 00001000 00:05 9 /memfd:a name (deleted)
7f0000002000-7f0000003000 r--p 00000000 fe:01 77   /tmp/two\012lines
7f0000004000-7f0000005000 rw-p 00000000 00:00 0
7f0000006000-7f0000007000 rw-p 00000000 00:0e 1029  anon_inode:[perf_event]
nonsense
7f0000008000 r--p 00000000 fe:01 77   /no/range
7f0000008000-zz r--p 00000000 fe:01 77   /no/range
7f0000008000-7f0000009000 r-- 00000000 fe:01 77   /no/permissions
7f0000008000-7f0000009000 r--p 00000000 fe:01 x   /no/inode
7f000000a000-7f000000b000 r-xs 00000000 fe:01 5 /last`
	want := []mapping{
		{"400000-40b000", true, true, "fe:01", 1835, "/usr/bin/cat"},
		{"7f0000000000-7f0000001000", false, false, "00:05", 9, "/memfd:a name (deleted)"},
		{"7f0000002000-7f0000003000", false, true, "fe:01", 77, "/tmp/two\nlines"},
		{"7f000000a000-7f000000b000", true, false, "fe:01", 5, "/last"},
	}
	var got []mapping
	err := readMaps(strings.NewReader(text), func(m mapping) error {
		got = append(got, m)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mapping{})); diff != "" {
		t.Error(diff)
	}
}

// A line that is too long is cut, and the next one is whole.
func TestReadMapsCutsLongLines(t *testing.T) {
	const start = "400000-401000 r-xp 0 fe:01 5 /"
	text := start + strings.Repeat("x", 3*maxMapsLine) + "\n" + start + "next\n"
	var paths []string
	err := readMaps(strings.NewReader(text), func(m mapping) error {
		paths = append(paths, m.path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/" + strings.Repeat("x", maxMapsLine-len(start)), "/next"}
	if !slices.Equal(want, paths) {
		t.Errorf("%d paths of %d bytes and so on", len(paths), len(paths[0]))
	}
}

func TestReadMapsEndsWithTheVisitorsError(t *testing.T) {
	enough := errors.New("enough")
	err := readMaps(strings.NewReader("0-1 r-xp 0 fe:01 5 /a\n0-1 r-xp 0 fe:01 5 /b\n"), func(m mapping) error {
		if m.path != "/a" {
			t.Errorf("went on with %q", m.path)
		}
		return enough
	})
	if err != enough {
		t.Errorf("error %v, want %v", err, enough)
	}
}

func TestCode(t *testing.T) {
	tests := []struct {
		name string
		m    mapping
		want bool
	}{
		{"library", mapping{executable: true, private: true, path: "/lib/a.so"}, true},
		{"assembly", mapping{private: true, path: "/opt/a.dll"}, true},
		{"database", mapping{path: "/var/lib/a.db"}, false},
		{"shared and run", mapping{executable: true, path: "/lib/a.so"}, true},
		{"library in memory", mapping{executable: true, private: true, path: "/memfd:a (deleted)"}, true},
		{"compiled in memory", mapping{executable: true, path: "/memfd:doublemapper (deleted)"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.m.code(); got != test.want {
				t.Errorf("code %v, want %v", got, test.want)
			}
		})
	}
}

func TestBodiless(t *testing.T) {
	tests := []struct {
		name, stat string
		want       bool
	}{
		{"program", "812 (cat) R 1 812 812 0 -1 4194304 100", false},
		{"thread of the kernel", "2 (kthreadd) S 0 0 0 0 -1 2129984 0", true},
		{"ended", "900 (sh) Z 1 900 900 0 -1 4227084 0", true},
		{"name that pretends", "812 (x) S 0 0 0 0 -1 2129984) R 1 812 812 0 -1 4194304 100", false},
		{"cut", "812 (cat", false},
		{"empty", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := bodiless([]byte(test.stat)); got != test.want {
				t.Errorf("bodiless %v, want %v", got, test.want)
			}
		})
	}
}

func FuzzReadMaps(f *testing.F) {
	own, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(own))
	f.Add(`0-1 r-xp 0 fe:01 5   /a\012b` + "\n\n 0-1")
	f.Fuzz(func(t *testing.T, text string) {
		err := readMaps(strings.NewReader(text), func(m mapping) error {
			if !strings.HasPrefix(m.path, "/") || len(m.path) > maxMapsLine {
				t.Errorf("path of %d bytes: %.20q", len(m.path), m.path)
			}
			if strings.Contains(m.name, "/") {
				t.Errorf("name %q leads elsewhere", m.name)
			}
			return nil
		})
		if err != nil {
			t.Errorf("error %v", err)
		}
	})
}

func FuzzModuleLists(f *testing.F) {
	f.Add("kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz\n")
	f.Add("ext4 983040 1 - Live 0x0\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, path := range must2(scanList(strings.NewReader(text), indexedModule)) {
			if strings.Contains(name, "-") || strings.ContainsAny(path, ":\n") {
				t.Errorf("module %q in %q", name, path)
			}
		}
		for name := range must2(scanList(strings.NewReader(text), loadedModule)) {
			if strings.ContainsAny(name, " \n") {
				t.Errorf("module %q", name)
			}
		}
	})
}

// must2 leaves out the error, which only says that the list is cut.
func must2(list map[string]string, _ error) map[string]string { return list }
