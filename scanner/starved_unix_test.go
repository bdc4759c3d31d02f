//go:build unix

package scanner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tyto/finding"
)

// TestNoMoreWorkers lets a scan lose its only worker on a computer that starts no other. What was found
// before is reported, and the scan is incomplete.
func TestNoMoreWorkers(t *testing.T) {
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("%03d/needle", i)] = "a needle in the hay"
	}
	deadly := filepath.Join(tree(t, map[string]string{"crash": crashMark}), "crash")
	opts := testOptions(t, deadly, compiled(t, needleRule))
	opts.Walk.Roots = append(opts.Walk.Roots, tree(t, files)) // more than the workers' queue holds
	opts.Workers, opts.Indicators = 1, named(t, "crash")
	once := filepath.Join(t.TempDir(), "once")
	script := filepath.Join(t.TempDir(), "worker")
	text := fmt.Sprintf("#!/bin/sh\nmkdir %q || exit 1\nexec %q %q\n", once, opts.WorkerCommand[0], opts.WorkerCommand[1])
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	opts.WorkerCommand = []string{script}
	summary, got := runScan(t, t.Context(), opts)
	if !strings.Contains(summary.Stopped, "no worker starts") || !summary.Incomplete() {
		t.Errorf("stopped %q, incomplete %v", summary.Stopped, summary.Incomplete())
	}
	if len(got.rulesByPath()[deadly]) == 0 || summary.Skips[finding.Crashed].Count == 0 {
		t.Errorf("%d findings, %v", len(got.findings), summary.Skips)
	}
}
