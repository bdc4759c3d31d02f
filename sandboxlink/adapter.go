package sandboxlink

import (
	"context"
	"errors"
	"io"
	"strings"

	"tyto/sandboxlink/queue"
	"tyto/sandboxlink/submit"
)

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
