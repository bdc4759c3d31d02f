package cape_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/submit/cape"
	"tyto/sandboxlink/submit/wire"
	"tyto/sandboxlink/submit/wire/wiretest"
	"tyto/verdict"
	"tyto/verdict/cuckoo"
)

var (
	object = wire.Object{SHA256: strings.Repeat("0123456789abcdef", 4), MD5: strings.Repeat("a", 32), Size: 7, Name: "a.exe"}
	now    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

// The requests that the tests answer.
var (
	search = "GET /apiv2/tasks/search/sha256/" + object.SHA256 + "/"
	create = "POST /apiv2/tasks/create/file/"
	status = "GET /apiv2/tasks/status/7/"
	view   = "GET /apiv2/tasks/view/7/"
	report = "GET /apiv2/tasks/get/report/7/json/"
	iocs   = "GET /apiv2/tasks/get/iocs/7/detailed/"
)

// Answers as CAPE gives them.
const (
	none      = `{"data":[],"error":false}`
	disabled  = `{"error":true,"error_value":"Task Search API is Disabled"}`
	reported  = `{"error":false,"data":"reported"}`
	unfinshed = `{"error":true,"error_value":"Task is still being analyzed"}`
	gone      = `{"error":true,"error_value":"Task does not exist"}`
)

func serve(t *testing.T, settings cape.Settings, answers map[string]string) *cape.Backend {
	t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.Method+" "+r.URL.EscapedPath()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method == http.MethodPost {
			f, head, err := r.FormFile("file")
			if err != nil {
				t.Errorf("the form: %v", err)
				return
			}
			if content, err := io.ReadAll(f); err != nil || string(content) != "content" || head.Filename != "a.exe" {
				t.Errorf("uploaded %q as %q, %v", content, head.Filename, err)
			}
		}
		// "429 {…}" is an answer with another status.
		code := http.StatusOK
		if n, err := fmt.Sscanf(body, "%3d ", &code); n == 1 && err == nil {
			body = body[4:]
		} else {
			code = http.StatusOK
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		io.WriteString(w, body)
	})
	limits := wire.Limits{Connect: 20 * time.Second, Answer: 30 * time.Second, Report: 30 * time.Second}
	client, err := wire.NewClient(wiretest.Serve(t, "", handler), limits, "Token")
	if err != nil {
		t.Fatal(err)
	}
	settings.Now = func() time.Time { return now }
	b := cape.New(client, settings)
	t.Cleanup(b.Close)
	return b
}

// outcome puts an answer or an error in few words.
func outcome(a wire.Answer, err error) string {
	var fault *wire.Error
	switch {
	case errors.Is(err, wire.ErrUnknown):
		return "unknown"
	case errors.Is(err, wire.ErrForgotten):
		return "forgotten"
	case errors.As(err, &fault):
		if fault.Retry > 0 {
			return fmt.Sprintf("%s for %v", fault.Kind, fault.Retry)
		}
		return string(fault.Kind)
	case err != nil:
		return err.Error()
	case a.Pending:
		return "pending " + a.Task
	}
	return fmt.Sprintf("%s %d", a.Verdict.Level, a.Verdict.Score)
}

