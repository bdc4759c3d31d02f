package derive_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tyto/ioc"
	"tyto/ioc/load"
	"tyto/sandboxlink/derive"
	"tyto/verdict"
)

func sha256Of(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// everything is a report from which something of each kind is derived.
func everything() *verdict.Report {
	return on(func(r *verdict.Report) {
		r.Object.MD5, r.Object.SHA1 = strings.Repeat("ab", 16), strings.Repeat("cd", 20)
		r.Files = []verdict.FileAct{{Path: `C:\Users\O'Neil\AppData\Roaming\win'tasker.exe`, Act: verdict.Created, Size: 73216}}
		r.Registry = []verdict.Registry{{Key: `HKEY_CURRENT_USER\Software\Microsoft\Windows\CurrentVersion\Run`, Value: "Update", Data: `C:\ProgramData\wintasker.exe`, Act: verdict.Written}}
		r.Services, r.Mutexes = []verdict.Service{{Name: "wintaskersvc"}}, []string{`Global\Qasar'Mutex"<&>`}
		r.Domains, r.URLs = []string{"c2.evil.example", "www.google.com"}, []string{"http://c2.evil.example/gate.php"}
		r.Connections = []verdict.Connection{{Protocol: "tcp", Address: "203.0.113.9", Port: 4444}, {Address: "2001:db8::1"}}
	})
}

// required are the properties that STIX 2.1 requires (§3.2, §4), of the types that are written.
var required = map[string][]string{
	"identity":         {"name"},
	"malware":          {"is_family"},
	"malware-analysis": {"product", "result"},
	"indicator":        {"pattern", "pattern_type", "valid_from"},
	"relationship":     {"relationship_type", "source_ref", "target_ref"},
	"note":             {"content", "object_refs"},
	"file":             {"hashes"},
}

var (
	stixID   = regexp.MustCompile(`^([a-z][a-z0-9-]+)--[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	stixTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	// A comparison of a pattern as they are written here (§9.6): a path, an operator, a literal. Literals end at the
	// first quotation mark that has no backslash before it.
	stixLiteral    = `(?:'(?:[^'\\]|\\['\\])*'|[0-9]+)`
	stixComparison = `[a-z0-9-]+:[a-zA-Z0-9_.'*\[\]-]+ (?:=|MATCHES) ` + stixLiteral
	stixPattern    = regexp.MustCompile(`^\[(?:` + stixComparison + `|\(` + stixComparison + `(?: OR ` + stixComparison + `)*\))(?: (?:AND|OR) ` + stixComparison + `)*\]$`)
)

// checkSTIX holds a bundle against what the specification requires.
func checkSTIX(t testing.TB, data []byte) map[string]int {
	t.Helper()
	var bundle struct {
		Type, ID string
		Objects  []map[string]any
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&bundle); err != nil {
		t.Fatal(err)
	}
	if bundle.Type != "bundle" || !stixID.MatchString(bundle.ID) {
		t.Errorf("bundle is %q with the id %q", bundle.Type, bundle.ID)
	}
	ids, types := map[string]bool{}, map[string]int{}
	for _, o := range bundle.Objects {
		id, _ := o["id"].(string)
		kind, _ := o["type"].(string)
		if ids[id] {
			t.Errorf("id %q is there twice", id)
		}
		ids[id] = true
		types[kind]++
		if m := stixID.FindStringSubmatch(id); m == nil || m[1] != kind || o["spec_version"] != "2.1" {
			t.Errorf("object is %v", o)
		}
		properties := required[kind]
		if properties == nil {
			t.Errorf("type %q is not known", kind)
		}
		if kind != "file" {
			properties = append(slices.Clone(properties), "created", "modified")
		}
		for _, p := range properties {
			if o[p] == nil || o[p] == "" {
				t.Errorf("%s has no %s", id, p)
			}
		}
		for _, p := range []string{"created", "modified", "valid_from", "valid_until", "analysis_ended"} {
			if at, ok := o[p].(string); ok && !stixTime.MatchString(at) {
				t.Errorf("%s: %s is %q", id, p, at)
			}
		}
		if created, _ := o["created"].(string); kind != "file" && created > o["modified"].(string) {
			t.Errorf("%s was modified before it was created", id)
		}
		if confidence, ok := o["confidence"].(float64); ok && (confidence < 0 || confidence > 100) {
			t.Errorf("%s: confidence is %v", id, confidence)
		}
		if kind == "indicator" && !stixPattern.MatchString(o["pattern"].(string)) {
			t.Errorf("%s: pattern is %q", id, o["pattern"])
		}
	}
	for _, o := range bundle.Objects {
		for p, v := range o {
			refs, _ := v.([]any)
			if strings.HasSuffix(p, "_ref") {
				refs = []any{v}
			}
			if !strings.HasSuffix(p, "_ref") && !strings.HasSuffix(p, "_refs") {
				continue
			}
			for _, ref := range refs {
				if !ids[ref.(string)] {
					t.Errorf("%v: %s is %v, which is not in the bundle", o["id"], p, ref)
				}
			}
		}
	}
	return types
}

func TestSTIX(t *testing.T) {
	for name, r := range map[string]*verdict.Report{"one of each": everything(), "cuckoo": realReport(t)} {
		t.Run(name, func(t *testing.T) {
			d := derive.Derive(r, derive.Options{Now: now})
			data, err := d.STIX()
			if err != nil {
				t.Fatal(err)
			}
			types := checkSTIX(t, data)
			if types["indicator"] != len(d.Indicators) || types["relationship"] != len(d.Indicators) || types["note"] != 1 || types["malware"] != 1 {
				t.Errorf("the bundle holds %v for %d indicators", types, len(d.Indicators))
			}
			checkWithPython(t, data)
		})
	}
}

// checkWithPython has the bundle read by the library of the standard's authors, where that is installed.
func checkWithPython(t *testing.T, data []byte) {
	t.Helper()
	python := os.Getenv("TYTO_STIX_PYTHON")
	if python == "" {
		t.Log("TYTO_STIX_PYTHON names no Python with stix2 and stix2-patterns: the bundle was held against the specification only")
		return
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", `
import json, sys, stix2
from stix2patterns.validator import run_validator
bundle = stix2.parse(json.load(sys.stdin), allow_custom=False)
problems = [(o.id, e) for o in bundle.objects if o.type == "indicator" for e in run_validator(o.pattern, stix_version="2.1")]
sys.exit(str(problems) if problems else 0)`)
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the reference library refuses the bundle: %v\n%s", err, out)
	}
}

// Quotation marks and backslashes are escaped, and nothing else.
func TestSTIXEscapes(t *testing.T) {
	data, err := derive.Derive(everything(), derive.Options{Now: now}).STIX()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`[mutex:name MATCHES '(?:^|\\\\)Qasar\\'Mutex\"<&>$']`, `file:name MATCHES '(?i)^win\\'tasker\\\\.exe$'`} {
		want = strings.ReplaceAll(want, `(?:^|\\\\)`, `(?:^|\\\\\\\\)`) // JSON doubles each backslash of the pattern
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("%s is missing in\n%s", want, data)
		}
	}
}

// Each part of the OpenIOC file has an id of its own; what is known of indicators stands in parameters that
// refer to them; the head says who, until when and why.
func TestOpenIOC(t *testing.T) {
	d := derive.Derive(everything(), derive.Options{Now: now, Expire: 48 * time.Hour, Producer: "Tyto 1.0"})
	data, err := d.OpenIOC()
	if err != nil {
		t.Fatal(err)
	}
	ids, params := map[string]bool{}, map[string]int{}
	decoder := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range start.Attr {
			switch {
			case a.Name.Local == "id" && ids[a.Value]:
				t.Errorf("id %q is there twice", a.Value)
			case a.Name.Local == "id":
				ids[a.Value] = true
			case a.Name.Local == "ref-id" && !ids[a.Value]:
				t.Errorf("a parameter refers to %q, which is not there", a.Value)
			case a.Name.Local == "name" && start.Name.Local == "param":
				params[a.Value]++
			}
		}
	}
	if n := len(d.Indicators); params["confidence"] != n || params["score"] != n || params["comment"] != n || params["left-out"] != len(d.LeftOut) || n < 9 {
		t.Errorf("parameters are %v for %d indicators and %d things left out", params, n, len(d.LeftOut))
	}
	for _, want := range []string{"<short_description>Dropper.Evil<", "Tyto 0.4 calls the object malicious (score 95)", `<link rel="valid-until">2026-11-23T12:00:00Z<`, "<authored_by>Tyto 1.0<"} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("%s is missing in\n%s", want, data)
		}
	}
}

