package sandbox

import (
	_ "embed"
	"io"
	"net/http"
)

// Headers of answers beside Kaspersky's API.
const (
	headerTask     = "X-Tyto-Task"     // the id of the task that this content has
	headerDatabase = "X-Tyto-Database" // the version of what is judged by
)

//go:embed openapi.yaml
var description []byte

// route is one call of the API; openapi.yaml describes each.
type route struct {
	pattern string
	handle  func(http.ResponseWriter, *http.Request) error
}

func (s *Sandbox) routes() []route {
	return []route{
		{"POST /sandbox/v1/tasks", s.postTask},
		{"GET /sandbox/v1/tasks/{id}", s.getTask},
		{"GET /sandbox/v1/tasks/{id}/report", s.getReport},
		{"GET /sandbox/v1/objects/{sha256}", s.getObject},
		{"GET /sandbox/v1/database", s.getDatabase},
		{"GET /sandbox/v1/openapi.yaml", s.getDescription},
		{"GET /healthz", s.getHealth},
		{"GET /{$}", s.getStatusPage},
	}
}

// postTask takes a sample: 200 with the verdict if its content is known, 201 with the task's id if not.
func (s *Sandbox) postTask(w http.ResponseWriter, r *http.Request) error {
	release := s.uploads.take(clientOf(r.RemoteAddr))
	if release == nil {
		return busy("too many samples are being received: try again, or another server")
	}
	defer release()
	u, err := s.receive(w, r)
	if err != nil {
		return err
	}
	defer u.discard()
	a, err := s.add(u)
	if err != nil {
		return err
	}
	w.Header().Set(headerTask, a.Task)
	if !a.fresh {
		text(w, http.StatusOK, string(a.Status))
		return nil
	}
	s.log.Info("a sample", "task", a.Task, "sha256", u.sha256, "size", u.size, "client", r.RemoteAddr)
	w.Header().Set("Location", "/sandbox/v1/tasks/"+a.Task)
	text(w, http.StatusCreated, a.Task)
	return nil
}

func (s *Sandbox) getTask(w http.ResponseWriter, r *http.Request) error {
	a, err := s.status(r.PathValue("id"))
	if err != nil {
		return err
	}
	text(w, http.StatusOK, string(a.Status))
	return nil
}

// getReport answers with the report, or with 202 as long as there is none.
func (s *Sandbox) getReport(w http.ResponseWriter, r *http.Request) error {
	a, err := s.status(r.PathValue("id"))
	if err != nil {
		return err
	}
	if a.Status == Processing {
		text(w, http.StatusAccepted, string(Processing))
		return nil
	}
	k := s.results.task(a.Task)
	if k == nil {
		return errUnknown
	}
	report, err := s.results.report(k)
	if err != nil {
		return err
	}
	return reply(w, report)
}

func (s *Sandbox) getObject(w http.ResponseWriter, r *http.Request) error {
	a, err := s.content(r.PathValue("sha256"))
	switch {
	case err != nil:
		return err
	case a.Status == Failed: // an error is no knowledge: send it again
		return errUnknown
	}
	w.Header().Set(headerTask, a.Task)
	return reply(w, a)
}

func (s *Sandbox) getDatabase(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, struct {
		Sandbox  string `json:"sandbox"`
		Database string `json:"database"`
	}{s.options.Product, s.database})
}

func (s *Sandbox) getDescription(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(description) // a client that is gone needs no answer
	return nil
}

// getHealth is for whoever watches the server: 200 while samples are taken, 503 if not.
func (s *Sandbox) getHealth(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errClosed
	case len(s.waiting) >= s.limits.Waiting || s.disk.used.Load() >= s.disk.limit:
		return busy("%v", errQueueFull)
	}
	text(w, http.StatusOK, "ok")
	return nil
}

// text answers with a line as Kaspersky's sandbox does, without a line end: clients compare it.
func text(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, line) // a client that is gone needs no answer
}

// reply answers with a value as JSON.
func reply(w http.ResponseWriter, value any) error {
	b, err := marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b) // a client that is gone needs no answer
	return nil
}
