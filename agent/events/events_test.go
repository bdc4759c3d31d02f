package events

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var moment = time.Date(2026, 11, 21, 20, 0, 0, 5000, time.UTC)

func TestCatalogue(t *testing.T) {
	id := regexp.MustCompile(`^TY-[1-9][0-9][0-9]$`)
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	ids, names, last := map[ID]bool{}, map[string]bool{}, ID("")
	for _, k := range Catalogue() {
		switch {
		case !id.MatchString(string(k.ID)), !name.MatchString(k.Name):
			t.Errorf("%s %q: not in the form TY-123 and some-words", k.ID, k.Name)
		case ids[k.ID], names[k.Name]:
			t.Errorf("%s %s is there twice", k.ID, k.Name)
		case k.ID < last:
			t.Errorf("%s comes after %s", k.ID, last)
		case !strings.HasSuffix(k.Doc, "."):
			t.Errorf("%s %s is not described in a sentence", k.ID, k.Name)
		case k.Level >= Warning && k.Next == "":
			t.Errorf("%s %s is a %s, and nobody knows what to do about it", k.ID, k.Name, k.Level)
		}
		ids[k.ID], names[k.Name], last = true, true, k.ID
		if got, ok := Named(k.Name); !ok || got != KindOf(k.ID) {
			t.Errorf("%s is not found by its name %q", k.ID, k.Name)
		}
	}
	if got := KindOf("TY-999"); got.Name != "unknown" {
		t.Errorf("an id that does not exist is %+v", got)
	}
}

// docs/events.md has a line for each event, in the words of the catalogue.
func TestDocumentation(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, "| TY-") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	var want []string
	for _, k := range Catalogue() {
		want = append(want, "| "+strings.Join([]string{string(k.ID), "`" + k.Name + "`", k.Level.String(), strings.TrimSpace(k.Doc + " " + k.Next)}, " | ")+" |")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the table in docs/events.md (-want +got):\n%s", diff)
	}
}

func TestLine(t *testing.T) {
	line, err := Line(Event{Time: moment, ID: RunPaused, Level: Info, Message: "evil\n\x1b[2J", Data: Data{
		"tyto.task": "weekly", "tyto.run": int64(7), "file.path": "/tmp/\xff", "error.message": errors.New("no"),
		"event.code": "TY-101", // cannot be forged
		"event":      "neither",
		"long":       strings.Repeat("ä", maxValue),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(line), "\n") != 1 || !strings.HasSuffix(string(line), "\n") {
		t.Fatalf("not one line: %q", line)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	long, _ := got["long"].(string)
	if delete(got, "long"); len(long) > maxValue+4 || !strings.HasSuffix(long, "ä…") {
		t.Errorf("a long value was cut to %d bytes", len(long))
	}
	want := map[string]any{
		"@timestamp": "2026-11-21T20:00:00.000005Z",
		"message":    "evil\n\x1b[2J",
		"ecs":        map[string]any{"version": "8.17.0"},
		"event": map[string]any{
			"kind": "event", "module": "tyto", "dataset": "tyto.event", "code": "TY-304", "action": "run-paused",
		},
		"log":   map[string]any{"level": "info"},
		"tyto":  map[string]any{"task": "weekly", "run": 7.0},
		"file":  map[string]any{"path": `/tmp/\xff`},
		"error": map[string]any{"message": "no"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	huge := Data{}
	for i := range 20 {
		huge["field"+string(rune('a'+i))] = strings.Repeat("x", maxValue)
	}
	line, err = Line(Event{Time: moment, ID: Finding, Data: huge})
	if err != nil || len(line) > maxLine || !strings.Contains(string(line), `"cut":true`) {
		t.Errorf("an event with too much data: %d bytes, %v", len(line), err)
	}
	if _, err := Line(Event{ID: Finding, Data: Data{"f": func() {}}}); err == nil {
		t.Error("a function was written as JSON")
	}
}

// One event is one line, whatever is in it.
func FuzzTexts(f *testing.F) {
	f.Add("plain", "file.path", "/tmp/x")
	f.Add("two\nlines", "a b\n", "c\rd\x1b]")
	f.Fuzz(func(t *testing.T, message, name, value string) {
		e := Event{Time: moment, ID: Finding, Message: message, Data: Data{name: value}}
		line, err := Line(e)
		if err != nil || strings.Count(string(line), "\n") != 1 || !json.Valid(line) {
			t.Errorf("no line of JSON: %q, %v", line, err)
		}
		for _, s := range append(pairs(e.Data), text(e)) {
			if strings.ContainsAny(s, "\n\r\x1b\x00") {
				t.Errorf("%q can break a line", s)
			}
		}
	})
}

func TestLevels(t *testing.T) {
	for _, l := range []Level{Info, Notice, Warning, Error} {
		if got, err := ParseLevel(l.String()); err != nil || got != l {
			t.Errorf("ParseLevel(%q) = %v, %v", l.String(), got, err)
		}
	}
	if _, err := ParseLevel("fatal"); err == nil {
		t.Error("an unknown level was accepted")
	}
}
