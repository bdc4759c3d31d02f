package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"tyto/verdict"
)

// recover takes up the tasks of a server that is gone, the oldest first, and removes samples that belong
// to none.
func (s *Sandbox) recover() error {
	ids, err := s.folder.names(tasksDir, ".json")
	if err != nil {
		return err
	}
	for _, id := range ids {
		t := &task{room: &reservation{disk: &s.disk}}
		_, err := readJSON(s.folder.task(id), maxTaskFile, t)
		if err == nil && (!t.valid() || t.ID != id) {
			err = fmt.Errorf("%q is no task", s.folder.task(id))
		}
		if err == nil {
			_, err = os.Stat(s.folder.sample(t.SHA256))
		}
		finished := err == nil && s.results.task(id) != nil
		if err != nil || finished || s.active[t.SHA256] != nil {
			if err != nil {
				s.log.Warn("a task of the last run is lost; agents will send its content again", "task", id, "error", err)
			}
			if err := remove(s.folder.task(id)); err != nil {
				return fmt.Errorf("remove a task: %w", err)
			}
			continue
		}
		s.disk.used.Add(t.Size) // also above the limit: it lies there
		t.room.bytes = t.Size
		s.active[t.SHA256], s.byID[t.ID] = t, t
		s.waiting = append(s.waiting, t)
	}
	slices.SortFunc(s.waiting, func(a, b *task) int { return cmp.Or(a.Added.Compare(b.Added), cmp.Compare(a.ID, b.ID)) })
	samples, err := s.folder.names(samplesDir, "")
	if err != nil {
		return err
	}
	for _, name := range samples {
		if s.active[name] != nil {
			continue
		}
		if err := remove(s.folder.at(samplesDir, name)); err != nil {
			return fmt.Errorf("remove a sample: %w", err)
		}
	}
	if len(s.waiting) > 0 {
		s.log.Info("unfinished tasks of the last run are taken up", "tasks", len(s.waiting))
		s.rouse()
	}
	return nil
}

// answer is what becomes of an upload, or is known of a content: a task and how it stands.
type answer struct {
	Task   string `json:"task"`
	Status Status `json:"status"`
	// fresh says that this content waits for a verdict, which was not known when it came.
	fresh bool
}

