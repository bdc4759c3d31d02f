package rules_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/rules"
	"tyto/rules/rulestest"
	"tyto/testdata"
)

// oracle is the yara command of the same libyara, with the same rules.
type oracle struct {
	yara, compiled string
	// namespaces has the source file of each namespace given to yarac.
	namespaces map[string]string
}

// needOracle finds the commands, or skips the test. Under CI their absence is a failure.
func needOracle(t *testing.T) (yara, yarac string) {
	t.Helper()
	missing := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("CI") != "" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	if runtime.GOOS == "windows" {
		t.Skip("the comparison with yara runs on Linux")
	}
	yara, err := exec.LookPath("yara")
	if err != nil {
		missing("needs the yara command of libyara %s in PATH: eval \"$(scripts/env.sh linux)\"", rules.LibyaraVersion)
	}
	version, err := exec.Command(yara, "--version").Output()
	if got := strings.TrimSpace(string(version)); err != nil || got != rules.LibyaraVersion {
		missing("%s is version %q, this test binary has libyara %s: eval \"$(scripts/env.sh linux)\"", yara, got, rules.LibyaraVersion)
	}
	yarac = filepath.Join(filepath.Dir(yara), "yarac")
	if _, err := os.Stat(yarac); err != nil {
		missing("there is no yarac beside %s", yara)
	}
	return yara, yarac
}

// externalFlags define all external variables, with the given values.
func externalFlags(values map[string]string) []string {
	var flags []string
	for _, name := range strings.Fields("filename filepath extension filetype owner md5 id group permissions unpack_parent unpack_source timezone language") {
		flags = append(flags, "-d", name+"="+values[name])
	}
	return append(flags, "-d", "filemode=0", "-d", "osversion=0")
}

func newOracle(t *testing.T, sources *rules.Sources) *oracle {
	t.Helper()
	yara, yarac := needOracle(t)
	o := &oracle{yara: yara, compiled: filepath.Join(t.TempDir(), "rules"), namespaces: make(map[string]string)}
	args := append([]string{"-w"}, externalFlags(nil)...)
	for i, f := range sources.Files {
		ns := fmt.Sprintf("f%d", i)
		o.namespaces[ns] = f.Path
		args = append(args, ns+":"+f.Path)
	}
	if out, err := exec.Command(yarac, append(args, o.compiled)...).CombinedOutput(); err != nil {
		t.Fatalf("yarac: %v\n%s", err, out)
	}
	return o
}

// scan returns what yara finds: for each path, for each rule as "source rule", its strings as
// "offset:length:id". Strings are only listed if asked for.
func (o *oracle) scan(t *testing.T, path string, withStrings bool, values map[string]string) findings {
	t.Helper()
	args := []string{"-w", "-N", "-C", "-e", "-r", "-p", "2"}
	if withStrings {
		args = append(args, "-s", "-L")
	}
	if values != nil {
		args = append(args, externalFlags(values)...)
	}
	cmd := exec.Command(o.yara, append(args, o.compiled, path)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Logf("yara: %v; its messages begin: %.300s", err, stderr.String())
	}
	out := make(findings)
	var strs *[]string
	lines := bufio.NewScanner(&stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "0x"); ok {
			// 0x1f:5:$a: data
			parts := strings.SplitN(rest, ":", 4)
			offset, err := strconv.ParseInt(parts[0], 16, 64)
			if err != nil || len(parts) < 4 {
				t.Fatalf("yara printed %q", line)
			}
			*strs = append(*strs, fmt.Sprintf("%d:%s:%s", offset, parts[1], parts[2]))
			continue
		}
		ns, rest, _ := strings.Cut(line, ":")
		rule, file, ok := strings.Cut(rest, " ")
		source := o.namespaces[ns]
		if !ok || source == "" {
			t.Fatalf("yara printed %q", line)
		}
		strs = out.add(file, source+" "+rule)
	}
	return out
}

