package events

import "testing"

// Wine takes events without keeping them, so this shows only that the calls are right.
func TestEventLog(t *testing.T) {
	sink, kind, err := NewSystemLog("auto")
	if err != nil || kind != eventLog {
		t.Fatalf("auto is %q, %v", kind, err)
	}
	for _, level := range []Level{Info, Warning, Error} {
		if err := sink.Write(Event{ID: RunStarted, Level: level, Message: "a test", Data: Data{"a": "b"}}); err != nil {
			t.Error(err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Error(err)
	}
	for id, want := range map[ID]uint32{RunStarted: 303, "TY-1001": 1, "x": 1, "": 1} {
		if got := id.number(); got != want {
			t.Errorf("the number of %q is %d, want %d", id, got, want)
		}
	}
}
