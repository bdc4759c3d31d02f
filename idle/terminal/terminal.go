//go:build linux

// Package terminal tells when there was last input on text consoles and pseudo terminals.
//
// The kernel moves a terminal's access time when a program reads input from it, in steps of eight
// seconds, so that nobody can tell how somebody types. Output moves the time of modification only.
package terminal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxTerminals is how many terminals are looked at.
const maxTerminals = 4096

// Terminal is a terminal with its last input.
type Terminal struct {
	Name  string // "tty2", "pts/0"
	Owner int    // the user who is logged in there
	Input time.Time
}

// Of returns the terminal of a name such as "pts/0" below dev, the folder of devices.
func Of(dev, name string) (Terminal, error) {
	clean := filepath.Clean(strings.TrimPrefix(name, "/dev/"))
	if !filepath.IsLocal(clean) {
		return Terminal{}, fmt.Errorf("terminal %q: not a name of a terminal", name)
	}
	info, err := os.Lstat(filepath.Join(dev, clean))
	if err != nil {
		return Terminal{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode()&os.ModeCharDevice == 0 {
		return Terminal{}, fmt.Errorf("terminal %q: not a device", name)
	}
	return Terminal{Name: clean, Owner: int(stat.Uid), Input: time.Unix(stat.Atim.Unix())}, nil
}

// Graphics reports whether a virtual console such as "tty1" shows graphics: then a display server runs
// there, also if it was started by hand from a text login. A terminal that cannot be asked does not.
func Graphics(dev, name string) bool {
	const getMode, graphics = 0x4B3B, 1 // KDGETMODE, KD_GRAPHICS; see ioctl_console(2)
	if !strings.HasPrefix(name, "tty") || !filepath.IsLocal(name) {
		return false
	}
	fd, err := unix.Open(filepath.Join(dev, name), unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	mode, err := unix.IoctlGetInt(fd, getMode)
	return err == nil && mode == graphics
}

// All returns the pseudo terminals and the text and serial consoles. Consoles whose input was before boot
// ("since" the zero time: never read) are among them.
func All(dev string) ([]Terminal, error) {
	var all []Terminal
	for _, pattern := range []string{"pts/[0-9]*", "tty[1-9]*", "ttyS[0-9]*", "ttyAMA[0-9]*", "hvc[0-9]*"} {
		names, err := filepath.Glob(filepath.Join(dev, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if len(all) == maxTerminals {
				return nil, fmt.Errorf("more than %d terminals", maxTerminals)
			}
			name, err := filepath.Rel(dev, name)
			if err != nil {
				return nil, err
			}
			if t, err := Of(dev, name); err == nil { // else it has just been closed
				all = append(all, t)
			}
		}
	}
	return all, nil
}
