package sandboxlink

import (
	"fmt"

	"tyto/sandboxlink/intercept"
)

// Memory returns what the interception asks while somebody waits: what is known to be malicious, and that
// nobody has vouched for.
func (l *Link) Memory() intercept.Memory { return memory{l} }

type memory struct{ link *Link }

// MaliciousSize implements [intercept.Memory].
func (m memory) MaliciousSize(size int64) bool { return m.link.o.Recall.MaliciousSize(size) }

// Malicious implements [intercept.Memory].
func (m memory) Malicious(sum [32]byte) bool {
	return m.link.o.Recall.Malicious(sum) && !m.link.o.Trusted(fmt.Sprintf("%x", sum))
}
