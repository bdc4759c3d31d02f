package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/ioc"
	"tyto/testdata"
)

const (
	hashA = "aa000000000000000000000000000000000000000000000000000000000000aa"
	hashB = "bb000000000000000000000000000000"
)

func openIOC(id, pattern string) string {
	return `<ioc xmlns="http://schemas.mandiant.com/2010/ioc" id="` + id + `"><short_description>n</short_description><definition>` + pattern + `</definition></ioc>`
}

const nameIsX = `<Indicator operator="OR"><IndicatorItem condition="is"><Context search="FileItem/FileName"/><Content>x</Content></IndicatorItem></Indicator>`

// tree writes files and returns their folder.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func mustLoad(t testing.TB, o Options, paths ...string) *Result {
	t.Helper()
	r, err := Load(context.Background(), paths, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// problems returns problems as "file:line: message", errors with "error " in front.
func problems(r *Result) (all []string) {
	for _, p := range r.Problems {
		s := fmt.Sprintf("%s:%d: %s", filepath.Base(p.File), p.Line, p.Message)
		if !p.Warning {
			s = "error " + s
		}
		all = append(all, s)
	}
	return all
}

func TestLoadFolder(t *testing.T) {
	folder := tree(t, map[string]string{
		"a.ioc":              openIOC("1", nameIsX),
		"b.xml":              openIOC("1", nameIsX),
		"broken.ioc":         "<ioc>\n<definition>\n<oops",
		"filename-iocs.txt":  "\\\\x\\.exe;60\n(?<=y);60\n",
		"sub/c2-iocs.txt":    "example.com\n",
		"sub/deep/keywords":  "{word\n",
		"sub/plain.csv":      "sha256,n\n" + hashA + ",x\n",
		"trusted-hashes.txt": hashA + "\n",
		"hash-iocs.txt":      "\xef\xbb\xbf" + hashB + ";90;y\r\nd41d8cd98f00b204e9800998ecf8427e;empty\r\n",
		"README.txt":         "Read me.\n",
		"bundle.json":        `{"type":"bundle"}`,
		"page.xml":           "<html/>",
		"image.bin":          "\x00\x01\x02\x00\x00",
		"empty.txt":          "",
		".git/hash-iocs.txt": hashA + "\n",
		"other-hash.txt":     hashA + "\n",
	})
	linked := runtime.GOOS != "windows" // which lets not everybody make links, and Wine only pretends to
	if linked {
		if err := os.Symlink("/etc/passwd", filepath.Join(folder, "hash-link.txt")); err != nil {
			t.Fatal(err)
		}
	}
	r := mustLoad(t, Options{}, folder)
	want := map[string]string{
		"a.ioc": "openioc 1 0 0 0 0", "b.xml": "openioc 1 0 0 0 0", "broken.ioc": "openioc 0 0 0 0 0 broken",
		"filename-iocs.txt": "list 1 0 0 0 0", "c2-iocs.txt": "list 0 0 0 1 0", "keywords": "list 0 0 0 0 1",
		"plain.csv": "list 0 1 0 0 0", "trusted-hashes.txt": "list 0 0 1 0 0", "hash-iocs.txt": "list 0 1 0 0 0",
		"other-hash.txt": "list 0 1 0 0 0",
		"README.txt":     "unknown 0 0 0 0 0", "bundle.json": "unknown 0 0 0 0 0", "page.xml": "unknown 0 0 0 0 0",
		"image.bin": "unknown 0 0 0 0 0", "empty.txt": "unknown 0 0 0 0 0",
	}
	got := map[string]string{}
	for _, f := range r.Files {
		s := fmt.Sprint(f.Format, " ", f.Indicators, f.Hashes, f.Trusted, f.Networks, f.Keywords)
		if f.Broken {
			s += " broken"
		}
		got[filepath.Base(f.Path)] = s
		if (f.SHA256 != "") != (f.Format != Unknown && !f.Broken) {
			t.Errorf("%s has the hash %q", f.Path, f.SHA256)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	parts := []string{
		"README.txt:0: not an indicator file; accepted are", "b.xml:1: indicator id \"1\" is also in",
		"error broken.ioc:3: ", "bundle.json:0: JSON",
		"empty.txt:0: file is empty", "filename-iocs.txt:2: pattern", "hash-iocs.txt:2: hash d41d8c",
		"hash-link.txt:0: not a regular file", "image.bin:0: binary", "page.xml:0: XML with the root element \"html\"",
	}
	if !linked {
		parts = slices.DeleteFunc(parts, func(part string) bool { return strings.HasPrefix(part, "hash-link.txt") })
	}
	reported := problems(r)
	slices.SortFunc(reported, func(a, b string) int {
		return strings.Compare(strings.TrimPrefix(a, "error "), strings.TrimPrefix(b, "error "))
	})
	if len(reported) != len(parts) {
		t.Fatalf("problems: %q", reported)
	}
	for i, part := range parts {
		if !strings.Contains(reported[i], part) {
			t.Errorf("problem %q, want %q", reported[i], part)
		}
	}
	wantSummary := finding.SetSummary{Files: 9, Entries: 9, Broken: 1, Version: r.Version}
	if diff := cmp.Diff(wantSummary, r.Summary()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestLoadErrors(t *testing.T) {
	r := mustLoad(t, Options{}, "/no/such/file")
	if len(r.Problems) != 1 || r.Problems[0].Warning || r.Problems[0].File != "/no/such/file" {
		t.Errorf("problems: %+v", r.Problems)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, []string{tree(t, map[string]string{"hashes": hashA})}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLimits(t *testing.T) {
	folder := tree(t, map[string]string{"hashes.txt": strings.Repeat(hashA+"\n", 10), "d1/d2/d3/hashes.txt": hashB})
	tests := []struct {
		name    string
		options Options
		hashes  int
		problem string
	}{
		{"none", Options{}, 11, ""},
		{"list", Options{MaxListBytes: 3 * 65}, 4, "larger than 195 bytes"},
		{"files", Options{MaxFiles: 1}, 1, "more than 1 files"},
		{"depth", Options{MaxDepth: 2}, 10, "deeper than 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := mustLoad(t, test.options, folder)
			if n := r.Set.Counts().Hashes; n != test.hashes {
				t.Errorf("%d hashes, want %d", n, test.hashes)
			}
			if got := strings.Join(problems(r), "\n"); (got != "") != (test.problem != "") || !strings.Contains(got, test.problem) {
				t.Errorf("problems: %s", got)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	files := map[string]string{"hashes.txt": hashA, "a/x.ioc": openIOC("1", nameIsX) + "\n\n"}
	version := func(files map[string]string, paths ...string) string {
		folder := tree(t, files)
		var full []string
		for _, p := range paths {
			full = append(full, filepath.Join(folder, p))
		}
		return mustLoad(t, Options{}, full...).Version
	}
	base := version(files, "hashes.txt", "a/x.ioc")
	if v := version(files, "a", "hashes.txt"); v != base {
		t.Error("the order of files changes the version")
	}
	if v := version(map[string]string{"hashes.txt": hashA, "a/x.ioc": openIOC("1", nameIsX) + "\n \n", "README": "new"}, ""); v == base {
		t.Error("the content after the root element does not change the version")
	}
	if v := version(map[string]string{"hashes.txt": hashA, "a/x.ioc": files["a/x.ioc"], "README": "new"}, ""); v != base {
		t.Error("a file without indicators changes the version")
	}
	if v := version(map[string]string{"trusted-hashes.txt": hashA, "a/x.ioc": files["a/x.ioc"]}, ""); v == base {
		t.Error("the kind of a list does not change the version")
	}
	if empty := mustLoad(t, Options{}).Version; len(empty) != 64 || empty == base {
		t.Errorf("version of nothing: %q", empty)
	}
}

func TestSignatureBase(t *testing.T) {
	r := mustLoad(t, Options{}, testdata.Shared(t, "signature-base", "iocs"))
	want := ioc.Counts{Indicators: 3828, Evaluated: 3828, Hashes: 3224, Networks: 1844, Keywords: 14}
	if diff := cmp.Diff(want, r.Set.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	for _, p := range r.Problems {
		if !p.Warning || filepath.Base(p.File) != "README.txt" {
			t.Errorf("%s:%d: %s", p.File, p.Line, p.Message)
		}
	}
	needs := r.Set.Needs()
	if !needs.MD5 || !needs.SHA1 || !needs.SHA256 || needs.TrustedMD5 || len(needs.Strings) > 0 {
		t.Errorf("needs: %+v", needs)
	}
}

// TestOpenIOCFiles loads every published file and checks it term by term, as `tyto ioc check` does.
func TestOpenIOCFiles(t *testing.T) {
	r := mustLoad(t, Options{Set: ioc.Options{Now: time.Now(), Available: ioc.Only(ioc.FileTerms()...)}}, testdata.Shared(t, "openioc"))
	files := 0
	for _, f := range r.Files {
		if f.Format == OpenIOC {
			files++
			if f.Indicators != 1 || f.Broken {
				t.Errorf("%+v", f)
			}
		}
	}
	statuses, paths, matchable, terms := map[ioc.Status]int{}, map[string]int{}, 0, 0
	for _, c := range r.Set.Check() {
		if c.CanMatch {
			matchable++
		} else if c.Detail == "" {
			t.Errorf("%s cannot match and nobody says why", c.Indicator.Source)
		}
		for _, term := range c.Terms {
			terms++
			statuses[term.Status]++
			paths[term.Term.Path]++
			if term.Term.Line == 0 || term.Term.ID == "" || (term.Detail == "") != (term.Status == ioc.Evaluated) {
				t.Errorf("%s: %+v", c.Indicator.Source, term)
			}
			if term.Status == ioc.NotBuilt == slices.Contains(ioc.FileTerms(), term.Term.Path) {
				t.Errorf("%s:%d: %s is %s", c.Indicator.Source, term.Term.Line, term.Term.Path, term.Status)
			}
		}
	}
	// Counted with an XML parser of another language: 16 + 398 + 133 items.
	if files != 23 || terms != 547 || paths["FileItem/Md5sum"] != 148 || paths["FileItem/FileName"] != 87 || paths["FileItem/FullPath"] != 26 {
		t.Errorf("%d files, %d terms, %v", files, terms, paths)
	}
	want := map[ioc.Status]int{ioc.Evaluated: 282, ioc.NotBuilt: 265}
	if diff := cmp.Diff(want, statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	t.Logf("%d of %d indicators can match on files alone", matchable, files)
	for _, p := range r.Problems {
		if !p.Warning || !strings.HasPrefix(filepath.Base(p.File), "LICENSE") {
			t.Errorf("%+v", p)
		}
	}
}
