package verdict_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/verdict"
)

const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// whole is a report with something in each field.
func whole() *verdict.Report {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	return &verdict.Report{
		Format: verdict.Format,
		Verdict: verdict.Verdict{SHA256: sum, Level: verdict.Malicious, Score: 92, Threats: []string{"Dropper"}, Sandbox: "Tyto 0.4",
			Database: "7", Time: at},
		Object:     verdict.Object{Name: "run.sh", Size: 120, SHA256: sum, SHA1: strings.Repeat("a", 40), MD5: strings.Repeat("b", 32), Type: "script"},
		Engines:    []verdict.Engine{{Name: "jail", Level: verdict.Malicious, Score: 92, Seconds: 1.5, Saw: "it ran", Blind: []string{"Windows programs"}}},
		Platform:   "linux",
		Users:      []string{"ada"},
		Computer:   "sandbox",
		Behaviours: []verdict.Behaviour{{ID: "drops-program", Engine: "jail", Score: 70, Detail: "drops a program", Evidence: []string{"/tmp/x"}}},
		Dropped:    []verdict.Dropped{{Path: "/tmp/x", Size: 3, SHA256: sum, Executable: true}},
		Files:      []verdict.FileAct{{Path: "/tmp/x", Act: verdict.Created, Size: 3}, {Path: "/tmp/x", Act: verdict.Moved, To: "/tmp/y"}},
		Processes:  []verdict.Process{{PID: 7, Parent: 1, Path: "/bin/sh", Arguments: []string{"sh", "run.sh"}}},
		Registry:   []verdict.Registry{{Key: `HKEY_CURRENT_USER\Software\X`, Value: "v", Data: "d", Act: verdict.Written}},
		Services:   []verdict.Service{{Name: "x", Path: "/tmp/x"}},
		Mutexes:    []string{"m"},
		Domains:    []string{"evil.example"},
		URLs:       []string{"http://evil.example/"},
		Connections: []verdict.Connection{
			{Protocol: "tcp", Address: "192.0.2.1", Port: 443, Domain: "evil.example", Time: &at},
		},
		Notes: []string{"made by hand"}, Skipped: 1, Cut: 2,
	}
}

func TestMarshalParse(t *testing.T) {
	data, err := whole().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := verdict.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole(), got); diff != "" {
		t.Errorf("the report changed on its way (-want +got):\n%s", diff)
	}
}

// minimal is the least that is a report, with more fields behind.
func minimal(more string) string {
	return fmt.Sprintf(`{"format":1,"verdict":{"sha256":%q,"level":"malicious","score":90,"time":"2026-11-21T10:00:00Z"},"object":{"sha256":%q,"size":1}%s}`, sum, sum, more)
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ name, report, want string }{
		{"nothing", "", "EOF"},
		{"no object", "[]", "[ stands"},
		{"half", minimal("")[:60], "EOF"},
		{"other form", strings.Replace(minimal(""), `"format":1`, `"format":2`, 1), "format 2"},
		{"no hash", strings.Replace(minimal(""), `"object":{"sha256":"9f`, `"object":{"sha256":"XY`, 1), "64 lower-case"},
		{"verdict on another", strings.Replace(minimal(""), `"verdict":{"sha256":"9f`, `"verdict":{"sha256":"00`, 1), "verdict is on"},
		{"score", strings.Replace(minimal(""), `90`, `900`, 1), "score 900"},
		{"size", strings.Replace(minimal(""), `"size":1`, `"size":-1`, 1), "size is -1"},
		{"list of another type", minimal(`,"files":{}`), "not a list"},
		{"entry of another type", minimal(`,"mutexes":[1]`), `"mutexes"`},
		{"more behind", minimal("") + "{}", "something follows"},
		{"too long", minimal("") + strings.Repeat(" ", verdict.MaxReport), "at most"},
		{"object too long", minimal(`,"object":{"name":"` + strings.Repeat("x", 300_000) + `"}`), "longer than"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := verdict.Parse([]byte(test.report))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want one with %q", err, test.want)
			}
		})
	}
	if _, err := verdict.Parse([]byte(strings.Replace(minimal(""), `"format":1`, `"format":2`, 1))); !errors.Is(err, verdict.ErrFormat) {
		t.Errorf("a later form gives %v, want ErrFormat", err)
	}
}

