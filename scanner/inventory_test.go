package scanner

import (
	"archive/zip"
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/ioc"
	"tyto/store"
)

// remembering is a scan with an inventory, again and again.
type remembering struct {
	opts  Options
	state *store.Store
	since time.Time
	// examined are the paths of files whose content the last scan examined.
	examined []string
}

func newRemembering(t *testing.T, opts Options) *remembering {
	t.Helper()
	state, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	return &remembering{opts: opts, state: state}
}

// quickOptions are those of a scan without worker processes.
func quickOptions(t *testing.T, dir string) Options {
	t.Helper()
	opts := testOptions(t, dir, compiled(t, needleRule))
	opts.InProcess = true
	return opts
}

// scan scans as if everything had been written a while ago, so that change times prove something.
func (r *remembering) scan(t *testing.T) (*finding.Summary, *record) {
	t.Helper()
	return r.scanAt(t, func() time.Time { return time.Now().Add(3 * time.Second) })
}

func (r *remembering) scanAt(t *testing.T, now func() time.Time) (*finding.Summary, *record) {
	t.Helper()
	session := r.state.Session(store.SessionOptions{Profile: Profile("rules", "indicators", &r.opts), Since: r.since})
	defer func() {
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}()
	r.examined = nil
	var mu sync.Mutex
	opts := r.opts
	opts.Inventory = session
	opts.Examined = func(o *finding.Object) {
		mu.Lock()
		defer mu.Unlock()
		r.examined = append(r.examined, filepath.Base(o.Path))
	}
	sink := &record{}
	s := New(opts, sink)
	s.now = now
	summary, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.examined)
	slices.SortFunc(sink.findings, func(a, b *finding.Finding) int { return cmp.Compare(a.Object.Path, b.Object.Path) })
	slices.SortFunc(sink.skips, func(a, b finding.Skip) int { return cmp.Compare(a.Path, b.Path) })
	return summary, sink
}

// varied returns a scan of files of all kinds that an inventory has to know.
func varied(t *testing.T) (dir string, opts Options) {
	t.Helper()
	dir = tree(t, map[string]string{
		"clean":       "nothing",
		"dirty":       "a needle in the hay",
		"sub/evil":    "a name that is looked for",
		"large":       strings.Repeat("x", 200_000),
		"damaged.zip": "PK\x03\x04 and no more",
		"faint":       "a straw in the hay",
		"trusted":     "a needle in the hay, and harmless",
		"linked":      "a needle in the hay, under two names",
	})
	if err := os.Link(filepath.Join(dir, "linked"), filepath.Join(dir, "linked, again")); err != nil {
		t.Fatal(err)
	}
	writeZip(t, filepath.Join(dir, "archive.zip"), map[string]string{"in/evil": "a needle in the hay", "harmless": "hay"})
	opts = testOptions(t, dir, compiled(t, needleRule+` rule Straw { meta: score = 20 strings: $a = "a straw" condition: $a }`))
	opts.MaxSize = 100_000
	b := ioc.NewBuilder(ioc.Options{})
	is := func(path, value string) ioc.Node {
		return ioc.Leaf(ioc.Term{Path: path, Condition: ioc.Is, Value: value})
	}
	b.AddIndicator(&ioc.Indicator{ID: "1", Name: "evil", Score: 100, Pattern: is("FileItem/FileName", "evil")})
	b.AddIndicator(&ioc.Indicator{ID: "2", Name: "undecided", Score: 100,
		Pattern: ioc.Node{Operator: ioc.And, Children: []ioc.Node{is("FileItem/FileName", "clean"), is("FileItem/DevicePath", "x")}}})
	harmless := md5.Sum([]byte("a needle in the hay, and harmless"))
	if err := b.AddTrusted(ioc.HashRow{Sum: harmless[:]}); err != nil {
		t.Fatal(err)
	}
	opts.Indicators = b.Build()
	return dir, opts
}

