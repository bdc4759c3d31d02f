package scheduler

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"tyto/store"
)

// memory is a store in memory.
type memory struct {
	mu    sync.Mutex
	tasks map[string]store.Task
	runs  map[int64]store.Run
	keys  map[string][]byte
	id    int64
}

func newMemory() *memory {
	return &memory{tasks: map[string]store.Task{}, runs: map[int64]store.Run{}, keys: map[string][]byte{}}
}

func (m *memory) write(change func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return change()
}

func (m *memory) Tasks(context.Context) ([]store.Task, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []store.Task
	for _, t := range m.tasks {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b store.Task) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

func (m *memory) PutTask(_ context.Context, t store.Task) error {
	return m.write(func() error { m.tasks[t.ID] = t; return nil })
}

func (m *memory) DeleteTask(_ context.Context, id string) error {
	return m.write(func() error {
		if _, ok := m.tasks[id]; !ok {
			return store.ErrNotFound
		}
		delete(m.tasks, id)
		return nil
	})
}

func (m *memory) AddRun(_ context.Context, r store.Run) (id int64, err error) {
	err = m.write(func() error {
		m.id++
		id, r.ID = m.id, m.id
		m.runs[r.ID] = r
		return nil
	})
	return id, err
}

func (m *memory) UpdateRun(_ context.Context, r store.Run) error {
	return m.write(func() error {
		if _, ok := m.runs[r.ID]; !ok {
			return store.ErrNotFound
		}
		m.runs[r.ID] = r
		return nil
	})
}

func (m *memory) Runs(_ context.Context, f store.RunFilter) ([]store.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []store.Run
	for id := m.id; id > 0; id-- {
		r, ok := m.runs[id]
		if ok && (f.Task == "" || f.Task == r.Task) && (f.States == nil || slices.Contains(f.States, r.State)) && (f.Limit == 0 || len(list) < f.Limit) {
			list = append(list, r)
		}
	}
	return list, nil
}

func (m *memory) DeleteRun(_ context.Context, id int64) error {
	return m.write(func() error { delete(m.runs, id); return nil })
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.keys[key]
	if !ok {
		return nil, store.ErrNotFound
	}
	return value, nil
}

func (m *memory) Set(_ context.Context, key string, value []byte) error {
	return m.write(func() error {
		m.keys[key] = slices.Clone(value)
		if value == nil {
			delete(m.keys, key)
		}
		return nil
	})
}

// plug is between a store and its power: after some more writes it may be pulled.
type plug struct {
	Store
	mu   sync.Mutex
	left int    // writes that still succeed; negative is any number
	out  func() // called with the first that does not
}

var errPower = errors.New("the power has failed")

// fail lets n more writes succeed; negative lets all.
func (p *plug) fail(n int, out func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.out = n, out
}

func (p *plug) write(do func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		if p.out != nil {
			p.out()
			p.out = nil
		}
		return errPower
	}
	p.left = max(-1, p.left-1)
	return do()
}

func (p *plug) PutTask(ctx context.Context, t store.Task) error {
	return p.write(func() error { return p.Store.PutTask(ctx, t) })
}

func (p *plug) DeleteTask(ctx context.Context, id string) error {
	return p.write(func() error { return p.Store.DeleteTask(ctx, id) })
}

func (p *plug) AddRun(ctx context.Context, r store.Run) (id int64, err error) {
	err = p.write(func() error { id, err = p.Store.AddRun(ctx, r); return err })
	return id, err
}

func (p *plug) UpdateRun(ctx context.Context, r store.Run) error {
	return p.write(func() error { return p.Store.UpdateRun(ctx, r) })
}

func (p *plug) DeleteRun(ctx context.Context, id int64) error {
	return p.write(func() error { return p.Store.DeleteRun(ctx, id) })
}

func (p *plug) Set(ctx context.Context, key string, value []byte) error {
	return p.write(func() error { return p.Store.Set(ctx, key, value) })
}
