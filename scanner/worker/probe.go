package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// ProbeResult is the outcome of one thing that a confined worker tried and should not be able to do.
type ProbeResult struct {
	// Action says what was tried.
	Action string
	// Refused is true if the system refused it.
	Refused bool
	// Detail is the system's answer.
	Detail string
}

// probeTargets are things that exist and that anybody could use: the probe shows that a worker cannot.
type probeTargets struct {
	File   string // a file that everybody may read
	Dir    string // a folder in which everybody may create files
	TCP    string // the address of a listening socket
	Unix   string // the path of a listening socket; empty where there is none
	Parent int    // process id of the broker
}

// RunProbe starts one worker with the confinement that config gives, has it try what it
// should not be able to do, and returns the outcome of each attempt. Files and sockets for the
// worker to try are made for the occasion. It needs no handler; setup is not sent.
func RunProbe(ctx context.Context, config Config) ([]ProbeResult, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	targets, cleanUp, err := makeTargets()
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	defer cleanUp()

	launcher, err := newLauncher(&config)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	defer launcher.close()
	w, err := launcher.launch()
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	defer w.close()
	defer w.wait()
	defer w.kill()
	ctx, cancel := context.WithTimeout(ctx, config.SetupDeadline)
	defer cancel()
	defer context.AfterFunc(ctx, w.kill)()

	terms := config.hello()
	terms.Probe = targets
	report, err := w.introduce(terms)
	if err != nil {
		w.kill()
		cause, _ := w.wait().cause(err, nil, 0, 0)
		return nil, fmt.Errorf("probe: %w", errors.Join(context.Cause(ctx), cause))
	}
	return report.Probe, nil
}

// makeTargets makes what the probe tries to reach.
func makeTargets() (_ *probeTargets, cleanUp func(), err error) {
	var closers []io.Closer
	dir, err := os.MkdirTemp("", "tyto-probe-")
	if err != nil {
		return nil, nil, err
	}
	cleanUp = func() {
		for _, c := range closers {
			c.Close()
		}
		os.RemoveAll(dir)
	}
	defer func() {
		if err != nil {
			cleanUp()
		}
	}()
	t := &probeTargets{File: filepath.Join(dir, "readable"), Dir: dir, Parent: os.Getpid()}
	if err := errors.Join(os.WriteFile(t.File, []byte("readable\n"), 0o644), os.Chmod(dir, 0o777)); err != nil {
		return nil, nil, err
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	closers = append(closers, tcp)
	t.TCP = tcp.Addr().String()
	path := filepath.Join(dir, "socket")
	if local, err := net.Listen("unix", path); err == nil {
		closers = append(closers, local)
		if os.Chmod(path, 0o777) == nil {
			t.Unix = path
		}
	}
	return t, cleanUp, nil
}

// attempt is one thing to try; do returns nil if it succeeded.
type attempt struct {
	action string
	do     func() error
}

// attemptsAnywhere are those that need nothing but Go's standard library.
func attemptsAnywhere(t probeTargets) []attempt {
	return []attempt{
		{"open a file that everybody may read", func() error {
			f, err := os.Open(t.File)
			if err == nil {
				f.Close()
			}
			return err
		}},
		{"create a file in a folder open to everybody", func() error {
			return os.WriteFile(filepath.Join(t.Dir, "created"), nil, 0o600)
		}},
		{"list a folder open to everybody", func() error {
			_, err := os.ReadDir(t.Dir)
			return err
		}},
		{"remove a file in a folder open to everybody", func() error {
			return os.Remove(filepath.Join(t.Dir, "readable"))
		}},
		{"connect by TCP", func() error { return dial("tcp", t.TCP) }},
		{"connect to a Unix socket", func() error { return dial("unix", t.Unix) }},
		{"listen for TCP connections", func() error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err == nil {
				l.Close()
			}
			return err
		}},
	}
}

func dial(network, address string) error {
	c, err := net.DialTimeout(network, address, time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

// Probe tries what a confined worker should not be able to do, in this process. The attempts do no
// harm where they succeed. It is meant for workers; see [RunProbe].
func Probe(t probeTargets) []ProbeResult {
	var results []ProbeResult
	for _, a := range append(attemptsAnywhere(t), attempts(t)...) {
		r := ProbeResult{Action: a.action, Detail: "succeeded"}
		if err := a.do(); err != nil {
			r.Refused, r.Detail = refused(err), err.Error()
		}
		results = append(results, r)
	}
	return results
}
