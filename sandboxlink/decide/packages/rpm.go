package packages

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"slices"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the driver
)

// rpm reads the database of rpm 4.16 and later, which is SQLite: a table of packages' headers and an index of
// base names. Older ones (Berkeley DB, ndb) are not read: their files are not trusted.
type rpm struct {
	options Options
	index   lazy[*rpmIndex]
}

// rpmIndex finds the packages that may have a path, as dpkgIndex does.
type rpmIndex struct {
	file  string
	seed  maphash.Seed
	files []rpmFile // by hash
}

type rpmFile struct {
	hash uint64
	row  int64 // of the package
}

func newRPM(o Options) *rpm {
	r := &rpm{options: o}
	file := o.at("/var/lib/rpm/rpmdb.sqlite")
	if other := o.at("/usr/lib/sysimage/rpm/rpmdb.sqlite"); !stampOf(file).exists && stampOf(other).exists {
		file = other
	}
	r.index = lazy[*rpmIndex]{read: func() (*rpmIndex, error) { return r.read(file) }, now: o.Now, files: []string{file, file + "-wal"}}
	return r
}

// maxHeader is the largest header of a package that is read; rpm itself takes 256 MiB.
const maxHeader = 64 << 20

// Claims implements [Database].
func (r *rpm) Claims(path string) (claims []Claim, err error) {
	index, ok, err := r.index.get()
	if !ok || err != nil {
		return nil, err
	}
	want := maphash.String(index.seed, path)
	at, _ := slices.BinarySearchFunc(index.files, want, func(f rpmFile, h uint64) int { return cmp.Compare(f.hash, h) })
	for ; at < len(index.files) && index.files[at].hash == want; at++ {
		found, err := index.lookUp(index.files[at].row, path)
		if err != nil {
			return nil, err
		}
		claims = append(claims, found...)
	}
	return claims, nil
}

func openRPM(file string) (*sql.DB, error) {
	source := url.URL{Scheme: "file", Path: file, RawQuery: "mode=ro&_query_only=1"}
	db, err := sql.Open("sqlite3", source.String())
	if err != nil {
		return nil, fmt.Errorf("open rpm's database: %w", err)
	}
	return db, nil
}

// read makes the index.
func (r *rpm) read(file string) (*rpmIndex, error) {
	db, err := openRPM(file)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.Query("SELECT hnum, blob FROM Packages WHERE length(blob) <= ?", maxHeader)
	if err != nil {
		return nil, fmt.Errorf("read rpm's database: %w", err)
	}
	defer rows.Close()
	index := &rpmIndex{file: file, seed: maphash.MakeSeed()}
	for rows.Next() && len(index.files) < maxFiles {
		var row int64
		var blob sql.RawBytes
		if err := rows.Scan(&row, &blob); err != nil {
			return nil, fmt.Errorf("read rpm's database: %w", err)
		}
		h, err := parseHeader(blob)
		if err != nil {
			r.options.Log.Warn("a package's header cannot be read: its files are not trusted", "row", row, "error", err)
			continue
		}
		for i := range h.count() {
			index.files = append(index.files, rpmFile{maphash.String(index.seed, h.path(i)), row})
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rpm's database: %w", err)
	}
	slices.SortFunc(index.files, func(a, b rpmFile) int { return cmp.Compare(a.hash, b.hash) })
	index.files = slices.Clip(index.files)
	return index, nil
}

// lookUp reads the header of one package.
func (x *rpmIndex) lookUp(row int64, path string) (claims []Claim, err error) {
	db, err := openRPM(x.file)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var blob []byte
	err = db.QueryRow("SELECT blob FROM Packages WHERE hnum = ? AND length(blob) <= ?", row, maxHeader).Scan(&blob)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // removed since the index was made
	}
	if err != nil {
		return nil, fmt.Errorf("read rpm's database: %w", err)
	}
	h, err := parseHeader(blob)
	if err != nil {
		return nil, err
	}
	for i := range h.count() {
		if h.path(i) != path || h.algorithm != sha256Algorithm {
			continue
		}
		if sum, err := hex.DecodeString(h.digests[i]); err == nil && len(sum) == 32 {
			claims = append(claims, Claim{Manager: "rpm", Package: h.name, Algorithm: "sha256", Sum: sum})
		}
	}
	return claims, nil
}

