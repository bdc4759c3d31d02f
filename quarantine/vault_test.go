package quarantine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// newVault opens a vault that ends with the test and keeps its events.
func newVault(t *testing.T, o Options) (*Vault, *[]Event) {
	t.Helper()
	events := &[]Event{}
	o.Event = func(e Event) { *events = append(*events, e) }
	v, err := Open(filepath.Join(t.TempDir(), "vault"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v, events
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func add(t *testing.T, v *Vault, path string) *Outcome {
	t.Helper()
	out, err := v.Add(context.Background(), Request{Object: finding.Object{Path: path}})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func kinds(events []Event) (list []EventKind) {
	for _, e := range events {
		list = append(list, e.Kind)
	}
	return list
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// folder is a temporary folder without links on the way.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestInAndOut(t *testing.T) {
	v, events := newVault(t, Options{By: "tester", Version: "1.2.3"})
	path := write(t, filepath.Join(folder(t), "evil.exe"), "MZ evil")
	sum := sha256.Sum256([]byte("MZ evil"))
	if v.Exists() {
		t.Error("the vault exists before anything is in it")
	}
	line := []byte("{\"a\": 1,  \"b\":\"<&>\"}\n")
	out, err := v.Add(t.Context(), Request{
		Object:  finding.Object{Path: path, Hashes: finding.Hashes{SHA256: hex.EncodeToString(sum[:])}, Type: "EXE"},
		Finding: &finding.Finding{Level: finding.Alert, Score: 100, Matches: []finding.Match{{Name: "Evil_Rule"}}},
		Line:    line,
		Reason:  "matched Evil_Rule",
	})
	if err != nil {
		t.Fatal(err)
	}
	if exists(path) {
		t.Error("the file is still there")
	}
	entries, damaged, err := v.List(t.Context())
	if err != nil || len(damaged) != 0 || len(entries) != 1 {
		t.Fatalf("list = %v, %v, %v", entries, damaged, err)
	}
	got := entries[0]
	want := Entry{
		Format: 1, ID: out.Entry.ID, Quarantined: got.Quarantined, By: "tester", Version: "1.2.3", Reason: "matched Evil_Rule",
		Path: Bytes(path), Size: 7, Type: "EXE", Level: "alert", Score: 100, Matches: []string{"Evil_Rule"},
		Hashes: Hashes{
			MD5: got.Hashes.MD5, SHA1: got.Hashes.SHA1, SHA256: hex.EncodeToString(sum[:]),
		},
		Metadata: got.Metadata, Parts: got.Parts, Stored: got.Stored, Original: Removed,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
	shown, finding, err := v.Show(t.Context(), got.ID[:6])
	if err != nil || shown.ID != got.ID || string(finding) != string(line) {
		t.Errorf("show = %v, %q, %v", shown, finding, err)
	}
	f, err := v.Extract(t.Context(), got.ID)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(f)
	f.Close()
	if err != nil || string(content) != "MZ evil" {
		t.Errorf("extracted %q, %v", content, err)
	}
	restored, err := v.Restore(t.Context(), got.ID, RestoreOptions{})
	if err != nil || restored.Path != path || len(restored.Differences) != 0 {
		t.Fatalf("restore = %+v, %v", restored, err)
	}
	if mustRead(t, path) != "MZ evil" {
		t.Error("restored with another content")
	}
	if entries, _, _ := v.List(t.Context()); len(entries) != 0 {
		t.Errorf("after the restore there are still %d entries", len(entries))
	}
	if diff := cmp.Diff([]EventKind{EventQuarantined, EventRestored}, kinds(*events)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// What Add refuses it leaves as it is.
func TestAddRefuses(t *testing.T) {
	dir := folder(t)
	path := write(t, filepath.Join(dir, "file"), "content")
	id := func(change func(*finding.Object)) finding.Object {
		src, err := openSource(path)
		if err != nil {
			t.Fatal(err)
		}
		defer src.close()
		o := finding.Object{
			Kind: finding.File, Path: path, Device: src.volume(), Inode: src.id.inode, Size: src.id.size,
			Modified: src.id.modified.Time(), Changed: src.id.changed.Time(),
		}
		change(&o)
		return o
	}
	for _, test := range []struct {
		name   string
		object finding.Object
		want   error
		says   string
	}{
		{"another size", id(func(o *finding.Object) { o.Size = 6 }), ErrChanged, "it had 6 bytes and has 7"},
		{"another inode", id(func(o *finding.Object) { o.Inode++ }), ErrChanged, "another file is there now"},
		{"another device", id(func(o *finding.Object) { o.Device++ }), ErrChanged, "another file is there now"},
		{"another modification time", id(func(o *finding.Object) { o.Modified = o.Modified.Add(1000) }), ErrChanged, "modification time"},
		{"another change time", id(func(o *finding.Object) { o.Changed = o.Changed.Add(time.Hour) }), ErrChanged, "change time"},
		{"another content", id(func(o *finding.Object) { o.Hashes.MD5 = strings.Repeat("0", 32) }), ErrChanged, "its content is another"},
		{"nothing there", finding.Object{Path: filepath.Join(dir, "nothing")}, ErrGone, ""},
		{"no folder", finding.Object{Path: filepath.Join(dir, "no", "folder")}, ErrGone, ""},
		{"a file on the way", finding.Object{Path: filepath.Join(path, "file")}, ErrGone, ""},
		{"a folder", finding.Object{Path: dir}, ErrNotFile, ""},
		{"a member", finding.Object{Kind: finding.Member, Path: path + "!/x"}, ErrMember, ""},
		{"a relative path", finding.Object{Path: "file"}, nil, "is not an absolute path"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, _ := newVault(t, Options{})
			for _, dry := range []bool{true, false} {
				_, err := v.Add(t.Context(), Request{Object: test.object, DryRun: dry})
				if test.want != nil && !errors.Is(err, test.want) || err == nil {
					t.Errorf("dry run %v: %v, want %v", dry, err, test.want)
				} else if !strings.Contains(err.Error(), test.says) {
					t.Errorf("%q does not say %q", err, test.says)
				}
				if test.want != nil && Hint(err) == "" && test.want != ErrGone && test.want != ErrNotFile {
					t.Errorf("%v has no hint", err)
				}
			}
			if got := mustRead(t, path); got != "content" {
				t.Errorf("the file has been changed to %q", got)
			}
			if list, _, _ := v.List(t.Context()); len(list) != 0 {
				t.Errorf("something came into the vault: %v", list)
			}
		})
	}
}

func TestMemberTakesTheWholeArchiveOnlyIfAsked(t *testing.T) {
	v, _ := newVault(t, Options{})
	path := write(t, filepath.Join(folder(t), "odd!name.zip"), "PK")
	src, err := openSource(path)
	if err != nil {
		t.Fatal(err)
	}
	member := finding.Object{
		Kind: finding.Member, Path: path + finding.MemberMark + "a" + finding.MemberMark + "b", Size: 99,
		Device: src.volume(), Inode: src.id.inode, Hashes: finding.Hashes{MD5: strings.Repeat("0", 32)},
	}
	src.close()
	out, err := v.Add(t.Context(), Request{Object: member, Outer: true})
	if err != nil {
		t.Fatal(err)
	}
	if string(out.Entry.Path) != path || exists(path) {
		t.Errorf("took %q", out.Entry.Path)
	}
}

func TestDryRunLeavesNoTrace(t *testing.T) {
	v, events := newVault(t, Options{})
	path := write(t, filepath.Join(folder(t), "file"), "content")
	out, err := v.Add(t.Context(), Request{Object: finding.Object{Path: path}, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if !out.DryRun || out.Entry.Hashes.SHA256 == "" || out.Entry.ID != "" {
		t.Errorf("outcome = %+v", out)
	}
	if v.Exists() || !exists(path) || len(*events) != 0 {
		t.Error("a dry run left a trace")
	}
}

// What a person gave back is known by its content.
func TestReleased(t *testing.T) {
	v, _ := newVault(t, Options{})
	path := write(t, filepath.Join(t.TempDir(), "file"), "harmless")
	done, err := v.Add(t.Context(), Request{Object: finding.Object{Path: path}})
	if err != nil {
		t.Fatal(err)
	}
	hash := done.Entry.Hashes.SHA256
	if yes, err := v.Released(hash); err != nil || yes {
		t.Errorf("Released before = %v, %v", yes, err)
	}
	if _, err := v.Restore(t.Context(), done.Entry.ID, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if yes, err := v.Released(hash); err != nil || !yes {
		t.Errorf("Released after = %v, %v", yes, err)
	}
	if yes, err := v.Released(""); err != nil || yes {
		t.Errorf("Released of nothing = %v, %v", yes, err)
	}
}
