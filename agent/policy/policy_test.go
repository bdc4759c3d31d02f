package policy_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/agent/policy"
)

var update = flag.Bool("update", false, "write the table of settings in docs/policy.md anew")

func TestParse(t *testing.T) {
	document := `
data: /srv/tyto
detection:
  rules: [builtin, /]
presence:
  input_idle: 10m
resources:
  cpu_limit: 20
  max_size: 50MiB
response:
  quarantine: true
  level: warning
quarantine:
  when_full: drop_oldest
results:
  keep: 7d
events:
  system_log: "off"
`
	want := policy.Default()
	want.Data = "/srv/tyto"
	want.Detection.Rules = []string{"builtin", "/"}
	want.Presence.InputIdle = 10 * time.Minute
	want.Resources.CPULimit = 20
	want.Resources.MaxSize = 50 << 20
	want.Response.Quarantine = true
	want.Response.Level = "warning"
	want.Quarantine.WhenFull = policy.DropOldest
	want.Results.Keep = 7 * 24 * time.Hour
	want.Events.SystemLog = policy.Off
	if runtime.GOOS == "windows" {
		document = strings.NewReplacer("/srv", `C:\srv`, " /]", ` 'C:\']`).Replace(document)
		want.Data, want.Detection.Rules[1] = `C:\srv/tyto`, `C:\`
	}
	got, problems := policy.Parse("policy.yaml", []byte(document))
	if len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

// An empty file, the example and what show prints of the defaults all say the same.
func TestDefaults(t *testing.T) {
	shown, err := policy.Default().YAML()
	if err != nil {
		t.Fatal(err)
	}
	for name, document := range map[string][]byte{"empty": nil, "example": policy.Example(), "shown": shown} {
		got, problems := policy.Parse(name, document)
		if len(problems) > 0 {
			t.Errorf("%s: problems %v", name, problems)
		}
		if diff := cmp.Diff(policy.Default(), got); diff != "" {
			t.Errorf("%s (-default +got):\n%s", name, diff)
		}
	}
}

// The task that the example shows in a comment is one.
func TestExampleTask(t *testing.T) {
	_, tasks, found := strings.Cut(string(policy.Example()), "tasks: []\n")
	if !found {
		t.Fatal("the example has no tasks")
	}
	var document strings.Builder
	for line := range strings.Lines(tasks) {
		text, comment := strings.CutPrefix(line, "# ")
		if !comment {
			break
		}
		document.WriteString(text)
	}
	p, problems := policy.Parse("example", []byte(document.String()))
	if len(problems) > 0 || len(p.Tasks) != 1 {
		t.Errorf("%d tasks, problems %v, in\n%s", len(p.Tasks), problems, &document)
	}
}

func TestProblems(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	root := "/"
	if runtime.GOOS == "windows" {
		root = `C:\`
	}
	for _, test := range []struct {
		name, document string
		want           []string // "line[ warning]: part of the message"
	}{
		{"a folder that is not whole", "data: state", []string{`1: "data": "state" is no whole path`}},
		{"rules that are missing", "detection: {rules: ['" + root + "no-such']}", []string{`1 warning: "detection.rules[0]": `}},
		{"nothing to look for", "detection:\n  rules: []", []string{`1 warning: "detection": there is nothing to look for`}},
		{"an empty path", "detection: {indicators: ['']}", []string{`1: "detection.indicators[0]": the path is empty`}},
		{"built-in indicators", "detection: {indicators: [builtin]}", []string{`"builtin" is no whole path`}},
		{"unknown source", "presence:\n  source: logind", []string{`2: "presence.source": "logind" is unknown`}},
		{"source in a file", "presence: {source: 'file:" + root + "presence'}", []string{`1 warning: "presence.source": a file says`}},
		{"source in no file", "presence: {source: 'file:'}", []string{`the path behind "file:" is missing`}},
		{"too short a silence", "presence: {input_idle: 5s}", []string{`"presence.input_idle": 5s is too short`}},
		{"resources", "resources:\n  workers: -1\n  cpu_limit: 0.2\n  worker_memory: 1MiB\n  max_object_time: 5ms\n  on_battery: never", []string{
			`2: "resources.workers": -1 cannot be`, `3: "resources.cpu_limit": 0.2 cannot be`, `4: "resources.worker_memory": 1MiB is too little`,
			`5: "resources.max_object_time": 5ms is too short`, `6: "resources.on_battery": "never" is unknown: use wait or run`,
		}},
		{"command that the path finds", "response: {command: [sh, -c, x]}", []string{`"response.command[0]": "sh" is no whole path`}},
		{"command that is missing", "response: {command: ['" + root + "no-such']}", []string{`1 warning: "response.command[0]"`}},
		{"quarantine", "quarantine: {limit: 1MiB, when_full: burn, protected: [etc]}", []string{
			`"quarantine.object_limit": 100MiB do not fit into the whole vault of 1MiB`, `"quarantine.when_full": "burn" is unknown`, `"quarantine.protected[0]": "etc" is no whole path`,
		}},
		{"results", "results: {keep: 5m}", []string{`"results.keep": 5m is too short`}},
		{"sandbox", `sandbox:
  servers:
    - {address: "sandbox.example", kind: magic}
    - {address: "https://sandbox.example:443/"}
    - {address: "[fe80::1%lo]:443"}
    - {address: "a b:1", pin: 77, client_key: key.pem}
    - {address: "http://[::1]:8080", ca: ca.pem}
  timeout: 1ms
  parallel: 0
  bandwidth: 5
  intercept: {wait: 1h, file_systems: [home]}
  decide: {kinds: [exe]}
  recall: {clean: 1s}
  queue: {limit: 1KiB, object_limit: 0}
  response: {task: {run: soon, areas: [moon], paths: [srv], expire: 1s}}
`, []string{
			`"sandbox.servers[0].kind": "magic" is unknown`, `"sandbox.servers[1].address": it is the server on line 3 again`,
			`"sandbox.servers[2].address": server "[fe80::1%lo]:443": an address with a zone`, `"sandbox.servers[3].address": server "a b:1"`,
			`"sandbox.servers[3].pin": it is neither`, `"sandbox.servers[3].client_certificate": client_certificate and client_key are set together`,
			`"sandbox.servers[3].client_key": "key.pem" is no whole path`, `"sandbox.servers[4].address": objects are sent and verdicts are believed without TLS`,
			`"sandbox.servers[4].ca": "ca.pem" is no whole path`, `"sandbox.timeout": 1ms cannot be`, `"sandbox.parallel": 0 cannot be`,
			`"sandbox.bandwidth": 5 each second is too little`, `"sandbox.intercept.file_systems[0]": "home" is no whole path`, `"sandbox.intercept.wait": 1h cannot be`,
			`"sandbox.decide.kinds[0]": "exe" is unknown`, `"sandbox.recall.clean": 1s cannot be`, `"sandbox.queue.limit": 1KiB holds next to nothing`,
			`"sandbox.response.task.run": "soon" is unknown`, `"sandbox.response.task.areas[0]": "moon" is unknown`,
			`"sandbox.response.task.paths[0]": "srv" is no whole path`, `"sandbox.response.task.expire": 1s cannot be`,
		}},
		{"events", "events: {level: debug, file: log, file_size: 1, file_count: 1000, system_log: cloud}", []string{
			`"events.level": "debug" is unknown`, `"events.file": "log" is no whole path`, `"events.file_size": 1 is too small`,
			`"events.file_count": 1000 cannot be`, `"events.system_log": "cloud" is unknown`,
		}},
		{"address", "control:\n  address: agent", []string{`2: "control.address": "agent" is no `}},
		{"tasks of one id", "tasks:\n- id: a\n  scope: {areas: [computer]}\n- id: a\n  scope: {areas: [computer]}", []string{`4: "tasks[1].id": "a" is the id of the task on line 2 as well`}},
		{"a task's fields", "tasks:\n- id: a\n  scope:\n    areas: [attic]\n  while:\n    hours: late", []string{`4: "tasks[0].scope.areas[0]"`, `6: "tasks[0].while.hours"`}},
		{"reading and meaning", "nme: 1\nresults: {keep: 5m}\npresence: {source: x}", []string{`1: unknown key "nme"`, `2: "results.keep"`, `3: "presence.source"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problems := policy.Parse("policy.yaml", []byte(test.document))
			var got []string
			for _, p := range problems {
				warning := ""
				if p.Warning {
					warning = " warning"
				}
				got = append(got, fmt.Sprintf("%d%s: %s", p.Line, warning, p.Message))
			}
			if len(got) != len(test.want) {
				t.Fatalf("%d problems, want %d:\n%s", len(got), len(test.want), strings.Join(got, "\n"))
			}
			for i := range got {
				if !strings.Contains(got[i], test.want[i]) {
					t.Errorf("problem %q, want one with %q", got[i], test.want[i])
				}
			}
		})
	}
	if runtime.GOOS != "windows" {
		_, problems := policy.Parse("f", []byte("response: {command: ["+open+"]}"))
		if !policy.Broken(problems) || !strings.Contains(problems[0].Message, "others may write it") {
			t.Errorf("a command that everybody can change: %v", problems)
		}
	}
}

