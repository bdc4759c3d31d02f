package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"tyto/finding"
)

// hunt walks data and, as a scanner does, every member that is an archive itself.
func hunt(t testing.TB, data []byte, name string, budget *Budget) (all []seen) {
	t.Helper()
	for _, s := range walkAll(t, name, data, budget) {
		s.Name = name + "!/" + s.Name
		content := []byte(s.Content)
		s.Content = fmt.Sprint(len(content), " bytes")
		all = append(all, s)
		if _, ok := Detect(content); ok {
			all = append(all, hunt(t, content, s.Name, budget.Nested())...)
		}
	}
	return all
}

// gzipZeros returns a gzip file that unpacks to n times 64 MiB of zeros.
func gzipZeros(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(b.Bytes(), n)
}

// deflated returns a member with n zeros.
func deflated(t testing.TB, name string, n int) rawHeader {
	t.Helper()
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	zeros := make([]byte, n)
	if _, err := w.Write(zeros); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return rawHeader{name: name, method: 8, crc: crc32.ChecksumIEEE(zeros), size: uint32(n), packed: uint32(b.Len()), data: b.Bytes()}
}

// TestBombs: each bomb ends in a report of the limit, unpacks no more than the limits allow and
// allocates in proportion to what a member may have.
func TestBombs(t *testing.T) {
	const mib = 1 << 20
	limits := Limits{Bytes: 64 * mib, MemberBytes: 8 * mib, Memory: 4 * mib, Entries: 1000}

	nested := []byte("the innermost")
	for range 9 {
		nested = makeZip(t, file{"a.zip", string(nested)})
	}
	tooDeep := makeZip(t, file{"a.zip", string(nested)})

	// Overlapping members in the manner of David Fifield: all names point to the same data.
	kernel := deflated(t, "kernel", 20*mib)
	overlap := overlapping(kernel, 65_000)

	// The same with data that unpacks to nothing: empty stored blocks.
	nothing := rawHeader{method: 8, name: "nothing", data: append(bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 200_000), 3, 0)}
	nothing.packed = uint32(len(nothing.data))
	idle := overlapping(nothing, 1000)

	empties := make([]file, 20_000)
	for i := range empties {
		empties[i].name = fmt.Sprint(i)
	}

	var sparse bytes.Buffer
	sw := tar.NewWriter(&sparse)
	_ = sw.WriteHeader(&tar.Header{Name: "sparse", Typeflag: tar.TypeReg, Size: 0, Format: tar.FormatGNU})
	_ = sw.Close()
	holes := sparse.Bytes()
	makeSparse(holes, 1<<40)

	var window bytes.Buffer
	zw, err := zstd.NewWriter(&window, zstd.WithWindowSize(64*mib), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	for range 66 {
		_, _ = zw.Write(make([]byte, mib))
	}
	_ = zw.Close()

	for _, test := range []struct {
		name   string
		data   []byte
		detail string // of some report
		runs   int64  // the most that may be unpacked
	}{
		{"10 gib of zeros in gzip in zip", makeZip(t, file{"a.gz", string(gzipZeros(t, 160)[:7*mib])}), "", 64 * mib},
		{"gzip of zeros", gzipZeros(t, 160), "larger than 8 MiB", 64 * mib},
		{"nested ten deep", tooDeep, "more than 8 archives inside each other", mib},
		{"overlapping members", overlap, "more than 64 MiB unpacked", 64 * mib},
		{"overlapping members in a small file", overlapping(kernel, 1000), "unpacks to more than 200 times", 64 * mib},
		{"overlapping members without output", idle, "more than 64 MiB unpacked", 65 * mib},
		{"twenty thousand empty members", makeZip(t, empties...), "more than 1000 members", mib},
		{"sparse tar", holes, "larger than 8 MiB", 64 * mib},
		{"zstd window", window.Bytes(), "the window is larger than the memory allowed", mib},
		{"xz dictionary", xzWithDictionary(40), "it needs a dictionary or directory of", 0},
		{"many xz dictionaries", bytes.Repeat(xzWithDictionary(20), 1000), "too many large dictionaries", mib},
		{"7z directory", sevenZipWithFiles(100_000, 200_000), "directory of 100000 members", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			budget := NewBudget(context.Background(), limits, int64(len(test.data)))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			all := hunt(t, test.data, "bomb", budget)
			runtime.ReadMemStats(&after)

			const oneRead = 64 << 10
			if budget.unpacked > test.runs+oneRead {
				t.Errorf("unpacked %d bytes, at most %d expected", budget.unpacked, test.runs)
			}
			// The heap is what was ever needed at once: the reports and contents that the test
			// keeps (32 MiB and less), a member as ReadAll grows it, decoders.
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 256*mib {
				t.Errorf("the heap grew by %d MiB", grown/mib)
			}
			found := test.detail == ""
			for _, s := range all {
				found = found || s.Reason == finding.ArchiveLimit && strings.Contains(s.Detail, test.detail)
			}
			if !found {
				t.Errorf("no report with %q in %d: %.300v", test.detail, len(all), all[max(0, len(all)-3):])
			}
		})
	}
}

