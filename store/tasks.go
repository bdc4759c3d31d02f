package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is returned for a task, run or key that is not in the store; test with errors.Is.
var ErrNotFound = errors.New("not found")

// Task is a stored task. Its meaning is the scheduler's.
type Task struct {
	ID   string
	Name string
	// Origin says who made it: "policy", "user" or "response".
	Origin  string
	Spec    []byte // JSON
	Enabled bool
	Created time.Time
	Updated time.Time
	Expires time.Time // zero for never
}

const taskColumns = "id, name, origin, spec, enabled, created, updated, expires"

// PutTask stores a task, in place of the one with its ID if there is one.
func (s *Store) PutTask(ctx context.Context, t Task) error {
	return s.update(ctx, fmt.Sprintf("store the task %q", t.ID), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO tasks (`+taskColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET (name, origin, spec, enabled, created, updated, expires) =
				(excluded.name, excluded.origin, excluded.spec, excluded.enabled, excluded.created, excluded.updated, excluded.expires)`,
			t.ID, t.Name, t.Origin, string(t.Spec), t.Enabled, column(t.Created), column(t.Updated), column(t.Expires))
		return err
	})
}

// Task returns the task with an ID, or [ErrNotFound].
func (s *Store) Task(ctx context.Context, id string) (Task, error) {
	tasks, err := s.tasks(ctx, "WHERE id = ?", id)
	if err != nil {
		return Task{}, err
	}
	if len(tasks) == 0 {
		return Task{}, fmt.Errorf("task %q: %w", id, ErrNotFound)
	}
	return tasks[0], nil
}

// Tasks returns all tasks, in the order of their IDs.
func (s *Store) Tasks(ctx context.Context) ([]Task, error) { return s.tasks(ctx, "ORDER BY id") }

func (s *Store) tasks(ctx context.Context, which string, args ...any) ([]Task, error) {
	var list []Task
	err := s.rows(ctx, "read the tasks", "SELECT "+taskColumns+" FROM tasks "+which, args, 8, func(v []any) {
		list = append(list, Task{
			ID: text(v[0]), Name: text(v[1]), Origin: text(v[2]), Spec: bytesOf(v[3]), Enabled: integer(v[4]) != 0,
			Created: timeOf(stampOf(v[5])), Updated: timeOf(stampOf(v[6])), Expires: timeOf(stampOf(v[7])),
		})
	})
	return list, err
}

// DeleteTask deletes a task. Its runs stay until they are pruned.
func (s *Store) DeleteTask(ctx context.Context, id string) error {
	return s.change(ctx, fmt.Sprintf("delete the task %q", id), "DELETE FROM tasks WHERE id = ?", id)
}

// change runs a statement that has to change at least one row.
func (s *Store) change(ctx context.Context, what, statement string, args ...any) error {
	return s.update(ctx, what, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrNotFound
	})
}

// rows reads all rows of a query of n columns.
func (s *Store) rows(ctx context.Context, what, query string, args []any, n int, use func([]any)) error {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return s.failed(what, err)
	}
	defer rows.Close()
	values, targets := make([]any, n), make([]any, n)
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return s.failed(what, err)
		}
		use(values)
	}
	if err := rows.Err(); err != nil {
		return s.failed(what, err)
	}
	return nil
}
