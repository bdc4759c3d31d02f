package walk

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/windows"

	"tyto/finding"
)

// TestAgainstWalkDir compares with the standard library on a folder of the system.
func TestAgainstWalkDir(t *testing.T) {
	root, err := resolveLinks(filepath.Join(os.Getenv("SystemRoot"), "System32"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			want = append(want, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		if !strings.Contains(e.Object.Path[2:], ":") { // streams are unknown to WalkDir
			got = append(got, e.Object.Path)
		}
		return nil
	}, func(finding.Skip) {})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	t.Logf("%d files", len(got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff[:min(len(diff), 4000)])
	}
}

func TestFormsOfRoots(t *testing.T) {
	root := tree(t, "sub/file")
	want := result{Files: []string{"sub/file"}}
	for _, form := range []string{`\\?\` + root, strings.ToUpper(root), filepath.ToSlash(root), root + `\`} {
		if diff := cmp.Diff(want, collect(t, root, Options{Roots: []string{form}})); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
	}
}

func TestLongPathsAndOddNames(t *testing.T) {
	root := tree(t)
	long := filepath.Join(root, strings.Repeat(`directory-name\`, 40)+"file")
	names := []string{`\\?\` + long, `\\?\` + root + `\dot.`, `\\?\` + root + `\space `, `\\?\` + root + `\nul.txt`, `\\?\` + root + "\\gr\u00fc\u00dfe \u4f60\u597d"}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opened := 0
	err := Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		file, err := e.Open()
		if err != nil {
			t.Error(err)
			return nil
		}
		file.Close()
		opened++
		return nil
	}, func(s finding.Skip) { t.Errorf("skipped %v", s) })
	if err != nil || opened != len(names) {
		t.Errorf("%d files opened (%v), want %d", opened, err, len(names))
	}
}

func TestAttributes(t *testing.T) {
	root := tree(t, "f")
	path, err := windows.UTF16PtrFromString(filepath.Join(root, "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := windows.SetFileAttributes(path, windows.FILE_ATTRIBUTE_READONLY|windows.FILE_ATTRIBUTE_HIDDEN|windows.FILE_ATTRIBUTE_SYSTEM); err != nil {
		t.Fatal(err)
	}
	defer windows.SetFileAttributes(path, windows.FILE_ATTRIBUTE_NORMAL)
	err = Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		for _, want := range []string{"ReadOnly", "Hidden", "System"} {
			if !slices.Contains(e.Object.Attributes, want) {
				t.Errorf("attributes %q lack %s", e.Object.Attributes, want)
			}
		}
		return nil
	}, func(finding.Skip) {})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLockedFile(t *testing.T) {
	root := tree(t, "f")
	path, err := windows.UTF16PtrFromString(filepath.Join(root, "f"))
	if err != nil {
		t.Fatal(err)
	}
	handle, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(handle)
	visits := 0
	err = Walk(t.Context(), Options{Roots: []string{root}}, func(e *Entry) error {
		visits++
		if e.Object.Size != 1 {
			t.Errorf("size %d: metadata must be known although the file is locked", e.Object.Size)
		}
		if _, err := e.Open(); err == nil || Reason(err) != finding.Unreadable {
			t.Errorf("Open = %v, want an error that means unreadable", err)
		}
		return nil
	}, func(finding.Skip) {})
	if err != nil || visits != 1 {
		t.Errorf("%d visits, %v", visits, err)
	}
}

// TestClassify needs no file system: Wine has no reparse points.
func TestClassify(t *testing.T) {
	const dir, reparse = windows.FILE_ATTRIBUTE_DIRECTORY, windows.FILE_ATTRIBUTE_REPARSE_POINT
	for _, test := range []struct {
		name  string
		attrs uint32
		tag   uint32
		want  kind
	}{
		{"file", windows.FILE_ATTRIBUTE_ARCHIVE, 0, kindFile},
		{"directory", dir, 0, kindDir},
		{"symbolic link", reparse, windows.IO_REPARSE_TAG_SYMLINK, kindSymlink},
		{"symbolic link to a directory", reparse | dir, windows.IO_REPARSE_TAG_SYMLINK, kindSymlink},
		{"junction", reparse | dir, windows.IO_REPARSE_TAG_MOUNT_POINT, kindReparse},
		{"link of the linux subsystem", reparse, 0xa000001d, kindReparse},
		{"app execution alias", reparse, 0x8000001b, kindReparse},
		{"deduplicated file", reparse, tagDedup, kindFile},
		{"file compressed by the system", reparse, tagWOF, kindFile},
		{"cloud file that is here", reparse, 0x9000601a, kindFile},
		{"cloud file that is not", reparse | windows.FILE_ATTRIBUTE_RECALL_ON_DATA_ACCESS, 0x9000601a, kindReparse},
		{"cloud folder that is here", reparse | dir, 0x9000601a, kindDir},
		{"file on a tape", windows.FILE_ATTRIBUTE_OFFLINE, 0, kindReparse},
	} {
		m := meta{platformMeta: platformMeta{attrs: test.attrs, tag: test.tag}}
		if got, _ := m.classify(); got != test.want {
			t.Errorf("%s: kind %d, want %d", test.name, got, test.want)
		}
	}
}

// streamInfo makes a list of FILE_STREAM_INFO.
func streamInfo(names ...string) []byte {
	var list []byte
	for i, name := range names {
		wide, _ := syscall.UTF16FromString(name)
		wide = wide[:len(wide)-1]
		record := make([]byte, 24, 64)
		binary.LittleEndian.PutUint32(record[4:], uint32(2*len(wide)))
		binary.LittleEndian.PutUint64(record[8:], uint64(10*(i+1)))
		for _, u := range wide {
			record = binary.LittleEndian.AppendUint16(record, u)
		}
		for len(record)%8 != 0 {
			record = append(record, 0)
		}
		if i < len(names)-1 {
			binary.LittleEndian.PutUint32(record, uint32(len(record)))
		}
		list = append(list, record...)
	}
	return list
}

func TestParseStreams(t *testing.T) {
	got := parseStreams(streamInfo("::$DATA", ":Zone.Identifier:$DATA", ":evil.exe:$DATA", ":x:$OTHER"))
	want := []Stream{{"Zone.Identifier", 20}, {"evil.exe", 30}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStreams visits streams that a file is said to have. Under Wine, whose files have none,
// "name:stream" is a file of its own, and so can be opened.
func TestStreams(t *testing.T) {
	root := tree(t, "f")
	if err := os.WriteFile(filepath.Join(root, "f:evil"), []byte("content"), 0o600); err != nil {
		t.Skip("this file system has no such names:", err)
	}
	var got []string
	visit := func(e *Entry) error {
		got = append(got, relative(root, e.Object.Path))
		file, err := e.Open()
		if err != nil && Reason(err) != finding.Changed { // a file of its own is another file
			t.Error(err)
		} else if err == nil {
			file.Close()
		}
		return nil
	}
	w, err := newWalker(&Options{Roots: []string{root}}, visit, func(s finding.Skip) { t.Errorf("skipped %v", s) })
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "f")
	d, name, err := openParent(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	m, err := d.stat(name)
	if err != nil {
		t.Fatal(err)
	}
	m.platformMeta.streams = []Stream{{"evil", 7}}
	if err := w.file(d, name, path, m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"f", "f:evil"}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzWindowsLists(f *testing.F) {
	f.Add(streamInfo("::$DATA", ":a:$DATA"))
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, buf []byte) {
		parseStreams(buf)
		for _, plain := range []bool{true, false} {
			for _, ent := range (&dir{plain: plain}).parse(buf, nil) {
				if name := string(ent.name); name == "" || name == "." || name == ".." || strings.ContainsAny(name, `\/`) {
					t.Errorf("name %q", name)
				}
			}
		}
	})
}
