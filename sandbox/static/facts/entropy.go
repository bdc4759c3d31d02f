package facts

import "math"

// entropy returns the bits of information per byte, 0 to 8. Machine code has about 6, compressed and encrypted
// data nearly 8.
func entropy(data []byte) float64 {
	if len(data) == 0 {
		return 0
	}
	var counts [256]int
	for _, b := range data {
		counts[b]++
	}
	bits, total := 0.0, float64(len(data))
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / total
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

const (
	// packedFrom is the entropy from which code is packed: compilers' output stays below 7.
	packedFrom = 7.2
	// packedSize is the smallest piece of code for which entropy says something, in bytes.
	packedSize = 4 << 10
)
