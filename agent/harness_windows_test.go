package agent

import (
	"path/filepath"
	"time"
)

// slowly makes a task so slow that a test can interrupt it. Wine is so slow by itself.
const slowly = ""

// lookEvery is how often a test looks whether something has happened. Looking costs processor time of the agent,
// which runs in the test's process; under Wine so much that a limited scan gets none.
const lookEvery = 250 * time.Millisecond

// controlAddress returns where the agent of a test takes commands.
func controlAddress(dir string) string { return `\\.\pipe\` + filepath.Base(dir) }
