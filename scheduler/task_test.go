package scheduler

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// abs makes a path of the tests absolute on this system.
func abs(path string) string {
	if runtime.GOOS == "windows" {
		return `C:` + strings.ReplaceAll(path, "/", `\`)
	}
	return path
}

const wholeTask = `
id: nightly
name: Every night
description: All local drives while nobody is there.
scope:
  areas: [computer]
  exclude: ["*.iso", "node_modules/"]
  one_file_system: true
  network: true
  no_archives: true
  max_size: 200MiB
  full: true
rules: [builtin]
indicators: [builtin]
actions:
  quarantine: true
  scan_critical: true
  dry_run: true
when:
  schedule: ["30 2 * * *", "@weekly"]
  once: "2026-12-01 02:00"
  time_zone: Europe/Berlin
  at_start: true
  start_delay: 5m
  after_update: true
  after_detection: true
  random_delay: 1h30m
  skip_missed: true
while:
  idle: true
  idle_override: never
  hours: 20:00-07:00
  on_battery: true
  max_duration: 6h
  cpu_limit: 20
expire_after: 30d
keep_results: 1d12h
`

func TestParseTheWholeTask(t *testing.T) {
	want := &Task{
		ID: "nightly", Name: "Every night", Description: "All local drives while nobody is there.",
		Scope: Scope{Areas: []Area{Computer}, Exclude: []string{"*.iso", "node_modules/"},
			OneFileSystem: true, Network: true, NoArchives: true, MaxSize: 200 << 20, Full: true},
		Rules: []string{Builtin}, Indicators: []string{Builtin},
		Actions: Actions{Quarantine: true, ScanCritical: true, DryRun: true},
		When: When{Schedule: []string{"30 2 * * *", "@weekly"}, Once: "2026-12-01 02:00", TimeZone: "Europe/Berlin",
			AtStart: true, StartDelay: Duration(5 * time.Minute), AfterUpdate: true, AfterDetection: true,
			RandomDelay: Duration(90 * time.Minute), SkipMissed: true},
		While: While{Idle: true, IdleOverride: Never, Hours: "20:00-07:00", OnBattery: true,
			MaxDuration: Duration(6 * time.Hour), CPULimit: 20},
		ExpireAfter: Duration(30 * day), KeepResults: Duration(36 * time.Hour),
	}
	fromYAML, err := ParseYAML([]byte(wholeTask))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromYAML); diff != "" {
		t.Errorf("from YAML (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromJSON); diff != "" {
		t.Errorf("from its own JSON (-want +got):\n%s", diff)
	}
	text, err = yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseYAML(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("from its own YAML (-want +got):\n%s", diff)
	}
	// The keys of both forms are the same, so what is documented for one holds for the other.
	var y, j map[string]any
	if err := yaml.Unmarshal([]byte(wholeTask), &y); err != nil {
		t.Fatal(err)
	}
	text, _ = json.Marshal(want)
	if err := json.Unmarshal(text, &j); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(keys(y), keys(j)); diff != "" {
		t.Errorf("keys (-YAML +JSON):\n%s", diff)
	}
}

func keys(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = true
		if inner, ok := v.(map[string]any); ok {
			out[k] = keys(inner)
		}
	}
	return out
}

func TestDefaults(t *testing.T) {
	task, err := ParseYAML([]byte("id: a\nscope: {areas: [critical]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Task{
		ID: "a", Name: "a", Scope: Scope{Areas: []Area{Critical}, MaxSize: 100 << 20},
		Rules: []string{Builtin}, Indicators: []string{Builtin},
		While:       While{IdleOverride: Duration(10 * day), MaxDuration: Never},
		ExpireAfter: Never, KeepResults: Duration(30 * day),
	}
	if diff := cmp.Diff(want, task.WithDefaults()); diff != "" {
		t.Errorf("with defaults (-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown key", "id: a\nscop: {}\n", "line 2: field scop not found"},
		{"unknown key inside", "id: a\nwhen: {schedules: []}\n", "line 2: field schedules not found"},
		{"all bad values at once", "id: a\nwhen: {random_delay: 5}\nwhile: {max_duration: soon}\n", "line 3: \"soon\" is no duration"},
		{"list for a value", "id: a\nkeep_results: [1d]\n", "line 2: a single value is expected here"},
		{"empty", "", "the file is empty"},
		{"two documents", "id: a\nscope: {areas: [critical]}\n---\nid: b\n", "more than one"},
		{"nothing selected", "id: a\n", "scope: selects nothing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseYAML([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	for name, text := range map[string]string{
		"unknown key": `{"id":"a","scope":{"areas":["critical"]},"x":1}`,
		"more":        `{"id":"a","scope":{"areas":["critical"]}} {}`,
		"number":      `{"id":"a","scope":{"areas":["critical"],"max_size":5}}`,
	} {
		if _, err := ParseJSON([]byte(text)); err == nil {
			t.Errorf("JSON with %s was taken", name)
		}
	}
}

func TestCheckNamesAllFields(t *testing.T) {
	bad := Task{
		ID: "Weekly Scan", Name: "a\x1bb",
		Scope:   Scope{Areas: []Area{"cellar"}, Paths: []string{"relative", ""}, Exclude: []string{"[a"}, MaxSize: -5},
		Rules:   []string{""},
		Actions: Actions{Command: []string{"notify"}},
		When: When{Schedule: []string{"@daily", "nonsense"}, Once: "soon", TimeZone: "Mars/Olympus",
			StartDelay: Duration(time.Hour), RandomDelay: Duration(2 * day)},
		While:       While{IdleOverride: Duration(day), Hours: "late", MaxDuration: 1, CPULimit: 0.2},
		ExpireAfter: 1, KeepResults: -7,
	}
	var got []string
	var all *CheckError
	if err := bad.Check(); !errors.As(err, &all) {
		t.Fatalf("Check: %v", err)
	}
	for _, p := range all.Problems {
		got = append(got, p.Field)
	}
	want := []string{
		"id", "name", "scope.areas[0]", "scope.paths[1]", "scope.paths[0]", "scope.exclude[0]", "scope.max_size", "rules[0]",
		"actions.command", "when.random_delay", "while.max_duration", "expire_after", "keep_results",
		"when.start_delay", "while.idle_override", "while.cpu_limit",
		"when.time_zone", "when.schedule[1]", "when.once", "while.hours",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s\n%v", diff, all)
	}
}

func TestDuration(t *testing.T) {
	tests := []struct {
		name, text string
		want       time.Duration
		written    string
	}{
		{"seconds", "90s", 90 * time.Second, "1m30s"},
		{"hours and minutes", "1h30m", 90 * time.Minute, "1h30m"},
		{"hours", "2h", 2 * time.Hour, "2h"},
		{"minutes", "20m", 20 * time.Minute, "20m"},
		{"days", "10d", 10 * day, "10d"},
		{"days and hours", "1d12h", 36 * time.Hour, "36h"},
		{"never", "never", -1, "never"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var d Duration
			if err := d.UnmarshalText([]byte(test.text)); err != nil || time.Duration(d) != test.want {
				t.Errorf("%q is %v, %v", test.text, time.Duration(d), err)
			}
			if d.String() != test.written {
				t.Errorf("written %q, want %q", d, test.written)
			}
		})
	}
	for _, bad := range []string{"", "d", "5", "-1h", "1.5d", "10d-1h", "99999d", "1d1d", "3660d1s", "h"} {
		var d Duration
		if err := d.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was taken as %v", bad, d)
		}
	}
}

func FuzzParseTask(f *testing.F) {
	f.Add([]byte(wholeTask))
	f.Add([]byte("id: a\nscope: {areas: [critical]}\nwhile: {max_duration: 1d}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		task, err := ParseYAML(text)
		if err != nil {
			return
		}
		// What was taken can be written and read again.
		written, err := json.Marshal(task)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseJSON(written)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if !equal(*task, *again) {
			t.Errorf("not the same again:\n%s", written)
		}
	})
}
