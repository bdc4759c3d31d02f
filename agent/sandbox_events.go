package agent

import (
	"context"
	"fmt"
	"time"

	"tyto/agent/events"
	"tyto/sandboxlink"
	"tyto/sandboxlink/decide"
	"tyto/sandboxlink/intercept"
	"tyto/sandboxlink/queue"
	"tyto/sandboxlink/submit"
)

// objectQueued tells that an object waits for a sandbox.
func (a *Agent) objectQueued(s sandboxlink.Seen, d decide.Decision) {
	data := seenData(s)
	data["tyto.risk"], data["file.type"] = d.Risk, d.Type
	a.hub.Send(events.ObjectQueued, fmt.Sprintf("%q waits for a sandbox, risk %d", s.Path, d.Risk), data)
}

// objectFailed tells that an object could not be queued. The queue itself tells when it or the disk is full.
func (a *Agent) objectFailed(s sandboxlink.Seen, err error) {
	a.log.Warn("queue an object for the sandboxes", "file", s.Path, "error", err)
}

// noVerdict tells that no sandbox could judge an object.
func (a *Agent) noVerdict(seen []sandboxlink.Seen, why string) {
	if len(seen) == 0 {
		seen = []sandboxlink.Seen{{}}
	}
	a.mu.Lock()
	if len(a.withoutVerdict) >= maxTold || a.withoutVerdict == nil {
		a.withoutVerdict = map[string]string{}
	}
	a.withoutVerdict[seen[0].SHA256] = why
	a.mu.Unlock()
	data := seenData(seen[0])
	data["error.message"] = why
	a.hub.Send(events.NoVerdict, fmt.Sprintf("no sandbox could judge %q: %s", seen[0].Path, why), data)
}

func seenData(s sandboxlink.Seen) events.Data {
	return events.Data{"file.path": s.Path, "file.hash.sha256": s.SHA256, "file.size": s.Size, "tyto.seen_by": s.By}
}

// queueTold passes on what the queue tells.
func (a *Agent) queueTold(e queue.Event) {
	kinds := map[queue.EventKind]events.ID{
		queue.EventFull: events.SandboxQueueFull, queue.EventNoSpace: events.SandboxQueueFailed,
		queue.EventExpired: events.QueuedExpired, queue.EventDamaged: events.QueuedDamaged,
	}
	data := events.Data{"tyto.queue.used": e.Usage.Bytes, "tyto.queue.limit": e.Usage.Limit, "tyto.queue.entries": e.Usage.Entries}
	if e.SHA256 != "" {
		data["file.hash.sha256"] = e.SHA256
	}
	if e.Entry != nil && len(e.Entry.Names) > 0 {
		data["file.path"] = e.Entry.Names[0].Path
	}
	a.hub.Send(kinds[e.Kind], e.Message, data)
}

// submitterTold passes on what happens between the link and its servers.
func (a *Agent) submitterTold(e submit.Event) {
	data := events.Data{"tyto.sandbox.server": e.Server}
	why := ""
	if e.Err != nil {
		why = e.Err.Error()
		data["error.message"] = why
	}
	if e.Object != "" {
		data["file.hash.sha256"] = e.Object
	}
	if e.Count > 1 {
		data["tyto.count"] = e.Count
	}
	switch e.Kind {
	case submit.ServerFailed:
		data["tyto.until"] = e.Until
		a.hub.Send(events.SandboxLost, fmt.Sprintf("sandbox %s cannot be used: %s", e.Server, why), data)
	case submit.ServerBack:
		a.hub.Send(events.SandboxBack, fmt.Sprintf("sandbox %s can be used again", e.Server), data)
	case submit.ServerUnprotected:
		a.hub.Send(events.SandboxInsecure, fmt.Sprintf("sandbox %s is asked without TLS", e.Server), data)
	case submit.DeliveryFailed, submit.StateNotKept:
		a.hub.Send(events.StoreFailed, fmt.Sprintf("%s: %s", e.Kind, why), data)
	case submit.TaskForgotten, submit.TaskOverdue, submit.ReportMissing:
		a.hub.Send(events.SandboxTrouble, fmt.Sprintf("sandbox %s: %s: %s", e.Server, e.Kind, why), data)
	default: // the queue tells what is damaged
		a.log.Warn("ask a sandbox", "server", e.Server, "what", e.Kind, "error", why)
	}
}

// interceptorTold passes on what the interception tells.
func (a *Agent) interceptorTold(e intercept.Event) {
	data := events.Data{"tyto.place": e.Place, "tyto.count": e.Count}
	switch e.Kind {
	case intercept.NotWatching:
		a.hub.Send(events.InterceptIncomplete, fmt.Sprintf("accesses below %q are not noticed: %s", e.Place, e.Reason), data)
	case intercept.NotNoticed, intercept.Lost:
		a.hub.Send(events.AccessesMissed, fmt.Sprintf("accesses that were not looked at: %d", e.Count), data)
	case intercept.Late:
		a.hub.Send(events.AccessesLate, fmt.Sprintf("accesses that were allowed because nothing was known of them in time: %d", e.Count), data)
	case intercept.Watching:
		a.log.Info("accesses are noticed", "place", e.Place)
	}
}

// firstSeen returns when the inventory has met a content first, as far as it still knows.
func (a *Agent) firstSeen(ctx context.Context, sha256 string) (first time.Time, ok bool) {
	for known, err := range a.store.FilesByHash(ctx, []string{sha256}) {
		if err != nil {
			a.log.Warn("look for an object in the inventory", "error", err)
			return first, ok
		}
		if len(known.Findings) > 0 {
			return first, false // it was found before: that speaks for nothing
		}
		if !ok || known.Examined.Before(first) {
			first, ok = known.Examined, true
		}
	}
	return first, ok
}
