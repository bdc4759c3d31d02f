package detect

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"

	"tyto/rules"
)

// maxStderr is how much of what a failed compilation said is kept, in bytes.
const maxStderr = 4 << 10

// compileIn returns a function that compiles rules by running a command.
func compileIn(ctx context.Context, command []string) func(*rules.Sources, *os.File) error {
	return func(s *rules.Sources, out *os.File) error {
		var sources, stderr bytes.Buffer
		if err := s.Encode(&sources); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = &sources, out, &stderr
		if err := cmd.Run(); err != nil {
			said := bytes.TrimSpace(stderr.Bytes())
			return fmt.Errorf("%w: %s", err, said[:min(len(said), maxStderr)])
		}
		return nil
	}
}
