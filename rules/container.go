package rules

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sync"

	"tyto/finding"
	"tyto/rules/source"
)

// The file of compiled rules. All numbers are little-endian.
//
//	 0  8 bytes   magic
//	 8  uint32    format
//	12  uint32    number of sections
//	16  32 bytes  key, see cacheKey
//	48  sections  each: uint64 offset, uint64 size, uint32 CRC-32C of its bytes, uint32 zero
//	    uint32    CRC-32C of everything before
//
// Section 0 is the table for the broker, section 1 the directory of variants for the scanner, both
// as gob; the others are variants as libyara saves them. The checksums find damage, not malice:
// what libyara loads is trusted like a program, so who may write the file is checked where it is
// opened.
//
// Sections are scrambled (AES-256 in counter mode under the key of the header, which makes no secret of
// it): the file holds all that the rules look for, and a scan of the folder that it lies in, with these
// rules, with other ones or by another scanner, must not find it.
const (
	magic       = "TYTORULE"
	format      = 3
	headerSize  = 48
	sectionSize = 24
	maxSections = 256
	maxSection  = 1 << 30 // bytes
)

// Section numbers.
const (
	sectionTable = iota
	sectionDirectory
	firstBlob
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// table is what the broker reads.
type table struct {
	Rules    []Rule
	Files    int
	Problems []finding.Problem
	Warnings []finding.Problem
	Version  string
	Uses     []string
}

// entry is a variant in the directory.
type entry struct {
	Name  string
	Facts source.Facts
	Rules []uint32 // table index of each of its rules
	Blob  int      // its section; 0 if no rule is left
}

// directory is what the scanner reads.
type directory struct {
	Uses     []string
	Variants []entry
}

type section struct {
	offset, size int64
	crc          uint32
}

// container is an open file of compiled rules.
type container struct {
	r        io.ReaderAt
	key      [32]byte
	sections []section
}

// errDamaged is returned for files that are no compiled rules of this format, or damaged ones.
var errDamaged = errors.New("not compiled rules of this version of Tyto, or damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// containerWriter writes a file of compiled rules section by section, so that no more than one
// variant has to be in memory. It is safe for concurrent use.
type containerWriter struct {
	w   io.WriterAt
	key [32]byte

	mu       sync.Mutex
	sections []section
	end      int64 // of what was written
}

func newContainerWriter(w io.WriterAt, key [32]byte, sections int) *containerWriter {
	return &containerWriter{
		w:        w,
		key:      key,
		sections: make([]section, sections),
		end:      int64(headerSize + sections*sectionSize + 4),
	}
}

// add writes the section of that number. If there was one, its space is lost.
func (c *containerWriter) add(number int, write func(io.Writer) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := crc32.New(castagnoli)
	out := io.NewOffsetWriter(c.w, c.end)
	scrambled := cipher.StreamWriter{S: scrambler(c.key, number), W: io.MultiWriter(out, sum)}
	// libyara writes its 400,000 pointers one by one.
	buffered := bufio.NewWriterSize(scrambled, 256<<10)
	if err := errors.Join(write(buffered), buffered.Flush()); err != nil {
		return fmt.Errorf("write compiled rules: %w", err)
	}
	size, err := out.Seek(0, io.SeekCurrent)
	if err != nil {
		return fmt.Errorf("write compiled rules: %w", err)
	}
	c.sections[number] = section{offset: c.end, size: size, crc: sum.Sum32()}
	c.end += size
	return nil
}

// finish writes the table and the directory, and then the header, without which nothing before
// counts.
func (c *containerWriter) finish(t *table, d *directory) error {
	encode := func(number int, v any) error {
		return c.add(number, func(w io.Writer) error { return gob.NewEncoder(w).Encode(v) })
	}
	if err := encode(sectionTable, t); err != nil {
		return err
	}
	if err := encode(sectionDirectory, d); err != nil {
		return err
	}
	header := append([]byte(magic), make([]byte, headerSize-len(magic))...)
	binary.LittleEndian.PutUint32(header[8:], format)
	binary.LittleEndian.PutUint32(header[12:], uint32(len(c.sections)))
	copy(header[16:], c.key[:])
	for _, s := range c.sections {
		header = binary.LittleEndian.AppendUint64(header, uint64(s.offset))
		header = binary.LittleEndian.AppendUint64(header, uint64(s.size))
		header = binary.LittleEndian.AppendUint32(header, s.crc)
		header = binary.LittleEndian.AppendUint32(header, 0)
	}
	header = binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli))
	if _, err := c.w.WriteAt(header, 0); err != nil {
		return fmt.Errorf("write compiled rules: %w", err)
	}
	return nil
}

