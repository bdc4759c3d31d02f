package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tyto/finding"
	"tyto/store"
	"tyto/store/internal/powercut"
)

// work uses a store as two runs of an agent do: sessions with new and changed files, findings, events,
// pruning, and an orderly end in between. It returns, for each path, the size that was flushed last.
// It ends when the power does.
func work(path string, seed uint64) map[string]int64 {
	random := rand.New(rand.NewPCG(seed, 1))
	flushed := map[string]int64{}
	size := int64(0)
	for range 2 {
		s, err := store.Open(ctx, path, store.Options{VFS: powercut.VFS, Now: func() time.Time { return noon }})
		if err != nil {
			return flushed
		}
		run, err := s.AddRun(ctx, store.Run{Task: "t", State: "running", Queued: noon})
		if err == nil {
			o := options
			o.Run, o.Batch, o.Every = run, 8, time.Hour
			session := s.Session(o)
			pending := map[string]int64{}
			for range 60 {
				size++
				object := object(fmt.Sprintf("/dir%d", random.IntN(5)), random.IntN(40))
				object.Size = size
				record := examined(object)
				if random.IntN(3) == 0 {
					record = wicked(object)
				}
				session.Remember(record)
				pending[object.Path] = size
				if random.IntN(10) == 0 && session.Flush() == nil {
					for path, size := range pending {
						flushed[path] = size
					}
				}
			}
			if session.Close() == nil {
				for path, size := range pending {
					flushed[path] = size
				}
			}
			_ = s.AddEvent(ctx, store.Event{Time: noon, ID: "e", Level: "info"})
			_, _ = s.Prune(ctx, noon.Add(-time.Hour))
		}
		_ = s.Close()
		if powercut.IsOff() {
			return flushed
		}
	}
	return flushed
}

// TestPowerCut cuts the power at random moments. What the disk holds then is a sound database with all
// that was flushed, and with no finding without its file.
func TestPowerCut(t *testing.T) {
	if err := powercut.Register(); err != nil {
		t.Fatal(err)
	}
	powercut.Arm(0, 0)
	whole := work(filepath.Join(t.TempDir(), "state.db"), 0)
	steps := powercut.Disarm()
	if steps < 100 || len(whole) < 50 {
		t.Fatalf("the work takes %d steps on %d files; that is not enough to be interrupted", steps, len(whole))
	}
	random := rand.New(rand.NewPCG(2026, 11))
	cut, kept := 0, 0
	trials := uint64(200)
	if testing.Short() {
		trials = 40
	}
	for trial := range trials {
		path := filepath.Join(t.TempDir(), "state.db")
		powercut.Arm(1+random.Int64N(steps), trial)
		flushed := work(path, trial)
		powercut.Disarm()
		if powercut.IsOff() {
			cut++
		}
		kept += len(flushed)
		if err := os.Remove(path + "-shm"); err != nil && !os.IsNotExist(err) { // it is in memory only
			t.Fatal(err)
		}
		checkAfterCut(t, path, flushed)
		if t.Failed() {
			t.Fatalf("trial %d", trial)
		}
	}
	t.Logf("%d steps; of %d runs %d were cut, with %d files flushed before", steps, trials, cut, kept)
	if cut < int(trials)*3/4 || kept < int(trials)*5 {
		t.Errorf("%d runs were cut with %d files flushed; the test tells little", cut, kept)
	}
}

func checkAfterCut(t *testing.T, path string, flushed map[string]int64) {
	t.Helper()
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	if s.Problem() != "" {
		t.Error(s.Problem())
	}
	for _, check := range []struct{ name, query string }{
		{"damage", "SELECT * FROM pragma_integrity_check WHERE integrity_check <> 'ok'"},
		{"a row without what it belongs to", "SELECT * FROM pragma_foreign_key_check"},
		{"a finding without its file", "SELECT o.file FROM outcomes o LEFT JOIN files f ON f.id = o.file WHERE f.id IS NULL"},
		{"a file without its findings", "SELECT f.id FROM files f WHERE f.lines <> (SELECT count(*) FROM outcomes o WHERE o.file = f.id)"},
		{"an index without its file", "SELECT h.file FROM hashes h LEFT JOIN files f ON f.id = h.file WHERE f.id IS NULL"},
	} {
		if rows := query(t, s, check.query); len(rows) > 0 {
			t.Errorf("%s: %v", check.name, rows)
		}
	}
	known := map[string]int64{}
	for _, row := range query(t, s, "SELECT path, size FROM v_files") {
		known[row[0].(string)] = row[1].(int64)
	}
	for path, size := range flushed {
		// What was remembered after the flush may have reached the disk, too.
		if known[path] < size {
			t.Errorf("%q was flushed with size %d and is known with size %d", path, size, known[path])
		}
		o := finding.Object{Path: path}
		if _, ok := recall(t, s, options, o); ok {
			t.Errorf("%q is recalled for another file", path)
		}
	}
}
