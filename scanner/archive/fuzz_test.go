package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
)

// fuzzWalk walks anything as an archive of that format, within small limits, and checks that
// they hold.
func fuzzWalk(t *testing.T, format Format, data []byte) {
	limits := Limits{Bytes: 4 << 20, MemberBytes: 1 << 20, Memory: 1 << 20, Entries: 200, NameLength: 100}
	budget := NewBudget(context.Background(), limits, int64(len(data)))
	w := newWalk(data, budget)
	members, problems := 0, 0
	for m, err := range w.each(format) {
		var e *Error
		if err != nil {
			if problems++; !errors.As(err, &e) || e.Reason == "" {
				t.Fatalf("not a proper error: %#v", err)
			}
			continue
		}
		if members++; len(m.Name) > limits.NameLength {
			t.Fatalf("a name of %d bytes", len(m.Name))
		}
		n, err := io.Copy(io.Discard, m)
		if n > limits.MemberBytes {
			t.Fatalf("a member of %d bytes", n)
		}
		if err != nil && (!errors.As(err, &e) || e.Reason == "" || e.Member != m.Name) {
			t.Fatalf("not a proper error: %#v", err)
		}
	}
	if members > limits.Entries || problems > maxProblems+limits.Entries+1 || budget.unpacked > limits.Bytes+64<<10 {
		t.Fatalf("%d members, %d problems, %d bytes", members, problems, budget.unpacked)
	}
}

// addFixtures seeds a corpus with the archives whose names contain one of the parts.
func addFixtures(f *testing.F, parts ...string) {
	for name, data := range archives(f) {
		for _, part := range parts {
			if strings.Contains(name, part) && len(data) < 6000 {
				f.Add(data)
			}
		}
	}
}

func FuzzZip(f *testing.F) {
	addFixtures(f, "zip", "hidden")
	f.Fuzz(func(t *testing.T, data []byte) { fuzzWalk(t, Zip, data) })
}

func FuzzTar(f *testing.F) {
	f.Add(makeTar(f, file{"a", "content"}, file{strings.Repeat("long", 40), "content"}))
	f.Fuzz(func(t *testing.T, data []byte) { fuzzWalk(t, Tar, data) })
}

func FuzzRar(f *testing.F) {
	addFixtures(f, "rar")
	f.Fuzz(func(t *testing.T, data []byte) { fuzzWalk(t, Rar, data) })
}

func FuzzCab(f *testing.F) {
	addFixtures(f, ".cab")
	f.Fuzz(func(t *testing.T, data []byte) { fuzzWalk(t, Cab, data) })
}

func FuzzArCpioRPM(f *testing.F) {
	addFixtures(f, ".ar", ".cpio", ".rpm")
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzWalk(t, Ar, data)
		fuzzWalk(t, Cpio, data)
		fuzzWalk(t, RPM, data)
	})
}

func FuzzCompressed(f *testing.F) {
	addFixtures(f, ".gz", ".bz2", ".zst", ".lz4")
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []Format{Gzip, Bzip2, Zstd, LZ4} {
			fuzzWalk(t, format, data)
		}
	})
}

func FuzzExecutable(f *testing.F) {
	f.Add(append(portableExecutable(), rar5(rarFile{name: "a"})...))
	f.Fuzz(func(t *testing.T, data []byte) { fuzzWalk(t, Executable, data) })
}

// FuzzXZ puts the input behind a stream header, and corrects the checksum of the first block
// header, which would stop every mutation.
func FuzzXZ(f *testing.F) {
	for name, data := range archives(f) {
		if strings.HasSuffix(name, ".xz") && len(data) < 6000 {
			f.Add(data[12:])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzWalk(t, XZ, append(xzWithDictionary(0)[:12:12], data...))
		if len(data) == 0 || (int(data[0])+1)*4 > len(data) {
			return
		}
		data = bytes.Clone(data)
		sum := (int(data[0])+1)*4 - 4
		binary.LittleEndian.PutUint32(data[sum:], crc32.ChecksumIEEE(data[:sum]))
		fuzzWalk(t, XZ, append(xzWithDictionary(0)[:12:12], data...))
	})
}

// FuzzSevenZip takes a header and data apart, and makes the checksums right.
func FuzzSevenZip(f *testing.F) {
	for name, data := range archives(f) {
		if strings.HasSuffix(name, ".7z") && len(data) < 6000 {
			w := newWalk(data, newBudget(len(data)))
			header, err := w.sevenZipHeader()
			if err != nil {
				continue // encrypted
			}
			f.Add(data[sevenZipStart:], header)
			packed := w.section(sevenZipStart+int64(le32(data[12:])), w.src.size)
			b, _ := io.ReadAll(packed)
			f.Add(data[sevenZipStart:], b)
		}
	}
	f.Fuzz(func(t *testing.T, data, header []byte) { fuzzWalk(t, SevenZip, sevenZipOf(data, header)) })
}

func FuzzDetect(f *testing.F) {
	for _, m := range magics {
		f.Add([]byte(m.magic))
	}
	f.Add(makeTar(f, file{"a", "b"}))
	f.Fuzz(func(t *testing.T, head []byte) {
		a, _ := Detect(head)
		b, _ := Detect(head[:min(len(head), HeadSize)])
		if a != b {
			t.Errorf("%q with all %d bytes, %q with %d", a, len(head), b, HeadSize)
		}
	})
}

// FuzzLZMA reads raw LZMA with an arbitrary header.
func FuzzLZMA(f *testing.F) {
	f.Add([]byte{0x5d, 0, 0, 1, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0x24, 0x19, 0x49, 0x98, 0x6f})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 13 {
			return
		}
		budget := NewBudget(context.Background(), Limits{Memory: 1 << 20}, 1)
		_ = guard(func() error {
			r, err := newLZMAReader(data[:13], bufio.NewReader(bytes.NewReader(data[13:])), budget)
			if err == nil {
				_, err = io.CopyN(io.Discard, r, 1<<20)
			}
			return err
		})
	})
}
