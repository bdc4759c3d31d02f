package cape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/sandboxlink/submit/wire"
)

// The limits of these tests.
const (
	roomyTest   = 8 << 10
	longestTest = 16 << 10
)

// value decodes JSON, for comparing what it means.
func value(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%.200q: %v", data, err)
	}
	return v
}

func TestSmallReportsAreKept(t *testing.T) {
	for _, in := range []string{
		`{"calls": [{"a": "}]"}], "strings" : "x\"\\", "b": [1, 2.5e3, null, true]}`,
		`{"processes": [{"calls": [[], {}], "pid": 3}, {"calls": "", "x": {"strings": {}}}], "calls": 7}`,
		`"calls"`,
		`{}`,
	} {
		var out bytes.Buffer
		if err := slim(&out, strings.NewReader(in), roomyTest, longestTest); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(value(t, []byte(in)), value(t, out.Bytes())); diff != "" {
			t.Errorf("slim of %s (-in +out):\n%s", in, diff)
		}
	}
}

// A report of which the calls are too long keeps everything else.
func TestLargeReportsLoseTheirCalls(t *testing.T) {
	calls := strings.Repeat(`{"api": "NtCreateFile", "arguments": [{"name": "]}", "value": "\\\"{["}]},`, 1000)
	in := io.MultiReader(strings.NewReader(`{"behavior": {"processes": [{"pid": 1, "calls": [{"api":"first"}]}, {"pid": 2, "calls": [`),
		strings.NewReader(calls), strings.NewReader(calls),
		strings.NewReader(`{}], "name": "two"}, {"pid": 3, "calls": [{"api":"last"}]}]}, "strings": "short", "malscore": 8.5}`))
	var out bytes.Buffer
	if err := slim(&out, in, roomyTest, longestTest); err != nil {
		t.Fatal(err)
	}
	want := value(t, []byte(`{"behavior": {"processes": [{"pid": 1, "calls": [{"api":"first"}]}, {"pid": 2, "calls": null, "name": "two"},
		{"pid": 3, "calls": [{"api":"last"}]}]}, "strings": "short", "malscore": 8.5}`))
	if diff := cmp.Diff(want, value(t, out.Bytes())); diff != "" {
		t.Errorf("slim (-want +got):\n%s", diff)
	}
}

func TestHeavyScalars(t *testing.T) {
	long := strings.Repeat("x", roomyTest)
	for _, end := range []string{`}`, `,"b":1}`} {
		var out bytes.Buffer
		if err := slim(&out, strings.NewReader(`{"a":{"strings":"`+long+`"`+end+`,"c":2}`), roomyTest, longestTest); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), `{"a":{"strings":null`+end+`,"c":2}`; got != want {
			t.Errorf("slim = %.80s; want %s", got, want)
		}
	}
}

func TestSlimHasLimits(t *testing.T) {
	for name, in := range map[string]io.Reader{
		"deep": strings.NewReader(strings.Repeat("[", maxDepth+1)),
		"long": strings.NewReader(`{"a":"` + strings.Repeat("x", longestTest) + `"}`),
	} {
		var out bytes.Buffer
		var bad *wire.Error
		if err := slim(&out, in, roomyTest, longestTest); !errors.As(err, &bad) || bad.Kind != wire.Garbage {
			t.Errorf("slim of something %s: %v; want an error of kind garbage", name, err)
		}
	}
}

// Whatever is JSON means the same after slim, as long as it is small; the standard library is the oracle.
func FuzzSlim(f *testing.F) {
	for _, s := range []string{`{"calls":[{"a":"]"}],"b":{"strings":"\"","c":[1]}}`, `[[],{}]`, `{"calls":`, `}{`, `{"calls":1}`, "\"a\\"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		err := slim(&out, bytes.NewReader(in), wire.MaxReport, wire.MaxReport)
		if out.Len() > len(in) {
			t.Errorf("slim of %q grew to %q", in, out.Bytes())
		}
		var want, got any
		if err != nil || json.Unmarshal(in, &want) != nil {
			return
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("slim of %q = %q: %v", in, out.Bytes(), err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("slim of %q = %q", in, out.Bytes())
		}
	})
}

// No answer makes the reader of answers panic, and a failure always has words.
func FuzzStatement(f *testing.F) {
	for _, s := range []string{`{"error":true,"error_value":"x"}`, `{"error":[],"data":{"task_ids":[1]}}`, `{"error":{"a":["b"]},"errors":[{"c":"d"}]}`, `{"data":[{"id":1,"status":"reported"}]}`, `{"detail":"throttled. available in 9 seconds"}`} {
		f.Add(200, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		said, err := read(wire.Reply{Status: status, Body: body})
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
		if ids := said.ids(); len(ids) > maxTasks {
			t.Errorf("%d tasks", len(ids))
		}
		_, _ = said.tasks(), said.status()
	})
}
