#define _GNU_SOURCE
#include "responder_linux.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef FAN_OPEN_EXEC_PERM
#define FAN_OPEN_EXEC_PERM 0x00040000
#endif

enum {
	tick = 50,            // milliseconds between two looks of the guard
	batch = 64,           // accesses in one read
	most_failures = 1000, // reads that fail one after another before the group counts as broken
	haste = -5,           // nice value of the threads on which others wait
};

struct slot {
	struct tyto_event event;
	int64_t deadline;
	char answered; // by the guard
};

struct tyto_responder {
	int fan, stop;
	int32_t self;
	int64_t wait, exec_wait;
	pthread_t guard;
	// When the caller of tyto_next was last seen to leave poll(2); 0 while it is in there. Only there it is sure to
	// take up what comes.
	_Atomic int64_t away;
	_Atomic uint64_t own, late, full, failed;

	pthread_mutex_t lock; // for all below; never held during a system call that can block
	uint32_t slots, used;
	struct slot *slot;
	uint32_t *unused;            // a stack of slots - used numbers
	uint32_t *ring, first, ringed; // slots that tyto_next has not yet given out, oldest first
};

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void respond(struct tyto_responder *r, int fd, uint32_t response)
{
	struct fanotify_response answer = { .fd = fd, .response = response };
	ssize_t n;
	do
		n = write(r->fan, &answer, sizeof answer);
	while (n < 0 && errno == EINTR);
}

// is_own recognises this process, and a child that it has forked and that has not yet become another program: that one
// still shares our memory. Our thread that has forked waits for it, and so may everything in this process.
static int is_own(struct tyto_responder *r, int32_t pid)
{
	if (pid == r->self)
		return 1;
	return pid > 0 && syscall(SYS_kcmp, r->self, pid, KCMP_VM, 0, 0) == 0;
}

// keep puts an access into a slot and its number into the ring. It returns 0 when no slot is free.
static int keep(struct tyto_responder *r, const struct fanotify_event_metadata *m)
{
	int64_t deadline = now() + (m->mask & FAN_OPEN_EXEC_PERM ? r->exec_wait : r->wait);
	pthread_mutex_lock(&r->lock);
	int fits = r->used < r->slots;
	if (fits) {
		uint32_t n = r->unused[r->slots - ++r->used];
		r->slot[n] = (struct slot){
			.event = { .mask = m->mask, .fd = m->fd, .pid = m->pid, .slot = n },
			.deadline = deadline,
		};
		r->ring[(r->first + r->ringed++) % r->slots] = n;
	}
	pthread_mutex_unlock(&r->lock);
	return fits;
}

// take_up reads what waits in the group, without blocking for more. It returns 0, or an errno.
static int take_up(struct tyto_responder *r)
{
	struct fanotify_event_metadata buf[batch];
	ssize_t n = read(r->fan, buf, sizeof buf);
	if (n <= 0) // 0: the group has been replaced, see Release
		return n < 0 ? errno : EAGAIN;
	for (struct fanotify_event_metadata *m = buf; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
		if (m->vers != FANOTIFY_METADATA_VERSION)
			return EPROTO;
		if (m->fd < 0)
			continue;
		if (is_own(r, m->pid))
			r->own++;
		else if (keep(r, m))
			continue;
		else
			r->full++;
		respond(r, m->fd, FAN_ALLOW);
		close(m->fd);
	}
	return 0;
}

static int readable(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	return poll(&p, 1, timeout) > 0;
}

// expire allows what has waited for too long.
static void expire(struct tyto_responder *r)
{
	pthread_mutex_lock(&r->lock);
	if (r->used > 0) {
		int64_t t = now();
		for (uint32_t i = 0; i < r->slots; i++) {
			struct slot *s = &r->slot[i];
			// A free slot has no deadline.
			if (s->deadline == 0 || s->deadline > t || s->answered)
				continue;
			s->answered = 1;
			respond(r, s->event.fd, FAN_ALLOW);
			r->late++;
		}
	}
	pthread_mutex_unlock(&r->lock);
}

