package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tyto/finding"
	"tyto/report"
)

// maxQueued bounds the bytes of the lines that wait for a commit: a file may have many findings.
const maxQueued = 4 << 20

// queue holds what waits to be committed.
type queue struct {
	mu      sync.Mutex
	entries []*entry
	bytes   int
	skips   map[finding.Reason]int // lines of skips of this session, by reason
	full    chan struct{}          // wakes the committing goroutine

	quiet  bool               // nothing was queued since Flush
	giveUp context.CancelFunc // ends work on the index of hashes; nil if there is none

	committing sync.Mutex // held while a batch is written, and for what follows
	unindexed  int        // files that were committed since hashes were indexed
}

// entry is one file that waits to be committed.
type entry struct {
	record FileRecord
	lines  []line // outcomes of the file
	skip   []bool // of the lines, which do not go into the records of the run
	retell int64  // row id of a known file of which only the lines are added to the run; else 0
	note   bool   // the lines belong to no file that is remembered
}

// line is one line of a report.
type line struct {
	kind Kind
	text []byte
}

// Remember queues what was found out about a file; the record is not kept. It is committed with its
// findings in one transaction, at the latest after [SessionOptions.Batch] records or the time
// [SessionOptions.Every], or by Flush. It takes the place of what was known of the path.
//
// It waits if commits take longer than the scan.
func (s *Session) Remember(r *FileRecord) {
	if s.Err() != nil {
		return
	}
	e := &entry{record: *r}
	e.record.Profile, e.record.Run = s.options.Profile, s.options.Run
	s.enqueue(e)
}

// Note adds to the records of the run what was found out about an object that is not remembered. A
// session of a run that goes on forgets what earlier ones noted, as it will be told again.
func (s *Session) Note(findings []finding.Finding, skips []finding.Skip) {
	if s.options.Run == 0 || s.Err() != nil {
		return
	}
	skips = slices.DeleteFunc(slices.Clone(skips), func(k finding.Skip) bool { return !k.Reason.Matters() })
	if len(findings)+len(skips) == 0 {
		return
	}
	s.enqueue(&entry{record: FileRecord{Findings: findings, Skips: skips, Examined: s.store.options.Now()}, note: true})
}

// forgetNotes removes what earlier sessions of the same run noted.
func (s *Session) forgetNotes() error {
	return s.store.update(s.ctx, "forget the notes of an interrupted run", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(s.ctx, "DELETE FROM records WHERE run = ? AND file IS NULL", s.options.Run)
		return err
	})
}

// retold returns the entry of a file whose earlier findings are told to another run.
func retold(id int64, r *FileRecord) *entry { return &entry{record: *r, retell: id} }

// enqueue adds an entry to the queue, and commits if there is too much in it.
func (s *Session) enqueue(e *entry) {
	if err := s.encode(e); err != nil {
		s.fail(s.store.failed("remember a file", err))
		return
	}
	q := &s.queue
	q.mu.Lock()
	q.entries, q.quiet = append(q.entries, e), false
	for _, l := range e.lines {
		q.bytes += len(l.text)
	}
	due := len(q.entries) >= s.options.Batch || q.bytes > maxQueued
	overdue := len(q.entries) >= 4*s.options.Batch || q.bytes > 4*maxQueued
	q.mu.Unlock()
	switch {
	case overdue:
		s.commit()
	case due:
		select {
		case q.full <- struct{}{}:
		default: // it is awake
		}
	}
}

// encode makes the lines of an entry and lets go of what they were made of.
func (s *Session) encode(e *entry) error {
	r := &e.record
	for i := range r.Findings {
		text, err := report.FindingLine(s.options.Report, &r.Findings[i])
		if err != nil {
			return err
		}
		e.lines = append(e.lines, line{KindFinding, text})
	}
	for _, skip := range r.Skips {
		text, err := report.SkipLine(s.options.Report, skip, r.Examined)
		if err != nil {
			return err
		}
		e.lines = append(e.lines, line{KindSkip, text})
	}
	e.skip = make([]bool, len(e.lines))
	for i, skip := range r.Skips {
		e.skip[len(r.Findings)+i] = !s.recorded(skip.Reason)
	}
	r.Findings, r.Skips = nil, nil
	return nil
}

