/* events.h - what happened here, numbered without gaps, on disk within a bound: for whoever asks GET /v1/events.
 *
 * Two files in state_dir, events and events.1, one JSON object a line, its number first. A full file is set aside and replaces the older one. An event is on disk before its
 * number is told to anybody; until somebody asks, it is only written, so that a run does not wait for the disk at each line. What the disk does not take is counted, and told by the next event that it takes. */
#ifndef DRR_ENGINE_EVENTS_H
#define DRR_ENGINE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "platform/json.h"

enum {
	EVENTS_FILE_MAX_BYTES = 256 * 1024, /* of each of the two */
	EVENTS_LINE_MAX_BYTES = 4096,
	EVENTS_ANSWER_MAX_BYTES = 100 * 1024, /* of the events of one answer; whoever wants more asks again */
};

struct events {
	int fd; /* -1: not open */
	bool unsynced; /* lines were added since the last sync */
	char path[1024];
	uint64_t oldest, newest; /* newest 0: there never was one; oldest: the first that can still be read, newest + 1 when there is none */
	uint64_t second;         /* the first in the present file */
	size_t file_bytes;
	uint64_t lost;           /* not stored since the last that was */
	uint64_t lost_ever;      /* not stored since events_open() */
};

/* Opens or makes the files of STATE_DIR (whose lock the caller holds), cuts off a torn line. A file with anything else in it that is not ours becomes
 * events.bad, and the numbers go on behind its highest. 0, or -1: they cannot be read or written; events_add() tries again each time. */
int events_open(struct events *events, const char *state_dir, struct error *error);
void events_close(struct events *events);

struct event {
	const char *kind;     /* log, run, grant, hold, watchdog, agent */
	const char *name;     /* waiting, accepted, ... */
	const char *code;     /* of a log line, or NULL */
	const char *run;      /* or NULL */
	const char *sentence; /* foreign text is escaped by the JSON writer */
	const char *evidence; /* or NULL */
	const char *next;     /* for the log only; or NULL */
	bool warns;           /* likewise: a warning */
};

/* Stores it; an evidence, then a sentence, that is too long for a line is left out. 0, or -1: not stored, and counted. */
int events_add(struct events *events, const struct event *event, struct error *error);

/* What was added is on disk then. 0 or -1. Done by events_text(); for who tells `newest` in another way. */
int events_sync(struct events *events, struct error *error);

/* {"events":[...],"oldest":N,"newest":N} with those numbered above AFTER, at most LIMIT, without gaps. The caller frees it. NULL and ERROR: they cannot be read. */
char *events_text(struct events *events, uint64_t after, unsigned limit, struct error *error);

#endif
