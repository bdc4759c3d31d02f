package archive

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tyto/finding"
)

// TestCabChanged changes fields of a cabinet made by gcab.
func TestCabChanged(t *testing.T) {
	const folder = cabHeaderSize // gcab writes no reserve
	original := fixture(t, "small.stored.cab")
	files := int(binary.LittleEndian.Uint32(original[16:]))
	block := int(binary.LittleEndian.Uint32(original[folder:]))
	all := func(reason finding.Reason) map[string]finding.Reason {
		return map[string]finding.Reason{"hello.txt": reason, "empty": "", `dir\random.bin`: reason}
	}
	for _, test := range []struct {
		name   string
		change func([]byte)
		want   map[string]finding.Reason
	}{
		{"nothing", func(b []byte) {}, all("")},
		{"lzx", func(b []byte) { b[folder+6] = 3 }, all(finding.Unsupported)},
		{"quantum", func(b []byte) { b[folder+6] = 2 }, all(finding.Unsupported)},
		{"mszip that is none", func(b []byte) { b[folder+6] = 1 }, map[string]finding.Reason{
			"hello.txt": finding.Damaged, "empty": "", `dir\random.bin`: finding.Damaged}},
		{"first file split over cabinets", func(b []byte) { b[files+8], b[files+9] = 0xfd, 0xff }, map[string]finding.Reason{
			"hello.txt": finding.Unsupported, "empty": "", `dir\random.bin`: ""}},
		{"first file in no folder", func(b []byte) { b[files+8] = 7 }, map[string]finding.Reason{
			"hello.txt": finding.Damaged, "empty": "", `dir\random.bin`: ""}},
		{"first file larger than its folder", func(b []byte) { b[files+3] = 1 }, map[string]finding.Reason{
			"hello.txt": finding.Damaged, "empty": "", `dir\random.bin`: ""}},
		{"checksum of the block", func(b []byte) { b[block]++ }, map[string]finding.Reason{
			"hello.txt": finding.Damaged, "empty": "", `dir\random.bin`: finding.Damaged}},
		{"another version", func(b []byte) { b[25] = 2 }, map[string]finding.Reason{"": finding.Unsupported}},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := bytes.Clone(original)
			test.change(data)
			got := outcomes(walkAll(t, "a.cab", data, newBudget(len(data))))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestCabReserve puts reserved fields of all kinds and names of neighbours into a cabinet, as
// signed cabinets and those of a set have them.
func TestCabReserve(t *testing.T) {
	original := fixture(t, "small.stored.cab")
	block := int(binary.LittleEndian.Uint32(original[cabHeaderSize:]))
	inserted := []byte{5, 0, 2, 0, 'h', 'e', 'a', 'd', 'r', 'p', 0, 'd', 0, 'n', 0, 'd', 0}
	data := bytes.Clone(original[:cabHeaderSize])
	data[30] |= cabHasReserve | cabHasPrevious | cabHasNext
	data = append(data, inserted...)
	data = append(data, original[cabHeaderSize:cabHeaderSize+cabFolderSize]...)
	data = append(data, 'f', 'r') // the folder's reserve
	data = append(data, original[cabHeaderSize+cabFolderSize:]...)
	shift := uint32(len(inserted) + 2)
	binary.LittleEndian.PutUint32(data[16:], le32(original[16:])+shift)
	binary.LittleEndian.PutUint32(data[cabHeaderSize+len(inserted):], uint32(block)+shift)
	got := make(map[string]string)
	for name, content := range contents(t, walkAll(t, "a.cab", data, newBudget(len(data)))) {
		got[name] = content
	}
	want := map[string]string{"hello.txt": "hello\n", "empty": "", `dir\random.bin`: tree["dir/random.bin"]}
	if diff := cmp.Diff(brief(want), brief(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
