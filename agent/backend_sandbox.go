package agent

import (
	"context"

	"tyto/agent/control"
)

// noSandbox says that the link to sandboxes does not work.
func noSandbox() error {
	return control.Errorf(503, "name a server under sandbox.servers in the policy", "the agent asks no sandbox")
}

// CheckObject implements [control.Backend].
func (b backend) CheckObject(context.Context, control.ObjectCheck) (v control.ObjectVerdict, err error) {
	return v, noSandbox()
}

// Sandbox implements [control.Backend].
func (b backend) Sandbox(context.Context) (s control.Sandbox, err error) { return s, noSandbox() }

// SandboxQueue implements [control.Backend].
func (b backend) SandboxQueue(context.Context) ([]control.QueuedObject, error) {
	return nil, noSandbox()
}

// Queued implements [control.Backend].
func (b backend) Queued(context.Context, string) (o control.QueuedObject, err error) {
	return o, noSandbox()
}

// DropQueued implements [control.Backend].
func (b backend) DropQueued(context.Context, string) error { return noSandbox() }

// FlushQueue implements [control.Backend].
func (b backend) FlushQueue(context.Context) (s control.Sandbox, err error) { return s, noSandbox() }
