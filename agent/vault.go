package agent

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"tyto/agent/events"
	"tyto/agent/policy"
	"tyto/finding"
	"tyto/quarantine"
	"tyto/report"
)

// vaultHolder holds the open vault. A new policy replaces it, and nobody waits for that: who uses the old one,
// perhaps for minutes to examine all of it, goes on with it.
type vaultHolder struct {
	mu      sync.Mutex
	vault   *heldVault
	err     error          // why there is none
	closing sync.WaitGroup // of those that were replaced
}

// heldVault is a vault that is closed when nobody uses it any more.
type heldVault struct {
	*quarantine.Vault
	users sync.WaitGroup
}

// use calls do with the vault, or returns why there is none.
func (h *vaultHolder) use(do func(*quarantine.Vault) error) error {
	h.mu.Lock()
	v, err := h.vault, h.err
	if v != nil {
		v.users.Add(1)
	}
	h.mu.Unlock()
	if v == nil {
		return fmt.Errorf("the quarantine cannot be used: %w", err)
	}
	defer v.users.Done()
	return do(v.Vault)
}

// replace puts another vault in place of the open one, which is closed.
func (h *vaultHolder) replace(v *quarantine.Vault, err error, log *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.vault
	h.vault, h.err = nil, err
	if v != nil {
		h.vault = &heldVault{Vault: v}
	}
	if old == nil {
		return
	}
	h.closing.Go(func() {
		old.users.Wait()
		if err := old.Close(); err != nil {
			log.Error("close the quarantine", "error", err)
		}
	})
}

// close closes the vault once nobody uses it any more.
func (h *vaultHolder) close(log *slog.Logger) {
	h.replace(nil, quarantine.ErrUnsupported, log)
	h.closing.Wait()
}

// openVault opens the quarantine as the policy says.
func (a *Agent) openVault(p *policy.Policy) {
	if a.unusable != nil {
		a.vault.replace(nil, a.unusable, a.log)
		return
	}
	v, err := quarantine.Open(filepath.Join(a.data, VaultFolder), quarantine.Options{
		Limit:       int64(p.Quarantine.Limit),
		ObjectLimit: int64(p.Quarantine.ObjectLimit),
		WhenFull:    quarantine.WhenFull(strings.ReplaceAll(p.Quarantine.WhenFull, "_", "-")),
		Protected:   append([]string{a.data, a.keeper.State().File}, p.Quarantine.Protected...),
		By:          "agent",
		Version:     a.o.Version,
		Now:         a.o.Now,
		Log:         a.log,
		Event:       a.quarantined,
	})
	a.vault.replace(v, err, a.log)
	if err != nil {
		a.degraded("quarantine", err)
	} else {
		a.works("quarantine")
	}
}

// vaultEvents translates the vault's events.
var vaultEvents = map[quarantine.EventKind]events.ID{
	quarantine.EventQuarantined: events.Quarantined,
	quarantine.EventRestored:    events.Restored,
	quarantine.EventDeleted:     events.QuarantineDeleted,
	quarantine.EventDropped:     events.QuarantineDropped,
	quarantine.EventAlmostFull:  events.QuarantineAlmostFull,
	quarantine.EventFull:        events.QuarantineFull,
	quarantine.EventRefused:     events.QuarantineRefused,
	quarantine.EventLeftover:    events.QuarantineLeftover,
}

// quarantined passes on what the vault tells.
func (a *Agent) quarantined(e quarantine.Event) {
	data := events.Data{"tyto.quarantine.used": e.Used, "tyto.quarantine.limit": e.Limit}
	if e.ID != "" {
		data["tyto.quarantine.id"] = e.ID
	}
	if e.Path != "" {
		data["file.path"] = e.Path
	}
	if e.Entry != nil {
		data["file.hash.sha256"] = e.Entry.Hashes.SHA256
		data["file.size"] = e.Entry.Size
	}
	message := e.Message
	if e.Path != "" {
		message = fmt.Sprintf("%q: %s", e.Path, e.Message)
	}
	a.hub.Send(vaultEvents[e.Kind], message, data)
}

// released reports whether a person has given such a file back from the quarantine.
func (a *Agent) released(h finding.Hashes) (yes bool) {
	err := a.vault.use(func(v *quarantine.Vault) (err error) {
		yes, err = v.Released(h.SHA256)
		return err
	})
	if err != nil {
		a.log.Warn("look whether an object was given back", "error", err)
	}
	return yes
}

// quarantiner moves what was found. It implements [response.Quarantiner].
type quarantiner struct {
	agent  *Agent
	reason string // in words
	run    report.Run
}

// Quarantine implements [response.Quarantiner].
func (q quarantiner) Quarantine(ctx context.Context, f *finding.Finding) (entry string, err error) {
	line, err := report.FindingLine(q.run, f)
	if err != nil {
		return "", fmt.Errorf("describe the finding: %w", err)
	}
	names, err := q.agent.otherNames(ctx, f)
	if err != nil {
		q.agent.log.Warn("look for other names of a file", "file", f.Object.Path, "error", err)
	}
	err = q.agent.vault.use(func(v *quarantine.Vault) error {
		done, err := v.Add(ctx, quarantine.Request{
			Object: f.Object, Finding: f, Line: line, Names: names,
			Reason: q.reason,
		})
		if err == nil {
			entry = done.Entry.ID
		}
		return err
	})
	return entry, err
}

// otherNames returns what other paths the inventory knows of a file with several names: files with the
// same content and the same inode.
func (a *Agent) otherNames(ctx context.Context, f *finding.Finding) (names []string, err error) {
	if f.Object.Links < 2 || f.Object.Hashes.SHA256 == "" {
		return nil, nil
	}
	for k, err := range a.store.FilesByHash(ctx, []string{f.Object.Hashes.SHA256}) {
		if err != nil {
			return names, err
		}
		o := &k.Object
		if o.Inode == f.Object.Inode && o.Path != f.Object.Path && k.Gone.IsZero() {
			names = append(names, o.Path)
		}
	}
	return names, nil
}
