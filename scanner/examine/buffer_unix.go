//go:build unix

package examine

import "golang.org/x/sys/unix"

func allocate(n int64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// release cannot fail for memory that allocate returned.
func release(memory []byte) { _ = unix.Munmap(memory) }
