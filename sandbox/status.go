package sandbox

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"tyto/verdict"
)

//go:embed status.html
var statusPage string

// statusTemplate escapes whatever is put into it.
var statusTemplate = template.Must(template.New("status").Parse(statusPage))

// shownVerdicts is how many verdicts the page shows.
const shownVerdicts = 50

// statusView is what the page shows.
type statusView struct {
	Product, Database string
	Since             string
	State             string
	Waiting, Limit    int
	Running, Parallel int
	Disk, DiskLimit   string
	Known             int
	Counts            []levelCount
	Engines           []Engine
	Notes             []string
	Verdicts          []shownVerdict
}

type levelCount struct {
	Level verdict.Level
	Count int
}

type shownVerdict struct {
	Time, Task, SHA256, Name, Type string
	Level                          verdict.Level
	Score                          int
	Threats                        []string
}

// getStatusPage shows people how the sandbox is doing. It works without scripts, and changes nothing.
func (s *Sandbox) getStatusPage(w http.ResponseWriter, _ *http.Request) error {
	var page bytes.Buffer
	if err := statusTemplate.Execute(&page, s.view()); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	_, _ = page.WriteTo(w) // a client that is gone needs no answer
	return nil
}

func (s *Sandbox) view() statusView {
	latest, counts := s.results.latest(shownVerdicts)
	v := statusView{
		Product: s.options.Product, Database: s.database, Since: stamp(s.begun), State: "takes samples",
		Limit: s.limits.Waiting, Parallel: s.limits.Parallel, Engines: s.options.Engines,
		Disk: size(s.disk.used.Load()), DiskLimit: size(s.disk.limit),
	}
	s.mu.Lock()
	v.Waiting = len(s.waiting)
	v.Running = len(s.active) - len(s.waiting)
	if s.closed {
		v.State = "is stopping"
	} else if v.Waiting >= v.Limit {
		v.State = "refuses samples: the queue is full"
	}
	s.mu.Unlock()
	for _, level := range []verdict.Level{verdict.Malicious, verdict.Suspicious, verdict.Clean, verdict.Error} {
		v.Counts = append(v.Counts, levelCount{level, counts[level]})
		v.Known += counts[level]
	}
	if s.options.Notes != nil {
		v.Notes = s.options.Notes()
	}
	for _, k := range latest {
		v.Verdicts = append(v.Verdicts, shownVerdict{
			Time: stamp(k.time), Task: k.task, SHA256: k.sha256, Name: k.name, Type: k.kind, Level: k.level, Score: k.score, Threats: k.threats,
		})
	}
	return v
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// size writes a number of bytes for people.
func size(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
