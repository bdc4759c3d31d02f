package scanner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"tyto/finding"
	"tyto/scanner/examine"
	"tyto/scanner/walk"
	"tyto/scanner/worker"
	"tyto/store"
)

// examination is one file on its way through the scan: what is told of it is also noted for the inventory.
type examination struct {
	*Scan
	object finding.Object
	opened time.Time // before its first byte was read
	// record is what the inventory will know of the file; nil without an inventory.
	record *store.FileRecord
	// keeps is false if the inventory must not know the file, and is only told what was found.
	keeps bool
	// answers are those of the worker, as they came: decoded they take more memory.
	answers [][]byte
}

// visit takes one file from the walk: it decides what has to be done with it, opens it and hands it
// to a worker. It blocks while the workers have enough to do.
func (s *Scan) visit(ctx context.Context, e *walk.Entry) error {
	if err := s.gate.Wait(ctx); err != nil {
		return err
	}
	s.tally.starting(e.Object.Path)
	if e.SeenBefore {
		// The content has been examined under another name; this name has not.
		x := s.examination(&e.Object, false)
		x.match(nil)
		x.note()
		return nil
	}
	if s.recall(&e.Object) {
		return nil
	}
	x := s.examination(&e.Object, true)
	if s.opts.MaxSize > 0 && e.Object.Size > s.opts.MaxSize {
		x.skip(finding.Skip{Path: x.object.Path, Reason: finding.TooLarge,
			Detail: fmt.Sprintf("%d bytes, --max-size is %d", x.object.Size, s.opts.MaxSize)})
		x.match(nil)
		x.remember()
		return nil
	}
	f, err := e.Open()
	if err != nil {
		x.skip(finding.Skip{Path: x.object.Path, Reason: walk.Reason(err), Detail: err.Error()})
		x.match(nil)
		x.note()
		return nil
	}
	x.object = e.Object // as it was opened
	return x.submit(ctx, f)
}

// examination begins the examination of an object. The inventory will know it if that is wanted, and the
// object is one that it may know.
func (s *Scan) examination(o *finding.Object, wanted bool) *examination {
	x := &examination{Scan: s, object: *o}
	if s.opts.Inventory != nil {
		x.opened = s.now()
		x.record = &store.FileRecord{}
		x.keeps = wanted && s.keeps(o)
	}
	return x
}

// submit hands an open file to a worker; what comes back is matched on the pool's goroutines.
func (x *examination) submit(ctx context.Context, f *os.File) error {
	request, err := json.Marshal(requestFor(&x.object))
	if err != nil {
		return fmt.Errorf("describe %q: %w", x.object.Path, err)
	}
	err = x.workers.Submit(ctx, &worker.Job{
		File:     f,
		Request:  request,
		Size:     x.object.Size,
		Response: func(line []byte) { x.answers = append(x.answers, bytes.Clone(line)) },
		Restart:  func() { x.answers = nil },
		Done:     func(err error) { x.done(ctx, err) },
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	x.match(nil)
	x.skip(finding.Skip{Path: x.object.Path, Reason: finding.Stopped, Detail: err.Error()})
	x.note()
	return err
}

// done takes what a worker said of the file and its members, or why it could not.
func (x *examination) done(ctx context.Context, err error) {
	members := 0
	var outer *examine.Facts
	for _, line := range x.answers {
		// An archive has thousands of members. A scan that ends goes through a closed gate.
		_ = x.gate.Wait(ctx)
		facts, bad := x.matcher.decode(line)
		if bad == nil && outer != nil {
			bad = errors.New("it goes on behind its end") // the object's own facts come last
		}
		if bad != nil {
			// The worker is not trusted; from what it does not say properly on, nothing was said.
			x.skip(finding.Skip{Path: x.object.Path, Reason: finding.ScanError,
				Detail: fmt.Sprintf("the worker's answer cannot be used: %v", bad)})
			break
		}
		x.match(facts)
		if facts.Member != nil {
			members++
		} else {
			outer = facts
		}
		for _, skip := range facts.Skips {
			x.skip(finding.Skip{Path: memberPath(x.object.Path, skip.Member), Reason: skip.Reason, Detail: skip.Detail})
		}
	}
	if outer == nil {
		x.match(nil)
	}
	switch {
	case err == nil && outer == nil:
		err = errors.New("the worker said nothing of it")
	case err == nil:
		x.examined(outer, members)
		return
	}
	lost := &worker.LostError{Reason: finding.ScanError, Detail: err.Error()}
	errors.As(err, &lost)
	x.skip(finding.Skip{Path: x.object.Path, Reason: lost.Reason, Detail: lost.Detail})
	x.note()
}

// examined ends the examination of a file whose content was examined.
func (x *examination) examined(outer *examine.Facts, members int) {
	x.tally.file(members, x.object.Size)
	x.object = withFacts(x.object, outer)
	if x.record != nil {
		x.record.Members = members
	}
	x.remember()
	if x.opts.Examined != nil {
		x.opts.Examined(&x.object)
	}
}

// match holds the object, or a member of it, against indicators and rules; facts is nil if its content
// was not examined.
func (x *examination) match(facts *examine.Facts) {
	o := x.object
	if facts != nil {
		o = withFacts(o, facts)
	}
	v := x.matcher.match(&o, facts)
	x.noteVerdict(&v)
	switch {
	case v.trusted:
		x.tally.trust()
	case v.finding != nil:
		x.tell(v.finding)
	}
}

// skip tells that something of the file was not examined.
func (x *examination) skip(k finding.Skip) {
	if x.record != nil {
		x.record.Skips = append(x.record.Skips, k)
	}
	x.Scan.skip(k)
}

// noteVerdict notes for the inventory what was found.
func (x *examination) noteVerdict(v *verdict) {
	if x.record == nil {
		return
	}
	for _, i := range v.undecided {
		x.record.Undecided = append(x.record.Undecided, x.matcher.numbers[i])
	}
	switch {
	case v.trusted:
		x.record.Trusted++
	case v.finding == nil:
	case v.finding.Level == finding.None:
		x.record.Below++
	default:
		x.record.Findings = append(x.record.Findings, *v.finding)
	}
}

// remember gives the inventory what was found out, if the file would be examined to the same end again.
func (x *examination) remember() {
	if x.record == nil {
		return
	}
	if !x.keeps || slices.ContainsFunc(x.record.Skips, func(k finding.Skip) bool { return !settled[k.Reason] }) {
		x.note()
		return
	}
	x.record.Object, x.record.Examined = x.object, x.opened
	x.opts.Inventory.Remember(x.record)
}

// note tells the inventory what was found of an object that it must not know.
func (x *examination) note() {
	if x.record != nil {
		x.opts.Inventory.Note(x.record.Findings, x.record.Skips)
	}
}
