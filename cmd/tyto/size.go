package main

import "tyto/agent/policy"

// byteSize is a flag value: a number of bytes such as "100MiB", "2G" or "4096", as in a policy.
type byteSize int64

// Set parses a size; see [policy.ParseSize].
func (b *byteSize) Set(text string) error {
	size, err := policy.ParseSize(text)
	if err == nil {
		*b = byteSize(size)
	}
	return err
}

// String writes the size in the largest unit that divides it.
func (b *byteSize) String() string { return policy.Size(*b).String() }

// Type names the value in the help text.
func (b *byteSize) Type() string { return "SIZE" }
