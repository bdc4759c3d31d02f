package intercept

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tyto/sandboxlink/intercept/fanotify"
	"tyto/sandboxlink/intercept/procevents"
)

// refusalsEvery is after which time a further refusal of the same file is told.
const refusalsEvery = 10 * time.Second

// linux intercepts with fanotify.
//
// An ignore mark makes the kernel let everybody open a file without asking. A file gets one when its size is that of no
// malicious content, and in this order: the mark, then a second look at the size. So whatever changes after that look ends
// the mark, and so does recheck after the memory has learnt of another size. Files whose size is that of
// malicious content get none, nor is executing a file ever ignored: that costs microseconds beside
// a millisecond, and a mapping can be written to without ending a mark until it is closed (listen).
type linux struct {
	o         Options
	responder *fanotify.Responder
	listener  *fanotify.Listener
	processes *procevents.Listener // nil: this system has none for us
	judge     *judge
	pool      *pool
	excluded  *excluded
	fresh     *news          // accesses for Notice
	refusals  *news          // refusals for Refused
	backlog   *backlog[seen] // of Notice and Refused
	mounts    mountWatch

	open  sync.RWMutex // held for reading by those who call the groups from outside of run
	ended bool
	final fanotify.Counts // once it has ended

	allowed, passed, denied, noticed, repeated, unjudged, lost atomic.Uint64
}

// asked is an access that waits for its answer.
type asked struct {
	fanotify.Event
	user uint32 // who waits
}

// seen is an access that is on its way to the one who takes it, with the open descriptor instead of the File.
type seen struct {
	access Access
	user   uint32
	fd     int
	sum    [32]byte
}

// open prepares the groups.
func open(o Options) (_ system, err error) {
	l := &linux{
		o:        o,
		judge:    newJudge(o.Memory),
		excluded: newExcluded(o.Excluded, o.Log),
		fresh:    newNews(o.Remember, o.Now),
		refusals: newNews(refusalsEvery, o.Now),
	}
	l.o.Pending = min(o.Pending, descriptors()/4)
	l.pool = newPool(l.o.Pending)
	l.backlog = newBacklog[seen](l.o.Pending)
	if l.responder, err = fanotify.NewResponder(fanotify.Options{Wait: o.Wait, ExecWait: o.ExecWait}); err != nil {
		return nil, fmt.Errorf("intercepting accesses: %w", err)
	}
	if l.listener, err = fanotify.NewListener(); err != nil {
		return nil, errors.Join(fmt.Errorf("intercepting accesses: %w", err), l.responder.Close())
	}
	if l.processes, err = procevents.Listen(); err != nil {
		o.Log.Warn("interpreted scripts and programs without a file are not noticed when they are started", "error", err)
	}
	return l, nil
}

// descriptors is how many files this process may have open.
func descriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<20))
}

func (l *linux) run(ctx context.Context) error {
	defer l.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		<-ctx.Done()
		// First of all, and whatever the others are still doing: nobody waits any longer.
		return errors.Join(l.responder.Release(), l.listener.Stop(), l.processes.Stop())
	})
	group.Go(func() error { return untilEOF(l.answer) })
	group.Go(func() error { return untilEOF(l.listen) })
	group.Go(func() error { return l.watchProcesses(ctx) })
	group.Go(func() error { return l.watchMounts(ctx) })
	group.Go(func() error { l.pool.run(ctx, max(runtime.GOMAXPROCS(0)-1, 1)); return nil })
	group.Go(func() error { l.backlog.deliver(ctx, l.take); return nil })
	group.Go(func() error { l.tell(ctx); return nil })
	err := group.Wait()
	l.backlog.drain(seen.drop)
	return err
}

// untilEOF repeats a step. It is an error for run if it ends for any other reason than that run does.
func untilEOF(step func() error) error {
	for {
		switch err := step(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("intercepting accesses: %w", err)
		}
	}
}

