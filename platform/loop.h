/* loop.h - wait for descriptors, a deadline or a signal; one call, no callbacks. */
#ifndef DRR_PLATFORM_LOOP_H
#define DRR_PLATFORM_LOOP_H

#include <poll.h>

#include "base/error.h"
#include "base/mono.h"

enum { LOOP_FDS_MAX = 40 };

struct loop {
	int timer_fd;  /* timerfd on CLOCK_BOOTTIME: a stunned machine wakes up on time */
	int signal_fd; /* SIGINT, SIGTERM, SIGHUP; SIGCHLD after loop_watch_children() */
};

/* Blocks the three signals for the process, ignores SIGPIPE, opens the two descriptors. 0 or -1. */
int loop_open(struct loop *loop, struct error *error);
void loop_close(struct loop *loop);

/* From now on loop_wait() returns SIGCHLD as well; one may stand for several children. 0 or -1. */
int loop_watch_children(struct loop *loop, struct error *error);

/* Waits until one of FDS (COUNT at most LOOP_FDS_MAX; fd -1 is skipped) has an event, DEADLINE is reached or a signal
 * comes. Fills revents. Returns the signal's number when one came, 0 otherwise, -1 on error. */
int loop_wait(struct loop *loop, struct pollfd *fds, unsigned count, struct mono deadline, struct error *error);

#endif
