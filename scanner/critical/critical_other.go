//go:build !linux && !windows

package critical

import (
	"context"

	"tyto/finding"
)

// platform has nothing to say here.
type platform struct{}

func thisComputer() platform { return platform{} }

func (s *Source) processes(_ context.Context, c *collection) error {
	c.skip(finding.Skip{Path: "processes", Reason: finding.NotBuilt, Detail: "Tyto does not know the processes of this system"})
	return nil
}

func (s *Source) kernel(_ context.Context, c *collection) error {
	c.skip(finding.Skip{Path: "kernel modules", Reason: finding.NotBuilt, Detail: "Tyto does not know the kernel of this system"})
	return nil
}
