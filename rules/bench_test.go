//go:build unix

package rules_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tyto/rules"
	"tyto/testdata"
)

// BenchmarkScan scans what the machine has with all of signature-base: with variants, and with the
// whole set as the yara command does. docs/rules.md has results.
func BenchmarkScan(b *testing.B) {
	dir := testdata.Shared(b, "signature-base", "yara")
	for _, corpus := range []struct {
		name, root string
		smallest   int64
		largest    int64
	}{
		{"programs", "/usr/bin", 1 << 10, 20 << 20},
		{"libraries", "/usr/lib/x86_64-linux-gnu", 100 << 10, 20 << 20},
		{"small files", "/usr/share", 1, 20 << 10},
		{"go sources", "/usr/local/go/src", 1, 200 << 10},
	} {
		contents, bytes := load(corpus.root, corpus.smallest, corpus.largest, 48<<20)
		if len(contents) == 0 {
			continue
		}
		for _, whole := range []bool{false, true} {
			name := corpus.name + "/variants"
			if whole {
				name = corpus.name + "/whole"
			}
			b.Run(name, func(b *testing.B) {
				y := newTyto(b, []string{dir}, rules.ScannerOptions{Plain: whole})
				b.SetBytes(bytes)
				before := cpuTime()
				for b.Loop() {
					for _, data := range contents {
						if _, err := y.scanner.ScanMem(data, &rules.Externals{}); err != nil {
							b.Fatal(err)
						}
					}
				}
				// Other than the time that passes, this does not depend on who else is busy.
				used := cpuTime() - before
				b.ReportMetric(float64(used.Microseconds())/float64(b.N*len(contents)), "cpu-µs/file")
				b.ReportMetric(float64(bytes)*float64(b.N)/1e6/used.Seconds(), "MB/cpu-s")
			})
		}
	}
}

// cpuTime is the processor time that this process has used.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// load reads regular files of these sizes, until there are enough bytes.
func load(root string, smallest, largest, enough int64) (contents [][]byte, bytes int64) {
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if bytes >= enough {
			return fs.SkipAll
		}
		info, err := d.Info()
		if err != nil || info.Size() < smallest || info.Size() > largest {
			return nil
		}
		if data, err := os.ReadFile(path); err == nil {
			contents = append(contents, data)
			bytes += int64(len(data))
		}
		return nil
	})
	return contents, bytes
}

// BenchmarkEmpty is the price of an object that there is nothing in.
func BenchmarkEmpty(b *testing.B) {
	y := newTyto(b, []string{testdata.Shared(b, "signature-base", "yara")}, rules.ScannerOptions{})
	for b.Loop() {
		if _, err := y.scanner.ScanMem(nil, &rules.Externals{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoad is the warm start: reading and hashing all rule files, and reading the table.
func BenchmarkLoad(b *testing.B) {
	dir := testdata.Shared(b, "signature-base", "yara")
	cache := b.TempDir()
	os.Chmod(cache, 0o700)
	for b.Loop() {
		set, err := rules.Load([]string{dir}, rules.Options{CacheDir: cache})
		if err != nil {
			b.Fatal(err)
		}
		set.Close()
	}
}

// BenchmarkCompile is what a cold start adds.
func BenchmarkCompile(b *testing.B) {
	sources, _, err := rules.Read([]string{testdata.Shared(b, "signature-base", "yara")}, rules.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		out, err := os.Create(filepath.Join(b.TempDir(), "compiled"))
		if err != nil {
			b.Fatal(err)
		}
		if err := rules.Compile(sources, out); err != nil {
			b.Fatal(err)
		}
		out.Close()
	}
}
