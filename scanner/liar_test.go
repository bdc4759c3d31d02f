package scanner

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/ioc"
)

// TestLyingWorker gives the broker answers that no honest worker sends. The file's name is known to the
// broker, and is held against the indicators whatever the worker says.
func TestLyingWorker(t *testing.T) {
	const honest = `{"Size":3}`
	for _, test := range []struct {
		name    string
		answers []string
		want    []finding.Reason
	}{
		{"honest", []string{`{"Member":"YQ==","Size":1}`, honest}, nil},
		{"nothing at all", nil, []finding.Reason{finding.ScanError}},
		{"no word of the file", []string{`{"Member":"YQ==","Size":1}`}, []finding.Reason{finding.ScanError}},
		{"a rule that does not exist", []string{`{"Size":3,"Rules":[{"Rule":7}]}`}, []finding.Reason{finding.ScanError, finding.ScanError}},
		{"two ends", []string{honest, honest, honest}, []finding.Reason{finding.ScanError}},
		{"a gap that nobody asked for", []string{`{"Skips":[{"Reason":"excluded"}]}`}, []finding.Reason{finding.ScanError, finding.ScanError}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sink := &record{}
			s := New(Options{Rules: compiled(t, needleRule), Indicators: named(t, "evil.exe"), Thresholds: finding.DefaultThresholds}, sink)
			var answers [][]byte
			for _, a := range test.answers {
				answers = append(answers, []byte(a))
			}
			object := finding.Object{Kind: finding.File, Path: filepath.FromSlash("/tmp/evil.exe"), Size: 3}
			x := s.examination(&object, true)
			x.answers = answers
			x.done(t.Context(), nil)
			var reasons []finding.Reason
			for _, k := range sink.skips {
				reasons = append(reasons, k.Reason)
			}
			if diff := cmp.Diff(test.want, reasons); diff != "" {
				t.Error(diff)
			}
			if len(sink.findings) != 1 {
				t.Errorf("%d findings, want the one on the name", len(sink.findings))
			}
		})
	}
}

// named returns an indicator for a file name.
func named(t *testing.T, name string) *ioc.Set {
	t.Helper()
	b := ioc.NewBuilder(ioc.Options{})
	b.AddIndicator(&ioc.Indicator{ID: "name", Name: name, Score: 100,
		Pattern: ioc.Leaf(ioc.Term{Path: "FileItem/FileName", Condition: ioc.Is, Value: name})})
	return b.Build()
}
