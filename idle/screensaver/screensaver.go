//go:build linux

// Package screensaver asks the screensavers on a user's session bus whether they are on.
//
// Desktops answer to one of a few names, all with the same method GetActive and signal ActiveChanged:
// org.freedesktop.ScreenSaver (KDE and others), org.gnome.ScreenSaver, org.mate.ScreenSaver,
// org.cinnamon.ScreenSaver, org.xfce.ScreenSaver. On all of them a locked screen is an active screensaver.
// A service that is not running is not started. Some programs take the first name only to let players
// keep the screen on, and know no GetActive: they count as not there.
package screensaver

import (
	"context"
	"errors"
	"fmt"

	"tyto/idle/bus"
)

// names are those that are asked for, in this order, which is also the order of answers.
var names = []struct {
	name  string
	paths []string // the first that knows GetActive
}{
	{"org.freedesktop.ScreenSaver", []string{"/org/freedesktop/ScreenSaver", "/ScreenSaver"}},
	{"org.gnome.ScreenSaver", []string{"/org/gnome/ScreenSaver"}},
	{"org.mate.ScreenSaver", []string{"/org/mate/ScreenSaver", "/"}},
	{"org.cinnamon.ScreenSaver", []string{"/org/cinnamon/ScreenSaver"}},
	{"org.xfce.ScreenSaver", []string{"/org/xfce/ScreenSaver", "/"}},
}

// Answer is what one screensaver says.
type Answer struct {
	Name   string
	Active bool
	// Err says why it cannot tell. [bus.NotThere] tells the one that knows no GetActive from one that fails.
	Err error
}

// Watch tells the answers of the screensavers that are running, at once and after every change, until ctx
// ends or the bus fails. A screensaver that hangs fails the bus: what it would say is not known.
func Watch(ctx context.Context, conn *bus.Conn, tell func([]Answer)) error {
	for _, n := range names {
		if err := conn.MatchOwner(ctx, n.name); err != nil {
			return err
		}
		if err := conn.Match(ctx, n.name, n.name); err != nil {
			return err
		}
	}
	for {
		var answers []Answer
		var owners []string
		for _, n := range names {
			owner, err := conn.Owner(ctx, n.name)
			if bus.NotThere(err) {
				continue
			}
			if err != nil {
				return err
			}
			owners = append(owners, owner)
			answer := Answer{Name: n.name}
			answer.Active, answer.Err = active(ctx, conn, n.name, n.paths)
			if !isAnswer(answer.Err) {
				return answer.Err
			}
			answers = append(answers, answer)
		}
		conn.Listen(owners...)
		tell(answers)
		if err := conn.Wait(ctx, 0); err != nil {
			return err
		}
	}
}

// isAnswer reports whether err is none or what a service answered, so that the connection is in order.
func isAnswer(err error) bool {
	var refused *bus.Error
	return err == nil || errors.As(err, &refused)
}

func active(ctx context.Context, conn *bus.Conn, name string, paths []string) (bool, error) {
	var first error
	for _, path := range paths {
		answer, err := conn.Call(ctx, name, path, name, "GetActive")
		if err != nil {
			if first == nil {
				first = err
			}
			if bus.NotThere(err) {
				continue
			}
			return false, err
		}
		if len(answer) == 1 {
			if on, ok := answer[0].(bool); ok {
				return on, nil
			}
		}
		return false, fmt.Errorf("%s: GetActive: %w", name, bus.ErrMalformed)
	}
	return false, first
}