// header is what of a package's header names its files.
type header struct {
	name      string
	bases     []string
	folders   []string
	folderOf  []uint32
	digests   []string
	algorithm uint32
}

// The tags of a header that are read, and types of their values (rpm's rpmtag.h).
const (
	tagName, tagDigests, tagFolderOf, tagBases, tagFolders, tagAlgorithm = 1000, 1035, 1116, 1117, 1118, 5011

	typeInt32, typeString, typeStrings = 4, 6, 8

	sha256Algorithm = 8 // of OpenPGP, RFC 4880 9.4
	maxTags         = 1 << 16
)

var errHeader = errors.New("read a package's header: it is damaged")

// count is the number of files with a digest.
func (h *header) count() int { return len(h.bases) }

// path is that of a file.
func (h *header) path(i int) string { return h.folders[h.folderOf[i]] + h.bases[i] }

// parseHeader reads a header as the database holds it: the numbers of entries and of data bytes, entries of tag, type,
// offset and count, then the data; all numbers with the highest byte first.
func parseHeader(blob []byte) (*header, error) {
	const preamble, entrySize = 8, 16
	if len(blob) < preamble {
		return nil, errHeader
	}
	entries, size := int64(binary.BigEndian.Uint32(blob)), int64(binary.BigEndian.Uint32(blob[4:]))
	if entries > maxTags || preamble+entries*entrySize+size > int64(len(blob)) {
		return nil, errHeader
	}
	data := blob[preamble+entries*entrySize:][:size]
	h := new(header)
	for i := range entries {
		e := blob[preamble+i*entrySize:]
		h.take(binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:]), binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:]), data)
	}
	if len(h.folderOf) != len(h.bases) || len(h.digests) != len(h.bases) {
		return nil, errHeader
	}
	for _, n := range h.folderOf {
		if int64(n) >= int64(len(h.folders)) {
			return nil, errHeader
		}
	}
	return h, nil
}

// take reads the value of one tag; one that is damaged is missing.
func (h *header) take(tag, kind, offset, count uint32, data []byte) {
	if int64(offset) > int64(len(data)) {
		return
	}
	data = data[offset:]
	switch {
	case tag == tagName && kind == typeString:
		h.name, _, _ = strings.Cut(string(data[:min(len(data), 256)]), "\x00")
	case tag == tagBases && kind == typeStrings:
		h.bases = stringArray(data, count)
	case tag == tagFolders && kind == typeStrings:
		h.folders = stringArray(data, count)
	case tag == tagDigests && kind == typeStrings:
		h.digests = stringArray(data, count)
	case tag == tagFolderOf && kind == typeInt32:
		h.folderOf = intArray(data, count)
	case tag == tagAlgorithm && kind == typeInt32:
		if n := intArray(data, 1); len(n) == 1 {
			h.algorithm = n[0]
		}
	}
}

// stringArray reads strings that end with a zero each; nil if there are fewer.
func stringArray(data []byte, count uint32) (all []string) {
	for range min(int64(count), int64(len(data))) {
		end := slices.Index(data, 0)
		if end < 0 {
			return nil
		}
		all = append(all, string(data[:end]))
		data = data[end+1:]
	}
	if int64(len(all)) != int64(count) {
		return nil
	}
	return all
}

func intArray(data []byte, count uint32) (all []uint32) {
	if int64(count)*4 > int64(len(data)) {
		return nil
	}
	for i := range int(count) {
		all = append(all, binary.BigEndian.Uint32(data[4*i:]))
	}
	return all
}
