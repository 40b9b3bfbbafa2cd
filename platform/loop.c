#include "platform/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "platform/clock.h"

static sigset_t awaited_signals(void)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGHUP);
	return signals;
}

int loop_open(struct loop *loop, struct error *error)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t signals = awaited_signals();

	loop->timer_fd = -1;
	loop->signal_fd = -1;
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 || sigaction(SIGPIPE, &ignore, NULL) != 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot set up signals");
	loop->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->signal_fd < 0 || loop->timer_fd < 0) {
		(void)error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot open the timer and signal descriptors");
		loop_close(loop);
		return -1;
	}
	return 0;
}

int loop_watch_children(struct loop *loop, struct error *error)
{
	sigset_t signals = awaited_signals();

	(void)sigaddset(&signals, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 || signalfd(loop->signal_fd, &signals, SFD_NONBLOCK | SFD_CLOEXEC) < 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot watch the children of this process");
	return 0;
}

void loop_close(struct loop *loop)
{
	if (loop->timer_fd >= 0)
		(void)close(loop->timer_fd);
	if (loop->signal_fd >= 0)
		(void)close(loop->signal_fd);
	loop->timer_fd = -1;
	loop->signal_fd = -1;
}

/* Arms the timer for DEADLINE, disarms it for MONO_NEVER. An absolute time in the past fires at once. */
static int timer_arm(const struct loop *loop, struct mono deadline)
{
	struct itimerspec when;

	memset(&when, 0, sizeof when);
	if (deadline.ms != MONO_NEVER.ms) {
		int64_t ms = deadline.ms > 0 ? deadline.ms : 1; /* all zero would disarm */

		when.it_value.tv_sec = (time_t)(ms / 1000);
		when.it_value.tv_nsec = (long)(ms % 1000) * 1000000L;
	}
	return timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* The pending signal's number, 0 when there is none. */
static int signal_take(const struct loop *loop)
{
	struct signalfd_siginfo info;

	if (read(loop->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
		return 0;
	return (int)info.ssi_signo;
}

int loop_wait(struct loop *loop, struct pollfd *fds, unsigned count, struct mono deadline, struct error *error)
{
	struct pollfd all[LOOP_FDS_MAX + 2];
	int ready;

	if (count > LOOP_FDS_MAX)
		return error_set(error, ERROR_INTERNAL, NULL, "loop_wait: %u descriptors, at most %d", count, LOOP_FDS_MAX);
	if (timer_arm(loop, deadline) != 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot set the timer");
	if (count > 0)
		memcpy(all, fds, count * sizeof *fds);
	all[count] = (struct pollfd){.fd = loop->timer_fd, .events = POLLIN};
	all[count + 1] = (struct pollfd){.fd = loop->signal_fd, .events = POLLIN};
	do {
		/* the timer is only as good as its next tick: a deadline that is reached already must not sleep */
		ready = poll(all, count + 2, mono_reached(deadline, clock_now()) ? 0 : -1);
	} while (ready < 0 && errno == EINTR);
	if (ready < 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "poll");
	for (unsigned i = 0; i < count; i++)
		fds[i].revents = all[i].revents;
	return all[count + 1].revents ? signal_take(loop) : 0;
}
