package agent

import "tyto/finding"

// memory is what the agent keeps in mind of a run from its start to its end, whatever interrupts it: a run
// that goes on tells all of its findings again, and nothing must be done about them twice. After a restart
// of the agent that can happen; better twice than never.
type memory struct {
	findings map[finding.Level]int64 // of the last summary
	told     map[string]bool         // paths of findings that were acted on; at most maxTold
	critical bool                    // a scan of the critical areas was asked for
}

// maxTold bounds how many paths are kept in mind. They take some 150 bytes each.
const maxTold = 50_000

// remember changes what is kept in mind of a run.
func (a *Agent) remember(run int64, change func(*memory)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.runs[run]
	if m == nil {
		m = &memory{told: map[string]bool{}}
		a.runs[run] = m
	}
	change(m)
}

// forget returns what was kept in mind of a run that has ended.
func (a *Agent) forget(run int64) memory {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.runs[run]
	delete(a.runs, run)
	if m == nil {
		return memory{}
	}
	return *m
}

// firstTold reports whether a finding of a run is told for the first time, and notes that it was.
func (a *Agent) firstTold(run int64, f *finding.Finding) (first bool) {
	a.remember(run, func(m *memory) {
		first = !m.told[f.Object.Path]
		if len(m.told) < maxTold {
			m.told[f.Object.Path] = true
		}
	})
	return first
}
