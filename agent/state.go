package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tyto/agent/events"
	"tyto/agent/place"
	"tyto/store"
)

// StateFile is the name of the state file in the data folder.
const StateFile = "state.db"

// VaultFolder is the name of the quarantine in the data folder.
const VaultFolder = "quarantine"

// openStore opens the state file, or one that lasts until the agent ends. It returns an error that wraps
// [place.ErrHeld] if another agent works with the file.
func (a *Agent) openStore(ctx context.Context, path string) error {
	err := a.unusable
	if err == nil {
		var held error
		a.release, held = place.Hold(filepath.Dir(path))
		switch {
		case errors.Is(held, place.ErrHeld):
			return held
		case held != nil: // where nothing can be written, Open says what to do
			a.log.Warn("other agents are not kept out", "error", held)
		}
		a.store, err = store.Open(ctx, path, store.Options{Now: a.o.Now, Log: a.log})
	}
	if err == nil {
		if problem := a.store.Problem(); problem != "" {
			a.hub.Send(events.DatabaseSetAside, problem, events.Data{"file.path": path})
		}
		return nil
	}
	dir, tempErr := os.MkdirTemp("", "tyto-agent-")
	if tempErr == nil {
		a.store, tempErr = store.Open(ctx, filepath.Join(dir, StateFile), store.Options{Now: a.o.Now, Log: a.log})
	}
	if tempErr != nil {
		return errors.Join(err, tempErr)
	}
	a.temporary = dir
	a.degraded("state file", fmt.Errorf("%w; until the next start the agent keeps its state in %q, and knows nothing of what it did before", err, dir))
	return nil
}

// The keys of the agent's own state.
const (
	machineKey = "agent/machine"
	runningKey = "agent/running"
	// vaultSetsKey holds the version of the rules and indicators with which the quarantine was examined last.
	vaultSetsKey = "agent/quarantine-sets"
)

// machineID returns what identifies this computer: the system's own id, else one that is drawn once.
func (a *Agent) machineID(ctx context.Context) string {
	if a.o.Host.ID != "" {
		return a.o.Host.ID
	}
	if id, err := a.store.Get(ctx, machineKey); err == nil {
		return string(id)
	}
	id := randomID()
	if err := a.store.Set(ctx, machineKey, []byte(id)); err != nil {
		a.log.Warn("keep this computer's id", "error", err)
	}
	return id
}

// noticeUncleanEnd tells if the agent before this one did not end as an agent does: the computer lost
// power, or somebody killed it.
func (a *Agent) noticeUncleanEnd(ctx context.Context) {
	since, err := a.store.Get(ctx, runningKey)
	switch {
	case err == nil:
		a.hub.Send(events.AgentUncleanEnd, fmt.Sprintf("the agent that started at %s did not end properly: it was killed, or the computer lost power", since),
			events.Data{"event.start": string(since)})
	case !errors.Is(err, store.ErrNotFound):
		a.log.Error("look how the last agent ended", "error", err)
	}
	if err := a.store.Set(ctx, runningKey, []byte(a.began.UTC().Format("2006-01-02T15:04:05Z"))); err != nil {
		a.degraded("state file", err)
	}
}

func (a *Agent) endedProperly() {
	if err := a.store.Set(context.Background(), runningKey, nil); err != nil {
		a.log.Error("note that the agent ends", "error", err)
	}
}

// troubles are what does not work now, by the part that it is about.
type troubles struct {
	mu   sync.Mutex
	list map[string]string
}

// set notes a trouble, or that there is none ("") any more, and reports whether that is news.
func (t *troubles) set(part, trouble string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.list[part] == trouble {
		return false
	}
	if t.list == nil {
		t.list = map[string]string{}
	}
	if trouble == "" {
		delete(t.list, part)
	} else {
		t.list[part] = trouble
	}
	return true
}

// all returns what does not work now.
func (t *troubles) all() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make(map[string]string, len(t.list))
	for part, trouble := range t.list {
		list[part] = trouble
	}
	return list
}

// degraded tells that a part of the agent does not work.
func (a *Agent) degraded(part string, err error) {
	if a.troubles.set(part, err.Error()) {
		a.log.Error("a part of the agent does not work", "part", part, "error", err)
		kind := events.AgentDegraded
		if errors.As(err, new(*place.Unsafe)) {
			kind = events.SelfProtection
		}
		a.hub.Send(kind, fmt.Sprintf("%s: %v", part, strings.ReplaceAll(err.Error(), "\n", "; ")),
			events.Data{"tyto.part": part, "error.message": err.Error()})
	}
}

// works tells that a part of the agent works, perhaps again.
func (a *Agent) works(part string) {
	if a.troubles.set(part, "") { // it did not
		a.log.Info("a part of the agent works again", "part", part)
	}
}
