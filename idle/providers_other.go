//go:build !linux && !windows

package idle

// Providers returns what this platform has to watch: nothing yet, so that it always counts as active.
func Providers(Options) []Provider { return nil }
