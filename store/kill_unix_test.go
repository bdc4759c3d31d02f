//go:build unix

package store_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tyto/store"
)

// victim names the state file in a child process that writes to it until it is killed.
const victim = "TYTO_TEST_STORE_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		writeForEver(path)
	}
	os.Exit(m.Run())
}

// writeForEver tells on standard output how many files were flushed.
func writeForEver(path string) {
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil || s.Problem() != "" {
		fmt.Println("cannot open:", err, s.Problem())
		os.Exit(1)
	}
	o := options
	o.Batch = 16
	session := s.Session(o)
	for n := 0; ; n++ {
		session.Remember(wicked(object("/dir", n%5000)))
		if n%10 == 9 {
			if err := session.Flush(); err != nil {
				fmt.Println("cannot flush:", err)
				os.Exit(1)
			}
			fmt.Println(n + 1)
		}
	}
}

// TestKill kills a process that writes, again and again. What it had flushed is there, and the next one
// goes on with the same file.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	random := rand.New(rand.NewPCG(1, 2))
	for range 15 {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), victim+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		flushed, lines := 0, bufio.NewScanner(out)
		for range 1 + random.IntN(20) { // the next commit is under way when the last line is read
			if !lines.Scan() {
				break
			}
			if _, err := fmt.Sscan(lines.Text(), &flushed); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child ended with %v", err)
		}
		s, err := store.Open(ctx, path, store.Options{})
		if err != nil || s.Problem() != "" {
			t.Fatal(err, s.Problem())
		}
		session := s.Session(options)
		for n := range flushed {
			o := object("/dir", n)
			if r, ok := session.Recall(&o); !ok || len(r.Findings) != 2 {
				t.Errorf("file %d of %d that were flushed is not known", n, flushed)
			}
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
