package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tyto/store"
)

// filled returns the path of a closed state file that knows some files.
func filled(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		remember(t, s, options, wicked(object("/dir", n)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenMakesFolderAndFileForTheOwnerOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes on Windows")
	}
	folder := filepath.Join(t.TempDir(), "a", "b c%20#?")
	s := openAt(t, filepath.Join(folder, "state.db"))
	remember(t, s, options, examined(object("/dir", 1)))
	for _, tt := range []struct {
		path string
		want os.FileMode
	}{{folder, 0o700}, {s.Path(), 0o600}, {s.Path() + "-wal", 0o600}, {s.Path() + "-shm", 0o600}} {
		info, err := os.Stat(tt.path)
		if err != nil || info.Mode().Perm() != tt.want {
			t.Errorf("%q: %v, %v; want %v", tt.path, info.Mode(), err, tt.want)
		}
	}
	path := filled(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file that others could read: %v, %v; want it closed", info.Mode(), err)
	}
}

// Damaged files are kept under another name, and a new one is begun.
func TestOpenSetsDamagedFilesAside(t *testing.T) {
	tests := []struct {
		name   string
		damage func([]byte) []byte
	}{
		{"garbage", func([]byte) []byte { return bytes.Repeat([]byte("garbage "), 1000) }},
		{"a few bytes", func([]byte) []byte { return []byte("x") }},
		{"another header", func(b []byte) []byte { copy(b, "SQLite format 4"); return b }},
		{"truncated", func(b []byte) []byte { return b[:len(b)/2] }},
		{"zeros in the middle", func(b []byte) []byte { clear(b[len(b)/4 : len(b)/4*3]); return b }},
		{"schema overwritten", func(b []byte) []byte { clear(b[100:4096]); return b }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filled(t)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content = tt.damage(content)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openAt(t, path)
			aside := path + ".corrupt-20261121T120000Z"
			if p := s.Problem(); !strings.Contains(p, filepath.Base(aside)) || !strings.Contains(p, "damaged") {
				t.Errorf("problem %q; want it to name %q", p, filepath.Base(aside))
			}
			if got, err := os.ReadFile(aside); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes were set aside, %v; want the %d that were there", len(got), err, len(content))
			}
			remember(t, s, options, examined(object("/dir", 1)))
			if c, err := s.Counts(ctx); err != nil || c.Files != 1 {
				t.Errorf("the new file: %+v, %v", c, err)
			}
		})
	}
}

// A name that is taken is not taken away from an earlier damaged file.
func TestOpenKeepsAllDamagedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	for range 3 {
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 9999), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(ctx, path, store.Options{Now: func() time.Time { return noon }})
		if err != nil || s.Problem() == "" {
			t.Fatal(err, s.Problem())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(path + ".corrupt-*"); len(files) != 3 {
		t.Errorf("set aside: %q; want three", files)
	}
}

// Damage that is met while the file is used is looked for when it is opened the next time, even if the
// file is so large that this is not done each time.
func TestDamageInUse(t *testing.T) {
	path := filled(t)
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec("UPDATE outcomes SET line = '{'")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	session := s.Session(options)
	o := object("/dir", 1)
	if _, ok := session.Recall(&o); ok {
		t.Error("recalled what cannot be read")
	}
	if err := session.Close(); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("error %v; want one of damage", err)
	}
	if _, err := os.Stat(path + "-suspect"); err != nil {
		t.Errorf("the mark: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
	if _, err := os.Stat(path + "-suspect"); !os.IsNotExist(err) {
		t.Errorf("the mark after the check: %v", err)
	}
}

// Files of others are left as they are.
func TestOpenRefuses(t *testing.T) {
	alter := func(statement string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite3", path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Exec(statement)
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name    string
		prepare func(*testing.T, string)
		want    string
	}{
		{"newer schema", alter("PRAGMA user_version = 7"), "schema version 7, but this Tyto knows versions up to 2"},
		{"another program", alter("PRAGMA application_id = 7"), "a database of another program"},
		{"folder", func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, "state.db"},
	}
	for _, tt := range tests {
		for _, readOnly := range []bool{false, true} {
			name := tt.name
			if readOnly {
				name += " read-only"
			}
			t.Run(name, func(t *testing.T) {
				path := filled(t)
				tt.prepare(t, path)
				before, _ := os.ReadFile(path)
				s, err := store.Open(ctx, path, store.Options{ReadOnly: readOnly})
				if err == nil {
					s.Close()
				}
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v; want one with %q", err, tt.want)
				}
				if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
					t.Error("the file was changed")
				}
			})
		}
	}
}

