package archive

import (
	"context"
	"fmt"
)

// Limits bound what one outer object (a file on disk) may cost, everything in it at any depth
// counted together. Each limit that bites is reported with reason ArchiveLimit. A zero field
// takes its default, a negative one means no limit.
type Limits struct {
	// Depth is how many archives may be inside each other, the outer one included.
	// Default 8.
	Depth int
	// Entries is the number of members. Default 10,000.
	Entries int
	// Bytes is the number of bytes unpacked in total, those of intermediate archives and those
	// decoded only to get past a member included. Default 1 GiB.
	Bytes int64
	// MemberBytes is how much of one member is given. Default 64 MiB.
	MemberBytes int64
	// Ratio is how many times the size of the outer object may be unpacked. It is not looked
	// at before 16 MiB came out, because little files compress well. Default 200.
	Ratio int64
	// NameLength is where names of members are cut, in bytes. Default 4,096.
	NameLength int
	// Memory bounds what a single decoder or directory may ask for: dictionaries, windows,
	// models, headers. It is a bound on one of them; a walk needs about three times as much at
	// its worst, until the garbage collector runs. Default 64 MiB, enough for xz -9 and 7z's
	// and rar's usual dictionaries; zstd --ultra -22 needs 128 MiB.
	Memory int64
}

// ratioFrom is the number of unpacked bytes below which Limits.Ratio does not matter.
const ratioFrom = 16 << 20

// allocations is how many times Limits.Memory may be allocated in sum for one outer object:
// thousands of tiny streams that each declare a huge dictionary would cost hours of clearing
// memory although they unpack to nothing.
const allocations = 64

const unlimited = 1 << 62

// withDefaults fills in the fields that are zero or negative.
func (l Limits) withDefaults() Limits {
	l.Depth = orDefault(l.Depth, 8, 1<<30)
	l.Entries = orDefault(l.Entries, 10_000, 1<<30)
	l.Bytes = orDefault(l.Bytes, 1<<30, unlimited)
	l.MemberBytes = orDefault(l.MemberBytes, 64<<20, unlimited)
	l.Ratio = orDefault(l.Ratio, 200, 1<<20)
	l.NameLength = orDefault(l.NameLength, 4096, 1<<30)
	l.Memory = orDefault(l.Memory, 64<<20, 1<<40)
	return l
}

// DefaultLimits returns the limits that suit most scans.
func DefaultLimits() Limits { return Limits{}.withDefaults() }

func orDefault[T int | int64](v, standard, highest T) T {
	switch {
	case v == 0:
		return standard
	case v < 0 || v > highest:
		return highest
	}
	return v
}

// Budget is what is left of the [Limits] for one outer object. All walks of that object share
// it: the outermost one takes the budget itself, the walk of an archive found inside takes
// [Budget.Nested]. It is not safe for concurrent use.
type Budget struct {
	*spent
	depth int
}

// spent is shared by all depths.
type spent struct {
	ctx      context.Context
	limits   Limits
	packed   int64 // size of the outer object
	unpacked int64
	entries  int
	memory   int64 // allocated in sum
	err      error // sticky: the limit that ended the walk of the whole object
}

// NewBudget returns the budget for one outer object of that size. When ctx ends, reads fail.
func NewBudget(ctx context.Context, limits Limits, size int64) *Budget {
	return &Budget{spent: &spent{ctx: ctx, limits: limits.withDefaults(), packed: max(size, 1)}, depth: 1}
}

// Nested returns the same budget for an archive found one step inward.
func (b *Budget) Nested() *Budget { return &Budget{spent: b.spent, depth: b.depth + 1} }

// enter is asked once at the start of each walk.
func (b *Budget) enter() error {
	if b.err == nil && b.depth > b.limits.Depth {
		return overLimit("more than %d archives inside each other", b.limits.Depth)
	}
	return b.err
}

// entry counts a member.
func (b *Budget) entry() error {
	b.entries++
	if b.err == nil && b.entries > b.limits.Entries {
		b.err = overLimit("more than %d members; the rest was not examined", b.limits.Entries)
	}
	return b.alive()
}

// charge counts n unpacked bytes.
func (b *Budget) charge(n int64) error {
	b.unpacked += n
	switch {
	case b.err != nil:
	case b.unpacked > b.limits.Bytes:
		b.err = overLimit("more than %s unpacked; the rest was not examined", bytesText(b.limits.Bytes))
	case b.unpacked > ratioFrom && b.unpacked/b.packed >= b.limits.Ratio:
		b.err = overLimit("unpacks to more than %d times its size; the rest was not examined", b.limits.Ratio)
	}
	return b.alive()
}

// reserve is asked before a decoder allocates n bytes.
func (b *Budget) reserve(n int64) error {
	if n < 0 || n > b.limits.Memory {
		return overLimit("it needs a dictionary or directory of %s, allowed are %s", bytesText(n), bytesText(b.limits.Memory))
	}
	b.memory += n
	if b.err == nil && b.memory/allocations > b.limits.Memory {
		b.err = overLimit("too many large dictionaries; the rest was not examined")
	}
	return b.alive()
}

// alive returns why the walk of the whole object has to end, if so.
func (b *Budget) alive() error {
	if b.err == nil {
		b.err = b.ctx.Err()
	}
	return b.err
}

func bytesText(n int64) string {
	switch {
	case n < 0:
		return "an impossible number of bytes"
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
