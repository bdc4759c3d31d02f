//go:build !windows

package decide_test

func underWine() bool { return false }
