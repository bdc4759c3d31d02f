package sandboxlink

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"tyto/sandboxlink/decide"
	"tyto/sandboxlink/intercept"
	"tyto/sandboxlink/queue"
	"tyto/sandboxlink/recall"
	"tyto/verdict"
)

// Memorizer keeps in mind what a file holds, or that it is to be looked at again; an intercept.Interceptor is one.
type Memorizer interface {
	Learn(a intercept.Access, sum [32]byte)
	Forget(a intercept.Access)
}

// Noticed looks at an access that was allowed, and tells whoever noticed it what the file holds. It takes as long
// as the file takes to be read.
func (l *Link) Noticed(ctx context.Context, a intercept.Access, m Memorizer) {
	_, err := l.ask(ctx, Question{File: a.File, Path: a.Path, By: a.Process, Exec: a.Exec}, func(found *Answer, asked bool) {
		if sum, err := hex.DecodeString(found.SHA256); err == nil && len(sum) == 32 {
			m.Learn(a, [32]byte(sum))
		}
		if asked && !found.Queued {
			m.Forget(a) // the next access is another chance
		}
	})
	if err != nil && ctx.Err() == nil {
		l.log.Debug("look at an access", "file", a.Path, "error", err)
	}
}

// Refused acts upon an access that was refused.
func (l *Link) Refused(ctx context.Context, r intercept.Refusal) {
	_ = r.File.Close() // its content is known
	sum := fmt.Sprintf("%x", r.Sum)
	entry, ok := l.o.Recall.Get(sum)
	if !ok { // it has ended this moment
		return
	}
	seen := Seen{Path: r.Path, SHA256: sum, Size: r.Identity.Size, By: r.Process, Exec: r.Exec, Refused: true}
	if _, err := l.o.Act(ctx, Case{Verdict: entry, Seen: []Seen{seen}, Known: true}); err != nil && ctx.Err() == nil {
		l.log.Warn("act upon a malicious object", "file", r.Path, "error", err)
	}
}

// Ask says what is known of an object, acts upon it if it is malicious, and queues it if it is unknown and
// worth a question. It reads the object and never waits for the network. The error says that the object
// could not be read. q.File is closed before anything is done about the object: Windows deletes no file that
// somebody has open.
func (l *Link) Ask(ctx context.Context, q Question) (Answer, error) {
	return l.ask(ctx, q, func(*Answer, bool) {})
}

// ask tells what it has found out while the file is still open, and whether the object was to be queued.
func (l *Link) ask(ctx context.Context, q Question, tell func(found *Answer, asked bool)) (Answer, error) {
	closed := sync.OnceFunc(func() { _ = q.File.Close() }) // it was only read
	defer closed()
	d, err := l.o.Decider.Decide(ctx, decide.Request{File: q.File, Path: q.Path, Exec: q.Exec})
	if err != nil {
		return Answer{}, fmt.Errorf("decide about %q: %w", q.Path, err)
	}
	a := Answer{SHA256: d.SHA256, Reason: why(&d)}
	seen := Seen{Path: q.Path, SHA256: d.SHA256, Size: d.Size, By: q.By, Exec: q.Exec}
	entry, known := l.Known(d.SHA256)
	asked := d.Ask && !known
	if asked {
		a.Queued, a.Reason = l.enqueue(ctx, q, seen, d)
		// A verdict that has come meanwhile may not have been told of this place.
		entry, known = l.Known(d.SHA256)
	}
	tell(&a, asked)
	if !known {
		return a, nil
	}
	closed()
	a.Verdict, a.Queued, a.Reason = &entry, false, ""
	if entry.Level == verdict.Malicious {
		a.Actions, err = l.o.Act(ctx, Case{Verdict: entry, Seen: []Seen{seen}, Known: true})
	}
	return a, err
}

// Known returns a recent verdict on a content that nobody has vouched for. It never touches the network.
func (l *Link) Known(sha256 string) (recall.Entry, bool) {
	if sha256 == "" {
		return recall.Entry{}, false
	}
	entry, ok := l.o.Recall.Get(sha256)
	if ok && entry.Level == verdict.Malicious && l.o.Trusted(sha256) {
		return recall.Entry{}, false
	}
	return entry, ok
}

// why says in a sentence what led to a decision.
func why(d *decide.Decision) string {
	for i := len(d.Reasons) - 1; i >= 0; i-- {
		if d.Reasons[i].For == d.Ask {
			return d.Reasons[i].Detail
		}
	}
	return ""
}

// by says who met an object, and how.
func by(q Question) string {
	how := "opened"
	if q.Exec {
		how = "started"
	}
	if q.By == "" {
		return how
	}
	return how + " by " + q.By
}

// enqueue queues an object and says in a sentence why it waits, or why it does not.
func (l *Link) enqueue(ctx context.Context, q Question, seen Seen, d decide.Decision) (queued bool, reason string) {
	if l.o.Queue == nil {
		return false, l.o.NoQueue
	}
	if l.o.Trusted(d.SHA256) {
		return false, "somebody has given it back from the quarantine"
	}
	o := queue.Object{
		SHA256: d.SHA256, Size: d.Size, Type: d.Type, Risk: d.Risk,
		Names: []queue.Name{{Path: q.Path, By: by(q), Seen: l.o.Now()}},
	}
	for _, r := range d.Reasons {
		if r.For {
			o.Why = append(o.Why, r.Detail)
		}
	}
	outcome, err := l.o.Queue.Add(ctx, o, io.NewSectionReader(q.File, 0, math.MaxInt64))
	switch {
	case errors.Is(err, queue.ErrFull):
		return false, "the queue for the sandboxes is full"
	case errors.Is(err, queue.ErrTooLarge):
		return false, "it is too large for the queue"
	case errors.Is(err, queue.ErrChanged):
		return false, "it was changed while it was read"
	case err != nil:
		l.o.Failed(seen, err)
		return false, err.Error()
	}
	if outcome == queue.Added {
		l.o.Queued(seen, d)
	}
	return true, why(&d)
}
