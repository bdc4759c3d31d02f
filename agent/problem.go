package agent

import (
	"errors"
	"net/http"

	"tyto/agent/control"
	"tyto/quarantine"
)

// vaultProblem gives an error of the quarantine its status and the next step.
func vaultProblem(err error) error {
	if err == nil {
		return nil
	}
	status := http.StatusInternalServerError
	for _, known := range []struct {
		kind   error
		status int
	}{
		{quarantine.ErrNotFound, http.StatusNotFound},
		{quarantine.ErrGone, http.StatusNotFound},
		{quarantine.ErrProtected, http.StatusForbidden},
		{quarantine.ErrPermission, http.StatusForbidden},
		{quarantine.ErrChanged, http.StatusConflict},
		{quarantine.ErrLink, http.StatusConflict},
		{quarantine.ErrNotFile, http.StatusConflict},
		{quarantine.ErrMember, http.StatusConflict},
		{quarantine.ErrExists, http.StatusConflict},
		{quarantine.ErrNoFolder, http.StatusConflict},
		{quarantine.ErrBusy, http.StatusConflict},
		{quarantine.ErrTooLarge, http.StatusInsufficientStorage},
		{quarantine.ErrFull, http.StatusInsufficientStorage},
		{quarantine.ErrNoSpace, http.StatusInsufficientStorage},
	} {
		if errors.Is(err, known.kind) {
			status = known.status
			break
		}
	}
	return control.Errorf(status, quarantine.Hint(err), "%v", err)
}
