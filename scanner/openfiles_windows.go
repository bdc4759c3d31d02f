package scanner

import "math"

// mayOpen returns how many files this process may have open at a time: Windows sets no limit that counts.
func mayOpen() int { return math.MaxInt32 }
