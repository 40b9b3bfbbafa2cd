/* supervisor.h - the daemon's first process: it starts engine and front, starts them again when they end, and tells systemd how they are. It holds no credential,
 * talks to no appliance and to no client, and sleeps while nothing happens. */
#ifndef DRR_SUPERVISOR_SUPERVISOR_H
#define DRR_SUPERVISOR_SUPERVISOR_H

#include <stdint.h>

#include "config.h"
#include "supervisor/restarts.h"
#include "supervisor/workers.h"

struct supervisor_settings {
	const char *exe;                                     /* what a child executes; NULL: this program */
	const char *const *arguments[RESTARTS_CHILDREN];     /* argv of engine and front, NULL at the end */
	int64_t start_limit_ms;                              /* from a child's start to its FRAME_READY */
	struct workers_settings jobs;                        /* what the engine may order */
};

/* The verb `serve`: runs the daemon until SIGTERM or SIGINT, or until children that end again and again are given up. SIGHUP: the configuration is read again.
 * Returns the exit code: 0 stopped as asked; 1 given up, or this host failed us; 2, 6 or 7 what a child said before it was at work; when it was asked to stop, the
 * engine's own. Enters JAIL_SUPERVISOR (platform/jail.h), which the children inherit.
 *
 * A child gets descriptor 3, the control channel (frames of base/frame.h), and 4, the channel to the other child; of the environment what supervisor.c lists, and
 * the engine DRR_ALIVE_MS where systemd wants signs of life: how often FRAME_ALIVE is due; and DRR_JOBS ("run,status") where there are jobs (jobs.h) that an engine
 * before it has ordered: FRAME_FINISHED comes for each. SIGTERM, and the control channel's end, mean to it what FRAME_STOP means. */
int supervise(const struct config *config);

/* The same with other children, for tests. */
int supervise_with(const struct config *config, const struct supervisor_settings *settings);

#endif
