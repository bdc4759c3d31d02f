package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tyto/agent/control"
	"tyto/quarantine"
	"tyto/report"
	"tyto/sandboxlink"
	"tyto/sandboxlink/intercept"
	"tyto/sandboxlink/queue"
	"tyto/sandboxlink/recall"
	"tyto/sandboxlink/submit"
	"tyto/store"
	"tyto/verdict"
)

// sandbox returns the link, or why there is none. It stays open until release is called.
func (b backend) sandbox() (parts *sandboxParts, release func(), err error) {
	if parts, release = b.a.sandbox.use(); parts != nil {
		return parts, release, nil
	}
	return nil, release, control.Errorf(http.StatusServiceUnavailable, "tyto agent status says why", "the link to the sandboxes does not work")
}

// waiting returns the link with its queue, or why there is none.
func (b backend) waiting() (parts *sandboxParts, release func(), err error) {
	if parts, release, err = b.sandbox(); err != nil {
		return nil, release, err
	}
	if parts.queue == nil {
		return nil, release, control.Errorf(http.StatusServiceUnavailable, "name a server under sandbox.servers in the policy; tyto agent status says what does not work",
			"there is no queue for the sandboxes")
	}
	return parts, release, nil
}

// CheckObject implements [control.Backend].
func (b backend) CheckObject(ctx context.Context, c control.ObjectCheck) (v control.ObjectVerdict, err error) {
	parts, release, err := b.sandbox()
	defer release()
	if err != nil {
		return v, err
	}
	if c.SHA256 != "" {
		return b.checkHash(ctx, parts, c.SHA256)
	}
	f, path, err := openAsked(ctx, &c)
	if err != nil {
		return v, err
	}
	answer, err := parts.link.Ask(ctx, sandboxlink.Question{File: f, Path: path, By: control.PeerOf(ctx)})
	if err != nil {
		return v, err
	}
	v = control.ObjectVerdict{SHA256: answer.SHA256, Verdict: control.Unknown, Queued: answer.Queued, Reason: report.Safe(answer.Reason), Actions: answer.Actions}
	if answer.Verdict != nil {
		tell(&v, answer.Verdict)
	}
	return v, nil
}

// tell describes a verdict to clients.
func tell(v *control.ObjectVerdict, e *recall.Entry) {
	v.SHA256, v.Verdict, v.Score, v.Threats = e.SHA256, string(e.Level), e.Score, e.Threats
	v.Sandbox, v.Server, v.Database, v.Time, v.Expires = e.Sandbox, e.Server, e.Database, e.Time, e.Expires
}

// checkHash says what is known of a content, and what was done about it.
func (b backend) checkHash(ctx context.Context, parts *sandboxParts, sha256 string) (v control.ObjectVerdict, err error) {
	sha256 = strings.ToLower(sha256)
	if len(sha256) != 64 || !store.IsHash(sha256) {
		return v, control.Errorf(http.StatusBadRequest, "send the SHA-256 of the content, or its path", "%q is no SHA-256", sha256)
	}
	v = control.ObjectVerdict{SHA256: sha256, Verdict: control.Unknown}
	if parts.queue != nil {
		_, err := parts.queue.Show(sha256)
		v.Queued = err == nil
	}
	if entry, ok := parts.link.Known(sha256); ok {
		tell(&v, &entry)
		if entry.Level == verdict.Malicious {
			v.Actions, err = b.a.actionsOn(ctx, sha256)
		}
		return v, err
	}
	b.a.mu.Lock()
	why := b.a.withoutVerdict[sha256]
	b.a.mu.Unlock()
	switch {
	case b.a.trusted(sha256):
		v.Reason = "somebody has given it back from the quarantine"
	case why != "" && !v.Queued:
		v.Reason = "no sandbox could judge it: " + report.Safe(why)
	}
	return v, nil
}

// actionsOn says what was done about a content on this computer.
func (a *Agent) actionsOn(ctx context.Context, sha256 string) (actions []string, err error) {
	err = a.vault.use(func(v *quarantine.Vault) error {
		entries, _, err := v.List(ctx)
		for i := range entries {
			if e := &entries[i]; e.Hashes.SHA256 == sha256 {
				actions = append(actions, fmt.Sprintf("%s is in the quarantine as %s", report.Safe(string(e.Path)), e.ID))
			}
		}
		return err
	})
	return actions, err
}

// openAsked opens what a client asks about: a regular file, and nothing that opening would do something to.
func openAsked(ctx context.Context, c *control.ObjectCheck) (*os.File, string, error) {
	if c.Descriptor != nil {
		return openDescriptor(control.ProcessOf(ctx), *c.Descriptor)
	}
	if !filepath.IsAbs(c.Path) {
		return nil, "", control.Errorf(http.StatusBadRequest, "send the whole path", "%q is no whole path", c.Path)
	}
	path, err := filepath.EvalSymlinks(c.Path)
	if err != nil {
		return nil, "", askedError(c.Path, err)
	}
	f, err := openRegular(path)
	return f, path, err
}

// openRegular opens a regular file for reading.
func openRegular(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, askedError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, control.Errorf(http.StatusConflict, "ask about files", "%q is no regular file", path)
	}
	// What was put in its place meanwhile may be a pipe: nobody waits for its writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, askedError(path, err)
	}
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		f.Close()
		return nil, control.Errorf(http.StatusConflict, "ask again", "%q was replaced while it was opened", path)
	}
	return f, nil
}

