//go:build !cgo

package hog

// C stands for the C heap in builds without C.
func C() { Go() }
