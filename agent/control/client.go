package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tyto/idle"
	"tyto/scheduler"
)

// Client commands an agent. Its errors are *[Error] where the agent says what is wrong, and [ErrNoAgent] if
// none listens.
type Client struct {
	http *http.Client
}

var _ Backend = (*Client)(nil)

// NewClient returns a client of the agent at an address. It connects when it is used.
func NewClient(address string) *Client {
	return newClient(func(ctx context.Context) (net.Conn, error) { return dial(ctx, address) })
}

func newClient(dial func(context.Context) (net.Conn, error)) *Client {
	return &Client{http: &http.Client{
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
			DisableKeepAlives: false,
			Proxy:             nil, // never through a proxy of the environment
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("an agent sends nobody elsewhere") },
	}}
}

// Close gives back the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// maxAnswer is more than any answer that is no stream has.
const maxAnswer = 64 << 20

// maxLine is more than a line of a report has.
const maxLine = 4 << 20

// ask sends a request and returns its answer, whose body the caller closes.
func (c *Client) ask(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		reader = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://tyto"+path, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) { // which says only what the caller knows
			err = outer.Err
		}
		return nil, err
	}
	if response.StatusCode >= 400 {
		defer response.Body.Close()
		return nil, problemOf(response)
	}
	return response, nil
}

// problemOf reads what the agent says is wrong.
func problemOf(response *http.Response) error {
	p := &Error{}
	if err := json.NewDecoder(io.LimitReader(response.Body, MaxBody)).Decode(p); err != nil || p.Detail == "" {
		return Errorf(response.StatusCode, "", "the agent answered %s", response.Status)
	}
	p.Status = response.StatusCode
	return p
}

// call sends a request and reads its answer.
func call[T any](ctx context.Context, c *Client, method, path string, body any) (value T, err error) {
	response, err := c.ask(ctx, method, path, body)
	if err != nil {
		return value, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return value, nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&value); err != nil {
		return value, fmt.Errorf("read the agent's answer to %s %s: %w", method, path, err)
	}
	return value, nil
}

type nothing struct{}

func at(path, id string) string { return path + "/" + url.PathEscape(id) }

// Status implements [Backend], as the other methods do.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return call[Status](ctx, c, "GET", "/v1/status", nil)
}

// Presence asks whether somebody uses the computer.
func (c *Client) Presence(ctx context.Context) (idle.State, error) {
	return call[idle.State](ctx, c, "GET", "/v1/presence", nil)
}

// Tasks lists all tasks.
func (c *Client) Tasks(ctx context.Context) ([]scheduler.TaskView, error) {
	return call[[]scheduler.TaskView](ctx, c, "GET", "/v1/tasks", nil)
}

// Task shows a task.
func (c *Client) Task(ctx context.Context, id string) (scheduler.TaskView, error) {
	return call[scheduler.TaskView](ctx, c, "GET", at("/v1/tasks", id), nil)
}

// AddTask adds a task.
func (c *Client) AddTask(ctx context.Context, t scheduler.Task) (scheduler.TaskView, error) {
	return call[scheduler.TaskView](ctx, c, "POST", "/v1/tasks", t)
}

// UpdateTask replaces a task.
func (c *Client) UpdateTask(ctx context.Context, t scheduler.Task) (scheduler.TaskView, error) {
	return call[scheduler.TaskView](ctx, c, "PUT", at("/v1/tasks", t.ID), t)
}

// DeleteTask deletes a task.
func (c *Client) DeleteTask(ctx context.Context, id string) error {
	_, err := call[nothing](ctx, c, "DELETE", at("/v1/tasks", id), nil)
	return err
}

// StartTask starts a run.
func (c *Client) StartTask(ctx context.Context, id string, o Start) (scheduler.RunView, error) {
	return call[scheduler.RunView](ctx, c, "POST", at("/v1/tasks", id)+"/run", o)
}

// PauseTask holds a task's run.
func (c *Client) PauseTask(ctx context.Context, id string) (scheduler.TaskView, error) {
	return call[scheduler.TaskView](ctx, c, "POST", at("/v1/tasks", id)+"/pause", nil)
}

// ResumeTask lets it go on.
func (c *Client) ResumeTask(ctx context.Context, id string) (scheduler.TaskView, error) {
	return call[scheduler.TaskView](ctx, c, "POST", at("/v1/tasks", id)+"/resume", nil)
}

