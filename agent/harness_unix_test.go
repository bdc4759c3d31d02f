//go:build unix

package agent

import (
	"path/filepath"
	"time"
)

// lookEvery is how often a test looks whether something has happened.
const lookEvery = 10 * time.Millisecond

// controlAddress returns where the agent of a test takes commands.
func controlAddress(dir string) string { return filepath.Join(dir, "agent.sock") }

// slowly makes a task so slow that a test can interrupt it.
const slowly = ", cpu_limit: 40"
