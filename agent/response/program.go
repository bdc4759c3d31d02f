package response

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tyto/agent/place"
)

// DefaultOutput is how much of a program's output is kept.
const DefaultOutput = 4 << 10

// outputDelay is how long a program that has ended may leave its output open, through a process that got
// away.
const outputDelay = 2 * time.Second

// ErrTimeUp is the cause that ends a program that runs too long.
var ErrTimeUp = errors.New("it ran too long")

// Program is an administrator's program that gets findings. It implements [Commander].
//
// It is started as it stands there, without a shell, in the root directory, with no more environment
// than a search path, and gets the finding on its standard input, one line of JSON. It is refused if
// somebody else than the administrator could change it, as it runs with all of the agent's privileges.
//
// When it ends, or when the context does, what it has started is ended too: on Windows everything (a job
// object), on Linux all that stayed in its process group. A process that left that (setsid) goes on; one
// that should outlive the command is better given to the system, with systemd-run.
type Program struct {
	// Args are the program, with its whole path, and its arguments.
	Args []string
	// Output is how many bytes of standard output and standard error together are kept; 0 is
	// DefaultOutput.
	Output int
	// Log receives the output; nil discards it.
	Log *slog.Logger

	trust func(path string) error // tests; nil is place.CheckFile
}

// Outcome is how a program ended.
type Outcome struct {
	// Exit is its exit code; -1 if it was killed.
	Exit int
	// Output is the beginning of what it wrote, Cut how many bytes are missing.
	Output []byte
	Cut    int64
	Took   time.Duration
}

// Run implements [Commander].
func (p *Program) Run(ctx context.Context, line []byte) (Outcome, error) {
	if err := p.check(); err != nil {
		return Outcome{Exit: -1}, err
	}
	if err := ctx.Err(); err != nil {
		return Outcome{Exit: -1}, fmt.Errorf("run %q: %w", p.Args[0], context.Cause(ctx))
	}
	output := &beginning{most: p.Output}
	if output.most == 0 {
		output.most = DefaultOutput
	}
	cmd := exec.Command(p.Args[0], p.Args[1:]...) // whose Cancel would end the program alone
	cmd.Dir, cmd.Env = rootDir(), environment()
	cmd.Stdin = bytes.NewReader(append(slices.Clip(line), '\n'))
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = outputDelay

	begun := time.Now()
	family, err := startFamily(cmd)
	if err != nil {
		return Outcome{Exit: -1}, fmt.Errorf("start %q: %w", p.Args[0], err)
	}
	err = family.end(ctx, cmd)
	outcome := Outcome{Exit: cmd.ProcessState.ExitCode(), Output: output.kept, Cut: output.cut, Took: time.Since(begun)}
	if p.Log != nil {
		p.Log.Info("a command has ended", "program", p.Args[0], "exit", outcome.Exit,
			"output", string(outcome.Output), "cut", outcome.Cut, "took", outcome.Took)
	}
	if err != nil {
		return outcome, fmt.Errorf("run %q: %w", p.Args[0], err)
	}
	return outcome, nil
}

// check refuses what must not be started.
func (p *Program) check() error {
	if len(p.Args) == 0 || !filepath.IsAbs(p.Args[0]) {
		return errors.New("run a command: it has no whole path")
	}
	switch strings.ToLower(filepath.Ext(p.Args[0])) {
	case ".bat", ".cmd": // which Windows would give to a shell
		return fmt.Errorf("run %q: it would be read by a shell; name the program, such as powershell.exe with -File", p.Args[0])
	}
	trust := p.trust
	if trust == nil {
		trust = place.CheckFile
	}
	if err := trust(p.Args[0]); err != nil {
		return fmt.Errorf("run %q: %w", p.Args[0], err)
	}
	return nil
}

// end waits until the program ends or ctx does, ends all that is left of the family, and returns why the
// program could not run to its end, if so.
func (f *family) end(ctx context.Context, cmd *exec.Cmd) error {
	ended := make(chan struct{})
	go func() {
		f.wait()
		close(ended)
	}()
	var cause error
	select {
	case <-ended:
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	f.kill()
	<-ended
	err := cmd.Wait()
	f.close()
	var exit *exec.ExitError
	switch {
	case cause != nil:
		return cause
	case errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay):
		return nil // an exit code, or output that somebody else holds open
	}
	return err
}

// beginning keeps the beginning of what is written to it.
type beginning struct {
	most int
	kept []byte
	cut  int64
}

var _ io.Writer = (*beginning)(nil)

func (b *beginning) Write(data []byte) (int, error) {
	n := min(len(data), b.most-len(b.kept))
	b.kept = append(b.kept, data[:n]...)
	b.cut += int64(len(data) - n)
	return len(data), nil
}
