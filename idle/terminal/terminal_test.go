//go:build linux

package terminal

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A real pseudo terminal: it is listed with its owner and the time of its last input.
func TestPseudoTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("pts/%d", n)
	all, err := All("/dev")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(t Terminal) bool { return t.Name == name })
	if i < 0 {
		t.Fatalf("%s is not among %v", name, all)
	}
	if all[i].Owner != os.Getuid() {
		t.Errorf("owner %d, want %d", all[i].Owner, os.Getuid())
	}
	// The kernel keeps the time to eight seconds only.
	if age := time.Since(all[i].Input); age < -time.Minute || age > time.Minute {
		t.Errorf("last input %v ago, want just now", age)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes("/dev/"+name, old, time.Now()); err != nil { // output is just now
		t.Fatal(err)
	}
	got, err := Of("/dev", "/dev/"+name)
	if err != nil || !got.Input.Equal(old) {
		t.Errorf("last input %v (%v), want %v", got.Input, err, old)
	}
}

func TestNoTerminals(t *testing.T) {
	for _, name := range []string{"", "../etc/passwd", "/etc/passwd", "fd", "missing"} {
		if got, err := Of("/dev", name); err == nil {
			t.Errorf("%q is the terminal %v", name, got)
		}
	}
}
