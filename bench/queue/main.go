// Command queue measures the queue of objects for a sandbox.
//
//	go run ./bench/queue [-n 10000] [-tree /usr/bin,/usr/lib,/usr/share] [-limit 100000000] [-dir DIR] [-parallel 2]
//
// It puts n different files of the trees into a queue and takes them out again: until the queue is full, then until
// it is empty, again and again. Each object is added, read whole with its hash checked, its state updated twice, and
// removed, as a submitter does. It tells the compression ratio, the throughput and the times of each step, the time to
// open the full queue, and the most memory that the process held. It fails if the limit was ever exceeded, an
// object was lost, or the memory was more than 80 MiB.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tyto/sandboxlink/queue"
)

// mostMemory is what the process may hold, in bytes.
const mostMemory = 80 << 20

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "queue:", err)
		os.Exit(1)
	}
}

// bench is one measurement.
type bench struct {
	dir      string
	options  queue.Options
	parallel int
	q        *queue.Queue

	add, read, update, remove timing
	in, out                   time.Duration // of all phases
	original                  atomic.Int64  // bytes
	stored                    int64         // bytes
	full                      int           // how often the queue was full
	collecting                time.Duration // processor time before the first object was added
	opening                   time.Duration // of the full queue
	opened                    int           // objects in it
}

func run(args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("queue", flag.ContinueOnError)
	var b bench
	n := flags.Int("n", 10_000, "objects")
	trees := flags.String("tree", "/usr/bin,/usr/lib,/usr/share", "folders to take files from, with commas between")
	flags.Int64Var(&b.options.Limit, "limit", queue.DefaultLimit, "bytes that the queue may take")
	flags.StringVar(&b.dir, "dir", "", "folder for the queue; default is a new one in the folder for temporary files")
	flags.IntVar(&b.parallel, "parallel", 2, "goroutines that add, and that take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	work, err := os.MkdirTemp(b.dir, "tyto-queue-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	b.dir = filepath.Join(work, "queue")
	objects, err := collect(strings.Split(*trees, ","), *n)
	if err != nil {
		return err
	}
	if b.collecting, _, err = usage(); err != nil {
		return err
	}
	if b.q, err = queue.Open(b.dir, b.options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.q.Close()) }()
	if err := b.pass(objects); err != nil {
		return err
	}
	return b.tell(out, len(objects))
}

// source is a file to be added.
type source struct {
	path   string
	object queue.Object
}

// collect finds n files with different contents.
func collect(trees []string, n int) ([]source, error) {
	var list []source
	seen := map[string]bool{}
	for _, tree := range trees {
		if len(list) == n {
			break
		}
		err := filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // what cannot be read is no loss here
			}
			s, err := describe(path)
			if err != nil || s.object.Size == 0 || s.object.Size > queue.DefaultObjectLimit || seen[s.object.SHA256] {
				return nil
			}
			seen[s.object.SHA256] = true
			s.object.Risk = len(list) * 7919 % 101
			if list = append(list, s); len(list) == n {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(list) < n {
		return nil, fmt.Errorf("there are only %d different files in %q", len(list), trees)
	}
	return list, nil
}

func describe(path string) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return source{}, err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	return source{path, queue.Object{
		SHA256: hex.EncodeToString(h.Sum(nil)), Size: size, Type: "ELF",
		Names: []queue.Name{{Path: path, Seen: time.Now(), By: "exec"}}, Why: []string{"executable", "not packaged"},
	}}, err
}

// pass lets all objects go through the queue.
func (b *bench) pass(left []source) error {
	for len(left) > 0 {
		begun := time.Now()
		rest, err := b.fill(left)
		b.in += time.Since(begun)
		added := len(left) - len(rest)
		switch {
		case err != nil:
			return err
		case added == 0:
			return fmt.Errorf("%q does not fit into the empty queue", left[0].path)
		case len(rest) > 0:
			b.full++
		}
		left = rest
		if err := b.reopen(added); err != nil {
			return err
		}
		begun = time.Now()
		if err := b.drain(added); err != nil {
			return err
		}
		b.out += time.Since(begun)
	}
	return nil
}

// fill adds objects until the queue is full, and returns those that did not fit.
func (b *bench) fill(objects []source) (rest []source, err error) {
	var mu sync.Mutex
	next := 0
	err = b.atOnce(func() error {
		for {
			mu.Lock()
			if len(rest) > 0 || next == len(objects) {
				mu.Unlock()
				return nil
			}
			s := objects[next]
			next++
			mu.Unlock()
			err := b.put(s)
			if errors.Is(err, queue.ErrFull) {
				mu.Lock()
				rest = append(rest, s)
				mu.Unlock()
			} else if err != nil {
				return err
			}
		}
	})
	u := b.q.Usage()
	b.stored += u.Bytes
	if u.Bytes > u.Limit {
		err = errors.Join(err, fmt.Errorf("the queue takes %d bytes, and the limit is %d", u.Bytes, u.Limit))
	}
	return append(rest, objects[next:]...), err
}

