package store

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/mattn/go-sqlite3"

	"tyto/finding"
	"tyto/report"
)

// Recall returns what is known of a file if it has not changed since it was examined, and was examined
// for the same profile: path, inode, size, modification and change time and USN are the same, and the
// change time lies at least two seconds before the examination (see docs/state.md for why). Whatever
// the answer, the file counts as met, see [Session.Finish].
//
// It is quick when files are asked for folder by folder. The record's object is o with the hashes and the
// type that are known.
func (s *Session) Recall(o *finding.Object) (*FileRecord, bool) {
	if s.Err() != nil {
		return nil, false
	}
	r, ok, err := s.shelf.find(o.Path)
	if err != nil {
		s.fail(s.store.failed("recall a file", err))
		return nil, false
	}
	if !ok {
		return nil, false
	}
	s.meet(r.id)
	if !s.reusable(&r, o) {
		return nil, false
	}
	record := r.record(o, s.options.Profile)
	if r.lines == 0 {
		return record, true
	}
	if err := s.shelf.outcomes(&r, record); err != nil {
		s.fail(s.store.failed("recall what was found", err))
		return nil, false
	}
	if s.options.Run != 0 && record.Run != s.options.Run {
		// So that each run's records are complete. Once it is committed the file belongs to this run,
		// and a run that is interrupted and goes on does not tell it twice.
		record.Run = s.options.Run
		s.enqueue(retold(r.id, record))
	}
	return record, true
}

func (s *Session) reusable(r *row, o *finding.Object) bool {
	known := s.shelf.profile
	return !r.gone && known != 0 && r.profile == known &&
		r.identity == identityOf(o) && r.provedAt(r.examined) &&
		(s.options.Since.IsZero() || r.examined >= stamp(s.options.Since))
}

// row is what of a file is needed to recall it.
type row struct {
	identity
	id                      int64
	dir                     int64
	profile, run, examined  int64
	md5, sha1, sha256       []byte
	typ, undecided          string
	members, below, trusted int64
	lines                   int64
	gone                    bool
}

func (r *row) record(o *finding.Object, profile string) *FileRecord {
	record := &FileRecord{
		Object: *o, Profile: profile, Run: r.run, Examined: timeOf(r.examined),
		Members: int(r.members), Below: int(r.below), Trusted: int(r.trusted),
	}
	record.Object.Hashes = hashes(r.md5, r.sha1, r.sha256)
	record.Object.Type = r.typ
	if r.undecided != "" {
		// What does not parse was not written by Tyto; no indicator is undecided then.
		_ = json.Unmarshal([]byte(r.undecided), &record.Undecided)
	}
	return record
}

const (
	// wholeFolder is how many files of one folder are kept in memory. Of larger folders, parts are.
	wholeFolder = 4096
	// ahead is how many files are read at once of a larger folder.
	ahead = 512
	// keptFolders is how many folders are kept: a walk returns to the ones above.
	keptFolders = 4
)

const rowColumns = `f.id, f.dir, f.name, f.inode, f.size, f.mtime, f.ctime, f.usn, f.profile, f.run, f.examined,
	f.md5, f.sha1, f.sha256, f.type, f.members, f.below, f.trusted, f.lines, f.undecided, f.gone`

var (
	folderQuery = fmt.Sprintf(`SELECT %s FROM dirs d JOIN files f ON f.dir = d.id WHERE d.path = ? LIMIT %d`, rowColumns, wholeFolder+1)
	fileQuery   = `SELECT f.id FROM dirs d JOIN files f ON f.dir = d.id WHERE d.path = ? AND f.name = ?`
	aheadQuery  = fmt.Sprintf(`SELECT %s FROM files f WHERE f.id >= ? ORDER BY f.id LIMIT %d`, rowColumns, ahead)
)

// shelf keeps the rows of the folders that were asked for last.
//
// It has a connection of its own and speaks to the driver directly: the conversions of database/sql would
// cost more than SQLite itself.
type shelf struct {
	mu      sync.Mutex
	conn    *sqlite3.SQLiteConn
	folder  driver.StmtQueryContext
	file    driver.StmtQueryContext
	ahead   driver.StmtQueryContext
	lines   driver.StmtQueryContext
	folders []*folder // the one that was asked for last comes first
	profile int64     // row id of the session's profile; 0 if nothing was examined for it yet
	buf     []driver.Value
}

// folder holds the rows of one folder, or of a large one some of them.
type folder struct {
	path  string
	large bool
	rows  map[string]row
}

// open prepares the shelf of a session. An error is the session's first.
func (s *shelf) open(session *Session) {
	if err := s.connect(session); err != nil {
		session.fail(session.store.failed("use the inventory", err))
	}
}

