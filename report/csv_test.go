package report_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"tyto/report"
)

func TestCSVGolden(t *testing.T) {
	var buf bytes.Buffer
	tell(t, report.NewCSV(&buf))
	golden(t, "sample.csv", buf.Bytes())
}

// The table parses, each row has all columns, and no cell of text begins a formula.
func TestCSVRows(t *testing.T) {
	var buf bytes.Buffer
	tell(t, report.NewCSV(&buf))
	rows, err := csv.NewReader(&buf).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 3 + len(hostileNames) + 1; len(rows) != want {
		t.Errorf("%d rows; want %d: header, a row per match, the summary", len(rows), want)
	}
	for i, row := range rows[1:] {
		for j, cell := range row {
			name := rows[0][j]
			if name != "match_score" && cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("row %d, column %s: %q begins a formula", i+1, name, cell)
			}
		}
	}
}

func TestCSVOfKilledScan(t *testing.T) {
	var buf bytes.Buffer
	c := report.NewCSV(&buf)
	if err := c.Start(sampleRun()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(buf.String(), "summary,,web-01") || !strings.Contains(buf.String(), "incomplete") {
		t.Errorf("the table does not say that the scan has no end:\n%s", buf.String())
	}
}
