/* jobs.h - the programs that the supervisor starts on the engine's order: which there are, when one is started, ended and killed. Pure: what happened and when in,
 * what is to be done out. workers.c carries it out.
 *
 * A job has a fixed command line; nothing but the id of a run comes from the engine, and that is checked. There is one job of each name at a time, and none of them
 * is ever started again by itself: whether another try is worth it is the engine's to say. So a job that fails uses up nothing of the daemon's budget of restarts
 * (restarts.h). */
#ifndef DRR_SUPERVISOR_JOBS_H
#define DRR_SUPERVISOR_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mono.h"
#include "config.h"

enum {
	JOBS_END_LIMIT_MS = 10 * 1000, /* from SIGTERM to SIGKILL */
	JOBS_AGAIN_MS = 1000,          /* until an engine that does not read is told once more how a job ended */
	JOBS_WORDS_MAX = 8,            /* of a job's command line behind its program, with the NULL at the end */
	JOBS_LIST_BYTES = 64,          /* "DRR_JOBS=", all the names, and the NUL */
};

enum job { JOB_STATUS, JOB_NUDGE, JOB_RUN, JOB_NOTIFY, JOB_COUNT };

enum jobs_program { JOBS_DRRCTL, JOBS_AGENT, JOBS_PROGRAMS }; /* AGENT: this program */

struct jobs {
	int64_t end_limit_ms;
	bool stopping;
	struct job_slot {
		/* IDLE: none, and the engine knows. ENDED: its end is still to be told */
		enum job_phase { JOB_IDLE, JOB_RUNNING, JOB_TERMINATED, JOB_KILLED, JOB_ENDED } phase;
		uint32_t number; /* that of FRAME_START */
		uint32_t status; /* ENDED: that of FRAME_FINISHED */
		bool late;       /* it was given up for taking too long */
		struct mono until; /* RUNNING: SIGTERM is due then; TERMINATED: SIGKILL; ENDED: the next try to tell; MONO_NEVER */
	} slots[JOB_COUNT];
};

/* What is to be done now. An end will be reported like any other. */
struct jobs_todo {
	bool terminate[JOB_COUNT]; /* SIGTERM */
	bool kill[JOB_COUNT];      /* SIGKILL */
};

/* END_LIMIT_MS: JOBS_END_LIMIT_MS; another one in tests. */
void jobs_begin(struct jobs *jobs, int64_t end_limit_ms);

/* The job of that name; JOB_COUNT: there is none. */
enum job jobs_find(const char *name);
const char *jobs_name(enum job job); /* "status", ... */

/* Why JOB must not be started with ARGUMENT now, as a sentence; NULL: it may. CONFIG: the one in force. */
const char *jobs_refusal(const struct jobs *jobs, enum job job, const char *argument, const struct config *config);

/* What executes it, and in WORDS what stands behind the program's name on its command line, NULL at the end; the strings are CONFIG's, ARGUMENT's and constants. */
enum jobs_program jobs_command(enum job job, const struct config *config, const char *argument, const char *words[JOBS_WORDS_MAX]);

/* It runs now, as NUMBER. Only where jobs_refusal() said NULL. */
void jobs_started(struct jobs *jobs, enum job job, uint32_t number, struct mono now);

/* It has ended. STATUS: exit code, or 128 + signal. */
void jobs_ended(struct jobs *jobs, enum job job, uint32_t status);

/* Whether the engine has been TOLD of an end. Not, and it IS_THERE: it does not read now, so again at jobs_deadline(); it is not: a new one will be told. */
void jobs_told(struct jobs *jobs, enum job job, bool told, bool is_there, struct mono now);

/* The daemon ends: so do they, and no other is started. */
struct jobs_todo jobs_stop(struct jobs *jobs, struct mono now);

/* jobs_deadline() is reached; harmless before. MONO_NEVER: nothing is awaited. */
struct jobs_todo jobs_due(struct jobs *jobs, struct mono now);
struct mono jobs_deadline(const struct jobs *jobs);

/* No process is left. */
bool jobs_over(const struct jobs *jobs);

/* "DRR_JOBS=status,run" for a new engine: those of whose end no engine has been told. False: there is none. */
bool jobs_list(const struct jobs *jobs, char out[JOBS_LIST_BYTES]);

#endif
