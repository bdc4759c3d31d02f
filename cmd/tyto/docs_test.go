package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// Every call of the control API stands in docs/control-api.md, and nothing else does.
func TestControlAPIDocs(t *testing.T) {
	description, err := os.ReadFile("../../agent/control/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	if err := yaml.Unmarshal(description, &api); err != nil {
		t.Fatal(err)
	}
	var want []string
	for path, item := range api.Paths {
		for method := range item {
			if method != "parameters" && !strings.HasPrefix(path, "/v1/openapi.") { // these two stand in the text
				want = append(want, strings.ToUpper(method)+" "+path)
			}
		}
	}
	page, err := os.ReadFile("../../docs/control-api.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, call := range regexp.MustCompile("`([A-Z, ]+) (/v1/[^`?]+)").FindAllStringSubmatch(string(page), -1) {
		for method := range strings.SplitSeq(call[1], ", ") {
			got = append(got, method+" "+call[2])
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/control-api.md (-described +documented):\n%s", diff)
	}
}
