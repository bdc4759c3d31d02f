package walk

import (
	"context"
	"errors"
	"testing"

	"tyto/finding"
)

// A walk asks its gate before each look at something: whoever closes it stops the walk in the middle of a
// folder, however many files that has.
func TestGateIsAskedBeforeEachLook(t *testing.T) {
	root := tree(t, "a", "b", "c", "d/", "d/e")
	asked, visited := 0, 0
	opts := Options{Roots: []string{root}, Gate: func(context.Context) error { asked++; return nil }}
	visit := func(*Entry) error {
		if visited++; visited > asked {
			t.Errorf("%d files were visited after %d questions", visited, asked)
		}
		return nil
	}
	if err := Walk(t.Context(), opts, visit, func(finding.Skip) {}); err != nil {
		t.Fatal(err)
	}
	if asked < 6 || visited != 4 { // the root, five entries, and each batch
		t.Errorf("asked %d times for %d files, want 6 times or more for 4", asked, visited)
	}
}

func TestGateEndsTheWalk(t *testing.T) {
	root := tree(t, "a", "b", "c")
	closed := errors.New("closed")
	visited := 0
	opts := Options{Roots: []string{root}, Gate: func(context.Context) error {
		if visited == 2 {
			return closed
		}
		return nil
	}}
	visit := func(*Entry) error { visited++; return nil }
	if err := Walk(t.Context(), opts, visit, func(finding.Skip) {}); !errors.Is(err, closed) || visited != 2 {
		t.Errorf("Walk() = %v after %d files, want %v after 2", err, visited, closed)
	}
	visited = 0
	if _, _, err := Count(t.Context(), Options{Roots: []string{root}, Gate: func(context.Context) error { return closed }}, 0); !errors.Is(err, closed) {
		t.Errorf("Count() = %v, want %v", err, closed)
	}
}

// Where a file system has no time of change, none is told: it could not be told from one that was set.
func TestChangeTimeIsToldWhereItIsKept(t *testing.T) {
	for name, want := range map[string]bool{
		"type 0xef53": true, "nfs": true, "vfat": false, "exfat": false, "FAT32": false, "NTFS": true,
		"fuse.sshfs": false, "fuseblk": false, "fuse.ntfs-3g": true, "fuse": false,
	} {
		if got := (&fileSystem{name: name}).keepsChangeTime(); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	root := tree(t, "f")
	w, err := newWalker(&Options{Roots: []string{root}}, func(e *Entry) error {
		if e.Object.Changed.IsZero() {
			t.Errorf("%s has no time of change", e.Object.Path)
		}
		e.timeless = true
		file, err := e.Open()
		if err != nil {
			return err
		}
		defer file.Close()
		if !e.Object.Changed.IsZero() {
			t.Errorf("%s was changed at %v on a file system that does not keep that", e.Object.Path, e.Object.Changed)
		}
		return nil
	}, func(finding.Skip) {})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := w.walk(t.Context()); err != nil {
		t.Fatal(err)
	}
}
