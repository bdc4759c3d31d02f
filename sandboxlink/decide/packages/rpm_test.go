package packages

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rpm itself makes the package and the database.
func TestRPM(t *testing.T) {
	for _, program := range []string{"rpmbuild", "rpm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	dir := t.TempDir()
	spec := filepath.Join(dir, "x.spec")
	err := os.WriteFile(spec, []byte(`Name: sample
Version: 1
Release: 1
Summary: x
License: x
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/opt/sample
echo one >%{buildroot}/usr/bin/sample
echo two >"%{buildroot}/opt/sample/a file"
%files
/usr/bin/sample
"/opt/sample/a file"
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	run("rpmbuild", "-bb", "--define", "_topdir "+dir, "--define", "_source_filedigest_algorithm 8", "--define", "_binary_filedigest_algorithm 8", spec)
	built, err := filepath.Glob(filepath.Join(dir, "RPMS", "noarch", "*.rpm"))
	if err != nil || len(built) != 1 {
		t.Fatal(built, err)
	}
	root := filepath.Join(dir, "root")
	db := filepath.Join(root, "var", "lib", "rpm")
	run("rpm", "--dbpath", db, "--define", "_db_backend sqlite", "-i", "--justdb", "--nodeps", "--ignorearch", built[0])
	if _, err := os.Stat(filepath.Join(db, "rpmdb.sqlite")); err != nil {
		t.Skip("this rpm makes no SQLite database: ", err)
	}
	set := System(Options{Root: root})
	for path, content := range map[string]string{"/usr/bin/sample": "one\n", "/opt/sample/a file": "two\n", "/usr/bin/none": ""} {
		got, err := set.Claims(path)
		if err != nil {
			t.Fatal(err)
		}
		var want []Claim
		if content != "" {
			sum := sha256.Sum256([]byte(content))
			want = []Claim{{Manager: "rpm", Package: "sample", Algorithm: "sha256", Sum: sum[:]}}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// headerOf makes the header of a package with one file.
func headerOf(folder uint32) []byte {
	var index, data bytes.Buffer
	entries := uint32(0)
	put := func(tag, kind, count uint32, value []byte) {
		for data.Len()%4 != 0 {
			data.WriteByte(0)
		}
		for _, n := range []uint32{tag, kind, uint32(data.Len()), count} {
			index.Write(binary.BigEndian.AppendUint32(nil, n))
		}
		data.Write(value)
		entries++
	}
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	put(tagName, typeString, 1, []byte("sample\x00"))
	put(tagBases, typeStrings, 1, []byte("sample\x00"))
	put(tagFolders, typeStrings, 1, []byte("/usr/bin/\x00"))
	put(tagDigests, typeStrings, 1, []byte("00ff\x00"))
	put(tagFolderOf, typeInt32, 1, number(folder))
	put(tagAlgorithm, typeInt32, 1, number(sha256Algorithm))
	return append(append(append(number(entries), number(uint32(data.Len()))...), index.Bytes()...), data.Bytes()...)
}

func TestParseHeader(t *testing.T) {
	h, err := parseHeader(headerOf(0))
	if err != nil {
		t.Fatal(err)
	}
	if h.name != "sample" || h.count() != 1 || h.path(0) != "/usr/bin/sample" || h.algorithm != sha256Algorithm {
		t.Errorf("got %+v", h)
	}
	for name, blob := range map[string][]byte{"empty": nil, "cut": headerOf(0)[:60], "no such folder": headerOf(7)} {
		if _, err := parseHeader(blob); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(headerOf(0))
	f.Fuzz(func(t *testing.T, blob []byte) {
		h, err := parseHeader(blob)
		if err != nil {
			return
		}
		for i := range h.count() {
			_ = h.path(i)
		}
	})
}
