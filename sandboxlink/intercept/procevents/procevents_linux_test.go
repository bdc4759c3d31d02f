package procevents

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func message(what, pid, tgid uint32) []byte {
	b := make([]byte, whatAt)
	b = binary.NativeEndian.AppendUint32(b, what)
	b = append(b, make([]byte, 12)...)
	b = binary.NativeEndian.AppendUint32(b, pid)
	return binary.NativeEndian.AppendUint32(b, tgid)
}

func TestParse(t *testing.T) {
	if what, pid := parse(message(eventExec, 12, 11)); what != eventExec || pid != 11 {
		t.Errorf("exec: %d of process %d", what, pid)
	}
	if what, _ := parse(message(eventExec, 12, 11)[:messageEnd-1]); what == eventExec || what == eventNone {
		t.Errorf("cut short: %d", what)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(message(eventExec, 1, 2))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if what, pid := parse(b); len(b) < messageEnd && (what == eventExec || pid != 0) {
			t.Errorf("%d, %d from %d bytes", what, pid, len(b))
		}
	})
}

func TestCandidates(t *testing.T) {
	for _, test := range []struct {
		name      string
		arguments []string
		want      []string
	}{
		{"script", []string{"sh", "script", "argument"}, []string{"script", "argument"}},
		{"options first", []string{"bash", "-e", "--posix", "script"}, []string{"script"}},
		{"none", []string{"python3"}, nil},
		{"no more than a few", []string{"perl", "1", "2", "3", "4", "5", "6"}, []string{"1", "2", "3", "4"}},
		{"too long for a path", []string{"sh", strings.Repeat("x", 5000), "script"}, []string{"script"}},
		{"any bytes", []string{"sh", "\xff\n"}, []string{"\xff\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := candidates([]byte(strings.Join(test.arguments, "\x00") + "\x00"))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInterpreters(t *testing.T) {
	for name, want := range map[string]bool{
		"sh": true, "bash": true, "dash": true, "busybox": true, "python3.11": true, "python": true, "perl5.36.0": true, "node": true,
		"php8.2": true, "gawk": true, "ld-linux-x86-64.so.2": true, "ld-musl-x86_64.so.1": true, "ld-2.31.so": true,
		"cat": false, "ssh": false, "python-config": false, "shred": false, "push": false,
	} {
		if got := interpreters.MatchString(name); got != want {
			t.Errorf("%s is an interpreter: %v", name, got)
		}
	}
}

// start starts a program that lives until the test ends, and waits until it has become that program.
func start(t *testing.T, dir, program string, args ...string) (pid int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	input, err := cmd.StdinPipe() // it waits for its end
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { input.Close(); cmd.Wait() })
	return cmd.Process.Pid
}

func TestHidden(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const waiting = "read x; exit 0\n"
	script := write("a script", waiting)
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	cat, err := os.ReadFile("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := unix.MemfdCreate("tyto-test", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(memory)
	if _, err := unix.Write(memory, cat); err != nil {
		t.Fatal(err)
	}
	deleted := write("deleted", string(cat))
	pidOfDeleted := start(t, dir, deleted)
	if err := os.Remove(deleted); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		pid  int
		want []string

		unseen bool
	}{
		{"script by its path", start(t, "/", "sh", "-e", script), []string{waiting}, false},
		{"script in the working directory", start(t, dir, "sh", "a script", "argument"), []string{waiting}, false},
		{"command", start(t, dir, "sh", "-c", waiting), nil, false},
		{"folder and then a script", start(t, dir, "sh", "-c", waiting, ".", "a script"), []string{waiting}, false},
		{"FIFO", start(t, dir, "sh", "-c", waiting, "fifo"), nil, false},
		{"no interpreter", start(t, dir, "cat"), nil, false},
		{"program in memory", start(t, dir, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), memory)), []string{string(cat)}, false},
		{"program whose file is gone", pidOfDeleted, []string{string(cat)}, false},
		{"no such process", 1 << 30, nil, false},
		{"program on a file system that nobody watches", start(t, dir, "cat"), []string{string(cat)}, true},
	} {
		t.Run(strings.ReplaceAll(test.name, "FIFO", "fifo"), func(t *testing.T) {
			var got []string
			for _, fd := range Hidden(test.pid, func(fd int) bool { return test.unseen }) {
				f := os.NewFile(uintptr(fd), strconv.Itoa(fd))
				content, err := io.ReadAll(f)
				if err != nil {
					t.Error(err)
				}
				f.Close()
				got = append(got, string(content))
			}
			if !cmp.Equal(test.want, got) {
				t.Errorf("%d files are found, not the %d that were expected", len(got), len(test.want))
			}
		})
	}
}

func TestListen(t *testing.T) {
	l, err := Listen()
	switch {
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	started := make(chan int, 100_000)
	done := make(chan error, 1)
	go func() {
		for {
			pid, err := l.Next()
			switch {
			case errors.Is(err, ErrLost):
			case err != nil:
				done <- err
				return
			default:
				started <- pid
			}
		}
	}()
	want := start(t, "/", "cat")
	for deadline := time.After(20 * time.Second); ; {
		select {
		case pid := <-started:
			if pid != want {
				continue
			}
		case <-deadline:
			t.Error("the start of a program is not told")
		}
		break
	}
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("after Stop: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
