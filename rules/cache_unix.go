//go:build unix

package rules

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkFolder makes sure that nobody else can put files into the cache.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is no folder", dir)
	}
	return checkOwner(dir, info)
}

// checkFile makes sure that nobody else could have written the open file.
func checkFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%q is no regular file", f.Name())
	}
	return checkOwner(f.Name(), info)
}

func checkOwner(name string, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%q belongs to another user", name)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%q can be written by other users (mode %v); chmod go-w it, or remove it", name, info.Mode().Perm())
	}
	return nil
}

func openNoFollow(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
}