func (l *linux) close() error {
	l.open.Lock()
	defer l.open.Unlock()
	if l.ended {
		return nil
	}
	l.ended, l.final = true, l.responder.Counts()
	return errors.Join(l.responder.Close(), l.listener.Close(), l.processes.Close())
}

// answer answers what has come. It opens nothing, and waits for nothing but the next access.
func (l *linux) answer() error {
	events, err := l.responder.Next()
	for _, e := range events {
		l.rule(asked{Event: e})
	}
	return err
}

// rule decides on one access, or has somebody else do so.
func (l *linux) rule(e asked) {
	if l.excluded.is(e.PID) {
		l.passed.Add(1)
		l.let(e)
		return
	}
	e.user = userOf(e.PID) // now: once it is answered it may end
	id, mode, err := identifyKind(e.FD, "")
	if err != nil || mode&unix.S_IFMT != unix.S_IFREG {
		l.allowed.Add(1)
		l.let(e)
		return
	}
	if l.o.Memory.MaliciousSize(id.Size) {
		l.consult(e, id)
		return
	}
	l.allowed.Add(1)
	inTime := l.responder.Answer(e.Event, false)
	l.notice(l.see(e, l.ignore(e, id), !inTime))
}

// ignore marks a file whose size is not that of malicious content, and returns what it is then.
func (l *linux) ignore(e asked, id Identity) Identity {
	if e.Exec || !l.o.Open {
		return id
	}
	if err := l.responder.Ignore(e.FD); err != nil {
		l.o.Log.Debug("a file cannot be marked as known", "error", err) // it is only slower
		return id
	}
	now, err := identify(e.FD, "")
	if err != nil {
		now = id
	}
	if err != nil || l.o.Memory.MaliciousSize(now.Size) { // the file has just changed, or the memory
		l.heed(e.FD)
	}
	return now
}

func (l *linux) heed(fd int) {
	if err := l.responder.Heed(fd); err != nil {
		l.o.Log.Debug("a file's mark cannot be removed", "error", err)
		l.heedAll()
	}
}

func (l *linux) heedAll() {
	if err := l.responder.HeedAll(); err != nil {
		l.o.Log.Error("the marks of known files cannot be removed", "error", err)
	}
}

// consult decides on a file that may be malicious by its size.
func (l *linux) consult(e asked, id Identity) {
	switch ruling, sum := l.judge.rule(id); ruling {
	case allow:
		l.allow(e, id)
	case refuse:
		l.refuse(e, id, sum)
	case hash:
		q := question{identity: id, exec: e.Exec, content: contentOf(e.FD), answer: func(sum [32]byte, err error) {
			l.hashed(e, id, sum, err)
		}}
		if !l.pool.ask(q) {
			l.unjudged.Add(1)
			l.allow(e, id)
		}
	}
}

// hashed goes on when the content is known.
func (l *linux) hashed(e asked, id Identity, sum [32]byte, err error) {
	if err != nil {
		l.o.Log.Debug("a file could not be hashed", "error", err)
		l.allow(e, id)
		return
	}
	l.learnOf(e.FD, id, sum)
	if l.o.Memory.Malicious(sum) {
		l.refuse(e, id, sum)
		return
	}
	l.allow(e, id)
}

// let allows an access that is nobody's business.
func (l *linux) let(e asked) {
	l.responder.Answer(e.Event, false)
	unix.Close(e.FD)
}

// allow allows an access, and has it noticed if it is news.
func (l *linux) allow(e asked, id Identity) {
	l.allowed.Add(1)
	inTime := l.responder.Answer(e.Event, false)
	l.notice(l.see(e, id, !inTime))
}

