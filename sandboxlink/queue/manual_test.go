package queue

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The recipe of docs/sandbox-queue.md works as it stands there.
func TestDocumentedRecipe(t *testing.T) {
	for _, program := range []string{"python3", "zstd"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing", program)
		}
	}
	manual, err := os.ReadFile("../../docs/sandbox-queue.md")
	if err != nil {
		t.Fatal(err)
	}
	recipe := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(manual)
	if recipe == nil {
		t.Fatal("the manual has no recipe")
	}
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	want := strings.Repeat("content ", 1000)
	o := add(t, q, want, 0)
	script := filepath.Join(t.TempDir(), "decode.py")
	if err := os.WriteFile(script, recipe[1], 0o600); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command("sh", "-c", `python3 "$1" "$2" | zstd -d`, "sh", script, filepath.Join(dir, o.SHA256))
	var description strings.Builder
	shell.Stderr = &description
	got, err := shell.Output()
	if err != nil || string(got) != want || !strings.Contains(description.String(), o.SHA256) {
		t.Errorf("%d bytes, %v: %s", len(got), err, description.String())
	}
}
