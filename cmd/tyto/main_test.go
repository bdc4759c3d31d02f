package main

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

// isTyto in the environment makes the test binary the tyto command, for tests that start one.
const isTyto = "TYTO_TEST_IS_TYTO"

func TestMain(m *testing.M) {
	// The test binary is the tyto command as well: scripts run it under that name, and it
	// starts itself again for workers, compilers and tracers, whose command is in the arguments.
	if len(os.Args) > 1 && (os.Args[1] == "worker" || os.Args[1] == compileCommand || os.Args[1] == "sandbox") {
		main()
		return
	}
	if os.Getenv(isTyto) != "" {
		main()
		return
	}
	testscript.Main(lingering{m}, map[string]func(){"tyto": main})
}

// lingering waits at the end for the last processes of the scripts: on Windows the file of a program that has
// been ended cannot be deleted for a moment, and testscript deletes it.
type lingering struct{ *testing.M }

func (m lingering) Run() int {
	code := m.M.Run()
	if runtime.GOOS == "windows" {
		time.Sleep(5 * time.Second)
	}
	return code
}

// TestScripts runs the command lines in testdata/script. They read as a user's session.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
			env.Setenv("LOCALAPPDATA", filepath.Join(env.WorkDir, ".cache"))
			env.Values[backgroundKey{}] = new(*exec.Cmd)
			env.Setenv("ROOT", filepath.Dir(filepath.Dir(mustGetwd(t))))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":     await,
			"ended":     endedWith,
			"entries":   entries,
			"exits":     exits,
			"file":      file,
			"harmless":  harmless,
			"interrupt": interrupt,
			"joined":    joined,
			"standin":   standin,
			"settled":   settled,
			"zipped":    zipped,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "mountable":
				return exec.Command("unshare", "--mount", "mount", "-t", "tmpfs", "none", os.TempDir()).Run() == nil, nil
			}
			_, err := exec.LookPath(cond)
			return err == nil, nil
		},
	})
}

// backgroundKey is where a script keeps the background command that it interrupted.
type backgroundKey struct{}

func mustGetwd(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// exits runs a command and checks its exit code: "exits 3 tyto scan x".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		// testscript tells the code of a command that failed in its error only.
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s ended with %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// await waits until a file holds a text, as long as the test may take: "await scan.jsonl TEXT".
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	for range 6000 {
		if content, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(content), args[1]) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s does not hold %q", args[0], args[1])
}

// interrupt does to the script's background command what Ctrl-C does; its exit code can be checked with
// "ended" after "wait".
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if commands := ts.BackgroundCmds(); neg || len(args) != 0 || len(commands) != 1 {
		ts.Fatalf("usage: interrupt, with one command in the background")
	}
	cmd := ts.BackgroundCmds()[0]
	*ts.Value(backgroundKey{}).(**exec.Cmd) = cmd
	ts.Check(cmd.Process.Signal(os.Interrupt))
}

// endedWith checks the exit code of the command that was interrupted: "ended 3".
func endedWith(ts *testscript.TestScript, neg bool, args []string) {
	cmd := *ts.Value(backgroundKey{}).(**exec.Cmd)
	if neg || len(args) != 1 || cmd == nil || cmd.ProcessState == nil {
		ts.Fatalf("usage: ended CODE, after interrupt and wait")
	}
	if code := strconv.Itoa(cmd.ProcessState.ExitCode()); code != args[0] {
		ts.Fatalf("the command ended with %s, want %s", code, args[0])
	}
}

// file writes a file whose name, and content if there is any, are written as in Go strings:
// "file 'evil\nname' 'text\x00'". With a size, zeros follow: `file zeros 'MZ' 3MiB`.
func file(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: file NAME CONTENT [SIZE]")
	}
	var unquoted [2]string
	for i, arg := range args[:2] {
		text, err := strconv.Unquote(`"` + arg + `"`)
		ts.Check(err)
		unquoted[i] = text
	}
	path := ts.MkAbs(unquoted[0])
	ts.Check(os.WriteFile(path, []byte(unquoted[1]), 0o600))
	if len(args) == 3 {
		var size byteSize
		ts.Check(size.Set(args[2]))
		ts.Check(os.Truncate(path, int64(size)))
	}
}

// harmless checks that an output does nothing to a terminal: it is UTF-8, and has no control characters
// but line ends, and nothing that reorders text. "harmless stdout"
func harmless(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: harmless stdout|stderr|FILE")
	}
	text := ts.ReadFile(args[0])
	if !utf8.ValidString(text) {
		ts.Fatalf("%s is not UTF-8", args[0])
	}
	for _, r := range text {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf) {
			ts.Fatalf("%s holds %U", args[0], r)
		}
	}
}

// joined writes a file of pieces that are joined, so that no script holds what a virus scanner looks
// for: "joined FILE PIECE…".
func joined(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: joined FILE PIECE…")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(args[1:], "")), 0o600))
}

// settled waits until the files of the script are old enough for their times to prove that they do not
// change any more, as the inventory wants it.
func settled(*testscript.TestScript, bool, []string) { time.Sleep(2100 * time.Millisecond) }

// entries sets ID to the id of some entry in a vault: "entries VAULT".
func entries(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: entries VAULT")
	}
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*.age"))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("%s has no entry", args[0])
	}
	ts.Setenv("ID", strings.TrimSuffix(filepath.Base(found[0]), ".age"))
}

// zipped makes a zip archive of files: "zipped ARCHIVE FILE…".
func zipped(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: zipped ARCHIVE FILE…")
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	w := zip.NewWriter(f)
	for _, name := range args[1:] {
		m, err := w.Create(name)
		ts.Check(err)
		_, err = m.Write([]byte(ts.ReadFile(name)))
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(f.Close())
}
