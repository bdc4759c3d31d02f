package cape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tyto/sandboxlink/submit/wire"
)

// statement is the envelope of CAPE's answers.
type statement struct {
	Error      json.RawMessage `json:"error"`
	ErrorValue json.RawMessage `json:"error_value"`
	Errors     json.RawMessage `json:"errors"`
	Detail     string          `json:"detail"` // what the framework below says: throttled, no token
	Data       json.RawMessage `json:"data"`
}

// task is one of a search's.
type task struct {
	ID        json.Number `json:"id"`
	Status    string      `json:"status"`
	Completed string      `json:"completed_on"`
}

// older reports whether a task was done before a time. CAPE tells no time zone; the day that this may be wrong by does
// not matter.
func (t task) older(than time.Time) bool {
	done, err := time.Parse(time.DateTime, t.Completed)
	return err == nil && done.Before(than)
}

// What the texts of errors mean, as sentinels for this package.
var (
	errDisabled   = errors.New("switched off")
	errUnfinished = errors.New("not done")
)

func isDisabled(err error) bool   { return errors.Is(err, errDisabled) }
func isUnfinished(err error) bool { return errors.Is(err, errUnfinished) }
func isForgotten(err error) bool  { return errors.Is(err, wire.ErrForgotten) }

// isBusy reports that the server wants fewer questions.
func isBusy(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Kind == wire.Busy
}

// isObject reports whether the object or its task is to blame, not the server.
func isObject(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Kind == wire.Refused
}

// read understands an answer. The error says what the answer complains about.
func read(reply wire.Reply) (statement, error) {
	var said statement
	malformed := json.Unmarshal(reply.Body, &said)
	message := said.message()
	switch {
	case reply.Status == http.StatusTooManyRequests || strings.Contains(message, "throttled"):
		return said, throttled(reply, message)
	case reply.Status == http.StatusNotFound && malformed == nil && message != "":
		return said, wire.ErrForgotten // the API hides what we may not see, and what is gone
	case reply.Status != http.StatusOK && reply.Status != http.StatusCreated:
		return said, reply.Unexpected()
	case malformed != nil:
		return said, wire.Bad("the answer is no JSON of CAPE's: %s", reply.Text())
	case said.failed():
		return said, failure(message, 0)
	}
	return said, nil
}

// failed reports whether the answer is a failure: error is false, true, [], a list or a text.
func (s statement) failed() bool {
	switch value := string(bytes.TrimSpace(s.Error)); value {
	case "", "false", "null", "[]", `""`, "{}", "0":
		return false
	}
	return true
}

// message collects what an answer complains about, wherever it stands.
func (s statement) message() string {
	var parts []string
	if s.Detail != "" {
		parts = append(parts, s.Detail)
	}
	for _, raw := range []json.RawMessage{s.ErrorValue, s.Errors, s.Error} {
		var value any
		if json.Unmarshal(raw, &value) == nil {
			parts = collect(parts, value, 0)
		}
	}
	text := strings.Join(parts, "; ")
	return text[:min(len(text), 1000)]
}

// collect finds the texts in lists and objects, a few of them.
func collect(parts []string, value any, depth int) []string {
	if len(parts) >= 8 || depth > 4 {
		return parts
	}
	switch value := value.(type) {
	case string:
		if value != "" {
			parts = append(parts, value)
		}
	case []any:
		for _, v := range value {
			parts = collect(parts, v, depth+1)
		}
	case map[string]any:
		for _, v := range value {
			parts = collect(parts, v, depth+1)
		}
	}
	return parts
}

// failure says what a message of CAPE's means. The texts are those of its web/apiv2/views.py and of
// lib/cuckoo/common/web_utils.py.
func failure(message string, retry time.Duration) error {
	text := strings.ToLower(message)
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(text, word) {
				return true
			}
		}
		return false
	}
	e := &wire.Error{Kind: wire.Down, Answered: true, Retry: retry, Reason: fmt.Sprintf("the server says: %s", wire.Reply{Body: []byte(message)}.Text())}
	switch {
	case message == "":
		e.Reason = "the server says that something failed, and not what"
	case has("still being analyzed", "still being analysed", "not finished", "still running"):
		e.Kind, e.Err = wire.Refused, errUnfinished
	case has("task does not exist", "task not found"):
		return fmt.Errorf("%w: %s", wire.ErrForgotten, message)
	case has("is disabled", "disabled", "don't have permission", "no permission"):
		e.Kind, e.Err = wire.Config, errDisabled
	case has("token", "credential", "authenticat", "access denied"):
		e.Kind = wire.Config
	case has("tlp"):
		e.Kind = wire.Refused
	case has("throttled", "limit exceeded", "rate limit", "too many"):
		e.Kind = wire.Busy
	case has("exceed", "too big", "too large", "empty file", "not supported", "unsupported", "not allowed", "no file was submitted", "duplicated", "blocklist",
		"no reports created", "does not exist", "not found", "unable to retrieve"):
		e.Kind = wire.Refused
	}
	return e
}

// available finds the seconds in the framework's text: "Request was throttled. Expected available in 42 seconds."
var available = regexp.MustCompile(`available in (\d{1,6}) second`)

// throttled is the error of a rate limit; CAPE's default is five requests a minute.
func throttled(reply wire.Reply, message string) error {
	e := &wire.Error{Kind: wire.Busy, Answered: true, Reason: fmt.Sprintf("the server limits our requests: %s", reply.Text())}
	if known := (*wire.Error)(nil); errors.As(reply.Unexpected(), &known) {
		e.Retry = known.Retry
	}
	if m := available.FindStringSubmatch(message); m != nil && e.Retry == 0 {
		if seconds, err := strconv.Atoi(m[1]); err == nil {
			e.Retry = time.Duration(seconds) * time.Second
		}
	}
	return e
}

// tasks of a search: a list, or null.
func (s statement) tasks() []task {
	var tasks []task
	if json.Unmarshal(s.Data, &tasks) != nil {
		return nil
	}
	return tasks
}

// ids of a submission.
func (s statement) ids() []string {
	var data struct {
		TaskIDs []json.Number `json:"task_ids"`
		TaskID  json.Number   `json:"task_id"`
	}
	if json.Unmarshal(s.Data, &data) != nil {
		return nil
	}
	if len(data.TaskIDs) == 0 && data.TaskID != "" {
		data.TaskIDs = []json.Number{data.TaskID}
	}
	var ids []string
	for _, id := range data.TaskIDs[:min(len(data.TaskIDs), maxTasks)] {
		ids = append(ids, id.String())
	}
	return ids
}

// status of a task: a text, or an object with one.
func (s statement) status() string {
	var text string
	if json.Unmarshal(s.Data, &text) == nil {
		return text
	}
	var data struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(s.Data, &data) == nil {
		return data.Status
	}
	return ""
}
