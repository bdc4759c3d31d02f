package main

import (
	"context"
	"errors"
	"testing"

	"tyto/finding"
	"tyto/report"
)

// A brokenPipe is an output whose reader is gone.
type brokenPipe struct{ report.Sink }

var errBroken = errors.New("broken pipe")

func (brokenPipe) Finding(*finding.Finding) error { return errBroken }

// TestNobodyReads shows that a scan ends when there is no output left, and goes on for a report.
func TestNobodyReads(t *testing.T) {
	for name, files := range map[string][]*reportFile{"standard output only": nil, "a report too": {{}}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			o := &outputs{sink: brokenPipe{}, files: files, unread: cancel}
			o.Finding(&finding.Finding{})
			if ended := errors.Is(context.Cause(ctx), errBroken); ended != (files == nil) {
				t.Errorf("ended %v: %v", ended, context.Cause(ctx))
			}
		})
	}
}
