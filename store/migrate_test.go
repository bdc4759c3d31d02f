package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// database opens a database beside the store's own ways.
func database(t *testing.T) *sql.DB {
	t.Helper()
	s := &Store{path: filepath.Join(t.TempDir(), "state.db"), options: Options{}.withDefaults()}
	db := sql.OpenDB(s.connector(writing))
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func version(t *testing.T, db *sql.DB) int {
	t.Helper()
	v, err := schemaVersion(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Each step runs once and with what the steps before it made; data of earlier versions is kept.
func TestMigrate(t *testing.T) {
	ctx, db := context.Background(), database(t)
	first := []string{"CREATE TABLE a (x); INSERT INTO a VALUES (1)"}
	later := append(first, "ALTER TABLE a ADD COLUMN y DEFAULT 2", "CREATE TABLE b (z); INSERT INTO b SELECT x + y FROM a")
	for _, list := range [][]string{first, first, later, later} {
		if err := migrate(ctx, db, list); err != nil {
			t.Fatal(err)
		}
		if got := version(t, db); got != len(list) {
			t.Fatalf("version %d; want %d", got, len(list))
		}
	}
	var got int
	if err := db.QueryRow("SELECT group_concat(z) FROM b").Scan(&got); err != nil || got != 3 {
		t.Errorf("%d, %v; want 3", got, err)
	}
}

// A step takes place as a whole or not at all.
func TestMigrateFails(t *testing.T) {
	ctx, db := context.Background(), database(t)
	list := []string{"CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"}
	err := migrate(ctx, db, list)
	if err == nil || !strings.Contains(err.Error(), "schema version 2") {
		t.Errorf("error %v; want one that names the version", err)
	}
	if got := version(t, db); got != 1 {
		t.Errorf("version %d; want 1", got)
	}
	list[1] = "CREATE TABLE b (x)"
	if err := migrate(ctx, db, list); err != nil {
		t.Errorf("after the step was mended: %v", err)
	}
}

func TestMigrateNewer(t *testing.T) {
	ctx, db := context.Background(), database(t)
	if err := migrate(ctx, db, []string{"CREATE TABLE a (x)", "CREATE TABLE b (x)"}); err != nil {
		t.Fatal(err)
	}
	var newer *NewerError
	for _, err := range []error{migrate(ctx, db, []string{"CREATE TABLE a (x)"}), checkVersion(ctx, db, 1)} {
		if !errors.As(err, &newer) || *newer != (NewerError{File: 2, Known: 1}) {
			t.Errorf("error %v; want one of a newer schema", err)
		}
	}
	if err := checkVersion(ctx, db, 3); err == nil {
		t.Error("an older schema may be read without its migration")
	}
}

// No step is forgotten in the list.
func TestStepsAreListed(t *testing.T) {
	entries, err := steps.ReadDir("migrations")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff(names, stepFiles[:]); diff != "" {
		t.Errorf("steps (-files +listed):\n%s", diff)
	}
}

// The plans of the queries that have to be quick use their indexes, also in a large inventory.
func TestQueriesUseIndexes(t *testing.T) {
	ctx, db := context.Background(), database(t)
	if err := migrate(ctx, db, migrations()); err != nil {
		t.Fatal(err)
	}
	_, err := db.Exec(`
		INSERT INTO profiles VALUES (1, 'p');
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO dirs SELECT i, CAST('/d' || i || '/' AS BLOB) FROM n;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
			INSERT INTO files SELECT i, i % 500 + 1, CAST('f' || i AS BLOB), i, i, i, i, 0, randomblob(16), randomblob(20), randomblob(32), '', 1, 0, i,
				NULL, 0, 0, 0, 0, NULL, 1, 420, '', '', 1, i, i, '', NULL, 0 FROM n;
		INSERT INTO hashes SELECT substr(md5, 1, 8), id FROM files; UPDATE files SET indexed = 1 WHERE id < 49000`)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, query string
		args        []any
		want        []string
	}{
		{"a folder", folderQuery, []any{1, []byte("/d1/"), 10}, []string{
			"SEARCH d USING COVERING INDEX sqlite_autoindex_dirs_1 (path=?)", "SEARCH f USING INDEX sqlite_autoindex_files_1 (dir=?)"}},
		{"a file", fileQuery, []any{[]byte("/d1/"), []byte("f1")}, []string{
			"SEARCH d USING COVERING INDEX sqlite_autoindex_dirs_1 (path=?)", "SEARCH f USING COVERING INDEX sqlite_autoindex_files_1 (dir=? AND name=?)"}},
		{"files ahead", aheadQuery, []any{1, 1, 512, 1}, []string{"SEARCH f USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
		{"outcomes", linesQuery, []any{1}, []string{"SEARCH outcomes USING PRIMARY KEY (file=?)"}},
		{"md5", hashQuery("md5"), []any{[]byte{1}}, []string{
			"SEARCH h USING PRIMARY KEY (key=?)", "SEARCH f USING INTEGER PRIMARY KEY (rowid=?)"}},
		{"sha256", hashQuery("sha256"), []any{[]byte{1}}, []string{
			"SEARCH h USING PRIMARY KEY (key=?)", "SEARCH f USING INTEGER PRIMARY KEY (rowid=?)"}},
		{"files not indexed yet", recentQuery, nil, []string{"SEARCH files USING INDEX files_new (indexed=?)"}},
		{"folders below a root", belowQuery, []any{[]byte("/d1/"), []byte("/d10")}, []string{
			"SEARCH d USING COVERING INDEX sqlite_autoindex_dirs_1 (path>? AND path<?)", "SEARCH f USING COVERING INDEX sqlite_autoindex_files_1 (dir=?)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := db.Query("EXPLAIN QUERY PLAN "+tt.query, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var got []string
			for rows.Next() {
				var id, parent, unused int
				var step string
				if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
					t.Fatal(err)
				}
				got = append(got, step)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}
