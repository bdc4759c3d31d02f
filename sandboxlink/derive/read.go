package derive

import (
	"errors"
	"fmt"

	"tyto/verdict"
	"tyto/verdict/cuckoo"
)

// ReadReport reads a report of Tyto's own form, of Cuckoo, or of CAPE, told by its content.
func ReadReport(data []byte) (*verdict.Report, error) {
	r, err := verdict.Parse(data)
	if err == nil || errors.Is(err, verdict.ErrFormat) {
		return r, err
	}
	foreign, foreignErr := cuckoo.Parse(data)
	switch {
	case foreignErr == nil:
		return foreign, nil
	case errors.Is(foreignErr, cuckoo.ErrNoReport):
		// It is JSON: of the two reasons, that of our own form tells more.
		return nil, fmt.Errorf("%w; and %w", err, foreignErr)
	}
	return nil, foreignErr
}
