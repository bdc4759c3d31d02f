package control

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"tyto/scheduler"
)

//go:embed openapi.yaml
var description []byte

// route is one operation of the API.
type route struct {
	pattern string // method and path, as http.ServeMux has them
	stream  bool   // the answer comes in lines, as long as it takes
	handle  func(http.ResponseWriter, *http.Request) error
}

// routes returns all operations. openapi.yaml describes each.
func (s *Server) routes() []route {
	b := s.backend
	return append(s.sandboxRoutes(), []route{
		{pattern: "GET /v1/openapi.yaml", handle: describeYAML},
		{pattern: "GET /v1/openapi.json", handle: describeJSON},
		{pattern: "GET /v1/status", handle: give(b.Status)},
		{pattern: "GET /v1/presence", handle: give(b.Presence)},

		{pattern: "GET /v1/tasks", handle: give(b.Tasks)},
		{pattern: "POST /v1/tasks", handle: s.addTask},
		{pattern: "GET /v1/tasks/{id}", handle: giveOf(b.Task)},
		{pattern: "PUT /v1/tasks/{id}", handle: s.updateTask},
		{pattern: "DELETE /v1/tasks/{id}", handle: do(b.DeleteTask)},
		{pattern: "POST /v1/tasks/{id}/run", handle: s.startTask},
		{pattern: "POST /v1/tasks/{id}/pause", handle: giveOf(b.PauseTask)},
		{pattern: "POST /v1/tasks/{id}/resume", handle: giveOf(b.ResumeTask)},
		{pattern: "POST /v1/tasks/{id}/cancel", handle: giveOf(b.CancelTask)},

		{pattern: "GET /v1/runs", handle: s.runs},
		{pattern: "GET /v1/runs/{id}", handle: s.run},
		{pattern: "GET /v1/runs/{id}/progress", stream: true, handle: s.progress},
		{pattern: "GET /v1/runs/{id}/records", stream: true, handle: s.records},

		{pattern: "GET /v1/events", handle: s.events},
		{pattern: "GET /v1/policy", handle: give(b.Policy)},
		{pattern: "POST /v1/policy/reload", handle: give(b.ReloadPolicy)},

		{pattern: "GET /v1/quarantine", handle: give(b.Quarantine)},
		{pattern: "POST /v1/quarantine", handle: s.contain},
		{pattern: "POST /v1/quarantine/rescan", handle: s.rescan},
		{pattern: "GET /v1/quarantine/{id}", handle: giveOf(b.Quarantined)},
		{pattern: "DELETE /v1/quarantine/{id}", handle: do(b.DeleteFromQuarantine)},
		{pattern: "POST /v1/quarantine/{id}/restore", handle: s.restore},
	}...)
}

// give answers with what ask returns.
func give[T any](ask func(context.Context) (T, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		value, err := ask(r.Context())
		if err != nil {
			return err
		}
		return answer(w, http.StatusOK, value)
	}
}

// giveOf answers with what ask returns for the id in the path.
func giveOf[T any](ask func(context.Context, string) (T, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		return give(func(ctx context.Context) (T, error) { return ask(ctx, r.PathValue("id")) })(w, r)
	}
}

// do acts on the id in the path and has nothing to answer.
func do(act func(context.Context, string) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := act(r.Context(), r.PathValue("id")); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

func describeYAML(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(description) // a client that is gone needs no answer
	return nil
}

func describeJSON(w http.ResponseWriter, _ *http.Request) error {
	var all map[string]any
	if err := yaml.Unmarshal(description, &all); err != nil {
		return fmt.Errorf("read the description of the API: %w", err)
	}
	return answer(w, http.StatusOK, all)
}

// task reads a task from the request.
func task(r *http.Request) (scheduler.Task, error) {
	body, err := bodyOf(r)
	if err != nil {
		return scheduler.Task{}, err
	}
	t, err := scheduler.ParseJSON(body)
	if err != nil {
		p := Problem(err)
		if p.Status == http.StatusInternalServerError { // it is the sender's mistake
			p = Errorf(http.StatusBadRequest, "docs/tasks.md explains each field", "%v", err)
		}
		return scheduler.Task{}, p
	}
	return *t, nil
}

func (s *Server) addTask(w http.ResponseWriter, r *http.Request) error {
	t, err := task(r)
	if err != nil {
		return err
	}
	view, err := s.backend.AddTask(r.Context(), t)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/tasks/"+t.ID)
	return answer(w, http.StatusCreated, view)
}

func (s *Server) updateTask(w http.ResponseWriter, r *http.Request) error {
	t, err := task(r)
	if err != nil {
		return err
	}
	if id := r.PathValue("id"); t.ID != id {
		return Errorf(http.StatusConflict, "add a new task and delete the old one to rename it", "the task in the request is %q, that in the path %q", t.ID, id)
	}
	return give(func(ctx context.Context) (scheduler.TaskView, error) { return s.backend.UpdateTask(ctx, t) })(w, r)
}

func (s *Server) startTask(w http.ResponseWriter, r *http.Request) error {
	var o Start
	if err := receive(r, &o); err != nil {
		return err
	}
	view, err := s.backend.StartTask(r.Context(), r.PathValue("id"), o)
	if err != nil {
		return err
	}
	w.Header().Set("Location", fmt.Sprintf("/v1/runs/%d", view.ID))
	return answer(w, http.StatusAccepted, view)
}

func (s *Server) runs(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	return give(func(ctx context.Context) ([]scheduler.RunView, error) {
		return s.backend.Runs(ctx, RunFilter{Task: query.Get("task"), State: query.Get("state"), Limit: limit})
	})(w, r)
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	var since time.Time
	if text := query.Get("since"); text != "" {
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return Errorf(http.StatusBadRequest, "write it as 2026-11-21T08:30:00Z", "since=%q is no time", text)
		}
	}
	return give(func(ctx context.Context) ([]Event, error) {
		return s.backend.Events(ctx, EventFilter{ID: query.Get("id"), Since: since, Limit: limit})
	})(w, r)
}

