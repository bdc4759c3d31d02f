package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// applicationID stands in the header of each state file ("Tyto" in ASCII), so that a database of
// another program is not taken for one.
const applicationID = 0x5479746f

const (
	// readers is how many connections read at the same time.
	readers = 4
	// writerCache and readerCache bound the page cache of one connection, in KiB.
	writerCache, readerCache = 2048, 512
	// busyTimeout is how long, in milliseconds, a statement waits for another program's lock.
	busyTimeout = 10_000
	// logLimit is the size in bytes to which the write-ahead log is cut back once it was longer.
	logLimit = 8 << 20
)

// access is what a connection may do.
type access string

const (
	writing access = "rwc"
	reading access = "ro"
	// immutable keeps SQLite from taking locks and from making files beside the database, so that
	// reading leaves no trace, and works on read-only media. Nobody may write the file meanwhile.
	immutable access = "ro&immutable=1"
)

// errForeign is returned for a database that is not Tyto's.
var errForeign = errors.New("a database of another program; name another file")

// connector makes connections to the state file.
type connector struct {
	driver *sqlite3.SQLiteDriver
	name   string
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.name) }
func (c connector) Driver() driver.Driver                        { return c.driver }

func (s *Store) connector(how access) connector {
	setUp := func(conn *sqlite3.SQLiteConn) error { return s.setUp(conn, how) }
	return connector{&sqlite3.SQLiteDriver{ConnectHook: setUp}, s.dsn(how)}
}

// dsn returns the name under which the driver opens the file.
func (s *Store) dsn(how access) string {
	path := filepath.ToSlash(s.path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // file:///C:/…
	}
	name := (&url.URL{Scheme: "file", Path: path}).String() + "?mode=" + string(how) +
		fmt.Sprintf("&_busy_timeout=%d&_mutex=no", busyTimeout) // one goroutine at a time uses a connection
	if how == writing {
		// A transaction that reads first and writes then could not get the lock any more.
		name += "&_txlock=immediate"
	}
	if s.options.VFS != "" {
		name += "&vfs=" + url.QueryEscape(s.options.VFS)
	}
	return name
}

// setUp prepares a new connection. What would change the file comes after it is known to be Tyto's.
func (s *Store) setUp(conn *sqlite3.SQLiteConn, how access) error {
	// A database may be made so that reading it runs SQL which somebody else wrote. Nothing of ours
	// needs that.
	if err := pragmas(conn, "trusted_schema = OFF", "cell_size_check = ON", "foreign_keys = ON"); err != nil {
		return err
	}
	isNew, err := s.identify(conn)
	if err != nil {
		return err
	}
	if how != writing {
		return pragmas(conn, fmt.Sprintf("cache_size = -%d", readerCache), "query_only = ON")
	}
	if isNew { // on an existing file this does nothing but write to it
		if err := pragmas(conn, "auto_vacuum = INCREMENTAL"); err != nil {
			return err
		}
	}
	return pragmas(conn, "journal_mode = WAL", fmt.Sprintf("cache_size = -%d", writerCache), "synchronous = FULL",
		fmt.Sprintf("journal_size_limit = %d", logLimit))
}

// identify makes sure that the file is Tyto's and of a schema that this Tyto knows, or new.
func (s *Store) identify(conn *sqlite3.SQLiteConn) (isNew bool, err error) {
	var id, version, objects int64
	for _, q := range []struct {
		to    *int64
		query string
	}{
		{&id, "PRAGMA application_id"},
		{&version, "PRAGMA user_version"},
		{&objects, "SELECT count(*) FROM sqlite_schema"},
	} {
		if *q.to, err = number(conn, q.query); err != nil {
			return false, err
		}
	}
	if id != applicationID && (objects > 0 || s.options.ReadOnly) {
		return false, errForeign
	}
	if known := len(stepFiles); version > int64(known) {
		return false, &NewerError{File: int(version), Known: known}
	}
	return objects == 0, nil
}

func pragmas(conn *sqlite3.SQLiteConn, settings ...string) error {
	for _, p := range settings {
		if _, err := conn.Exec("PRAGMA "+p, nil); err != nil {
			return err
		}
	}
	return nil
}

// number returns the one number that a query yields.
func number(conn *sqlite3.SQLiteConn, query string) (n int64, err error) {
	rows, err := conn.Query(query, nil)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil {
		return 0, err
	}
	n, _ = row[0].(int64)
	return n, nil
}
