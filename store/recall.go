package store

import (
	"database/sql/driver"
	"encoding/hex"
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
// With [SessionOptions.Since], what was examined in the future, by a clock that has been set back, does not count.
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
	if r.state == plain {
		return record, true
	}
	if err := s.shelf.complete(record, r.id); err != nil {
		s.fail(s.store.failed("recall what was found", err))
		return nil, false
	}
	told := len(record.Findings) + len(record.Skips)
	if told > 0 && s.options.Run != 0 && record.Run != s.options.Run {
		// So that each run's records are complete. Once it is committed the file belongs to this run,
		// and a run that is interrupted and goes on does not tell it twice.
		record.Run = s.options.Run
		s.enqueue(retold(r.id, record))
	}
	return record, true
}

func (s *Session) reusable(r *row, o *finding.Object) bool {
	return r.state != unusable && r.identity == identityOf(o) && r.provedAt(r.examined) &&
		(s.options.Since.IsZero() || r.examined >= stamp(s.options.Since) && r.examined <= stamp(s.store.options.Now()))
}

// row is what of a file is read to recall it. Few columns are, as each costs more than its bytes: for
// most files nothing else is to be told.
type row struct {
	identity
	id, examined, run int64
	state             state
	facts             string // if plain: the digests, in the order of Hashes, and the type
}

// state says what there is to tell of a file.
type state int64

const (
	plain    state = iota // hashes and type
	special               // more, or some hash is not known
	unusable              // it was gone, or was examined for another profile
)

// record returns the record of a plain row. Of others it lacks what complete adds.
func (r *row) record(o *finding.Object, profile string) *FileRecord {
	record := &FileRecord{Object: *o, Profile: profile, Run: r.run, Examined: timeOf(r.examined)}
	const md5, sha1, sha256 = 16, 16 + 20, 16 + 20 + 32 // where they end
	if len(r.facts) >= sha256 {
		digits := hex.EncodeToString([]byte(r.facts[:sha256]))
		record.Object.Hashes = finding.Hashes{MD5: digits[:2*md5], SHA1: digits[2*md5 : 2*sha1], SHA256: digits[2*sha1:]}
		record.Object.Type = r.facts[sha256:]
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

const (
	// rowColumns are those of row. ?1 is the session's profile.
	rowColumns = `f.id, f.name, f.inode, f.size, f.mtime, f.ctime, f.usn, f.examined, f.run,
		CASE WHEN f.gone IS NOT NULL OR f.profile <> ?1 THEN 2
			WHEN f.lines OR f.members OR f.below OR f.trusted OR f.undecided IS NOT NULL
				OR f.md5 IS NULL OR f.sha1 IS NULL OR f.sha256 IS NULL THEN 1
			ELSE 0 END,
		f.md5 || f.sha1 || f.sha256 || f.type`
	folderQuery   = `SELECT ` + rowColumns + ` FROM dirs d JOIN files f ON f.dir = d.id WHERE d.path = CAST(?2 AS BLOB) LIMIT ?3`
	fileQuery     = `SELECT f.id, f.dir FROM dirs d JOIN files f ON f.dir = d.id WHERE d.path = CAST(? AS BLOB) AND f.name = CAST(? AS BLOB)`
	aheadQuery    = `SELECT ` + rowColumns + ` FROM files f WHERE f.id BETWEEN CAST(?2 AS INTEGER) AND CAST(?3 AS INTEGER) AND +f.dir = CAST(?4 AS INTEGER)`
	completeQuery = `SELECT md5, sha1, sha256, type, members, below, trusted, undecided, lines FROM files WHERE id = CAST(? AS INTEGER)`
	linesQuery    = `SELECT line FROM outcomes WHERE file = ? ORDER BY n`
	profileQuery  = `SELECT id FROM profiles WHERE digest = ?`
)

// shelf keeps the rows of the folders that were asked for last.
//
// It has a connection of its own and speaks to the driver directly: the conversions of database/sql would
// cost more than SQLite itself.
type shelf struct {
	mu   sync.Mutex
	conn *sqlite3.SQLiteConn

	folder, file, ahead, completing, lines driver.StmtQueryContext

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
		{&s.completing, completeQuery},
		{&s.lines, linesQuery},
	} {
		stmt, err := s.conn.Prepare(p.query)
		if err != nil {
			return err
		}
		*p.to = stmt.(driver.StmtQueryContext)
	}
	s.buf = make([]driver.Value, 11) // of the widest query
	profile, err := s.conn.Prepare(profileQuery)
	if err != nil {
		return err
	}
	defer profile.Close()
	return query(profile.(driver.StmtQueryContext), s.buf[:1], func(v []driver.Value) error {
		s.profile = integer(v[0])
		return nil
	}, session.options.Profile)
}

// close ends the statements, too: SQLite keeps a connection with statements open, and with it the
// write-ahead log, which the next Open would take for the sign of a crash.
func (s *shelf) close() error {
	if s.conn == nil {
		return nil
	}
	var errs []error
	for _, stmt := range []driver.StmtQueryContext{s.folder, s.file, s.ahead, s.completing, s.lines} {
		if stmt != nil {
			errs = append(errs, stmt.(driver.Stmt).Close())
		}
	}
	return errors.Join(append(errs, s.conn.Close())...)
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
	}, s.profile, []byte(path), int64(wholeFolder+1))
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
	var id, dir int64
	err := query(s.file, s.buf[:2], func(v []driver.Value) error {
		id, dir = integer(v[0]), integer(v[1])
		return nil
	}, []byte(f.path), []byte(name))
	if err != nil || id == 0 {
		return err
	}
	if len(f.rows) > wholeFolder {
		clear(f.rows)
	}
	return query(s.ahead, s.buf, func(v []driver.Value) error {
		r, name := scanRow(v)
		f.rows[name] = r
		return nil
	}, s.profile, id, id+ahead-1, dir)
}

// complete adds to a record what is known of it beyond a plain one.
func (s *shelf) complete(r *FileRecord, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := false
	err := query(s.completing, s.buf[:9], func(v []driver.Value) error {
		r.Object.Hashes = hashes(bytesOf(v[0]), bytesOf(v[1]), bytesOf(v[2]))
		r.Object.Type = text(v[3])
		r.Members, r.Below, r.Trusted = int(integer(v[4])), int(integer(v[5])), int(integer(v[6]))
		lines = integer(v[8]) != 0
		if undecided := bytesOf(v[7]); undecided != nil {
			if err := json.Unmarshal(undecided, &r.Undecided); err != nil {
				return fmt.Errorf("%w: undecided indicators of %q: %w", errDamaged, r.Object.Path, err)
			}
		}
		return nil
	}, id)
	if err != nil || !lines {
		return err
	}
	return query(s.lines, s.buf[:1], func(v []driver.Value) error { return r.add(bytesOf(v[0])) }, id)
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
		identity: identity{
			inode: integer(v[2]), size: integer(v[3]), mtime: stampOf(v[4]), ctime: stampOf(v[5]), usn: integer(v[6]),
		},
		id: integer(v[0]), examined: integer(v[7]), run: integer(v[8]), state: state(integer(v[9])), facts: text(v[10]),
	}, text(v[1])
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