func (s *shelf) connect(session *Session) error {
	conn, err := session.store.connector(reading).Connect(session.ctx)
	if err != nil {
		return err
	}
	s.conn = conn.(*sqlite3.SQLiteConn)
	for _, p := range []struct {
		to    *driver.StmtQueryContext
		query string
	}{
		{&s.folder, folderQuery},
		{&s.file, fileQuery},
		{&s.ahead, aheadQuery},
		{&s.lines, "SELECT line FROM outcomes WHERE file = ? ORDER BY n"},
	} {
		stmt, err := s.conn.Prepare(p.query)
		if err != nil {
			return err
		}
		*p.to = stmt.(driver.StmtQueryContext)
	}
	s.buf = make([]driver.Value, 21)
	profile, err := s.conn.Prepare("SELECT id FROM profiles WHERE digest = ?")
	if err != nil {
		return err
	}
	defer profile.Close()
	return query(profile.(driver.StmtQueryContext), s.buf[:1], func(v []driver.Value) error {
		s.profile = integer(v[0])
		return nil
	}, session.options.Profile)
}

// close also ends the statements.
func (s *shelf) close() error {
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}

// find returns the row of a path.
func (s *shelf) find(path string) (row, bool, error) {
	dir, name := splitPath(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.take(dir)
	if err != nil {
		return row{}, false, err
	}
	r, ok := f.rows[name]
	if ok || !f.large {
		return r, ok, nil
	}
	if err := s.readAhead(f, name); err != nil {
		return row{}, false, err
	}
	r, ok = f.rows[name]
	return r, ok, nil
}

// take returns the folder and makes it the first.
func (s *shelf) take(path string) (*folder, error) {
	for i, f := range s.folders {
		if f.path == path {
			copy(s.folders[1:i+1], s.folders[:i])
			s.folders[0] = f
			return f, nil
		}
	}
	f := &folder{path: path, rows: map[string]row{}}
	err := query(s.folder, s.buf, func(v []driver.Value) error {
		r, name := scanRow(v)
		f.rows[name] = r
		return nil
	}, []byte(path))
	if err != nil {
		return nil, err
	}
	f.large = len(f.rows) > wholeFolder
	if len(s.folders) < keptFolders {
		s.folders = append(s.folders, nil)
	}
	copy(s.folders[1:], s.folders)
	s.folders[0] = f
	return f, nil
}

// readAhead reads one file of a large folder, and with it those that were examined after it: a walk meets
// the files of an unchanged folder in the same order each time.
func (s *shelf) readAhead(f *folder, name string) error {
	var id int64
	err := query(s.file, s.buf[:1], func(v []driver.Value) error {
		id = integer(v[0])
		return nil
	}, []byte(f.path), []byte(name))
	if err != nil || id == 0 {
		return err
	}
	if len(f.rows) > wholeFolder {
		clear(f.rows)
	}
	dir := int64(0) // of the first row, which is that of name
	return query(s.ahead, s.buf, func(v []driver.Value) error {
		r, name := scanRow(v)
		if dir == 0 {
			dir = r.dir
		}
		if r.dir == dir {
			f.rows[name] = r
		}
		return nil
	}, id)
}

// outcomes adds to a record what was found and skipped.
func (s *shelf) outcomes(r *row, record *FileRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return query(s.lines, s.buf[:1], func(v []driver.Value) error {
		return record.add(bytesOf(v[0]))
	}, r.id)
}

// add adds what a line tells.
func (r *FileRecord) add(line []byte) error {
	event, err := report.ParseLine(line)
	switch {
	case err != nil:
		return fmt.Errorf("%w: a line of %q: %w", errDamaged, r.Object.Path, err)
	case event.Finding != nil:
		r.Findings = append(r.Findings, *event.Finding)
	case event.Skip != nil:
		r.Skips = append(r.Skips, *event.Skip)
	default:
		return fmt.Errorf("%w: a line of %q is neither a finding nor a skip", errDamaged, r.Object.Path)
	}
	return nil
}

// scanRow takes apart a row of rowColumns.
func scanRow(v []driver.Value) (r row, name string) {
	return row{
		id: integer(v[0]), dir: integer(v[1]),
		identity: identity{
			inode: integer(v[3]), size: integer(v[4]), mtime: stampOf(v[5]), ctime: stampOf(v[6]), usn: integer(v[7]),
		},
		profile: integer(v[8]), run: integer(v[9]), examined: integer(v[10]),
		md5: bytesOf(v[11]), sha1: bytesOf(v[12]), sha256: bytesOf(v[13]),
		typ: text(v[14]), members: integer(v[15]), below: integer(v[16]), trusted: integer(v[17]),
		lines: integer(v[18]), undecided: text(v[19]), gone: v[20] != nil,
	}, string(bytesOf(v[2]))
}

// query runs a statement and hands each row to use, which must not keep the slice.
func query(stmt driver.StmtQueryContext, buf []driver.Value, use func([]driver.Value) error, args ...any) error {
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	rows, err := stmt.QueryContext(noContext, named)
	if err != nil {
		return err
	}
	for {
		if err = rows.Next(buf); err != nil {
			break
		}
		if err = use(buf); err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, rows.Close())
}
