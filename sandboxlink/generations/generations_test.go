package generations

import "testing"

// However many come, memory is bounded, and what is in use stays.
func TestMap(t *testing.T) {
	g := New[int, int](100)
	g.Put(-1, 1)
	for i := range 10_000 {
		g.Put(i, i)
		if i%50 == 0 {
			if _, ok := g.Get(-1); !ok {
				t.Fatalf("what is asked for was forgotten after %d others", i)
			}
		}
		if len(g.young)+len(g.old) > 200 {
			t.Fatalf("%d entries are kept", len(g.young)+len(g.old))
		}
	}
	if _, ok := g.Get(10); ok {
		t.Error("the oldest are still there")
	}
	g.Clear()
	if _, ok := g.Get(9_999); ok {
		t.Error("not empty after clear")
	}
}
