package openioc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/ioc"
)

// scored returns a file of version 1.1 with a pattern of several alternatives, and parameters "id=score".
func scored(scores ...string) string {
	withID := func(id string) string {
		return strings.Replace(item("is", "FileItem/FileName", id), "<IndicatorItem ", `<IndicatorItem id="`+id+`" `, 1)
	}
	params := ""
	for _, s := range scores {
		id, score, _ := strings.Cut(s, "=")
		params += `<param id="p-` + id + `" ref-id="` + id + `" name="score"><value>` + score + `</value></param><param ref-id="` + id + `" name="comment"><value>1</value></param>`
	}
	return `<OpenIOC id="file"><criteria><Indicator operator="OR" id="root">` + withID("a") + `<Indicator operator="AND" id="and">` + withID("b") +
		`<Indicator operator="OR" id="inner">` + withID("c") + withID("d") + `</Indicator></Indicator><Indicator operator="OR" id="kind">` + withID("e") + withID("f") +
		`</Indicator></Indicator></criteria><parameters>` + params + `</parameters></OpenIOC>`
}

// names returns a pattern in short: "a (b (c | d)) | e".
func names(n ioc.Node) string {
	if n.Term != nil {
		return n.Term.Value
	}
	var parts []string
	for _, child := range n.Children {
		parts = append(parts, names(child))
	}
	if n.Operator == ioc.And {
		return "(" + strings.Join(parts, " & ") + ")"
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// Alternatives of different scores become indicators of their own, which together are what the file says.
func TestScores(t *testing.T) {
	for name, test := range map[string]struct {
		scores []string
		want   []string
	}{
		"none":                         {nil, []string{"100 [[a (b & [c d]) [e f]]]"}},
		"of an item":                   {[]string{"a=55"}, []string{"55 [a]", "100 [(b & [c d]) e f]"}},
		"of a branch":                  {[]string{"and=60", "kind=70"}, []string{"100 [a]", "60 [(b & [c d])]", "70 [e f]"}},
		"behind other branches":        {[]string{"kind=70", "f=-5"}, []string{"100 [a (b & [c d])]", "70 [e]", "-5 [f]"}},
		"of parts of an and":           {[]string{"b=1", "inner=2", "c=3"}, []string{"100 [[a (b & [c d]) [e f]]]"}},
		"of the root":                  {[]string{"root=40"}, []string{"40 [[a (b & [c d]) [e f]]]"}},
		"of the file":                  {[]string{"file=40", "a=90"}, []string{"90 [a]", "40 [(b & [c d]) e f]"}},
		"of nothing that is there":     {[]string{"x=1"}, []string{"100 [[a (b & [c d]) [e f]]]"}},
		"too high, and the last wins ": {[]string{"a=101", "a=x", "e=9", "e=8"}, []string{"100 [a (b & [c d]) f]", "8 [e]"}},
	} {
		t.Run(strings.TrimSpace(strings.ReplaceAll(name, ",", "")), func(t *testing.T) {
			indicators, problems, err := Parse(strings.NewReader(scored(test.scores...)), "a.ioc", Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, i := range indicators {
				got = append(got, fmt.Sprint(i.Score, " ", names(i.Pattern)))
				if want := fmt.Sprint("file/", i.Score); len(indicators) > 1 && i.ID != want || len(indicators) == 1 && i.ID != "file" {
					t.Errorf("id is %q, want %q, or that of the file if there is one score only", i.ID, want)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if wrong := strings.Contains(name, "too high"); wrong != (len(problems) == 2) {
				t.Errorf("problems are %v", problems)
			}
		})
	}
}
