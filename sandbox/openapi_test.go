package sandbox

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

type object = map[string]any

func specification(t *testing.T) object {
	t.Helper()
	var all object
	if err := yaml.Unmarshal(description, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRoutesAreDescribed(t *testing.T) {
	var want, got []string
	for path, item := range specification(t)["paths"].(object) {
		for method := range item.(object) {
			if method != "parameters" {
				want = append(want, strings.ToUpper(method)+" "+path)
			}
		}
	}
	for _, r := range (&Sandbox{}).routes() {
		got = append(got, strings.ReplaceAll(r.pattern, "{$}", ""))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-described +served):\n%s", diff)
	}
}

// The words that clients compare are those of the description.
func TestStatusesAreDescribed(t *testing.T) {
	text := string(description)
	if want := "enum: [Processing, Found, Not found, Error]"; !strings.Contains(text, want) {
		t.Fatalf("the description lacks %q", want)
	}
	if diff := cmp.Diff([]Status{"Processing", "Found", "Not found", "Error"}, []Status{Processing, Found, NotFound, Failed}); diff != "" {
		t.Errorf("statuses (-described +served):\n%s", diff)
	}
}

// What the description refers to exists.
func TestReferencesLead(t *testing.T) {
	components := specification(t)["components"].(object)
	for _, ref := range regexp.MustCompile(`\$ref: "#/components/([\w-]+)/([\w-]+)"`).FindAllStringSubmatch(string(description), -1) {
		if group, _ := components[ref[1]].(object); group[ref[2]] == nil {
			t.Errorf("%s does not exist", ref[0])
		}
	}
}

func TestDescriptionIsServed(t *testing.T) {
	s := start(t, Options{})
	if got := s.get("/sandbox/v1/openapi.yaml"); got.Body != string(description) || got.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%d %v", got.Status, got.header)
	}
}
