package store_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/verdict"
)

// The sqlite3 shell, another build of SQLite, reads the file, also while it is in use: these are the
// examples of docs/state.md.
func TestShell(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("where Windows programs are tested, the shell is no Windows program")
	}
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("sqlite3 is missing: run scripts/install-deps.sh tests")
		}
		t.Skip("sqlite3 is missing: run scripts/install-deps.sh tests")
	}
	s := open(t)
	o := options
	o.Run = addRun(t, s)
	remember(t, s, o, wicked(object("/dir", 1)), examined(object("/dir with 'quotes'", 2)))
	putVerdicts(t, s, said(7, verdict.Malicious, noon))
	tests := []struct{ query, want string }{
		{"PRAGMA integrity_check", "ok"},
		{"SELECT path, type, sha256, findings FROM v_files ORDER BY path",
			"/dir with 'quotes'/file000002|ELF|30000000000000000000000000000000000000000000000000000000000003ea|0\n" +
				"/dir/file000001|ELF|30000000000000000000000000000000000000000000000000000000000003e9|2"},
		{"SELECT path, level, score, match, examined FROM v_findings",
			"/dir/file000001|alert|80|Wicked|2026-11-21 12:00:00\n/dir/file000001!/inner|alert|80|Wicked|2026-11-21 12:00:00"},
		{"SELECT json_extract(line, '$.file.path') FROM records WHERE kind = 'skip'", "/dir/file000001!/secret"},
		{"SELECT path FROM v_files WHERE id IN (SELECT file FROM hashes WHERE key = substr(x'100000000000000000000000000003e9', 1, 8)) AND md5 = '100000000000000000000000000003e9'",
			"/dir/file000001"},
		{"SELECT id, task, state, findings FROM v_runs", "1|t|running|2"},
		{"SELECT path FROM v_files WHERE gone IS NOT NULL", ""},
		{"SELECT sha256, level, threats, learned FROM v_verdicts", strings.Repeat("0", 63) + "7|malicious|[]|2026-11-21 12:00:00"},
	}
	for _, tt := range tests {
		out, err := exec.Command(shell, "-batch", "-readonly", s.Path(), tt.query).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", tt.query, err, out)
		}
		if diff := cmp.Diff(tt.want, strings.TrimSpace(string(out))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
}

// The examples of docs/state.md run as they stand there.
func TestDocumentedQueries(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is missing; TestShell says what to do")
	}
	manual, err := os.ReadFile("../docs/state.md")
	if err != nil {
		t.Fatal(err)
	}
	s := open(t)
	remember(t, s, options, wicked(object("/dir", 1)))
	examples := regexp.MustCompile(`(?s)\n    (sqlite3 -readonly state\.db "[^"]*"[^\n]*)`).FindAllStringSubmatch(string(manual), -1)
	if len(examples) < 5 {
		t.Fatalf("%d examples in the manual; want some", len(examples))
	}
	for _, example := range examples {
		cmd := exec.Command("sh", "-c", example[1])
		cmd.Dir = filepath.Dir(s.Path())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", example[1], err, out)
		}
	}
}
