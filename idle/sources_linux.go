package idle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"tyto/idle/bus"
	"tyto/idle/peer"
	"tyto/idle/screensaver"
	"tyto/idle/userenv"
	"tyto/idle/x11"
)

const (
	// inputEvery is how often a display is asked for input, if its server cannot tell by itself: how late a
	// returning user is noticed there. All servers of this century can.
	inputEvery = time.Second

	// maxXauthority is how much of an Xauthority file is read, in bytes.
	maxXauthority = 64 << 10
)

// again calls ask until ctx ends, later and later if it fails at once, and says what its failure means.
func again(ctx context.Context, ask func() error, failed func(error)) {
	wait := retryFirst
	for {
		began := time.Now()
		err := ask()
		if ctx.Err() != nil {
			return
		}
		failed(err)
		if time.Since(began) > retryMax {
			wait = retryFirst
		}
		if !sleep(ctx, wait) {
			return
		}
		wait = min(2*wait, retryMax)
	}
}

// failure is the claim of a source that failed. One that is not there, or that does not let us in, has
// nothing to say; one that is there and does not answer as it should might have said "active".
func failure(name string, about Evidence, err error) Claim {
	claim := Claim{Source: name, About: about, Says: Unknown, Err: err}
	var refused *x11.RefusedError
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ECONNREFUSED),
		errors.As(err, &refused):
		claim.Says = Silent
	}
	return claim
}

// watchBus asks the screensavers on a session bus of user uid.
func (w *watch) watchBus(ctx context.Context, uid int, path string, set func([]Claim)) {
	again(ctx, func() error {
		socket, err := peer.Dial(path, uid, uid)
		if err != nil {
			return err
		}
		conn, err := bus.New(ctx, socket, uid)
		if err != nil {
			return err
		}
		defer conn.Close()
		return screensaver.Watch(ctx, conn, func(answers []screensaver.Answer) { set(saverClaims(answers)) })
	}, func(err error) {
		set([]Claim{failure("session bus", Lock, err)})
	})
}

func saverClaims(answers []screensaver.Answer) []Claim {
	if len(answers) == 0 {
		return []Claim{{Source: "session bus", About: Lock, Says: Silent, Detail: "no screensaver runs"}}
	}
	var claims []Claim
	for _, a := range answers {
		c := Claim{Source: a.Name, About: Lock, Says: Active, Detail: "the screensaver is off"}
		switch {
		case bus.NotThere(a.Err):
			c.Says, c.Detail = Silent, "knows no GetActive"
		case a.Err != nil:
			c.Says, c.Detail, c.Err = Unknown, "", a.Err
		case a.Active:
			c.Says, c.Detail = Idle, "the screensaver is on"
		}
		claims = append(claims, c)
	}
	return claims
}

// watchDisplay asks an X server of user uid.
func (w *watch) watchDisplay(ctx context.Context, uid, number int, set func([]Claim)) {
	again(ctx, func() error {
		d, err := w.openDisplay(ctx, uid, number)
		if err != nil {
			return err
		}
		defer d.Close()
		every := time.Duration(0) // how often to ask for input, 0 if the server tells
		if w.input > 0 {
			err := d.Alarm(ctx, w.input)
			if err != nil && !errors.Is(err, x11.ErrUnsupported) {
				return err
			}
			if err != nil {
				every = inputEvery
			}
		}
		var last []Claim
		saver, changed := Claim{}, true // xscreensaver tells of its changes, input is asked for
		for {
			if changed {
				if saver, err = askSaver(ctx, d); err != nil {
					return err
				}
			}
			input, err := w.askInput(ctx, d)
			if err != nil {
				return err
			}
			if claims := append([]Claim{saver}, input...); !slices.Equal(claims, last) {
				set(claims)
				last = claims
			}
			if changed, err = d.Wait(ctx, every); err != nil {
				return err
			}
		}
	}, func(err error) {
		name := fmt.Sprintf("display :%d", number)
		claims := []Claim{failure(name, Lock, err)}
		if w.input > 0 {
			claims = append(claims, failure(name, Input, err))
		}
		set(claims)
	})
}

// openDisplay connects as the user, with the cookie that the user's programs have.
func (w *watch) openDisplay(ctx context.Context, uid, number int) (*x11.Display, error) {
	path := filepath.Join(w.places.displays, "X"+strconv.Itoa(number))
	var socket net.Conn
	socket, err := peer.Dial(path, uid, 0, uid)
	if errors.Is(err, fs.ErrNotExist) {
		socket, err = peer.Dial("@"+path, uid, 0, uid)
	}
	if err != nil {
		return nil, err
	}
	return x11.New(ctx, socket, w.cookie(uid, number))
}

// cookie is nil if there is none: some servers let their user in without.
func (w *watch) cookie(uid, number int) []byte {
	desktops, _ := userenv.Desktops(w.places.proc, uid) // a failure finds none
	for _, d := range desktops {
		if n, ok := userenv.LocalDisplay(d.Display); !ok || n != number || !filepath.IsAbs(d.Xauthority) {
			continue
		}
		file, err := peer.ReadFile(d.Xauthority, uid, maxXauthority)
		if err != nil {
			continue
		}
		if cookie := x11.Cookie(file, number); cookie != nil {
			return cookie
		}
	}
	return nil
}

// askSaver asks for xscreensaver.
func askSaver(ctx context.Context, d *x11.Display) (Claim, error) {
	claim := Claim{Source: "xscreensaver", About: Lock, Says: Active, Detail: "the screensaver is off"}
	saver, err := d.Saver(ctx)
	switch saver {
	case x11.SaverAbsent:
		claim.Says, claim.Detail = Silent, "not running"
	case x11.SaverBlanked:
		claim.Says, claim.Detail = Idle, "the screensaver is on"
	case x11.SaverLocked:
		claim.Says, claim.Detail = Idle, "the screen is locked"
	}
	return claim, err
}

// askInput asks for the last input, if that is wanted.
func (w *watch) askInput(ctx context.Context, d *x11.Display) ([]Claim, error) {
	if w.input <= 0 {
		return nil, nil
	}
	claim := Claim{Source: "X11 input", About: Input, Says: Active, Detail: fmt.Sprintf("input in the last %v", w.input)}
	idle, err := d.Idle(ctx)
	switch {
	case errors.Is(err, x11.ErrUnsupported):
		claim.Says, claim.Detail = Silent, err.Error()
	case err != nil:
		return nil, err
	case idle >= w.input:
		claim.Says, claim.Detail = Idle, fmt.Sprintf("no input for %v", w.input)
	}
	return []Claim{claim}, nil
}
