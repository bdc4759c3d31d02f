package verdict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Marshal returns the report in Tyto's own form, such that [Parse] reads it: entries that it would leave out
// are left out, and if the whole is too long, lists are shortened until it is not. The report itself stays
// as it is. It is an error if the report lacks what makes it one.
func (r *Report) Marshal() ([]byte, error) {
	for longest := MaxList; ; longest /= 2 {
		short := r.shortened(longest)
		if err := short.check(); err != nil {
			return nil, fmt.Errorf("write report: %w", err)
		}
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(short); err != nil {
			return nil, fmt.Errorf("write report: %w", err)
		}
		if b.Len() <= MaxReport {
			return b.Bytes(), nil
		}
		if longest == 0 {
			return nil, fmt.Errorf("write report: %d bytes, at most %d are allowed", b.Len(), MaxReport)
		}
	}
}

// shortened returns a copy whose lists have at most so many entries, all of them acceptable.
func (r *Report) shortened(longest int) *Report {
	c := *r
	c.Format = Format
	c.Verdict.Threats = slices.Clone(r.Verdict.Threats)
	cut := max(0, r.Cut)
	c.Engines = keep(r.Engines, longest, &cut)
	c.Users = keep(r.Users, longest, &cut)
	c.Behaviours = keep(r.Behaviours, longest, &cut)
	c.Dropped = keep(r.Dropped, longest, &cut)
	c.Files = keep(r.Files, longest, &cut)
	c.Processes = keep(r.Processes, longest, &cut)
	c.Registry = keep(r.Registry, longest, &cut)
	c.Services = keep(r.Services, longest, &cut)
	c.Mutexes = keep(r.Mutexes, longest, &cut)
	c.Domains = keep(r.Domains, longest, &cut)
	c.URLs = keep(r.URLs, longest, &cut)
	c.Connections = keep(r.Connections, longest, &cut)
	c.Notes = keep(r.Notes, longest, &cut)
	c.Cut = cut
	return &c
}

// keep returns a copy of what of a list a report may hold, nil for nothing.
func keep[T any](list []T, longest int, cut *int) []T {
	var kept []T
	for _, entry := range list {
		if len(kept) >= longest || !accept(unshared(&entry)) {
			*cut++
			continue
		}
		kept = append(kept, entry)
	}
	return kept
}

// unshared gives the entry lists of its own, which accept may shorten.
func unshared(entry any) any {
	switch e := entry.(type) {
	case *Engine:
		e.Blind = slices.Clone(e.Blind)
	case *Behaviour:
		e.Evidence = slices.Clone(e.Evidence)
	case *Process:
		e.Arguments = slices.Clone(e.Arguments)
	}
	return entry
}