// recorded reports whether one more skip for this reason goes into the records of the run, which hold
// what a report would hold.
func (s *Session) recorded(reason finding.Reason) bool {
	if !reason.Matters() {
		return false
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	s.queue.skips[reason]++
	return s.queue.skips[reason] <= report.MaxSkipLines
}

// commitRegularly commits whenever a batch is full or old, until the session is closed.
func (s *Session) commitRegularly() {
	tick := time.NewTicker(s.options.Every)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.queue.full:
		case <-tick.C:
		}
		if s.commit() {
			s.indexIfDue()
		}
	}
}

// Flush commits what was remembered; when it returns without an error, that survives a power cut. It
// returns the session's first error.
//
// It does not wait for the index of hashes: work on that is given up and done again later, as Flush is
// called when somebody wants the computer for himself.
func (s *Session) Flush() error {
	s.queue.mu.Lock()
	s.queue.quiet = true
	if giveUp := s.queue.giveUp; giveUp != nil {
		giveUp()
	}
	s.queue.mu.Unlock()
	s.commit()
	return s.Err()
}

// commit writes what is queued, and reports whether there was anything.
func (s *Session) commit() bool {
	q := &s.queue
	q.committing.Lock()
	defer q.committing.Unlock()
	q.mu.Lock()
	entries := q.entries
	q.entries, q.bytes = nil, 0
	q.mu.Unlock()
	if len(entries) == 0 || s.Err() != nil {
		return false
	}
	var ids []int64
	err := s.store.update(context.Background(), "remember files", func(tx *sql.Tx) (err error) {
		ids, err = s.write(tx, entries)
		return err
	})
	if err != nil {
		s.fail(err)
		return false
	}
	s.meet(ids...)
	q.unindexed += len(ids)
	return true
}

// indexIfDue enters the hashes of new files into their index if there are many, unless Flush comes.
func (s *Session) indexIfDue() {
	q := &s.queue
	q.committing.Lock()
	defer q.committing.Unlock()
	if q.unindexed < indexBatch || s.Err() != nil {
		return
	}
	ctx, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	q.mu.Lock()
	quiet := q.quiet
	q.giveUp = giveUp
	q.mu.Unlock()
	if quiet {
		giveUp()
	}
	err := s.store.indexHashes(ctx)
	q.mu.Lock()
	q.giveUp = nil
	q.mu.Unlock()
	switch {
	case err == nil:
		q.unindexed = 0
	case ctx.Err() == nil:
		s.fail(err)
	}
}