// hasten raises the priority of the calling thread, if it may (CAP_SYS_NICE): others wait for the guard.
static void hasten(void)
{
	// On Linux a nice value is a thread's, contrary to POSIX: see setpriority(2).
	id_t self = (id_t)syscall(SYS_gettid);
	if (getpriority(PRIO_PROCESS, self) > haste)
		(void)setpriority(PRIO_PROCESS, self, haste);
}

static void *guard(void *arg)
{
	struct tyto_responder *r = arg;
	int more = 0;
	hasten();
	while (!readable(r->stop, more ? 0 : tick)) {
		int64_t away = r->away;
		more = away != 0 && now() - away > tick * 1000000LL && readable(r->fan, 0) && take_up(r) == 0;
		expire(r);
	}
	return NULL;
}

int tyto_next(struct tyto_responder *r, struct tyto_event *out, int max)
{
	int failures = 0;
	for (;;) {
		int n = 0;
		pthread_mutex_lock(&r->lock);
		for (; n < max && r->ringed > 0; n++) {
			out[n] = r->slot[r->ring[r->first]].event;
			r->first = (r->first + 1) % r->slots;
			r->ringed--;
		}
		pthread_mutex_unlock(&r->lock);
		if (n > 0) {
			r->away = now();
			return n;
		}
		int err = take_up(r);
		switch (err) {
		case 0:
			failures = 0;
			continue;
		case EINTR:
			continue;
		case EAGAIN: // nothing there; or the file is under a lease, and then the kernel has refused the access
			break;
		case EBADF: case EFAULT: case EINVAL: case EPROTO:
			return -err;
		default: // about this one file
			r->failed++;
			if (++failures >= most_failures)
				return -err;
			continue;
		}
		struct pollfd p[] = { { .fd = r->fan, .events = POLLIN }, { .fd = r->stop, .events = POLLIN } };
		r->away = 0;
		poll(p, 2, -1);
		r->away = now();
		if (p[1].revents != 0)
			return 0;
	}
}

int tyto_answer(struct tyto_responder *r, uint32_t n, int deny)
{
	pthread_mutex_lock(&r->lock);
	struct slot *s = &r->slot[n];
	int in_time = !s->answered;
	if (in_time)
		respond(r, s->event.fd, deny ? FAN_DENY : FAN_ALLOW);
	s->deadline = 0;
	r->unused[r->slots - r->used--] = n;
	pthread_mutex_unlock(&r->lock);
	return in_time;
}

void tyto_counted(struct tyto_responder *r, struct tyto_counts *out)
{
	*out = (struct tyto_counts){ .own = r->own, .late = r->late, .full = r->full, .failed = r->failed };
}

static void release(struct tyto_responder *r)
{
	if (r == NULL)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->slot);
	free(r->unused);
	free(r->ring);
	free(r);
}

// start_guard starts the thread with all signals blocked: they are for Go's threads.
static int start_guard(struct tyto_responder *r)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&r->guard, NULL, guard, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

struct tyto_responder *tyto_responder_start(int fan, int stop, uint32_t slots, int64_t wait, int64_t exec_wait)
{
	struct tyto_responder *r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	*r = (struct tyto_responder){
		.fan = fan, .stop = stop, .self = getpid(), .wait = wait, .exec_wait = exec_wait, .slots = slots,
		.slot = calloc(slots, sizeof *r->slot),
		.unused = calloc(slots, sizeof *r->unused),
		.ring = calloc(slots, sizeof *r->ring),
	};
	pthread_mutex_init(&r->lock, NULL);
	for (uint32_t i = 0; r->unused != NULL && i < slots; i++)
		r->unused[i] = i;
	r->away = now();
	if (r->slot == NULL || r->unused == NULL || r->ring == NULL || start_guard(r) != 0) {
		release(r);
		return NULL;
	}
	return r;
}

void tyto_responder_end(struct tyto_responder *r)
{
	pthread_join(r->guard, NULL);
	release(r);
}