// askedError gives an error of opening its status.
func askedError(path string, err error) error {
	status, next := http.StatusInternalServerError, ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		status, next = http.StatusNotFound, "check the path"
	case errors.Is(err, fs.ErrPermission):
		status, next = http.StatusForbidden, "run the agent as root"
	}
	return control.Errorf(status, next, "ask about %q: %v", path, err)
}

// Sandbox implements [control.Backend].
func (b backend) Sandbox(ctx context.Context) (s control.Sandbox, err error) {
	parts, release, err := b.sandbox()
	defer release()
	if err != nil {
		return s, err
	}
	s = control.Sandbox{Servers: []control.SandboxServer{}, Limit: int64(b.a.policy().Sandbox.Queue.Limit)}
	if parts.submitter != nil {
		for _, server := range parts.submitter.Status() {
			s.Servers = append(s.Servers, serverState(&server))
		}
	}
	if parts.queue != nil {
		usage := parts.queue.Usage()
		s.Waiting, s.Used, s.Limit = usage.Entries, usage.Bytes, usage.Limit
	}
	for _, err := range parts.cache.List(ctx) {
		if err != nil {
			return s, err
		}
		s.Verdicts++
	}
	b.a.describeInterception(&s, parts.interceptor)
	troubles := b.a.troubles.all()
	for _, part := range []string{serversPart, interceptionPart} {
		if trouble := troubles[part]; trouble != "" {
			s.Troubles = append(s.Troubles, part+": "+report.Safe(trouble))
		}
	}
	return s, nil
}

// describeInterception says which accesses are noticed, and what became of them; i is nil if none are.
func (a *Agent) describeInterception(s *control.Sandbox, i *intercept.Interceptor) {
	if i == nil {
		return
	}
	for _, place := range i.Places() {
		text := fmt.Sprintf("%s (%s)", report.Safe(place.Path), place.Kind)
		switch {
		case place.Watching:
			s.Watching = append(s.Watching, text)
		case !place.LeftOut:
			s.NotWatching = append(s.NotWatching, fmt.Sprintf("%s: %s", report.Safe(place.Path), report.Safe(place.Reason)))
		}
	}
	stats := i.Stats()
	s.Refused, s.Noticed, s.Missed = int64(stats.Refused), int64(stats.Noticed), int64(stats.NotNoticed+stats.Lost)
	s.Late, s.Failed = int64(stats.Late), int64(stats.Failed)
}

// serverState describes a server to clients.
func serverState(s *submit.ServerStatus) control.SandboxServer {
	c := control.SandboxServer{Address: s.Name, Kind: s.Kind, State: "ready", Until: s.Until, Database: report.Safe(s.Database)}
	if s.Err != nil {
		c.State, c.Error = "resting", report.Safe(s.Err.Error())
	}
	return c
}

// SandboxQueue implements [control.Backend].
func (b backend) SandboxQueue(ctx context.Context) ([]control.QueuedObject, error) {
	parts, release, err := b.waiting()
	defer release()
	if err != nil {
		return nil, err
	}
	entries, err := parts.queue.List(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]control.QueuedObject, 0, len(entries))
	for i := range entries {
		list = append(list, b.a.queuedObject(&entries[i]))
	}
	return list, nil
}

// queuedObject describes an object of the queue to clients.
func (a *Agent) queuedObject(e *queue.Entry) control.QueuedObject {
	o := control.QueuedObject{
		SHA256: e.SHA256, Size: e.Size, Stored: e.Stored, Type: e.Type, Risk: e.Risk, Names: []string{}, Why: e.Why,
		Added: e.Added, Expires: e.Added.Add(a.policy().Sandbox.Queue.Expire),
		Server: e.State.Server, Task: e.State.Task, Attempts: e.State.Attempts, Error: report.Safe(e.State.LastError),
	}
	if e.Wait > 0 {
		o.NotBefore = time.Now().Add(e.Wait)
	}
	for _, n := range e.Names {
		o.Names = append(o.Names, report.Safe(n.Path))
	}
	slices.Reverse(o.Names) // the latest first
	return o
}

// Queued implements [control.Backend].
func (b backend) Queued(_ context.Context, sha256 string) (o control.QueuedObject, err error) {
	parts, release, err := b.waiting()
	defer release()
	if err != nil {
		return o, err
	}
	entry, err := parts.queue.Show(sha256)
	if err != nil {
		return o, queueProblem(err)
	}
	return b.a.queuedObject(&entry), nil
}

// DropQueued implements [control.Backend].
func (b backend) DropQueued(_ context.Context, sha256 string) error {
	parts, release, err := b.waiting()
	defer release()
	if err != nil {
		return err
	}
	_, err = parts.queue.Drop(sha256)
	return queueProblem(err)
}

// FlushQueue implements [control.Backend].
func (b backend) FlushQueue(ctx context.Context) (s control.Sandbox, err error) {
	parts, release, err := b.waiting()
	defer release()
	if err != nil {
		return s, err
	}
	if parts.submitter != nil {
		parts.submitter.Retry()
	}
	parts.queue.Flush()
	return b.Sandbox(ctx)
}

// queueProblem gives an error of the queue its status and the next step.
func queueProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, queue.ErrNotFound):
		return control.Errorf(http.StatusNotFound, "tyto sandbox queue list shows what waits", "%v", err)
	case errors.Is(err, queue.ErrAmbiguous):
		return control.Errorf(http.StatusConflict, "tyto sandbox queue list shows what waits", "%v", err)
	}
	return err
}
