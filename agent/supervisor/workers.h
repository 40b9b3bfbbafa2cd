/* workers.h - carries out what jobs.h says: starts the programs, ends them, and tells the engine how they ended. */
#ifndef DRR_SUPERVISOR_WORKERS_H
#define DRR_SUPERVISOR_WORKERS_H

#include <sys/types.h>

#include "base/frame.h"
#include "supervisor/jobs.h"

struct workers_settings {
	struct {
		const char *exe;          /* what is executed; NULL: this program */
		const char *const *words; /* what the command line begins with: the program's name. NULL at the end */
	} programs[JOBS_PROGRAMS];
	int64_t end_limit_ms;             /* JOBS_END_LIMIT_MS */
};

struct workers {
	const struct workers_settings *settings;
	struct jobs jobs;
	pid_t pids[JOB_COUNT]; /* 0: none */
	bool may_drrctl;       /* group_file was set when the supervisor was locked in: it may execute drrctl */
};

/* SETTINGS: the caller's, must outlive WORKERS. */
void workers_begin(struct workers *workers, const struct workers_settings *settings, const struct config *config);

/* FRAME_START, with the descriptor FD (-1: none came along; still the caller's), which becomes the job's standard input and output as it is (the engine leaves that
 * end blocking); its standard error is ours. CONFIG: the one in force. A refusal goes to CONTROL, the engine's channel, at once; an end by workers_tell(). */
void workers_start(struct workers *workers, const struct config *config, const struct frame *start, int fd, int control);

/* Takes note of those that have ended. */
void workers_reap(struct workers *workers);

/* FRAME_FINISHED for each of those, to the engine's channel CONTROL; -1: there is none now, and the next engine is told. Call it after whatever happened. */
void workers_tell(struct workers *workers, int control);

/* What jobs_stop() and jobs_due() said. */
void workers_perform(struct workers *workers, struct jobs_todo todo);

#endif