// What a report has too much of is cut and counted.
func TestParseCuts(t *testing.T) {
	long := strings.Repeat("x", verdict.MaxText+1)
	tests := []struct {
		name, more string
		cut        int
		check      func(*verdict.Report) bool
	}{
		{"long list", `,"mutexes":["a"` + strings.Repeat(`,"b"`, verdict.MaxList+4) + `]`, 5,
			func(r *verdict.Report) bool { return len(r.Mutexes) == verdict.MaxList && r.Mutexes[0] == "a" }},
		{"one list twice", `,"mutexes":["a"],"mutexes":["b"]`, 0, func(r *verdict.Report) bool { return len(r.Mutexes) == 2 }},
		{"long path", `,"files":[{"path":"` + long + `","act":"created"},{"path":"b","act":"created"}]`, 1,
			func(r *verdict.Report) bool { return len(r.Files) == 1 && r.Files[0].Path == "b" }},
		{"unknown act", `,"files":[{"path":"a","act":"juggled"}]`, 1, func(r *verdict.Report) bool { return r.Files == nil }},
		{"no address", `,"connections":[{"address":"evil.example","port":1}]`, 1, func(r *verdict.Report) bool { return r.Connections == nil }},
		{"bad hash", `,"dropped":[{"path":"a","sha256":"00"}]`, 1, func(r *verdict.Report) bool { return r.Dropped == nil }},
		{"many arguments", `,"processes":[{"arguments":["a"` + strings.Repeat(`,"b"`, 500) + `]}]`, 0,
			func(r *verdict.Report) bool { return len(r.Processes[0].Arguments) == verdict.MaxSublist }},
		{"large entry", `,"processes":[{"arguments":["a"` + strings.Repeat(`,""`, 100_000) + `]}]`, 1,
			func(r *verdict.Report) bool { return r.Processes == nil }},
		{"long detail", `,"behaviours":[{"id":"x","engine":"e","detail":"` + long + `"}]`, 0,
			func(r *verdict.Report) bool { return len(r.Behaviours[0].Detail) == verdict.MaxText }},
		{"unknown level", `,"engines":[{"name":"e","level":"splendid"}]`, 0,
			func(r *verdict.Report) bool { return r.Engines[0].Level == verdict.Error }},
		{"unknown field", `,"weather":["fine",{"x":[]}]`, 0, func(*verdict.Report) bool { return true }},
		{"null", `,"files":null`, 0, func(r *verdict.Report) bool { return r.Files == nil }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := verdict.Parse([]byte(minimal(test.more)))
			if err != nil {
				t.Fatal(err)
			}
			if r.Cut != test.cut || !test.check(r) {
				t.Errorf("%d entries are cut, want %d; the report is %.300v", r.Cut, test.cut, *r)
			}
		})
	}
}

// A report that is too long as a whole loses the ends of its lists, and stays as it is in memory.
func TestMarshalShortens(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 16 MiB twice")
	}
	r := whole()
	for i := range 6000 {
		r.Files = append(r.Files, verdict.FileAct{Path: fmt.Sprint(i) + strings.Repeat("x", 3000), Act: verdict.Created})
	}
	before := len(r.Files)
	data, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := verdict.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != before || got.Cut <= r.Cut || len(got.Files)+got.Cut-r.Cut != before || got.Files[0] != r.Files[0] {
		t.Errorf("%d of %d files are left and %d cut", len(got.Files), before, got.Cut)
	}
}

func TestMarshalRefuses(t *testing.T) {
	r := whole()
	r.Object.SHA256 = ""
	if _, err := r.Marshal(); err == nil {
		t.Error("a report on nothing was written")
	}
}

// Whatever is read can be written, and is the same when read again.
func FuzzParse(f *testing.F) {
	data, err := whole().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(minimal(`,"mutexes":["\u0000","\ud800"],"dropped":[]`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := verdict.Parse(data)
		if err != nil {
			return
		}
		written, err := r.Marshal()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := verdict.Parse(written)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatalf("the report changed (-read +read again):\n%s", diff)
		}
	})
}