func (b *bench) put(s source) error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	defer b.add.since(time.Now())
	_, err = b.q.Add(context.Background(), s.object, f)
	return err
}

// reopen closes and opens the queue, as a restart does.
func (b *bench) reopen(entries int) (err error) {
	if err := b.q.Close(); err != nil {
		return err
	}
	begun := time.Now()
	if b.q, err = queue.Open(b.dir, b.options); err != nil {
		return err
	}
	b.opening += time.Since(begun)
	b.opened += entries
	if got := b.q.Usage().Entries; got != entries {
		return fmt.Errorf("%d objects are in the queue, and %d were added", got, entries)
	}
	return nil
}

// drain takes all out of the queue.
func (b *bench) drain(entries int) error {
	var left atomic.Int64
	left.Store(int64(entries))
	err := b.atOnce(func() error {
		for left.Add(-1) >= 0 {
			if err := b.take(); err != nil {
				return err
			}
		}
		return nil
	})
	if u := b.q.Usage(); err == nil && (u.Entries != 0 || u.Bytes != 0) {
		return fmt.Errorf("after all were taken there is still %+v", u)
	}
	return err
}

func (b *bench) take() error {
	item, err := b.q.Next(context.Background())
	if err != nil {
		return err
	}
	defer item.Release()
	begun := time.Now()
	r, err := item.Open()
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	b.read.since(begun)
	b.original.Add(n)
	for i := range 2 {
		begun = time.Now()
		if err := item.Update(queue.State{Server: "sandbox:443", Task: "0123456789abcdef", Sent: begun, Attempts: i + 1}); err != nil {
			return err
		}
		b.update.since(begun)
	}
	defer b.remove.since(time.Now())
	return item.Remove()
}

// atOnce runs a function several times in parallel.
func (b *bench) atOnce(do func() error) error {
	var work sync.WaitGroup
	errs := make([]error, b.parallel)
	for i := range errs {
		work.Go(func() { errs[i] = do() })
	}
	work.Wait()
	return errors.Join(errs...)
}

// timing collects how long a step takes.
type timing struct {
	mu   sync.Mutex
	took []time.Duration
}

func (t *timing) since(begun time.Time) {
	took := time.Since(begun)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took = append(t.took, took)
}

// row returns the median, the 99th percentile and the longest, in milliseconds.
func (t *timing) row() string {
	slices.Sort(t.took)
	at := func(of float64) float64 { return t.took[int(of*float64(len(t.took)-1))].Seconds() * 1e3 }
	return fmt.Sprintf("%.2f ms | %.2f ms | %.0f ms", at(0.5), at(0.99), at(1))
}

func (b *bench) tell(out io.Writer, objects int) error {
	const mb = 1e6
	original, stored := float64(b.original.Load())/mb, float64(b.stored)/mb
	fmt.Fprintf(out, "%d objects of %.1f MB, %.1f MB on disk: a ratio of %.2f; full %d times\n", objects, original, stored, original/stored, b.full)
	fmt.Fprintf(out, "in  %.0f objects/s, %.1f MB/s\nout %.0f objects/s, %.1f MB/s\n",
		float64(objects)/b.in.Seconds(), original/b.in.Seconds(), float64(objects)/b.out.Seconds(), original/b.out.Seconds())
	fmt.Fprintf(out, "opening with %d objects: %.0f ms for each thousand\n", b.opened, b.opening.Seconds()*1e3/float64(b.opened)*1e3)
	fmt.Fprintln(out, "| step | median | 99 % | longest |\n|---|---|---|---|")
	for _, step := range []struct {
		name string
		t    *timing
	}{{"add", &b.add}, {"read", &b.read}, {"update", &b.update}, {"remove", &b.remove}} {
		fmt.Fprintf(out, "| %s | %s |\n", step.name, step.t.row())
	}
	cpu, memory, err := usage()
	if err != nil {
		return err
	}
	cpu -= b.collecting
	fmt.Fprintf(out, "processor time: %.1f s, %.1f MB of objects in and out per second of it\nmemory: %.1f MiB at most\n",
		cpu.Seconds(), original/cpu.Seconds(), float64(memory)/(1<<20))
	if memory > mostMemory {
		return fmt.Errorf("the process held %d bytes, and the limit is %d", memory, mostMemory)
	}
	return nil
}
