package rules

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// anonymousFile returns a file in memory.
func anonymousFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("tyto-rules", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), "compiled rules in memory"), nil
}

// makeReadOnly seals an anonymous file, so that no worker can change what others load.
func makeReadOnly(f *os.File) error {
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal the compiled rules: %w", err)
	}
	return nil
}
