//go:build !linux

package agent

import (
	"net/http"
	"os"

	"tyto/agent/control"
)

// openDescriptor is not built for this system.
func openDescriptor(int, int) (*os.File, string, error) {
	return nil, "", control.Errorf(http.StatusNotImplemented, "send the path", "descriptors of other processes cannot be opened on this system")
}
