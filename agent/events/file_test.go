package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// messages returns the messages in a file of events, each of whose lines must be whole.
func messages(t *testing.T, path string) (all []string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) {
		t.Errorf("%s ends within a line", path)
	}
	for line := range bytes.Lines(content) {
		var e struct{ Message string }
		if err := json.Unmarshal(line, &e); err != nil {
			t.Errorf("%s: %q is no event: %v", path, line, err)
		}
		all = append(all, e.Message)
	}
	return all
}

func write(t *testing.T, f *File, message string) {
	t.Helper()
	if err := f.Write(Event{Time: moment, ID: RunStarted, Message: message}); err != nil {
		t.Fatalf("write %q: %v", message, err)
	}
}

func TestFileRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	line, err := Line(Event{Time: moment, ID: RunStarted, Message: "00"})
	if err != nil {
		t.Fatal(err)
	}
	f := NewFile(path, int64(3*len(line)), 2)
	for i := range 11 {
		write(t, f, fmt.Sprintf("%02d", i))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{path: "09 10", path + ".1": "06 07 08", path + ".2": "03 04 05"} {
		if got := strings.Join(messages(t, name), " "); got != want {
			t.Errorf("%s holds %s, want %s", filepath.Base(name), got, want)
		}
		if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more older files are kept than wanted")
	}
	// A second life goes on in the same file.
	again := NewFile(path, int64(3*len(line)), 0)
	write(t, again, "11")
	write(t, again, "12")
	if got := strings.Join(messages(t, path), " "); got != "12" {
		t.Errorf("without older files: %s", got)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFileEndsALineThatWasCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, []byte(`{"message":"who`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := NewFile(path, 1<<20, 1)
	write(t, f, "next")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(string(content), "\n"); len(lines) != 3 || !json.Valid([]byte(lines[1])) {
		t.Errorf("content %q", content)
	}
}

func TestFileThatOthersTakeAway(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let an open file be taken away")
	}
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := NewFile(path, 1<<20, 1)
	write(t, f, "one")
	if err := os.Rename(path, path+".logrotate"); err != nil {
		t.Fatal(err)
	}
	write(t, f, "two")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, f, "three")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := messages(t, path); len(got) != 1 || got[0] != "three" {
		t.Errorf("the new file holds %q", got)
	}
}

func TestFileRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := NewFile(dir, 1<<20, 1).Write(Event{ID: RunStarted}); err == nil {
		t.Error("events were written to a folder")
	}
	if err := NewFile(filepath.Join(dir, "none", "events"), 1<<20, 1).Write(Event{ID: RunStarted}); err == nil {
		t.Error("events were written to a folder that is not there")
	}
	if runtime.GOOS == "windows" {
		return
	}
	target := filepath.Join(dir, "shadow")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := NewFile(link, 1<<20, 1).Write(Event{ID: RunStarted}); err == nil {
		t.Error("events went where a link leads")
	}
}
