package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"tyto/agent/events"
	"tyto/agent/place"
	"tyto/agent/policy"
	"tyto/finding"
	"tyto/sandboxlink"
	"tyto/sandboxlink/decide"
	"tyto/sandboxlink/intercept"
	"tyto/sandboxlink/queue"
	"tyto/sandboxlink/recall"
	"tyto/sandboxlink/submit"
	"tyto/verdict"
)

// The parts of the link that may not work, as `tyto agent status` calls them.
const (
	serversPart      = "sandbox servers"
	interceptionPart = "interception"
)

// sandboxHolder holds the link to the sandboxes. A new policy replaces it; accesses are not noticed in the moment
// between, and there is no link for those who ask.
type sandboxHolder struct {
	changing sync.Mutex      // held while the link is replaced
	of       *policy.Sandbox // what it was opened for; nil: none yet

	mu    sync.Mutex
	parts *sandboxParts
}

// sandboxParts are what the link works with. All but the link, the cache and the decider may be missing.
type sandboxParts struct {
	link        *sandboxlink.Link
	cache       *recall.Cache
	decider     *decide.Decider
	queue       *queue.Queue
	submitter   *submit.Submitter
	interceptor *intercept.Interceptor
	cancel      context.CancelFunc
	running     sync.WaitGroup // what works by itself
	users       sync.WaitGroup // who was given the parts by use
}

// set opens the link as the policy says. ctx ends its work.
func (h *sandboxHolder) set(ctx context.Context, a *Agent, p *policy.Policy) {
	h.changing.Lock()
	defer h.changing.Unlock()
	if h.of != nil && reflect.DeepEqual(*h.of, p.Sandbox) {
		return
	}
	h.exchange(nil).close(a)
	h.of = nil
	parts, err := a.openSandbox(ctx, &p.Sandbox)
	if err != nil {
		a.degraded("sandbox link", err)
		return
	}
	a.works("sandbox link")
	of := p.Sandbox
	h.exchange(parts)
	h.of = &of
}

// stop ends the link's work.
func (h *sandboxHolder) stop(a *Agent) {
	h.changing.Lock()
	defer h.changing.Unlock()
	h.exchange(nil).close(a)
}

// exchange puts other parts in place and returns those that were there.
func (h *sandboxHolder) exchange(parts *sandboxParts) (before *sandboxParts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before, h.parts = h.parts, parts
	return before
}

// use returns the link's parts, which stay open until release is called; nil if there is no link.
func (h *sandboxHolder) use() (parts *sandboxParts, release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parts == nil {
		return nil, func() {}
	}
	h.parts.users.Add(1)
	return h.parts, h.parts.users.Done
}

// openSandbox opens what the policy asks for, as far as it can be had, and sets it to work.
func (a *Agent) openSandbox(ctx context.Context, s *policy.Sandbox) (*sandboxParts, error) {
	ctx, cancel := context.WithCancel(ctx)
	parts := &sandboxParts{cancel: cancel}
	cache, err := recall.Open(ctx, a.store, recall.Options{
		Lifetimes: map[verdict.Level]time.Duration{
			verdict.Clean: s.Recall.Clean, verdict.Suspicious: s.Recall.Suspicious, verdict.Malicious: s.Recall.Malicious,
		},
		Now: a.o.Now, Log: a.log,
	})
	if err == nil {
		parts.cache = cache
		parts.decider, err = decide.New(a.deciderOptions(s))
	}
	if err != nil {
		cancel()
		return nil, err
	}
	o := sandboxlink.Options{
		Recall: parts.cache, Decider: parts.decider,
		Trusted: a.trusted, Own: delivered, Act: func(ctx context.Context, c sandboxlink.Case) ([]string, error) { return a.act(ctx, c, parts) },
		Queued: a.objectQueued, Failed: a.objectFailed, NoVerdict: a.noVerdict,
		Now: a.o.Now, Log: a.log,
	}
	parts.queue, o.NoQueue = a.openQueue(s)
	if len(s.Servers) > 0 {
		o.Queue = parts.queue
	} else {
		o.NoQueue = "no sandbox is configured"
	}
	parts.link = sandboxlink.New(o)
	a.openInterceptor(ctx, s, parts) // before verdicts come, which have it look again
	a.openSubmitter(ctx, s, parts)
	return parts, nil
}

func (a *Agent) deciderOptions(s *policy.Sandbox) decide.Options {
	o := decide.Options{Policy: s.Decide, Now: a.o.Now, Log: a.log, Inventory: a.firstSeen}
	o.WorkerCommand = a.o.Inspect
	return o
}

// openQueue opens the queue if there is something to put into it, or was. Otherwise it says why there is none.
func (a *Agent) openQueue(s *policy.Sandbox) (q *queue.Queue, why string) {
	const part = "sandbox queue"
	a.works(part)
	if a.unusable != nil {
		return nil, "the data folder cannot be used"
	}
	dir := filepath.Join(a.data, SandboxFolder, queueFolder)
	if _, err := os.Lstat(dir); len(s.Servers) == 0 && errors.Is(err, fs.ErrNotExist) {
		return nil, ""
	}
	err := place.MakeDir(filepath.Dir(dir))
	if err == nil {
		q, err = queue.Open(dir, queue.Options{
			Limit: int64(s.Queue.Limit), ObjectLimit: int64(s.Queue.ObjectLimit), Expire: s.Queue.Expire,
			Now: a.o.Now, Log: a.log, Event: a.queueTold,
		})
	}
	if err != nil {
		a.degraded(part, err)
		return nil, "the queue for the sandboxes cannot be used"
	}
	return q, ""
}

