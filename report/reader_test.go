package report_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/report"
)

func TestReaderErrors(t *testing.T) {
	const good = `{"tyto":{"format":1,"run":"r"},"event":{"action":"start"}}`
	tests := []struct {
		name, in string
		want     string // in the error of line 2
	}{
		{"no json", "hello", "test.jsonl:2: invalid character"},
		{"other json", `{"@timestamp":"2026-01-01T00:00:00Z"}`, "tyto.format is missing"},
		{"newer", `{"tyto":{"format":2},"observer":{"version":"9.1"}}`, `written in format 2 by Tyto "9.1", but this Tyto reads up to format 1`},
		{"unknown action", `{"tyto":{"format":1},"event":{"action":"dance"}}`, `event.action "dance" is not known`},
		{"unknown level", `{"tyto":{"format":1,"level":"panic"},"event":{"action":"finding"}}`, `unknown level "panic"`},
		{"finding without file", `{"tyto":{"format":1,"level":"alert"},"event":{"action":"finding"}}`, "file is missing"},
		{"bad base64", `{"tyto":{"format":1,"level":"alert","path_base64":"*"},"file":{},"event":{"action":"finding"}}`, "base64 of path"},
		{"bad mode", `{"tyto":{"format":1,"level":"alert"},"file":{"mode":"999"},"event":{"action":"finding"}}`, `file.mode "999"`},
		{"bad hex", `{"tyto":{"format":1,"level":"alert","matches":[{"evidence":[{"hex":"0"}]}]},"file":{},"event":{"action":"finding"}}`, "tyto.matches[0]: evidence: hex"},
		{"bad meta", `{"tyto":{"format":1,"level":"alert","matches":[{"meta":[{"key":"k","value":"x","type":"integer"}]}]},"file":{},"event":{"action":"finding"}}`, `meta "k": "x" is not an integer`},
		{"long host", `{"tyto":{"format":1},"host":{"name":"` + strings.Repeat("a", 2049) + `"},"event":{"action":"start"}}`, "is longer than 2048 bytes"},
		{"long run", `{"tyto":{"format":1,"run":"` + strings.Repeat("a", 2049) + `"},"event":{"action":"start"}}`, "is longer than 2048 bytes"},
		{"too long", `{"a":"` + strings.Repeat("a", report.MaxLine) + `"}`, "longer than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := report.NewReader("test.jsonl", strings.NewReader(good+"\n"+tt.in+"\n\n"+good+"\n"))
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
			_, err := r.Next()
			var bad *report.LineError
			if !errors.As(err, &bad) || bad.Line != 2 || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v; want one for line 2 with %q", err, tt.want)
			}
			e, err := r.Next()
			if err != nil || e.Line != 4 {
				t.Errorf("after the bad line: line %d, error %v; want line 4", e.Line, err)
			}
		})
	}
}

func TestReaderPassesOnReadErrors(t *testing.T) {
	broken := errors.New("cable pulled")
	r := report.NewReader("test.jsonl", io.MultiReader(strings.NewReader("{"), errReader{broken}))
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("error %v; want %v", err, broken)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// FuzzReader: whatever can be read can be written and read again, and is the same.
func FuzzReader(f *testing.F) {
	var buf bytes.Buffer
	tell(f, report.NewJSONL(&buf, fixedClock))
	for _, line := range bytes.SplitAfter(buf.Bytes(), []byte("\n")) {
		f.Add(line)
	}
	f.Add(buf.Bytes())
	f.Add([]byte(`{"tyto":{"format":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := report.NewReader("fuzz", bytes.NewReader(data))
		for {
			e, err := r.Next()
			var bad *report.LineError
			if errors.As(err, &bad) {
				continue
			}
			if err != nil {
				return
			}
			again(t, e)
		}
	})
}

func again(t *testing.T, e report.Event) {
	var buf bytes.Buffer
	j := report.NewJSONL(&buf, nil)
	errs := []error{j.Start(e.Run)}
	switch {
	case e.Finding != nil:
		errs = append(errs, j.Finding(e.Finding))
	case e.Skip != nil:
		errs = append(errs, j.Skip(*e.Skip))
	case e.Summary != nil:
		errs = append(errs, j.Summary(e.Summary))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("what was read cannot be written: %v", err)
	}
	if bytes.Contains(buf.Bytes(), []byte(`"cut":{`)) || e.Skip != nil && !e.Skip.Reason.Matters() {
		return
	}
	events := readAll(t, buf.String())
	got := events[len(events)-1]
	if diff := cmp.Diff([]any{e.Finding, e.Skip}, []any{got.Finding, got.Skip}, sameData); diff != "" {
		t.Errorf("read, written and read again (-first +second):\n%s", diff)
	}
}
