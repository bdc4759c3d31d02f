package idle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
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
	// inputEvery is how often a display that had no input for Options.Input is asked whether there is some
	// now. It is how late a returning user is noticed there. One question costs some 50 µs.
	inputEvery = 250 * time.Millisecond

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
		for {
			claims, next, err := w.askDisplay(ctx, d)
			if err != nil {
				return err
			}
			set(claims)
			if err := d.Wait(ctx, next); err != nil {
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

// askDisplay asks xscreensaver and, if wanted, for the last input. next is when to ask again without
// an event, 0 for never.
func (w *watch) askDisplay(ctx context.Context, d *x11.Display) (claims []Claim, next time.Duration, err error) {
	saver, err := d.Saver(ctx)
	if err != nil {
		return nil, 0, err
	}
	claim := Claim{Source: "xscreensaver", About: Lock, Says: Active, Detail: "the screensaver is off"}
	switch saver {
	case x11.SaverAbsent:
		claim.Says, claim.Detail = Silent, "not running"
	case x11.SaverBlanked:
		claim.Says, claim.Detail = Idle, "the screensaver is on"
	case x11.SaverLocked:
		claim.Says, claim.Detail = Idle, "the screen is locked"
	}
	claims = []Claim{claim}
	if w.input <= 0 {
		return claims, 0, nil
	}
	idle, err := d.Idle(ctx)
	switch {
	case errors.Is(err, x11.ErrUnsupported):
		return append(claims, Claim{Source: "X11 input", About: Input, Says: Silent, Err: err}), 0, nil
	case err != nil:
		return nil, 0, err
	case idle < w.input:
		return append(claims, Claim{Source: "X11 input", About: Input, Says: Active, Detail: fmt.Sprintf("input in the last %v", w.input)}),
			max(w.input-idle, inputEvery), nil
	}
	return append(claims, Claim{Source: "X11 input", About: Input, Says: Idle, Detail: fmt.Sprintf("no input for %v", w.input)}), inputEvery, nil
}
