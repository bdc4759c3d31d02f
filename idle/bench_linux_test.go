package idle

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"tyto/idle/idletest"
)

// BenchmarkUnlock measures from the moment when a desktop tells logind that its screen is unlocked to
// Options.Changed, through a real bus. (It includes the desktop's own call.)
func BenchmarkUnlock(b *testing.B) {
	system := idletest.SystemBus(b)
	logind := idletest.MockLogind(b, system)
	logind.AddSession(b, "1", 1000, "ann")
	told := make(chan Presence, 16)
	startMonitor(b, Options{
		Providers: []Provider{desktopOf(system, Options{})},
		Changed:   func(s State) { told <- s.Presence },
	})
	await := func(p Presence) {
		for <-told != p {
		}
	}
	await(Active)
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		logind.SetLocked(b, "1", true)
		await(Idle)
		time.Sleep(250 * time.Millisecond) // signals may not come faster in the long run: see bus.Conn.Wait
		b.StartTimer()
		began := time.Now()
		logind.SetLocked(b, "1", false)
		await(Active)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkWatching measures the processor time of a monitor while nothing happens: one locked desktop
// with a screensaver, and input watched on its display, for one second each.
func BenchmarkWatching(b *testing.B) {
	system := idletest.SystemBus(b)
	logind := idletest.MockLogind(b, system)
	display, session := desktopFor(b, logind)
	saver := idletest.MateScreensaver(b, display, session)
	saver.Activate()
	o := Options{Input: time.Second, Settle: -1}
	o.Providers = []Provider{desktopOf(system, o)}
	m := startMonitor(b, o)
	idletest.Until(b, "it is idle", func() bool { return m.State().Presence == Idle })
	time.Sleep(2 * time.Second) // the searches at the start are over
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		time.Sleep(time.Second)
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(used)/1000/b.Elapsed().Seconds(), "cpu-µs/s")
}

func startMonitor(b *testing.B, o Options) *Monitor {
	o.Settle = -1
	m := New(o)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	b.Cleanup(func() { stop(); <-done })
	return m
}
