package report_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"tyto/report"
)

// Lines one by one are those of the file, and what was read from them is written as the same bytes again. Only
// the name of a rule file may differ if it was not text.
func TestSingleLines(t *testing.T) {
	var file bytes.Buffer
	tell(t, report.NewJSONL(&file, fixedClock))
	lines := strings.Split(strings.TrimSuffix(file.String(), "\n"), "\n")
	run, skips := sampleRun(), int64(0)
	for i, want := range lines {
		event, err := report.ParseLine([]byte(want))
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		switch {
		case event.Finding != nil:
			got, err = report.FindingLine(run, event.Finding)
		case event.Skip != nil:
			skips++
			got, err = report.SkipLine(run, *event.Skip, fixedClock())
		case event.Summary != nil:
			got, err = report.SummaryLine(run, event.Summary, skips)
		default:
			got, err = report.StartLine(event.Run)
		}
		if strings.Contains(want, `"path_base64"`) {
			want, got = withoutRuleset(want), []byte(withoutRuleset(string(got)))
		}
		if err != nil || string(got) != want {
			t.Errorf("line %d, error %v:\nread  %s\nwrote %s", i+1, err, want, got)
		}
	}
}

func withoutRuleset(line string) string {
	return regexp.MustCompile(`"ruleset":"[^"]*"`).ReplaceAllString(line, "")
}
