package agent

import (
	"tyto/agent/response"
	"tyto/finding"
)

// memory is what the agent keeps in mind of a run from its start to its end, whatever interrupts it: a run
// that goes on tells all of its findings again, and nothing must be done about them twice. After a restart
// of the agent that can happen; better twice than never.
type memory struct {
	findings map[finding.Level]int64 // of the last summary
	told     map[toldKey]bool        // findings that were acted on; at most maxTold
	critical bool                    // a scan of the critical areas was asked for
}

// toldKey tells findings apart. Another content under the same name is another one, as a run can last for days.
type toldKey struct{ path, sha256 string }

func toldKeyOf(f *finding.Finding) toldKey { return toldKey{f.Object.Path, f.Object.Hashes.SHA256} }

// maxTold bounds how many findings are kept in mind. They take some 250 bytes each.
const maxTold = 50_000

// remember changes what is kept in mind of a run.
func (a *Agent) remember(run int64, change func(*memory)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := a.runs[run]
	if m == nil {
		m = &memory{told: map[toldKey]bool{}}
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
		key := toldKeyOf(f)
		first = !m.told[key]
		if len(m.told) < maxTold {
			m.told[key] = true
		}
	})
	return first
}

// tellAgain lets a finding of a run be told once more, if its response did not get its turn: when the run goes
// on it will.
func (a *Agent) tellAgain(run int64, result response.Result) {
	if result.Why == response.Stopped || result.Err != nil {
		a.remember(run, func(m *memory) { delete(m.told, toldKeyOf(result.Finding)) })
	}
}
