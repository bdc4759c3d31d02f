package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Run is one execution of a task. What its states mean is the scheduler's.
type Run struct {
	ID   int64 // given by AddRun, never again to another run
	Task string
	// State is "waiting", "running", "paused", "interrupted", "finished", "cancelled" or "failed".
	State   string
	Trigger string // why it was started

	Queued   time.Time
	Started  time.Time // zero: not yet
	Finished time.Time // zero: not yet
	Active   time.Duration
	Reason   string // for the state, in words
	Profile  string // what its files are examined for, see [FileRecord]
	Progress []byte // JSON for people; may be nil
	Summary  []byte // the report's summary line; nil before the end
	Detail   []byte // JSON of the scheduler's own; may be nil
}

const runColumns = `id, task, state, "trigger", queued, started, finished, active, reason, profile, progress, summary, detail`

func (r *Run) columns() []any {
	return []any{r.Task, r.State, r.Trigger, column(r.Queued), column(r.Started), column(r.Finished),
		int64(r.Active), r.Reason, r.Profile, optional(r.Progress), optional(r.Summary), optional(r.Detail)}
}

// optional returns what the database holds for JSON that may be missing.
func optional(json []byte) any {
	if json == nil {
		return nil
	}
	return string(json)
}

// AddRun stores a new run and returns its ID. That of r is not looked at.
func (s *Store) AddRun(ctx context.Context, r Run) (id int64, err error) {
	err = s.update(ctx, fmt.Sprintf("store a run of the task %q", r.Task), func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "INSERT INTO runs ("+strings.TrimPrefix(runColumns, "id, ")+
			") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id", r.columns()...).Scan(&id)
	})
	return id, err
}

// UpdateRun stores the run of r's ID as it is now, or returns [ErrNotFound].
func (s *Store) UpdateRun(ctx context.Context, r Run) error {
	return s.change(ctx, fmt.Sprintf("update run %d", r.ID), "UPDATE runs SET ("+strings.TrimPrefix(runColumns, "id, ")+
		") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?", append(r.columns(), r.ID)...)
}

// Run returns the run with an ID, or [ErrNotFound].
func (s *Store) Run(ctx context.Context, id int64) (Run, error) {
	runs, err := s.runs(ctx, "WHERE id = ?", id)
	if err != nil {
		return Run{}, err
	}
	if len(runs) == 0 {
		return Run{}, fmt.Errorf("run %d: %w", id, ErrNotFound)
	}
	return runs[0], nil
}

// RunFilter selects runs. The zero value selects all.
type RunFilter struct {
	Task   string   // only of this task
	States []string // only in one of these states
	Limit  int      // at most so many; 0 is 10,000
}

// maxListed is how many rows a filter without a limit selects.
const maxListed = 10_000

// Runs returns the selected runs, the newest first.
func (s *Store) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	var conditions []string
	var args []any
	if f.Task != "" {
		conditions, args = append(conditions, "task = ?"), append(args, f.Task)
	}
	if len(f.States) > 0 {
		conditions = append(conditions, "state IN (?"+strings.Repeat(", ?", len(f.States)-1)+")")
		for _, state := range f.States {
			args = append(args, state)
		}
	}
	which, args := listing(conditions, args, f.Limit)
	return s.runs(ctx, which, args...)
}

// listing makes the end of a query that returns the newest rows first.
func listing(conditions []string, args []any, limit int) (string, []any) {
	which := ""
	if len(conditions) > 0 {
		which = "WHERE " + strings.Join(conditions, " AND ") + " "
	}
	if limit <= 0 {
		limit = maxListed
	}
	return which + "ORDER BY id DESC LIMIT ?", append(args, limit)
}

func (s *Store) runs(ctx context.Context, which string, args ...any) ([]Run, error) {
	var list []Run
	err := s.rows(ctx, "read the runs", "SELECT "+runColumns+" FROM runs "+which, args, 13, func(v []any) {
		list = append(list, Run{
			ID: integer(v[0]), Task: text(v[1]), State: text(v[2]), Trigger: text(v[3]),
			Queued: timeOf(stampOf(v[4])), Started: timeOf(stampOf(v[5])), Finished: timeOf(stampOf(v[6])),
			Active: time.Duration(integer(v[7])), Reason: text(v[8]), Profile: text(v[9]),
			Progress: bytesOf(v[10]), Summary: bytesOf(v[11]), Detail: bytesOf(v[12]),
		})
	})
	return list, err
}

// DeleteRun deletes a run and its records, or returns [ErrNotFound]. The inventory keeps what it learned.
func (s *Store) DeleteRun(ctx context.Context, id int64) error {
	return s.change(ctx, fmt.Sprintf("delete run %d", id), "DELETE FROM runs WHERE id = ?", id)
}

// Kind says what a line of a report tells.
type Kind string

// The kinds of line, as event.action in the line itself says.
const (
	KindStart   Kind = "start"
	KindFinding Kind = "finding"
	KindSkip    Kind = "skip"
	KindSummary Kind = "summary"
)

// Record is one line of a run's report, in the format of docs/report-format.md, without the line end.
type Record struct {
	Kind Kind
	Line []byte
}

// AddRecord adds a line to the report of a run. What a [Session] remembers is added by itself.
func (s *Store) AddRecord(ctx context.Context, run int64, kind Kind, line []byte) error {
	return s.update(ctx, fmt.Sprintf("store a %s of run %d", kind, run), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO records (run, kind, line) VALUES (?, ?, ?)", run, string(kind), string(line))
		return err
	})
}

// recordPage bounds how many lines are read at once, by their number and their bytes.
const (
	recordPage  = 128
	recordBytes = 4 << 20
)

// Records yields the lines of a run's report in the order in which they were told. It ends with the
// first error. No lock is held while the loop's body runs.
func (s *Store) Records(ctx context.Context, run int64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		after := int64(0)
		for {
			page, last, err := s.records(ctx, run, after)
			if err != nil {
				yield(Record{}, s.failed(fmt.Sprintf("read the records of run %d", run), err))
				return
			}
			if len(page) == 0 {
				return
			}
			for _, r := range page {
				if !yield(r, nil) {
					return
				}
			}
			after = last
		}
	}
}

func (s *Store) records(ctx context.Context, run, after int64) (page []Record, last int64, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, kind, line FROM records WHERE run = ? AND id > ? ORDER BY id LIMIT ?", run, after, recordPage)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	bytes := 0
	for bytes < recordBytes && rows.Next() {
		var r Record
		if err := rows.Scan(&last, &r.Kind, &r.Line); err != nil {
			return nil, 0, err
		}
		bytes += len(r.Line)
		page = append(page, r)
	}
	return page, last, rows.Err()
}