// openSubmitter sends what is queued to the servers.
func (a *Agent) openSubmitter(ctx context.Context, s *policy.Sandbox, parts *sandboxParts) {
	const part = serversPart
	a.works(part)
	if len(s.Servers) == 0 || parts.queue == nil {
		return
	}
	o := submit.Options{
		Parallel: s.Parallel, Bandwidth: int64(s.Bandwidth), TaskDeadline: s.VerdictBy,
		Limits:  submit.Limits{Connect: s.Timeout, Upload: s.UploadTime},
		Deliver: parts.link.Deliver, Event: a.submitterTold, Now: a.o.Now, Log: a.log,
		Database: func(ctx context.Context, server, version string) {
			if err := parts.cache.Database(ctx, server, version); err != nil {
				a.log.Error("note the version of a sandbox's database", "server", server, "error", err)
			}
		},
	}
	var broken []error
	for i := range s.Servers {
		server, err := serverOf(&s.Servers[i])
		if err == nil {
			err = submit.Check(server)
		}
		if err != nil {
			broken = append(broken, err) // the others are asked
			continue
		}
		o.Servers = append(o.Servers, server)
	}
	if len(broken) > 0 {
		a.degraded(part, errors.Join(broken...))
	}
	if len(o.Servers) == 0 {
		return
	}
	var err error
	if parts.submitter, err = submit.New(o); err != nil {
		a.degraded(part, err)
		return
	}
	parts.running.Go(func() {
		if err := parts.submitter.Run(ctx, sandboxlink.SubmitQueue(parts.queue)); err != nil && ctx.Err() == nil {
			a.degraded(part, err)
		}
	})
}

// serverOf translates a server of the policy.
func serverOf(p *policy.SandboxServer) (s submit.Server, err error) {
	s = submit.Server{
		Address: p.Address, Kind: p.Kind, Pin: p.Pin, CA: p.CA, ClientCertificate: p.ClientCertificate, ClientKey: p.ClientKey,
	}
	if s.Kind == "" {
		s.Kind = submit.Tyto
	}
	if p.TokenFile != "" {
		s.Token, err = readToken(p.TokenFile)
	}
	return s, err
}

// readToken returns the first line of a file that nobody else can change.
func readToken(file string) (string, error) {
	if err := place.CheckFile(file); err != nil {
		return "", err
	}
	const most = 4 << 10
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b := make([]byte, most)
	n, err := f.Read(b)
	if err != nil {
		return "", fmt.Errorf("read the token in %q: %w", file, err)
	}
	token, _, _ := strings.Cut(string(b[:n]), "\n")
	return strings.TrimSpace(token), nil
}

// lookers is how many accesses are looked at, at a time.
const lookers = 4

// openInterceptor notices accesses.
func (a *Agent) openInterceptor(ctx context.Context, s *policy.Sandbox, parts *sandboxParts) {
	const part = interceptionPart
	a.works(part)
	if !s.Intercept.Exec && !s.Intercept.Open {
		return
	}
	// Acting upon an object takes its time, and others wait behind it.
	slots := make(chan struct{}, lookers)
	aside := func(look func()) {
		slots <- struct{}{}
		parts.running.Go(func() {
			defer func() { <-slots }()
			look()
		})
	}
	var err error
	parts.interceptor, err = intercept.Open(intercept.Options{
		FileSystems: s.Intercept.FileSystems, Exec: s.Intercept.Exec, Open: s.Intercept.Open,
		Excluded: s.Intercept.ExcludePrograms, Wait: s.Intercept.Wait, ExecWait: s.Intercept.ExecWait,
		Memory:  parts.link.Memory(),
		Notice:  func(access intercept.Access) { aside(func() { parts.link.Noticed(ctx, access, parts.interceptor) }) },
		Refused: func(r intercept.Refusal) { aside(func() { parts.link.Refused(ctx, r) }) },
		Event:   a.interceptorTold, Log: a.log, Now: a.o.Now,
	})
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: run the agent as root", err)
		}
		a.degraded(part, err)
		a.hub.Send(events.InterceptIncomplete, fmt.Sprintf("accesses are not noticed: %v", err), nil)
		return
	}
	parts.running.Go(func() {
		if err := parts.interceptor.Run(ctx); err != nil && ctx.Err() == nil {
			a.degraded(part, err)
			a.hub.Send(events.InterceptIncomplete, fmt.Sprintf("accesses are not noticed any more: %v", err), nil)
		}
	})
}

// recheck has everything looked at again that was let through before a content was known to be malicious.
func (p *sandboxParts) recheck() {
	if p.interceptor != nil {
		p.interceptor.Recheck()
	}
}

// close ends the work and gives back what was opened.
func (p *sandboxParts) close(a *Agent) {
	if p == nil {
		return
	}
	p.cancel()
	p.running.Wait()
	p.users.Wait()
	err := p.decider.Close()
	if p.queue != nil {
		err = errors.Join(err, p.queue.Close())
	}
	if err != nil {
		a.log.Error("close the link to the sandboxes", "error", err)
	}
}

// trusted reports whether a person has vouched for a content by giving it back from the quarantine.
func (a *Agent) trusted(sha256 string) bool {
	return a.released(finding.Hashes{SHA256: sha256})
}
