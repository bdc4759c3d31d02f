package packages_test

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/decide/packages"
)

// computer is a root folder with databases in it.
type computer struct {
	t    *testing.T
	root string
	now  time.Time
	set  packages.Set
}

func newComputer(t *testing.T) *computer {
	c := &computer{t: t, root: t.TempDir(), now: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)}
	c.set = packages.System(packages.Options{Root: c.root, Now: func() time.Time { return c.now }})
	return c
}

func (c *computer) write(path, content string) {
	c.t.Helper()
	file := filepath.Join(c.root, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// claims returns "PACKAGE=CONTENT", as the contents of these tests are short enough to be found by their digests.
func (c *computer) claims(path string) (all []string) {
	c.t.Helper()
	claims, err := c.set.Claims(path)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, claim := range claims {
		content := "?"
		for _, known := range []string{"one", "two", "three"} {
			m, s := md5.Sum([]byte(known)), sha1.Sum([]byte(known))
			if string(claim.Sum) == string(m[:]) || string(claim.Sum) == string(s[:]) {
				content = known
			}
		}
		all = append(all, claim.Package+"="+content)
	}
	return all
}

// list makes a package's list of files and contents.
func list(files ...string) (text string) {
	for i := 0; i < len(files); i += 2 {
		sum := md5.Sum([]byte(files[i+1]))
		text += hex.EncodeToString(sum[:]) + "  " + files[i] + "\n"
	}
	return text
}

func TestDpkg(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links are others there, and dpkg is not")
	}
	c := newComputer(t)
	c.write("usr/bin/x", "")
	if err := os.Symlink("usr/bin", filepath.Join(c.root, "bin")); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte("three"))
	conf := hex.EncodeToString(sum[:])
	c.write("var/lib/dpkg/status", "Package: daemon\nStatus: install ok installed\nConffiles:\n /etc/daemon.conf "+conf+
		"\n /etc/old.conf "+conf+" obsolete\nDescription: x\n /etc/not.conf "+conf+"\n\n")
	c.write("var/lib/dpkg/diversions", "/usr/bin/pager\n/usr/bin/pager.plain\nbetter\n/bin/tool\n/bin/tool.theirs\n:\n")
	c.write("var/lib/dpkg/info/plain.md5sums", list("usr/bin/pager", "one", "bin/sh", "one", "usr/share/doc/plain/a b", "two"))
	c.write("var/lib/dpkg/info/better:amd64.md5sums", list("usr/bin/pager", "two"))
	c.write("var/lib/dpkg/info/tools.md5sums", list("bin/tool", "three")+"damaged\n\n")
	for path, want := range map[string][]string{
		"/usr/bin/sh":              {"plain=one"},    // stated as /bin/sh, which is /usr/bin/sh
		"/usr/share/doc/plain/a b": {"plain=two"},    // with a space
		"/usr/bin/pager":           {"better=two"},   // not plain's, which was diverted
		"/usr/bin/pager.plain":     {"plain=one"},    // where that is
		"/usr/bin/tool.theirs":     {"tools=three"},  // diverted by the administrator
		"/usr/bin/tool":            nil,              // whose own is of no package
		"/etc/daemon.conf":         {"daemon=three"}, // a configuration file
		"/etc/old.conf":            nil,              // of an earlier version
		"/etc/not.conf":            nil,              // a line of a description
		"/usr/bin/none":            nil,
	} {
		if diff := cmp.Diff(want, c.claims(path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// A database that has changed is read again, but not all the time. What was removed is noticed at once.
func TestChangesAreNoticed(t *testing.T) {
	c := newComputer(t)
	c.write("var/lib/dpkg/status", "1")
	c.write("var/lib/dpkg/info/a.md5sums", list("usr/bin/a", "one"))
	expect := func(when, path string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, c.claims(path)); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", when, path, diff)
		}
	}
	expect("at first", "/usr/bin/a", "a=one")
	c.write("var/lib/dpkg/status", "1 and 2")
	c.write("var/lib/dpkg/info/b.md5sums", list("usr/bin/b", "two"))
	c.now = c.now.Add(2 * time.Second)
	expect("at once", "/usr/bin/b")
	c.now = c.now.Add(time.Minute)
	expect("a minute later", "/usr/bin/b", "b=two")
	c.write("var/lib/dpkg/info/b.md5sums", list("usr/bin/b", "three"))
	expect("after an upgrade", "/usr/bin/b", "b=three")
	if err := os.Remove(filepath.Join(c.root, "var/lib/dpkg/info/b.md5sums")); err != nil {
		t.Fatal(err)
	}
	expect("after the removal", "/usr/bin/b")
	if err := os.RemoveAll(filepath.Join(c.root, "var")); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(2 * time.Second)
	expect("without a database", "/usr/bin/a")
}

func TestAPK(t *testing.T) {
	sum := sha1.Sum([]byte("one"))
	c := newComputer(t)
	c.write("lib/apk/db/installed", fmt.Sprintf("C:Q1x\nP:busybox\nV:1.36\nF:bin\nR:busybox\na:0:0:755\nZ:Q1%s\nF:etc\nM:0:0:755\nR:none\n\nP:other\nF:\nR:top\nZ:Q1%[1]s\n\n",
		base64.StdEncoding.EncodeToString(sum[:])))
	for path, want := range map[string][]string{"/bin/busybox": {"busybox=one"}, "/top": {"other=one"}, "/etc/none": nil} {
		if diff := cmp.Diff(want, c.claims(path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// FuzzDpkg feeds the texts of a dpkg database.
func FuzzDpkg(f *testing.F) {
	f.Add(list("usr/bin/a", "one"), "Package: a\nConffiles:\n /etc/a 00112233445566778899aabbccddeeff\n", "/a\n/b\nc\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, sums, status, diversions string) {
		c := &computer{t: t, root: dir}
		c.write("var/lib/dpkg/status", status)
		c.write("var/lib/dpkg/diversions", diversions)
		c.write("var/lib/dpkg/info/a.md5sums", sums)
		_, _ = packages.System(packages.Options{Root: dir}).Claims("/usr/bin/a")
	})
}
