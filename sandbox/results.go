package sandbox

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tyto/verdict"
)

// record is the file of a result. The report is kept as [verdict.Report.Marshal] wrote it.
type record struct {
	Task   string          `json:"task"`
	Report json.RawMessage `json:"report"`
}

// known is what is kept in memory of a result.
type known struct {
	task, sha256 string
	level        verdict.Level
	score        int
	time         time.Time
	bytes        int64 // on disk
	name         string
	kind         string
	threats      []string
}

// results are the reports of this database version: one file for each content, and an index in memory.
type results struct {
	folder folder
	limits Limits
	now    func() time.Time
	log    *slog.Logger

	mu     sync.Mutex
	bySHA  map[string]*known
	byTask map[string]*known
	bytes  int64
}

// maxResultFile bounds what is read of a result.
const maxResultFile = verdict.MaxReport + 1<<10

// openResults reads the index. Reports that another database version gave are deleted: they are no longer
// up to date.
func openResults(f folder, l Limits, database string, now func() time.Time, log *slog.Logger) (*results, error) {
	r := &results{folder: f, limits: l, now: now, log: log, bySHA: map[string]*known{}, byTask: map[string]*known{}}
	names, err := f.names(resultsDir, ".json")
	if err != nil {
		return nil, err
	}
	outdated := 0
	for _, sha256 := range names {
		rec, report, size, err := readResult(f, sha256)
		switch {
		case err != nil:
			log.Warn("a damaged result is deleted; its content will be looked at again", "error", err)
		case report.Verdict.Database == database:
			r.enter(rec.Task, report, size)
			continue
		default:
			outdated++
		}
		if err := remove(f.result(sha256)); err != nil {
			return nil, fmt.Errorf("delete an old result: %w", err)
		}
	}
	if outdated > 0 {
		log.Info("verdicts of another database version are forgotten", "verdicts", outdated, "database", database)
	}
	return r, r.prune()
}

// readResult reads and checks the file of a result.
func readResult(f folder, sha256 string) (rec record, report *verdict.Report, size int64, err error) {
	size, err = readJSON(f.result(sha256), maxResultFile, &rec)
	if err != nil {
		return rec, nil, 0, err
	}
	if report, err = verdict.Parse(rec.Report); err != nil {
		return rec, nil, 0, fmt.Errorf("%q: %w", f.result(sha256), err)
	}
	if report.Verdict.SHA256 != sha256 || !isHex(rec.Task, idLength) {
		return rec, nil, 0, fmt.Errorf("%q is not the result of %s", f.result(sha256), sha256)
	}
	return rec, report, size, nil
}

// enter adds to the index. The caller holds mu, or is alone.
func (r *results) enter(id string, report *verdict.Report, size int64) {
	if old := r.bySHA[report.Verdict.SHA256]; old != nil {
		r.leave(old)
	}
	k := &known{
		task: id, sha256: report.Verdict.SHA256, level: report.Verdict.Level, score: report.Verdict.Score,
		time: report.Verdict.Time, bytes: size, name: report.Object.Name, kind: report.Object.Type,
		threats: slices.Clone(report.Verdict.Threats[:min(len(report.Verdict.Threats), 3)]),
	}
	r.bySHA[k.sha256], r.byTask[k.task] = k, k
	r.bytes += k.bytes
}

func (r *results) leave(k *known) {
	delete(r.bySHA, k.sha256)
	delete(r.byTask, k.task)
	r.bytes -= k.bytes
}

// put writes a result, which replaces an earlier one of that content.
func (r *results) put(id string, report *verdict.Report) error {
	raw, err := report.Marshal()
	if err != nil {
		return fmt.Errorf("keep a result: %w", err)
	}
	content, err := marshal(record{id, raw})
	if err != nil {
		return fmt.Errorf("keep a result: %w", err)
	}
	if err := r.folder.write(r.folder.result(report.Verdict.SHA256), content); err != nil {
		return fmt.Errorf("keep a result: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enter(id, report, int64(len(content)))
	return r.prune()
}

// prune forgets the oldest results above the limits. The caller holds mu, or is alone.
func (r *results) prune() error {
	oldest := r.oldest()
	if len(r.bySHA) <= r.limits.Results && r.bytes <= r.limits.ResultBytes && !r.anyBefore(oldest) {
		return nil
	}
	for _, k := range r.inOrder() {
		if len(r.bySHA) <= r.limits.Results && r.bytes <= r.limits.ResultBytes && !k.time.Before(oldest) {
			break
		}
		if err := remove(r.folder.result(k.sha256)); err != nil {
			return fmt.Errorf("forget an old result: %w", err)
		}
		r.leave(k)
	}
	return nil
}

// oldest is the time before which results are forgotten.
func (r *results) oldest() time.Time { return r.now().Add(-r.limits.ResultAge) }

func (r *results) anyBefore(t time.Time) bool {
	for _, k := range r.bySHA {
		if k.time.Before(t) {
			return true
		}
	}
	return false
}

// inOrder returns the index from the oldest result to the newest.
func (r *results) inOrder() []*known {
	all := make([]*known, 0, len(r.bySHA))
	for _, k := range r.bySHA {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b *known) int { return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.sha256, b.sha256)) })
	return all
}

// content returns what is known of a content; nil is nothing.
func (r *results) content(sha256 string) *known {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fresh(r.bySHA[sha256])
}

// task returns what a task came to; nil if it is not known.
func (r *results) task(id string) *known {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fresh(r.byTask[id])
}

// fresh returns what is not too old, else nil.
func (r *results) fresh(k *known) *known {
	if k != nil && k.time.Before(r.oldest()) {
		return nil
	}
	return k
}

// latest returns the newest n results, the newest first, and how many there are of each level.
func (r *results) latest(n int) ([]*known, map[verdict.Level]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.inOrder()
	counts := map[verdict.Level]int{}
	for _, k := range all {
		counts[k.level]++
	}
	slices.Reverse(all)
	return all[:min(n, len(all))], counts
}

// report reads the report of a result, in its JSON form.
func (r *results) report(k *known) (json.RawMessage, error) {
	rec, _, _, err := readResult(r.folder, k.sha256)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errUnknown // it was forgotten in the meantime
	case err != nil:
		return nil, fmt.Errorf("read a result: %w", err)
	}
	return rec.Report, nil
}
