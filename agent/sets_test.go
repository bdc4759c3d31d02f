package agent

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"tyto/agent/policy"
)

// New rules are noticed wherever links lead.
func TestSetsVersionFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "a.yar"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rule a { condition: true }")
	places := filepath.Join(t.TempDir(), "places")
	if err := os.Mkdir(places, 0o700); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		t.Skip("Wine says that it makes links, and makes none")
	}
	for name, target := range map[string]string{"folder": dir, "places/a.yar": filepath.Join(dir, "a.yar")} {
		if err := os.Symlink(target, filepath.Join(filepath.Dir(places), name)); err != nil {
			t.Skipf("this system makes no links: %v", err)
		}
	}
	for _, rules := range []string{dir, filepath.Join(filepath.Dir(places), "folder"), places} {
		p := policy.Default()
		p.Detection.Rules = []string{rules}
		a := &Agent{}
		write("rule a { condition: true }")
		before := a.setsVersion(p)
		write("rule other { condition: false }")
		if a.setsVersion(p) == before {
			t.Errorf("rules at %q have changed, and their version has not", rules)
		}
	}
}
