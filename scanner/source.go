package scanner

import (
	"context"

	"tyto/finding"
	"tyto/scanner/walk"
)

// A Source yields objects that are to be examined. The walk through directories is one; package
// critical is another.
type Source interface {
	// Walk calls visit for each object and skip for whatever it leaves out, neither of them
	// concurrently, as [walk.Walk] does. It returns the first error of visit as it is, or the
	// context's when that is done; what cannot be read is a skip.
	Walk(ctx context.Context, visit func(*walk.Entry) error, skip func(finding.Skip)) error
}

// maxMet is how many files of the sources are remembered, so that the walk does not examine them once
// more. They take some 200 bytes each.
const maxMet = 100_000

// met is a file that a source yielded.
type met struct {
	path    string
	changed int64 // the inode's change time; another one means other content
}

// objects visits what the sources yield, and then the files of the walk.
func (s *Scan) objects(ctx context.Context) error {
	files := map[walk.FileID]met{}
	for _, source := range s.opts.Sources {
		err := source.Walk(ctx, func(e *walk.Entry) error {
			if len(files) < maxMet {
				files[e.ID()] = met{e.Object.Path, e.Object.Changed.UnixNano()}
			}
			return s.visit(ctx, e)
		}, s.leave)
		if err != nil {
			return err
		}
	}
	if len(s.opts.Walk.Roots) == 0 && len(s.opts.Sources) > 0 {
		return nil
	}
	return walk.Walk(ctx, s.opts.Walk, func(e *walk.Entry) error {
		// The same file under the same path is the same object, and was counted.
		if m, ok := files[e.ID()]; ok && m == (met{e.Object.Path, e.Object.Changed.UnixNano()}) {
			return nil
		}
		return s.visit(ctx, e)
	}, s.leave)
}
