//go:build linux

package x11

import (
	"context"
	"fmt"
	"time"

	"tyto/idle/peer"
)

const (
	syncExtension = "SYNC"
	idleCounter   = "IDLETIME" // milliseconds since the last input, kept by the server
)

// Alarm makes the server send an event whenever the time since the last input passes a threshold, in either
// direction, so that nobody has to ask again and again. It can be called once. It returns an error that
// wraps [ErrUnsupported] if the server cannot.
//
// Format: X Synchronization Extension 3.1.
func (d *Display) Alarm(ctx context.Context, threshold time.Duration) error {
	const initialize, listCounters, createAlarm, queryAlarm = 0, 1, 8, 10
	missing := fmt.Errorf("alarms for missing input: %w", ErrUnsupported)
	reply, err := d.ask(ctx, 98, 0, words(uint32(len(syncExtension))), []byte(syncExtension)) // QueryExtension
	if err != nil {
		return err
	}
	if reply[8] != 1 {
		return missing
	}
	code := reply[9]
	if _, err := d.ask(ctx, code, initialize, []byte{3, 1, 0, 0}); err != nil {
		return err
	}
	if reply, err = d.ask(ctx, code, listCounters); err != nil {
		return err
	}
	counter := findCounter(reply)
	if counter == 0 {
		return missing
	}
	const attributes = 0x3f       // all of them, in this order
	for test := range uint32(2) { // positive transition, negative transition
		alarm := d.ids + 1 + test
		value := uint64(threshold.Milliseconds())
		if test == 1 && value > 0 {
			value-- // the counter never shows the threshold itself on its way down
		}
		request := words(alarm, attributes, counter, 0, uint32(value>>32), uint32(value), test, 0, 0, 1)
		if err := peer.Within(ctx, d.conn, func() error { return d.send(code, createAlarm, request) }); err != nil {
			return err
		}
		if _, err := d.ask(ctx, code, queryAlarm, words(alarm)); err != nil { // its reply says that it exists
			return err
		}
	}
	return nil
}

// findCounter finds the idle counter in the list of counters, 0 if it is not there.
func findCounter(reply []byte) uint32 {
	n, list := order.Uint32(reply[8:]), reply[32:]
	for ; n > 0 && len(list) >= 14; n-- {
		id, length := order.Uint32(list), int(order.Uint16(list[12:]))
		if len(list) < 14+length {
			break
		}
		if string(list[14:14+length]) == idleCounter {
			return id
		}
		list = list[min(len(list), (14+length+3)/4*4):]
	}
	return 0
}
