// The part of the responder that does not depend on Go's scheduler; responder_linux.go says why it exists.
#ifndef TYTO_RESPONDER_H
#define TYTO_RESPONDER_H

#include <stdint.h>

struct tyto_responder;

// tyto_event is an access that waits for an answer. It holds its slot, and the caller its descriptor, until
// tyto_answer.
struct tyto_event {
	uint64_t mask;
	int32_t fd;
	int32_t pid;
	uint32_t slot;
};

struct tyto_counts {
	uint64_t own;    // accesses of this process and of children that it is starting
	uint64_t late;   // allowed because their time was over
	uint64_t full;   // allowed because every slot was taken
	uint64_t failed; // refused by the kernel, as it could not open the file for us
};

// tyto_responder_start begins to answer for the group fan. stop is an eventfd that becomes readable when it is to end;
// both are non-blocking and stay the caller's. Times are nanoseconds. NULL: out of memory or threads.
struct tyto_responder *tyto_responder_start(int fan, int stop, uint32_t slots, int64_t wait, int64_t exec_wait);

// tyto_next waits for accesses and writes at most max of them. It returns how many, 0 when stop has become readable, or a
// negative errno when the group cannot be read. One thread calls it.
int tyto_next(struct tyto_responder *r, struct tyto_event *out, int max);

// tyto_answer answers the access in a slot, once, and gives the slot back. It returns 0 when its time was over
// and it had been allowed already. The descriptor is closed only afterwards: the kernel knows the access by its number.
int tyto_answer(struct tyto_responder *r, uint32_t slot, int deny);

// tyto_counted reads the counts.
void tyto_counted(struct tyto_responder *r, struct tyto_counts *out);

// tyto_responder_end waits for the second thread, which ends as stop is readable, and frees everything. Accesses that wait
// are answered by the kernel when the caller closes the group.
void tyto_responder_end(struct tyto_responder *r);

#endif
