//go:build !linux || !amd64

package jail

import (
	"context"
	"io"

	"tyto/sandbox"
)

// Engine is the jail; on this system there is none.
type Engine struct{}

// New returns [ErrUnsupported].
func New(context.Context, Options) (*Engine, error) { return nil, ErrUnsupported }

// Name is "jail".
func (*Engine) Name() string { return Name }

// Version says that there is no jail.
func (*Engine) Version() string { return "none" }

// Examine returns [ErrUnsupported].
func (*Engine) Examine(context.Context, sandbox.Sample) (*sandbox.Seen, error) {
	return nil, ErrUnsupported
}

// Serve returns [ErrUnsupported].
func Serve(io.Reader, io.Writer) error { return ErrUnsupported }
