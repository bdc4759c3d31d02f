package intercept

import (
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// record is one FILE_NOTIFY_INFORMATION.
func record(next, action, length uint32, name string) []byte {
	var b []byte
	b = binary.LittleEndian.AppendUint32(b, next)
	b = binary.LittleEndian.AppendUint32(b, action)
	b = binary.LittleEndian.AppendUint32(b, length)
	for _, unit := range utf16.Encode([]rune(name)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

func TestParseChanges(t *testing.T) {
	join := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	const removed, renamedOld = 2, 4
	for _, test := range []struct {
		name string
		buf  []byte
		want []string
	}{
		{"empty", nil, nil},
		{"one", record(0, actionAdded, 6, "abc"), []string{"abc"}},
		{"two", join(record(16, actionModified, 4, "ab"), record(0, actionRenamedNew, 4, "😀")), []string{"ab", "😀"}},
		{"what is gone", join(record(14, removed, 2, "a"), record(14, renamedOld, 2, "b"), record(0, actionAdded, 2, "c")), []string{"c"}},
		{"name beyond the end", record(0, actionAdded, 100, "abc"), nil},
		{"length of all bits", record(0, actionAdded, 0xffffffff, "abc"), nil},
		{"next beyond the end", record(1000, actionAdded, 2, "a"), []string{"a"}},
		{"next within itself", record(4, actionAdded, 2, "a"), []string{"a"}},
		{"half a header", record(12, actionAdded, 0, "")[:8], nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parseChanges(test.buf)); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseChanges(f *testing.F) {
	f.Add(record(0, actionAdded, 6, "abc"))
	f.Add(append(record(14, actionModified, 2, "a"), record(0, actionRenamedNew, 2, "b")...))
	f.Fuzz(func(t *testing.T, buf []byte) {
		if names := parseChanges(buf); len(names) > len(buf)/12 {
			t.Errorf("%d names in %d bytes", len(names), len(buf))
		}
	})
}
