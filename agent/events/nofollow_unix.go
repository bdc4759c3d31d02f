//go:build unix

package events

import "syscall"

// noFollow keeps a symbolic link at the path from leading the agent's events elsewhere; a pipe does not
// hold it up.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