// openContainer reads the header of a file of the given size.
func openContainer(r io.ReaderAt, size int64) (*container, error) {
	head := make([]byte, headerSize)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, damaged("header: %v", err)
	}
	if string(head[:8]) != magic {
		return nil, damaged("no magic")
	}
	if f := binary.LittleEndian.Uint32(head[8:]); f != format {
		return nil, damaged("format %d", f)
	}
	n := binary.LittleEndian.Uint32(head[12:])
	if n < firstBlob || n > maxSections {
		return nil, damaged("%d sections", n)
	}
	head = append(head, make([]byte, n*sectionSize+4)...)
	if _, err := r.ReadAt(head[headerSize:], headerSize); err != nil {
		return nil, damaged("list of sections: %v", err)
	}
	body, sum := head[:len(head)-4], head[len(head)-4:]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(sum) {
		return nil, damaged("checksum of the header")
	}
	c := &container{r: r, key: [32]byte(head[16:48])}
	for list := body[headerSize:]; len(list) > 0; list = list[sectionSize:] {
		offset, length := binary.LittleEndian.Uint64(list), binary.LittleEndian.Uint64(list[8:])
		if length > maxSection || offset > math.MaxInt64-maxSection || int64(offset+length) > size {
			return nil, damaged("section of %d bytes at %d in a file of %d", length, offset, size)
		}
		c.sections = append(c.sections, section{int64(offset), int64(length), binary.LittleEndian.Uint32(list[16:])})
	}
	return c, nil
}

// size returns the size of a section, 0 if there is no such section.
func (c *container) size(i int) int64 {
	if i < 0 || i >= len(c.sections) {
		return 0
	}
	return c.sections[i].size
}

// read fills buffer, of the section's size, and verifies it.
func (c *container) read(i int, buffer []byte) error {
	s := c.sections[i]
	if _, err := c.r.ReadAt(buffer, s.offset); err != nil && !(err == io.EOF && len(buffer) == 0) {
		return damaged("section %d: %v", i, err)
	}
	if crc32.Checksum(buffer, castagnoli) != s.crc {
		return damaged("checksum of section %d", i)
	}
	scrambler(c.key, i).XORKeyStream(buffer, buffer)
	return nil
}

// scrambler returns the stream that a section is scrambled with, both ways.
func scrambler(key [32]byte, number int) cipher.Stream {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	var iv [aes.BlockSize]byte
	binary.LittleEndian.PutUint64(iv[:], uint64(number)) // the other half counts blocks
	return cipher.NewCTR(block, iv[:])
}

func (c *container) decode(i int, into any) error {
	buffer := make([]byte, c.size(i))
	if err := c.read(i, buffer); err != nil {
		return err
	}
	if err := gob.NewDecoder(bytes.NewReader(buffer)).Decode(into); err != nil {
		return damaged("section %d: %v", i, err)
	}
	return nil
}

// verify reads everything once.
func (c *container) verify() error {
	buffer := make([]byte, 256<<10)
	for i, s := range c.sections {
		sum := uint32(0)
		for at := int64(0); at < s.size; {
			n := min(int64(len(buffer)), s.size-at)
			if _, err := c.r.ReadAt(buffer[:n], s.offset+at); err != nil {
				return damaged("section %d: %v", i, err)
			}
			sum = crc32.Update(sum, castagnoli, buffer[:n])
			at += n
		}
		if sum != s.crc {
			return damaged("checksum of section %d", i)
		}
	}
	return nil
}
