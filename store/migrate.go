package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
)

// The schema is brought up to date by steps. Step n is a file of SQL that turns version n-1 into
// version n; version 0 is the empty database. Steps that were released are never changed.

//go:embed migrations/*.sql
var steps embed.FS

// stepFiles are the steps in their order.
var stepFiles = [...]string{"0001_state.sql", "0002_verdicts.sql"}

// migrations returns the SQL of the steps, in their order.
func migrations() []string {
	list := make([]string, len(stepFiles))
	for i, name := range stepFiles {
		text, err := steps.ReadFile("migrations/" + name)
		if err != nil {
			panic(err) // it is compiled in; a test reads them all
		}
		list[i] = string(text)
	}
	return list
}

// NewerError says that a state file was written by a newer Tyto, whose tables this one does not know.
type NewerError struct {
	File, Known int // schema versions: of the file, and the newest that this Tyto knows
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("it has schema version %d, but this Tyto knows versions up to %d: use the newer Tyto that wrote it, or name another file", e.File, e.Known)
}

// migrate runs the steps that the database lacks, each in a transaction: it has taken place with its
// version number, or not at all.
func migrate(ctx context.Context, db *sql.DB, list []string) error {
	for {
		done, err := migrateOne(ctx, db, list)
		if err != nil || done {
			return err
		}
	}
}

func migrateOne(ctx context.Context, db *sql.DB, list []string) (done bool, err error) {
	version, err := schemaVersion(ctx, db)
	if err != nil || version == len(list) {
		return true, err
	}
	if version > len(list) {
		return true, &NewerError{File: version, Known: len(list)}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return true, err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after Commit
	// Another process may have been faster, before this transaction had the lock.
	if now, err := schemaVersion(ctx, tx); err != nil || now != version {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, list[version]); err != nil {
		return true, fmt.Errorf("migrate it to schema version %d: %w", version+1, err)
	}
	pragmas := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version+1)
	if _, err := tx.ExecContext(ctx, pragmas); err != nil {
		return true, fmt.Errorf("migrate it to schema version %d: %w", version+1, err)
	}
	return false, tx.Commit()
}

// checkVersion makes sure that a database that may not be changed can be read as it is.
func checkVersion(ctx context.Context, db *sql.DB, known int) error {
	version, err := schemaVersion(ctx, db)
	switch {
	case err != nil:
		return err
	case version > known:
		return &NewerError{File: version, Known: known}
	case version < known:
		return fmt.Errorf("it has the older schema version %d, which has to be brought to version %d first: start the agent, or scan with --inventory", version, known)
	}
	return nil
}

// queryer is a database or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func schemaVersion(ctx context.Context, q queryer) (version int, err error) {
	err = q.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, err
}