// add makes an upload a task, unless its content is known or is being looked at already. The upload stays the
// caller's to discard.
func (s *Sandbox) add(u *upload) (answer, error) {
	if a, err := s.content(u.sha256); err == nil && a.Status != Processing && a.Status != Failed {
		return a, nil // without waiting for those who write
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.active[u.sha256]; t != nil {
		return answer{t.ID, Processing, true}, nil
	}
	// It may have come to its end in the meantime. An error is no answer: try again.
	if k := s.results.content(u.sha256); k != nil && k.level.Known() {
		return answer{Task: k.task, Status: statusOf(k.level)}, nil
	}
	switch {
	case s.closed:
		return answer{}, errClosed
	case len(s.waiting) >= s.limits.Waiting:
		return answer{}, errQueueFull
	}
	t := &task{ID: newID(), SHA256: u.sha256, SHA1: u.sha1, MD5: u.md5, Name: u.name, Size: u.size, Added: s.now().UTC(), room: u.room}
	// The sample first: a task without one is lost, a sample without a task is only removed.
	if err := place(u.file, s.folder.sample(t.SHA256)); err != nil {
		return answer{}, fmt.Errorf("keep a sample: %w", err)
	}
	u.file = nil // it is the task's now
	if err := s.folder.writeJSON(s.folder.task(t.ID), t); err != nil {
		t.room.release()
		return answer{}, errors.Join(fmt.Errorf("keep a task: %w", err), remove(s.folder.sample(t.SHA256)))
	}
	s.active[t.SHA256], s.byID[t.ID] = t, t
	s.waiting = append(s.waiting, t)
	s.rouse()
	return answer{t.ID, Processing, true}, nil
}

// content says how a content stands: what is being looked at comes before what was known.
func (s *Sandbox) content(sha256 string) (answer, error) {
	s.mu.Lock()
	t := s.active[sha256]
	s.mu.Unlock()
	if t != nil {
		return answer{t.ID, Processing, true}, nil
	}
	if k := s.results.content(sha256); k != nil {
		return answer{Task: k.task, Status: statusOf(k.level)}, nil
	}
	return answer{}, errUnknown
}

// status says how a task stands.
func (s *Sandbox) status(id string) (answer, error) {
	s.mu.Lock()
	t := s.byID[id]
	s.mu.Unlock()
	if t != nil {
		return answer{id, Processing, true}, nil
	}
	if k := s.results.task(id); k != nil {
		return answer{Task: id, Status: statusOf(k.level)}, nil
	}
	return answer{}, errUnknown
}

// rouse has somebody look for a task.
func (s *Sandbox) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next returns the oldest task that waits, or nil when ctx has ended.
func (s *Sandbox) next(ctx context.Context) *task {
	for ctx.Err() == nil {
		s.mu.Lock()
		var t *task
		if len(s.waiting) > 0 {
			t = s.waiting[0]
			s.waiting = slices.Delete(s.waiting, 0, 1)
		}
		more := len(s.waiting) > 0
		s.mu.Unlock()
		if more {
			s.rouse()
		}
		if t != nil {
			return t
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
		}
	}
	return nil
}

// work looks at samples until ctx ends.
func (s *Sandbox) work(ctx context.Context) {
	for {
		t := s.next(ctx)
		if t == nil {
			return
		}
		if err := s.perform(ctx, t); err != nil {
			s.log.Error("a task could not be brought to its end", "task", t.ID, "sha256", t.SHA256, "error", err)
		}
	}
}

// perform brings a task to its end. If ctx ends before that, the task is left for the next server.
func (s *Sandbox) perform(ctx context.Context, t *task) error {
	if t.Attempts >= maxAttempts {
		return s.finish(t, s.givenUp(t))
	}
	t.Attempts++
	if err := s.folder.writeJSON(s.folder.task(t.ID), t); err != nil {
		// The verdict matters more than the count.
		s.log.Warn("an attempt cannot be noted", "task", t.ID, "error", err)
	}
	report, err := s.judge(ctx, t)
	if err != nil {
		t.Attempts-- // it is not the sample's fault
		return s.folder.writeJSON(s.folder.task(t.ID), t)
	}
	return s.finish(t, report)
}

// givenUp is the report on a sample while which was looked at the server has died too often.
func (s *Sandbox) givenUp(t *task) *verdict.Report {
	r := &verdict.Report{Format: verdict.Format, Object: t.object("")}
	for _, e := range s.options.Engines {
		r.Engines = append(r.Engines, verdict.Engine{
			Name: e.Name(), Version: e.Version(), Level: verdict.Error,
			Failed: fmt.Sprintf("the server ended %d times while it looked at this sample", t.Attempts),
		})
	}
	r.Verdict = verdict.Verdict{SHA256: t.SHA256, Level: verdict.Error, Sandbox: s.options.Product, Database: s.database, Time: s.now().UTC()}
	return r
}

// finish keeps the report and lets the sample go.
func (s *Sandbox) finish(t *task, report *verdict.Report) error {
	err := s.results.put(t.ID, report)
	// A result that cannot be kept leaves the task's id unknown, upon which agents send the content again.
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.active, t.SHA256)
	delete(s.byID, t.ID)
	t.room.release()
	s.log.Info("a verdict", "task", t.ID, "sha256", t.SHA256, "level", report.Verdict.Level, "score", report.Verdict.Score,
		"took", time.Duration(math.Round(seconds(report)*1000))*time.Millisecond)
	return errors.Join(err, remove(s.folder.task(t.ID)), remove(s.folder.sample(t.SHA256)))
}

// seconds returns how long the engines took together.
func seconds(r *verdict.Report) (sum float64) {
	for _, e := range r.Engines {
		sum += e.Seconds
	}
	return sum
}
