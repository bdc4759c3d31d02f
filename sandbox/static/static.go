// Package static is the engine that looks at a sample's bytes and does not run it: rules and indicators, and the
// facts of its structure (package facts).
//
//	sample ─► scan with rules and indicators  (worker: tyto worker)         ─► Seen
//	       └► facts of its structure          (worker: tyto worker --facts) ─┘
//
// It looks at samples of any system, at archives and what is in them, and takes a moment for each. What a
// program does when it runs it cannot see, and says so.
//
// Both parts run in confined processes that are started anew for each sample: one that a sample takes over
// sees no other.
package static

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"tyto/finding"
	"tyto/ioc"
	"tyto/rules"
	"tyto/sandbox"
	"tyto/sandbox/static/facts"
	"tyto/scanner"
	"tyto/scanner/walk"
	"tyto/scanner/worker"
	"tyto/verdict"
)

// version changes when the engine judges otherwise with the same rules.
const version = "1"

// Limits on one sample.
const (
	scanTime      = 5 * time.Minute
	factsTime     = time.Minute
	factsMemory   = 512 << 20
	factsBytes    = 256 << 10 // of an answer
	maxBehaviours = 200
	maxBlind      = 20
	maxEvidence   = 10
	maxData       = 120 // bytes of a piece of evidence
)

// Options say what the engine looks for, and how it starts its workers.
type Options struct {
	// Rules and Indicators may be nil. They stay the caller's, who closes them after the last sample.
	Rules      *rules.Set
	Indicators *ioc.Set
	// IndicatorVersion identifies the indicators: finding.SetSummary.Version.
	IndicatorVersion string
	// ScanCommand starts a worker that serves package examine, FactsCommand one that serves package facts.
	// Empty means this very program with "worker", or "worker --facts".
	ScanCommand, FactsCommand []string
	// Log takes what an operator should know; nil discards it.
	Log *slog.Logger
}

// Engine implements [sandbox.Engine].
type Engine struct {
	options Options
	log     *slog.Logger
}

// New returns the engine.
func New(o Options) (*Engine, error) {
	if len(o.FactsCommand) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find own executable: %w", err)
		}
		o.FactsCommand = []string{self, "worker", "--facts"}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{options: o, log: o.Log}, nil
}

// Name implements [sandbox.Engine].
func (e *Engine) Name() string { return "static" }

// Version implements [sandbox.Engine]: that of the engine's code, of the rules and of the indicators.
func (e *Engine) Version() string {
	parts := []string{version}
	if e.options.Rules != nil {
		parts = append(parts, "rules "+short(e.options.Rules.Version))
	}
	if e.options.Indicators != nil {
		parts = append(parts, "indicators "+short(e.options.IndicatorVersion))
	}
	return strings.Join(parts, ", ")
}

func short(digest string) string { return digest[:min(len(digest), 12)] }

// Identify returns the type of a file's content, in the words of package filetype; empty if it has none.
func (e *Engine) Identify(ctx context.Context, path string) (string, error) {
	f, err := e.ask(ctx, path, facts.Request{TypeOnly: true})
	if err != nil {
		return "", fmt.Errorf("find the type of a sample: %w", err)
	}
	return f.Type, nil
}

// Examine implements [sandbox.Engine].
func (e *Engine) Examine(ctx context.Context, s sandbox.Sample) (*sandbox.Seen, error) {
	seen := &sandbox.Seen{}
	scan, err := e.scan(ctx, s)
	if err != nil {
		return nil, err
	}
	scan.tell(seen)
	f, err := e.ask(ctx, s.Path, facts.Request{Name: s.Name})
	if err != nil {
		return nil, fmt.Errorf("look at the structure: %w", err)
	}
	tellFacts(f, seen)
	seen.Engine.Saw = e.saw(scan, f)
	seen.Engine.Blind = append([]string{"It did not run the sample: what the sample would do, fetch or unpack in memory is not seen."}, seen.Engine.Blind...)
	seen.Engine.Blind = seen.Engine.Blind[:min(len(seen.Engine.Blind), maxBlind)]
	return seen, nil
}