// refuse refuses an access if it is not too late.
func (l *linux) refuse(e asked, id Identity, sum [32]byte) {
	if !l.responder.Answer(e.Event, true) {
		l.notice(l.see(e, id, true))
		return
	}
	l.denied.Add(1)
	if l.o.Refused == nil || !l.refusals.is(id, e.Exec) {
		unix.Close(e.FD)
		return
	}
	s := l.see(e, id, false)
	s.sum = sum
	if out, fate := l.backlog.offer(refusals, s.user, id.inode(), s); fate != kept {
		if fate == missed {
			l.refusals.forget(out.access.Identity.inode())
		}
		out.drop()
	}
}

func (l *linux) see(e asked, id Identity, after bool) seen {
	return seen{fd: e.FD, user: e.user, access: Access{PID: e.PID, Exec: e.Exec, Identity: id, Time: l.o.Now(), After: after}}
}

// notice queues what is news. It takes the descriptor.
func (l *linux) notice(s seen) {
	switch {
	case l.o.Notice == nil:
		s.drop()
	case !l.fresh.is(s.access.Identity, s.access.Exec):
		l.repeated.Add(1)
		s.drop()
	default:
		s.access.Process = programOf(s.access.PID) // now: it may not live long
		l.queue(s)
	}
}

// queue has an access wait for Notice, and lets go what gives way to it.
func (l *linux) queue(s seen) {
	lane := opens
	if s.access.Exec {
		lane = starts
	}
	out, fate := l.backlog.offer(lane, s.user, s.access.Identity.inode(), s)
	switch fate {
	case kept:
		return
	case replaced:
		l.repeated.Add(1)
	case missed:
		l.lookAgain(out.fd, out.access.Identity)
	}
	out.drop()
}

// lookAgain makes the next access to a file one like the first.
func (l *linux) lookAgain(fd int, id Identity) {
	l.heed(fd)
	l.fresh.forget(id.inode())
}

// take gives on what has waited.
func (l *linux) take(lane priority, s seen) {
	if lane == refusals {
		s.access.Process = programOf(s.access.PID)
		l.o.Refused(Refusal{Access: s.complete(), Sum: s.sum})
		return
	}
	l.noticed.Add(1)
	l.o.Notice(s.complete())
}

// complete makes the Access that others are given.
func (s seen) complete() Access {
	s.access.Path = pathOf(s.fd)
	s.access.File = os.NewFile(uintptr(s.fd), s.access.Path)
	return s.access
}

func (s seen) drop() { unix.Close(s.fd) }

// listen drops what is known of files that were written to, or may have been by a mapping.
func (l *linux) listen() error {
	return l.listener.Next(func(fd int) {
		l.heed(fd)
		if id, err := identify(fd, ""); err == nil {
			l.judge.unlearn(id.inode())
			l.fresh.forget(id.inode())
		}
	}, func() {
		l.lost.Add(1)
		l.judge.sums.Clear()
		l.fresh.seen.Clear()
		l.heedAll()
	})
}

func (l *linux) recheck() {
	l.open.RLock()
	defer l.open.RUnlock()
	if !l.ended {
		l.heedAll()
	}
}

func (l *linux) forget(a Access) {
	l.with(a, func(fd int) { l.lookAgain(fd, a.Identity) })
}

func (l *linux) learn(a Access, sum [32]byte) {
	l.with(a, func(fd int) { l.learnOf(fd, a.Identity, sum) })
}

// learnOf keeps the sum of a content if it still is that.
func (l *linux) learnOf(fd int, id Identity, sum [32]byte) {
	if now, err := identify(fd, ""); err == nil && now == id && id.settled(l.o.Now()) {
		l.judge.learn(id, sum)
	}
}

// with does something with an access's open file, while the groups are open.
func (l *linux) with(a Access, do func(fd int)) {
	l.open.RLock()
	defer l.open.RUnlock()
	if a.File == nil || l.ended {
		return
	}
	conn, err := a.File.SyscallConn()
	if err != nil { // closed
		return
	}
	_ = conn.Control(func(fd uintptr) { do(int(fd)) })
}
