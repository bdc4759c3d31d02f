package agent

import (
	"context"
	"fmt"
	"strings"

	"tyto/agent/control"
	"tyto/finding"
	"tyto/quarantine"
	"tyto/report"
)

// Quarantine implements [control.Backend].
func (b backend) Quarantine(ctx context.Context) (q control.Quarantine, err error) {
	q.Limit = int64(b.a.policy().Quarantine.Limit)
	q.Objects = []control.Object{}
	err = b.a.vault.use(func(v *quarantine.Vault) error {
		entries, damaged, err := v.List(ctx)
		if err != nil {
			return err
		}
		for i := range entries {
			q.Objects = append(q.Objects, object(&entries[i]))
		}
		for _, d := range damaged {
			q.Damaged = append(q.Damaged, fmt.Sprintf("%s: %v", d.ID, d.Err))
		}
		q.Used, err = v.Used()
		return err
	})
	return q, vaultProblem(err)
}

// Quarantined implements [control.Backend].
func (b backend) Quarantined(ctx context.Context, id string) (o control.Object, err error) {
	err = b.a.vault.use(func(v *quarantine.Vault) error {
		entry, _, err := v.Show(ctx, id)
		if err == nil {
			o = object(entry)
		}
		return err
	})
	return o, vaultProblem(err)
}

// AddToQuarantine implements [control.Backend].
func (b backend) AddToQuarantine(ctx context.Context, c control.Containment) (o control.Object, err error) {
	reason := c.Reason
	if who := control.PeerOf(ctx); who != "" {
		reason = strings.TrimSpace(fmt.Sprintf("%s (asked for by %s)", reason, who))
	}
	err = b.a.vault.use(func(v *quarantine.Vault) error {
		done, err := v.Add(ctx, quarantine.Request{
			Object: finding.Object{Kind: finding.File, Path: c.Path}, Reason: reason, DryRun: c.DryRun,
		})
		if err == nil {
			o = object(&done.Entry)
			o.Note = notes(done)
		}
		return err
	})
	return o, vaultProblem(err)
}

// Restore implements [control.Backend].
func (b backend) Restore(ctx context.Context, id string, r control.Restoration) (o control.Object, err error) {
	err = b.a.vault.use(func(v *quarantine.Vault) error {
		done, err := v.Restore(ctx, id, quarantine.RestoreOptions{To: r.To, Replace: r.Replace, Rename: r.Rename})
		if err == nil {
			o = object(&done.Entry)
			o.Path = report.Safe(done.Path)
			o.Note = done.Differences
		}
		return err
	})
	return o, vaultProblem(err)
}

// DeleteFromQuarantine implements [control.Backend].
func (b backend) DeleteFromQuarantine(ctx context.Context, id string) error {
	return vaultProblem(b.a.vault.use(func(v *quarantine.Vault) error { return v.Delete(ctx, id) }))
}

// object describes an entry to clients.
func object(e *quarantine.Entry) control.Object {
	return control.Object{
		ID: e.ID, Path: report.Safe(string(e.Path)), Size: e.Size, SHA256: e.Hashes.SHA256, Type: e.Type,
		Time: e.Quarantined, By: e.By, Reason: e.Reason, Level: e.Level, Score: e.Score, Matches: e.Matches,
	}
}

// notes says what is worth knowing of what was taken.
func notes(o *quarantine.Outcome) (list []string) {
	if o.DryRun {
		list = append(list, "dry run: nothing was moved")
	}
	if o.AtRestart {
		list = append(list, "another program holds the file: it is deleted at the next start of the computer")
	}
	if o.Remaining > 0 {
		list = append(list, fmt.Sprintf("the file has %d other names, by which its content is reached as before", o.Remaining))
	}
	for _, name := range o.Names {
		list = append(list, "another name: "+report.Safe(name))
	}
	for _, h := range o.Holders {
		list = append(list, fmt.Sprintf("process %d (%s) %s it and goes on", h.PID, report.Safe(h.Name), h.How))
	}
	if o.Note != "" {
		list = append(list, report.Safe(o.Note))
	}
	return list
}
