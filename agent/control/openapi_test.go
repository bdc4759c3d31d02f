package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"tyto/idle"
	"tyto/scheduler"
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
	for _, r := range NewServer(uncalled{}, ServerOptions{}).routes() {
		got = append(got, r.pattern)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-described +served):\n%s", diff)
	}
}

// uncalled is a backend whose methods exist, and fail when they are called.
type uncalled struct{ *Client }

// Each path's variables are described, each operation has a name and an answer for problems.
func TestOperationsAreWhole(t *testing.T) {
	names := map[string]bool{}
	for path, item := range specification(t)["paths"].(object) {
		parameters, _ := item.(object)["parameters"].([]any)
		if want := strings.Count(path, "{"); len(parameters) != want {
			t.Errorf("%s: %d parameters are described, want %d", path, len(parameters), want)
		}
		for method, operation := range item.(object) {
			if method == "parameters" {
				continue
			}
			o := operation.(object)
			name, _ := o["operationId"].(string)
			if name == "" || names[name] || o["summary"] == nil {
				t.Errorf("%s %s: operationId %q is missing or not the only one, or there is no summary", method, path, name)
			}
			names[name] = true
			responses := o["responses"].(object)
			if _, ok := responses["default"]; !ok && !strings.Contains(path, "openapi") {
				t.Errorf("%s %s: nothing is said of problems", method, path)
			}
		}
	}
}

// The types that go over the wire have the fields that are described.
func TestTypesAreDescribed(t *testing.T) {
	schemas := schemasOf(t)
	for name, value := range map[string]any{
		"Error": Error{}, "Status": Status{}, "Presence": idle.State{}, "Source": idle.Source{},
		"Task": scheduler.Task{}, "TaskView": scheduler.TaskView{}, "RunView": scheduler.RunView{}, "Wait": scheduler.Wait{},
		"Progress": Progress{}, "Start": Start{}, "Event": Event{}, "Policy": Policy{}, "PolicyProblem": PolicyProblem{},
		"Quarantine": Quarantine{}, "Object": Object{}, "Containment": Containment{}, "Restoration": Restoration{}, "Rescanned": Rescanned{},
		"ObjectCheck": ObjectCheck{}, "ObjectVerdict": ObjectVerdict{}, "Sandbox": Sandbox{}, "SandboxServer": SandboxServer{}, "QueuedObject": QueuedObject{},
	} {
		compare(t, name, reflect.TypeOf(value), schemas[name].(object))
	}
}

// compare holds a struct's fields against a schema's properties, and those below.
func compare(t *testing.T, name string, of reflect.Type, schema object) {
	t.Helper()
	properties, _ := schema["properties"].(object)
	var want, got []string
	for i := range of.NumField() {
		f := of.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		got = append(got, key)
		property, _ := properties[key].(object)
		inner := f.Type
		if inner.Kind() == reflect.Struct && inner.PkgPath() != "time" && property["properties"] != nil {
			compare(t, name+"."+key, inner, property)
		}
		if kind := jsonType(inner); property != nil && property["type"] != nil && kind != "" && !slices.Contains(types(property), kind) {
			t.Errorf("%s.%s is described as %v, and is a %s", name, key, property["type"], kind)
		}
	}
	for key := range properties {
		if name == "Error" && key == "type" { // fixed, written by the server
			continue
		}
		want = append(want, key)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-described +type):\n%s", name, diff)
	}
}

// jsonType is what encoding/json makes of a type; empty where that is not plain.
func jsonType(t reflect.Type) string {
	if t.Implements(reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()) || t == reflect.TypeFor[time.Time]() {
		return "string"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		if t == reflect.TypeFor[json.RawMessage]() {
			return ""
		}
		return "array"
	}
	return ""
}

func schemasOf(t *testing.T) object {
	return specification(t)["components"].(object)["schemas"].(object)
}

func types(schema object) []string {
	switch kind := schema["type"].(type) {
	case string:
		return []string{kind}
	case []any:
		var all []string
		for _, k := range kind {
			all = append(all, k.(string))
		}
		return all
	}
	return nil
}

// What the description shows as examples is as it says, and all it refers to exists.
func TestExamplesAreValid(t *testing.T) {
	schemas := schemasOf(t)
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		schema := schemas[name].(object)
		examples, _ := schema["examples"].([]any)
		for _, e := range examples {
			b, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := json.Unmarshal(b, &value); err != nil {
				t.Fatal(err)
			}
			for _, problem := range validate(schemas, schema, value, name) {
				t.Error(problem)
			}
		}
	}
	text := string(description)
	for _, ref := range regexp.MustCompile(`\$ref: "#/components/(\w+)/(\w+)"`).FindAllStringSubmatch(text, -1) {
		group, _ := specification(t)["components"].(object)[ref[1]].(object)
		if group[ref[2]] == nil {
			t.Errorf("%s does not exist", ref[0])
		}
	}
}

// validate checks what this description uses of JSON Schema.
func validate(schemas, schema object, value any, at string) (problems []string) {
	if ref, ok := schema["$ref"].(string); ok {
		return validate(schemas, schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(object), value, at)
	}
	wrong := func(format string, args ...any) {
		problems = append(problems, at+": "+fmt.Sprintf(format, args...))
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, value) {
		wrong("%v is none of %v", value, enum)
	}
	kind := "null"
	switch value := value.(type) {
	case string:
		kind = "string"
		if _, err := time.Parse(time.RFC3339, value); schema["format"] == "date-time" && err != nil {
			wrong("%q is no time", value)
		}
	case bool:
		kind = "boolean"
	case float64:
		kind = "number"
		if value == float64(int64(value)) && slices.Contains(types(schema), "integer") {
			kind = "integer"
		}
	case []any:
		kind = "array"
		items, _ := schema["items"].(object)
		for i, v := range value {
			problems = append(problems, validate(schemas, items, v, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case object:
		kind = "object"
		properties, described := schema["properties"].(object)
		for key, v := range value {
			property, ok := properties[key].(object)
			if !ok && described {
				wrong("%q is not described", key)
			} else if ok {
				problems = append(problems, validate(schemas, property, v, at+"."+key)...)
			}
		}
		required, _ := schema["required"].([]any)
		for _, key := range required {
			if _, ok := value[key.(string)]; !ok {
				wrong("%q is missing", key)
			}
		}
	}
	if want := types(schema); len(want) > 0 && !slices.Contains(want, kind) {
		wrong("is a %s, not %v", kind, want)
	}
	return problems
}

func TestDescriptionIsServed(t *testing.T) {
	handler := NewServer(uncalled{}, ServerOptions{}).handler()
	for path, kind := range map[string]string{"/v1/openapi.yaml": "application/yaml", "/v1/openapi.json": "application/json"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		var got object
		if err := yaml.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != kind {
			t.Fatalf("%s: %d, %v", path, w.Code, err)
		}
		if diff := cmp.Diff(specification(t), got); diff != "" {
			t.Errorf("%s (-file +served):\n%s", path, diff)
		}
	}
}
