package archive

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"testing"
)

// testWalk is a walk without detection of the format.
type testWalk struct{ *walk }

func newWalk(data []byte, budget *Budget) testWalk {
	return testWalk{&walk{src: &source{r: bytes.NewReader(data), size: int64(len(data))}, name: "test", budget: budget}}
}

// each yields what [Walk] would for an archive of that format.
func (w testWalk) each(f Format) iter.Seq2[*Member, error] {
	return func(yield func(*Member, error) bool) {
		w.yield = yield
		defer w.close()
		if err := w.format(f); err != nil && !w.stopped {
			yield(nil, w.classify(err, ""))
		}
	}
}

// all reads all members.
func (w testWalk) all(t testing.TB, f Format) (all []seen) {
	t.Helper()
	for m, err := range w.each(f) {
		all = append(all, see(t, m, err))
	}
	return all
}

// see reads a step of a walk.
func see(t testing.TB, m *Member, err error) seen {
	t.Helper()
	var s seen
	if err == nil {
		var content []byte
		content, err = io.ReadAll(m)
		s.Name, s.Content = m.Name, string(content)
	}
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("an error that is no *Error: %v", err)
		}
		if e.Reason == "" || e.Detail == "" || e.Member != s.Name && s.Name != "" {
			t.Fatalf("an incomplete error for %q: %#v", s.Name, e)
		}
		s.Reason, s.Detail = e.Reason, e.Detail
	}
	return s
}
