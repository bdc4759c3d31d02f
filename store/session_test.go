package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/report"
	"tyto/store"
)

// lines returns what the records of a run tell, in short.
func lines(t *testing.T, s *store.Store, run int64) (list []string) {
	t.Helper()
	for r, err := range s.Records(ctx, run) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := report.ParseLine(r.Line)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Finding != nil:
			list = append(list, fmt.Sprintf("%s %s %d", r.Kind, e.Finding.Object.Path, e.Finding.Object.Size))
		case e.Skip != nil:
			list = append(list, fmt.Sprintf("%s %s", r.Kind, e.Skip.Path))
		}
	}
	return list
}

func addRun(t *testing.T, s *store.Store) int64 {
	t.Helper()
	id, err := s.AddRun(ctx, store.Run{Task: "t", State: "running", Queued: noon})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Each run's records tell all that was found, also on what it did not have to examine again, and tell it
// once, however often the run is interrupted.
func TestRecordsOfRuns(t *testing.T) {
	s := open(t)
	o := object("/dir", 1)
	skip := finding.Skip{Path: "/dir/link", Reason: finding.Symlink} // does not matter: not in a report
	whole := []string{"finding /dir/file000001 1001", "finding /dir/file000001!/inner 3", "skip /dir/file000001!/secret"}
	first, second := options, options
	first.Run, second.Run = addRun(t, s), addRun(t, s)

	record := wicked(o)
	record.Skips = append(record.Skips, skip)
	remember(t, s, first, record)
	if diff := cmp.Diff(whole, lines(t, s, first.Run)); diff != "" {
		t.Errorf("first run (-want +got):\n%s", diff)
	}
	for range 2 { // interrupted and resumed
		got, ok := recall(t, s, second, o)
		if !ok || len(got.Findings) != 2 || len(got.Skips) != 2 {
			t.Fatalf("recalled %t: %+v", ok, got)
		}
	}
	if diff := cmp.Diff(whole, lines(t, s, second.Run)); diff != "" {
		t.Errorf("second run (-want +got):\n%s", diff)
	}
	remember(t, s, second, wicked(o)) // examined again, the same
	if diff := cmp.Diff(whole, lines(t, s, second.Run)); diff != "" {
		t.Errorf("the same content again (-want +got):\n%s", diff)
	}
	changed := o
	changed.Size, changed.Inode = 7, 777
	remember(t, s, second, wicked(changed))
	if got := lines(t, s, second.Run); len(got) != 6 || got[3] != "finding /dir/file000001 7" {
		t.Errorf("another content: %q; want what was found in both", got)
	}
	if diff := cmp.Diff(whole, lines(t, s, first.Run)); diff != "" {
		t.Errorf("the first run has changed (-want +got):\n%s", diff)
	}
}

func TestRecordLimitsSkips(t *testing.T) {
	s := open(t)
	o := options
	o.Run = addRun(t, s)
	r := examined(object("/dir", 1))
	for i := range report.MaxSkipLines + 5 {
		r.Skips = append(r.Skips, finding.Skip{Path: fmt.Sprint(i), Reason: finding.Encrypted})
	}
	remember(t, s, o, r)
	if n := len(lines(t, s, o.Run)); n != report.MaxSkipLines {
		t.Errorf("%d lines; want %d", n, report.MaxSkipLines)
	}
}

func TestARecordTakesThePlaceOfTheOneBefore(t *testing.T) {
	s := open(t)
	o := object("/dir", 1)
	remember(t, s, options, wicked(o))
	remember(t, s, options, examined(o))
	got, ok := recall(t, s, options, o)
	if !ok || len(got.Findings)+len(got.Skips) > 0 || got.Undecided != nil {
		t.Errorf("recalled %t: %+v", ok, got)
	}
	if n := query(t, s, "SELECT count(*) FROM outcomes")[0][0]; n != int64(0) {
		t.Errorf("%d outcomes are left", n)
	}
}

func TestFinishMarksWhatIsGone(t *testing.T) {
	s := open(t)
	paths := []string{"/home/a", "/home/b/c", "/home/b/kept", "/home/excluded/x", "/homestead", "/home.txt", "/other/y", "/home/met"}
	var records []*store.FileRecord
	for i, path := range paths {
		o := object("", i)
		o.Path = path
		records = append(records, examined(o))
	}
	remember(t, s, options, records...)

	session := s.Session(options)
	session.Recall(&records[len(records)-1].Object)
	fresh := object("", 99)
	fresh.Path = "/home/new"
	session.Remember(examined(fresh))
	there := func(path string) bool { return path == "/home/excluded/x" || path == "/home/b/kept" }
	gone, err := session.Finish(ctx, []string{"/home", "/homestead", "/nothing"}, there)
	if err != nil || session.Close() != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range query(t, s, "SELECT path FROM v_files WHERE gone = '2026-11-21 12:00:00' ORDER BY path") {
		got = append(got, row[0].(string))
	}
	want := []string{"/home/a", "/home/b/c", "/homestead"}
	if !slices.Equal(got, want) || gone != 3 {
		t.Errorf("%d gone: %q; want %q", gone, got, want)
	}
	counts, err := s.Counts(ctx)
	if want := (store.Counts{Files: 6, Gone: 3, Bytes: 1002 + 1003 + 1005 + 1006 + 1007 + 1099}); err != nil || counts != want {
		t.Errorf("%+v, %v; want %+v", counts, err, want)
	}

	// What comes back is examined again, and is known then.
	if _, ok := recall(t, s, options, records[0].Object); ok {
		t.Error("a file that was gone is recalled")
	}
	remember(t, s, options, records[0])
	if _, ok := recall(t, s, options, records[0].Object); !ok {
		t.Error("a file that came back is not known")
	}

	// The root directory is above all.
	session = s.Session(options)
	if gone, err = session.Finish(ctx, []string{"/"}, func(string) bool { return false }); err != nil || gone != 7 {
		t.Errorf("%d gone, %v; want all 7", gone, err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
}

func TestFinishLooksAtTheDisk(t *testing.T) {
	s, dir := open(t), t.TempDir()
	var records []*store.FileRecord
	for i, name := range []string{"here", "away"} {
		o := object("", i)
		o.Path = filepath.Join(dir, name)
		records = append(records, examined(o))
	}
	if err := os.WriteFile(filepath.Join(dir, "here"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	remember(t, s, options, records...)
	session := s.Session(options)
	defer session.Close()
	if gone, err := session.Finish(ctx, []string{dir}, nil); err != nil || gone != 1 {
		t.Errorf("%d gone, %v; want 1", gone, err)
	}
}

// A walk in another order than the last one, in folders of all sizes, gets all that is known.
func TestRecallLargeFolders(t *testing.T) {
	s := open(t)
	const large = 9000 // more than is kept of a folder
	session := s.Session(options)
	for n := range large {
		session.Remember(examined(object("/large", n)))
		if n%100 == 0 {
			session.Remember(examined(object("/small", n)))
		}
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	session = s.Session(options)
	for _, n := range []int{0, 1, large - 1, 5000, 4999, 5001, 17, 8000} {
		for _, dir := range []string{"/large", "/small", "/none"} {
			o := object(dir, n)
			want := dir == "/large" || dir == "/small" && n%100 == 0
			if r, ok := session.Recall(&o); ok != want || ok && r.Object.Hashes != examined(o).Object.Hashes {
				t.Errorf("%q: recalled %t: %+v; want %t", o.Path, ok, r, want)
			}
		}
	}
	for n := range large {
		o := object("/large", n)
		if _, ok := session.Recall(&o); !ok {
			t.Fatalf("%q is not recalled", o.Path)
		}
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSessionsAreConcurrent(t *testing.T) {
	s := open(t)
	o := options
	o.Batch, o.Every = 7, time.Millisecond
	session := s.Session(o)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			dir := fmt.Sprintf("/dir%d", worker)
			for n := range 100 {
				object := object(dir, n)
				if _, ok := session.Recall(&object); ok {
					t.Errorf("%q is known before it was remembered", object.Path)
				}
				session.Remember(wicked(object))
			}
			if err := session.Flush(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err := s.Counts(ctx); err != nil || c.Files != 800 {
		t.Errorf("%+v, %v; want 800 files", c, err)
	}
}

// What was remembered is committed after a while, though nothing follows it.
func TestRememberedIsCommittedInTime(t *testing.T) {
	s := open(t)
	o := options
	o.Every = time.Millisecond
	session := s.Session(o)
	defer session.Close()
	session.Remember(examined(object("/dir", 1)))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if c, err := s.Counts(ctx); err != nil || c.Files == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not committed")
		}
	}
}

// A database that fails stops no scan.
func TestFailingDatabase(t *testing.T) {
	s := open(t)
	o := options
	o.Run = 99 // there is no such run
	session := s.Session(o)
	session.Remember(wicked(object("/dir", 1)))
	err := session.Flush()
	if err == nil || !strings.Contains(err.Error(), "FOREIGN KEY") || !strings.Contains(err.Error(), "state.db") {
		t.Errorf("error %v; want one that names the file and the cause", err)
	}
	session.Remember(wicked(object("/dir", 2)))
	known := object("/dir", 1)
	if _, ok := session.Recall(&known); ok {
		t.Error("recalled in spite of the error")
	}
	if got := session.Err(); !errors.Is(got, err) {
		t.Errorf("error %v; want the first, %v", got, err)
	}
	if got := session.Close(); !errors.Is(got, err) {
		t.Errorf("error %v; want the first, %v", got, err)
	}
}

func TestFilesByHash(t *testing.T) {
	s := open(t)
	a, b, c := examined(object("/dir", 1)), wicked(object("/dir", 2)), examined(object("/other", 3))
	a.Object.OriginalPath, a.Object.Attributes, a.Object.USN = `C:\a`, []string{"Hidden", "System"}, 5
	a.Object.Created = time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC) // before the first that is kept
	c.Object.Hashes = a.Object.Hashes
	remember(t, s, options, a, b, c)
	session := s.Session(options) // not closed yet: its files are not indexed
	late := examined(object("/late", 1))
	session.Remember(late)
	if err := session.Flush(); err != nil {
		t.Fatal(err)
	}
	defer session.Close()

	hashes := []string{b.Object.Hashes.MD5, strings.Repeat("0", 64), strings.ToUpper(a.Object.Hashes.SHA1), late.Object.Hashes.SHA256}
	var got []string
	var known []store.KnownFile
	for k, err := range s.FilesByHash(ctx, hashes) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, k.Object.Path)
		known = append(known, k)
	}
	// The late file is of the same inode as the first, and so has its hashes.
	order := []string{"/dir/file000002", "/dir/file000001", "/other/file000003", "/late/file000001",
		"/dir/file000001", "/other/file000003", "/late/file000001"}
	if diff := cmp.Diff(order, got); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
	want := b.Object
	if diff := cmp.Diff(want, known[0].Object); diff != "" {
		t.Errorf("object (-remembered +known):\n%s", diff)
	}
	if len(known[0].Findings) != 2 || len(known[0].Skips) != 1 || known[0].Hash != hashes[0] || !known[0].Examined.Equal(noon) {
		t.Errorf("known: %+v", known[0])
	}
	want = a.Object
	want.Created = time.Unix(0, -1<<63+1).UTC()
	if diff := cmp.Diff(want, known[1].Object); diff != "" {
		t.Errorf("object (-remembered +known):\n%s", diff)
	}
	for _, bad := range []string{"", "zz", "abc", strings.Repeat("0", 66)} {
		if store.IsHash(bad) {
			t.Errorf("%q counts as a hash", bad)
		}
		for _, err := range s.FilesByHash(ctx, []string{bad}) {
			if err == nil {
				t.Errorf("%q is found", bad)
			}
		}
	}
}

// The index of hashes follows changes.
func TestHashesOfChangedFiles(t *testing.T) {
	s := open(t)
	o := object("/dir", 1)
	before := examined(o)
	remember(t, s, options, before)
	o.Inode = 5
	after := examined(o)
	remember(t, s, options, after)
	count := func(hash string) (n int) {
		for _, err := range s.FilesByHash(ctx, []string{hash}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if n := count(before.Object.Hashes.MD5); n != 0 {
		t.Errorf("%d files have the old hash", n)
	}
	if n := count(after.Object.Hashes.MD5); n != 1 {
		t.Errorf("%d files have the new hash", n)
	}
	if rows := query(t, s, "SELECT count(*) FROM hashes"); rows[0][0] != int64(3) {
		t.Errorf("%v entries in the index; want those of three hashes", rows[0][0])
	}
}

// A clock that was ahead for a while must not let a full scan leave files out until that time has come.
func TestSinceDoesNotCountTheFuture(t *testing.T) {
	s := open(t)
	r := examined(object("/dir", 1))
	r.Examined = noon.Add(time.Hour)
	remember(t, s, options, r)
	full := options
	full.Since = noon.Add(-time.Hour)
	if _, ok := recall(t, s, full, object("/dir", 1)); ok {
		t.Error("what was examined in the future counts as examined by this run")
	}
	if _, ok := recall(t, s, options, object("/dir", 1)); !ok {
		t.Error("it is not recalled by other scans either")
	}
}
