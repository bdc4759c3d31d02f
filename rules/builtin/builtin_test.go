package builtin

import (
	"archive/zip"
	"bytes"
	"flag"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite builtin.pack and the table of docs/builtin-rules.md")

// shipped are the files that belong into the pack, by name.
func shipped(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{"*.yar", "iocs/*.txt"} {
		names, err := fs.Glob(os.DirFS("."), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			// git may have given a Windows checkout its line ends.
			files[name] = strings.ReplaceAll(string(data), "\r\n", "\n")
		}
	}
	return files
}

func TestPackHoldsTheFiles(t *testing.T) {
	want := shipped(t)
	if *update {
		if err := os.WriteFile("builtin.pack", pack(t, want), 0o644); err != nil {
			t.Fatal(err)
		}
		return // what this binary embeds is still the old one
	}
	files, err := FS()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, files)); diff != "" {
		t.Errorf("builtin.pack is not made from these files, run go generate ./rules/builtin (-files +pack):\n%s", diff)
	}
}

// The consumer walks and reads these files like a folder on disk.
func TestFSIsAFileSystem(t *testing.T) {
	files, err := FS()
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(files, "testfile.yar", "iocs/filename-iocs.txt"); err != nil {
		t.Error(err)
	}
}

// Nothing of a rule may be read from the bytes that the binary holds.
func TestPackIsUnreadable(t *testing.T) {
	for _, word := range []string{"Tyto_", "rule ", "meta", "powershell", "PK\x03\x04", "PK\x01\x02", "PK\x05\x06", ".yar"} {
		if strings.Contains(packed, word) {
			t.Errorf("the pack shows %q", word)
		}
	}
}

// pack makes a pack of files. Equal files make equal packs: names are sorted, times left out.
func pack(t *testing.T, files map[string]string) []byte {
	t.Helper()
	tree := fstest.MapFS{}
	for name, content := range files {
		tree[name] = &fstest.MapFile{Data: []byte(content)}
	}
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		out, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, files[name])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return mask(archive.Bytes())
}

// contents reads all files of a tree.
func contents(t *testing.T, tree fs.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		all[path.Clean(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