func writeZip(t *testing.T, path string, members map[string]string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	for name, content := range members {
		m, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestUnchangedFilesAreToldAgain scans twice: the second scan opens nothing, starts no worker, and tells the
// same findings, skips, problems and counts.
func TestUnchangedFilesAreToldAgain(t *testing.T) {
	_, opts := varied(t)
	r := newRemembering(t, opts)
	first, found := r.scan(t)
	if len(r.examined) != 8 || first.Recalled != 0 || len(first.Problems) != 1 || first.BelowThreshold != 1 || first.Trusted != 1 {
		t.Errorf("%d files examined, %d recalled, problems %v, %d below, %d trusted; want 8, 0, one, 1, 1",
			len(r.examined), first.Recalled, first.Problems, first.BelowThreshold, first.Trusted)
	}
	second, again := r.scan(t)
	if len(r.examined) > 0 || len(second.Confinement) > 0 {
		t.Errorf("%q were examined again, by workers with %q; want nothing, none", r.examined, second.Confinement)
	}
	if diff := gocmp.Diff(found, again, gocmp.AllowUnexported(record{}), gocmp.Comparer(sameTime)); diff != "" {
		t.Errorf("what is told (-first +second):\n%s", diff)
	}
	want := *first
	want.Started, want.Finished, want.Active, want.Confinement = second.Started, second.Finished, second.Active, nil
	want.Bytes, want.Recalled = 0, 8
	for reason, count := range second.Skips { // the examples come in another order
		count.Examples = want.Skips[reason].Examples
		second.Skips[reason] = count
	}
	if diff := gocmp.Diff(&want, second); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// sameTime compares moments, whatever their zone.
func sameTime(a, b time.Time) bool { return a.Equal(b) }

// TestChangesAreSeen changes files in every way that leaves the size, or the times, or both.
func TestChangesAreSeen(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, path string)
		want   []string
	}{
		{"nothing", func(*testing.T, string) {}, nil},
		{"read", func(t *testing.T, path string) {
			if _, err := os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"other content", overwrite, []string{"f0"}},
		{"other content and the old time", func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, path)
			if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}, []string{"f0"}},
		{"replaced by a copy", func(t *testing.T, path string) {
			if err := errors.Join(os.WriteFile(path+"~", []byte("content 0"), 0o644), os.Rename(path+"~", path)); err != nil {
				t.Fatal(err)
			}
		}, []string{"f0"}},
		{"moved", func(t *testing.T, path string) {
			if err := os.Rename(path, path+" moved"); err != nil {
				t.Fatal(err)
			}
		}, []string{"f0 moved"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{}
			for i := range 5 {
				files[fmt.Sprintf("f%d", i)] = fmt.Sprintf("content %d", i)
			}
			dir := tree(t, files)
			r := newRemembering(t, quickOptions(t, dir))
			r.scan(t)
			time.Sleep(20 * time.Millisecond) // longer than the grain of the kernel's clock
			test.change(t, filepath.Join(dir, "f0"))
			summary, _ := r.scan(t)
			if diff := gocmp.Diff(test.want, r.examined); diff != "" {
				t.Errorf("examined (-want +got):\n%s", diff)
			}
			gone := int64(0)
			if test.name == "moved" {
				gone = 1
			}
			if summary.Gone != gone || summary.Files != 5 || summary.Recalled != int64(5-len(test.want)) {
				t.Errorf("%d gone, %d files, %d recalled; want %d, 5, %d", summary.Gone, summary.Files, summary.Recalled, gone, 5-len(test.want))
			}
		})
	}
}

