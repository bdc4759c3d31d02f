//go:build !linux && !windows

package worker

import "fmt"

func (h *testHandler) handleOS(verb, _ string) error { return fmt.Errorf("unknown verb %q", verb) }

func testEnvironment() []string { return nil }

var deathsOS []struct{ name, request, reason, detail string }

// nullPointer is how the system calls the use of one.
const nullPointer = ""
