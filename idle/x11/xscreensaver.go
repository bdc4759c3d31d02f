//go:build linux

package x11

import (
	"context"
	"errors"
)

// Saver is what xscreensaver says of a display.
type Saver int

// States of xscreensaver.
const (
	SaverAbsent  Saver = iota // it is not running
	SaverOff                  // it is running, the screen is in use
	SaverBlanked              // the screen is blanked or shows a saver, but is not locked
	SaverLocked
)

// Saver returns xscreensaver's state. Its note on the root window outlives it, so the note counts only
// while the window of the running program is there.
func (d *Display) Saver(ctx context.Context) (Saver, error) {
	state, err := d.property(ctx, d.root, d.status, 1)
	if err != nil {
		return SaverAbsent, err
	}
	if len(state) == 0 {
		return SaverAbsent, nil
	}
	if alive, err := d.keeperAlive(ctx); err != nil || !alive {
		return SaverAbsent, err
	}
	switch state[0] {
	case d.blank:
		return SaverBlanked, nil
	case d.lock:
		return SaverLocked, nil
	}
	return SaverOff, nil
}

// keeperAlive looks for the window that xscreensaver marks with its version, and asks to be told when
// it goes.
func (d *Display) keeperAlive(ctx context.Context) (bool, error) {
	if d.keeper != 0 {
		if mine, err := d.isKeeper(ctx, d.keeper); err != nil || mine {
			return mine, err
		}
		d.keeper = 0
	}
	reply, err := d.ask(ctx, 15, 0, words(d.root)) // QueryTree
	if err != nil {
		return false, err
	}
	children := reply[32:]
	for range maxWindows {
		if len(children) < 4 {
			break
		}
		window := order.Uint32(children)
		children = children[4:]
		mine, err := d.isKeeper(ctx, window)
		if err != nil {
			return false, err
		}
		if mine {
			d.keeper = window
			const structureNotify = 0x20000 // tells of its destruction
			if err := d.selectEvents(ctx, window, structureNotify); err != nil {
				return false, err
			}
			return d.isKeeper(ctx, window) // it may have gone before we listened
		}
	}
	return false, nil
}

func (d *Display) isKeeper(ctx context.Context, window uint32) (bool, error) {
	reply, err := d.getProperty(ctx, window, d.version, 0)
	var gone *serverError
	if errors.As(err, &gone) {
		return false, nil
	}
	return err == nil && order.Uint32(reply[8:]) != 0, err
}

// property returns the first numbers of a property of 32-bit numbers, none if it does not exist.
func (d *Display) property(ctx context.Context, window, name, count uint32) ([]uint32, error) {
	reply, err := d.getProperty(ctx, window, name, count)
	if err != nil {
		return nil, err
	}
	if reply[1] != 32 { // format
		return nil, nil
	}
	var numbers []uint32
	for b := reply[32:]; len(b) >= 4 && len(numbers) < int(count); b = b[4:] {
		numbers = append(numbers, order.Uint32(b))
	}
	return numbers, nil
}

func (d *Display) getProperty(ctx context.Context, window, name, count uint32) ([]byte, error) {
	return d.ask(ctx, 20, 0, words(window, name, 0, 0, count)) // any type, from the start
}
