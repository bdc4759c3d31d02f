package submit

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Five uploads together keep to one bandwidth: 1 MB at 100 kB/s take ten seconds.
func TestBandwidthIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pace{rate: 100_000}
		begin := time.Now()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if n, err := io.Copy(io.Discard, p.reader(t.Context(), strings.NewReader(strings.Repeat("x", 200_000)))); n != 200_000 || err != nil {
					t.Errorf("read %d bytes, %v", n, err)
				}
			})
		}
		all.Wait()
		if took := time.Since(begin); took < 9800*time.Millisecond || took > 10*time.Second {
			t.Errorf("took %v; want 10 s", took)
		}
	})
}

func TestBandwidthEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p := &pace{rate: 1000}
		n, err := io.Copy(io.Discard, p.reader(ctx, strings.NewReader(strings.Repeat("x", 100_000))))
		if !errors.Is(err, context.DeadlineExceeded) || n > 2000 {
			t.Errorf("read %d bytes, %v", n, err)
		}
	})
}

func TestNoBandwidthNoWrapping(t *testing.T) {
	r := strings.NewReader("x")
	if got := (&pace{}).reader(t.Context(), r); got != io.Reader(r) {
		t.Error("a reader without limit was wrapped")
	}
}