// CancelTask ends it.
func (c *Client) CancelTask(ctx context.Context, id string) (scheduler.TaskView, error) {
	return call[scheduler.TaskView](ctx, c, "POST", at("/v1/tasks", id)+"/cancel", nil)
}

// Runs lists runs.
func (c *Client) Runs(ctx context.Context, f RunFilter) ([]scheduler.RunView, error) {
	query := url.Values{}
	set(query, "task", f.Task)
	set(query, "state", f.State)
	setLimit(query, f.Limit)
	return call[[]scheduler.RunView](ctx, c, "GET", "/v1/runs?"+query.Encode(), nil)
}

// Run shows a run.
func (c *Client) Run(ctx context.Context, id int64) (scheduler.RunView, error) {
	return call[scheduler.RunView](ctx, c, "GET", runPath(id), nil)
}

func runPath(id int64) string { return "/v1/runs/" + strconv.FormatInt(id, 10) }

// Follow yields a run whenever it has changed, until it has ended. The first error ends it.
func (c *Client) Follow(ctx context.Context, id int64) iter.Seq2[scheduler.RunView, error] {
	return func(yield func(scheduler.RunView, error) bool) {
		for line, err := range c.lines(ctx, runPath(id)+"/progress") {
			var view scheduler.RunView
			if err == nil {
				err = json.Unmarshal(line, &view)
			}
			if !yield(view, err) || err != nil {
				return
			}
		}
	}
}

// Records yields the lines of a run's report.
func (c *Client) Records(ctx context.Context, run int64) iter.Seq2[[]byte, error] {
	return c.lines(ctx, runPath(run)+"/records")
}

// lines reads an answer line by line.
func (c *Client) lines(ctx context.Context, path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		response, err := c.ask(ctx, "GET", path, nil)
		if err != nil {
			yield(nil, err)
			return
		}
		defer response.Body.Close()
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, maxLine)
		for lines.Scan() {
			if !yield(lines.Bytes(), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, fmt.Errorf("read the agent's answer to its end: %w", err))
		}
	}
}

// Events lists events.
func (c *Client) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	query := url.Values{}
	set(query, "id", f.ID)
	if !f.Since.IsZero() {
		query.Set("since", f.Since.Format(time.RFC3339))
	}
	setLimit(query, f.Limit)
	return call[[]Event](ctx, c, "GET", "/v1/events?"+query.Encode(), nil)
}

func set(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, value)
	}
}

func setLimit(query url.Values, n int) {
	if n > 0 {
		query.Set("limit", strconv.Itoa(n))
	}
}

// Policy shows the policy in force.
func (c *Client) Policy(ctx context.Context) (Policy, error) {
	return call[Policy](ctx, c, "GET", "/v1/policy", nil)
}

// ReloadPolicy has the agent read its policy again.
func (c *Client) ReloadPolicy(ctx context.Context) (Policy, error) {
	return call[Policy](ctx, c, "POST", "/v1/policy/reload", nil)
}

// Quarantine lists what is in the quarantine.
func (c *Client) Quarantine(ctx context.Context) (Quarantine, error) {
	return call[Quarantine](ctx, c, "GET", "/v1/quarantine", nil)
}

// Quarantined shows one object.
func (c *Client) Quarantined(ctx context.Context, id string) (Object, error) {
	return call[Object](ctx, c, "GET", at("/v1/quarantine", id), nil)
}

// AddToQuarantine moves a file into the quarantine.
func (c *Client) AddToQuarantine(ctx context.Context, o Containment) (Object, error) {
	return call[Object](ctx, c, "POST", "/v1/quarantine", o)
}

// Restore gives an object back.
func (c *Client) Restore(ctx context.Context, id string, o Restoration) (Object, error) {
	return call[Object](ctx, c, "POST", at("/v1/quarantine", id)+"/restore", o)
}

// DeleteFromQuarantine deletes an object for good.
func (c *Client) DeleteFromQuarantine(ctx context.Context, id string) error {
	_, err := call[nothing](ctx, c, "DELETE", at("/v1/quarantine", id), nil)
	return err
}

// Rescan examines quarantined objects anew.
func (c *Client) Rescan(ctx context.Context, ids []string) ([]Rescanned, error) {
	return call[[]Rescanned](ctx, c, "POST", "/v1/quarantine/rescan", map[string][]string{"ids": ids})
}