// findings are the strings of each rule in each file.
type findings map[string]map[string]*[]string

func (f findings) add(file, rule string) *[]string {
	if f[file] == nil {
		f[file] = make(map[string]*[]string)
	}
	f[file][rule] = new([]string)
	return f[file][rule]
}

func (f findings) count() (n int) {
	for _, rules := range f {
		n += len(rules)
	}
	return n
}

// tyto is the scanner under test.
type tyto struct {
	set     *rules.Set
	scanner *rules.Scanner
}

func newTyto(t testing.TB, paths []string, o rules.ScannerOptions) *tyto {
	t.Helper()
	set, err := rules.Load(paths, rules.Options{CacheDir: filepath.Join(os.TempDir(), fmt.Sprintf("tyto-test-cache-%d", os.Getuid()))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	info, err := set.File().Stat()
	if err != nil {
		t.Fatal(err)
	}
	scanner, err := rules.Open(set.File(), info.Size(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(scanner.Close)
	return &tyto{set, scanner}
}

// unlimited keeps all evidence.
var unlimited = rules.ScannerOptions{MatchesPerRule: 1 << 30, MatchesPerObject: 1 << 30}

func (y *tyto) record(out findings, path string, withStrings bool, result rules.Result) {
	for _, m := range result.Matches {
		r := &y.set.Rules[m.Rule]
		strs := out.add(path, r.Source+" "+r.Name)
		if withStrings {
			for _, s := range m.Strings {
				// yara -L shows the bytes that it kept, 512 at most, not the true length.
				*strs = append(*strs, fmt.Sprintf("%d:%d:%s", s.Offset, min(s.Length, 512), s.ID))
			}
		}
	}
}

func (y *tyto) scanFile(t *testing.T, out findings, path string, withStrings bool, ext *rules.Externals) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		return // yara could not either
	}
	result, err := y.scanner.ScanMem(data, ext)
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	y.record(out, path, withStrings, result)
}

// regularFiles lists what "yara -r -N" scans.
func regularFiles(t *testing.T, root string, limit int64) (files []string) {
	t.Helper()
	total := int64(0)
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil && total+info.Size() <= limit {
				total += info.Size()
				files = append(files, path)
			}
		}
		return nil
	})
	return files
}

// sorted makes findings comparable: order within a rule is no promise.
func sorted(f findings) map[string]map[string][]string {
	out := make(map[string]map[string][]string, len(f))
	for file, rules := range f {
		out[file] = make(map[string][]string, len(rules))
		for rule, strs := range rules {
			out[file][rule] = slices.Sorted(slices.Values(*strs))
		}
	}
	return out
}

// compare reports the first differences, file by file.
func compare(t *testing.T, want, got findings) {
	t.Helper()
	w, g := sorted(want), sorted(got)
	files := make(map[string]bool)
	for f := range w {
		files[f] = true
	}
	for f := range g {
		files[f] = true
	}
	shown := 0
	for _, f := range slices.Sorted(maps.Keys(files)) {
		if diff := cmp.Diff(w[f], g[f]); diff != "" {
			if shown++; shown > 10 {
				t.Fatalf("and more files")
			}
			t.Errorf("%s: yara (-), tyto (+):\n%.2000s", f, diff)
		}
	}
}

func signatureBase(t *testing.T) (string, *rules.Sources) {
	t.Helper()
	dir := testdata.Shared(t, "signature-base", "yara")
	sources, problems, err := rules.Read([]string{dir}, rules.Limits{})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return dir, sources
}

