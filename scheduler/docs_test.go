package scheduler

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What docs/tasks.md says can be typed, and every field is there.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/tasks.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(text), "\r\n", "\n")

	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(page)
	if example == nil {
		t.Fatal("there is no example")
	}
	task, err := ParseYAML([]byte(strings.ReplaceAll(example[1], "/srv", abs("/srv"))))
	if err != nil {
		t.Fatal(err)
	}
	if task.ID != "weekly" || !task.While.Idle {
		t.Errorf("the example is %+v", task)
	}
	for _, snippet := range regexp.MustCompile(`(?m)^    ((?:when|while): .*)$`).FindAllStringSubmatch(page, -1) {
		if _, err := ParseYAML([]byte("id: a\nscope: {areas: [critical]}\n" + snippet[1])); err != nil {
			t.Errorf("%s: %v", snippet[1], err)
		}
	}

	var documented []string
	_, table, _ := strings.Cut(page, "## Every field")
	table, _, _ = strings.Cut(table, "## ")
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*) \|`).FindAllStringSubmatch(table, -1) {
		for _, field := range regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(row[1], -1) {
			documented = append(documented, field[1])
		}
	}
	want := fields(reflect.TypeFor[Task](), "")
	slices.Sort(want)
	slices.Sort(documented)
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("fields (-struct +documented):\n%s", diff)
	}
}

// fields returns the keys of a struct, with their paths.
func fields(t reflect.Type, path string) (list []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		other, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != other {
			list = append(list, name+" is "+other+" in JSON")
		}
		list = append(list, path+name)
		if f.Type.Kind() == reflect.Struct {
			list = append(list, fields(f.Type, path+name+".")...)
		}
	}
	return list
}
