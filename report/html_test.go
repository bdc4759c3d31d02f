package report_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"tyto/finding"
	"tyto/report"
)

func writeHTML(t *testing.T, tell func(*report.HTML) error) string {
	t.Helper()
	var buf bytes.Buffer
	h := report.NewHTML(&buf)
	if err := errors.Join(tell(h), h.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func sampleHTML(t *testing.T) string {
	var buf bytes.Buffer
	tell(t, report.NewHTML(&buf))
	return buf.String()
}

var (
	dataBlock = regexp.MustCompile(`(?s)<script id="data" type="application/octet-stream">(.*?)</script>`)
	style     = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	script    = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
)

// TestHTMLGolden compares the page without script, style and packed data.
func TestHTMLGolden(t *testing.T) {
	page := sampleHTML(t)
	for _, part := range []*regexp.Regexp{dataBlock, style, script} {
		page = part.ReplaceAllString(page, "")
	}
	page = regexp.MustCompile(`sha256-[^']*`).ReplaceAllString(page, "sha256-")
	golden(t, "sample.html", []byte(page))
}

// embedded is what the page's script unpacks.
type embedded struct {
	Hosts []string `json:"hosts"`
	Rules []struct {
		Name string `json:"name"`
	} `json:"rules"`
	Findings []struct {
		Host    int    `json:"host"`
		Path    string `json:"path"`
		Matches []struct {
			Rule int `json:"rule"`
		} `json:"matches"`
	} `json:"findings"`
}

func unpack(t *testing.T, page string) embedded {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(dataBlock.FindStringSubmatch(page)[1])
	if err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	var data embedded
	if err := json.Unmarshal(plain, &data); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestHTMLData(t *testing.T) {
	data := unpack(t, sampleHTML(t))
	if len(data.Hosts) != 1 || data.Hosts[0] != "web-01" {
		t.Errorf("hosts %q", data.Hosts)
	}
	if want := 1 + len(hostileNames); len(data.Findings) != want {
		t.Fatalf("%d findings; want %d", len(data.Findings), want)
	}
	for i, name := range hostileNames {
		f := data.Findings[1+i]
		want := report.Safe(name)
		if name == "" {
			want = "(no name)"
		}
		if f.Path != want {
			t.Errorf("path %q; want %q", f.Path, want)
		}
		if rule := data.Rules[f.Matches[0].Rule].Name; rule != "Odd_Name" {
			t.Errorf("rule %q; want Odd_Name", rule)
		}
	}
}

// Nothing from a scan becomes markup or reaches the browser's text engine as it is.
func TestHTMLObeysNoName(t *testing.T) {
	page := sampleHTML(t)
	for _, r := range dataBlock.ReplaceAllString(page, "") {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			t.Errorf("the page holds %U", r)
		}
	}
	body := page[strings.Index(page, "<body>"):]
	if n := strings.Count(body, "<script"); n != 2 {
		t.Errorf("%d script elements; want 2: the data and ours", n)
	}
	if strings.Contains(body, "<img") {
		t.Error("a name became an element")
	}
	if !strings.Contains(body, "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;") {
		t.Error("the name with a script is not shown as it is")
	}
}

// The policy allows exactly the embedded style and script; a changed byte would break the page.
func TestHTMLPolicy(t *testing.T) {
	page := sampleHTML(t)
	for kind, source := range map[string]*regexp.Regexp{"style-src": style, "script-src": script} {
		sum := sha256.Sum256([]byte(source.FindStringSubmatch(page)[1]))
		want := kind + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"
		if !strings.Contains(page, want) {
			t.Errorf("the policy lacks %q", want)
		}
	}
	for _, forbidden := range []string{"http:", "url(", " style=", "onclick", "javascript:"} {
		if strings.Contains(dataBlock.ReplaceAllString(page, ""), forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
}

func TestHTMLVerdicts(t *testing.T) {
	second := sampleRun()
	second.ID, second.Host = "other", report.Host{Name: "db-01"}
	complete, stopped := cleanSummary(), cleanSummary()
	stopped.Stopped = "cancelled"
	tests := []struct {
		name string
		tell func(*report.HTML) error
		want string
	}{
		{"no run", func(h *report.HTML) error { return nil }, "This report holds no scan."},
		{"one run", func(h *report.HTML) error {
			return errors.Join(h.Start(sampleRun()), h.Summary(complete))
		}, "Nothing was found. The scan is complete: 123,456 objects were examined."},
		{"killed", func(h *report.HTML) error {
			return errors.Join(h.Start(sampleRun()), h.Finding(webShell()))
		}, "Found 1 alert. The scan is incomplete: its report ends without a summary"},
		{"two hosts", func(h *report.HTML) error {
			return errors.Join(h.Start(sampleRun()), h.Summary(complete), h.Start(second), h.Summary(complete))
		}, "Nothing was found on 2 hosts. All 2 scans are complete."},
		{"two hosts, one stopped", func(h *report.HTML) error {
			return errors.Join(h.Start(sampleRun()), h.Summary(complete), h.Start(second), h.Summary(stopped))
		}, "Nothing was found in what was examined, but that is not everything. Of 2 scans, 1 is incomplete."},
		{"two hosts, one hit", func(h *report.HTML) error {
			return errors.Join(h.Start(sampleRun()), h.Finding(webShell()), h.Summary(complete), h.Start(second))
		}, "Found 1 alert on 1 of 2 hosts. Of 2 scans, 1 is incomplete."},
		{"none complete", func(h *report.HTML) error {
			return errors.Join(h.Start(sampleRun()), h.Start(second))
		}, "None of the 2 scans is complete."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page := writeHTML(t, tt.tell)
			verdict := regexp.MustCompile(`<p class="verdict">(.*?)</p>`).FindStringSubmatch(page)[1]
			if !strings.Contains(verdict, tt.want) {
				t.Errorf("verdict %q; want %q", verdict, tt.want)
			}
		})
	}
}

// Without scripts, the page shows the most severe findings, whenever they came.
func TestHTMLStaticPart(t *testing.T) {
	page := writeHTML(t, func(h *report.HTML) error {
		errs := []error{h.Start(sampleRun())}
		for i := range 1000 {
			f := &finding.Finding{Level: finding.Notice, Score: 45, Object: finding.Object{Path: fmt.Sprintf("/notice/%d", i)}}
			if i%100 == 99 {
				f.Level, f.Score, f.Object.Path = finding.Alert, float64(90+i/100), fmt.Sprintf("/alert/%d", i)
			}
			errs = append(errs, h.Finding(f))
		}
		return errors.Join(errs...)
	})
	paths := regexp.MustCompile(`<td role="cell" class="path"><bdi>(.*?)</bdi>`).FindAllStringSubmatch(page, -1)
	if len(paths) != 100 {
		t.Fatalf("%d findings are shown; want 100", len(paths))
	}
	for i := range 10 {
		if want := fmt.Sprintf("/alert/%d", 999-100*i); paths[i][1] != want {
			t.Errorf("finding %d is %q; want %q", i, paths[i][1], want)
		}
	}
	if paths[10][1] != "/notice/0" {
		t.Errorf("finding 10 is %q; want /notice/0", paths[10][1])
	}
	if want := "The 100 most severe of 1,000 findings."; !strings.Contains(page, want) {
		t.Errorf("the page does not say %q", want)
	}
	if n := len(unpack(t, page).Findings); n != 1000 {
		t.Errorf("%d findings are packed; want 1000", n)
	}
}

// A page of very many hosts leaves out lists, and still counts what was not looked at.
func TestHTMLOfManyRuns(t *testing.T) {
	page := writeHTML(t, func(h *report.HTML) error {
		var errs []error
		for i := range 1002 {
			run := sampleRun()
			run.ID, run.Host.Name = fmt.Sprint(i), fmt.Sprintf("host-%d", i)
			errs = append(errs, h.Start(run), h.Summary(sampleSummary()))
		}
		return errors.Join(errs...)
	})
	if n := strings.Count(page, "<td>unreadable</td>"); n != 1002 {
		t.Errorf("%d hosts tell of unreadable objects; want 1002", n)
	}
	if n := strings.Count(page, "/srv/big.zip"); n != 1000 {
		t.Errorf("%d hosts name an example; want 1000", n)
	}
}