// TestSameAsYaraOnPositives compares rule by rule and string by string on files made for each rule.
func TestSameAsYaraOnPositives(t *testing.T) {
	dir, sources := signatureBase(t)
	o := newOracle(t, sources)
	y := newTyto(t, []string{dir}, unlimited)
	corpus := t.TempDir()
	examples, err := rulestest.Write(corpus, sources)
	if err != nil {
		t.Fatal(err)
	}
	if len(examples) != len(y.set.Rules) {
		t.Fatalf("%d examples for %d rules", len(examples), len(y.set.Rules))
	}
	got := make(findings)
	for _, file := range regularFiles(t, corpus, 1<<40) {
		y.scanFile(t, got, file, true, &rules.Externals{})
	}
	want := o.scan(t, corpus, true, nil)
	fired, own := make(map[string]bool), 0
	for _, matches := range want {
		for rule := range matches {
			fired[rule] = true
		}
	}
	for _, e := range examples {
		if want[e.Path][e.Source+" "+e.Rule] != nil {
			own++
		}
	}
	t.Logf("%d files, %d matches, %d different rules; %d of %d rules match their example", 2*len(examples), want.count(), len(fired), own, len(examples))
	if len(fired) < 3000 {
		t.Errorf("only %d rules fire; the comparison means little", len(fired))
	}
	compare(t, want, got)
}

// TestSameAsYaraOnSystem compares on what the machine has.
func TestSameAsYaraOnSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("scans hundreds of megabytes")
	}
	dir, sources := signatureBase(t)
	o := newOracle(t, sources)
	y := newTyto(t, []string{dir}, unlimited)
	for _, c := range []struct {
		root  string
		bytes int64
	}{
		{"/usr/bin", 100 << 20},
		{"/usr/lib/python3", 20 << 20},
		{"/usr/share/perl", 20 << 20},
		{"/usr/share/mime", 10 << 20},
		{"/etc", 10 << 20},
	} {
		if _, err := os.Stat(c.root); err != nil {
			continue
		}
		t.Run(strings.ReplaceAll(strings.Trim(c.root, "/"), "/", " "), func(t *testing.T) {
			files := regularFiles(t, c.root, c.bytes)
			// The same files for both: a folder of links would be followed by neither.
			list := filepath.Join(t.TempDir(), "files")
			if err := os.WriteFile(list, []byte(strings.Join(files, "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
			got := make(findings)
			for _, file := range files {
				y.scanFile(t, got, file, true, &rules.Externals{})
			}
			want := o.scanList(t, list)
			t.Logf("%d files, %d matches", len(files), want.count())
			compare(t, want, got)
		})
	}
}

func (o *oracle) scanList(t *testing.T, list string) findings {
	t.Helper()
	copied := *o
	wrapper := filepath.Join(t.TempDir(), "yara")
	script := fmt.Sprintf("#!/bin/sh\nexec %q --scan-list \"$@\"\n", o.yara)
	if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	copied.yara = wrapper
	return copied.scan(t, list, true, nil)
}

// TestSameAsYaraWithExternals compares rules that ask for the file's name and the like.
func TestSameAsYaraWithExternals(t *testing.T) {
	dir, sources := signatureBase(t)
	o := newOracle(t, sources)
	y := newTyto(t, []string{dir}, unlimited)
	examples, err := rulestest.Write(t.TempDir(), sources)
	if err != nil {
		t.Fatal(err)
	}
	compared, matches := 0, 0
	for _, e := range examples {
		x := e.Externals
		if x == (rules.Externals{}) || numeric(x.Filename) || numeric(x.Extension) {
			continue // yara's -d takes digits for an integer
		}
		if compared++; compared > 25 {
			break
		}
		want := o.scan(t, e.Path, true, map[string]string{
			"filename": x.Filename, "filepath": x.Filepath, "extension": x.Extension,
			"filetype": x.Filetype, "owner": x.Owner,
		})
		got := make(findings)
		y.scanFile(t, got, e.Path, true, &x)
		matches += want.count()
		compare(t, want, got)
	}
	t.Logf("%d files, %d matches", compared, matches)
	if matches == 0 {
		t.Error("no rule fires; the comparison means nothing")
	}
}

func numeric(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || s == "true" || s == "false"
}