// The limits on lists.
const (
	defaultLimit = 100
	maxLimit     = 10_000
)

func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, Errorf(http.StatusBadRequest, fmt.Sprintf("use 1 to %d", maxLimit), "limit=%q is no number of entries", text)
	}
	return n, nil
}

func runID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, Errorf(http.StatusNotFound, "GET /v1/runs lists the runs", "%q is no number of a run", r.PathValue("id"))
	}
	return id, nil
}

func (s *Server) run(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	return give(func(ctx context.Context) (scheduler.RunView, error) { return s.backend.Run(ctx, id) })(w, r)
}

func (s *Server) contain(w http.ResponseWriter, r *http.Request) error {
	var c Containment
	if err := receive(r, &c); err != nil {
		return err
	}
	if c.Path == "" {
		return Errorf(http.StatusBadRequest, "send the whole path of a file", "the path is missing")
	}
	object, err := s.backend.AddToQuarantine(r.Context(), c)
	if err != nil {
		return err
	}
	if c.DryRun {
		return answer(w, http.StatusOK, object)
	}
	w.Header().Set("Location", "/v1/quarantine/"+object.ID)
	return answer(w, http.StatusCreated, object)
}

func (s *Server) restore(w http.ResponseWriter, r *http.Request) error {
	var o Restoration
	if err := receive(r, &o); err != nil {
		return err
	}
	if o.Replace && o.Rename {
		return Errorf(http.StatusBadRequest, "choose one", "replace and rename contradict each other")
	}
	return give(func(ctx context.Context) (Object, error) { return s.backend.Restore(ctx, r.PathValue("id"), o) })(w, r)
}

func (s *Server) rescan(w http.ResponseWriter, r *http.Request) error {
	var o struct {
		IDs []string `json:"ids"`
	}
	if err := receive(r, &o); err != nil {
		return err
	}
	return give(func(ctx context.Context) ([]Rescanned, error) { return s.backend.Rescan(ctx, o.IDs) })(w, r)
}

// lines begins an answer in lines of JSON, and returns what writes one. A client that does not read for
// so long loses the connection.
func lines(w http.ResponseWriter) func(line []byte) error {
	w.Header().Set("Content-Type", "application/jsonl")
	control := http.NewResponseController(w)
	return func(line []byte) error {
		if err := control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if _, err := w.Write(append(line[:len(line):len(line)], '\n')); err != nil {
			return err
		}
		return control.Flush()
	}
}

// records streams a run's report.
func (s *Server) records(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	if _, err := s.backend.Run(r.Context(), id); err != nil {
		return err
	}
	write := lines(w)
	for line, err := range s.backend.Records(r.Context(), id) {
		if err == nil {
			err = write(line)
		}
		if err != nil {
			// The answer has begun: an end without the last chunk is how HTTP says that it is not whole.
			s.options.Log.Warn("a report could not be sent whole", "run", id, "error", err)
			panic(http.ErrAbortHandler)
		}
	}
	return nil
}

// progress streams a run, a line whenever it has changed, until it has ended.
func (s *Server) progress(w http.ResponseWriter, r *http.Request) error {
	id, err := runID(r)
	if err != nil {
		return err
	}
	view, err := s.backend.Run(r.Context(), id)
	if err != nil {
		return err
	}
	write := lines(w)
	ticker := time.NewTicker(s.options.FollowEvery)
	defer ticker.Stop()
	for last := ""; ; {
		line, err := json.Marshal(view)
		if err != nil {
			return err
		}
		if text := string(line); text != last {
			last = text
			if write(line) != nil {
				return nil // nobody reads any more
			}
		}
		if !view.Finished.IsZero() {
			return nil
		}
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-ticker.C:
		}
		if view, err = s.backend.Run(r.Context(), id); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}
