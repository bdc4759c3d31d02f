package submit

import (
	"context"
	"io"
	"sync"
	"time"
)

// pace is a token bucket that all uploads draw from, so that together they keep to a bandwidth.
type pace struct {
	rate int64 // bytes per second; 0 is no limit

	mu   sync.Mutex
	free time.Time // when all that was drawn will have been earned
}

// chunk is how much is drawn at once: a twentieth of a second's worth, so that uploads share smoothly and
// none waits long in one read.
func (p *pace) chunk() int { return int(min(max(p.rate/20, 512), 64<<10)) }

// draw waits until n bytes may be sent.
func (p *pace) draw(ctx context.Context, n int) error {
	p.mu.Lock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	wait := p.free.Sub(now)
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	p.mu.Unlock()
	return sleep(ctx, wait)
}

// reader returns r, slowed to the pace.
func (p *pace) reader(ctx context.Context, r io.Reader) io.Reader {
	if p.rate <= 0 {
		return r
	}
	return &pacedReader{ctx: ctx, pace: p, r: r}
}

type pacedReader struct {
	ctx  context.Context
	pace *pace
	r    io.Reader
}

func (p *pacedReader) Read(b []byte) (int, error) {
	b = b[:min(len(b), p.pace.chunk())]
	n, err := p.r.Read(b)
	if n > 0 {
		if late := p.pace.draw(p.ctx, n); late != nil {
			return n, late
		}
	}
	return n, err
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
