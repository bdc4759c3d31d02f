package examine

import "fmt"

// retained is the capacity that a buffer keeps from one object to the next. Larger memory is given
// back to the system at once: most files are small, and the few large ones must not make every
// worker large for the rest of the scan.
const retained = 4 << 20

// A buffer holds the content of one object. Its memory comes from the system and not from Go's
// heap, where 100 MiB once used would count until some later garbage collection.
type buffer struct {
	memory []byte // as allocated
	data   []byte // the part in use
}

// grow makes room for n bytes in all and returns the memory; what was in data is kept.
func (b *buffer) grow(n int64) error {
	if int64(len(b.memory)) >= n {
		return nil
	}
	size := max(n, 2*int64(len(b.data)), 64<<10)
	memory, err := allocate(size)
	if err != nil {
		return fmt.Errorf("hold %d bytes of content: %w", size, err)
	}
	used := copy(memory, b.data)
	b.free()
	b.memory, b.data = memory, memory[:used]
	return nil
}

// reset empties the buffer and gives much memory back.
func (b *buffer) reset() {
	if len(b.memory) > retained {
		b.free()
		return
	}
	b.data = b.memory[:0]
}

func (b *buffer) free() {
	if b.memory != nil {
		release(b.memory)
	}
	b.memory, b.data = nil, nil
}