// All terms are in OpenIOC's vocabulary; those of files are evaluated now.
func TestTerms(t *testing.T) {
	d := derive.Derive(everything(), derive.Options{Now: now})
	checks := loaded(t, d).Check()
	if len(checks) == 0 || !checks[0].CanMatch {
		t.Fatalf("checks are %+v, want that the first can match", checks)
	}
	for _, check := range checks {
		for _, term := range check.Terms {
			want := ioc.NotBuilt
			if strings.HasPrefix(term.Term.Path, "FileItem/") {
				want = ioc.Evaluated
			}
			if term.Status != want {
				t.Errorf("%s is %s (%s), want %s", term.Term.Path, term.Status, term.Detail, want)
			}
		}
	}
}

func TestNothing(t *testing.T) {
	r := on(func(r *verdict.Report) { r.Object, r.Verdict.SHA256 = verdict.Object{}, "" })
	d := derive.Derive(r, derive.Options{Now: now})
	if _, err := d.OpenIOC(); err == nil {
		t.Error("an OpenIOC file of nothing was written")
	}
	if _, err := d.STIX(); err == nil {
		t.Error("a bundle of nothing was written")
	}
}

func TestReadReport(t *testing.T) {
	own, err := everything().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := derive.ReadReport(own); err != nil || r.Object.SHA256 != sum {
		t.Errorf("our own form: %v", err)
	}
	for text, want := range map[string]string{
		"": "unexpected end", "{": "unexpected end", `{"format": 9, "verdict": {}}`: "does not know", `{"a": 1}`: "no report of Cuckoo or CAPE", "<html>": "invalid character",
	} {
		if _, err := derive.ReadReport([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want an error with %q", text, err, want)
		}
	}
}

// FuzzDerive holds that whatever a report says, what is written can be read again, whole and meaning the same:
// no text of a report can end a literal, an element or a file name.
func FuzzDerive(f *testing.F) {
	f.Add("Evil", `C:\Users\ada\AppData\Roaming\wintasker.exe`, `HKEY_CURRENT_USER\Software\Evil'Corp`, "Run", `"C:\ProgramData\x y.exe"`, "Mutex'\"<![CDATA[", "evil.example", "http://evil.example/a'b?c", 5000)
	f.Add("</short_description>\x00\n", "/tmp/\xff\u202e]]>&amp;", `HKCU\\\{FB216696-6B2A-3521-AF85-876CAE91A763}`, "\\", "", `Global\'] OR [file:name='x`, "xn--a.example", "https://[::1]:99999/%00", -1)
	f.Add("x", "//?/C:/a\\b", `a\System\ControlSet001\Services\(?:evil)+[`, `a\b`, "%appdata%\\evil$.exe", "\ufffe\ufeff", "..", "http://198.51.100.1/'", 1<<30)
	f.Fuzz(func(t *testing.T, threat, path, key, value, data, mutex, domain, url string, size int) {
		r := &verdict.Report{
			Format: verdict.Format, Verdict: verdict.Verdict{Threats: []string{threat}, Level: verdict.Malicious, Sandbox: mutex, Database: data},
			Object: verdict.Object{Name: path, SHA256: sum, Size: int64(size)}, Users: []string{value}, Computer: domain,
			Files:    []verdict.FileAct{{Path: path, Act: verdict.Created, Size: int64(size)}, {Path: path, Act: verdict.Moved, To: data}},
			Dropped:  []verdict.Dropped{{Path: path, SHA256: sha256Of(path), Size: int64(size)}},
			Registry: []verdict.Registry{{Key: key, Value: value, Data: data, Act: verdict.Written}, {Key: key, Act: verdict.Created}},
			Services: []verdict.Service{{Name: value}}, Mutexes: []string{mutex, value}, Domains: []string{domain}, URLs: []string{url},
			Connections: []verdict.Connection{{Address: domain, Port: size & 0xffff}},
		}
		d := derive.Derive(r, derive.Options{Now: now})
		openIOC, err := d.OpenIOC()
		if err != nil {
			t.Fatal(err)
		}
		result, err := load.Load(t.Context(), nil, load.Options{
			Extra: []load.Extra{{Name: "a.ioc", Content: openIOC}}, Set: ioc.Options{Now: now, Available: ioc.Only(ioc.FileTerms()...)},
		})
		if err != nil || len(result.Problems) > 0 {
			t.Fatalf("the OpenIOC file cannot be used: %v %v\n%s", result.Problems, err, openIOC)
		}
		var want, got []string
		for _, i := range d.Indicators {
			for _, test := range i.Tests {
				want = append(want, test.Term+" "+test.Condition+" "+test.Value)
			}
		}
		for _, check := range result.Set.Check() { // one for each score
			for _, term := range check.Terms {
				got = append(got, term.Term.Path+" "+string(term.Term.Condition)+" "+term.Term.Value)
				if term.Status != ioc.Evaluated && term.Status != ioc.NotBuilt {
					t.Errorf("%s %q is %s: %s", term.Term.Path, term.Term.Value, term.Status, term.Detail)
				}
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Fatalf("written %q, read %q", want, got)
		}
		stix, err := d.STIX()
		if err != nil {
			t.Fatal(err)
		}
		checkSTIX(t, stix)
		if name := d.FileName(); name != filepath.Base(name) || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" || len(name) > 80 {
			t.Errorf("the file name is %q", name)
		}
		for _, l := range d.LeftOut {
			if !utf8.ValidString(l.String()) {
				t.Errorf("%q is not UTF-8", l.String())
			}
		}
	})
}
