package scheduler

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"tyto/store"
)

// memory is a store in memory. It can stop working, as a computer does whose power fails.
type memory struct {
	mu    sync.Mutex
	tasks map[string]store.Task
	runs  map[int64]store.Run
	keys  map[string][]byte
	id    int64
	// left is how many writes still succeed; negative is any number. Out is called with the first that does
	// not.
	left int
	out  func()
}

var errPower = errors.New("the power has failed")

func newMemory() *memory {
	return &memory{tasks: map[string]store.Task{}, runs: map[int64]store.Run{}, keys: map[string][]byte{}, left: -1}
}

// fail lets n more writes succeed.
func (m *memory) fail(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = n
}

func (m *memory) write(change func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left == 0 {
		if m.out != nil {
			m.out()
			m.out = nil
		}
		return errPower
	}
	m.left = max(-1, m.left-1)
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
