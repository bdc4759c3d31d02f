package worker

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// What it costs to have an object examined: an open descriptor and a request of 200 bytes to the
// worker, a response of 300 bytes back. The file is opened for each job, as a scan does; the
// first figure is what that costs alone. The median when pipelined is taken over the time that each 64 jobs
// took.
func BenchmarkObject(b *testing.B) {
	request := append([]byte("fixed "), make([]byte, 194)...)
	path := filepath.Join(b.TempDir(), "object")
	if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
		b.Fatal(err)
	}
	open := func() *os.File {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			open().Close()
		}
	})
	b.Run("pipelined", func(b *testing.B) {
		p := startPool(b, testConfig(b))
		var all sync.WaitGroup
		var done int
		var times []time.Duration
		last := time.Now()
		b.ReportAllocs()
		for b.Loop() {
			all.Add(1)
			job := &Job{File: open(), Request: request, Done: func(err error) {
				if err != nil {
					b.Error(err)
				}
				// One worker: Done is never called concurrently.
				if done++; done%64 == 0 {
					now := time.Now()
					times = append(times, now.Sub(last)/64)
					last = now
				}
				all.Done()
			}}
			if err := p.Submit(b.Context(), job); err != nil {
				b.Fatal(err)
			}
		}
		all.Wait()
		reportMedian(b, times)
	})
	b.Run("one by one", func(b *testing.B) {
		p := startPool(b, testConfig(b))
		done := make(chan error)
		times := make([]time.Duration, 0, 1<<20)
		b.ReportAllocs()
		for b.Loop() {
			start := time.Now()
			job := &Job{File: open(), Request: request, Done: func(err error) { done <- err }}
			if err := p.Submit(b.Context(), job); err != nil {
				b.Fatal(err)
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(start))
		}
		reportMedian(b, times)
	})
}

func reportMedian(b *testing.B, times []time.Duration) {
	if len(times) == 0 {
		return
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "median-ns")
}

// What a worker costs before its first job: a process, its confinement, an empty set-up.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p, err := Start(b.Context(), testConfig(b))
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
