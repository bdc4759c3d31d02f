//go:build linux

// Package idletest starts desktops for tests: a system bus with a mocked logind or the real elogind, X
// servers, mate-screensaver and xscreensaver, each private to the test and ended with it.
//
// A program under test finds them by what it gets from Env: the variables of a [Bus] for the
// system bus. Displays and session buses are found as on any computer, from the session that logind
// names and the processes of its user. Desktops run as the user nobody, so the tests need root.
//
// The programs come from "scripts/install-deps.sh desktop". Where one is missing the test is skipped,
// but fails in CI.
package idletest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Nobody is the user, and the group, that desktops run as.
const Nobody = 65534

// startTime is how long a program may take to start.
const startTime = 30 * time.Second

// Need skips the test, or fails it in CI, unless it runs as root and all programs are there.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = fmt.Sprintf("%q, which scripts/install-deps.sh desktop installs", program)
		}
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatalf("this test needs %s", missing)
	default:
		t.Skipf("this test needs %s", missing)
	}
}

// Until waits until a condition holds.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startTime); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// program is a started program. It ends with the test, and with the test's process.
type program struct {
	*exec.Cmd
	ended chan struct{}
}

// start runs a command as a user, with these variables and no others but PATH. Its output goes to the
// test's log if the test fails.
func start(t testing.TB, uid int, env []string, name string, args ...string) *program {
	t.Helper()
	p := prepare(t, uid, env, name, args...)
	p.begin(t)
	return p
}

func prepare(t testing.TB, uid int, env []string, name string, args ...string) *program {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.Dir = "/"
	p.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}, env...)
	p.Stdout, p.Stderr = output, output
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != 0 {
		p.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	t.Cleanup(func() {
		if t.Failed() {
			said, _ := os.ReadFile(output.Name())
			t.Logf("%s said:\n%s", filepath.Base(name), said)
		}
		output.Close()
	})
	return p
}

func (p *program) begin(t testing.TB) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.stop)
}

// stop ends the program and those that it started, and waits for it.
func (p *program) stop() {
	syscall.Kill(-p.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(300 * time.Millisecond):
	}
	syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// home makes a folder for a user, outside of the test's own, which are closed to others.
func home(t testing.TB, uid int) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tyto-desktop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Bus is a running message bus.
type Bus struct {
	Socket  string
	uid     int
	program *program
}

// busConfig lets everybody do everything.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    %s
    <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
`

// SystemBus starts a bus that serves all users.
func SystemBus(t testing.TB) *Bus {
	t.Helper()
	awaitTurn(t)
	return newBus(t, 0, `<allow user="*"/>`)
}

// SessionBus starts a bus that serves one user only, as session buses do.
func SessionBus(t testing.TB, uid int) *Bus {
	t.Helper()
	return newBus(t, uid, "")
}

func newBus(t testing.TB, uid int, users string) *Bus {
	t.Helper()
	Need(t, "dbus-daemon")
	dir := home(t, uid)
	bus := &Bus{Socket: filepath.Join(dir, "bus"), uid: uid}
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, bus.Socket, users), 0o644); err != nil {
		t.Fatal(err)
	}
	bus.program = start(t, uid, nil, "dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile")
	Until(t, "the bus listens", func() bool { _, err := os.Stat(bus.Socket); return err == nil })
	return bus
}

// Address is the bus's D-Bus address.
func (b *Bus) Address() string { return "unix:path=" + b.Socket }

// Env are the variables that make a program take this bus for the system bus.
func (b *Bus) Env() []string { return []string{"DBUS_SYSTEM_BUS_ADDRESS=" + b.Address()} }

// Stop ends the bus, as when its daemon dies.
func (b *Bus) Stop() { b.program.stop() }

// Freeze makes the bus hang, Thaw lets it go on.
func (b *Bus) Freeze() { syscall.Kill(b.program.Process.Pid, syscall.SIGSTOP) }

// Thaw ends Freeze.
func (b *Bus) Thaw() { syscall.Kill(b.program.Process.Pid, syscall.SIGCONT) }

// Display is a running X server.
type Display struct {
	Number     string // ":99"
	Xauthority string
	uid        int
}

// NewDisplay starts an X server of a user on a free display. It lets nobody in without its cookie.
func NewDisplay(t testing.TB, uid int) *Display {
	t.Helper()
	Need(t, "Xvfb")
	if err := os.MkdirAll("/tmp/.X11-unix", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod("/tmp/.X11-unix", 0o777|os.ModeSticky); err != nil { // MkdirAll obeys umask
		t.Fatal(err)
	}
	d := &Display{Xauthority: filepath.Join(home(t, uid), "Xauthority"), uid: uid}
	cookie := "0123456789abcdef"
	// One entry for every display: family wild, no address, no number. See x11.Cookie.
	entry := "\xff\xff\x00\x00\x00\x00\x00\x12MIT-MAGIC-COOKIE-1\x00\x10" + cookie
	if err := os.WriteFile(d.Xauthority, []byte(entry), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(d.Xauthority, uid, uid); err != nil {
		t.Fatal(err)
	}
	numbers, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer numbers.Close()
	p := prepare(t, uid, nil, "Xvfb", "-displayfd", "3", "-auth", d.Xauthority, "-screen", "0", "640x480x8", "-nolisten", "tcp", "-noreset")
	p.ExtraFiles = []*os.File{tell}
	p.begin(t)
	tell.Close()
	number, err := bufio.NewReader(numbers).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not start: %v", err)
	}
	d.Number = ":" + strings.TrimSpace(number)
	return d
}

// Env are the variables of programs on this display.
func (d *Display) Env() []string {
	return []string{"DISPLAY=" + d.Number, "XAUTHORITY=" + d.Xauthority, "HOME=" + filepath.Dir(d.Xauthority)}
}

// Touch makes input: the mouse moves.
func (d *Display) Touch(t testing.TB) {
	t.Helper()
	d.run(t, nil, "xdotool", "mousemove_relative", "--", "5", "5")
	d.run(t, nil, "xdotool", "mousemove_relative", "--", "-5", "-5")
}

// run runs a command on the display to its end.
func (d *Display) run(t testing.TB, env []string, name string, args ...string) {
	t.Helper()
	Need(t, name)
	p := start(t, d.uid, append(d.Env(), env...), name, args...)
	select {
	case <-p.ended:
	case <-time.After(startTime):
		t.Fatalf("%s does not end", name)
	}
	if !p.ProcessState.Success() {
		t.Fatalf("%s: %v", name, p.ProcessState)
	}
}
