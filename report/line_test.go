package report

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Each field of a line is named in the documentation of the format.
func TestFormatIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/report-format.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, word := range regexp.MustCompile(`[@a-z_0-9]+`).FindAllString(string(doc), -1) {
		documented[word] = true
	}
	for _, path := range fields(reflect.TypeFor[line](), "") {
		if name := path[strings.LastIndexByte(path, '.')+1:]; !documented[name] {
			t.Errorf("docs/report-format.md does not name %q of %s", name, path)
		}
	}
}

// fields returns the dotted names of the JSON fields of a struct and of what it holds.
func fields(t reflect.Type, prefix string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		return nil
	}
	var list []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		list = append(list, prefix+name)
		list = append(list, fields(t.Field(i).Type, prefix+name+".")...)
	}
	return list
}
