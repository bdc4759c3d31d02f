package facts

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type section struct {
	name  string
	flags uint32
	data  []byte
}

// pe64 makes a Windows program of these sections, each of 64 KiB of address space from 0x10000 on, and of the
// functions of one library, whose table stands in a section of its own at the end.
func pe64(sections []section, imports []string, entry uint32) []byte {
	const step = 0x10000
	directories := [16]pe.DataDirectory{}
	if len(imports) > 0 {
		rva := uint32(step * (len(sections) + 1))
		directories[pe.IMAGE_DIRECTORY_ENTRY_IMPORT] = pe.DataDirectory{VirtualAddress: rva, Size: 40}
		sections = append(sections[:len(sections):len(sections)], section{name: ".idata", flags: 0x40000040, data: importTable(rva, imports)})
	}
	var out bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			if err := binary.Write(&out, binary.LittleEndian, v); err != nil {
				panic(err)
			}
		}
	}
	dos := make([]byte, 0x40)
	copy(dos, "MZ")
	dos[0x3c] = 0x40
	put(dos, []byte("PE\x00\x00"))
	put(pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: uint16(len(sections)), SizeOfOptionalHeader: 240, Characteristics: 0x22})
	put(pe.OptionalHeader64{Magic: 0x20b, AddressOfEntryPoint: entry, SectionAlignment: step, FileAlignment: 0x200, NumberOfRvaAndSizes: 16, DataDirectory: directories})
	offset := uint32(out.Len() + 40*len(sections))
	for i, s := range sections {
		header := pe.SectionHeader32{VirtualSize: uint32(len(s.data)), VirtualAddress: uint32(step * (i + 1)), SizeOfRawData: uint32(len(s.data)), PointerToRawData: offset, Characteristics: s.flags}
		copy(header.Name[:], s.name)
		put(header)
		offset += uint32(len(s.data))
	}
	for _, s := range sections {
		put(s.data)
	}
	return out.Bytes()
}

// importTable lays out the descriptor, the names and the thunks of one library.
func importTable(rva uint32, functions []string) []byte {
	thunks := uint32(40)
	names := thunks + 8*uint32(len(functions)+1)
	table := make([]byte, names)
	put := binary.LittleEndian.PutUint32
	for i, f := range functions {
		binary.LittleEndian.PutUint64(table[thunks+8*uint32(i):], uint64(rva+uint32(len(table))))
		table = append(append(append(table, 0, 0), f...), 0)
	}
	put(table[0:], rva+thunks)
	put(table[12:], rva+uint32(len(table)))
	put(table[16:], rva+thunks)
	return append(table, "kernel32.dll\x00"...)
}

func TestPE(t *testing.T) {
	random := rand.New(rand.NewChaCha8([32]byte{2}))
	packed := make([]byte, 32<<10)
	for i := range packed {
		packed[i] = byte(random.Uint32())
	}
	plain := bytes.Repeat([]byte("\x55\x48\x89\xe5\x90\xc3"), 2000)
	code := section{".text", 0x60000020, plain}
	tests := []struct {
		name    string
		content []byte
		want    []string
	}{
		{"harmless", pe64([]section{code}, []string{"ExitProcess", "GetProcAddress", "LoadLibraryA", "a", "b", "c"}, 0x10000), nil},
		{"packed", pe64([]section{{"UPX1", 0xe0000020, packed}}, []string{"LoadLibraryA", "GetProcAddress"}, 0x10000),
			[]string{"pe-few-imports", "pe-packed-code", "pe-packer", "pe-writable-code"}},
		{"injects", pe64([]section{code}, []string{"VirtualAllocEx", "WriteProcessMemory", "CreateRemoteThread"}, 0x10000), []string{"pe-injects"}},
		{"fetches and runs", pe64([]section{code}, []string{"URLDownloadToFileW", "ShellExecuteA"}, 0x10000), []string{"pe-fetches-runs"}},
		{"entry in data", pe64([]section{code, {".data", 0xc0000040, plain}}, nil, 0x20010), []string{"pe-entry-outside"}},
		{"overlay", append(pe64([]section{code}, nil, 0x10000), append(packed, packed...)...), []string{"pe-packed-overlay"}},
		{"damaged", append([]byte("MZ"), append(make([]byte, 0x3a), "\x40\x00\x00\x00PE\x00\x00\x64\x86\xff\xff"...)...), []string{"pe-damaged"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ids(t, test.content, "a.exe")); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}
