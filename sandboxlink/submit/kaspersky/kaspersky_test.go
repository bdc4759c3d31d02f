package kaspersky_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/submit/kaspersky"
	"tyto/sandboxlink/submit/wire"
	"tyto/sandboxlink/submit/wire/wiretest"
	"tyto/verdict"
)

// object is what the tests ask about.
var object = wire.Object{SHA256: strings.Repeat("0123456789abcdef", 4), Size: 7, Name: "a.exe"}

const id = "6bb3e2f2f1c14f0e9f5a4b3c2d1e0f00"

// reply is what a server answers.
type reply struct {
	status int
	header map[string]string
	body   string
}

// serve starts a server that answers requests ("GET /path") as written, and 404 otherwise.
func serve(t *testing.T, tyto bool, answers map[string]reply) *kaspersky.Backend {
	t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.URL.EscapedPath()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method == http.MethodPost {
			f, head, err := r.FormFile("sample")
			if err != nil {
				t.Errorf("the form: %v", err)
				return
			}
			if content, err := io.ReadAll(f); err != nil || string(content) != "content" || head.Filename != "a.exe" {
				t.Errorf("uploaded %q as %q, %v", content, head.Filename, err)
			}
		}
		for name, value := range answer.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.status)
		io.WriteString(w, answer.body)
	})
	limits := wire.Limits{Connect: 20 * time.Second, Answer: 30 * time.Second}
	client, err := wire.NewClient(wiretest.Serve(t, "", handler), limits, "Bearer")
	if err != nil {
		t.Fatal(err)
	}
	b := kaspersky.New(client, kaspersky.Settings{Tyto: tyto})
	t.Cleanup(b.Close)
	return b
}

// outcome puts an answer or an error in few words: "pending ID", "malicious 100", "busy".
func outcome(a wire.Answer, err error) string {
	var fault *wire.Error
	switch {
	case errors.Is(err, wire.ErrUnknown):
		return "unknown"
	case errors.Is(err, wire.ErrForgotten):
		return "forgotten"
	case errors.As(err, &fault):
		return string(fault.Kind)
	case err != nil:
		return err.Error()
	case a.Pending:
		return "pending " + a.Task
	}
	return string(a.Verdict.Level)
}

func TestSubmit(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"known and bad", 200, "Found", "malicious"},
		{"known and good", 200, "Not found", "clean"},
		{"a json string", 200, "\"Not found\"\n", "clean"},
		{"another spelling", 200, " NOT_FOUND ", "clean"},
		{"a json object", 200, `{"status":"Found"}`, "malicious"},
		{"known to be impossible", 200, "Error", "refused"},
		{"accepted", 201, id, "pending " + id},
		{"accepted with line end", 201, id + "\r\n", "pending " + id},
		{"accepted in json", 201, `"` + id + `"`, "pending " + id},
		{"accepted in a json object", 201, `{"task_id":"` + id + `"}`, "pending " + id},
		{"accepted with a number", 201, `{"id": 17}`, "pending 17"},
		{"accepted without an id", 201, "", "garbage"},
		{"an id that climbs", 201, "../../../etc/passwd", "garbage"},
		{"an id with a line end", 201, "a\r\nHost: elsewhere", "garbage"},
		{"an endless id", 201, strings.Repeat("a", 1000), "garbage"},
		{"bad request", 400, "Bad request", "config"},
		{"format with another status", 400, "File format is not supported", "refused"},
		{"certificate", 400, "No required SSL certificate was sent", "config"},
		{"too large for the way", 413, "", "refused"},
		{"no licence", 500, "No license", "config"},
		{"no licence in other words", 500, "The application licence has expired", "config"},
		{"too large", 500, "File size is larger than 60 MB", "refused"},
		{"too large for tyto", 500, "the sample is too large: 70 MiB", "refused"},
		{"format", 500, "File format is not supported", "refused"},
		{"queue full", 500, "request queue full", "busy"},
		{"queue full in json", 500, `{"error":"Request queue is FULL"}`, "busy"},
		{"unknown error", 500, "Unknown error", "down"},
		{"no text", 500, "", "down"},
		{"unavailable", 503, "", "busy"},
		{"time out", 504, "", "down"},
		{"no such page", 404, "", "config"},
		{"who are you", 401, "", "config"},
		{"a page of a proxy", 200, "<html>Please log in</html>", "garbage"},
		{"processing without an id", 200, "Processing", "garbage"},
		{"nesting", 200, strings.Repeat(`{"status":`, 9000), "garbage"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := serve(t, false, map[string]reply{"POST /sandbox/v1/tasks": {status: test.status, body: test.body}})
			if got := outcome(b.Submit(t.Context(), object, strings.NewReader("content"))); got != test.want {
				t.Errorf("Submit = %q; want %q", got, test.want)
			}
		})
	}
}

