package agent

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"tyto/agent/events"
	"tyto/agent/policy"
	"tyto/store"
)

// The names of outputs that are there under any policy.
const (
	storeOutput = "state file"
	fileOutput  = "file"
)

// holdEvents keeps events until setOutputs says where they go: outputs inherit what those of the same
// name have not written.
func (a *Agent) holdEvents() {
	a.hub.SetOutputs(events.Output{Name: storeOutput, Sink: unready{}}, events.Output{Name: fileOutput, Sink: unready{}})
}

// unready stands for an output that is still to come. The hub does not run yet, so nothing is written to it.
type unready struct{}

// Write implements [events.Sink].
func (unready) Write(events.Event) error { return errors.New("the agent is starting") }

// Close implements [events.Sink].
func (unready) Close() error { return nil }

// eventsFile is the name of the file of events in the data folder.
const eventsFile = "events.jsonl"

// setOutputs sends events where the policy says, and into the state file.
func (a *Agent) setOutputs(p *policy.Policy) {
	outputs := []events.Output{{Name: storeOutput, Sink: eventStore{a.store}}}
	if path := p.Events.File; path != policy.Off {
		if path == "" {
			path = filepath.Join(a.data, eventsFile)
		}
		if a.unusable == nil || p.Events.File != "" {
			outputs = append(outputs, events.Output{Name: fileOutput, Sink: events.NewFile(path, int64(p.Events.FileSize), p.Events.FileCount)})
		}
	}
	if p.Events.SystemLog != policy.Off {
		sink, kind, err := events.NewSystemLog(p.Events.SystemLog)
		switch {
		case err == nil:
			outputs = append(outputs, events.Output{Name: kind, Sink: sink})
			a.works("system log")
		case errors.Is(err, events.ErrNoLog):
			a.log.Info("this system has no log for events: they go to the file alone")
		default:
			a.degraded("system log", err)
		}
	}
	if least, err := events.ParseLevel(p.Events.Level); err == nil { // else the policy would have been rejected
		a.hub.SetLeast(least)
	}
	a.hub.SetOutputs(outputs...)
}

// eventStore keeps events in the state file.
type eventStore struct{ store *store.Store }

// Write implements [events.Sink].
func (s eventStore) Write(e events.Event) error {
	data, err := json.Marshal(e.Data)
	if err != nil {
		data = nil // the message says what matters
	}
	return s.store.AddEvent(context.Background(), store.Event{
		Time: e.Time, ID: string(e.ID), Level: e.Level.String(), Message: e.Message, Data: data,
	})
}

// Close implements [events.Sink]. The state file is closed by the agent.
func (eventStore) Close() error { return nil }
