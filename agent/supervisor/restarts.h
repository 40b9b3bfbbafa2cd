/* restarts.h - when the daemon's two children are started, stopped and given up. Pure: what happened and when in, what is to be done out.
 *
 * The front is started when the engine is at work for the first time: a second daemon, whose engine finds the lock taken, must not touch the first one's sockets.
 * A child that ends is started again, RESTARTS_MAX times in RESTARTS_WINDOW_MS, each counted by itself: strangers who can make the front end do not use up what the
 * engine has. Then the daemon ends, with 1.
 * One that ends with 2, 6 or 7 before it was at work (configuration, another agent works here, a file it may not read) ends the daemon at once, with that: doing
 * it again would not help. Not so a front that was at work before (its certificate was replaced by a bad one, and then it ended): the engine goes on, and the front is
 * tried again behind a pause, as often as it may be. At the end the engine goes first, and has all the time that it takes: it may be enabling the service. Nothing ever kills an engine that
 * was at work; a front that does not end when it has to holds nothing, and must not keep the next daemon from starting: it is killed. */
#ifndef DRR_SUPERVISOR_RESTARTS_H
#define DRR_SUPERVISOR_RESTARTS_H

#include <stdbool.h>

#include "base/mono.h"

enum {
	RESTARTS_MAX = 5,
	RESTARTS_WINDOW_MS = 300 * 1000,
	RESTARTS_START_LIMIT_MS = 60 * 1000, /* from a child's start to its READY. It has touched nothing by then, and is killed */
	RESTARTS_FRONT_PAUSE_MS = 30 * 1000, /* before a front that could not start is tried again */
	RESTARTS_FRONT_END_LIMIT_MS = 15 * 1000, /* from FRAME_STOP, or the loss of its control channel, to the front's end; it needs 3 s at most */
};

enum restarts_child { RESTARTS_ENGINE, RESTARTS_FRONT, RESTARTS_CHILDREN };

struct restarts {
	int64_t start_limit_ms;
	struct {
		enum restarts_phase { RESTARTS_GONE, RESTARTS_STARTING, RESTARTS_READY } phase;
		struct mono ready_by; /* STARTING */
		struct mono end_by;   /* a front that is asked or lost; MONO_NEVER before restarts_due() has seen that */
		bool killed, asked;   /* for not being ready, or not ending; to stop */
		bool lost;            /* nothing can be said to it any more */
		struct mono restarted[RESTARTS_MAX]; /* a ring of the last ones */
		unsigned restart_count;              /* of all times */
	} children[RESTARTS_CHILDREN];
	struct mono front_again_at; /* a front that could not start; MONO_NEVER */
	bool stopping, given_up, was_ready;
	enum restarts_child culprit; /* given_up: who ended too often */
	int exit_code; /* of the daemon, when all is over */
};

/* What is to be done now, in this order. */
struct restarts_todo {
	bool kill[RESTARTS_CHILDREN];  /* SIGKILL; its end will be reported like any other */
	bool begin_stop;               /* say that the daemon ends: once */
	bool stop[RESTARTS_CHILDREN];  /* ask it to finish and end */
	bool start[RESTARTS_CHILDREN]; /* where that fails: restarts_ended() */
	bool say_ready;                /* both are at work for the first time */
	bool over;                     /* no child is left: end with exit_code */
};

/* START_LIMIT_MS: RESTARTS_START_LIMIT_MS; another one in tests. */
struct restarts_todo restarts_begin(struct restarts *restarts, int64_t start_limit_ms, struct mono now);

struct restarts_todo restarts_ready(struct restarts *restarts, enum restarts_child child, struct mono now);

/* EXIT_STATUS: -1 by a signal, or it could not be started. */
struct restarts_todo restarts_ended(struct restarts *restarts, enum restarts_child child, int exit_status, struct mono now);

/* Its control channel is closed: it has to end by itself. Nothing is to be done yet. */
void restarts_lost(struct restarts *restarts, enum restarts_child child);

/* The daemon is to end: with EXIT_CODE, or when it ends already with what was first. An engine that fails while it stops makes 0 its own code (1 for a signal). */
struct restarts_todo restarts_stop(struct restarts *restarts, int exit_code);

/* restarts_deadline() is reached; harmless before. MONO_NEVER: nothing is awaited. */
struct restarts_todo restarts_due(struct restarts *restarts, struct mono now);
struct mono restarts_deadline(const struct restarts *restarts);

/* Both are at work and the daemon does not end. */
bool restarts_all_ready(const struct restarts *restarts);

#endif
