package worker

import (
	"fmt"
)

// handleOS does what needs Windows.
func (h *testHandler) handleOS(verb, _ string) error {
	return fmt.Errorf("unknown verb %q", verb)
}

// testEnvironment is what the test binary needs as a worker.
func testEnvironment() []string { return nil }

// deathsOS are further rows of TestDeaths.
var deathsOS []struct{ name, request, reason, detail string }

// nullPointer is how the system calls the use of one.
const nullPointer = "exception: access violation"
