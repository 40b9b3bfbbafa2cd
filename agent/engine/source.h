/* source.h - where log lines come from, behind one interface: a file on this host, the appliance's XML management interface, its own syslog target, or its
 * command line. Owner-side: opens what it needs, never blocks.
 *
 *   file    watch/follow.h: events of the file system, marks by identity and content
 *   xmi     polls: the size and time of the log file first, the whole file (streamed) only when they changed; watch/snapshot.h finds what is new
 *   cli     polls `show logging TARGET`, likewise a whole text each time
 *   syslog  listens; only the configured appliance is heard
 *
 * What holds for all: a line is handed out once, oldest first; what was there before the mark is not handed out; lines that were lost, or may have been, are
 * counted, never passed over in silence. */
#ifndef DRR_ENGINE_SOURCE_H
#define DRR_ENGINE_SOURCE_H

#include <poll.h>
#include <stdbool.h>

#include "appliance/facts.h"
#include "base/error.h"
#include "base/mono.h"
#include "config.h"
#include "watch/mark.h"

enum {
	SOURCE_FDS_MAX = 12,           /* descriptors that one source waits for; syslog: listeners and connections */
	SOURCE_LINE_MAX_BYTES = 16384, /* longer: skipped and counted */
	SOURCE_TURN_LINES = 262144,    /* handed out in a row; then, and after SOURCE_TURN_BYTES that hold no line, source_next() is false once although there is more: who */
	SOURCE_TURN_BYTES = 1048576,   /* sends without end must not hold the caller. source_deadline() is then in the past. More than what a kernel keeps of datagrams */
	SOURCE_STEP_BYTES = 128,       /* what a step counts beside its bytes */
};

struct source_counts {
	uint64_t lines, bytes;
	uint64_t long_lines;   /* skipped */
	uint64_t rotations, truncations;
	uint64_t lost_marks;   /* the place to go on from was not found again */
	uint64_t gaps;         /* lines may be missing: a rotation out of reach, a broken connection, the appliance's rate limit */
	uint64_t foreign;      /* syslog: datagrams and connections from somewhere else, frames that are no log line */
	uint64_t polls, whole_reads; /* xmi, cli */
};

struct source; /* one per run; allocated once */

/* Gets a line that is older than the place where the source starts. */
typedef void source_line_function(void *context, const char *line, size_t length_bytes);

/* Where it starts: as follow_open() says for the file. For xmi and cli: MARK NULL: what is there at the first look is old; MARK: goes on behind it, also across a rotation as
 * far as the rotated file can be read. For syslog: what arrives from now on; behind a mark, lines whose appliance time is before the mark's are dropped.
 * NULL and ERROR: a listener's address that cannot be taken, ... CONFIG must outlive it. */
struct source *source_open(const struct config *config, const struct mark *mark, struct error *error);
void source_close(struct source *source); /* NULL is fine */

/* Whoever wants to know what the log says already (the precheck, status): the last lines before the start, oldest first, at most about LIMIT_BYTES of them, are given to FUNCTION
 * while the source gets ready. Call right after source_open(). syslog has none. NULL stops it. */
void source_set_history(struct source *source, source_line_function *function, void *context, size_t limit_bytes);

/* What the appliance's clock showed a moment ago; what is not known of it is 0. For the age of a history, and so that syslog lines from before it are old when nothing
 * was heard before the mark. */
void source_set_clock(struct source *source, const struct facts_clock *clock);

/* Behind a history: how long ago the last of it was logged, for file by this host's clock, for xmi and cli by the appliance's (source_set_clock); 0 where that is not known.
 * -1 and ERROR: there is no history, because the log cannot be read. */
int source_history_age(const struct source *source, int64_t *age_ms, struct error *error);

/* Lets the source make its own log target (manage_target). Without this call it changes nothing on the appliance: a missing target is then an error. */
void source_allow_changes(struct source *source);

/* Asks for a look right now: source_ready() is false until it is over; then everything that was logged before this call has been handed out or can be taken with
 * source_next() at once, so that source_mark() behind it is a place in front of what comes next. No effect for file and syslog, which are always there. */
void source_look(struct source *source);

/* A run waits for a line: poll at poll_ms. Otherwise as seldom as the source allows. */
void source_set_active(struct source *source, bool active);

/* True as soon as the first look is over: for file and syslog at once; for xmi and cli when the log's end is known, so that what comes later is new. Drive it
 * with source_next() and source_poll() until then. A source that cannot work says why: ERROR (sticks until a look succeeds). */
bool source_ready(const struct source *source, struct error *error);

/* The place up to which lines were handed out (see follow_mark). False while there is none. */
bool source_mark(struct source *source, struct mark *mark);

/* The next line, without its line end; foreign; valid until the next call. False: nothing more now; ERROR set where it is the source that fails, and not
 * the appliance that is silent; calling again tries again. */
bool source_next(struct source *source, struct mono now, const char **line, size_t *length_bytes, struct error *error);

/* What to wait for: fills up to SOURCE_FDS_MAX entries, returns how many. After poll() call source_next(). */
unsigned source_poll(const struct source *source, struct pollfd *fds);
struct mono source_deadline(const struct source *source);

const struct source_counts *source_counts(const struct source *source);

/* "file", "xmi", "syslog", "cli", "none". */
const char *source_name(enum config_log_source source);

#endif
