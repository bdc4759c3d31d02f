// Command bench compares Tyto with its peers: the same rules, the same files, one run.
//
//	go run ./bench -rules DIR -ioc DIR -tree DIR [-runs N] [-tyto bin/tyto] [-yara yara]
//
// Each round runs every contestant once, in turn, so that a machine that grows slower or faster
// treats all alike. The figures are those of the operating system for the finished process and all
// its children: wall time, processor time (user + system), and the largest memory that the
// processes held together at one moment (sum of their proportional set sizes, sampled). Speed
// counts only if the matches are the same: they are compared file by file and rule by rule, and any
// difference is printed and fails the run.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tyto/rules"
	"tyto/rules/rulestest"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// writePositives writes a file for each rule, on which it should match, to a new folder.
func writePositives(ruleDir, dir string) error {
	sources, _, err := rules.Read([]string{ruleDir}, rules.Limits{})
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	_, err = rulestest.Write(dir, sources)
	return err
}

type settings struct {
	rules, iocs string
	trees       []string
	runs        int
	tyto, yara  string
	threads     int
	positives   bool
}

func run(args []string, out io.Writer) error {
	var s settings
	var trees string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.rules, "rules", "../shared/data/signature-base/yara", "folder of YARA rules")
	flags.StringVar(&s.iocs, "ioc", "../shared/data/signature-base/iocs", "folder of indicators for Tyto, on top of the rules")
	flags.StringVar(&trees, "tree", "/usr/bin,/usr/share/doc", "folders to scan, separated by commas")
	flags.BoolVar(&s.positives, "positives", true, "also scan a generated folder with a file for each rule that makes it match")
	flags.IntVar(&s.runs, "runs", 3, "rounds")
	flags.IntVar(&s.threads, "threads", 2, "threads or worker processes of each contestant")
	flags.StringVar(&s.tyto, "tyto", "bin/tyto", "the tyto command")
	flags.StringVar(&s.yara, "yara", "yara", "the yara command, of the same libyara")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, t := range strings.Split(trees, ",") {
		resolved, err := filepath.EvalSymlinks(t)
		if err != nil {
			return err
		}
		s.trees = append(s.trees, resolved)
	}
	work, err := os.MkdirTemp("", "tyto-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, command := range []string{s.tyto, s.yara} {
		if _, err := exec.LookPath(command); err != nil {
			return fmt.Errorf("contestant %q: %w", command, err)
		}
	}
	if s.positives {
		tree := filepath.Join(work, "positives")
		if err := writePositives(s.rules, tree); err != nil {
			return err
		}
		s.trees = append(s.trees, tree)
	}
	return compare(s, work, out)
}
