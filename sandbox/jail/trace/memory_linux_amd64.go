package trace

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// memory is the memory of a traced process. What is read is whatever the process, or another that shares the memory,
// has put there by now; every read is bounded by the caller.
type memory int

// page is the smallest page size: a read that stays within one page is not cut by the next one's absence.
const page = 4096

// read returns up to n bytes at addr; fewer where the memory ends.
func (m memory) read(addr uint64, n int) []byte {
	if addr == 0 || n <= 0 {
		return nil
	}
	b := make([]byte, n)
	got := 0
	for got < n {
		part := min(n-got, page-int((addr+uint64(got))%page))
		local := []unix.Iovec{{Base: &b[got]}}
		local[0].SetLen(part)
		k, err := unix.ProcessVMReadv(int(m), local, []unix.RemoteIovec{{Base: uintptr(addr) + uintptr(got), Len: part}}, 0)
		got += max(k, 0)
		if err != nil || k < part {
			break
		}
	}
	return b[:got]
}

// text returns the string at addr up to its NUL, at most maxText bytes of it.
func (m memory) text(addr uint64) string {
	var b []byte
	for len(b) < maxText {
		// Most strings are short and need one read.
		part := min(256, maxText-len(b), page-int((addr+uint64(len(b)))%page))
		got := m.read(addr+uint64(len(b)), part)
		for i, c := range got {
			if c == 0 {
				return string(append(b, got[:i]...))
			}
		}
		b = append(b, got...)
		if len(got) < part {
			break
		}
	}
	return string(b)
}

// word returns the eight bytes at addr, 0 where there is no memory.
func (m memory) word(addr uint64) uint64 {
	b := m.read(addr, 8)
	if len(b) < 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// texts returns the strings of an array that ends with a null pointer, at most maxArguments.
func (m memory) texts(addr uint64) (list []string) {
	for i := range uint64(maxArguments) {
		p := m.word(addr + 8*i)
		if p == 0 {
			break
		}
		list = append(list, m.text(p))
	}
	return list
}
