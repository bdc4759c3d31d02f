package scheduler

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// What an idle agent's scheduler costs: with tasks that wait for a time, this happens every ten minutes.
func BenchmarkStep(b *testing.B) {
	s, err := New(context.Background(), Options{Store: newMemory(), Clock: &testClock{begun: time.Now()}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 20 {
		task := Task{ID: fmt.Sprint("task-", i), Scope: Scope{Areas: []Area{Critical}},
			When: When{Schedule: []string{"30 2 * * 6", "@monthly"}, TimeZone: "Europe/Berlin"}, While: While{Idle: true, Hours: "20:00-07:00"}}
		if err := s.Add(context.Background(), task, FromUser); err != nil {
			b.Fatal(err)
		}
	}
	s.Ready()
	for b.Loop() {
		s.step()
	}
}
