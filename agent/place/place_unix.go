//go:build unix

package place

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func system(func(string) string) Places {
	return Places{Policy: "/etc/tyto/policy.yaml", Data: "/var/lib/tyto", Control: "/run/tyto/agent.sock"}
}

// makeAll makes path for its owner alone. Folders above it are such that others may pass through them,
// as in /var/lib and /run.
func makeAll(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.Mkdir(path, 0o700)
}

// mostLinks is how many symbolic links may be on the way, as many as the kernel follows.
const mostLinks = 40

// check walks from the root to path. A symbolic link is as good as who made it, and what it leads to is
// walked to in the same way.
func check(path string, want demand) error {
	for range mostLinks {
		target, err := walk(path, want)
		if err != nil || target == "" {
			return err
		}
		path = target
	}
	return fmt.Errorf("%q: too many symbolic links: name the place without them", path)
}

// walk looks at each part of path. If it meets a symbolic link it ends and returns the path with the
// link resolved.
func walk(path string, want demand) (string, error) {
	at := "/"
	parts := strings.Split(strings.TrimPrefix(filepath.Clean(path), "/"), "/")
	for i := -1; i < len(parts); i++ {
		if i >= 0 {
			at = filepath.Join(at, parts[i])
		}
		info, err := os.Lstat(at)
		if err != nil {
			return "", fmt.Errorf("look at %q: %w", at, err)
		}
		if err := owned(at, info); err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			if err != nil {
				return "", fmt.Errorf("look at %q: %w", at, err)
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			return filepath.Join(append([]string{target}, parts[i+1:]...)...), nil
		}
		last := i == len(parts)-1
		if err := closed(at, info, last, want); err != nil {
			return "", err
		}
	}
	return "", nil
}

// owned refuses what belongs neither to the administrator nor to this process's user: the owner can change
// the mode.
func owned(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("this system does not say who owns files")
	}
	if uid := int(st.Uid); uid != 0 && uid != os.Geteuid() {
		return &Unsafe{
			Path: path,
			Why:  fmt.Sprintf("it belongs to user %d", uid),
			Next: fmt.Sprintf("change that: chown root %s", quote(path)),
		}
	}
	return nil
}

// closed refuses modes by which others can change the thing. In a folder on the way with the sticky bit,
// such as /tmp, others can make files but can neither remove nor rename ours.
func closed(path string, info fs.FileInfo, last bool, want demand) error {
	mode := info.Mode()
	sticky := info.IsDir() && !last && mode&fs.ModeSticky != 0
	switch {
	case mode.Perm()&0o022 != 0 && !sticky:
		return &Unsafe{
			Path: path,
			Why:  fmt.Sprintf("others may write it (mode %04o)", mode.Perm()),
			Next: fmt.Sprintf("change that: chmod go-w %s", quote(path)),
		}
	case last && want == private && mode.Perm()&0o077 != 0:
		return &Unsafe{
			Path: path,
			Why:  fmt.Sprintf("others may look into it (mode %04o)", mode.Perm()),
			Next: fmt.Sprintf("change that: chmod 700 %s", quote(path)),
		}
	}
	return nil
}

// quote writes a path so that it can be pasted into a shell.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
