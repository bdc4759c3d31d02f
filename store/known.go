package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"time"

	"tyto/finding"
)

// KnownFile is a file that the inventory knows.
type KnownFile struct {
	// Object is the file as it was when it was examined.
	Object finding.Object
	// Examined is when that was.
	Examined time.Time
	// Gone is when a scan found the file to be missing; zero if none did.
	Gone time.Time
	// Run is the run that examined it; 0 is none.
	Run int64
	// Findings and Skips are those of that examination, also on files inside it.
	Findings []finding.Finding
	Skips    []finding.Skip
	// Hash is the hash that was asked for.
	Hash string
}

// known reads one file; nil if it was forgotten meanwhile.
func (s *Store) known(ctx context.Context, id int64) (*KnownFile, error) {
	var v [23]any
	targets := make([]any, len(v))
	for i := range v {
		targets[i] = &v[i]
	}
	err := s.read.QueryRowContext(ctx, `
		SELECT d.path, f.name, f.inode, f.size, f.mtime, f.ctime, f.usn, f.md5, f.sha1, f.sha256, f.type, f.run, f.examined,
			f.device, f.mode, f.owner, f."group", f.links, f.atime, f.btime, f.attributes, f.original, f.gone
		FROM files f JOIN dirs d ON d.id = f.dir WHERE f.id = ?`, id).Scan(targets...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	k := &KnownFile{
		Object: finding.Object{
			Kind: finding.File, Path: text(v[0]) + text(v[1]), OriginalPath: text(v[21]),
			Inode: uint64(integer(v[2])), Size: integer(v[3]), USN: integer(v[6]),
			Modified: timeOf(stampOf(v[4])), Changed: timeOf(stampOf(v[5])), Accessed: timeOf(stampOf(v[18])), Created: timeOf(stampOf(v[19])),
			Hashes: hashes(bytesOf(v[7]), bytesOf(v[8]), bytesOf(v[9])), Type: text(v[10]),
			Device: uint64(integer(v[13])), Mode: fs.FileMode(integer(v[14])), Owner: text(v[15]), Group: text(v[16]),
			Links: uint64(integer(v[17])), Attributes: splitAttributes(text(v[20])),
		},
		Run: integer(v[11]), Examined: timeOf(stampOf(v[12])), Gone: timeOf(stampOf(v[22])),
	}
	return k, s.knownOutcomes(ctx, id, k)
}

// knownOutcomes adds what was found in a file.
func (s *Store) knownOutcomes(ctx context.Context, id int64, k *KnownFile) error {
	rows, err := s.read.QueryContext(ctx, "SELECT line FROM outcomes WHERE file = ? ORDER BY n", id)
	if err != nil {
		return err
	}
	defer rows.Close()
	var r FileRecord
	for rows.Next() {
		var line []byte
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if err := r.add(line); err != nil {
			return err
		}
	}
	k.Findings, k.Skips = r.Findings, r.Skips
	return rows.Err()
}

// Counts says how much the inventory holds.
type Counts struct {
	Files int64 // known, without those that are gone
	Gone  int64
	Bytes int64 // the size of Files
	// Findings are those of the latest examination of each file, gone ones too.
	Findings int64
}

// Counts counts the inventory. It reads all of it, which takes about a second for a million files.
func (s *Store) Counts(ctx context.Context) (c Counts, err error) {
	err = s.read.QueryRowContext(ctx, `
		SELECT count(*) - count(gone), count(gone), coalesce(sum(CASE WHEN gone IS NULL THEN size END), 0),
			(SELECT count(*) FROM outcomes WHERE kind = 'finding') FROM files`).
		Scan(&c.Files, &c.Gone, &c.Bytes, &c.Findings)
	if err != nil {
		return Counts{}, s.failed("count the inventory", err)
	}
	return c, nil
}
