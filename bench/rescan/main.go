// Command rescan measures what an inventory spares.
//
//	go run ./bench/rescan -tree DIR [-tyto bin/tyto] [-runs 5] [-- further flags of tyto scan]
//
// It scans a tree with an empty inventory, and then again and again, and tells wall and processor time of each
// (user and system, of all processes). At the end it changes one file in a hundred, half of them with
// their old times, scans once more, and fails unless exactly those files were examined. The tree is
// changed: give it a copy.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rescan:", err)
		os.Exit(1)
	}
}

// bench is one measurement.
type bench struct {
	tyto, tree, work string
	flags            []string
}

// cost is what a scan took, and how many files it examined and recalled.
type cost struct {
	wall, cpu       time.Duration
	files, recalled int64
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("rescan", flag.ContinueOnError)
	var b bench
	flags.StringVar(&b.tyto, "tyto", "bin/tyto", "the tyto command")
	flags.StringVar(&b.tree, "tree", "", "folder to scan; files in it are changed")
	runs := flags.Int("runs", 5, "scans with the inventory")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.tree == "" {
		return errors.New("-tree is missing")
	}
	b.flags = flags.Args()
	var err error
	if b.work, err = os.MkdirTemp("", "tyto-rescan-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)

	empty := filepath.Join(b.work, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		return err
	}
	if _, err := b.scan(empty); err != nil { // so that the compiled rules are in the cache
		return err
	}
	first, err := b.scan(b.tree)
	if err != nil {
		return err
	}
	var again []cost
	for range *runs {
		c, err := b.scan(b.tree)
		if err != nil {
			return err
		}
		again = append(again, c)
	}
	slices.SortFunc(again, func(x, y cost) int { return int(x.wall - y.wall) })
	median := again[len(again)/2]
	fmt.Fprintf(out, "| %d files | wall | processor time | recalled |\n|---|---|---|---|\n", first.files)
	fmt.Fprintf(out, "| first scan | %.2f s | %.2f s | %d |\n", first.wall.Seconds(), first.cpu.Seconds(), first.recalled)
	fmt.Fprintf(out, "| again | %.2f s | %.2f s | %d |\n", median.wall.Seconds(), median.cpu.Seconds(), median.recalled)
	fmt.Fprintf(out, "| ratio | %.0f | %.0f | |\n", first.wall.Seconds()/median.wall.Seconds(), first.cpu.Seconds()/median.cpu.Seconds())
	changed, err := change(b.tree, first.files)
	if err != nil {
		return err
	}
	last, err := b.scan(b.tree)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "| %d changed | %.2f s | %.2f s | %d |\n", changed, last.wall.Seconds(), last.cpu.Seconds(), last.recalled)
	// A file whose content could not be examined is neither recalled nor counted; it is tried each time.
	if examined := last.files - last.recalled; examined != changed+median.files-median.recalled {
		return fmt.Errorf("%d files were changed and %d examined", changed, examined)
	}
	return nil
}

// scan scans a folder with the inventory.
func (b *bench) scan(dir string) (cost, error) {
	report := filepath.Join(b.work, "report.jsonl")
	argv := append([]string{"scan", "--quiet", "--inventory", filepath.Join(b.work, "state.db"), "--report", report}, b.flags...)
	cmd := exec.Command(b.tyto, append(argv, dir)...)
	start := time.Now()
	output, err := cmd.CombinedOutput()
	c := cost{wall: time.Since(start)}
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 2 {
		return c, fmt.Errorf("%w: %s", err, output)
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	text, err := os.ReadFile(report)
	if err != nil {
		return c, err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var line struct {
		Tyto struct {
			Summary struct{ Files, Recalled int64 }
		}
	}
	err = json.Unmarshal([]byte(lines[len(lines)-1]), &line)
	c.files, c.recalled = line.Tyto.Summary.Files, line.Tyto.Summary.Recalled
	return c, err
}

// change changes the last byte of one file in a hundred of n; every other one keeps its times.
func change(tree string, n int64) (changed int64, err error) {
	const every = 100
	seen := int64(0)
	err = filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		if seen++; seen%every != 0 {
			return nil
		}
		changed++
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
		last[0] ^= 1
		if _, err := f.WriteAt(last, info.Size()-1); err != nil || changed%2 == 0 {
			return err
		}
		return os.Chtimes(path, info.ModTime(), info.ModTime())
	})
	return changed, err
}
