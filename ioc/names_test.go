package ioc_test

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"tyto/finding"
	"tyto/ioc"
	"tyto/ioc/load"
	"tyto/testdata"
)

// nameRow is a row of the real list of file names, read by a parser of three lines.
type nameRow struct {
	line       int
	match, not *regexp.Regexp
	literal    string // lower case, for rows without metacharacters
}

func nameRows(t testing.TB) []nameRow {
	f, err := os.Open(testdata.Shared(t, "signature-base", "iocs", "filename-iocs.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []nameRow
	scanner := bufio.NewScanner(f)
	for line := 1; scanner.Scan(); line++ {
		fields := strings.Split(strings.TrimSpace(scanner.Text()), ";")
		if fields[0] == "" || fields[0][0] == '#' {
			continue
		}
		row := nameRow{line: line, match: regexp.MustCompile(fields[0])}
		if regexp.QuoteMeta(fields[0]) == fields[0] {
			row.literal = strings.ToLower(fields[0])
		}
		if len(fields) > 2 {
			row.not = regexp.MustCompile(fields[2])
		}
		rows = append(rows, row)
	}
	return rows
}

// holds is what equal separators mean, without rewriting an expression: it matches the path
// written with either separator throughout.
func holds(re *regexp.Regexp, path string) bool {
	return re.MatchString(strings.ReplaceAll(path, "/", `\`)) || re.MatchString(strings.ReplaceAll(path, `\`, "/"))
}

func (r nameRow) holds(path string) bool {
	match := holds(r.match, path)
	if r.literal != "" {
		match = strings.Contains(strings.ToLower(strings.ReplaceAll(path, `\`, "/")), r.literal)
	}
	return match && (r.not == nil || !holds(r.not, path))
}

// TestNamesAgainstNaiveLoop holds the index against one regular expression after another, on
// paths of this machine and on paths that the patterns themselves make.
func TestNamesAgainstNaiveLoop(t *testing.T) {
	rows := nameRows(t)
	if len(rows) != 3828 {
		t.Fatalf("%d rows, want 3828", len(rows))
	}
	r, err := load.Load(context.Background(), []string{testdata.Shared(t, "signature-base", "iocs", "filename-iocs.txt")}, load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	paths := append(systemPaths(t, 300), generatedPaths(t, rows, random)...)
	enough := len(rows) / 4
	if testing.Short() {
		const one = 20 // of so many paths
		for i := range len(paths) / one {
			paths[i] = paths[i*one]
		}
		paths, enough = paths[:len(paths)/one], enough/one
	}
	run := r.Set.NewRun()
	matches := 0
	for _, path := range paths {
		var want, got []int
		for _, row := range rows {
			if row.holds(path) {
				want = append(want, row.line)
			}
		}
		for _, m := range run.Examine(ioc.FileItem(&finding.Object{Path: path}, nil, true)) {
			got = append(got, m.Line)
		}
		matches += len(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q:\ngot  rows %v\nwant rows %v", path, got, want)
		}
	}
	t.Logf("%d paths, %d matches", len(paths), matches)
	if matches < enough {
		t.Errorf("only %d matches: the test says little", matches)
	}
}

// systemPaths returns some paths of this machine.
func systemPaths(t testing.TB, n int) []string {
	var paths []string
	err := filepath.WalkDir("/usr", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && len(path)%7 == 0 {
			paths = append(paths, path)
		}
		if len(paths) >= n {
			return filepath.SkipAll
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// generatedPaths makes a path from every other pattern, in various surroundings.
func generatedPaths(t testing.TB, rows []nameRow, random *rand.Rand) []string {
	var paths []string
	for i, row := range rows {
		if i%2 == 1 {
			continue
		}
		tree, err := syntax.Parse(row.match.String(), syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		path := example(tree, random)
		switch random.IntN(4) {
		case 0:
			path = `C:\Users\a` + path
		case 1:
			path = "/mnt/x" + strings.ReplaceAll(path, `\`, "/")
		case 2:
			path = "/root/a.zip!/" + strings.ReplaceAll(path, `\`, "/")
		}
		switch random.IntN(6) {
		case 0:
			path = strings.ToUpper(path)
		case 1:
			path += "x"
		case 2:
			path = `C:\Windows\WinSxS\perl\python\Program Files` + path // words of exceptions
		}
		paths = append(paths, path)
	}
	return paths
}

// example returns a text that the expression matches, if anchors allow.
func example(re *syntax.Regexp, random *rand.Rand) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		i := 2 * random.IntN(len(re.Rune)/2)
		lo, hi := re.Rune[i], min(re.Rune[i+1], re.Rune[i]+20)
		return string(max(' ', lo+rune(random.IntN(int(hi-lo)+1))))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "z"
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(example(sub, random))
		}
		return b.String()
	case syntax.OpAlternate:
		return example(re.Sub[random.IntN(len(re.Sub))], random)
	case syntax.OpCapture:
		return example(re.Sub[0], random)
	case syntax.OpPlus:
		return strings.Repeat(example(re.Sub[0], random), 1+random.IntN(3))
	case syntax.OpStar, syntax.OpQuest:
		return strings.Repeat(example(re.Sub[0], random), random.IntN(2))
	case syntax.OpRepeat:
		most := re.Max
		if most < 0 {
			most = re.Min + 2
		}
		return strings.Repeat(example(re.Sub[0], random), re.Min+random.IntN(min(most-re.Min, 5)+1))
	}
	return ""
}

func TestRowsDoNotInfluenceEachOther(t *testing.T) {
	list := filepath.Join(t.TempDir(), "filename-test.txt")
	rows := []string{`\\one\.exe;60;\\perl\\`, `\\one\.exe;50`, `\\two\.exe;40`}
	if err := os.WriteFile(list, []byte(strings.Join(rows, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := load.Load(context.Background(), []string{list}, load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/perl/one.exe": "[2]", "/perl/two.exe": "[3]", "/x/one.exe": "[1 2]", "/two.exe": "[3]",
	} {
		var got []int
		for _, m := range r.Set.NewRun().Examine(ioc.FileItem(&finding.Object{Path: path}, nil, true)) {
			got = append(got, m.Line)
		}
		if s := fmt.Sprint(got); s != want {
			t.Errorf("%s: rows %s, want %s", path, s, want)
		}
	}
}
