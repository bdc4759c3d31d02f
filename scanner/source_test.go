package scanner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/scanner/walk"
)

// paths is a source of the files below some paths.
type paths []string

func (p paths) Walk(ctx context.Context, visit func(*walk.Entry) error, skip func(finding.Skip)) error {
	skip(finding.Skip{Path: "an area", Reason: finding.NotBuilt})
	return walk.Walk(ctx, walk.Options{Roots: p}, visit, skip)
}

// brokenSource is a source that cannot go on.
type brokenSource struct{ error }

func (f brokenSource) Walk(context.Context, func(*walk.Entry) error, func(finding.Skip)) error {
	return f.error
}

// noSink takes what is found and forgets it.
type noSink struct{}

func (noSink) Finding(*finding.Finding) {}
func (noSink) Skip(finding.Skip)        {}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name    string
		sources []Source
		roots   []string
		want    []string // in their order, but for what a walk itself yields
	}{
		{"alone", []Source{paths{dir + "/b"}}, nil, []string{"b"}},
		{"first, and once", []Source{paths{dir + "/b"}}, []string{dir}, []string{"b", "a", "c"}},
		{"two of them", []Source{paths{dir + "/c"}, paths{dir + "/b"}}, []string{dir}, []string{"c", "b", "a"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			s := New(Options{
				Sources: test.sources, Walk: walk.Options{Roots: test.roots}, InProcess: true,
				Examine: DefaultLimits(), Thresholds: finding.DefaultThresholds,
				Examined: func(o *finding.Object) { got = append(got, filepath.Base(o.Path)) },
			}, noSink{})
			summary, err := s.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(got[len(test.sources):]) // a directory has no order
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if n := summary.Skips[finding.NotBuilt].Count; n != int64(len(test.sources)) || !summary.Incomplete() {
				t.Errorf("%d areas that are not built, incomplete %v", n, summary.Incomplete())
			}
		})
	}
}

// A file that was rewritten since the source yielded it is another object.
func TestFileThatChangedSinceItsSourceIsExaminedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	s := New(Options{
		Sources: []Source{paths{file}, rewriter(file)}, Walk: walk.Options{Roots: []string{file}}, InProcess: true,
		Examine: DefaultLimits(), Thresholds: finding.DefaultThresholds,
		Examined: func(o *finding.Object) { sizes = append(sizes, o.Size) },
	}, noSink{})
	if _, err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{6, 5}, sizes); diff != "" {
		t.Error(diff)
	}
}

// rewriter is a source that yields nothing and rewrites a file.
type rewriter string

func (r rewriter) Walk(context.Context, func(*walk.Entry) error, func(finding.Skip)) error {
	before, err := os.Stat(string(r))
	if err != nil {
		return err
	}
	// File systems' clocks tick; a rewrite within one tick cannot be told from none.
	for err == nil {
		if err = os.WriteFile(string(r), []byte("after"), 0o600); err != nil {
			break
		}
		if now, err := os.Stat(string(r)); err != nil || now.ModTime().After(before.ModTime()) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return err
}

func TestErrorOfASourceEndsTheScan(t *testing.T) {
	broken := errors.New("broken")
	s := New(Options{Sources: []Source{brokenSource{broken}}, InProcess: true, Examine: DefaultLimits()}, noSink{})
	if _, err := s.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}
