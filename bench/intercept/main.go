//go:build linux

// Command intercept measures what interception costs those who open files and start programs.
//
//	go run ./bench/intercept [-files 10000] [-rounds 5] [-tmpfs]
//
// It makes a file system of its own, ext4 on a loop device or one in memory, and has a copy of itself open files there
// one after another: without interception, with it when the files are unknown (each is noticed), and when they are
// known. Then it has programs started that are known to be malicious. It measures in the process that
// waits: the whole of open(2), of execve(2) with fork(2). Nothing but its own file system is watched.
//
// Linux only, and as root.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"tyto/sandboxlink/intercept"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == "open":
		err = openAll(os.Args[2], os.Args[3], os.Stdout)
	case len(os.Args) == 4 && os.Args[1] == "start":
		err = startAll(os.Args[2], os.Args[3], os.Stdout)
	default:
		err = run(os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "intercept:", err)
		os.Exit(1)
	}
}

// fileSize is that of the files that are opened.
const fileSize = 4096

// bench is what the measurements share.
type bench struct {
	dir     string // on the file system that is watched
	other   string // a program that is not this one: a copy of it
	files   int
	figures map[string][]time.Duration
	order   []string
}

func run(args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("intercept", flag.ContinueOnError)
	files := flags.Int("files", 10_000, "files that are opened")
	rounds := flags.Int("rounds", 5, "how often everything is measured")
	memory := flags.Bool("tmpfs", false, "measure on tmpfs instead of ext4")
	if err := flags.Parse(args); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "tyto-intercept-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	b := &bench{dir: filepath.Join(scratch, "fs"), other: filepath.Join(scratch, "opener"), files: *files, figures: map[string][]time.Duration{}}
	if err := copyFile("/proc/self/exe", b.other); err != nil {
		return err
	}
	if err := b.mount(scratch, *memory); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Unmount(b.dir, 0)) }()
	if err := b.fill(); err != nil {
		return err
	}
	for range *rounds {
		if err := b.round(); err != nil {
			return err
		}
	}
	b.print(out)
	return nil
}

func (b *bench) mount(scratch string, memory bool) error {
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		return err
	}
	if memory {
		return os.NewSyscallError("mount", unix.Mount("tyto-bench", b.dir, "tmpfs", 0, "size=1g"))
	}
	image := filepath.Join(scratch, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, 1<<30); err != nil {
		return err
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, b.dir}} {
		if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", command[0], err, output)
		}
	}
	return nil
}