func TestSubmit(t *testing.T) {
	for _, test := range []struct{ name, answer, want string }{
		{"one task", `{"error":[],"errors":[],"data":{"task_ids":[7],"message":"Task ID 7 has been submitted"},"url":["https://cape.example/submit/status/7/"]}`, "pending 7"},
		{"an archive", `{"error":[],"data":{"task_ids":[7,8,9],"message":"Task IDs 7, 8, 9 have been submitted"}}`, "pending 7,8,9"},
		{"the old form", `{"error":false,"data":{"task_id":7}}`, "pending 7"},
		{"with errors beside", `{"error":[],"errors":[{"b.txt":"Not a supported type"}],"data":{"task_ids":[7]}}`, "pending 7"},
		{"too large", `{"error":true,"error_value":"Error adding task to database","errors":[{"a.exe":"Uploaded file exceeds the maximum allowed size in conf/web.conf."}]}`, "refused"},
		{"empty", `{"error":true,"error_value":"Error adding task to database","errors":[{"a.exe":"You uploaded an empty file."}]}`, "refused"},
		{"database", `{"error":true,"error_value":"Error adding task to database","errors":[]}`, "down"},
		{"disabled", `{"error":true,"error_value":"File Create API is Disabled"}`, "config"},
		{"error is a text", `{"error":"Was impossible to store the file"}`, "down"},
		{"error is a list", `{"error":["Unsupported file"]}`, "refused"},
		{"no tasks", `{"error":[],"data":{"task_ids":[]}}`, "garbage"},
		{"an id that climbs", `{"error":[],"data":{"task_ids":["../../x"]}}`, "garbage"},
		{"a negative id", `{"error":[],"data":{"task_ids":[-7]}}`, "garbage"},
		{"a float", `{"error":[],"data":{"task_ids":[7.5]}}`, "garbage"},
		{"a page", `<html>Server Error (500)</html>`, "garbage"},
		{"half of it", `{"error":[],"data":{"task_`, "garbage"},
		{"null", `null`, "garbage"},
		{"nesting", strings.Repeat("[", 20000), "garbage"},
		{"throttled", `429 {"detail":"Request was throttled. Expected available in 42 seconds."}`, "busy for 42s"},
		{"throttled with 200", `{"error":true,"error_value":"Request was throttled."}`, "busy"},
		{"no token", `401 {"detail":"Authentication credentials were not provided."}`, "config"},
		{"wrong token", `401 {"detail":"Invalid token."}`, "config"},
		{"forbidden", `403 {"detail":"You do not have permission to perform this action."}`, "config"},
		{"too large for the way", `413 <html>`, "refused"},
		{"broken", `500 <h1>Server Error (500)</h1>`, "down"},
		{"gateway", `502 <html>`, "down"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := serve(t, cape.Settings{}, map[string]string{create: test.answer})
			if got := outcome(b.Submit(t.Context(), object, strings.NewReader("content"))); got != test.want {
				t.Errorf("Submit = %q; want %q", got, test.want)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	task := func(id int, state, done string) string {
		return fmt.Sprintf(`{"id":%d,"status":%q,"completed_on":%q,"target":"a.exe"}`, id, state, done)
	}
	found := func(tasks ...string) map[string]string {
		return map[string]string{search: `{"error":[],"data":[` + strings.Join(tasks, ",") + `]}`, report: `{"malscore":8.2}`}
	}
	for _, test := range []struct {
		name    string
		answers map[string]string
		want    string
	}{
		{"nothing", map[string]string{search: none}, "unknown"},
		{"disabled", map[string]string{search: disabled}, "unknown"},
		{"no such page", nil, "unknown"},
		{"done", found(task(7, "reported", "2026-11-20 10:00:00")), "malicious 82"},
		{"done long ago", found(task(7, "reported", "2025-11-20 10:00:00")), "unknown"},
		{"done at an unknown time", found(`{"id":7,"status":"reported","completed_on":null}`), "malicious 82"},
		{"at work", found(task(7, "running", "")), "pending 7"},
		{"failed", found(task(7, "failed_analysis", "")), "unknown"},
		{"failed and done", found(task(9, "failed_processing", ""), task(7, "reported", ""), task(6, "reported", "")), "malicious 82"},
		{"done and begun again", found(task(9, "pending", ""), task(7, "reported", "")), "malicious 82"},
		{"begun twice", found(task(5, "pending", ""), task(7, "pending", "")), "pending 7"},
		{"odd ids", found(`{"id":-7,"status":"reported"}`, `{"id":"../x","status":"reported"}`), "unknown"},
		{"report gone", map[string]string{search: `{"error":[],"data":[` + task(7, "reported", "") + `]}`, report: gone, iocs: gone}, "unknown"},
		{"throttled", map[string]string{search: `429 {"detail":"Request was throttled. Expected available in 9 seconds."}`}, "busy for 9s"},
		{"no token", map[string]string{search: `401 {"detail":"Invalid token."}`}, "config"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := serve(t, cape.Settings{}, test.answers)
			if got := outcome(b.Lookup(t.Context(), object)); got != test.want {
				t.Errorf("Lookup = %q; want %q", got, test.want)
			}
		})
	}
}

func TestPoll(t *testing.T) {
	for _, state := range []string{"pending", "running", "distributed", "completed", "distributed_completed", "Warp Speed"} {
		t.Run(strings.ToLower(strings.ReplaceAll(state, " ", "_")), func(t *testing.T) {
			b := serve(t, cape.Settings{}, map[string]string{status: `{"error":false,"data":"` + state + `"}`})
			if got := outcome(b.Poll(t.Context(), "7", object)); got != "pending 7" {
				t.Errorf("Poll = %q; want pending", got)
			}
		})
	}
	for _, test := range []struct {
		name    string
		answers map[string]string
		want    string
	}{
		{"malicious", map[string]string{status: reported, report: `{"malscore":10.0}`}, "malicious 100"},
		{"just malicious", map[string]string{status: reported, report: `{"malscore":7}`}, "malicious 70"},
		{"suspicious", map[string]string{status: reported, report: `{"malscore":6.9}`}, "suspicious 69"},
		{"clean", map[string]string{status: reported, report: `{"malscore":0}`}, "clean 0"},
		{"the old score", map[string]string{status: reported, report: `{"info":{"score":4.0}}`}, "suspicious 40"},
		{"off the scale", map[string]string{status: reported, report: `{"malscore":1e300}`}, "malicious 100"},
		{"no score", map[string]string{status: reported, report: `{"info":{}}`}, "garbage"},
		{"did not run", map[string]string{status: reported, report: `{"malscore":0,"malstatus":"Failed"}`}, "refused"},
		{"status in an object", map[string]string{status: `{"error":false,"data":{"status":"reported"}}`, report: `{"malscore":0}`}, "clean 0"},
		{"status disabled", map[string]string{status: `{"error":true,"error_value":"Task status API is disabled"}`,
			view: `{"error":false,"data":{"id":7,"status":"reported"}}`, report: `{"malscore":0}`}, "clean 0"},
		{"status and view disabled", map[string]string{status: disabled, view: disabled, report: unfinshed}, "pending 7"},
		{"status and view disabled and done", map[string]string{status: disabled, view: disabled, report: `{"malscore":0}`}, "clean 0"},
		{"report disabled", map[string]string{status: reported, report: disabled, iocs: `{"error":false,"data":{"malscore":8.0}}`}, "malicious 80"},
		{"report is a page", map[string]string{status: reported, report: `<html>You don't have permissions</html>`, iocs: `{"error":false,"data":{"malscore":8.0}}`}, "malicious 80"},
		{"no report kept", map[string]string{status: reported, report: `{"error":true,"error_value":"Reports directory does not exist"}`, iocs: `{"error":false,"data":{"malscore":1.0}}`}, "clean 10"},
		{"report and iocs disabled", map[string]string{status: reported, report: disabled, iocs: disabled}, "config"},
		{"red", map[string]string{status: reported, report: `{"error":true,"error_value":"Task has a TLP of RED"}`, iocs: `{"error":true,"error_value":"Task has a TLP of RED"}`}, "refused"},
		{"report throttled", map[string]string{status: reported, report: `429 {"detail":"Request was throttled. Expected available in 3 seconds."}`}, "busy for 3s"},
		{"report too deep", map[string]string{status: reported, report: strings.Repeat(`{"children":[`, 1000)}, "garbage"},
		{"still at work after all", map[string]string{status: `{"error":false,"data":"recovered"}`, report: unfinshed}, "pending 7"},
		{"failed", map[string]string{status: `{"error":false,"data":"failed_analysis"}`}, "refused"},
		{"banned", map[string]string{status: `{"error":false,"data":"banned"}`}, "refused"},
		{"forgotten", map[string]string{status: gone}, "forgotten"},
		{"hidden", map[string]string{status: `404 {"error":true,"error_value":"Task not found"}`}, "forgotten"},
		{"throttled", map[string]string{status: `429 {"detail":"Request was throttled."}`}, "busy"},
		{"broken", map[string]string{status: `500 oh`}, "down"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := serve(t, cape.Settings{}, test.answers)
			if got := outcome(b.Poll(t.Context(), "7", object)); got != test.want {
				t.Errorf("Poll = %q; want %q", got, test.want)
			}
		})
	}
}

// An archive is as bad as the worst that is in it.
func TestPollOfSeveralTasks(t *testing.T) {
	answers := map[string]string{
		status: reported, report: `{"malscore":2}`,
		"GET /apiv2/tasks/status/8/":          reported,
		"GET /apiv2/tasks/get/report/8/json/": `{"malscore":9}`,
		"GET /apiv2/tasks/status/9/":          `{"error":false,"data":"running"}`,
	}
	b := serve(t, cape.Settings{}, answers)
	if got := outcome(b.Poll(t.Context(), "7,8", object)); got != "malicious 90" {
		t.Errorf("Poll = %q; want the worst", got)
	}
	if got := outcome(b.Poll(t.Context(), "7,8,9", object)); got != "pending 7,8,9" {
		t.Errorf("Poll = %q; want pending", got)
	}
	for _, id := range []string{"", "7,", "../7", "7/8", strings.Repeat("7,", 40) + "7"} {
		if got := outcome(b.Poll(t.Context(), id, object)); got != "forgotten" {
			t.Errorf("Poll of %q = %q; want that it is none of this server's", id, got)
		}
	}
}

func TestThresholdsAreSettings(t *testing.T) {
	for _, test := range []struct {
		malicious, suspicious float64
		score, want           string
	}{
		{9, 2, "8.9", "suspicious 89"},
		{9, 2, "9", "malicious 90"},
		{9, 2, "1.9", "clean 19"},
		{3, 0, "3", "malicious 30"},
		{3, 0, "2.9", "clean 29"},
	} {
		b := serve(t, cape.Settings{Malicious: test.malicious, Suspicious: test.suspicious}, map[string]string{status: reported, report: `{"malscore":` + test.score + `}`})
		if got := outcome(b.Poll(t.Context(), "7", object)); got != test.want {
			t.Errorf("malscore %s with %v, %v = %q; want %q", test.score, test.malicious, test.suspicious, got, test.want)
		}
	}
}

func TestReportIsTranslated(t *testing.T) {
	inner := strings.Repeat("b", 64)
	b := serve(t, cape.Settings{Translate: cuckoo.Parse}, map[string]string{status: reported, report: `{
		"info": {"version": "2.4-CAPE", "id": 7}, "malscore": 10.0, "detections": [{"family": "Emotet", "details": [{"Yara": "x"}]}, {"family": "Emotet"}],
		"target": {"category": "file", "file": {"name": "inner.exe", "sha256": "` + inner + `", "size": 3}},
		"behavior": {"summary": {"mutexes": ["Global\\Evil"]}, "processes": []}}`})
	a, err := b.Poll(t.Context(), "7", object)
	if err != nil || a.Report == nil {
		t.Fatalf("Poll = %+v, %v; want a report", a, err)
	}
	want := verdict.Verdict{SHA256: object.SHA256, Level: verdict.Malicious, Score: 100, Threats: []string{"Emotet"}, Sandbox: "CAPE 2.4-CAPE", Time: now}
	if diff := cmp.Diff(want, a.Report.Verdict); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`Global\Evil`}, a.Report.Mutexes); diff != "" {
		t.Errorf("mutexes (-want +got):\n%s", diff)
	}
	if a.Report.Object.SHA256 != object.SHA256 {
		t.Errorf("the report is of %q; want the object that was asked about", a.Report.Object.SHA256)
	}
	if n := len(a.Report.Dropped); n != 1 || a.Report.Dropped[0].SHA256 != inner {
		t.Errorf("dropped = %+v; want what was in the archive", a.Report.Dropped)
	}
	if _, err := a.Report.Marshal(); err != nil {
		t.Errorf("the report cannot be written: %v", err)
	}
}

func TestUnreadableReportLeavesTheVerdict(t *testing.T) {
	b := serve(t, cape.Settings{Translate: func([]byte) (*verdict.Report, error) { return nil, cuckoo.ErrNoReport }},
		map[string]string{status: reported, report: `{"malscore":9}`})
	a, err := b.Poll(t.Context(), "7", object)
	if err != nil || a.Verdict == nil || a.Verdict.Level != verdict.Malicious || a.NoReport == nil {
		t.Errorf("Poll = %+v, %v; want malicious, and why there is no report", a, err)
	}
}
