package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"tyto/verdict"
)

// Verdict is what a server said of a content. How long it holds is decided by who asks, package
// sandboxlink/recall.
type Verdict struct {
	verdict.Verdict
	// Server is the address that was asked.
	Server string
	// Size is that of the content, in bytes.
	Size int64
	// Learned is when the answer came, by this computer's clock.
	Learned time.Time
}

const verdictColumns = "sha256, level, score, threats, sandbox, database, server, size, time, learned"

// PutVerdict stores a verdict, in place of the one on the same content if there is one.
func (s *Store) PutVerdict(ctx context.Context, v Verdict) error {
	sum, err := contentSum(v.SHA256)
	if err != nil {
		return fmt.Errorf("store a verdict: %w", err)
	}
	threats, err := json.Marshal(append([]string{}, v.Threats...))
	if err != nil {
		return fmt.Errorf("store a verdict: %w", err)
	}
	return s.update(ctx, fmt.Sprintf("store the verdict on %q", v.SHA256), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO verdicts ("+verdictColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			sum, string(v.Level), v.Score, string(threats), v.Sandbox, v.Database, v.Server, v.Size, column(v.Time), stamp(v.Learned))
		return err
	})
}

// Verdict returns the verdict on a content, however old, or [ErrNotFound].
func (s *Store) Verdict(ctx context.Context, sha256 string) (Verdict, error) {
	sum, err := contentSum(sha256)
	if err != nil {
		return Verdict{}, fmt.Errorf("read a verdict: %w", err)
	}
	var row verdictRow
	err = s.read.QueryRowContext(ctx, "SELECT "+verdictColumns+" FROM verdicts WHERE sha256 = ?", sum).Scan(row.targets()...)
	if errors.Is(err, sql.ErrNoRows) {
		return Verdict{}, fmt.Errorf("verdict on %q: %w", sha256, ErrNotFound)
	}
	if err != nil {
		return Verdict{}, s.failed(fmt.Sprintf("read the verdict on %q", sha256), err)
	}
	return row.verdict(), nil
}

// Verdicts yields the verdicts of a level, or all for the empty one, however old; the latest first. It
// holds one of the store's few reading connections until it ends.
func (s *Store) Verdicts(ctx context.Context, level verdict.Level) iter.Seq2[Verdict, error] {
	return func(yield func(Verdict, error) bool) {
		query, args := "SELECT "+verdictColumns+" FROM verdicts ", []any{}
		if level != "" {
			query, args = query+"WHERE level = ? ", append(args, string(level))
		}
		rows, err := s.read.QueryContext(ctx, query+"ORDER BY learned DESC, sha256", args...)
		if err != nil {
			yield(Verdict{}, s.failed("read the verdicts", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var row verdictRow
			if err := rows.Scan(row.targets()...); err != nil {
				yield(Verdict{}, s.failed("read the verdicts", err))
				return
			}
			if !yield(row.verdict(), nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Verdict{}, s.failed("read the verdicts", err))
		}
	}
}

// DeleteVerdict deletes the verdict on a content, or returns [ErrNotFound].
func (s *Store) DeleteVerdict(ctx context.Context, sha256 string) error {
	sum, err := contentSum(sha256)
	if err != nil {
		return fmt.Errorf("delete a verdict: %w", err)
	}
	return s.change(ctx, fmt.Sprintf("delete the verdict on %q", sha256), "DELETE FROM verdicts WHERE sha256 = ?", sum)
}

// SetSandbox notes the version of the database by which a server judges, and deletes what the server said
// under another. It returns how many verdicts that were.
func (s *Store) SetSandbox(ctx context.Context, server, database string, seen time.Time) (ended int64, err error) {
	err = s.update(ctx, fmt.Sprintf("note the database of the sandbox %q", server), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO sandboxes (server, database, seen) VALUES (?, ?, ?)",
			server, database, stamp(seen))
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, "DELETE FROM verdicts WHERE server = ? AND database <> ?", server, database)
		if err == nil {
			ended, err = result.RowsAffected()
		}
		return err
	})
	return ended, err
}

// Sandboxes returns the version of its database that each server named last.
func (s *Store) Sandboxes(ctx context.Context) (map[string]string, error) {
	databases := map[string]string{}
	err := s.rows(ctx, "read the sandboxes", "SELECT server, database FROM sandboxes", nil, 2, func(v []any) {
		databases[text(v[0])] = text(v[1])
	})
	return databases, err
}

// RewindVerdicts lets verdicts of the future count as learned now: the clock was set back since.
func (s *Store) RewindVerdicts(ctx context.Context, now time.Time) error {
	return s.update(ctx, "date back verdicts of the future", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE verdicts SET learned = ?1 WHERE learned > ?1", stamp(now))
		return err
	})
}

// CountVerdicts returns how many verdicts there are.
func (s *Store) CountVerdicts(ctx context.Context) (n int, err error) {
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM verdicts").Scan(&n); err != nil {
		return 0, s.failed("count the verdicts", err)
	}
	return n, nil
}

// PruneVerdicts deletes verdicts until at most keep are left: first those that are no longer of use, which are
// those of a level learned before a time, then the oldest clean ones, then suspicious, and malicious last.
func (s *Store) PruneVerdicts(ctx context.Context, keep int, stale map[verdict.Level]time.Time) error {
	return s.update(ctx, "delete old verdicts", func(tx *sql.Tx) error {
		limit := func(level verdict.Level) int64 { return stamp(stale[level]) } // without one: nothing is older
		_, err := tx.ExecContext(ctx, `
			DELETE FROM verdicts WHERE sha256 IN (
				SELECT sha256 FROM verdicts
				ORDER BY learned >= CASE level WHEN 'malicious' THEN ?1 WHEN 'suspicious' THEN ?2 ELSE ?3 END,
					CASE level WHEN 'malicious' THEN 2 WHEN 'suspicious' THEN 1 ELSE 0 END, learned, sha256
				LIMIT max(0, (SELECT count(*) FROM verdicts) - ?4))`,
			limit(verdict.Malicious), limit(verdict.Suspicious), limit(verdict.Clean), keep)
		return err
	})
}

// verdictRow is a row of the table as SQLite yields it.
type verdictRow [10]any

func (r *verdictRow) targets() []any {
	targets := make([]any, len(r))
	for i := range r {
		targets[i] = &r[i]
	}
	return targets
}

func (r *verdictRow) verdict() Verdict {
	v := Verdict{
		Verdict: verdict.Verdict{
			SHA256: hex.EncodeToString(bytesOf(r[0])), Level: verdict.Level(text(r[1])), Score: int(integer(r[2])),
			Sandbox: text(r[4]), Database: text(r[5]), Time: timeOf(stampOf(r[8])),
		},
		Server: text(r[6]), Size: integer(r[7]), Learned: timeOf(stampOf(r[9])),
	}
	_ = json.Unmarshal(bytesOf(r[3]), &v.Threats) // names for people; the verdict counts without them
	if len(v.Threats) == 0 {
		v.Threats = nil
	}
	return v
}

// contentSum reads a SHA-256 in hexadecimal.
func contentSum(sha256 string) ([]byte, error) {
	sum, err := hex.DecodeString(sha256)
	if err != nil || len(sum) != 32 {
		return nil, fmt.Errorf("%q is no SHA-256: it has 64 hexadecimal digits", sha256)
	}
	return sum, nil
}
