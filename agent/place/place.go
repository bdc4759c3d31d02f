// Package place knows where the agent keeps its things on each system, makes its folders so that
// nobody else can look into them, and refuses places that somebody else could change.
//
//	            Linux                       Windows
//	policy      /etc/tyto/policy.yaml       %ProgramData%\Tyto\policy.yaml
//	data        /var/lib/tyto               %ProgramData%\Tyto
//	control     /run/tyto/agent.sock        \\.\pipe\tyto-agent
//
// The environment variables TYTO_POLICY, TYTO_DATA and TYTO_SOCKET name other places; flags of the
// commands come before them.
//
// # Why it looks twice
//
// The agent runs with all privileges and does what its policy says. Whoever can write the policy, or
// can put another file in its place, has these privileges too; whoever can write the data folder can
// plant a state that the agent trusts, or take what was quarantined. So [CheckFile] and [CheckDir] look
// at the thing itself and at each folder on the way to it, and their errors say what to do.
package place

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Places are where one agent keeps its things.
type Places struct {
	// Policy is the file that says what the agent does.
	Policy string
	// Data is the folder of its state: the database, the quarantine, events.
	Data string
	// Control is the address at which it takes commands: the path of a Unix socket, or the name of a pipe.
	Control string
}

// The environment variables that name other places.
const (
	PolicyVariable  = "TYTO_POLICY"
	DataVariable    = "TYTO_DATA"
	ControlVariable = "TYTO_SOCKET"
)

// Default returns this system's places, with what the environment says instead.
func Default(getenv func(string) string) Places {
	p := system(getenv)
	for _, v := range []struct {
		variable string
		place    *string
	}{{PolicyVariable, &p.Policy}, {DataVariable, &p.Data}, {ControlVariable, &p.Control}} {
		if set := getenv(v.variable); set != "" {
			*v.place = set
		}
	}
	return p
}

// Or returns p with the places of other where p has none.
func (p Places) Or(other Places) Places {
	if p.Policy == "" {
		p.Policy = other.Policy
	}
	if p.Data == "" {
		p.Data = other.Data
	}
	if p.Control == "" {
		p.Control = other.Control
	}
	return p
}

// An Unsafe error is of a place that somebody else can change.
type Unsafe struct {
	Path string // what can be changed: the place or a folder on the way to it
	Why  string // by whom
	Next string // what to do about it
}

func (e *Unsafe) Error() string {
	return fmt.Sprintf("%q is not safe: %s; %s", e.Path, e.Why, e.Next)
}

// MakeDir makes the folder for the agent alone, with those above it that are missing, or checks the one
// that is there as [CheckDir] does.
func MakeDir(path string) error {
	path, err := absolute(path)
	if err != nil {
		return err
	}
	_, err = os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeAll(path); err != nil {
			return fmt.Errorf("make the folder %q: %w", path, err)
		}
	} else if err != nil {
		return fmt.Errorf("look at the folder %q: %w", path, err)
	}
	return CheckDir(path)
}

// CheckDir returns an error, *[Unsafe] where it is that, unless path is a folder that belongs to
// the administrator or to this process's user and that nobody else can look into, change or replace.
func CheckDir(path string) error { return checkFolder(path, private) }

// CheckWay returns an error, *[Unsafe] where it is that, unless path is a folder that belongs to the
// administrator or to this process's user and in which nobody else can put or replace anything; others may
// look into it, as they must for a socket.
func CheckWay(path string) error { return checkFolder(path, unchanged) }

// checkFolder holds a folder, and the way to it, to a need.
func checkFolder(path string, want demand) error {
	path, err := absolute(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("look at the folder %q: %w", path, err)
	case !info.IsDir():
		return fmt.Errorf("%q is no folder: name another, or move it away", path)
	}
	return check(path, want)
}

// CheckFile returns an error, *[Unsafe] where it is that, unless path is a regular file that belongs
// to the administrator or to this process's user and that nobody else can change or replace.
func CheckFile(path string) error {
	path, err := absolute(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("look at the file: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%q is no regular file: name another, or move it away", path)
	}
	return check(path, unchanged)
}

// demand is what others must not be able to do with a place.
type demand int

const (
	unchanged demand = iota // write it
	private                 // write it or look into it
)

func absolute(path string) (string, error) {
	if path == "" {
		return "", errors.New("a place without a name")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find the place %q: %w", path, err)
	}
	return abs, nil
}
