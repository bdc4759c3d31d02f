package examine

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rwfDontCache asks preadv2 to drop the pages that this very read brought in, and no others
// (Linux 6.14, include/uapi/linux/fs.h).
const rwfDontCache = 0x80

// politeness reads files so that the page cache afterwards holds what it held before. Scanning a
// disk the plain way replaces what the computer's user works with by what the scanner saw once.
//
// Where the kernel and the file system know RWF_DONTCACHE, that is all there is to it. Elsewhere a
// block is dropped with POSIX_FADV_DONTNEED after it was read, but only if cachestat(2) (Linux
// 6.5) said that nothing of it was cached before: DONTNEED evicts hot pages too. Kernels that have
// neither are left to their own replacement.
type politeness struct {
	noDontCache bool
	noCacheStat bool
}

// dropBlock is the size of the pieces that are dropped one by one on older kernels.
const dropBlock = 8 << 20

func newPoliteness() *politeness { return &politeness{} }

func (p *politeness) readAt(f *os.File, b []byte, off int64) (int, error) {
	fd := int(f.Fd())
	if !p.noDontCache {
		for {
			n, err := unix.Preadv2(fd, [][]byte{b}, off, rwfDontCache)
			switch {
			case err == nil:
				return n, nil
			case errors.Is(err, unix.EINTR):
				continue
			case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
				// This file system does not know the flag; the next one may.
			case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
				p.noDontCache = true
			default:
				return 0, &os.PathError{Op: "read", Path: f.Name(), Err: err}
			}
			break
		}
	}
	if len(b) > dropBlock {
		b = b[:dropBlock]
	}
	cold := p.cold(fd, off, int64(len(b)))
	for {
		n, err := unix.Pread(fd, b, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, &os.PathError{Op: "read", Path: f.Name(), Err: err}
		}
		if cold && n > 0 {
			// Failing to drop costs memory that the kernel reclaims anyway.
			_ = unix.Fadvise(fd, off, int64(n), unix.FADV_DONTNEED)
		}
		return n, nil
	}
}

// cold reports whether it is known that no page of the range is in the page cache.
func (p *politeness) cold(fd int, off, length int64) bool {
	if p.noCacheStat {
		return false
	}
	what := struct{ off, length uint64 }{uint64(off), uint64(length)}
	var stat struct{ cache, dirty, writeback, evicted, recentlyEvicted uint64 }
	_, _, errno := unix.Syscall6(unix.SYS_CACHESTAT, uintptr(fd),
		uintptr(unsafe.Pointer(&what)), uintptr(unsafe.Pointer(&stat)), 0, 0, 0)
	if errno != 0 {
		p.noCacheStat = errno == unix.ENOSYS || errno == unix.EPERM
		return false
	}
	return stat.cache == 0
}
