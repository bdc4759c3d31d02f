package quarantine

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tyto/finding"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 6 && os.Args[1] == "victim" {
		if err := victim(os.Args[2], os.Args[3], os.Args[4], os.Args[5]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// victim adds a file, or restores an entry. It says when it begins, and kills itself at a step if it is
// told one.
func victim(do, vault, what, at string) error {
	v, err := Open(vault, Options{fault: func(step string) error {
		if step != at {
			return nil
		}
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
		select {} // until it is so
	}})
	if err != nil {
		return err
	}
	defer v.Close()
	fmt.Println("begun")
	switch do {
	case "wait":
		time.Sleep(time.Hour) // it is there to be killed
		return nil
	case "add":
		_, err = v.Add(context.Background(), Request{Object: finding.Object{Path: what}})
	default:
		_, err = v.Restore(context.Background(), what, RestoreOptions{})
	}
	return err
}

// kill starts a victim and kills it some time after it has begun. It reports whether that was too late.
func kill(t *testing.T, after time.Duration, args ...string) (ended bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"victim"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("begun"))); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	return cmd.Wait() == nil
}

// A process that is killed at any moment of Add or Restore loses nothing, and what it leaves is put in
// order by the next one.
func TestKilledAtAnyMoment(t *testing.T) {
	moments := 100
	if testing.Short() {
		moments = 20
	}
	dir := folder(t)
	vault := filepath.Join(dir, "vault")
	file := filepath.Join(dir, "file")
	content := strings.Repeat("content ", 1<<17)
	r := rand.New(rand.NewPCG(3, 4))
	longest := map[string]time.Duration{"add": 20 * time.Millisecond, "restore": 20 * time.Millisecond} // grow until some processes end before they are killed
	tally := map[string]int{}
	for range moments {
		do := "add"
		what := file
		if entry := state(t, vault, file, content); entry != "" {
			do, what = "restore", entry
		}
		if kill(t, time.Duration(r.Int64N(int64(longest[do]))), do, vault, what, "") {
			tally[do+" done"]++
			longest[do] = longest[do] * 9 / 10
		} else {
			tally[do+" killed"]++
			longest[do] = min(longest[do]*21/20, time.Second)
		}
	}
	state(t, vault, file, content)
	t.Logf("%d moments: %v", moments, tally)
}

// The same at each step, where random moments seldom hit.
func TestKilledAtEachStep(t *testing.T) {
	for _, test := range []struct {
		do, step string
		vault    int  // entries afterwards
		file     bool // the file is in its place
	}{
		{"add", "written", 0, true},
		{"add", "copied", 1, true},
		{"add", "looked", 1, true},
		{"add", "moved", 1, false},
		{"add", "removed", 1, false},
		{"restore", "restored", 1, false},
		{"restore", "published", 1, true},
	} {
		t.Run(test.do+" "+test.step, func(t *testing.T) {
			dir := folder(t)
			vault, file := filepath.Join(dir, "vault"), filepath.Join(dir, "file")
			what := write(t, file, "content")
			if test.do == "restore" {
				v, err := Open(vault, Options{})
				if err != nil {
					t.Fatal(err)
				}
				what = add(t, v, file).Entry.ID
				v.Close()
			}
			if kill(t, 10*time.Second, test.do, vault, what, test.step) {
				t.Skip("this system does not have this step")
			}
			v, err := Open(vault, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			list, damaged, err := v.List(t.Context())
			if err != nil || len(damaged) > 0 || len(list) != test.vault {
				t.Fatalf("%d entries, %v, %v", len(list), damaged, err)
			}
			for _, e := range list {
				if want := map[bool]Original{true: Unconfirmed, false: Removed}[test.file]; e.Original != want && test.do == "add" {
					t.Errorf("the original is %q, want %q", e.Original, want)
				}
			}
			if exists(file) != test.file {
				t.Errorf("the file is in its place: %v", !test.file)
			}
			if test.file && mustRead(t, file) != "content" {
				t.Error("the file is not whole")
			}
			state(t, vault, file, "content")
		})
	}
}

// state opens the vault as the next process would, and checks that the content is there: in its place, or
// whole in the vault. It returns the entry if the file is gone, and makes both one again if there are two.
func state(t *testing.T, vault, file, content string) (entry string) {
	t.Helper()
	v, err := Open(vault, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	list, damaged, err := v.List(t.Context())
	if err != nil || len(damaged) > 0 {
		t.Fatalf("list: %v, %v", damaged, err)
	}
	inPlace := exists(file)
	if inPlace && mustRead(t, file) != content {
		t.Fatal("the file is in its place, but not whole")
	}
	if len(list) == 0 && !inPlace {
		if exists(vault) {
			t.Fatal("the content is lost")
		}
		write(t, file, content) // the very first time
		return ""
	}
	for _, e := range list {
		f, err := v.Extract(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(got) != content {
			t.Fatalf("entry %s has %d bytes, %v", e.ID, len(got), err)
		}
		entry = e.ID
	}
	if inPlace { // a copy beside its original is what a kill may leave
		for _, e := range list {
			if err := v.Delete(t.Context(), e.ID); err != nil {
				t.Fatal(err)
			}
		}
		entry = ""
	}
	names, err := os.ReadDir(vault)
	if err != nil && v.Exists() {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), suffixNew) {
			t.Errorf("%q was left behind", n.Name())
		}
	}
	around, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range around {
		if strings.HasPrefix(n.Name(), ".tyto-") {
			t.Errorf("%q was left behind", n.Name())
		}
	}
	return entry
}
