package jail

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/testdata"
)

// The table in docs/sandbox-jail.md is that of the code.
func TestMeaningsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(testdata.Root(t), "docs", "sandbox-jail.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, m := range meanings {
		want = append(want, fmt.Sprintf("| `%s` | %d | %s |", m.id, m.score, m.detail))
	}
	for line := range strings.Lines(string(doc)) {
		if regexp.MustCompile("^\\| `[a-z-]+` \\| [0-9]+ \\|").MatchString(line) {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/sandbox-jail.md (-want +got):\n%s", diff)
	}
}

// Whatever the judge says has a meaning, and each meaning is said somewhere.
func TestMeaningsAreComplete(t *testing.T) {
	source, err := os.ReadFile("judge_linux_amd64.go")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?:behaves\(|weighs\(|id :?= )"([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		said[m[1]] = true
	}
	for _, id := range ofDeed {
		said[id] = true
	}
	for _, p := range startPlaces {
		said[string(p.place)] = true
	}
	for _, m := range meanings {
		if !said[m.id] {
			t.Errorf("%q is never said", m.id)
		}
		delete(said, m.id)
	}
	for id := range said {
		t.Errorf("%q has no meaning", id)
	}
	if !slices.IsSortedFunc(meanings, func(a, b meaning) int { return b.score - a.score }) {
		t.Error("the meanings are not sorted by weight")
	}
}
