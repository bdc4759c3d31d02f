package control

import (
	"context"
	"net/http"
	"time"
)

// Sandboxes is what the agent does with sandboxes. It is a part of [Backend].
type Sandboxes interface {
	// CheckObject says what is known of an object, without asking the network, and queues one that is not
	// known and worth a question. What is known to be malicious is acted upon as the policy says.
	CheckObject(context.Context, ObjectCheck) (ObjectVerdict, error)
	Sandbox(context.Context) (Sandbox, error)
	// SandboxQueue lists what waits for a verdict, what is next first.
	SandboxQueue(context.Context) ([]QueuedObject, error)
	// Queued shows one of them, DropQueued removes it; the beginning of its SHA-256 suffices.
	Queued(ctx context.Context, sha256 string) (QueuedObject, error)
	DropQueued(ctx context.Context, sha256 string) error
	// FlushQueue tries everything now, whatever it waits for, and returns the state after that.
	FlushQueue(context.Context) (Sandbox, error)
}

// ObjectCheck asks about one object: by exactly one of the fields.
type ObjectCheck struct {
	// Path is the whole path of a file.
	Path string `json:"path,omitempty"`
	// Descriptor is the number of an open file of the process that asks (Linux): what is asked about
	// cannot be exchanged then.
	Descriptor *int `json:"descriptor,omitempty"`
	// SHA256 asks whether the content is known; it cannot be queued, as the content is not there.
	SHA256 string `json:"sha256,omitempty"`
}

// Unknown is the verdict on a content of which no recent verdict is known.
const Unknown = "unknown"

// ObjectVerdict says what is known of an object. Texts come from a sandbox and may be hostile.
type ObjectVerdict struct {
	SHA256 string `json:"sha256,omitempty"`
	// Verdict is "clean", "suspicious", "malicious" or "unknown".
	Verdict string `json:"verdict"`
	// Queued reports that the object waits for a sandbox, or that not all was done yet that its verdict asks
	// for. Reason says why it waits, or why there is no verdict.
	Queued   bool      `json:"queued,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Score    int       `json:"score,omitempty"`
	Threats  []string  `json:"threats,omitempty"`
	Sandbox  string    `json:"sandbox,omitempty"`
	Server   string    `json:"server,omitempty"`
	Database string    `json:"database,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	// Actions are what was done about this object, or, as for a hash, about its content, on this computer.
	Actions []string `json:"actions,omitempty"`
}

// Sandbox is the state of the link to the sandboxes.
type Sandbox struct {
	Servers []SandboxServer `json:"servers"`
	// Waiting and Used are the objects in the queue and the bytes that they take, Limit the most.
	Waiting int   `json:"waiting"`
	Used    int64 `json:"used"`
	Limit   int64 `json:"limit"`
	// Verdicts are how many are remembered.
	Verdicts int `json:"verdicts"`
	// Watching says which accesses are noticed and where; empty if none are.
	Watching []string `json:"watching,omitempty"`
	// NotWatching says where accesses should be noticed and are not, and why.
	NotWatching []string `json:"not_watching,omitempty"`
	// Refused, Noticed and Missed count accesses since the agent's start: those that were refused, those that
	// were looked at, and those that came too fast to be. Late were allowed because nothing was known of them in
	// time, Failed were refused by the system, which could not hand over the file.
	Refused int64 `json:"refused"`
	Noticed int64 `json:"noticed"`
	Missed  int64 `json:"missed"`
	Late    int64 `json:"late"`
	Failed  int64 `json:"failed"`
	// Troubles are servers and parts that cannot be used, and why.
	Troubles []string `json:"troubles,omitempty"`
}

// SandboxServer is the state of one server.
type SandboxServer struct {
	Address string `json:"address"`
	Kind    string `json:"kind"`
	// State is "ready" or "resting"; Error says why it rests.
	State string `json:"state"`
	Error string `json:"error,omitempty"`
	// Until is when a server that rests is tried again.
	Until    time.Time `json:"until,omitzero"`
	Database string    `json:"database,omitempty"`
}

// QueuedObject is one that waits for a verdict. Names may hold hostile text; what is no UTF-8 in it is escaped.
type QueuedObject struct {
	SHA256   string    `json:"sha256"`
	Size     int64     `json:"size"`
	Stored   int64     `json:"stored"` // bytes on disk
	Type     string    `json:"type,omitempty"`
	Risk     int       `json:"risk"`
	Names    []string  `json:"names"`
	Why      []string  `json:"why,omitempty"`
	Added    time.Time `json:"added"`
	Expires  time.Time `json:"expires,omitzero"`
	Server   string    `json:"server,omitempty"` // that it was sent to
	Task     string    `json:"task,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	// NotBefore is when it is tried next; zero is now.
	NotBefore time.Time `json:"not_before,omitzero"`
	Error     string    `json:"error,omitempty"` // of the last attempt
}

func (s *Server) sandboxRoutes() []route {
	b := s.backend
	return []route{
		{pattern: "POST /v1/objects/check", handle: s.checkObject},
		{pattern: "GET /v1/sandbox", handle: give(b.Sandbox)},
		{pattern: "GET /v1/sandbox/queue", handle: give(b.SandboxQueue)},
		{pattern: "POST /v1/sandbox/queue/flush", handle: give(b.FlushQueue)},
		{pattern: "GET /v1/sandbox/queue/{id}", handle: giveOf(b.Queued)},
		{pattern: "DELETE /v1/sandbox/queue/{id}", handle: do(b.DropQueued)},
	}
}

func (s *Server) checkObject(w http.ResponseWriter, r *http.Request) error {
	var c ObjectCheck
	if err := receive(r, &c); err != nil {
		return err
	}
	given := 0
	for _, is := range []bool{c.Path != "", c.Descriptor != nil, c.SHA256 != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return Errorf(http.StatusBadRequest, "send path, descriptor or sha256", "an object is asked about by exactly one of its path, descriptor and hash, not by %d", given)
	}
	return give(func(ctx context.Context) (ObjectVerdict, error) { return s.backend.CheckObject(ctx, c) })(w, r)
}

// CheckObject asks about an object.
func (c *Client) CheckObject(ctx context.Context, o ObjectCheck) (ObjectVerdict, error) {
	return call[ObjectVerdict](ctx, c, "POST", "/v1/objects/check", o)
}

// Sandbox shows the state of the link to the sandboxes.
func (c *Client) Sandbox(ctx context.Context) (Sandbox, error) {
	return call[Sandbox](ctx, c, "GET", "/v1/sandbox", nil)
}

// SandboxQueue lists what waits for a verdict.
func (c *Client) SandboxQueue(ctx context.Context) ([]QueuedObject, error) {
	return call[[]QueuedObject](ctx, c, "GET", "/v1/sandbox/queue", nil)
}

// Queued shows an object that waits.
func (c *Client) Queued(ctx context.Context, sha256 string) (QueuedObject, error) {
	return call[QueuedObject](ctx, c, "GET", at("/v1/sandbox/queue", sha256), nil)
}

// DropQueued removes an object that waits.
func (c *Client) DropQueued(ctx context.Context, sha256 string) error {
	_, err := call[nothing](ctx, c, "DELETE", at("/v1/sandbox/queue", sha256), nil)
	return err
}

// FlushQueue tries everything now.
func (c *Client) FlushQueue(ctx context.Context) (Sandbox, error) {
	return call[Sandbox](ctx, c, "POST", "/v1/sandbox/queue/flush", nil)
}
