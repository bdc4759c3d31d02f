package scanner

import (
	"maps"
	"sync"

	"tyto/finding"
	"tyto/store"
)

// skipExamples is how many skips of each reason the summary names.
const skipExamples = 5

// A tally counts what a scan did. It is safe for concurrent use.
type tally struct {
	mu       sync.Mutex
	objects  int64
	files    int64
	bytes    int64
	findings map[finding.Level]int64
	below    int64
	trusted  int64
	skips    map[finding.Reason]finding.SkipCount
	current  string
	// recalled counts the files that the inventory knew, and their bytes, which were not read.
	recalled, recalledBytes int64
}

func newTally() *tally {
	return &tally{
		findings: map[finding.Level]int64{},
		skips:    map[finding.Reason]finding.SkipCount{},
	}
}

// starting notes the object that is dispatched now, for the progress display.
func (t *tally) starting(path string) {
	t.mu.Lock()
	t.current = path
	t.mu.Unlock()
}

// file counts an examined file with its members and the bytes read of it.
func (t *tally) file(members int, bytes int64) {
	t.mu.Lock()
	t.files++
	t.objects += 1 + int64(members)
	t.bytes += bytes
	t.mu.Unlock()
}

// recall counts a file that the inventory knew. examined says whether its content had been examined.
func (t *tally) recall(r *store.FileRecord, examined bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.below += int64(r.Below)
	t.trusted += int64(r.Trusted)
	if !examined {
		return
	}
	t.files++
	t.objects += 1 + int64(r.Members)
	t.recalled++
	t.recalledBytes += r.Object.Size
}

func (t *tally) finding(l finding.Level) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l == finding.None {
		t.below++
		return
	}
	t.findings[l]++
}

func (t *tally) trust() {
	t.mu.Lock()
	t.trusted++
	t.mu.Unlock()
}

func (t *tally) skip(s finding.Skip) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.skips[s.Reason]
	c.Count++
	if len(c.Examples) < skipExamples {
		c.Examples = append(c.Examples, s)
	}
	t.skips[s.Reason] = c
}

// fill copies the counts into a summary; the tally must not change any more.
func (t *tally) fill(s *finding.Summary) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Objects, s.Files, s.Bytes = t.objects, t.files, t.bytes
	s.Findings, s.BelowThreshold, s.Trusted = t.findings, t.below, t.trusted
	s.Skips = t.skips
	s.Recalled = t.recalled
}

// progress returns a snapshot of the counts.
func (t *tally) progress() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := Progress{
		Objects: t.objects, Files: t.files, Bytes: t.bytes,
		Findings: maps.Clone(t.findings),
		Current:  t.current,
		Recalled: t.recalled, RecalledBytes: t.recalledBytes,
	}
	for reason, c := range t.skips {
		if reason.Matters() {
			p.Skips += c.Count
		}
	}
	return p
}
