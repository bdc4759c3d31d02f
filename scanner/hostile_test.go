package scanner

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"tyto/finding"
)

// moduleRules make every parser of libyara look at everything.
const moduleRules = needleRule + `
import "pe"
import "elf"
import "dotnet"
import "macho"
import "dex"
import "hash"
import "math"
rule PE { condition: pe.number_of_sections > 0 and (pe.imphash() != "x" or pe.number_of_signatures > 0 or pe.number_of_resources > 1000 or pe.rich_signature.length > 0) }
rule ELF { condition: elf.number_of_sections > 0 and elf.telfhash() != "x" }
rule DotNet { condition: dotnet.number_of_streams > 0 }
rule MachO { condition: macho.number_of_segments > 0 or macho.nfat_arch > 0 }
rule DEX { condition: dex.header.data_size > 0 or dex.number_of_methods > 0 }
rule Numbers { condition: math.entropy(0, filesize) > 8.5 or hash.md5(0, filesize) == "x" }
`

// TestHostileInputs scans a thousand objects that lie, bomb, break off, hide, vanish and pretend. Nothing
// crashes, memory is bounded by the workers' limit, and each object is examined, found, or skipped
// with a reason.
func TestHostileInputs(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{t: t, dir: dir, rng: rand.New(rand.NewPCG(5, 6))}
	h.truncatedAndMutated()
	h.bombs()
	h.names()
	h.specials()
	vanishing := h.vanishing()
	t.Logf("%d hostile inputs", h.count)
	if h.count < 1000 {
		t.Errorf("%d hostile inputs, want 1,000", h.count)
	}

	accounted := map[string]bool{}
	var mu sync.Mutex
	opts := testOptions(t, dir, compiled(t, moduleRules))
	opts.WorkerMemory = 400 << 20
	opts.ObjectTime = 30 * time.Second
	opts.Examined = func(o *finding.Object) {
		mu.Lock()
		defer mu.Unlock()
		accounted[o.Path] = true
	}
	stop := h.disturb(vanishing)
	summary, got := runScan(t, t.Context(), opts)
	stop()

	for _, s := range got.skips {
		outer, _, _ := strings.Cut(s.Path, "!/")
		accounted[outer] = true
		switch s.Reason {
		case finding.Crashed, finding.OutOfMemory, finding.Timeout:
			t.Errorf("%q: %s: %s", s.Path, s.Reason, s.Detail)
		}
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !accounted[path] {
			t.Errorf("%q was neither examined nor skipped", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if summary.Findings[finding.Warning]+summary.Findings[finding.Alert] == 0 {
		t.Error("nothing was found, although some inputs hold what is looked for")
	}
	for reason, n := range summary.Skips {
		t.Logf("%6d %s", n.Count, reason)
	}
}

// hostile makes inputs.
type hostile struct {
	t     *testing.T
	dir   string
	rng   *rand.Rand
	count int
}

func (h *hostile) write(name string, content []byte) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		h.t.Fatal(err)
	}
	h.count++
	return path
}

// seeds are well-formed inputs of many formats.
func (h *hostile) seeds() map[string][]byte {
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		h.t.Fatal(err)
	}
	dex := append([]byte("dex\n035\x00"), make([]byte, 200)...)
	binary.LittleEndian.PutUint32(dex[36:], 0x70)
	binary.LittleEndian.PutUint32(dex[40:], 0x12345678)
	macho := append([]byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01"), make([]byte, 300)...)
	binary.LittleEndian.PutUint32(macho[16:], 0xffff) // load commands
	return map[string][]byte{
		"program": program[:min(len(program), 64<<10)],
		"pe":      tinyPE(),
		"dex":     dex,
		"macho":   macho,
		"zip":     h.zip(map[string]string{"a": "a needle in the hay", "b/c": strings.Repeat("b", 5000)}),
		"tar.gz":  gzipped(h.tar(map[string]string{"a": "a needle in the hay", "b": strings.Repeat("b", 5000)})),
		"7z":      []byte("7z\xbc\xaf\x27\x1c\x00\x04\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00"),
		"rar":     []byte("Rar!\x1a\x07\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		"cab":     append([]byte("MSCF\x00\x00\x00\x00\xff\xff\xff\x7f\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x00\x00\x00\x03\x01\xff\xff\xff\xff"), make([]byte, 64)...),
		"xz":      []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00"),
		"zst":     []byte("\x28\xb5\x2f\xfd\xe4\xff\xff\xff\xff\xff\xff\xff\x7f"),
		"lz4":     []byte("\x04\x22\x4d\x18\x64\x40\xa7\xff\xff\xff\x7f"),
		"bz2":     []byte("BZh91AY&SY\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
	}
}

// truncatedAndMutated writes each seed cut short, and with bytes changed to what breaks parsers.
func (h *hostile) truncatedAndMutated() {
	edges := []byte{0x00, 0x01, 0x7f, 0x80, 0xff}
	for name, seed := range h.seeds() {
		for i := range 30 {
			h.write(fmt.Sprintf("cut/%d.%s", i, name), seed[:len(seed)*i/30])
		}
		for i := range 40 {
			mutant := bytes.Clone(seed)
			for range 1 + h.rng.IntN(12) {
				mutant[h.rng.IntN(min(len(mutant), 1024))] = edges[h.rng.IntN(len(edges))]
			}
			h.write(fmt.Sprintf("mutant/%d.%s", i, name), mutant)
		}
	}
}

// bombs writes archives that unpack to far more than they are.
func (h *hostile) bombs() {
	zeros := gzipped(make([]byte, 64<<20))
	h.write("bomb/zeros.gz", zeros)
	h.write("bomb/zeros.gz.gz", gzipped(zeros))
	var many bytes.Buffer
	w := zip.NewWriter(&many)
	for i := range 30_000 {
		if _, err := w.Create(fmt.Sprintf("%d", i)); err != nil {
			h.t.Fatal(err)
		}
	}
	h.close(w)
	h.write("bomb/many.zip", many.Bytes())
	nested := h.zip(map[string]string{"needle": "a needle in the hay"})
	for range 20 {
		nested = h.zip(map[string]string{"inner.zip": string(nested)})
	}
	h.write("bomb/deep.zip", nested)
	// Every entry of the directory points at the same member.
	var one bytes.Buffer
	w = zip.NewWriter(&one)
	m, err := w.Create("big")
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := m.Write(make([]byte, 20<<20)); err != nil {
		h.t.Fatal(err)
	}
	h.close(w)
	h.write("bomb/overlap.zip", repeatDirectory(one.Bytes(), 5000))
}

// names writes files with names that hurt terminals, parsers and people.
func (h *hostile) names() {
	names := []string{
		"new\nline", "carriage\rreturn", "escape\x1b[2J\x1b[31mred", "bell\x07", "\x1b]0;title\x07",
		"not utf-8 \xff\xfe\xc3\x28", "rtl \u202excod.exe", "</script><script>alert(1)</script>",
		"=cmd|' /C calc'!A0", "%s%s%n", "a;b|c&d$(e)`f`", " leading and trailing ", "-rf", "'\"\\", "!/fake!/member",
		strings.Repeat("x", 255), "tab\there", "zero width \u200b", "combining \u0301\u0301\u0301",
	}
	for i, name := range names {
		if runtime.GOOS == "windows" && (!utf8.ValidString(name) || strings.ContainsAny(name, "\n\r\x1b\x07<>\"|:*?\t\\/")) {
			continue
		}
		h.write(filepath.Join("names", fmt.Sprint(i), strings.ReplaceAll(name, "/", "_")), []byte("a needle in the hay"))
		h.write(filepath.Join("names", fmt.Sprint(i), "members.zip"), h.zip(map[string]string{name: "a needle in the hay", "../../" + name: "x"}))
	}
	deep := h.dir
	for range 300 {
		deep = filepath.Join(deep, "deep")
	}
	rel, err := filepath.Rel(h.dir, deep)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(filepath.Join(rel, "bottom"), []byte("a needle in the hay"))
}

// vanishing writes files that will be removed while they are scanned.
func (h *hostile) vanishing() (paths []string) {
	for i := range 100 {
		paths = append(paths, h.write(fmt.Sprintf("vanish/%d", i), bytes.Repeat([]byte("going, "), 10_000)))
	}
	return paths
}

// disturb removes, cuts and rewrites files again and again until the returned function is called.
func (h *hostile) disturb(paths []string) (stop func()) {
	more := bytes.Repeat([]byte("more "), 100_000)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Microsecond):
			}
			path := paths[h.rng.IntN(len(paths))]
			// What fails here fails because the file is gone, which it then stays: one that
			// came back after its folder was read would rightly not be scanned.
			switch {
			case i%1000 == 0:
				_ = os.Remove(path)
			case i%2 == 0:
				_ = os.Truncate(path, int64(i))
			default:
				if f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0); err == nil {
					_, _ = f.Write(more)
					_ = f.Close()
				}
			}
		}
	}()
	return func() { close(done); <-stopped }
}