// docs/policy.md has a line for each setting, made of its tag: go test ./agent/policy -update
func TestDocumentation(t *testing.T) {
	const begin, end = "<!-- settings -->\n", "<!-- end of settings -->\n"
	file := filepath.Join("..", "..", "docs", "policy.md")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(content), "\r\n", "\n")
	head, rest, found := strings.Cut(text, begin)
	got, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no table between %q and %q", file, begin, end)
	}
	var want strings.Builder
	want.WriteString("| setting | default | meaning |\n|---|---|---|\n")
	for _, s := range policy.Settings() {
		switch {
		case s.Doc == "":
			t.Errorf("the setting %q has no doc tag", s.Path)
		case s.Group:
			fmt.Fprintf(&want, "| **%s** | | %s |\n", s.Path, escaped(s.Doc))
		default:
			fmt.Fprintf(&want, "| `%s` | `%s` | %s |\n", s.Path, s.Default, escaped(s.Doc))
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("the table in %s (-want +got); write it with -update:\n%s", file, diff)
	}
}

// escaped keeps Markdown from taking stars and bars for its own.
func escaped(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", "&lt;").Replace(s)
}

func TestSize(t *testing.T) {
	for text, want := range map[string]policy.Size{"0": 0, "4096": 4096, "100MiB": 100 << 20, "1.5k": 1536, "2 GB": 2e9, "7b": 7} {
		if got, err := policy.ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "nan", "1e30", "10 apples"} {
		if got, err := policy.ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(policy.Example())
	f.Add([]byte("tasks:\n- id: a\n  scope: {areas: [computer]}\n"))
	f.Add([]byte("response: {command: [/bin/true]}"))
	f.Fuzz(func(t *testing.T, document []byte) {
		p, problems := policy.Parse("f", document)
		if policy.Broken(problems) {
			return
		}
		// What is accepted can be shown, and says the same when it is read again.
		shown, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, problems := policy.Parse("shown", shown)
		if policy.Broken(problems) {
			t.Fatalf("what was shown is refused: %v\n%s", problems, shown)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Errorf("shown and read again (-first +again):\n%s", diff)
		}
	})
}