func TestOpenInAFolderThatIsReadOnly(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("modes do not stop this user; TestFullDisk has a read-only file system")
	}
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(ctx, filepath.Join(folder, "state.db"), store.Options{}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("error %v; want one of permission", err)
	}
}

// Reading leaves no trace, and sees what a running agent writes.
func TestReadOnly(t *testing.T) {
	path := filled(t)
	reader, err := store.Open(ctx, path, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := reader.Counts(ctx); err != nil || c.Files != 50 {
		t.Errorf("%+v, %v; want 50 files", c, err)
	}
	if err := reader.Set(ctx, "k", []byte("v")); err == nil || !strings.Contains(err.Error(), "reading only") {
		t.Errorf("error %v; want one that says why", err)
	}
	session := reader.Session(options)
	if session.Err() == nil {
		t.Error("a session with a store that is only read")
	}
	session.Close()
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(path + "*"); len(files) != 1 {
		t.Errorf("%q; want nothing beside the file", files)
	}

	agent := openAt(t, path)
	remember(t, agent, options, examined(object("/new", 1)))
	reader, err = store.Open(ctx, path, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if c, err := reader.Counts(ctx); err != nil || c.Files != 51 {
		t.Errorf("%+v, %v; want 51 files", c, err)
	}
	remember(t, agent, options, examined(object("/new", 2)))
	if c, err := reader.Counts(ctx); err != nil || c.Files != 52 {
		t.Errorf("%+v, %v; want 52 files", c, err)
	}
	if _, err := store.Open(ctx, path+"x", store.Options{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v; want that there is none", err)
	}
}

func TestCancelledContext(t *testing.T) {
	s := open(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Set(cancelled, "k", []byte("v")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want %v", err, context.Canceled)
	}
}

// FuzzOpen opens whatever there is. A file is used or set aside, and nothing panics.
func FuzzOpen(f *testing.F) {
	content, err := os.ReadFile(filled(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(0, []byte{}, false)
	f.Add(18, []byte{9, 9}, true)
	f.Add(100, []byte{0x0d}, false)
	for page := 0; page < len(content); page += 16 * 4096 {
		f.Add(page+3, []byte{0xff, 0xff}, false)
		f.Add(page+300, []byte("SELECT"), false)
	}
	f.Fuzz(func(t *testing.T, at int, change []byte, truncate bool) {
		path := filepath.Join(t.TempDir(), "state.db")
		mutated := bytes.Clone(content)
		if at >= 0 && at < len(mutated) {
			copy(mutated[at:], change)
			if truncate {
				mutated = mutated[:at]
			}
		}
		if err := os.WriteFile(path, mutated, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(ctx, path, store.Options{})
		var newer *store.NewerError
		if err != nil {
			if !errors.As(err, &newer) && !strings.Contains(err.Error(), "another program") && !strings.Contains(err.Error(), "schema") {
				t.Fatal(err)
			}
			return
		}
		defer s.Close()
		session := s.Session(options)
		for n := range 50 {
			o := object("/dir", n)
			session.Recall(&o)
		}
		session.Remember(wicked(object("/dir", 3)))
		session.Finish(ctx, []string{"/"}, func(string) bool { return false })
		session.Close()
		for _, err := range s.FilesByHash(ctx, []string{wicked(object("/dir", 1)).Object.Hashes.MD5}) {
			if err != nil {
				break
			}
		}
		s.Prune(ctx, noon)
	})
}
