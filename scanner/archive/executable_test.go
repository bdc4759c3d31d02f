package archive

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// portableExecutable returns a PE file with one section of no code, 512 bytes long.
func portableExecutable() []byte {
	b := make([]byte, 512)
	copy(b, "MZ")
	b[60] = 64
	copy(b[64:], "PE\x00\x00")
	b[64+6] = 1                                   // sections
	binary.LittleEndian.PutUint32(b[88+16:], 256) // length of the section's data
	binary.LittleEndian.PutUint32(b[88+20:], 256) // and their place
	copy(b[300:], "here is PK\x03\x04 and 7z\xbc\xaf\x27\x1c in the code")
	return b
}

func TestExecutable(t *testing.T) {
	pe := portableExecutable()
	zip := makeZip(t, file{"a", "content a"})
	a := []seen{{Name: "a", Content: "content a"}}
	hello := []seen{{Name: "hello.txt", Content: "hello\n"}}
	with := func(parts ...[]byte) (b []byte) {
		b = append(b, pe...)
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	adjusted := with(zip)
	end := len(adjusted) - zipEndSize
	start := binary.LittleEndian.Uint32(adjusted[end+16:])
	binary.LittleEndian.PutUint32(adjusted[end+16:], start+512)
	binary.LittleEndian.PutUint32(adjusted[512+int(start)+42:], 512)

	for _, test := range []struct {
		name string
		data []byte
		want []seen
	}{
		{"nothing appended", pe, nil},
		{"text appended", with([]byte("just text")), nil},
		{"not a pe file", append([]byte("MZ"), zip...), nil},
		{"zip", with(zip), a},
		{"zip with offsets from the beginning", adjusted, a},
		{"rar", with(rar5(rarFile{name: "a", content: "content a"})), a},
		{"7z behind its configuration", with([]byte(";!@Install@!UTF-8!\n;!@InstallEnd@!"), fixture(t, "small.Copy.7z")), append(hello,
			seen{Name: "empty"}, seen{Name: "dir/random.bin", Content: tree["dir/random.bin"]})},
		{"cab", with(fixture(t, "small.stored.cab")), append(hello,
			seen{Name: "empty"}, seen{Name: `dir\random.bin`, Content: tree["dir/random.bin"]})},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := walkAll(t, "a.exe", test.data, newBudget(len(test.data)))
			index := func(all []seen) map[string]seen {
				m := make(map[string]seen)
				for _, s := range all {
					m[s.Name] = s
				}
				return m
			}
			if diff := cmp.Diff(index(test.want), index(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
