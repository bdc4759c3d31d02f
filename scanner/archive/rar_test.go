package archive

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// Rar archives can be made by RARLAB's own tool only, so these are put together by hand from the
// published formats (rarlab.com/technote.htm for 5, technote.txt of unrar for 4), stored.

type rarFile struct {
	name, content string
	encrypted     bool
	wrongSum      bool
	dictionary    byte // exponent of a packed member's dictionary, RAR 5: 128 KiB << n
	continues     bool // in the next volume
}

func (f rarFile) sum() uint32 {
	sum := crc32.ChecksumIEEE([]byte(f.content))
	if f.wrongSum {
		sum++
	}
	return sum
}

func rar4(files ...rarFile) []byte {
	b := []byte("Rar!\x1a\x07\x00")
	b = append(b, rar4Block(0x73, 0, make([]byte, 6))...)
	for _, f := range files {
		flags := uint16(0x8000)
		if f.encrypted {
			flags |= 4
		}
		if f.continues {
			flags |= 2
		}
		h := binary.LittleEndian.AppendUint32(nil, uint32(len(f.content))) // packed
		h = binary.LittleEndian.AppendUint32(h, uint32(len(f.content)))
		h = append(h, 3) // Unix
		h = binary.LittleEndian.AppendUint32(h, f.sum())
		h = append(h, 0, 0, 0x21, 0x58) // 2024-01-01
		h = append(h, 29, 0x30)         // version, stored
		h = binary.LittleEndian.AppendUint16(h, uint16(len(f.name)))
		h = append(h, 0xa4, 0x81, 0, 0) // -rw-r--r--
		b = append(b, rar4Block(0x74, flags, append(h, f.name...))...)
		b = append(b, f.content...)
	}
	return append(b, rar4Block(0x7b, 0x4000, nil)...)
}

func rar4Block(kind byte, flags uint16, body []byte) []byte {
	b := []byte{kind}
	b = binary.LittleEndian.AppendUint16(b, flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(7+len(body)))
	b = append(b, body...)
	return append(binary.LittleEndian.AppendUint16(nil, uint16(crc32.ChecksumIEEE(b))), b...)
}

func rar5(files ...rarFile) []byte {
	b := []byte("Rar!\x1a\x07\x01\x00")
	volumes := byte(0)
	for _, f := range files {
		if f.continues {
			volumes = 1
		}
	}
	b = append(b, rar5Block(1, 0, []byte{volumes})...)
	for _, f := range files {
		compression := uint64(0)
		size := uint64(len(f.content))
		if f.dictionary > 0 {
			compression = uint64(f.dictionary)<<10 | 1<<7
			size = 1 << 40
		}
		if f.continues {
			size++
		}
		var extra []byte
		if f.encrypted {
			extra = append([]byte{49, 1, 0, 0, 15}, make([]byte, 45)...)
		}
		flags := uint64(2)
		var body []byte
		if len(extra) > 0 {
			flags |= 1
			body = binary.AppendUvarint(body, uint64(len(extra)))
		}
		if f.continues {
			flags |= 0x10
		}
		body = binary.AppendUvarint(body, uint64(len(f.content)))
		body = binary.AppendUvarint(body, 4) // there is a checksum
		body = binary.AppendUvarint(body, size)
		body = binary.AppendUvarint(body, 0o100644)
		body = binary.LittleEndian.AppendUint32(body, f.sum())
		body = binary.AppendUvarint(body, compression)
		body = binary.AppendUvarint(body, 1) // Unix
		body = binary.AppendUvarint(body, uint64(len(f.name)))
		body = append(append(body, f.name...), extra...)
		b = append(b, rar5Block(2, flags, body)...)
		b = append(b, f.content...)
	}
	return append(b, rar5Block(5, 0, []byte{volumes})...)
}

func rar5Block(kind, flags uint64, body []byte) []byte {
	b := binary.AppendUvarint(nil, kind)
	b = binary.AppendUvarint(b, flags)
	b = append(b, body...)
	b = append(binary.AppendUvarint(nil, uint64(len(b))), b...)
	return append(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)), b...)
}

func TestRar(t *testing.T) {
	a, b := rarFile{name: "dir/a.txt", content: "content of a"}, rarFile{name: "b.txt", content: "content of b"}
	good := []seen{{Name: a.name, Content: a.content}, {Name: b.name, Content: b.content}}
	locked, wrong, long := a, a, a
	locked.encrypted, wrong.wrongSum, long.continues = true, true, true
	huge := a
	huge.dictionary = 10

	for _, test := range []struct {
		name  string
		files []rarFile
		want  []seen
	}{
		{"two members", []rarFile{a, b}, good},
		{"encrypted", []rarFile{locked, b}, []seen{{Name: a.name, Reason: finding.Encrypted, Detail: "a password is needed"}, good[1]}},
		{"wrong checksum", []rarFile{wrong, b}, []seen{{a.name, a.content, finding.Damaged, "rardecode: bad file checksum"}, good[1]}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for version, data := range map[string][]byte{"4": rar4(test.files...), "5": rar5(test.files...)} {
				if diff := cmp.Diff(test.want, walkAll(t, "a.rar", data, newBudget(len(data)))); diff != "" {
					t.Errorf("version %s (-want +got):\n%s", version, diff)
				}
			}
		})
	}
	t.Run("first volume", func(t *testing.T) {
		data := rar5(b, long)
		got := walkAll(t, "a.rar", data, newBudget(len(data)))
		want := []seen{good[1], {a.name, a.content, finding.Unsupported, "it continues in another volume"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("dictionary of 128 MiB", func(t *testing.T) {
		data := rar5(b, huge)
		got := walkAll(t, "a.rar", data, newBudget(len(data)))
		want := []seen{good[1], {Reason: finding.ArchiveLimit, Detail: "the dictionary is larger than the memory allowed"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("encrypted directory", func(t *testing.T) {
		data := append([]byte("Rar!\x1a\x07\x01\x00"), rar5Block(4, 0, make([]byte, 19))...)
		got := walkAll(t, "a.rar", data, newBudget(len(data)))
		if diff := cmp.Diff([]seen{{Reason: finding.Encrypted, Detail: "the directory needs a password"}}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestRarIsSolid(t *testing.T) {
	plain4, solid4 := rar4(rarFile{}), rar4(rarFile{})
	copy(solid4[7:], rar4Block(0x73, 8, make([]byte, 6)))
	plain5, solid5 := rar5(rarFile{}), rar5(rarFile{})
	copy(solid5[8:], rar5Block(1, 0, []byte{4}))
	for _, test := range []struct {
		name string
		data []byte
		want bool
	}{
		{"4 plain", plain4, false},
		{"4 solid", solid4, true},
		{"5 plain", plain5, false},
		{"5 solid", solid5, true},
		{"neither", []byte("Rar!\x1a\x07"), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := newWalk(test.data, newBudget(0)).rarIsSolid(); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