// saw says in a sentence what was done.
func (e *Engine) saw(scan *scan, f *facts.Facts) string {
	var done []string
	if e.options.Rules != nil {
		done = append(done, fmt.Sprintf("%d rules", len(e.options.Rules.Rules)))
	}
	if e.options.Indicators != nil {
		done = append(done, fmt.Sprintf("%d indicators", len(e.options.Indicators.Indicators())))
	}
	text := "Looked at its name and type"
	if f.Looked != "" {
		text = "Looked at " + f.Looked
	}
	if len(done) > 0 {
		text = fmt.Sprintf("Held the content against %s; looked at %s", strings.Join(done, " and "), strings.TrimPrefix(text, "Looked at "))
	}
	if scan.members > 0 {
		text += fmt.Sprintf("; %d members of it were examined too", scan.members)
	}
	return text + "."
}

// ask has a worker of its own look at a file.
func (e *Engine) ask(ctx context.Context, path string, r facts.Request) (*facts.Facts, error) {
	request, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	pool, err := worker.Start(ctx, worker.Config{
		Workers: 1, Command: e.options.FactsCommand, Memory: factsMemory, Deadline: factsTime, ResponseBytes: factsBytes, Log: e.log,
	})
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	var answer []byte
	done := make(chan error, 1)
	err = pool.Submit(ctx, &worker.Job{
		File: file, Request: request,
		Response: func(b []byte) { answer = slices.Clone(b) },
		Restart:  func() { answer = nil },
		Done:     func(err error) { done <- err },
	})
	if err == nil {
		err = <-done
	}
	if err := errors.Join(err, pool.Close()); err != nil {
		return nil, err
	}
	var f facts.Facts
	if err := json.Unmarshal(answer, &f); err != nil {
		return nil, fmt.Errorf("read the answer of a worker: %w", err)
	}
	return &f, nil
}

// tellFacts makes facts behaviours. A worker may be under a sample's control: a fact that the catalogue does not
// know is none, and each counts once.
func tellFacts(f *facts.Facts, seen *sandbox.Seen) {
	known := map[string]bool{}
	for _, fact := range f.Facts[:min(len(f.Facts), facts.MaxFacts)] {
		m, ok := facts.Lookup(fact.ID)
		if !ok || known[fact.ID] {
			continue
		}
		known[fact.ID] = true
		seen.Behaviours = append(seen.Behaviours, verdict.Behaviour{
			ID: fact.ID, Score: m.Score, Detail: m.Detail, Evidence: fact.Evidence[:min(len(fact.Evidence), facts.MaxEvidence)],
		})
	}
	seen.Engine.Blind = append(seen.Engine.Blind, f.Unseen[:min(len(f.Unseen), maxBlind)]...)
}

// scan has the scanner examine the sample with rules and indicators.
func (e *Engine) scan(ctx context.Context, s sandbox.Sample) (*scan, error) {
	r := &scan{sample: s, rules: map[string]bool{}}
	if e.options.Rules == nil && e.options.Indicators == nil {
		return r, nil
	}
	summary, err := scanner.New(scanner.Options{
		Sources: []scanner.Source{r}, Rules: e.options.Rules, Indicators: e.options.Indicators,
		ObjectTime: scanTime, Examine: scanner.DefaultLimits(), Workers: 1, WorkerCommand: e.options.ScanCommand,
		Fast: true, Log: e.log,
		// Each match is a reason, however little it weighs.
		Thresholds: finding.Thresholds{Alert: sandbox.MaliciousFrom, Warning: sandbox.SuspiciousFrom, Notice: 1},
	}, r).Run(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("scan the sample: %w", err)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case summary.Stopped != "":
		return nil, fmt.Errorf("scan the sample: %s", summary.Stopped)
	}
	r.members = summary.Objects - summary.Files
	return r, r.lost
}

