package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// repeatedPerKill is how many files a killed scan may have to examine again, as docs/scan.md says: what
// waited to be committed, and what was on its way to the workers.
const repeatedPerKill = 1200

const killRule = `rule Needle { meta: score = 80 strings: $a = "a needle in the hay" condition: $a }`

// victim is a tree of files, some of them with something to be found, and a scan of it that is killed.
type victim struct {
	t     *testing.T
	dir   string
	rng   *rand.Rand
	files map[string]bool // by path below the tree: whether it is to be found
	opens *openCounter
}

// plant makes a tree of n files in folders.
func plant(t *testing.T, n int, rng *rand.Rand) *victim {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{t: t, dir: dir, rng: rng, files: map[string]bool{}}
	v.check(os.WriteFile(v.path("rule.yar"), []byte(killRule), 0o600))
	for i := range n {
		name := fmt.Sprintf("tree/d%02d/e%d/f%05d", i%50, i%4, i)
		if i < 200 {
			v.check(os.MkdirAll(filepath.Dir(v.path(name)), 0o755))
		}
		switch i % 40 {
		case 0: // a file that is found
			v.write(name, true)
		case 1: // an archive, in which something is found
			v.zip(name + ".zip")
		case 2: // a file with two names; it is found under one of them
			v.write(name+".link", true)
			v.check(os.Link(v.path(name+".link"), v.path(name+".link2")))
		default:
			v.write(name, false)
		}
	}
	time.Sleep(2100 * time.Millisecond) // see the script command settled
	v.opens = countOpens(t, v.path("tree"))
	return v
}

func (v *victim) path(name string) string { return filepath.Join(v.dir, name) }

func (v *victim) check(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// write writes a file of a few lines, in which a needle is found or not.
func (v *victim) write(name string, needle bool) {
	content := strings.Repeat("hay and more hay\n", 1+v.rng.IntN(60))
	if needle {
		content += "a needle in the hay"
	}
	v.check(os.WriteFile(v.path(name), []byte(content), 0o644))
	v.files[name] = needle
}

func (v *victim) zip(name string) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	m, err := w.Create("inner")
	v.check(err)
	_, err = m.Write([]byte("a needle in the hay"))
	v.check(errors.Join(err, w.Close()))
	v.check(os.WriteFile(v.path(name), b.Bytes(), 0o644))
	v.files[name+"!/inner"] = true
}

// want returns the sorted paths that a scan has to find.
func (v *victim) want() (paths []string) {
	for name, needle := range v.files {
		if needle {
			paths = append(paths, name)
		}
	}
	slices.Sort(paths)
	return paths
}

// scan starts a scan that goes on where the last one was, and returns its process.
func (v *victim) scan(inventory string) *exec.Cmd {
	v.t.Helper()
	self, err := os.Executable()
	v.check(err)
	cmd := exec.Command(self, "scan", "--quiet", "--fast", "--inventory", inventory, "--resume",
		"--rules", v.path("rule.yar"), "--cache-dir", v.path("cache"), "--report", v.path("report.jsonl"), v.path("tree"))
	cmd.Env = append(os.Environ(), isTyto+"=1")
	cmd.Stderr = &bytes.Buffer{}
	v.check(cmd.Start())
	return cmd
}

// killed runs a scan and kills it after d. It returns false if the scan came to its end before.
func (v *victim) killed(inventory string, d time.Duration) bool {
	cmd := v.scan(inventory)
	timer := time.AfterFunc(d, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == -1 {
		return true
	}
	v.ended(cmd)
	return false
}

// finish runs a scan to its end.
func (v *victim) finish(inventory string) {
	cmd := v.scan(inventory)
	_ = cmd.Wait() // its exit code tells of findings
	v.ended(cmd)
}

// ended checks that a scan came to its end and was complete.
func (v *victim) ended(cmd *exec.Cmd) {
	v.t.Helper()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		v.t.Fatalf("the scan ended with %d, want 1 (findings, complete): %s", code, cmd.Stderr)
	}
}

// found returns the sorted paths of the findings in the last report, a file with two names under the first.
func (v *victim) found() (paths []string) {
	v.t.Helper()
	f, err := os.Open(v.path("report.jsonl"))
	v.check(err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Event struct{ Action string }
			File  struct{ Path string }
		}
		v.check(json.Unmarshal(lines.Bytes(), &line))
		if line.Event.Action == "finding" {
			path, err := filepath.Rel(v.dir, line.File.Path)
			v.check(err)
			paths = append(paths, strings.Replace(path, ".link2", ".link", 1))
		}
	}
	v.check(lines.Err())
	slices.Sort(paths)
	return paths
}

