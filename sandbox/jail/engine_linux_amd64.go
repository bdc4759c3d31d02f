package jail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"tyto/sandbox"
	"tyto/verdict"
)

// Engine is the jail. It is safe for concurrent use; each sample has a jail and a tracer of its own.
type Engine struct {
	Options
	version      string
	disableUsers bool
	system       *system
	runs         atomic.Int64
}

var _ sandbox.Engine = (*Engine)(nil)

// judgement is part of the engine's version. It grows whenever an unchanged sample could be judged differently.
const judgement = 2

func (o Options) withDefaults() Options {
	if o.Time <= 0 {
		o.Time = DefaultTime
	}
	o.Time = min(o.Time, MaxTime)
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.Disk <= 0 {
		o.Disk = DefaultDisk
	}
	if o.Processes <= 0 {
		o.Processes = DefaultProcesses
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// New returns the engine, after it has run a program that does nothing, to see whether this computer can. It returns
// [ErrNoBubblewrap] where it cannot.
func New(ctx context.Context, o Options) (*Engine, error) {
	e := &Engine{Options: o.withDefaults(), system: newSystem()}
	if len(o.Tracer) == 0 {
		return nil, errors.New("the jail needs the command line of its tracer")
	}
	if e.Bubblewrap == "" {
		path, err := exec.LookPath("bwrap")
		if err != nil {
			return nil, fmt.Errorf("%w: the program bwrap is missing: install the package bubblewrap", ErrNoBubblewrap)
		}
		e.Bubblewrap = path
	}
	help, err := exec.CommandContext(ctx, e.Bubblewrap, "--help").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: ask %q what it can do: %w", ErrNoBubblewrap, e.Bubblewrap, err)
	}
	for _, option := range []string{"--size", "--perms", "--clearenv"} {
		if !bytes.Contains(help, []byte(option)) {
			return nil, fmt.Errorf("%w: %q does not know %s: install a newer bubblewrap", ErrNoBubblewrap, e.Bubblewrap, option)
		}
	}
	e.disableUsers = bytes.Contains(help, []byte("--disable-userns"))
	number, err := exec.CommandContext(ctx, e.Bubblewrap, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("%w: ask %q for its version: %w", ErrNoBubblewrap, e.Bubblewrap, err)
	}
	e.version = fmt.Sprintf("%d, %s, %s", judgement, e.Time, strings.TrimSpace(string(number)))
	sweepGroups()
	if err := e.try(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// try runs a script that does nothing.
func (e *Engine) try(ctx context.Context) error {
	f, err := os.CreateTemp("", "tyto-jail-")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	if _, err := f.WriteString(":\n"); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	a, err := e.run(ctx, f, e.order("nothing", "", byShell))
	if err == nil && a.Record.Ended != "exit 0" {
		err = fmt.Errorf("a script that does nothing ended with %q, and said %q", a.Record.Ended, a.Output)
	}
	if err != nil {
		return fmt.Errorf("%w that works: %w. It needs user namespaces for unprivileged users: see the settings user.max_user_namespaces, "+
			"kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns", ErrNoBubblewrap, err)
	}
	for _, m := range a.Missing {
		e.Log.Warn("the jail lacks a measure", "missing", m)
	}
	return nil
}

// Name is "jail".
func (e *Engine) Name() string { return Name }

// Version holds the version of the judgement, how long samples run, and which bubblewrap runs them.
func (e *Engine) Version() string { return e.version }

// Examine runs a sample, if it is a program or a script for this computer.
func (e *Engine) Examine(ctx context.Context, s sandbox.Sample) (*sandbox.Seen, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return nil, fmt.Errorf("open the sample: %w", err)
	}
	defer f.Close()
	how, reason, err := howToRun(f, s)
	if err != nil {
		return nil, fmt.Errorf("read the sample: %w", err)
	}
	if reason != "" {
		return notRun(reason), nil
	}
	o := e.order(s.Name, s.SHA256, how)
	a, err := e.run(ctx, f, o)
	if err != nil {
		return nil, err
	}
	if a.Refused {
		return notRun("this computer cannot execute it; it may be damaged, or its interpreter may be missing here"), nil
	}
	seen := judge(o, a)
	seen.Engine.Saw = saw(a)
	seen.Engine.Blind = blind(e.Options, a)
	if left := e.system.mark(ctx, seen.Dropped); left > 0 {
		seen.Engine.Blind = append(seen.Engine.Blind, fmt.Sprintf("%d files that it wrote were not held against those of the system, because there were too many: some may be copies.", left))
	}
	return seen, nil
}

// order returns the order to run a sample.
func (e *Engine) order(name, sha256 string, how way) order {
	return order{
		Bubblewrap: e.Bubblewrap, DisableUsers: e.disableUsers, Nobody: os.Geteuid() == 0,
		Name: fileName(name), SHA256: sha256, Shell: how == byShell,
		Time: e.Time, Memory: e.Memory, Disk: e.Disk, Processes: e.Processes,
	}
}

// notRun is what is seen of a sample that is not started.
func notRun(reason string) *sandbox.Seen {
	reason = "It was not run: " + reason + "."
	return &sandbox.Seen{Engine: verdict.Engine{Saw: reason, Blind: []string{reason}}}
}

// grace is how long the tracer may take for all that is not the sample's own time.
const grace = 60 * time.Second

// run has a tracer run a sample, and returns when nothing of it is left.
func (e *Engine) run(ctx context.Context, sample *os.File, o order) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.Time+grace)
	defer cancel()

	group := makeGroups(fmt.Sprintf("%d-%d", os.Getpid(), e.runs.Add(1)), e.Memory, e.Processes)
	defer func() {
		if left := group.remove(); left != nil {
			e.Log.Error("a cgroup of the jail could not be removed", "error", left)
		}
	}()
	files, err := group.open()
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return answer{}, err
	}
	o.MemoryGroup, o.Groups = group.memory, len(files)
	a, err = e.talk(ctx, o, sample, files)
	a.Exhausted = a.Exhausted || group.exhausted()
	if !group.memory {
		a.Missing = append(a.Missing, "no memory cgroup: memory is limited for each process, and together only by looking ten times a second")
	}
	if !group.processes {
		a.Missing = append(a.Missing, "no cgroup for the number of processes: only the limit of the user namespace holds")
	}
	return a, err
}

