package quarantine

import (
	"context"
	"io/fs"
	"os"
	"strings"

	"tyto/finding"
	"tyto/scanner"
	"tyto/scanner/walk"
)

// Rescanned says what a new examination found in an entry.
type Rescanned struct {
	Entry Entry
	// Findings are those on the content, or on members of it, of any level.
	Findings []finding.Finding
	// Skips say what could not be examined, and is no reason to trust the object.
	Skips []finding.Skip
}

// FalseAlarm reports whether nothing is found any more in what was quarantined for a finding: the rules or
// indicators are others now, or a list of trusted hashes knows it. It is a hint for a person, not a proof.
func (r *Rescanned) FalseAlarm() bool {
	return len(r.Findings) == 0 && len(r.Skips) == 0 && r.Entry.Level != ""
}

// Rescan examines all entries again, as a scan with these options would: what they say of rules, indicators,
// limits and workers is used, what they say of where to look is not. Entries come from the oldest to the
// newest; damaged ones are told apart. The summary is that of the scan: it is incomplete if it was stopped.
func (v *Vault) Rescan(ctx context.Context, o scanner.Options) ([]Rescanned, []Damaged, *finding.Summary, error) {
	entries, damaged, err := v.List(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	r := &rescan{vault: v, results: make([]Rescanned, len(entries))}
	for i := range entries {
		r.results[i].Entry = entries[i]
	}
	o.Sources, o.Walk, o.Inventory, o.Progress = []scanner.Source{r}, walk.Options{}, nil, nil
	if len(entries) == 0 {
		return nil, damaged, &finding.Summary{}, nil
	}
	summary, err := scanner.New(o, r).Run(ctx)
	return r.results, damaged, summary, err
}

// rescan is the source of the objects, and takes what is found. The scanner calls it from one goroutine at
// a time for either.
type rescan struct {
	vault   *Vault
	results []Rescanned
}

// Walk implements scanner.Source. Objects bear the path that they had, as rules may ask for it, and their
// number as inode, by which findings are told apart.
func (r *rescan) Walk(ctx context.Context, visit func(*walk.Entry) error, _ func(finding.Skip)) error {
	for i := range r.results {
		e := r.results[i].Entry
		err := visit(walk.Given(e.object(i), func() (*os.File, error) { return r.vault.Extract(ctx, e.ID) }))
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Finding implements the scanner's sink.
func (r *rescan) Finding(f *finding.Finding) {
	if n := f.Object.Inode; n >= 1 && n <= uint64(len(r.results)) {
		r.results[n-1].Findings = append(r.results[n-1].Findings, *f)
	}
}

// Skip implements the scanner's sink. Skips bear a path only, which several entries may have had.
func (r *rescan) Skip(s finding.Skip) {
	if !s.Reason.Matters() {
		return
	}
	for i := range r.results {
		path := string(r.results[i].Entry.Path)
		if s.Path == path || strings.HasPrefix(s.Path, path+finding.MemberMark) {
			r.results[i].Skips = append(r.results[i].Skips, s)
		}
	}
}

// object describes an entry as the scan that found it did.
func (e *Entry) object(number int) finding.Object {
	m := &e.Metadata
	o := finding.Object{
		Kind: finding.File, Path: string(e.Path), Size: e.Size, Inode: uint64(number) + 1, Links: 1, Mode: 0o600,
		Modified: m.Modified.Time(), Accessed: m.Accessed.Time(), Changed: m.Changed.Time(), Created: m.Created.Time(),
	}
	if u := m.Unix; u != nil {
		o.Owner, o.Group = u.Owner, u.Group
		o.Mode = fs.FileMode(u.Mode & 0o777)
		for bit, flag := range map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
			if u.Mode&bit != 0 {
				o.Mode |= flag
			}
		}
	}
	return o
}
