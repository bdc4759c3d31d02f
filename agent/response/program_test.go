package response

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tyto/agent/place"
)

// TestMain lets this binary play the administrator's program: "binary play PART [ARG]".
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "play" {
		play(os.Args[2], os.Args[3:])
		return
	}
	os.Exit(m.Run())
}

func play(part string, args []string) {
	switch part {
	case "tell": // what it was given
		line, _ := io.ReadAll(os.Stdin)
		dir, _ := os.Getwd()
		_, secret := os.LookupEnv("AGENTS_SECRET")
		fmt.Printf("%s|%s|%v|%v|%q", line, dir, os.Getenv("PATH") != "", secret, args)
	case "fail":
		fmt.Fprint(os.Stderr, "no ")
		fmt.Print("luck")
		os.Exit(7)
	case "flood":
		os.Stdout.Write(bytes.Repeat([]byte("x"), 10<<20))
	case "deaf": // leaves its input unread
	case "hang":
		time.Sleep(time.Hour)
	case "parent": // starts a child, says so, and ends or hangs
		child := exec.Command(os.Args[0], "play", "hang")
		child.Stdout = os.Stdout // which keeps the pipe open
		if err := child.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.WriteFile(args[0]+".new", []byte(strconv.Itoa(child.Process.Pid)), 0o600)
		os.Rename(args[0]+".new", args[0])
		if len(args) > 1 {
			time.Sleep(time.Hour)
		}
	}
}

// program returns a program that plays a part.
func program(t *testing.T, args ...string) *Program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Program{
		Args:  append([]string{self, "play"}, args...),
		trust: func(string) error { return nil }, // test binaries lie in folders that others can change
	}
}

func TestProgramGetsTheFinding(t *testing.T) {
	t.Setenv("AGENTS_SECRET", "not for programs")
	outcome, err := program(t, "tell", "an argument; $HOME `id`").Run(t.Context(), []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(outcome.Output), "|")
	want := []string{"{\"a\":1}\n", rootDir(), "true", "false", "[\"an argument; $HOME `id`\"]"}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Error(diff)
	}
	if outcome.Exit != 0 || outcome.Cut != 0 {
		t.Errorf("exit %d, cut %d", outcome.Exit, outcome.Cut)
	}
}

func TestProgramEnds(t *testing.T) {
	megabyte := bytes.Repeat([]byte("y"), 1<<20)
	tests := []struct {
		name string
		part string
		line []byte
		want Outcome
	}{
		{"with an exit code", "fail", []byte("{}"), Outcome{Exit: 7, Output: []byte("no luck")}},
		{"with too much to say", "flood", nil, Outcome{Output: bytes.Repeat([]byte("x"), DefaultOutput), Cut: 10<<20 - DefaultOutput}},
		{"without reading", "deaf", megabyte, Outcome{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := program(t, test.part).Run(t.Context(), test.line)
			if err != nil {
				t.Fatal(err)
			}
			got.Took = 0
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProgramThatHangsIsEndedWithItsChildren(t *testing.T) {
	note := filepath.Join(t.TempDir(), "child")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	type ended struct {
		outcome Outcome
		err     error
	}
	over := make(chan ended)
	go func() {
		outcome, err := program(t, "parent", note, "hang").Run(ctx, nil)
		over <- ended{outcome, err}
	}()
	child := await(t, note)
	cancel(ErrTimeUp)
	got := <-over
	if !errors.Is(got.err, ErrTimeUp) {
		t.Errorf("error %v, want %v", got.err, ErrTimeUp)
	}
	if got.outcome.Exit == 0 {
		t.Error("it ended well")
	}
	awaitEnd(t, child)
}

func TestDaemonEndsWithItsProgram(t *testing.T) {
	note := filepath.Join(t.TempDir(), "child")
	outcome, err := program(t, "parent", note).Run(t.Context(), nil)
	if err != nil || outcome.Exit != 0 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	awaitEnd(t, await(t, note))
}

// await returns the process id in a file, as soon as that is there.
func await(t *testing.T, name string) int {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(string(data))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	t.Fatalf("nobody wrote %q", name)
	return 0
}

// awaitEnd fails unless a process ends.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if !alive(pid) {
			return
		}
	}
	t.Errorf("process %d lives on", pid)
}

func TestProgramIsRefused(t *testing.T) {
	open := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(open, nil, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil { // whatever the umask
		t.Fatal(err)
	}
	unsafe := &place.Unsafe{Path: "somewhere"}
	tests := []struct {
		name    string
		program Program
		want    string
	}{
		{"no program", Program{}, "it has no whole path"},
		{"no whole path", Program{Args: []string{"sh"}}, "it has no whole path"},
		{"shell script of windows", Program{Args: []string{filepath.Join(rootDir(), "a.BAT")}}, "read by a shell"},
		{"others can change it", Program{Args: []string{open}, trust: func(string) error { return unsafe }}, "somewhere"},
		{"missing", Program{Args: []string{open + "-missing"}, trust: func(string) error { return nil }}, "start"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.program.Run(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestProgramIsNotStartedTooLate(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrTimeUp)
	if _, err := program(t, "fail").Run(ctx, nil); !errors.Is(err, ErrTimeUp) {
		t.Errorf("error %v, want %v", err, ErrTimeUp)
	}
}
