package facts

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// truth returns a real program of this system, to be changed.
func truth(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile("/bin/true")
	if err != nil || !bytes.HasPrefix(content, []byte("\x7fELF\x02\x01")) {
		t.Skip("needs /bin/true as a 64-bit little-endian ELF program")
	}
	return content
}

// segment calls change with the program header of the first segment of that kind.
func segment(t *testing.T, content []byte, wanted func(elf.ProgHeader) bool, change func(header []byte)) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	at := binary.LittleEndian.Uint64(content[32:])
	for i, p := range f.Progs {
		if wanted(p.ProgHeader) {
			change(content[at+uint64(i)*56:])
			return
		}
	}
	t.Fatal("there is no such segment")
}

func code(p elf.ProgHeader) bool   { return p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 }
func loader(p elf.ProgHeader) bool { return p.Type == elf.PT_INTERP }

func TestELF(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, content []byte) []byte
		want   []string
	}{
		{"as it is", func(_ *testing.T, c []byte) []byte { return c }, nil},
		{"without section headers", func(_ *testing.T, c []byte) []byte {
			clear(c[40:48]) // e_shoff
			clear(c[60:64]) // e_shnum, e_shstrndx
			return c
		}, []string{"elf-no-sections"}},
		{"code can be written", func(t *testing.T, c []byte) []byte {
			segment(t, c, code, func(h []byte) { h[4] |= byte(elf.PF_W) })
			return c
		}, []string{"elf-writable-code"}},
		{"loader elsewhere", func(t *testing.T, c []byte) []byte {
			segment(t, c, loader, func(h []byte) { copy(c[binary.LittleEndian.Uint64(h[8:]):], "/tmp/ld.so\x00") })
			return c
		}, []string{"elf-odd-interpreter"}},
		{"entry in nowhere", func(_ *testing.T, c []byte) []byte {
			binary.LittleEndian.PutUint64(c[24:], 0x7fff_ffff)
			return c
		}, []string{"elf-entry-outside"}},
		{"packed by name", func(_ *testing.T, c []byte) []byte { return append(c, "UPX!"...) }, []string{"elf-packer"}},
		{"cut off", func(_ *testing.T, c []byte) []byte { return c[:100] }, []string{"elf-damaged"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ids(t, test.change(t, truth(t)), "true")); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

// Facts must say nothing of a system's own programs and scripts that makes them suspicious.
func TestSystemIsHarmless(t *testing.T) {
	const suspicious = 40
	paths, err := filepath.Glob("/usr/bin/*")
	if err != nil {
		t.Fatal(err)
	}
	most := len(paths)
	if testing.Short() {
		most = 100
	}
	looked := 0
	for i := 0; i < len(paths) && looked < most; i += max(1, len(paths)/most) {
		info, err := os.Lstat(paths[i])
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		f, err := os.Open(paths[i])
		if err != nil {
			t.Fatal(err)
		}
		got, err := Look(f, info.Size(), filepath.Base(paths[i]))
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		looked++
		var scores []int
		for _, fact := range got.Facts {
			m, _ := Lookup(fact.ID)
			scores = append(scores, m.Score)
		}
		if score := finding.Score(scores); score >= suspicious {
			t.Errorf("%s has the score %v: %+v", paths[i], score, got.Facts)
		} else if score > 0 {
			t.Logf("%s has the score %v: %+v", paths[i], score, got.Facts)
		}
	}
	t.Logf("%d files", looked)
}
