package sandboxlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"tyto/sandboxlink/intercept"
	"tyto/sandboxlink/queue"
	"tyto/sandboxlink/recall"
	"tyto/sandboxlink/submit"
	"tyto/verdict"
)

// Deliver takes a verdict: it is remembered, and acted upon for all places at which the object was met. An
// error keeps the object in the queue. It is [submit.Options.Deliver].
func (l *Link) Deliver(ctx context.Context, d submit.Delivery) error {
	item, ok := d.Item.(queued)
	if !ok {
		return fmt.Errorf("an object of another queue was delivered: %T", d.Item)
	}
	v := d.Answer.Verdict
	if v == nil || !v.Level.Known() {
		l.o.NoVerdict(l.places(item), whyNot(d))
		return nil
	}
	entry := recall.Entry{Verdict: *v, Server: d.Server, Size: item.Item.Object.Size}
	entry.SHA256 = item.Item.Object.SHA256 // which this computer took; it is what was asked about
	c := Case{Report: d.Answer.Report}
	if entry.Level == verdict.Malicious {
		var err error
		if c.Own, err = l.o.Own(ctx, entry.SHA256, entry.Size); err != nil {
			return err
		}
		if c.Own {
			entry.Level = verdict.Suspicious
		}
	}
	if err := l.o.Recall.Put(ctx, entry); err != nil {
		return fmt.Errorf("remember a verdict: %w", err)
	}
	if kept, ok := l.o.Recall.Get(entry.SHA256); ok {
		entry = kept
	}
	if entry.Level == verdict.Malicious && l.o.Trusted(entry.SHA256) {
		return nil
	}
	c.Verdict, c.Seen = entry, l.places(item)
	_, err := l.o.Act(ctx, c)
	return err
}

// whyNot says in a sentence why there is no verdict.
func whyNot(d submit.Delivery) string {
	var all []string
	for _, r := range d.Refusals {
		all = append(all, r.Server+": "+r.Reason)
	}
	if len(all) == 0 {
		return "the sandbox could not tell"
	}
	return strings.Join(all, "; ")
}

// Memory returns what the interception asks while somebody waits: what is known to be malicious, and that
// nobody has vouched for.
func (l *Link) Memory() intercept.Memory { return memory{l} }

type memory struct{ link *Link }

// MaliciousSize implements [intercept.Memory].
func (m memory) MaliciousSize(size int64) bool { return m.link.o.Recall.MaliciousSize(size) }

// Malicious implements [intercept.Memory].
func (m memory) Malicious(sum [32]byte) bool {
	return m.link.o.Recall.Malicious(sum) && !m.link.o.Trusted(fmt.Sprintf("%x", sum))
}

// SubmitQueue lends a queue to a submitter.
func SubmitQueue(q *queue.Queue) submit.Queue { return submitQueue{q} }

type submitQueue struct{ *queue.Queue }

// Next implements [submit.Queue].
func (q submitQueue) Next(ctx context.Context) (submit.Item, error) {
	item, err := q.Queue.Next(ctx)
	if err != nil {
		return nil, err
	}
	return queued{item}, nil
}

// queued is an item of the queue in the words of package submit.
type queued struct{ Item *queue.Item }

// Object implements [submit.Item].
func (q queued) Object() submit.Object {
	o := q.Item.Object
	name := ""
	if len(o.Names) > 0 {
		name = baseName(o.Names[0].Path)
	}
	return submit.Object{SHA256: o.SHA256, Size: o.Size, Name: name, Type: o.Type}
}

// baseName returns the last part of a path of any system.
func baseName(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// State implements [submit.Item].
func (q queued) State() submit.State {
	s := q.Item.State
	state := submit.State{
		Server: s.Server, Task: s.Task, Sent: s.Sent, Attempts: s.Attempts, NotBefore: s.NotBefore,
		LastError: s.LastError, Forgotten: s.Forgotten,
	}
	for _, r := range s.Refusals {
		state.Refusals = append(state.Refusals, submit.Refusal(r))
	}
	return state
}

// Update implements [submit.Item].
func (q queued) Update(s submit.State) error {
	state := queue.State{
		Server: s.Server, Task: s.Task, Sent: s.Sent, Attempts: s.Attempts, NotBefore: s.NotBefore,
		LastError: s.LastError, Forgotten: s.Forgotten,
	}
	for _, r := range s.Refusals {
		state.Refusals = append(state.Refusals, queue.Refusal(r))
	}
	return q.Item.Update(state)
}

// Open implements [submit.Item].
func (q queued) Open() (io.ReadCloser, error) { return q.Item.Open() }

// Release implements [submit.Item].
func (q queued) Release() { q.Item.Release() }

// Remove implements [submit.Item].
func (q queued) Remove() error {
	err := q.Item.Remove()
	if errors.Is(err, queue.ErrNotFound) { // a person has dropped it meanwhile
		return nil
	}
	return err
}

// places returns where an object was met, also since it was taken out to be asked about.
func (l *Link) places(q queued) (all []Seen) {
	o := q.Item.Object
	if entry, err := l.o.Queue.Show(o.SHA256); err == nil {
		o = entry.Object
	}
	for _, n := range o.Names {
		all = append(all, Seen{Path: n.Path, SHA256: o.SHA256, Size: o.Size, By: n.By})
	}
	return all
}
