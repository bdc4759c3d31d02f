// Package hog takes memory until there is none left. It serves tests of the limits of workers.
package hog

// grain is what is taken at a time, in bytes.
const grain = 1 << 20

// Go takes memory from Go's heap and keeps it. It does not return.
func Go() {
	var kept [][]byte
	for {
		b := make([]byte, grain)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
		_ = kept
	}
}
