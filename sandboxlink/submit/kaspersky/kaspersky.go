// Package kaspersky speaks the REST interface that is published for Kaspersky Sandbox, and the few additions by
// which Tyto's own sandbox tells more:
//
//	POST /sandbox/v1/tasks                 form field "sample"
//	     200 Found | Not found             the content was judged before
//	     201 ID                            the content will be judged
//	     400  500 TEXT  503  504           see refusal
//	GET  /sandbox/v1/tasks/ID              200 Processing | Found | Not found | Error; 404 unknown task
//
//	Tyto only:
//	POST …                                 headers X-Tyto-Task: ID, X-Tyto-Database: VERSION
//	GET  /sandbox/v1/objects/SHA256        200 {"task": ID, "status": "Found"}; 404 unknown object
//	GET  /sandbox/v1/tasks/ID/report       200 a verdict.Report; 202 not yet
//	GET  /sandbox/v1/database              200 {"sandbox": "Tyto 0.4", "database": VERSION}
//
// The documentation leaves open whether texts are bare or JSON strings, and says "queue full" with the same
// status as "unknown error". So texts are recognised by their words, in any case, bare, quoted, or in a JSON
// object.
package kaspersky

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"tyto/sandboxlink/submit/wire"
	"tyto/verdict"
)

// Paths and headers of the interface.
const (
	tasksPath      = "/sandbox/v1/tasks"
	objectsPath    = "/sandbox/v1/objects"
	databasePath   = "/sandbox/v1/database"
	taskHeader     = "X-Tyto-Task"
	databaseHeader = "X-Tyto-Database"
)

// Settings of a [Backend].
type Settings struct {
	// Tyto switches on what Tyto's own sandbox offers beyond Kaspersky's.
	Tyto bool
}

// Backend asks one server.
type Backend struct {
	client   *wire.Client
	settings Settings
}

// New returns a back end that speaks through the client.
func New(client *wire.Client, settings Settings) *Backend {
	return &Backend{client: client, settings: settings}
}

// Close closes kept connections.
func (b *Backend) Close() { b.client.Close() }

// Lookup asks by hash. Kaspersky's server has no such question: it recognises content by itself, after the upload.
func (b *Backend) Lookup(ctx context.Context, o wire.Object) (wire.Answer, error) {
	if !b.settings.Tyto {
		return wire.Answer{}, wire.ErrUnknown
	}
	reply, err := b.client.Ask(ctx, objectsPath+"/"+wire.Segment(o.SHA256))
	if err != nil {
		return wire.Answer{}, err
	}
	switch reply.Status {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusNotImplemented:
		return wire.Answer{}, wire.ErrUnknown // also a server of Kaspersky's that was entered as one of ours
	default:
		return wire.Answer{}, reply.Unexpected()
	}
	said := read(reply.Body)
	if err := wire.CheckTask(said.task); err != nil {
		return wire.Answer{}, err
	}
	answer, err := b.outcome(ctx, said, reply.Header, o)
	if refused := (*wire.Error)(nil); errors.As(err, &refused) && refused.Kind == wire.Refused {
		// The server failed on it once; with another database it may not.
		return wire.Answer{}, wire.ErrUnknown
	}
	return answer, err
}

// Submit uploads the object.
func (b *Backend) Submit(ctx context.Context, o wire.Object, content io.Reader) (wire.Answer, error) {
	reply, err := b.client.Upload(ctx, tasksPath, wire.Form{Field: "sample", Name: o.Name, Size: o.Size}, content)
	if err != nil {
		return wire.Answer{}, err
	}
	said := read(reply.Body)
	if id := reply.Header.Get(taskHeader); b.settings.Tyto && id != "" {
		said.task = id
	}
	switch reply.Status {
	case http.StatusOK:
		return b.outcome(ctx, said, reply.Header, o)
	case http.StatusCreated, http.StatusAccepted:
		if said.task == "" {
			said.task = said.text
		}
		if err := wire.CheckTask(said.task); err != nil {
			return wire.Answer{}, err
		}
		return wire.Answer{Task: said.task, Pending: true}, nil
	case http.StatusInternalServerError, http.StatusBadRequest:
		return wire.Answer{}, refusal(reply, said.text)
	}
	return wire.Answer{}, reply.Unexpected()
}

