package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

// Serve is what a worker process does: it confines itself and then has h answer requests until the
// broker hangs up. It must be called early in main, before the program has opened files
// or started anything. It takes over the process and returns nil at its regular end, upon which the
// program should exit; an error says why the worker cannot work.
func Serve(h Handler) error {
	// The broker watches the main thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := openConnection()
	if err != nil {
		return fmt.Errorf("serve as a worker: %w; workers are started by a scan, not by hand", err)
	}
	terms, err := c.confine()
	if err != nil {
		return fmt.Errorf("confine the worker: %w", err)
	}
	if terms.Probe != nil {
		return nil
	}
	if err := c.setUp(h); err != nil {
		return fmt.Errorf("set up the worker: %w", err)
	}
	for {
		f, err := c.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case f.kind != kindRequest:
			return fmt.Errorf("%w: frame of kind %d instead of a request", errProtocol, f.kind)
		}
		if err := c.handle(h, f); err != nil {
			return err
		}
	}
}

// connection is the worker's end. The part that depends on the system, osConnection, has these methods:
//
//	read(buf)           reads from the broker; io.EOF at the end
//	write(buf)          writes all of buf
//	takeFile(payload)   returns the next file that was passed, and the rest of the payload
type connection struct {
	osConnection
	frames frameReader

	mu    sync.Mutex // guards the following
	out   []byte     // not yet sent
	timer *time.Timer
	err   error // of the timer
}

// Answers wait for each other in a buffer while there are further requests to handle, but not for longer
// than this, and no more than this. The broker must know which job a worker is at: that one it
// blames for a death, and its deadline counts.
const (
	maxDelay  = time.Millisecond
	maxOutput = 32 << 10
)

func newConnection(os osConnection) *connection {
	c := &connection{osConnection: os}
	c.frames.read = c.osConnection.read
	c.timer = time.AfterFunc(maxDelay, func() {
		err := c.flush()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.err = err
	})
	return c
}

// next returns the next frame from the broker. Before it waits it sends what there is to send.
func (c *connection) next() (frame, error) {
	if f, ok, err := c.frames.buffered(); ok || err != nil {
		return f, err
	}
	if err := c.flush(); err != nil {
		return frame{}, err
	}
	return c.frames.next()
}

// put appends a frame to the output.
func (c *connection) put(f frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) == 0 {
		c.timer.Reset(maxDelay)
	}
	c.out = appendFrame(c.out, f)
	if len(c.out) > maxOutput {
		return c.send()
	}
	return c.err
}

// flush sends the output.
func (c *connection) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send()
}

// send does it; mu is held.
func (c *connection) send() error {
	if len(c.out) == 0 {
		return c.err
	}
	c.timer.Stop()
	err := c.write(c.out)
	c.out = c.out[:0]
	if cap(c.out) > keepBuffer {
		c.out = nil
	}
	return err
}

// confine reads hello, applies it and reports.
func (c *connection) confine() (hello, error) {
	f, err := c.next()
	if err != nil {
		return hello{}, err
	}
	var terms hello
	if f.kind != kindHello {
		return hello{}, fmt.Errorf("%w: frame of kind %d instead of hello", errProtocol, f.kind)
	}
	if err := json.Unmarshal(f.payload, &terms); err != nil {
		return hello{}, fmt.Errorf("%w: hello: %v", errProtocol, err)
	}
	var r report
	if err := confine(terms, &r); err != nil {
		return hello{}, err
	}
	if terms.Probe != nil {
		r.Probe = Probe(*terms.Probe)
	}
	payload, err := json.Marshal(r)
	if err != nil {
		return hello{}, err
	}
	if err := c.put(frame{kind: kindReport, payload: payload}); err != nil {
		return hello{}, err
	}
	return terms, c.flush()
}

// setUp passes the set-up to the handler and tells the broker the outcome.
func (c *connection) setUp(h Handler) error {
	f, err := c.next()
	if err != nil {
		return err
	}
	if f.kind != kindSetup {
		return fmt.Errorf("%w: frame of kind %d instead of a set-up", errProtocol, f.kind)
	}
	files := make([]*os.File, f.files)
	for i := range files {
		if files[i], f.payload, err = c.takeFile(f.payload); err != nil {
			return err
		}
	}
	if err := h.Setup(f.payload, files); err != nil {
		return errors.Join(err, c.put(frame{kind: kindRefused, payload: message(err)}), c.flush())
	}
	return errors.Join(c.put(frame{kind: kindReady}), c.flush())
}

// handle has the handler answer a request.
func (c *connection) handle(h Handler, f frame) (err error) {
	var file *os.File
	if f.files > 0 {
		if file, f.payload, err = c.takeFile(f.payload); err != nil {
			return err
		}
		defer file.Close()
	}
	respond := func(response []byte) error {
		if len(response) > MaxFrame {
			return fmt.Errorf("response of %d bytes: the limit is %d", len(response), MaxFrame)
		}
		return c.put(frame{kind: kindResponse, id: f.id, payload: response})
	}
	end := frame{kind: kindEnd, id: f.id}
	if err := h.Handle(f.payload, file, respond); err != nil {
		end.payload = message(err)
	}
	return c.put(end)
}

// message returns an error's text, never empty and not too long.
func message(err error) []byte {
	text := err.Error()
	if text == "" {
		text = "unknown error"
	}
	return []byte(text[:min(len(text), maxText)])
}