// write writes entries and returns the row ids of their files.
func (s *Session) write(tx *sql.Tx, entries []*entry) (ids []int64, err error) {
	w, err := newWriter(tx, s.options)
	if err != nil {
		return nil, err
	}
	defer w.close()
	for _, e := range entries {
		id, err := w.entry(e)
		if err != nil {
			return nil, err
		}
		if !e.note {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// writer writes entries within one transaction.
type writer struct {
	options SessionOptions
	profile int64
	dirs    map[string]int64 // those of this batch

	findDir, addDir, known, upsert, forget, outcome, unrecord, record, retell *sql.Stmt
	all                                                                       []*sql.Stmt
}

const upsertFile = `
	INSERT INTO files (dir, name, inode, size, mtime, ctime, usn, md5, sha1, sha256, type, profile, run, examined,
		members, below, trusted, lines, undecided, device, mode, owner, "group", links, atime, btime, attributes, original, gone, indexed)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0)
	ON CONFLICT (dir, name) DO UPDATE SET (inode, size, mtime, ctime, usn, md5, sha1, sha256, type, profile, run, examined,
		members, below, trusted, lines, undecided, device, mode, owner, "group", links, atime, btime, attributes, original, gone, indexed) =
		(excluded.inode, excluded.size, excluded.mtime, excluded.ctime, excluded.usn, excluded.md5, excluded.sha1, excluded.sha256,
		excluded.type, excluded.profile, excluded.run, excluded.examined, excluded.members, excluded.below, excluded.trusted,
		excluded.lines, excluded.undecided, excluded.device, excluded.mode, excluded.owner, excluded."group", excluded.links,
		excluded.atime, excluded.btime, excluded.attributes, excluded.original, NULL, 0)
	RETURNING id`

func newWriter(tx *sql.Tx, o SessionOptions) (*writer, error) {
	w := &writer{options: o, dirs: map[string]int64{}}
	for _, p := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&w.findDir, "SELECT id FROM dirs WHERE path = ?"},
		{&w.addDir, "INSERT INTO dirs (path) VALUES (?) RETURNING id"},
		{&w.known, "SELECT id, run, sha256, lines FROM files WHERE dir = ? AND name = ?"},
		{&w.upsert, upsertFile},
		{&w.forget, "DELETE FROM outcomes WHERE file = ?"},
		{&w.outcome, "INSERT INTO outcomes (file, n, kind, line) VALUES (?, ?, ?, ?)"},
		{&w.unrecord, "DELETE FROM records WHERE file = ? AND run = ?"},
		{&w.record, "INSERT INTO records (run, file, kind, line) VALUES (?, ?, ?, ?)"},
		{&w.retell, "UPDATE files SET run = ? WHERE id = ?"},
	} {
		stmt, err := tx.Prepare(p.query)
		if err != nil {
			w.close()
			return nil, err
		}
		*p.to = stmt
		w.all = append(w.all, stmt)
	}
	err := tx.QueryRow(`INSERT INTO profiles (digest) VALUES (?)
		ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING id`, o.Profile).Scan(&w.profile)
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *writer) close() {
	for _, stmt := range w.all {
		stmt.Close()
	}
}

// entry writes one entry and returns the row id of its file.
func (w *writer) entry(e *entry) (id int64, err error) {
	if e.note {
		return 0, w.records(sql.NullInt64{}, e)
	}
	if e.retell != 0 {
		if _, err := w.retell.Exec(w.options.Run, e.retell); err != nil {
			return 0, err
		}
		return e.retell, w.records(sql.NullInt64{Int64: e.retell, Valid: true}, e)
	}
	dir, name := splitPath(e.record.Object.Path)
	dirID, err := w.dir(dir)
	if err != nil {
		return 0, err
	}
	if err := w.replace(dirID, name, e); err != nil {
		return 0, err
	}
	if id, err = w.file(dirID, name, e); err != nil {
		return 0, err
	}
	for n, l := range e.lines {
		if _, err := w.outcome.Exec(id, n, string(l.kind), string(l.text)); err != nil {
			return 0, err
		}
	}
	return id, w.records(sql.NullInt64{Int64: id, Valid: true}, e)
}

// replace makes room for a new examination of a file.
func (w *writer) replace(dir int64, name string, e *entry) error {
	var id, run, lines int64
	var sha256 []byte
	err := w.known.QueryRow(dir, []byte(name)).Scan(&id, &run, &sha256, &lines)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil || lines == 0 {
		return err
	}
	if _, err := w.forget.Exec(id); err != nil {
		return err
	}
	// A run that was interrupted and goes on examines some files again. The same content is told
	// once; what was found in another content stays told.
	if same := hashes(nil, nil, sha256).SHA256 == e.record.Object.Hashes.SHA256; run == w.options.Run && run != 0 && same {
		_, err = w.unrecord.Exec(id, run)
	}
	return err
}

// records adds the lines of an entry to the records of the run. file is null for what is only noted.
func (w *writer) records(file sql.NullInt64, e *entry) error {
	if w.options.Run == 0 {
		return nil
	}
	for n, l := range e.lines {
		if e.skip[n] {
			continue
		}
		if _, err := w.record.Exec(w.options.Run, file, string(l.kind), string(l.text)); err != nil {
			return err
		}
	}
	return nil
}

// dir returns the row id of a folder.
func (w *writer) dir(path string) (id int64, err error) {
	if id, ok := w.dirs[path]; ok {
		return id, nil
	}
	err = w.findDir.QueryRow([]byte(path)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = w.addDir.QueryRow([]byte(path)).Scan(&id)
	}
	if err == nil {
		w.dirs[path] = id
	}
	return id, err
}

func (w *writer) file(dir int64, name string, e *entry) (id int64, err error) {
	r, o := &e.record, &e.record.Object
	i := identityOf(o)
	var undecided any
	if len(r.Undecided) > 0 {
		list, err := json.Marshal(r.Undecided)
		if err != nil {
			return 0, fmt.Errorf("undecided indicators: %w", err)
		}
		undecided = string(list)
	}
	var original any
	if o.OriginalPath != "" {
		original = []byte(o.OriginalPath)
	}
	err = w.upsert.QueryRow(
		dir, []byte(name), i.inode, i.size, column(o.Modified), column(o.Changed), i.usn,
		digest(o.Hashes.MD5), digest(o.Hashes.SHA1), digest(o.Hashes.SHA256), o.Type, w.profile, r.Run, stamp(r.Examined),
		r.Members, r.Below, r.Trusted, len(e.lines), undecided, int64(o.Device), int64(o.Mode), o.Owner, o.Group,
		int64(o.Links), column(o.Accessed), column(o.Created), strings.Join(o.Attributes, attributeSeparator), original,
	).Scan(&id)
	return id, err
}
