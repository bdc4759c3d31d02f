package response

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// What leaves the process group is not ended, as docs/response.md says; it does not hold up the agent
// either, although it keeps the output open.
func TestDaemonThatGetsAwayHoldsNothingUp(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("there is no setsid")
	}
	note := filepath.Join(t.TempDir(), "child")
	p := &Program{
		Args:  []string{"/bin/sh", "-c", `setsid sh -c 'echo $$ >"$0.new" && mv "$0.new" "$0" && exec sleep 600' "$1" & while [ ! -e "$1" ]; do sleep 0.01; done; echo done`, "sh", note},
		trust: func(string) error { return nil },
	}
	outcome, err := p.Run(t.Context(), nil)
	if err != nil || string(outcome.Output) != "done\n" {
		t.Errorf("%+v, %v", outcome, err)
	}
	data, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Error("it was ended after all: say so in the documentation")
	}
	syscall.Kill(pid, syscall.SIGKILL)
}
