package authenticode

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// image is where the parts of a PE file lie that a signature does not cover.
type image struct {
	checksum    int64 // offset of the checksum, 4 bytes
	directory   int64 // offset of the certificate table's entry in the data directories, 8 bytes
	tableOffset int64
	tableSize   int64 // 0 without a signature
	size        int64 // of the file
}

// readImage reads the headers. It returns nil for what is no PE file.
func readImage(r io.ReaderAt, size int64) (*image, error) {
	const dosHeader, coffHeader, certificates = 64, 24, 4
	var dos [dosHeader]byte
	if size < dosHeader {
		return nil, nil
	}
	if err := readFull(r, dos[:], 0); err != nil {
		return nil, err
	}
	pe := int64(binary.LittleEndian.Uint32(dos[60:]))
	if string(dos[:2]) != "MZ" || pe+coffHeader+2 > size {
		return nil, nil
	}
	var coff [coffHeader + 2]byte
	if err := readFull(r, coff[:], pe); err != nil {
		return nil, err
	}
	if string(coff[:4]) != "PE\x00\x00" {
		return nil, nil
	}
	optional := make([]byte, binary.LittleEndian.Uint16(coff[20:]))
	start := pe + coffHeader
	if start+int64(len(optional)) > size {
		return nil, nil
	}
	if err := readFull(r, optional, start); err != nil {
		return nil, err
	}
	directories := 96
	switch binary.LittleEndian.Uint16(coff[coffHeader:]) {
	case 0x10b:
	case 0x20b:
		directories = 112
	default:
		return nil, nil
	}
	entry := directories + 8*certificates
	if len(optional) < entry+8 || binary.LittleEndian.Uint32(optional[directories-4:]) <= certificates {
		return &image{size: size}, nil // no room for a signature
	}
	return &image{
		checksum:    start + 64,
		directory:   start + int64(entry),
		tableOffset: int64(binary.LittleEndian.Uint32(optional[entry:])),
		tableSize:   int64(binary.LittleEndian.Uint32(optional[entry+4:])),
		size:        size,
	}, nil
}

// table returns the PKCS #7 signature of the certificate table. All other bytes of the table must be the eight of its
// header and at most seven zeros to align it: nothing that is not signed may hide there.
func (img *image) table(r io.ReaderAt) ([]byte, error) {
	const header, revision2, signedDataType = 8, 0x0200, 2
	switch {
	case img.tableOffset+img.tableSize != img.size:
		return nil, malformed("the certificate table is not at the end of the file")
	case img.tableOffset < img.directory+8 || img.tableOffset%8 != 0:
		return nil, malformed("the certificate table is at a place where none can be")
	case img.tableSize < header || img.tableSize > maxTable:
		return nil, malformed("the certificate table has %d bytes", img.tableSize)
	}
	table := make([]byte, img.tableSize)
	if err := readFull(r, table, img.tableOffset); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(table))
	if binary.LittleEndian.Uint16(table[4:]) != revision2 || binary.LittleEndian.Uint16(table[6:]) != signedDataType {
		return nil, malformed("the certificate table holds no signature of a known kind")
	}
	if length < header || length > img.tableSize || img.tableSize-length > 7 {
		return nil, malformed("the certificate table holds more than one signature, or something else")
	}
	return table[header:], nil
}

// digest computes the digest of the image without what a signature cannot cover: the checksum, the entry of the
// certificate table, and the table itself.
func (img *image) digest(r io.ReaderAt, algorithm crypto.Hash) ([]byte, error) {
	h := algorithm.New()
	for _, part := range [][2]int64{{0, img.checksum}, {img.checksum + 4, img.directory}, {img.directory + 8, img.tableOffset}} {
		n, err := io.Copy(h, io.NewSectionReader(r, part[0], part[1]-part[0]))
		if err != nil {
			return nil, fmt.Errorf("read the program: %w", err)
		}
		if n != part[1]-part[0] {
			return nil, malformed("the program became shorter while it was read")
		}
	}
	return h.Sum(nil), nil
}

func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return malformed("the program became shorter while it was read")
	}
	return fmt.Errorf("read the program: %w", err)
}

// onlyZeros reports whether there is nothing else.
func onlyZeros(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }
