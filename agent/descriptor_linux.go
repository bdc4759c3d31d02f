package agent

import (
	"fmt"
	"net/http"
	"os"

	"golang.org/x/sys/unix"

	"tyto/agent/control"
)

// openDescriptor opens the file that a process has open as the descriptor of that number: the very file,
// whatever its name leads to now.
func openDescriptor(pid, descriptor int) (*os.File, string, error) {
	if pid <= 0 || descriptor < 0 {
		return nil, "", control.Errorf(http.StatusBadRequest, "send the path", "the process that asks, or its descriptor %d, is not known", descriptor)
	}
	link := fmt.Sprintf("/proc/%d/fd/%d", pid, descriptor)
	info, err := os.Stat(link)
	if err != nil {
		return nil, "", askedError(link, err)
	}
	if !info.Mode().IsRegular() {
		return nil, "", control.Errorf(http.StatusConflict, "ask about files", "descriptor %d is no regular file", descriptor)
	}
	path, err := os.Readlink(link)
	if err != nil {
		return nil, "", askedError(link, err)
	}
	f, err := os.OpenFile(link, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may have become a pipe meanwhile
	if err != nil {
		return nil, "", askedError(link, err)
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		f.Close()
		return nil, "", control.Errorf(http.StatusConflict, "ask again", "descriptor %d was exchanged meanwhile", descriptor)
	}
	return f, path, nil
}
