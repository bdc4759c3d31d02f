package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Event is something that happened to the agent.
type Event struct {
	Time    time.Time
	ID      string // what happened, as docs/events.md lists it
	Level   string
	Message string
	Data    []byte // JSON; may be nil
}

// AddEvent stores an event.
func (s *Store) AddEvent(ctx context.Context, e Event) error {
	return s.update(ctx, fmt.Sprintf("store the event %q", e.ID), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO events (time, event, level, message, data) VALUES (?, ?, ?, ?, ?)",
			stamp(e.Time), e.ID, e.Level, e.Message, optional(e.Data))
		return err
	})
}

// EventFilter selects events. The zero value selects all.
type EventFilter struct {
	ID    string    // only of this kind
	Since time.Time // only those of this time or later
	Limit int       // at most so many; 0 is 10,000
}

// Events returns the selected events, the newest first.
func (s *Store) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	var conditions []string
	var args []any
	if f.ID != "" {
		conditions, args = append(conditions, "event = ?"), append(args, f.ID)
	}
	if !f.Since.IsZero() {
		conditions, args = append(conditions, "time >= ?"), append(args, stamp(f.Since))
	}
	which, args := listing(conditions, args, f.Limit)
	var list []Event
	err := s.rows(ctx, "read the events", "SELECT time, event, level, message, data FROM events "+which, args, 5, func(v []any) {
		list = append(list, Event{
			Time: timeOf(stampOf(v[0])), ID: text(v[1]), Level: text(v[2]), Message: text(v[3]), Data: bytesOf(v[4]),
		})
	})
	return list, err
}

// Get returns the value of a key, or [ErrNotFound].
func (s *Store) Get(ctx context.Context, key string) (value []byte, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT value FROM state WHERE key = ?", key).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("key %q: %w", key, ErrNotFound)
	}
	if err != nil {
		return nil, s.failed(fmt.Sprintf("read the key %q", key), err)
	}
	return value, nil
}

// Set sets the value of a key; nil removes it. It is for small things, such as when a trigger was
// served last.
func (s *Store) Set(ctx context.Context, key string, value []byte) error {
	return s.update(ctx, fmt.Sprintf("set the key %q", key), func(tx *sql.Tx) error {
		var err error
		if value == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM state WHERE key = ?", key)
		} else {
			_, err = tx.ExecContext(ctx, "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
		}
		return err
	})
}