func (h *hostile) zip(members map[string]string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range members {
		m, err := w.Create(name)
		if err != nil {
			h.t.Fatal(err)
		}
		if _, err := io.WriteString(m, content); err != nil {
			h.t.Fatal(err)
		}
	}
	h.close(w)
	return b.Bytes()
}

func (h *hostile) tar(members map[string]string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range members {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644}); err != nil {
			h.t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			h.t.Fatal(err)
		}
	}
	h.close(w)
	return b.Bytes()
}

func (h *hostile) close(c io.Closer) {
	h.t.Helper()
	if err := c.Close(); err != nil {
		h.t.Fatal(err)
	}
}

func gzipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(content) // a bytes.Buffer takes everything
	w.Close()
	return b.Bytes()
}

// repeatDirectory returns a zip archive whose directory names the first member n times.
func repeatDirectory(archive []byte, n int) []byte {
	const endSize = 22
	end := archive[len(archive)-endSize:]
	offset := binary.LittleEndian.Uint32(end[16:])
	entry := archive[offset : len(archive)-endSize]
	out := bytes.Clone(archive[:offset])
	for range n {
		out = append(out, entry...)
	}
	tail := bytes.Clone(end)
	binary.LittleEndian.PutUint16(tail[8:], uint16(n))
	binary.LittleEndian.PutUint16(tail[10:], uint16(n))
	binary.LittleEndian.PutUint32(tail[12:], uint32(n*len(entry)))
	return append(out, tail...)
}

