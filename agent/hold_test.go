package agent

import (
	"errors"
	"path/filepath"
	"testing"

	"tyto/agent/place"
)

func TestOneAgentForADataFolder(t *testing.T) {
	m := newMachine(t)
	m.policy("")
	m.start()
	second := Options{Places: place.Places{
		Policy: filepath.Join(m.dir, "policy.yaml"), Data: filepath.Join(m.dir, "data"), Control: m.address + "2",
	}}
	if err := Run(t.Context(), second); !errors.Is(err, place.ErrHeld) {
		t.Errorf("the second agent: %v, want %v", err, place.ErrHeld)
	}
	m.halt()
	m.start() // the folder is free again
}