// overlapping returns a zip file with n members whose data are the same bytes.
func overlapping(kernel rawHeader, n int) []byte {
	b := kernel.local()
	var dir []byte
	for i := range n {
		h := kernel
		h.name = fmt.Sprintf("%06d", i)
		dir = append(dir, h.central(0)...)
	}
	return append(append(b, dir...), zipEndRecord(n, len(dir), len(b))...)
}

// makeSparse makes the first header of a tar that of a GNU sparse file of that size, of which
// nothing but a hole is stored.
func makeSparse(header []byte, size int64) {
	header[156] = tar.TypeGNUSparse
	base256 := func(field []byte, v int64) {
		clear(field)
		binary.BigEndian.PutUint64(field[len(field)-8:], uint64(v))
		field[0] |= 0x80
	}
	base256(header[386:398], size) // the one entry of the map: at the end, without bytes
	base256(header[398:410], 0)
	base256(header[483:495], size)
	copy(header[148:156], "        ")
	sum := 0
	for _, c := range header[:512] {
		sum += int(c)
	}
	copy(header[148:156], fmt.Sprintf("%06o\x00 ", sum))
}

// TestQuine walks a zip file that contains itself: Russ Cox's r.zip (research.swtch.com/zip), of
// which Go's source tree has a hexadecimal dump.
func TestQuine(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("no go command to find r.zip: %v", err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "src/archive/zip/reader_test.go"))
	if err != nil {
		t.Skipf("Go is installed without its tests, which hold r.zip: %v", err)
	}
	var quine []byte
	_, dump, _ := strings.Cut(string(source), "func rZipBytes() []byte {")
	dump, _, _ = strings.Cut(dump, "}")
	for _, line := range regexp.MustCompile("(?m)^[0-9a-f]{7}((?: [0-9a-f]{2})+)").FindAllStringSubmatch(dump, -1) {
		b, err := hex.DecodeString(strings.ReplaceAll(line[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		quine = append(quine, b...)
	}
	all := hunt(t, quine, "r.zip", newBudget(len(quine)))
	if len(all) != 9 || all[7].Content != "440 bytes" || all[8].Reason != finding.ArchiveLimit {
		t.Errorf("eight times itself and a report expected: %v", all)
	}
}

// xzWithDictionary returns the beginning of an xz file whose block asks for that dictionary.
func xzWithDictionary(property byte) []byte {
	b := append([]byte("\xfd7zXZ\x00"), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[6:8]))
	block := []byte{2, 0, 0x21, 1, property, 0, 0, 0}
	b = append(b, block...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(block))
	b = append(b, 0) // LZMA2: the end
	for (len(b)-12)%4 != 0 {
		b = append(b, 0)
	}
	index := []byte{0, 0, 0, 0} // the number of records is not compared
	b = append(b, index...)
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(index))
	footer := []byte{1, 0, 0, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(footer))
	b = append(b, footer...)
	return append(b, "YZ"...)
}

// sevenZipWithFiles returns a 7z archive that declares n members in a header of that length.
func sevenZipWithFiles(n uint32, length int) []byte {
	header := []byte{szHeader, szFiles, 0xf0}
	header = binary.LittleEndian.AppendUint32(header, n)
	return sevenZipOf(nil, append(header, make([]byte, length)...))
}

// sevenZipOf returns an archive of that data and header.
func sevenZipOf(data, header []byte) []byte {
	w := newWalk(append(make([]byte, sevenZipStart), data...), newBudget(0))
	r, size := w.sevenZipWith(header)
	b, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil {
		panic(err)
	}
	return b
}
