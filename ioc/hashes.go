package ioc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"math"
	"slices"
)

// maxComment bounds the comment that is kept for a hash, in bytes.
const maxComment = 256

// hashTable holds rows of hash lists compactly: about the hash itself, 12 bytes and the comment
// for each. It is built once with add and freeze and then only read.
type hashTable struct {
	columns  [3]hashColumn // MD5, SHA-1, SHA-256
	comments []byte        // each with its length before it
	recent   map[string]uint32
	sources  []string
	bySource map[string]uint16
	count    int
}

// hashColumn holds the rows of one algorithm.
type hashColumn struct {
	width  int
	sums   []byte // width bytes a row
	rows   []hashRow
	starts []uint32 // by the first two bytes of a sum: its first row; one more for the end
}

type hashRow struct {
	comment uint32
	line    uint32
	source  uint16
	score   int8
}

var hashWidths = [3]int{16, 20, 32}

var hashTerms = [3]string{"FileItem/Md5sum", "FileItem/Sha1sum", "FileItem/Sha256sum"}

func newHashTable() *hashTable {
	t := &hashTable{
		comments: []byte{0}, // the empty comment, at place 0
		recent:   map[string]uint32{"": 0},
		bySource: map[string]uint16{},
	}
	for i, width := range hashWidths {
		t.columns[i].width = width
	}
	return t
}

func (t *hashTable) add(row HashRow) error {
	i := slices.Index(hashWidths[:], len(row.Sum))
	if i < 0 {
		return fmt.Errorf("hash of %d bytes is neither MD5, SHA-1 nor SHA-256", len(row.Sum))
	}
	source, ok := t.bySource[row.Source]
	if !ok {
		if len(t.sources) > math.MaxUint16 {
			return fmt.Errorf("more than %d hash lists", math.MaxUint16)
		}
		source = uint16(len(t.sources))
		t.sources = append(t.sources, row.Source)
		t.bySource[row.Source] = source
	}
	c := &t.columns[i]
	c.sums = append(c.sums, row.Sum...)
	c.rows = append(c.rows, hashRow{
		comment: t.keep(row.Comment),
		line:    uint32(row.Line),
		source:  source,
		score:   int8(max(-100, min(100, row.Score))),
	})
	t.count++
	return nil
}

// keep stores a comment and returns its place. Lists repeat comments in runs, so the latest ones
// are remembered.
func (t *hashTable) keep(comment string) uint32 {
	if len(comment) > maxComment {
		comment = comment[:maxComment]
	}
	if at, ok := t.recent[comment]; ok {
		return at
	}
	if uint64(len(t.comments))+maxComment > math.MaxUint32-binary.MaxVarintLen64 {
		return 0 // 4 GiB of comments: the hash still counts
	}
	if len(t.recent) >= 1024 {
		clear(t.recent)
		t.recent[""] = 0
	}
	at := uint32(len(t.comments))
	t.comments = binary.AppendUvarint(t.comments, uint64(len(comment)))
	t.comments = append(t.comments, comment...)
	t.recent[comment] = at
	return at
}

func (t *hashTable) comment(at uint32) string {
	n, width := binary.Uvarint(t.comments[at:])
	at += uint32(width)
	return string(t.comments[at : at+uint32(n)])
}

// freeze sorts the rows. Rows with the same hash keep their order.
func (t *hashTable) freeze() {
	t.recent, t.bySource = nil, nil
	t.comments = slices.Clip(t.comments)
	for i := range t.columns {
		t.columns[i].freeze()
	}
}

func (c *hashColumn) freeze() {
	order := make([]uint32, len(c.rows))
	for i := range order {
		order[i] = uint32(i)
	}
	sum := func(i uint32) []byte { return c.sums[int(i)*c.width : int(i+1)*c.width] }
	slices.SortFunc(order, func(a, b uint32) int {
		if d := bytes.Compare(sum(a), sum(b)); d != 0 {
			return d
		}
		return int(a) - int(b)
	})
	sums, rows := make([]byte, 0, len(c.sums)), make([]hashRow, 0, len(c.rows))
	c.starts = make([]uint32, 1<<16+1)
	for _, i := range order {
		c.starts[int(binary.BigEndian.Uint16(sum(i)))+1]++
		sums = append(sums, sum(i)...)
		rows = append(rows, c.rows[i])
	}
	for i := 1; i < len(c.starts); i++ {
		c.starts[i] += c.starts[i-1]
	}
	c.sums, c.rows = sums, rows
}

// find returns the rows with the hash that text spells in hexadecimal.
func (c *hashColumn) find(text string) []hashRow {
	var sum [32]byte
	if len(c.rows) == 0 || len(text) != 2*c.width {
		return nil
	}
	if _, err := hex.Decode(sum[:], []byte(text)); err != nil {
		return nil
	}
	want := sum[:c.width]
	bucket := binary.BigEndian.Uint16(want)
	lo, hi := int(c.starts[bucket]), int(c.starts[int(bucket)+1])
	end := hi
	for lo < hi {
		if m := (lo + hi) / 2; bytes.Compare(c.sums[m*c.width:(m+1)*c.width], want) < 0 {
			lo = m + 1
		} else {
			hi = m
		}
	}
	for hi < end && bytes.Equal(c.sums[hi*c.width:(hi+1)*c.width], want) {
		hi++
	}
	return c.rows[lo:hi]
}

// empty reports whether there are no rows for an algorithm.
func (t *hashTable) empty(column int) bool { return len(t.columns[column].rows) == 0 }

// bestBySource picks from rows with the same hash one for each list: that with the highest score.
func bestBySource(rows []hashRow) []hashRow {
	if len(rows) < 2 {
		return rows
	}
	var best []hashRow
	for _, r := range rows {
		i := slices.IndexFunc(best, func(b hashRow) bool { return b.source == r.source })
		switch {
		case i < 0:
			best = append(best, r)
		case r.score > best[i].score:
			best[i] = r
		}
	}
	return best
}

// Hashes yields the rows of hash lists, sorted by algorithm and sum.
func (s *Set) Hashes() iter.Seq[HashRow] {
	return func(yield func(HashRow) bool) {
		t := s.hashes
		for i := range t.columns {
			c := &t.columns[i]
			for n, row := range c.rows {
				ok := yield(HashRow{
					Sum: c.sums[n*c.width : (n+1)*c.width : (n+1)*c.width], Score: int(row.score), Comment: t.comment(row.comment),
					Source: t.sources[row.source], Line: int(row.line),
				})
				if !ok {
					return
				}
			}
		}
	}
}