// scan is the source of one sample, and takes what is found. The scanner calls it from one goroutine at a time
// for either.
type scan struct {
	sample     sandbox.Sample
	behaviours []verdict.Behaviour
	threats    []string
	blind      []string
	rules      map[string]bool // that have counted: one rule on ten members of an archive is one reason
	members    int64
	lost       error
}

// name is how the sample is called in the scan: rules may ask for it.
func (r *scan) name() string {
	if r.sample.Name == "" {
		return "sample"
	}
	return r.sample.Name
}

// Walk implements scanner.Source.
func (r *scan) Walk(_ context.Context, visit func(*walk.Entry) error, _ func(finding.Skip)) error {
	object := finding.Object{Kind: finding.File, Path: r.name(), Size: r.sample.Size, Inode: 1, Links: 1, Mode: 0o400}
	return visit(walk.Given(object, func() (*os.File, error) { return os.Open(r.sample.Path) }))
}

// Finding implements the scanner's sink.
func (r *scan) Finding(f *finding.Finding) {
	member := strings.TrimPrefix(f.Object.Path, r.name())
	for _, m := range f.Matches {
		id := "static-" + string(m.Kind)
		if key := id + "\x00" + m.Name; m.Score <= 0 || r.rules[key] || len(r.behaviours) >= maxBehaviours {
			continue
		} else {
			r.rules[key] = true
		}
		b := verdict.Behaviour{ID: id, Score: m.Score, Detail: fmt.Sprintf("The %s %s matches", m.Kind, printable(m.Name))}
		if member != "" {
			b.Detail += " a member of it"
			b.Evidence = append(b.Evidence, "member "+printable(strings.TrimPrefix(member, finding.MemberMark)))
		}
		if m.Description != "" {
			b.Detail += ": " + printable(m.Description)
		}
		for _, e := range m.Evidence[:min(len(m.Evidence), maxEvidence)] {
			b.Evidence = append(b.Evidence, evidence(e))
		}
		r.behaviours = append(r.behaviours, b)
		if m.Score >= sandbox.SuspiciousFrom {
			r.threats = append(r.threats, printable(m.Name))
		}
	}
}

func evidence(e finding.Evidence) string {
	text := e.Term
	if e.Offset >= 0 {
		text += fmt.Sprintf(" at %d", e.Offset)
	}
	return text + ": " + printable(string(e.Data[:min(len(e.Data), maxData)]))
}

// printable escapes what is not for showing.
func printable(text string) string {
	quoted := fmt.Sprintf("%+q", text[:min(len(text), 500)])
	if quoted == `"`+text+`"` {
		return text
	}
	return quoted
}

// Skip implements the scanner's sink. What happened to the sample itself makes the verdict an error; what
// happened to a member is something that was not seen.
func (r *scan) Skip(s finding.Skip) {
	if !s.Reason.Matters() {
		return
	}
	switch s.Reason {
	case finding.Encrypted, finding.Damaged, finding.Unsupported, finding.ArchiveLimit, finding.MatchLimit:
		r.blind = append(r.blind, sentence(s, r.name()))
	default:
		if r.lost == nil {
			r.lost = fmt.Errorf("scan the sample: %s: %s", s.Reason, printable(s.Detail))
		}
	}
}

// sentence says what of an archive was not examined.
func sentence(s finding.Skip, name string) string {
	what := "A part of it"
	if member := strings.TrimPrefix(strings.TrimPrefix(s.Path, name), finding.MemberMark); member != "" && member != s.Path {
		what = "The member " + printable(member)
	}
	text := fmt.Sprintf("%s was not examined: %s", what, s.Reason)
	if s.Detail != "" {
		text += ", " + printable(s.Detail)
	}
	return text + "."
}

// tell enters what the scan found.
func (r *scan) tell(seen *sandbox.Seen) {
	seen.Behaviours = append(seen.Behaviours, r.behaviours...)
	seen.Threats = append(seen.Threats, r.threats...)
	seen.Engine.Blind = append(seen.Engine.Blind, r.blind[:min(len(r.blind), maxBlind)]...)
}
