package sandboxlink

import (
	"context"
	"fmt"
	"strings"

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
	c := Case{Report: reportOn(&entry, d.Answer.Report)}
	if entry.Level == verdict.Malicious {
		var err error
		if c.IsOwn, err = l.o.Own(ctx, entry.SHA256, entry.Size); err != nil {
			return err
		}
		if c.IsOwn {
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

// reportOn returns a sandbox's report, or an empty one, of the object that was asked about: what it says of the object
// itself is not believed, as this computer has read that.
func reportOn(e *recall.Entry, told *verdict.Report) *verdict.Report {
	r := &verdict.Report{Format: verdict.Format}
	if told != nil {
		*r = *told
	}
	r.Verdict = e.Verdict
	r.Object.SHA256, r.Object.Size, r.Object.MD5, r.Object.SHA1, r.Object.Presumed = e.SHA256, e.Size, "", "", false
	return r
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
