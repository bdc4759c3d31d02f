package place

import (
	"errors"
	"testing"
)

func TestHold(t *testing.T) {
	dir := t.TempDir()
	release, err := Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Hold(dir); !errors.Is(err, ErrHeld) {
		t.Errorf("the second agent: %v, want %v", err, ErrHeld)
	}
	release()
	release, err = Hold(dir)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	release()
}