func (b *bench) fill() error {
	if err := os.Mkdir(filepath.Join(b.dir, "files"), 0o755); err != nil {
		return err
	}
	for i := range b.files {
		if err := os.WriteFile(filepath.Join(b.dir, "files", strconv.Itoa(i)), make([]byte, fileSize), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// round measures everything once.
func (b *bench) round() error {
	if err := b.opens("open: no interception"); err != nil {
		return err
	}
	known := &memory{}
	err := b.intercepted(intercept.Options{Exec: true, Open: true, Memory: known}, func() error {
		return errors.Join(b.opens("open: unknown"), b.opens("open: known"))
	})
	if err != nil {
		return err
	}
	if err := b.intercepted(intercept.Options{Exec: true, Memory: known}, func() error {
		return b.opens("open: only starting programs is intercepted")
	}); err != nil {
		return err
	}
	return b.programs()
}

// intercepted measures with interception.
func (b *bench) intercepted(o intercept.Options, measure func() error) error {
	watching := make(chan struct{})
	o.FileSystems = []string{b.dir}
	o.Notice = func(a intercept.Access) { a.File.Close() }
	o.Refused = func(r intercept.Refusal) { r.File.Close() }
	o.Event = func(e intercept.Event) {
		if e.Kind == intercept.Watching {
			close(watching)
			return
		}
		fmt.Fprintln(os.Stderr, "intercept:", e)
	}
	i, err := intercept.Open(o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	select {
	case <-watching:
	case err := <-done:
		return err
	}
	err = measure()
	stop()
	return errors.Join(err, <-done)
}

// opens has the other program open all files.
func (b *bench) opens(name string) error {
	return b.take(name, "open", filepath.Join(b.dir, "files"), strconv.Itoa(b.files))
}

// take runs the other program and adds its figures.
func (b *bench) take(name string, args ...string) error {
	output, err := exec.Command(b.other, args...).Output()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var took []time.Duration
	if err := json.Unmarshal(output, &took); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if b.figures[name] == nil {
		b.order = append(b.order, name)
	}
	b.figures[name] = append(b.figures[name], took...)
	return nil
}

// sizes are of the programs that are started: a small one, a usual one, and the largest that is sent to a sandbox.
var sizes = []struct {
	name string
	size int
}{{"100 kB", 100_000}, {"5 MB", 5_000_000}, {"60 MiB", 60 << 20}}

// programs has malicious programs started: for the first time, when their content must be hashed, as a copy under
// another name, and again.
func (b *bench) programs() error {
	const again = "20"
	harmless := filepath.Join(b.dir, "harmless")
	if err := copyFile("/bin/true", harmless); err != nil {
		return err
	}
	if err := b.take("start: no interception", "start", harmless, again); err != nil {
		return err
	}
	known := &memory{}
	for _, s := range sizes {
		content := make([]byte, s.size)
		copy(content, "\x7fELF")
		known.add(content)
		for _, name := range []string{"bad", "copy of bad"} {
			if err := os.WriteFile(filepath.Join(b.dir, name+" "+s.name), content, 0o755); err != nil {
				return err
			}
		}
	}
	time.Sleep(time.Second / 2) // what has only just changed is hashed again
	return b.intercepted(intercept.Options{Exec: true, Open: true, Memory: known, ExecWait: 10 * time.Second}, func() error {
		err := b.take("start: allowed", "start", harmless, again)
		for _, s := range sizes {
			bad := filepath.Join(b.dir, "bad "+s.name)
			err = errors.Join(err,
				b.take("start: refused, "+s.name+", first time", "start", bad, "1"),
				b.take("start: refused, "+s.name+", a copy", "start", filepath.Join(b.dir, "copy of bad "+s.name), "1"),
				b.take("start: refused, "+s.name+", again", "start", bad, again))
		}
		return err
	})
}

func (b *bench) print(out io.Writer) {
	fmt.Fprintln(out, "| | times | median | 90 % | 99 % |")
	fmt.Fprintln(out, "|---|---|---|---|---|")
	for _, name := range b.order {
		took := b.figures[name]
		slices.Sort(took)
		at := func(share float64) string {
			return fmt.Sprintf("%.1f µs", float64(took[min(int(share*float64(len(took))), len(took)-1)].Nanoseconds())/1000)
		}
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s |\n", name, len(took), at(0.5), at(0.9), at(0.99))
	}
}

// openAll is the other program: it opens all files one after another.
func openAll(dir, count string, out io.Writer) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	took := make([]time.Duration, n)
	for i, name := range names {
		began := time.Now()
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		took[i] = time.Since(began)
		if err != nil {
			return err
		}
		unix.Close(fd)
	}
	return json.NewEncoder(out).Encode(took)
}

// startAll is the other program: it starts one again and again, and measures until it runs or is refused.
func startAll(program, count string, out io.Writer) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	took := make([]time.Duration, n)
	for i := range took {
		cmd := exec.Command(program)
		began := time.Now()
		err := cmd.Start()
		took[i] = time.Since(began)
		switch {
		case err == nil:
			err = cmd.Wait()
		case errors.Is(err, os.ErrPermission):
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return json.NewEncoder(out).Encode(took)
}

// memory knows a few malicious contents. It is complete before it is asked.
type memory struct {
	sizes map[int64]bool
	sums  map[[32]byte]bool
}

func (m *memory) add(content []byte) {
	if m.sizes == nil {
		m.sizes, m.sums = map[int64]bool{}, map[[32]byte]bool{}
	}
	m.sizes[int64(len(content))] = true
	m.sums[sha256.Sum256(content)] = true
}

func (m *memory) MaliciousSize(size int64) bool { return m.sizes[size] }
func (m *memory) Malicious(sum [32]byte) bool   { return m.sums[sum] }

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o755)
}