// tinyPE returns a PE file with one section, whose header has fields worth changing.
func tinyPE() []byte {
	pe := make([]byte, 1024)
	copy(pe, "MZ")
	binary.LittleEndian.PutUint32(pe[0x3c:], 0x40)
	copy(pe[0x40:], "PE\x00\x00\x4c\x01\x01\x00")
	binary.LittleEndian.PutUint16(pe[0x54:], 0xe0)  // optional header
	binary.LittleEndian.PutUint16(pe[0x56:], 0x102) // executable, 32 bit
	binary.LittleEndian.PutUint16(pe[0x58:], 0x10b)
	binary.LittleEndian.PutUint32(pe[0x68:], 0x1000) // entry point
	binary.LittleEndian.PutUint32(pe[0x74:], 0x400000)
	binary.LittleEndian.PutUint32(pe[0x78:], 0x1000)
	binary.LittleEndian.PutUint32(pe[0x7c:], 0x200)
	binary.LittleEndian.PutUint32(pe[0xb4:], 16) // data directories
	for d := range 16 {
		binary.LittleEndian.PutUint32(pe[0xb8+8*d:], 0x1000+uint32(16*d))
		binary.LittleEndian.PutUint32(pe[0xbc+8*d:], 0xffff)
	}
	copy(pe[0x138:], ".text")
	binary.LittleEndian.PutUint32(pe[0x140:], 0x1000)
	binary.LittleEndian.PutUint32(pe[0x144:], 0x1000)
	binary.LittleEndian.PutUint32(pe[0x148:], 0x200)
	binary.LittleEndian.PutUint32(pe[0x14c:], 0x200)
	return pe
}
