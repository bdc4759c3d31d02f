package policy

import "tyto/finding/size"

// Size is a number of bytes, written as "100MiB", "2G" or "4096".
type Size = size.Size

// ParseSize reads what [size.Parse] does.
func ParseSize(text string) (Size, error) { return size.Parse(text) }
