package examine

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/ioc/stringlist"
)

// TestMembersThatHide packs content under modes and names that programs which unpack ignore.
func TestMembersThatHide(t *testing.T) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for _, member := range []struct {
		name string
		mode fs.FileMode
	}{{"link", fs.ModeSymlink}, {"device", fs.ModeDevice}, {"pipe", fs.ModeNamedPipe}, {"", 0}} {
		h := &zip.FileHeader{Name: member.name, Method: zip.Deflate}
		h.SetMode(member.mode | 0o644)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte("a needle in the hay")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	x, names := setUp(t, Config{Limits: limits})
	found := map[string][]string{}
	for _, facts := range examineFile(t, x, Request{Path: []byte("/a.zip")}, archive.Bytes()) {
		if facts.Member != nil {
			found["!/"+string(facts.Member)] = names(facts)
		} else {
			found["itself"] = names(facts)
		}
	}
	needle := []string{"Needle"}
	want := map[string][]string{"itself": nil, "!/link": needle, "!/device": needle, "!/pipe": needle, "!/": needle}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}

// TestHashInChunks asks for the hash of content that is not held in memory.
func TestHashInChunks(t *testing.T) {
	cfg := Config{MD5: true, Limits: limits}
	cfg.Limits.Whole = 2
	x, names := setUp(t, cfg)
	answers := examineFile(t, x, Request{Path: []byte("/a")}, []byte("test"))
	if diff := cmp.Diff([]string{"Hashed"}, names(answers[0])); diff != "" {
		t.Error(diff)
	}
}

// TestCutMember shows that of a member which is not read whole, nothing is said that only the whole
// can tell.
func TestCutMember(t *testing.T) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	f, err := w.Create("large")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(bytes.Repeat([]byte("in the hay "), 1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := Config{MD5: true, Limits: limits, Strings: []stringlist.Pattern{{ID: 1, Condition: "contains", Value: "hay"}}}
	cfg.Limits.Archive.MemberBytes = 1000
	x, _ := setUp(t, cfg)
	member := examineFile(t, x, Request{Path: []byte("/a.zip")}, archive.Bytes())[0]
	if !member.Partial || member.Hashes.MD5 != "" || len(member.Strings) != 1 {
		t.Errorf("partial %v, MD5 %q, strings %v; want true, none, one", member.Partial, member.Hashes.MD5, member.Strings)
	}
}
