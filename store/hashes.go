package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
)

const (
	// indexBatch is how many new files a session lets gather before their hashes are indexed. The more
	// they are the fewer pages are written for each, and the longer takes a look into those that are
	// not indexed yet: a few hundredths of a second.
	indexBatch = 32_768
	// maxSame bounds the files of one hash that are found, and so the memory for them. Only the empty
	// file and the like come near.
	maxSame = 100_000
)

// hashColumns are the columns of hashes, by their length in bytes.
var hashColumns = map[int]string{16: "md5", 20: "sha1", 32: "sha256"}

// indexHashes enters the hashes of new files into their index, in the order of the index.
func (s *Store) indexHashes(ctx context.Context) error {
	return s.update(ctx, "index the hashes of new files", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT OR IGNORE INTO hashes (key, file)
				SELECT substr(md5, 1, 8) AS key, id FROM files WHERE indexed = 0 AND md5 IS NOT NULL
				UNION ALL SELECT substr(sha1, 1, 8), id FROM files WHERE indexed = 0 AND sha1 IS NOT NULL
				UNION ALL SELECT substr(sha256, 1, 8), id FROM files WHERE indexed = 0 AND sha256 IS NOT NULL
				ORDER BY key`)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE files SET indexed = 1 WHERE indexed = 0")
		return err
	})
}

// IsHash reports whether a text has the form of a hash that [Store.FilesByHash] can look for.
func IsHash(s string) bool {
	_, err := parseHash(s)
	return err == nil
}

func parseHash(s string) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || hashColumns[len(b)] == "" {
		return nil, fmt.Errorf("%q is neither an MD5, nor a SHA-1, nor a SHA-256", s)
	}
	return b, nil
}

// FilesByHash yields the known files that have one of the hashes, gone ones too; those of one hash follow
// each other, in the order of the hashes. A hash is an MD5, SHA-1 or SHA-256 in hexadecimal; its
// length tells. Files inside of others are not known by their hashes.
//
// It ends with the first error. No lock is held while the loop's body runs.
func (s *Store) FilesByHash(ctx context.Context, hashes []string) iter.Seq2[KnownFile, error] {
	return func(yield func(KnownFile, error) bool) {
		err := s.filesByHash(ctx, hashes, func(k *KnownFile) bool { return yield(*k, nil) })
		if err != nil {
			yield(KnownFile{}, s.failed("look up hashes", err))
		}
	}
}

func (s *Store) filesByHash(ctx context.Context, hashes []string, use func(*KnownFile) bool) error {
	recent, err := s.recentByHash(ctx, hashes)
	if err != nil {
		return err
	}
	for _, hash := range hashes {
		ids, err := s.indexedByHash(ctx, hash)
		if err != nil {
			return err
		}
		ids = append(ids, recent[hash]...) // both, if it was indexed meanwhile
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			k, err := s.known(ctx, id)
			if err != nil {
				return err
			}
			if k == nil {
				continue // forgotten meanwhile
			}
			if k.Hash = hash; !use(k) {
				return nil
			}
		}
	}
	return nil
}

// hashQuery returns the query for the files that are indexed and have a hash.
func hashQuery(column string) string {
	return fmt.Sprintf(`SELECT f.id FROM hashes h JOIN files f ON f.id = h.file
		WHERE h.key = substr(?1, 1, 8) AND f.%s = ?1 AND f.indexed LIMIT %d`, column, maxSame)
}

func (s *Store) indexedByHash(ctx context.Context, hash string) (ids []int64, err error) {
	b, err := parseHash(hash)
	if err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, hashQuery(hashColumns[len(b)]), b)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// recentQuery returns the files that are not indexed yet.
const recentQuery = "SELECT id, md5, sha1, sha256 FROM files WHERE indexed = 0"

// recentByHash looks through the files that are not indexed yet, once for all hashes.
func (s *Store) recentByHash(ctx context.Context, hashes []string) (map[string][]int64, error) {
	wanted := map[string]string{} // bytes to hash
	for _, hash := range hashes {
		b, err := parseHash(hash)
		if err != nil {
			return nil, err
		}
		wanted[string(b)] = hash
	}
	found := map[string][]int64{}
	rows, err := s.read.QueryContext(ctx, recentQuery)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var sums [3]sql.RawBytes
		if err := rows.Scan(&id, &sums[0], &sums[1], &sums[2]); err != nil {
			return nil, err
		}
		for _, sum := range sums {
			if hash, ok := wanted[string(sum)]; ok && len(sum) > 0 && len(found[hash]) < maxSame {
				found[hash] = append(found[hash], id)
			}
		}
	}
	return found, rows.Err()
}
