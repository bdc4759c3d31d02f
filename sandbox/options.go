package sandbox

import (
	"context"
	"log/slog"
	"time"
)

// Options say what a [Sandbox] works with.
type Options struct {
	// Dir is the folder for samples, tasks and results. It is made if it is missing; it must be one that nobody
	// else can look into, and only one sandbox may use it at a time: both are for the caller to see to.
	Dir string
	// Engines look at each sample, one after the other in this order. At least one.
	Engines []Engine
	// Product is what the server calls itself in verdicts: "Tyto 0.4". It is part of the database version.
	Product string
	// Identify tells the type of a file's content ([Sample.Type]). It must not parse it in this process. Nil
	// leaves types empty.
	Identify func(ctx context.Context, path string) (string, error)
	// Limits bound everything; the zero value has the defaults.
	Limits Limits
	// Notes are lines for the status page: the certificate's pin, what confines the engines.
	Notes func() []string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log takes what an operator should know; nil discards it.
	Log *slog.Logger
}
