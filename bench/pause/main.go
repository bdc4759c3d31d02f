// Command pause measures how soon a paused scan stands still.
//
//	go run ./bench/pause [-pauses 200] [-from /usr/share]
//
// It starts itself again as the broker of a scan with its worker processes, which scans a file of 4 GiB, many small
// files, and a file on which a rule takes forever, each again and again. At random moments it has the
// broker close the gate, and watches all processes of the scan from outside: the state of the workers,
// the processor time of every thread (/proc/PID/task/*/schedstat), the bytes that were read and written
// (/proc/PID/io), and the pages of the large file in the page cache (cachestat(2)). The latency is the
// time from the call of Gate.Pause to the last moment at which any of these still grew, but for
// threads of the broker that wake for less than half a millisecond.
//
// Linux only.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tyto/scanner/examine"
	"tyto/scanner/worker"
)

func main() {
	var err error
	switch {
	case len(os.Args) > 1 && os.Args[1] == "worker":
		err = worker.Serve(examine.New())
	case len(os.Args) > 1 && os.Args[1] == "broker":
		err = broker(os.Args[2:], os.Stdin, os.Stdout)
	default:
		err = run(os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pause:", err)
		os.Exit(1)
	}
}

// A scenario is work that is paused.
type scenario struct {
	name string
	// prepare makes what is scanned below dir and returns the file whose pages are watched, if any.
	prepare func(dir string) (watched string, err error)
}

// slowRule takes forever on a file that begins with its mark.
const slowRule = `rule Endless {
	strings: $mark = "take forever"
	condition: $mark at 0 and for all i in (0..1000000) : ( for all j in (0..1000000) : ( i + j != 2000001 ) )
}
rule Needle { strings: $a = "a needle in the hay" $b = { 6A 40 68 00 30 00 00 6A 14 8D 91 } condition: any of them }`

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("pause", flag.ContinueOnError)
	pauses := flags.Int("pauses", 200, "pauses of each scenario")
	from := flags.String("from", "/usr/share", "where the small files are copied from")
	files := flags.Int("files", 20_000, "small files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	scenarios := []scenario{
		{"a file of 4 GiB", largeFile},
		{fmt.Sprintf("%d small files", *files), func(dir string) (string, error) { return "", smallFiles(*from, dir, *files) }},
		{"a rule that takes forever", func(dir string) (string, error) {
			return "", os.WriteFile(filepath.Join(dir, "slow"), []byte("take forever"), 0o600)
		}},
	}
	fmt.Fprintln(out, "| in the middle of | pauses | median | 95 % | 99 % | longest |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	for _, s := range scenarios {
		latencies, err := measure(s, *pauses)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		slices.Sort(latencies)
		at := func(share float64) string {
			d := latencies[min(int(share*float64(len(latencies))), len(latencies)-1)]
			return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
		}
		fmt.Fprintf(out, "| %s | %d | %s | %s | %s | %s |\n", s.name, len(latencies), at(0.5), at(0.95), at(0.99), at(1))
	}
	return nil
}

// measure pauses a scan again and again.
func measure(s scenario, pauses int) ([]time.Duration, error) {
	dir, err := os.MkdirTemp("", "tyto-pause-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	tree := filepath.Join(dir, "tree")
	if err := os.Mkdir(tree, 0o700); err != nil {
		return nil, err
	}
	watched, err := s.prepare(tree)
	if err != nil {
		return nil, err
	}
	scan, err := startBroker(dir)
	if err != nil {
		return nil, err
	}
	defer scan.stop()
	watch := newWatch(scan.pid(), watched)
	var latencies []time.Duration
	for range pauses {
		time.Sleep(20*time.Millisecond + time.Duration(rand.Int64N(int64(80*time.Millisecond))))
		called, err := scan.pause()
		if err != nil {
			return nil, err
		}
		moved, err := watch.untilStill(called)
		if err != nil {
			return nil, err
		}
		latencies = append(latencies, moved.Sub(called))
		if err := scan.resume(); err != nil {
			return nil, err
		}
	}
	return latencies, nil
}

// largeFile makes a file of 4 GiB, of which every other 16 MiB are random and the rest a hole.
func largeFile(dir string) (string, error) {
	const size, step = 4 << 30, 32 << 20
	path := filepath.Join(dir, "large")
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	random := rand.NewChaCha8([32]byte{})
	block := make([]byte, step/2)
	for at := int64(0); at < size && err == nil; at += step {
		random.Read(block) // never fails
		_, err = f.WriteAt(block, at)
	}
	return path, errors.Join(err, f.Truncate(size), f.Sync(), f.Close())
}

// smallFiles copies files of at most 64 KiB.
func smallFiles(from, to string, n int) error {
	const small, perFolder = 64 << 10, 200
	copied := 0
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // what cannot be read is no loss here
		}
		content, err := os.ReadFile(path)
		if err != nil || len(content) > small {
			return nil
		}
		folder := filepath.Join(to, fmt.Sprint(copied/perFolder))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(copied)), content, 0o600); err != nil {
			return err
		}
		if copied++; copied == n {
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && copied < n {
		err = fmt.Errorf("%q has only %d small files", from, copied)
	}
	return err
}
