package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// compare runs all contestants over all trees and writes a table for each tree.
func compare(s settings, work string, out io.Writer) error {
	index := filepath.Join(work, "index.yar")
	if err := writeIndex(s.rules, index); err != nil {
		return err
	}
	leftOut, err := incomparable(s.rules)
	if err != nil {
		return err
	}
	same := tytoCommand(s, "tyto, files only", "--no-archives", "--ioc", s.iocs)
	rulesOnly := tytoCommand(s, "tyto, files only, no indicators", "--no-archives")
	full := tytoCommand(s, "tyto, with archives", "--ioc", s.iocs)
	contestants := []contestant{yaraCommand(s, index), same, rulesOnly, full}

	if err := prepare(contestants, work); err != nil {
		return err
	}
	var failed error
	for _, tree := range s.trees {
		files, bytes, err := warm(tree)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s: %d files, %.0f MB, %d rounds\n\n", tree, files, float64(bytes)/1e6, s.runs)
		runs := make([][]usage, len(contestants))
		var reference map[string][]string
		for round := range s.runs {
			for i, c := range contestants {
				output := filepath.Join(work, fmt.Sprintf("report-%d-%d.jsonl", round, i))
				u, err := measure(c.command(tree, output))
				if err != nil {
					return err
				}
				found, err := c.matches(u.stdout, output)
				if err != nil {
					return fmt.Errorf("%s: read the matches: %w", c.name, err)
				}
				found = without(found, leftOut)
				if reference == nil {
					reference = found
				}
				if diff := difference(reference, found); diff != "" {
					failed = errors.Join(failed, fmt.Errorf("%s differs from %s on %s:\n%s", c.name, contestants[0].name, tree, diff))
				}
				u.stdout = ""
				runs[i] = append(runs[i], u)
			}
		}
		table(out, contestants, runs)
		fmt.Fprintf(out, "\nMatches compared: %d files with %d matches.\n", len(reference), count(reference))
	}
	return failed
}

// prepare runs every contestant once over nothing, so that what is kept between runs, such as compiled rules,
// is there.
func prepare(contestants []contestant, work string) error {
	empty := filepath.Join(work, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		return err
	}
	for _, c := range contestants {
		if _, err := measure(c.command(empty, filepath.Join(work, "prepare.jsonl"))); err != nil {
			return err
		}
	}
	return nil
}

// warm reads every file once, so that the first contestant does not pay for the disk.
func warm(tree string) (files, bytes int64, err error) {
	err = filepath.WalkDir(tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		n, err := io.Copy(io.Discard, f)
		files, bytes = files+1, bytes+n
		return err
	})
	return files, bytes, err
}

func table(out io.Writer, contestants []contestant, runs [][]usage) {
	fmt.Fprintln(out, "| | wall | ratio | processor time | ratio | memory |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|")
	wall0, cpu0 := median(runs[0], usage.wallTime), median(runs[0], usage.cpuTime)
	for i, c := range contestants {
		wall, cpu := median(runs[i], usage.wallTime), median(runs[i], usage.cpuTime)
		fmt.Fprintf(out, "| %s | %.2f s | %.2f | %.2f s | %.2f | %.0f MiB |\n", c.name,
			wall.Seconds(), float64(wall)/float64(wall0), cpu.Seconds(), float64(cpu)/float64(cpu0),
			float64(slices.MaxFunc(runs[i], func(a, b usage) int { return int(a.memory>>10 - b.memory>>10) }).memory)/(1<<20))
	}
}

func (u usage) wallTime() time.Duration { return u.wall }
func (u usage) cpuTime() time.Duration  { return u.cpu }

func median(runs []usage, figure func(usage) time.Duration) time.Duration {
	figures := make([]time.Duration, len(runs))
	for i, u := range runs {
		figures[i] = figure(u)
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

// difference describes how b differs from a, in at most 20 lines; empty if it does not.
func difference(a, b map[string][]string) string {
	var lines []string
	for path, rules := range a {
		if !slices.Equal(rules, b[path]) {
			lines = append(lines, fmt.Sprintf("  %q: %v, expected %v", path, b[path], rules))
		}
	}
	for path, rules := range b {
		if _, ok := a[path]; !ok {
			lines = append(lines, fmt.Sprintf("  %q: %v, expected none", path, rules))
		}
	}
	slices.Sort(lines)
	if len(lines) > 20 {
		lines = append(lines[:20], fmt.Sprintf("  and %d more", len(lines)-20))
	}
	return strings.Join(lines, "\n")
}

func without(found map[string][]string, rules map[string]bool) map[string][]string {
	kept := map[string][]string{}
	for path, names := range found {
		if rest := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return rules[n] }); len(rest) > 0 {
			kept[path] = rest
		}
	}
	return kept
}

func count(found map[string][]string) (n int) {
	for _, rules := range found {
		n += len(rules)
	}
	return n
}