// Poll asks for the outcome of a task.
func (b *Backend) Poll(ctx context.Context, task string, o wire.Object) (wire.Answer, error) {
	if err := wire.CheckTask(task); err != nil {
		return wire.Answer{}, wire.ErrForgotten // it cannot be of this server
	}
	reply, err := b.client.Ask(ctx, tasksPath+"/"+wire.Segment(task))
	if err != nil {
		return wire.Answer{}, err
	}
	switch reply.Status {
	case http.StatusOK:
		said := read(reply.Body)
		said.task = task
		return b.outcome(ctx, said, reply.Header, o)
	case http.StatusAccepted:
		return wire.Answer{Task: task, Pending: true}, nil
	case http.StatusNotFound, http.StatusGone:
		return wire.Answer{}, wire.ErrForgotten
	case http.StatusBadRequest:
		if reply.AboutTLS() {
			return wire.Answer{}, reply.Unexpected()
		}
		return wire.Answer{}, wire.ErrForgotten // the server does not take the id for one of its own
	}
	return wire.Answer{}, reply.Unexpected()
}

// Database returns the version of what the server judges by.
func (b *Backend) Database(ctx context.Context) (string, error) {
	if !b.settings.Tyto {
		return "", nil
	}
	reply, err := b.client.Ask(ctx, databasePath)
	if err != nil {
		return "", err
	}
	switch reply.Status {
	case http.StatusOK:
		return version(read(reply.Body).database), nil
	case http.StatusNotFound:
		return "", nil
	}
	return "", reply.Unexpected()
}

// outcome translates a state of a task.
func (b *Backend) outcome(ctx context.Context, said statement, header http.Header, o wire.Object) (wire.Answer, error) {
	level := verdict.Error
	switch said.state() {
	case "processing":
		if err := wire.CheckTask(said.task); err != nil {
			return wire.Answer{}, err
		}
		return wire.Answer{Task: said.task, Pending: true}, nil
	case "found":
		level = verdict.Malicious
	case "not found":
		level = verdict.Clean
	case "error":
		return wire.Answer{}, &wire.Error{Kind: wire.Refused, Answered: true, Reason: "the sandbox could not judge the object"}
	default:
		return wire.Answer{}, wire.Bad("the answer %.80q is none of Processing, Found, Not found and Error", said.text)
	}
	v := verdict.Verdict{SHA256: o.SHA256, Level: level, Sandbox: "Kaspersky Sandbox"}
	if level == verdict.Malicious {
		v.Score = 100
	}
	answer := wire.Answer{Task: said.task, Verdict: &v}
	if !b.settings.Tyto {
		return answer, nil
	}
	v.Sandbox, v.Database = "Tyto", version(header.Get(databaseHeader))
	if said.task == "" {
		answer.NoReport = errors.New("the server gave no id of a task to fetch the report by")
		return answer, nil
	}
	report, err := b.report(ctx, said.task, o)
	if err != nil {
		if ctx.Err() != nil {
			return wire.Answer{}, err
		}
		answer.NoReport = err
		return answer, nil
	}
	answer.Report = report
	v = report.Verdict // it may say suspicious, which the state cannot
	return answer, nil
}

// report fetches the report of a task and checks that it is of the object.
func (b *Backend) report(ctx context.Context, task string, o wire.Object) (*verdict.Report, error) {
	reply, err := b.client.Fetch(ctx, tasksPath+"/"+wire.Segment(task)+"/report")
	if err != nil {
		return nil, err
	}
	if reply.Status != http.StatusOK {
		return nil, reply.Unexpected()
	}
	report, err := verdict.Parse(reply.Body)
	switch {
	case err != nil:
		return nil, wire.Bad("the report cannot be read: %v", err)
	case report.Object.SHA256 != o.SHA256 || report.Verdict.SHA256 != o.SHA256:
		return nil, wire.Bad("the report is of another object")
	case !report.Verdict.Level.Known():
		return nil, wire.Bad("the report has no verdict")
	}
	return report, nil
}

// refusal reads the text of a 500 or 400. The documented ones are: no licence, larger than 60 MB, format not
// supported, request queue full, unknown.
func refusal(reply wire.Reply, text string) error {
	said := strings.ToLower(text)
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(said, word) {
				return true
			}
		}
		return false
	}
	e := &wire.Error{Kind: wire.Down, Answered: true}
	if known := (*wire.Error)(nil); errors.As(reply.Unexpected(), &known) {
		e = known
	}
	switch {
	case has("queue", "busy", "overload", "too many"):
		e.Kind = wire.Busy
	case has("licen"):
		e.Kind = wire.Config
	case has("too large", "too big", "exceed", "larger than", "bigger than", "60 mb", "60mb", "file size", "size limit", "maximum size"):
		e.Kind = wire.Refused
	case has("format", "not supported", "unsupported", "file type", "empty"):
		e.Kind = wire.Refused
	}
	return e
}
