package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/report"
	"tyto/store"
)

// noon is when the tests take place.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)

var ctx = context.Background()

// open opens a store in a folder of the test's.
func open(t testing.TB) *store.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "state.db"))
}

func openAt(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(ctx, path, store.Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// object returns the n-th file of a folder as a walk sees it, without what only its content tells.
func object(dir string, n int) finding.Object {
	return finding.Object{
		Kind: finding.File, Path: fmt.Sprintf("%s/file%06d", dir, n), Size: int64(1000 + n), Mode: 0o644,
		Owner: "root", Group: "root", Device: 64769, Inode: uint64(1000 + n), Links: 1,
		Modified: noon.Add(-time.Duration(n) * time.Hour), Changed: noon.Add(-time.Hour), Accessed: noon.Add(-time.Minute),
	}
}

// examined returns the record of an object in which nothing was found.
func examined(o finding.Object) *store.FileRecord {
	n := o.Inode
	o.Hashes = finding.Hashes{MD5: fmt.Sprintf("1%031x", n), SHA1: fmt.Sprintf("2%039x", n), SHA256: fmt.Sprintf("3%063x", n)}
	o.Type = "ELF"
	return &store.FileRecord{Object: o, Examined: noon}
}

// wicked returns the record of an object with a finding, one on a file in it, and a skip.
func wicked(o finding.Object) *store.FileRecord {
	r := examined(o)
	r.Members = 2
	match := []finding.Match{{Kind: finding.Rule, Name: "Wicked", Score: 80}}
	member := finding.Object{Kind: finding.Member, Path: o.Path + finding.MemberMark + "inner", Size: 3}
	r.Findings = []finding.Finding{
		{Time: noon, Object: r.Object, Matches: match, Score: 80, Level: finding.Alert},
		{Time: noon, Object: member, Matches: match, Score: 80, Level: finding.Alert},
	}
	r.Skips = []finding.Skip{{Path: o.Path + finding.MemberMark + "secret", Reason: finding.Encrypted, Detail: "needs a password"}}
	r.Undecided = []int{3, 17}
	return r
}

// remember runs a session that remembers records.
func remember(t testing.TB, s *store.Store, o store.SessionOptions, records ...*store.FileRecord) {
	t.Helper()
	session := s.Session(o)
	for _, r := range records {
		session.Remember(r)
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
}

// recall asks a new session for one object.
func recall(t testing.TB, s *store.Store, o store.SessionOptions, object finding.Object) (*store.FileRecord, bool) {
	t.Helper()
	session := s.Session(o)
	record, ok := session.Recall(&object)
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	return record, ok
}

var options = store.SessionOptions{Profile: "p1", Report: report.Run{ID: "r1", Host: report.Host{Name: "web-01"}}}

func TestRecallWhatWasRemembered(t *testing.T) {
	s := open(t)
	for _, path := range []string{"/etc/passwd", "/", "/a b/\xff\x00\n'\"%?#", "/vmlinuz", "relative", "/dir/x!/y", `C:\Windows\a.exe:stream`} {
		o := object("", 1)
		o.Path = path
		want := wicked(o)
		remember(t, s, options, want)
		want.Profile = options.Profile
		got, ok := recall(t, s, options, o)
		if !ok {
			t.Errorf("%q is not recalled", path)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-remembered +recalled):\n%s", path, diff)
		}
	}
}

func TestRecallOnlyWhatIsUnchanged(t *testing.T) {
	changes := []struct {
		name   string
		change func(*finding.Object)
		want   bool
	}{
		{"nothing", func(o *finding.Object) {}, true},
		{"read", func(o *finding.Object) { o.Accessed = noon.Add(time.Hour) }, true},
		{"another device number after a reboot", func(o *finding.Object) { o.Device++ }, true},
		{"another path", func(o *finding.Object) { o.Path += "x" }, false},
		{"another folder", func(o *finding.Object) { o.Path = "/other/file000001" }, false},
		{"replaced by another file", func(o *finding.Object) { o.Inode++ }, false},
		{"longer", func(o *finding.Object) { o.Size++ }, false},
		{"modified", func(o *finding.Object) { o.Modified = o.Modified.Add(time.Nanosecond) }, false},
		{"modified and the time set back", func(o *finding.Object) { o.Changed = o.Changed.Add(time.Nanosecond) }, false},
		{"all times set back", func(o *finding.Object) { o.USN++ }, false},
		{"change time not known any more", func(o *finding.Object) { o.Changed = time.Time{} }, false},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			o := object("/dir", 1)
			o.USN = 99
			remember(t, s, options, examined(o))
			tt.change(&o)
			if _, ok := recall(t, s, options, o); ok != tt.want {
				t.Errorf("recalled: %t; want %t", ok, tt.want)
			}
		})
	}
}

// A file that changed just before it was examined may change again without another time stamp.
func TestRecallNothingRacy(t *testing.T) {
	tests := []struct {
		name    string
		changed time.Time
		usn     int64
		want    bool
	}{
		{"changed long before", noon.Add(-2 * time.Second), 0, true},
		{"changed just before", noon.Add(-2*time.Second + 1), 0, false},
		{"changed while it was read", noon.Add(time.Second), 0, false},
		{"changed in the future", time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), 0, false},
		{"changed long ago", time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC), 0, true},
		{"no change time", time.Time{}, 0, false},
		{"no change time but a number", time.Time{}, 7, true},
		{"changed just before with a number", noon, 7, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			o := object("/dir", 1)
			o.Changed, o.USN = tt.changed, tt.usn
			remember(t, s, options, examined(o))
			if _, ok := recall(t, s, options, o); ok != tt.want {
				t.Errorf("recalled: %t; want %t", ok, tt.want)
			}
		})
	}
}

func TestRecallForTheSameProfileAndSince(t *testing.T) {
	s := open(t)
	o := object("/dir", 1)
	remember(t, s, options, examined(o))
	tests := []struct {
		name    string
		options store.SessionOptions
		want    bool
	}{
		{"same profile", store.SessionOptions{Profile: "p1"}, true},
		{"other profile", store.SessionOptions{Profile: "p2"}, false},
		{"examined at that time", store.SessionOptions{Profile: "p1", Since: noon}, true},
		{"examined before", store.SessionOptions{Profile: "p1", Since: noon.Add(1)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, ok := recall(t, s, tt.options, o); ok != tt.want {
				t.Errorf("recalled: %t; want %t", ok, tt.want)
			}
		})
	}
}

// query runs a query as a person would, in another connection.
func query(t testing.TB, s *store.Store, query string, args ...any) (rows [][]any) {
	t.Helper()
	db, err := sql.Open("sqlite3", s.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	result, err := db.Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for result.Next() {
		row := make([]any, len(columns))
		targets := make([]any, len(columns))
		for i := range row {
			targets[i] = &row[i]
		}
		if err := result.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}
