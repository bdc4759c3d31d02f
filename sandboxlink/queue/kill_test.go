package queue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "victim" {
		if err := victim(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// victimContent is the n-th content of the victim.
func victimContent(n int) string { return noise(uint64(n), 10+n%7*20_000) }

// victim adds, updates and removes, and says before and after each step what it does, until it is killed; at a
// step of its own, if it is told one.
func victim(dir, first, at string) error {
	q, err := Open(dir, Options{fault: func(step string) {
		if step != at {
			return
		}
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
		select {} // until it is so
	}})
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(uint64(n), 1))
	fmt.Println("begun")
	for ; ; n++ {
		content := victimContent(n)
		o := object(content, r.IntN(100))
		fmt.Println("adding", o.SHA256, n)
		if _, err := q.Add(context.Background(), o, strings.NewReader(content)); err != nil {
			return err
		}
		fmt.Println("added", o.SHA256, n)
		item, err := q.Next(context.Background())
		if err != nil {
			return err
		}
		for range 3 {
			s := item.State
			s.Attempts++
			s.Task = fmt.Sprint("task", s.Attempts)
			fmt.Println("updating", item.Object.SHA256, s.Attempts)
			if err := item.Update(s); err != nil {
				return err
			}
			fmt.Println("updated", item.Object.SHA256, s.Attempts)
		}
		if q.Usage().Entries > 5 {
			fmt.Println("removing", item.Object.SHA256, 0)
			if err := item.Remove(); err != nil {
				return err
			}
			fmt.Println("removed", item.Object.SHA256, 0)
		}
		item.Release()
	}
}

// fate is what is known of an object from outside the victim.
type fate struct {
	n        int
	begun    bool // adding
	there    bool // added
	going    bool // removing
	gone     bool // removed
	attempts [2]int
}

// witness reads what the victim says into fates, and returns when it is dead.
func witness(t *testing.T, out io.Reader, fates map[string]*fate, begun func()) (highest int) {
	t.Helper()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var what, sum string
		var n int
		if lines.Text() == "begun" {
			begun()
			continue
		}
		if k, err := fmt.Sscan(lines.Text(), &what, &sum, &n); k != 3 || len(sum) != 64 {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Fatal(lines.Text())
			}
			t.Logf("half a line: %q, %v", lines.Text(), err)
			continue
		}
		f := fates[sum]
		if f == nil {
			f = &fate{}
			fates[sum] = f
		}
		switch what {
		case "adding":
			f.begun, f.n = true, n
			highest = max(highest, n)
		case "added":
			f.there = true
		case "updating":
			f.attempts[1] = n
		case "updated":
			f.attempts = [2]int{n, n}
		case "removing":
			f.going = true
		case "removed":
			f.gone = true
		}
	}
	return highest
}

// check opens the queue as the next process would, and holds it to what the victim was told. What may be one
// way or the other is settled by it.
func check(t *testing.T, dir string, fates map[string]*fate) {
	t.Helper()
	q, events := open(t, dir, Options{})
	defer shut(t, q)
	list, err := q.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]Entry{}
	for _, e := range list {
		there[e.SHA256] = e
	}
	for sum, f := range fates {
		e, ok := there[sum]
		delete(there, sum)
		switch {
		case f.gone && ok:
			t.Errorf("%s was removed and is there", sum)
		case !ok && f.there && !f.going:
			t.Errorf("%s was added and is lost", sum)
		case !ok:
			delete(fates, sum)
		case e.State.Attempts != f.attempts[0] && e.State.Attempts != f.attempts[1]:
			t.Errorf("%s has state %d; want %v", sum, e.State.Attempts, f.attempts)
		default:
			f.there, f.going, f.attempts = true, false, [2]int{e.State.Attempts, e.State.Attempts}
			entry, err := q.find(sum)
			if err != nil {
				t.Fatal(err)
			}
			if content, err := read(&Item{Object: e.Object, q: q, e: entry}); content != victimContent(f.n) || err != nil {
				t.Errorf("%s is not whole: %d bytes, %v", sum, len(content), err)
			}
		}
	}
	if len(there) > 0 {
		t.Errorf("nobody has added %v", there)
	}
	if kinds := events.kinds(); kinds != nil {
		t.Errorf("events %v", kinds)
	}
	if u := q.Usage(); u.Bytes != onDisk(t, dir) || u.Entries != len(files(t, dir)) {
		t.Errorf("%+v, %d bytes in %q", u, onDisk(t, dir), files(t, dir))
	}
}

// kill runs a victim and kills it some time after it has begun; never, if it does so itself.
func kill(t *testing.T, dir string, first int, at string, after time.Duration, fates map[string]*fate) (highest int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "victim", dir, fmt.Sprint(first), at)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	highest = witness(t, out, fates, func() {
		if at == "" {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	})
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() == 1 && at == "" && exit.Exited() && os.PathSeparator == '/' {
		t.Fatalf("the victim ended by itself: %v", err)
	}
	return highest
}

// A process that is killed at any moment loses nothing that it was told is safe, and leaves nothing that counts.
func TestKilledAtAnyMoment(t *testing.T) {
	moments := 200
	if testing.Short() || runtime.GOOS == "windows" { // where starting a process takes a second, under Wine
		moments = 20
	}
	dir, fates := folder(t), map[string]*fate{}
	r := rand.New(rand.NewPCG(7, 8))
	first := 0
	for range moments {
		first = max(first, kill(t, dir, first, "", time.Duration(r.Int64N(int64(60*time.Millisecond))), fates)) + 1
		check(t, dir, fates)
	}
	t.Logf("%d moments: %d objects were begun, %d are there", moments, first, len(files(t, dir)))
}

// The same at each step, where random moments seldom hit.
func TestKilledAtEachStep(t *testing.T) {
	for _, step := range []string{"created", "written", "synced", "renamed", "head", "removed"} {
		t.Run(step, func(t *testing.T) {
			dir, fates := folder(t), map[string]*fate{}
			first := 0
			for range 3 {
				first = kill(t, dir, first, step, 0, fates) + 1
				check(t, dir, fates)
			}
		})
	}
}

// What a killed process left of an object in the making is removed, whatever it looks like.
func TestLeftovers(t *testing.T) {
	dir := folder(t)
	q, _ := open(t, dir, Options{})
	o := add(t, q, "content", 0)
	shut(t, q)
	for _, name := range []string{o.SHA256 + suffixNew, strings.Repeat("1", 64) + suffixNew} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q, events := open(t, dir, Options{})
	if names := files(t, dir); len(names) != 1 || events.kinds() != nil || q.Usage().Bytes != onDisk(t, dir) {
		t.Errorf("%q, %+v", names, q.Usage())
	}
}
