package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"tyto/finding"
	"tyto/rules"
	"tyto/scanner"
	"tyto/scanner/walk"
	"tyto/store"
)

// broker scans the folder "tree" below a folder again and again, with a new inventory each time, and is paused
// and resumed by lines on its standard input. Each is answered with the time at which the gate was told.
func broker(args []string, in io.Reader, out io.Writer) error {
	dir := args[0]
	rule := filepath.Join(dir, "rule.yar")
	if err := os.WriteFile(rule, []byte(slowRule), 0o600); err != nil {
		return err
	}
	set, err := rules.Load([]string{rule}, rules.Options{})
	if err != nil {
		return err
	}
	defer set.Close()
	gate := scanner.NewGate(time.Now)
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- scanForever(ctx, dir, set, gate) }()

	lines := bufio.NewScanner(in)
	for lines.Scan() {
		now := time.Now()
		switch lines.Text() {
		case "pause":
			gate.Pause("measuring")
		case "resume":
			gate.Resume("measuring")
		}
		fmt.Fprintln(out, now.UnixNano())
	}
	cancel(errors.New("done"))
	return <-ended
}

func scanForever(ctx context.Context, dir string, set *rules.Set, gate *scanner.Gate) error {
	state, err := store.Open(ctx, filepath.Join(dir, "state.db"), store.Options{})
	if err != nil {
		return err
	}
	defer state.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for n := 0; ctx.Err() == nil; n++ {
		session := state.Session(store.SessionOptions{Profile: fmt.Sprint("scan ", n), Gate: gate.Wait})
		_, err := scanner.New(scanner.Options{
			Walk:          walk.Options{Roots: []string{filepath.Join(dir, "tree")}},
			Rules:         set,
			Examine:       scanner.DefaultLimits(),
			Thresholds:    finding.DefaultThresholds,
			WorkerCommand: []string{self, "worker"},
			Workers:       2,
			Inventory:     session,
			Gate:          gate,
		}, nobody{}).Run(ctx)
		_ = gate.Wait(ctx)
		if err := errors.Join(err, session.Close()); err != nil {
			return err
		}
	}
	return nil
}

// nobody wants to know what is found.
type nobody struct{}

func (nobody) Finding(*finding.Finding) {}
func (nobody) Skip(finding.Skip)        {}

// running is a broker as the one sees it who started it.
type running struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startBroker(dir string) (*running, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "broker", dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	time.Sleep(time.Second) // until it is in the middle of its work
	return &running{cmd, in, bufio.NewReader(out)}, nil
}

func (r *running) pid() int { return r.cmd.Process.Pid }

// pause pauses the scan and returns when the gate was told.
func (r *running) pause() (time.Time, error) { return r.tell("pause") }

func (r *running) resume() error {
	_, err := r.tell("resume")
	return err
}

func (r *running) tell(what string) (time.Time, error) {
	if _, err := fmt.Fprintln(r.in, what); err != nil {
		return time.Time{}, err
	}
	var ns int64
	if _, err := fmt.Fscanln(r.out, &ns); err != nil {
		return time.Time{}, fmt.Errorf("the broker does not answer: %w", err)
	}
	return time.Unix(0, ns), nil
}

func (r *running) stop() {
	r.in.Close()
	_ = r.cmd.Wait()
}