func overwrite(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("CONTENT 0"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestFreshFilesProveNothing examines files right after they were written: another write may come within the
// same tick of the clock, so they are examined once more.
func TestFreshFilesProveNothing(t *testing.T) {
	dir := tree(t, map[string]string{"fresh": "x"})
	r := newRemembering(t, quickOptions(t, dir))
	for range 2 {
		if r.scanAt(t, time.Now); len(r.examined) != 1 {
			t.Errorf("%d files examined, want 1", len(r.examined))
		}
	}
	r.scan(t)
	if r.scan(t); len(r.examined) != 0 {
		t.Errorf("%q were examined although they have been old for a while", r.examined)
	}
}

// TestWhatWentWrongIsTriedAgain examines files that could not be examined to their end.
func TestWhatWentWrongIsTriedAgain(t *testing.T) {
	dir := tree(t, map[string]string{"crash": crashMark, "good": "hay"})
	r := newRemembering(t, testOptions(t, dir, compiled(t, needleRule)))
	for range 2 {
		summary, got := r.scan(t)
		if diff := gocmp.Diff(map[string]finding.Reason{filepath.Join(dir, "crash"): finding.Crashed}, got.reasons()); diff != "" {
			t.Error(diff)
		}
		if summary.Files != 1 {
			t.Errorf("%d files, want 1", summary.Files)
		}
	}
	if len(r.examined) != 0 {
		t.Errorf("%q were examined again", r.examined)
	}
}

// TestOtherProfilesKnowNothing changes what is looked for.
func TestOtherProfilesKnowNothing(t *testing.T) {
	dir := tree(t, map[string]string{"a": "x", "b": "y"})
	r := newRemembering(t, quickOptions(t, dir))
	r.scan(t)
	r.opts.Examine.Archives = false
	if r.scan(t); len(r.examined) != 2 {
		t.Errorf("%q were examined for another profile, want both", r.examined)
	}
	r.since = time.Now().Add(time.Hour) // as a scan that examines everything again
	if r.scan(t); len(r.examined) != 2 {
		t.Errorf("%q were examined, want both as nothing is recent enough", r.examined)
	}
}

// TestProfile changes one option after the other.
func TestProfile(t *testing.T) {
	base := func() *Options {
		return &Options{MaxSize: 1, Examine: DefaultLimits(), Thresholds: finding.DefaultThresholds}
	}
	seen := map[string]string{}
	for name, change := range map[string]func(*Options){
		"as it is":      func(*Options) {},
		"max size":      func(o *Options) { o.MaxSize = 2 },
		"archive depth": func(o *Options) { o.Examine.Archive.Depth++ },
		"match bytes":   func(o *Options) { o.Examine.MatchBytes++ },
		"thresholds":    func(o *Options) { o.Thresholds.Notice = 1 },
		"indicators":    func(o *Options) { o.Indicators = named(t, "x") },
	} {
		o := base()
		change(o)
		p := Profile("r", "i", o)
		if other, ok := seen[p]; ok {
			t.Errorf("%q and %q have the same profile", name, other)
		}
		seen[p] = name
	}
	if Profile("r", "i", base()) == Profile("ri", "", base()) || Profile("r", "i", base()) == Profile("i", "r", base()) {
		t.Error("versions of rules and indicators are mixed up")
	}
	o := base()
	o.Workers, o.ObjectTime, o.Fast, o.CPULimit, o.Walk.Roots = 7, time.Second, true, 1, []string{"/x"}
	if Profile("r", "i", o) != Profile("r", "i", base()) {
		t.Error("how fast and where a scan works changes its profile")
	}
}

// TestExcludedFilesAreNotGone leaves out a folder that an earlier scan knew.
func TestExcludedFilesAreNotGone(t *testing.T) {
	dir := tree(t, map[string]string{"a": "x", "sub/b": "y", "sub/c": "z"})
	r := newRemembering(t, quickOptions(t, dir))
	r.scan(t)
	if err := os.Remove(filepath.Join(dir, "sub", "c")); err != nil {
		t.Fatal(err)
	}
	r.opts.Walk.Exclude = []string{"sub"}
	if summary, _ := r.scan(t); summary.Gone != 1 {
		t.Errorf("%d files are gone, want the one that was removed, not the one that is left out", summary.Gone)
	}
}

// failing is an inventory whose disk is full.
type failing struct{}

func (failing) Recall(*finding.Object) (*store.FileRecord, bool) { return nil, false }
func (failing) Remember(*store.FileRecord)                       {}
func (failing) Note([]finding.Finding, []finding.Skip)           {}
func (failing) Flush() error                                     { return errors.New("the disk is full") }
func (failing) Finish(context.Context, []string, func(string) bool) (int64, error) {
	return 0, errors.New("the disk is full")
}

func TestFailingInventoryCostsNoFile(t *testing.T) {
	opts := testOptions(t, tree(t, map[string]string{"a": "a needle in the hay"}), compiled(t, needleRule))
	opts.Inventory = failing{}
	summary, got := runScan(t, t.Context(), opts)
	if len(got.findings) != 1 || summary.Incomplete() {
		t.Errorf("%d findings, incomplete %v; want 1, false", len(got.findings), summary.Incomplete())
	}
	if len(summary.Problems) != 1 || !strings.Contains(summary.Problems[0].Message, "the disk is full") {
		t.Errorf("problems %v, want one that says that the disk is full", summary.Problems)
	}
}

// TestEveryChangeIsSeen changes one file in a hundred, half of them with their old times, so that a needle is
// found in each.
func TestEveryChangeIsSeen(t *testing.T) {
	const n = 5000
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("d%d/f%d", i%100, i)] = fmt.Sprintf("file %04d: a noodle in the hay", i)
	}
	dir := tree(t, files)
	r := newRemembering(t, testOptions(t, dir, compiled(t, needleRule)))
	if summary, got := r.scan(t); summary.Files != n || len(got.findings) != 0 {
		t.Fatalf("%d files, %d findings; want %d, 0", summary.Files, len(got.findings), n)
	}
	time.Sleep(20 * time.Millisecond) // longer than the grain of the kernel's clock
	want := map[string][]string{}
	for i := 0; i < n; i += 100 {
		path := filepath.Join(dir, fmt.Sprintf("d%d/f%d", i%100, i))
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := fmt.Sprintf("file %04d: a needle in the hay", i) // as long as before
		if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		if i%200 == 0 {
			if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}
		want[path] = []string{"Needle"}
	}
	summary, got := r.scan(t)
	if diff := gocmp.Diff(want, got.rulesByPath()); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if len(r.examined) != n/100 || summary.Files != n || summary.Recalled != n-n/100 {
		t.Errorf("%d examined, %d files, %d recalled; want %d, %d, %d", len(r.examined), summary.Files, summary.Recalled, n/100, n, n-n/100)
	}
}