func TestPoll(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		want   string
	}{
		{200, "Processing", "pending " + id},
		{200, `"processing"`, "pending " + id},
		{200, "Found", "malicious"},
		{200, "Not found", "clean"},
		{200, "Error", "refused"},
		{200, "", "garbage"},
		{200, "OK", "garbage"},
		{200, "\x00\x01\x02", "garbage"},
		{400, "Bad request", "forgotten"},
		{400, "No required SSL certificate was sent", "config"},
		{404, "Not found", "forgotten"},
		{500, "Unknown error", "down"},
		{503, "", "busy"},
		{504, "", "down"},
	} {
		t.Run(test.body, func(t *testing.T) {
			b := serve(t, false, map[string]reply{"GET /sandbox/v1/tasks/" + id: {status: test.status, body: test.body}})
			if got := outcome(b.Poll(t.Context(), id, object)); got != test.want {
				t.Errorf("Poll of %d %q = %q; want %q", test.status, test.body, got, test.want)
			}
		})
	}
	t.Run("odd ids are escaped", func(t *testing.T) {
		b := serve(t, false, map[string]reply{"GET /sandbox/v1/tasks/%7Ba:b%7D": {status: 200, body: "Found"}})
		if got := outcome(b.Poll(t.Context(), "{a:b}", object)); got != "malicious" {
			t.Errorf("Poll = %q", got)
		}
	})
	t.Run("ids of others are not asked for", func(t *testing.T) {
		b := serve(t, false, nil)
		if got := outcome(b.Poll(t.Context(), "../objects", object)); got != "forgotten" {
			t.Errorf("Poll = %q", got)
		}
	})
}

func TestKasperskyHasNoLookup(t *testing.T) {
	b := serve(t, false, nil)
	if got := outcome(b.Lookup(t.Context(), object)); got != "unknown" {
		t.Errorf("Lookup = %q; want unknown", got)
	}
	if version, err := b.Database(t.Context()); version != "" || err != nil {
		t.Errorf("Database = %q, %v; want none", version, err)
	}
}