// disturb changes, removes and adds files. Every other change is hidden by the old time.
func (v *victim) disturb() {
	names := slices.Sorted(maps.Keys(v.files))
	for i := range 20 {
		name := names[v.rng.IntN(len(names))]
		if _, ok := v.files[name]; !ok || strings.Contains(name, ".link") || strings.Contains(name, ".zip") {
			continue
		}
		switch i % 4 {
		case 0:
			v.check(os.Remove(v.path(name)))
			delete(v.files, name)
		case 1:
			v.write(fmt.Sprintf("%s.new%d", name, v.rng.IntN(1000)), true)
		default:
			info, err := os.Stat(v.path(name))
			v.check(err)
			v.write(name, !v.files[name])
			if i%4 == 3 {
				v.check(os.Chtimes(v.path(name), info.ModTime(), info.ModTime()))
			}
		}
	}
}

// TestKilledScansMissNothing kills scans at random moments and goes on with them, until each came to its end:
// its report then holds what that of an undisturbed scan would hold, and little was done twice.
func TestKilledScansMissNothing(t *testing.T) {
	kills, files, seed := 200, 20_000, uint64(time.Now().UnixNano())
	if testing.Short() {
		kills, files = 20, 4000
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, test := range []struct {
		name      string
		kills     int
		disturbed bool
	}{
		{"undisturbed files", kills * 3 / 4, false},
		{"files that change meanwhile", kills / 4, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := plant(t, files, rng)
			chain, inChain, total, opened := 0, 0, 0, int64(0)
			start := time.Now()
			v.finish(v.path("undisturbed.db"))
			whole := time.Since(start)
			if diff := cmp.Diff(v.want(), v.found()); diff != "" {
				t.Fatalf("an undisturbed scan (-want +got):\n%s", diff)
			}
			for once := v.opens.take(); total < test.kills; {
				inventory := v.path(fmt.Sprintf("chain%d.db", chain))
				killed := v.killed(inventory, time.Duration(rng.Int64N(int64(min(whole*2/3, 700*time.Millisecond)))))
				if killed {
					total, inChain = total+1, inChain+1
					if test.disturbed {
						v.disturb()
					}
					if inChain < 20 && total < test.kills {
						continue
					}
					v.finish(inventory)
				}
				if diff := cmp.Diff(v.want(), v.found()); diff != "" {
					t.Fatalf("chain %d after %d kills (-want +got):\n%s", chain, inChain, diff)
				}
				opens := v.opens.take()
				opened += opens
				// Some of the last opens may not have been counted yet; they count in the next chain.
				if most := int64((inChain + 1) * repeatedPerKill); !test.disturbed && opens-once > most {
					t.Errorf("chain %d: %d files were opened again after %d kills, at most %d may be", chain, opens-once, inChain, most)
				}
				chain, inChain = chain+1, 0
			}
			t.Logf("%d kills of %d scans, each of %v; %d files opened", total, chain, whole, opened)
		})
	}
}

// openCounter counts how often files below a folder are opened, by inotify(7).
type openCounter struct{ opens atomic.Int64 }

func countOpens(t *testing.T, root string) *openCounter {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_, err = unix.InotifyAddWatch(fd, path, unix.IN_OPEN|unix.IN_ONLYDIR)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &openCounter{}
	events := os.NewFile(uintptr(fd), "inotify") // the runtime waits for it
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.count(events)
	}()
	t.Cleanup(func() {
		events.Close()
		<-done
	})
	return c
}

// count reads events until the file is closed.
func (c *openCounter) count(events *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := events.Read(buf)
		if err != nil {
			return
		}
		for rest := buf[:n]; len(rest) >= unix.SizeofInotifyEvent; {
			// The layout of struct inotify_event: wd, mask, cookie, len, name.
			mask, length := binary.NativeEndian.Uint32(rest[4:]), binary.NativeEndian.Uint32(rest[12:])
			if mask&unix.IN_ISDIR == 0 {
				c.opens.Add(1)
			}
			rest = rest[unix.SizeofInotifyEvent+int(length):]
		}
	}
}

// take returns how many opens there were since it was called last.
func (c *openCounter) take() int64 { return c.opens.Swap(0) }
