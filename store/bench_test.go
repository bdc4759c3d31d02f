//go:build unix

package store_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"tyto/finding"
	"tyto/store"
)

// fill remembers files folder by folder, as a walk does.
func fill(t testing.TB, s *store.Store, folders, files int) {
	t.Helper()
	session := s.Session(options)
	for d := range folders {
		for f := range files {
			o := object(fmt.Sprintf("/usr/share/folder%05d", d), f)
			o.Inode = uint64(d*files + f + 1)
			r := examined(o)
			// Hashes are spread evenly, which is what their indexes have to bear.
			mix := func(seed uint64) uint64 { return (o.Inode + seed) * 0x9e3779b97f4a7c15 }
			r.Object.Hashes = finding.Hashes{MD5: fmt.Sprintf("%016x%016x", mix(0), mix(1)),
				SHA1: fmt.Sprintf("%016x%016x%08x", mix(2), mix(3), uint32(o.Inode)), SHA256: fmt.Sprintf("%016x%048x", mix(4), o.Inode)}
			session.Remember(r)
		}
	}
	if err := session.Close(); err != nil {
		t.Fatal(err)
	}
}

// cpu returns a function that reports the processor time for each of b's iterations since it was called: on
// a busy machine the elapsed time says little.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return r.Utime.Nano() + r.Stime.Nano()
	}
	begun := used()
	return func() { b.ReportMetric(float64(used()-begun)/float64(b.N), "cpu-ns/op") }
}

func hashOf(inode uint64) string {
	return fmt.Sprintf("%016x%048x", (inode+4)*0x9e3779b97f4a7c15, inode)
}

// BenchmarkRecall is the cost of an unchanged file, by the size of its folder.
func BenchmarkRecall(b *testing.B) {
	for _, shape := range []struct{ folders, files int }{{10_000, 10}, {1000, 100}, {100, 1000}, {1, 100_000}} {
		b.Run(fmt.Sprintf("%d files in a folder", shape.files), func(b *testing.B) {
			s := open(b)
			fill(b, s, shape.folders, shape.files)
			objects := make([]finding.Object, 0, shape.folders*shape.files)
			for d := range shape.folders {
				for f := range shape.files {
					o := object(fmt.Sprintf("/usr/share/folder%05d", d), f)
					o.Inode = uint64(d*shape.files + f + 1)
					objects = append(objects, o)
				}
			}
			session := s.Session(options)
			defer session.Close()
			b.ReportAllocs()
			b.ResetTimer()
			defer cpu(b)()
			for i := range b.N {
				if _, ok := session.Recall(&objects[i%len(objects)]); !ok {
					b.Fatalf("%q is not recalled: %v", objects[i%len(objects)].Path, session.Err())
				}
			}
		})
	}
}

// BenchmarkRemember is the cost of a new file, commits included.
func BenchmarkRemember(b *testing.B) {
	s := open(b)
	b.ReportAllocs()
	b.ResetTimer()
	defer cpu(b)()
	fill(b, s, b.N/100+1, 100)
}

// BenchmarkMillion is what it takes to look up a hash and to count among a million files.
func BenchmarkMillion(b *testing.B) {
	s := open(b)
	const million = 1_000_000
	begun := time.Now()
	fill(b, s, million/100, 100)
	size := int64(0)
	for _, name := range []string{s.Path(), s.Path() + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	b.Logf("%d files remembered in %v, %d MB", million, time.Since(begun), size>>20)
	b.Run("files by hash", func(b *testing.B) {
		for i := range b.N {
			n := 0
			for _, err := range s.FilesByHash(ctx, []string{hashOf(uint64(i*7919%million + 1))}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			if n != 1 {
				b.Fatalf("%d files; want 1", n)
			}
		}
	})
	b.Run("files by unknown hash", func(b *testing.B) {
		for i := range b.N {
			for range s.FilesByHash(ctx, []string{fmt.Sprintf("%064x", i)}) {
				b.Fatal("found")
			}
		}
	})
	b.Run("counts", func(b *testing.B) {
		for range b.N {
			if c, err := s.Counts(ctx); err != nil || c.Files != million {
				b.Fatal(c, err)
			}
		}
	})
}
