// Package cape speaks CAPEv2's REST interface, apiv2:
//
//	GET  /apiv2/tasks/search/sha256/HASH/        tasks of a content that was submitted before
//	POST /apiv2/tasks/create/file/               form field "file"
//	GET  /apiv2/tasks/status/ID/                 where there is none: /apiv2/tasks/view/ID/
//	GET  /apiv2/tasks/get/report/ID/json/        where there is none: /apiv2/tasks/get/iocs/ID/detailed/
//
// Almost everything is answered with 200, failures as {"error": true, "error_value": "why"}; error may be a
// boolean, a list or a string. An administrator can switch off each endpoint, and most installations have done
// so with some: what is missing is done without, except for the upload. A state that we do not know means that
// the task is still at work.
//
// # Verdicts
//
// CAPE gives each analysis a malscore from 0 to 10. Its own scoring puts what a signature of a malicious
// category matched at 7 or more, known malware at 10, and what is only suspicious between 4 and 6; so 7
// and 4 are our defaults, and [Settings] change them. An archive becomes several tasks: the worst of them
// is the verdict.
package cape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tyto/sandboxlink/submit/wire"
	"tyto/verdict"
)

// Defaults of [Settings].
const (
	DefaultMalicious  = 7
	DefaultSuspicious = 4
	DefaultReuse      = 30 * 24 * time.Hour
)

// maxTasks of one submission are followed; CAPE itself takes at most that many files from an archive by default.
const maxTasks = 16

// Settings of a [Backend]. A field that is zero means its default.
type Settings struct {
	// Malicious and Suspicious are the least malscores, 0 to 10, for these levels.
	Malicious, Suspicious float64
	// Reuse is how old an earlier analysis of the same content may be to be taken for this one's.
	Reuse time.Duration
	// Now is the clock; default is time.Now.
	Now func() time.Time
	// Translate reads a report; nil, and an error, leave the verdict without report.
	Translate func([]byte) (*verdict.Report, error)
}

