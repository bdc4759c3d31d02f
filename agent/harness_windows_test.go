package agent

import "path/filepath"

// controlAddress returns where the agent of a test takes commands.
func controlAddress(dir string) string { return `\\.\pipe\` + filepath.Base(dir) }
