package intercept

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// question is an access that waits for the sum of its content.
type question struct {
	identity Identity
	exec     bool
	content  io.ReaderAt
	// answer is called once, from whichever goroutine knows it. The content may be closed from then on.
	answer func(sum [32]byte, err error)
}

// errStopped is the answer to questions that are left when interception ends.
var errStopped = errors.New("interception has ended")

// pool hashes contents on goroutines of its own. Files about to be executed go first; the same file is read once for
// all who wait for it.
type pool struct {
	exec, open chan Identity // each identity is in jobs until somebody has worked on it
	hashed     atomic.Uint64

	mu   sync.Mutex
	jobs map[Identity]*job
}

type job struct {
	questions []question
	running   bool
	urgent    bool // in the lane for exec
}

// newPool makes a pool in which at most limit different files wait in each lane.
func newPool(limit int) *pool {
	return &pool{
		exec: make(chan Identity, limit),
		open: make(chan Identity, limit),
		jobs: map[Identity]*job{},
	}
}

// ask takes a question if there is place, and never waits.
func (p *pool) ask(q question) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := p.jobs[q.identity]
	fresh := j == nil
	if fresh {
		j = &job{}
	}
	lane, enter := p.open, fresh
	if q.exec {
		lane, enter = p.exec, !j.urgent && !j.running
	}
	if enter {
		select {
		case lane <- q.identity:
			j.urgent = q.exec
		default:
			if fresh {
				return false
			} // else it waits in the slower lane
		}
	}
	j.questions = append(j.questions, q)
	p.jobs[q.identity] = j
	return true
}

// run works on n goroutines until ctx ends, and then answers what is left with an error.
func (p *pool) run(ctx context.Context, n int) {
	var done sync.WaitGroup
	for range n {
		done.Go(func() {
			for {
				id, ok := p.next(ctx)
				if !ok {
					return
				}
				p.work(ctx, id)
			}
		})
	}
	done.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, j := range p.jobs {
		for _, q := range j.questions {
			q.answer([32]byte{}, errStopped)
		}
	}
	clear(p.jobs)
}

func (p *pool) next(ctx context.Context) (Identity, bool) {
	if ctx.Err() != nil {
		return Identity{}, false
	}
	select {
	case id := <-p.exec:
		return id, true
	default:
	}
	select {
	case id := <-p.exec:
		return id, true
	case id := <-p.open:
		return id, true
	case <-ctx.Done():
		return Identity{}, false
	}
}

func (p *pool) work(ctx context.Context, id Identity) {
	p.mu.Lock()
	j := p.jobs[id]
	if j == nil || j.running { // it was in both lanes
		p.mu.Unlock()
		return
	}
	j.running = true
	content := j.questions[0].content
	p.mu.Unlock()

	p.hashed.Add(1)
	sum, err := hashContent(ctx, content, id.Size)

	p.mu.Lock()
	delete(p.jobs, id)
	p.mu.Unlock()
	for _, q := range j.questions {
		q.answer(sum, err)
	}
}

// hashChunk is how much is read at a time, and after how much it is seen that ctx has ended.
const hashChunk = 256 << 10

var errTruncated = errors.New("the file is shorter than it was")

// hashContent hashes the first size bytes, which is all there are, if the file has not grown. It is no matter if
// it has: then it has another identity.
func hashContent(ctx context.Context, content io.ReaderAt, size int64) (sum [32]byte, err error) {
	hash := sha256.New()
	buf := make([]byte, min(hashChunk, max(size, 1)))
	for at := int64(0); at < size; {
		if ctx.Err() != nil {
			return sum, errStopped
		}
		n, err := content.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		hash.Write(buf[:n])
		at += int64(n)
		switch {
		case at == size:
		case err == io.EOF:
			return sum, errTruncated
		case err != nil:
			return sum, fmt.Errorf("reading the content: %w", err)
		}
	}
	hash.Sum(sum[:0])
	return sum, nil
}