func (s Settings) withDefaults() Settings {
	if s.Malicious <= 0 {
		s.Malicious = DefaultMalicious
	}
	if s.Suspicious <= 0 {
		s.Suspicious = min(DefaultSuspicious, s.Malicious)
	}
	if s.Reuse <= 0 {
		s.Reuse = DefaultReuse
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return s
}

// Backend asks one server.
type Backend struct {
	client   *wire.Client
	settings Settings
}

// New returns a back end that speaks through the client.
func New(client *wire.Client, settings Settings) *Backend {
	return &Backend{client: client, settings: settings.withDefaults()}
}

// Close closes kept connections.
func (b *Backend) Close() { b.client.Close() }

// Database returns "": CAPE has no version of what it judges by.
func (b *Backend) Database(context.Context) (string, error) { return "", nil }

// Lookup looks for an earlier analysis. The newest one that is done is preferred over one that is not.
func (b *Backend) Lookup(ctx context.Context, o wire.Object) (wire.Answer, error) {
	reply, err := b.client.Ask(ctx, "/apiv2/tasks/search/sha256/"+wire.Segment(o.SHA256)+"/")
	if err != nil {
		return wire.Answer{}, err
	}
	if reply.Status == http.StatusNotFound {
		return wire.Answer{}, wire.ErrUnknown
	}
	said, err := read(reply)
	switch {
	case isDisabled(err), isObject(err):
		return wire.Answer{}, wire.ErrUnknown
	case err != nil:
		return wire.Answer{}, err
	}
	task, done := b.newest(said.tasks())
	switch {
	case task == "":
		return wire.Answer{}, wire.ErrUnknown
	case !done:
		return wire.Answer{Task: task, Pending: true}, nil
	}
	answer, err := b.result(ctx, task, o)
	if errors.Is(err, wire.ErrForgotten) || isObject(err) {
		return wire.Answer{}, wire.ErrUnknown
	}
	return answer, err
}

// newest chooses among the tasks of a content.
func (b *Backend) newest(tasks []task) (id string, done bool) {
	now, best := b.settings.Now(), int64(-1)
	for _, t := range tasks {
		number, err := strconv.ParseInt(t.ID.String(), 10, 64)
		if err != nil || number < 0 {
			continue
		}
		finished := stateOf(t.Status) == reported
		if stateOf(t.Status) == failed || finished && t.older(now.Add(-b.settings.Reuse)) {
			continue
		}
		if done && !finished || done == finished && number <= best {
			continue
		}
		id, done, best = strconv.FormatInt(number, 10), finished, number
	}
	return id, done
}

// Submit uploads the object.
func (b *Backend) Submit(ctx context.Context, o wire.Object, content io.Reader) (wire.Answer, error) {
	reply, err := b.client.Upload(ctx, "/apiv2/tasks/create/file/", wire.Form{Field: "file", Name: o.Name, Size: o.Size}, content)
	if err != nil {
		return wire.Answer{}, err
	}
	said, err := read(reply)
	if err != nil {
		if isDisabled(err) {
			return wire.Answer{}, &wire.Error{Kind: wire.Config, Answered: true, Err: err,
				Reason: err.Error() + ": enable filecreate in the server's conf/api.conf"}
		}
		return wire.Answer{}, err
	}
	ids := said.ids()
	if len(ids) == 0 {
		if message := said.message(); message != "" {
			return wire.Answer{}, failure(message, 0)
		}
		return wire.Answer{}, wire.Bad("the answer to the upload names no task: %s", reply.Text())
	}
	task := strings.Join(ids, ",")
	if err := checkTasks(task); err != nil {
		return wire.Answer{}, err
	}
	return wire.Answer{Task: task, Pending: true}, nil
}

// checkTasks refuses ids that are none of CAPE's, which are numbers with commas between them.
func checkTasks(task string) error {
	ids := strings.Split(task, ",")
	if len(ids) > maxTasks || slices.ContainsFunc(ids, func(id string) bool {
		return id == "" || len(id) > 18 || strings.Trim(id, "0123456789") != ""
	}) {
		return wire.Bad("%.60q is no id of a task", task)
	}
	return nil
}

// Poll asks for the outcome of a submission.
func (b *Backend) Poll(ctx context.Context, tasks string, o wire.Object) (wire.Answer, error) {
	if checkTasks(tasks) != nil {
		return wire.Answer{}, wire.ErrForgotten // it cannot be of this server
	}
	ids := strings.Split(tasks, ",")
	for _, id := range ids {
		switch state, err := b.state(ctx, id); {
		case err != nil:
			return wire.Answer{}, err
		case state == running:
			return wire.Answer{Task: tasks, Pending: true}, nil
		case state == failed && len(ids) == 1:
			return wire.Answer{}, &wire.Error{Kind: wire.Refused, Answered: true, Reason: "the analysis failed on the sandbox"}
		}
	}
	var worst wire.Answer
	var failure error
	for _, id := range ids {
		answer, err := b.result(ctx, id, o)
		switch {
		case isObject(err):
			failure = err
		case err != nil:
			return wire.Answer{}, err
		case answer.Pending:
			return wire.Answer{Task: tasks, Pending: true}, nil
		case worst.Verdict == nil || answer.Verdict.Score > worst.Verdict.Score:
			worst = answer
		}
	}
	if worst.Verdict == nil {
		return wire.Answer{}, failure
	}
	worst.Task = tasks
	return worst, nil
}

// state asks how far a task is. Without an endpoint that tells, it is said to be reported, and the report
// will show.
func (b *Backend) state(ctx context.Context, id string) (state, error) {
	for _, path := range []string{"/apiv2/tasks/status/", "/apiv2/tasks/view/"} {
		reply, err := b.client.Ask(ctx, path+id+"/")
		if err != nil {
			return running, err
		}
		if reply.Status == http.StatusNotFound && !strings.Contains(reply.Text(), "error_value") {
			continue // no such page; the API's own 404 says more
		}
		said, err := read(reply)
		switch {
		case isDisabled(err):
			continue
		case isForgotten(err):
			return running, wire.ErrForgotten
		case isUnfinished(err):
			return running, nil
		case err != nil:
			return running, err
		}
		return stateOf(said.status()), nil
	}
	return reported, nil
}

// state is how far a task is.
type state int

const (
	running state = iota
	reported
	failed
)

// stateOf translates CAPE's words. "recovered" is a task that was done again under another id, to whose
// report CAPE leads; if there is none, the server will say that it is still at work.
func stateOf(word string) state {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "reported", "recovered":
		return reported
	case "failed_analysis", "failed_processing", "failed_reporting", "banned":
		return failed
	}
	return running
}

// level translates a malscore.
func (b *Backend) level(score float64) verdict.Level {
	switch {
	case score >= b.settings.Malicious:
		return verdict.Malicious
	case score >= b.settings.Suspicious:
		return verdict.Suspicious
	}
	return verdict.Clean
}

// errNoReport is returned if the server gives neither report nor indicators.
func errNoReport(why error) error {
	return &wire.Error{Kind: wire.Config, Answered: true, Err: why,
		Reason: fmt.Sprintf("the server gives neither reports nor indicators, so there is no verdict: enable taskreport or taskiocs in its conf/api.conf (%v)", why)}
}
