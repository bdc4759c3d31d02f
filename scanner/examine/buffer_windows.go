package examine

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

func allocate(n int64) ([]byte, error) {
	addr, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, err
	}
	// addr is memory outside of Go's heap, which does not move; vet cannot know that.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n), nil
}

// release cannot fail for memory that allocate returned.
func release(memory []byte) {
	_ = windows.VirtualFree(uintptr(unsafe.Pointer(unsafe.SliceData(memory))), 0, windows.MEM_RELEASE)
}
