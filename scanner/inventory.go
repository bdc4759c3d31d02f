package scanner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"tyto/finding"
	"tyto/ioc"
	"tyto/rules"
	"tyto/scanner/examine"
	"tyto/scanner/walk"
	"tyto/store"
)

// An Inventory remembers what was found out about files, so that those that have not changed since need
// not be opened again. [*store.Session] is one.
//
// A failing inventory never stops a scan: it keeps its first error for Flush, and knows nothing from then on.
type Inventory interface {
	// Recall returns what is known of a file, if it is known for the profile of the scan and has not
	// changed since. It also notes that the file is there.
	Recall(*finding.Object) (*store.FileRecord, bool)
	// Remember keeps what was found out about a file, all of it or nothing.
	Remember(*store.FileRecord)
	// Note takes what was found out about an object that cannot be remembered.
	Note(findings []finding.Finding, skips []finding.Skip)
	// Flush puts what was remembered where a power cut cannot reach it. It returns the first error that
	// the inventory had.
	Flush() error
	// Finish counts the known files below the roots that this scan did not ask for and that are not
	// there any more, and remembers that. It comes after a complete walk only.
	Finish(ctx context.Context, roots []string, there func(path string) bool) (gone int64, err error)
}

// facts is raised whenever the same file would yield other facts than before: with a new parser, another way
// to score. The version of libyara counts without that.
const facts = 1

// Profile identifies what files are examined for and how: it is the same for two scans if every unchanged
// file has the same outcome in both. What only decides whether a file is examined at all, such as the
// time it may take, has no part in it, as files that were not examined are not remembered.
func Profile(rulesVersion, indicatorsVersion string, o *Options) string {
	p := struct {
		Facts             int
		Libyara           string
		Rules, Indicators string
		// Counts tell that indicators have expired since, which their version does not.
		Counts     ioc.Counts
		MaxSize    int64
		Examine    examine.Limits
		Thresholds finding.Thresholds
		MapRoot    []walk.Mapping
	}{
		Facts: facts, Libyara: rules.LibyaraVersion, Rules: rulesVersion, Indicators: indicatorsVersion,
		MaxSize: o.MaxSize, Examine: o.Examine, Thresholds: o.Thresholds, MapRoot: o.Walk.MapRoot,
	}
	if o.Indicators != nil {
		p.Counts = o.Indicators.Counts()
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("scanner: a profile of plain data cannot be written: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// settled holds the reasons for which a file would be skipped again, in whole or in part, as long as it
// does not change. Whatever else went wrong may go well the next time.
var settled = map[finding.Reason]bool{
	finding.TooLarge: true, finding.Encrypted: true, finding.Damaged: true, finding.Unsupported: true,
	finding.ArchiveLimit: true, finding.MatchLimit: true,
}

// recall tells again what is known of an unchanged file. It returns false if the file is to be examined.
func (s *Scan) recall(o *finding.Object) bool {
	if !s.keeps(o) {
		return false
	}
	record, ok := s.opts.Inventory.Recall(o)
	if !ok {
		return false
	}
	for i := range record.Findings {
		s.tell(&record.Findings[i])
	}
	for _, k := range record.Skips {
		s.skip(k)
	}
	s.matcher.recall(record.Undecided)
	s.tally.recall(record, contentExamined(record))
	return true
}

// keeps reports whether the inventory may know an object: one that was found by its path.
func (s *Scan) keeps(o *finding.Object) bool {
	return s.opts.Inventory != nil && o.Via == "" && !o.Deleted
}

// contentExamined reports whether a record is of more than a name.
func contentExamined(r *store.FileRecord) bool {
	return !slices.ContainsFunc(r.Skips, func(k finding.Skip) bool { return k.Reason == finding.TooLarge })
}

// flushPauses flushes the inventory at the beginning of each pause that lasts, until the returned function is
// called: who pauses a scan may be about to switch the computer off.
func (s *Scan) flushPauses(ctx context.Context) (stop func()) {
	if s.opts.Inventory == nil {
		return func() {}
	}
	// What has passed the gate when it closes is done by then, and remembered.
	const settles = 5 * time.Millisecond
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for s.gate.awaitPause(ctx) == nil {
			sleep(ctx, settles)
			_ = s.opts.Inventory.Flush() // the error is told at the end
			if s.gate.awaitWork(ctx) != nil {
				return
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// closeInventory ends a scan's use of the inventory. After a complete walk it learns which of the files that
// it knows are gone.
func (s *Scan) closeInventory(ctx context.Context, summary *finding.Summary) {
	inventory := s.opts.Inventory
	if inventory == nil {
		return
	}
	_ = s.gate.Wait(ctx)
	var err error
	if summary.Stopped == "" && len(s.opts.Walk.Roots) > 0 {
		summary.Gone, err = inventory.Finish(ctx, walk.Resolve(s.opts.Walk.Roots), func(path string) bool {
			return s.gate.Wait(ctx) != nil || there(path)
		})
	}
	if flushed := inventory.Flush(); err == nil || ctx.Err() != nil {
		err = flushed
	}
	if err != nil {
		s.log.Error("the inventory failed", "error", err)
		summary.Problems = append(summary.Problems, finding.Problem{Warning: true,
			Message: fmt.Sprintf("the inventory was not kept to the end, the next scan has to examine more again: %v", err)})
	}
}

// there reports whether a file stands at path. One that cannot be looked at counts as there.
func there(path string) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return walk.Reason(err) != finding.Vanished
	}
	return info.Mode().IsRegular()
}