// report is what our own server would tell.
func report(t *testing.T, change func(*verdict.Report)) string {
	t.Helper()
	v := verdict.Verdict{SHA256: object.SHA256, Level: verdict.Suspicious, Score: 55, Sandbox: "Tyto 9", Database: "d2",
		Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	r := &verdict.Report{Format: verdict.Format, Verdict: v, Object: verdict.Object{SHA256: object.SHA256, Size: 7},
		Engines: []verdict.Engine{{Name: "static", Level: verdict.Suspicious, Score: 55}}}
	if change != nil {
		change(r)
	}
	data, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestTytoTellsMore(t *testing.T) {
	b := serve(t, true, map[string]reply{
		"GET /sandbox/v1/objects/" + object.SHA256: {status: 200, body: `{"task":"` + id + `","status":"Not found"}`},
		"GET /sandbox/v1/tasks/" + id:              {status: 200, body: "Not found"},
		"GET /sandbox/v1/tasks/" + id + "/report":  {status: 200, body: report(t, nil)},
		"GET /sandbox/v1/database":                 {status: 200, body: `{"sandbox":"Tyto 9","database":"d2"}`},
		"POST /sandbox/v1/tasks":                   {status: 200, body: "Not found", header: map[string]string{"X-Tyto-Task": id, "X-Tyto-Database": "d2"}},
	})
	for name, ask := range map[string]func() (wire.Answer, error){
		"lookup": func() (wire.Answer, error) { return b.Lookup(t.Context(), object) },
		"poll":   func() (wire.Answer, error) { return b.Poll(t.Context(), id, object) },
		"submit": func() (wire.Answer, error) { return b.Submit(t.Context(), object, strings.NewReader("content")) },
	} {
		t.Run(name, func(t *testing.T) {
			a, err := ask()
			if err != nil || a.Report == nil {
				t.Fatalf("answer = %+v, %v; want a report", a, err)
			}
			// The state says "Not found", the report suspicious: the report is right.
			want := verdict.Verdict{SHA256: object.SHA256, Level: verdict.Suspicious, Score: 55, Sandbox: "Tyto 9", Database: "d2",
				Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
			if diff := cmp.Diff(want, *a.Verdict); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
	if version, err := b.Database(t.Context()); version != "d2" || err != nil {
		t.Errorf("Database = %q, %v; want d2", version, err)
	}
}

func TestTytoLookup(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"unknown", 404, "", "unknown"},
		{"a server of kaspersky", 405, "", "unknown"},
		{"at work", 200, `{"task":"` + id + `","status":"Processing"}`, "pending " + id},
		{"failed before", 200, `{"task":"` + id + `","status":"Error"}`, "unknown"},
		{"no id", 200, `{"status":"Processing"}`, "garbage"},
		{"an id that climbs", 200, `{"task":"../x","status":"Found"}`, "garbage"},
		{"no state", 200, `{"task":"` + id + `"}`, "garbage"},
		{"a list", 200, `[]`, "garbage"},
		{"broken", 500, ``, "down"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := serve(t, true, map[string]reply{"GET /sandbox/v1/objects/" + object.SHA256: {status: test.status, body: test.body}})
			if got := outcome(b.Lookup(t.Context(), object)); got != test.want {
				t.Errorf("Lookup = %q; want %q", got, test.want)
			}
		})
	}
}

// A report that cannot be had, or is of something else, does not hold the verdict back.
func TestVerdictWithoutReport(t *testing.T) {
	for _, test := range []struct {
		name string
		reply
		want string
	}{
		{"none", reply{status: 404}, "HTTP 404"},
		{"not yet", reply{status: 202, body: "Processing"}, "HTTP 202"},
		{"broken", reply{status: 500, body: "oh"}, "HTTP 500"},
		{"no json", reply{status: 200, body: "Found"}, "cannot be read"},
		{"of another object", reply{status: 200, body: strings.ReplaceAll(report(t, nil), object.SHA256, strings.Repeat("f", 64))}, "another object"},
		{"without a verdict", reply{status: 200, body: report(t, func(r *verdict.Report) { r.Verdict.Level = verdict.Error })}, "no verdict"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := serve(t, true, map[string]reply{
				"GET /sandbox/v1/tasks/" + id:             {status: 200, body: "Found"},
				"GET /sandbox/v1/tasks/" + id + "/report": test.reply,
			})
			a, err := b.Poll(t.Context(), id, object)
			if err != nil || a.Verdict == nil || a.Verdict.Level != verdict.Malicious || a.Report != nil {
				t.Fatalf("Poll = %+v, %v; want malicious without report", a, err)
			}
			if a.NoReport == nil || !strings.Contains(a.NoReport.Error(), test.want) {
				t.Errorf("NoReport = %v; want %q", a.NoReport, test.want)
			}
		})
	}
}
