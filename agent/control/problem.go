package control

import (
	"context"
	"errors"
	"net/http"

	"tyto/scheduler"
	"tyto/store"
)

// Problem returns any error of a backend as one for clients.
func Problem(err error) *Error {
	var known *Error
	var invalid *scheduler.CheckError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &invalid):
		p := Errorf(http.StatusUnprocessableEntity, "mend what is listed; docs/tasks.md explains each field", "task %q cannot be used", invalid.Task)
		for _, wrong := range invalid.Problems {
			p.Problems = append(p.Problems, wrong.Field+": "+wrong.Text)
		}
		return p
	case errors.As(err, &tooLarge):
		return Errorf(http.StatusRequestEntityTooLarge, "send less", "the request has more than %d bytes", tooLarge.Limit)
	case errors.Is(err, scheduler.ErrUnknownTask):
		return Errorf(http.StatusNotFound, "tyto task list shows the tasks", "%v", err)
	case errors.Is(err, store.ErrNotFound):
		return Errorf(http.StatusNotFound, "the lists show what there is", "%v", err)
	case errors.Is(err, scheduler.ErrExists):
		return Errorf(http.StatusConflict, "choose another id, or replace the task: tyto task add --replace", "%v", err)
	case errors.Is(err, scheduler.ErrNoRun):
		return Errorf(http.StatusConflict, "tyto task run starts one", "%v", err)
	case errors.Is(err, scheduler.ErrPolicy):
		return Errorf(http.StatusConflict, "change it in the policy's file, then tyto agent reload", "%v", err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Errorf(http.StatusServiceUnavailable, "try again; tyto agent status says whether the agent stops", "the agent did not answer in time: %v", err)
	}
	return Errorf(http.StatusInternalServerError, "the agent's log and events say more", "%v", err)
}