// farewell bounds the waiting for an answer after ctx has ended, and for killed processes to be gone.
const farewell = 10 * time.Second

// talk starts the tracer, gives it its order, and reads its answer. When ctx ends, the tracer ends the sample and
// still answers with what it has seen.
func (e *Engine) talk(ctx context.Context, o order, sample *os.File, groups []*os.File) (a answer, err error) {
	lifeline, held, err := newLifeline()
	if err != nil {
		return answer{}, err
	}
	defer lifeline.Close()
	defer held.Close()
	cmd := exec.CommandContext(ctx, e.Tracer[0], e.Tracer[1:]...)
	cmd.ExtraFiles = append([]*os.File{sample, held}, groups...)
	cmd.Env = []string{} // it needs none, and the server's may hold secrets
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	diagnosis := &prefix{limit: 8 << 10}
	cmd.Stderr = diagnosis
	in, err := cmd.StdinPipe()
	if err != nil {
		return answer{}, err
	}
	// Its input stays open until it has answered, or is to end: see order.
	cmd.Cancel, cmd.WaitDelay = in.Close, farewell
	out, answered, err := os.Pipe()
	if err != nil {
		return answer{}, err
	}
	defer out.Close()
	cmd.Stdout = answered
	err = cmd.Start()
	answered.Close()
	if err != nil {
		return answer{}, fmt.Errorf("start the jail's tracer: %w", err)
	}
	held.Close()
	read := make(chan error, 1)
	go func() { read <- json.NewDecoder(io.LimitReader(out, maxAnswer)).Decode(&a) }()
	wrote := json.NewEncoder(in).Encode(o)
	ended := cmd.Wait()
	// The tracer alone holds the other end, and it is gone.
	problem := errors.Join(wrote, <-read)
	if err := endAll(lifeline, farewell); err != nil {
		return answer{}, fmt.Errorf("wait for the end of the jail: %w", err)
	}
	switch {
	case problem != nil:
		return answer{}, fmt.Errorf("the jail's tracer failed: %w, it said %q", errors.Join(problem, ended, ctx.Err()), diagnosis.bytes)
	case a.Failed != "":
		return answer{}, errors.Join(errors.New(a.Failed), ctx.Err())
	}
	return a, nil
}

// saw says in a sentence what was done.
func saw(a answer) string {
	r := a.Record
	how := "until it ended (" + r.Ended + ")"
	switch {
	case a.Exhausted:
		how = "until it had used more memory than it was given"
	case r.TimedOut:
		how = "until its time was up"
	}
	s := fmt.Sprintf("It was run on Linux without network for %.1f seconds, %s; %d system calls of %d programs were looked at",
		r.Elapsed.Seconds(), how, r.Calls, len(r.Processes))
	if r.Skipped > 0 {
		s += fmt.Sprintf("; sleeps of %s were skipped", r.Skipped.Round(time.Second))
	}
	return s + "."
}

// blind says what cannot be seen here.
func blind(o Options, a answer) []string {
	list := []string{
		"It had no network: what it would do after an answer from outside is not seen.",
		"It ran without arguments and without input.",
		"It was not root and had no capabilities.",
	}
	if a.Record.TimedOut {
		list = append(list, fmt.Sprintf("It ran for %s only: what it does later is not seen.", o.Time))
	} else {
		list = append(list, "What it does only at certain times or on certain computers is not seen.")
	}
	if n := a.Record.Cut + a.Layer.Cut; n > 0 {
		list = append(list, strconv.Itoa(n)+" things that it did were not written down because there were too many.")
	}
	for _, m := range a.Missing {
		list = append(list, "This computer lacks a measure of the jail: "+m+".")
	}
	return list
}
