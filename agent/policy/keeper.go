package policy

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"tyto/finding"
)

// Keeper holds the policy in force. It is safe for concurrent use.
//
// If there is no file, the default policy is in force until there is one. A file that vanishes leaves its
// policy in force, and is told as rejected: an attacker who can delete it must not turn everything off.
type Keeper struct {
	options KeeperOptions

	reading sync.Mutex // one reload at a time
	mu      sync.Mutex // guards what follows
	state   State
	seen    stamp
}

// KeeperOptions say what a keeper keeps and whom it tells.
type KeeperOptions struct {
	File string
	// Every is how often [Keeper.Run] looks whether the file has changed, by one call of stat(2); 0 is 10 s.
	Every time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Loaded is told of a policy that has come into force, and Rejected of one that has not; the old one
	// stays. Calls never overlap. Nil for none.
	Loaded   func(*Policy, []finding.Problem)
	Rejected func(error)
}

// State is what a keeper knows.
type State struct {
	Policy *Policy // in force, never nil; it must not be changed
	File   string
	// Loaded is when it came into force; zero if it is the default one.
	Loaded time.Time
	// Warnings are of the policy in force.
	Warnings []finding.Problem
	// Rejected is why the file, as it is now, is not in force; nil if it is.
	Rejected error
}

// stamp tells versions of a file apart.
type stamp struct {
	exists   bool
	size     int64
	modified time.Time
	inode    any
}

// NewKeeper returns a keeper of the default policy. Call Reload to read the file.
func NewKeeper(o KeeperOptions) *Keeper {
	if o.Every <= 0 {
		o.Every = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keeper{options: o, state: State{Policy: Default(), File: o.File}}
}

// State returns what is in force now.
func (k *Keeper) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state
}

// Reload reads the file. If it is rejected, the error says why and the policy in force stays.
func (k *Keeper) Reload() error {
	k.reading.Lock()
	defer k.reading.Unlock()
	return k.reload(k.look())
}

// reload reads the file that has this stamp. A file that changes meanwhile has another and is read again.
func (k *Keeper) reload(now stamp) error {
	p, warnings, err := Read(k.options.File)
	k.mu.Lock()
	k.seen = now
	state := State{Policy: p, File: k.options.File, Loaded: k.options.Now(), Warnings: warnings}
	if errors.Is(err, fs.ErrNotExist) && k.state.Loaded.IsZero() {
		state, err = State{Policy: Default(), File: k.options.File}, nil
	}
	if err != nil {
		state = k.state
		state.Rejected = err
	}
	k.state = state
	k.mu.Unlock()
	switch {
	case err != nil && k.options.Rejected != nil:
		k.options.Rejected(err)
	case err == nil && k.options.Loaded != nil:
		k.options.Loaded(state.Policy, warnings)
	}
	return err
}

// Run reloads the file whenever it has changed, and when something comes from reload, until ctx ends.
func (k *Keeper) Run(ctx context.Context, reload <-chan struct{}) {
	ticker := time.NewTicker(k.options.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-reload:
			if !open {
				reload = nil
				continue
			}
			_ = k.Reload() // told by Rejected
		case <-ticker.C:
			k.reloadIfChanged()
		}
	}
}

func (k *Keeper) reloadIfChanged() {
	k.reading.Lock()
	defer k.reading.Unlock()
	now := k.look()
	k.mu.Lock()
	changed := now != k.seen
	k.mu.Unlock()
	if changed {
		_ = k.reload(now) // told by Rejected
	}
}

func (k *Keeper) look() stamp {
	info, err := os.Stat(k.options.File)
	if err != nil {
		return stamp{}
	}
	return stamp{exists: true, size: info.Size(), modified: info.ModTime(), inode: inode(info)}
}
