/* logbook.h - the journal as a file in state_dir: opened under the lock, replayed, appended to.
 *
 * A record is on disk when logbook_write() returns 0. After a failure the book is closed for good: nothing more is written, and the run's table
 * decides what may still be done without it. */
#ifndef DRR_ENGINE_LOGBOOK_H
#define DRR_ENGINE_LOGBOOK_H

#include <stdbool.h>

#include "run/journal.h"

struct logbook {
	int lock_fd, fd; /* -1: not open */
	char path[1024];
	struct journal_state state;
	size_t file_bytes;
	bool torn; /* a torn tail was cut when it was opened */
	bool broken; /* a write failed */
};

/* Takes the lock of STATE_DIR, replays and repairs. ERROR_BUSY: another process works here. ERROR_INTERNAL: damaged, with the command that
 * shows it and what to do. 0 or -1. After -1, but for ERROR_BUSY, BOOK is broken and its state is what could be read all the same (a disk that
 * cannot be written any more; nothing of a damaged journal): so a service that is disabled is not left so. Call logbook_close() in any case. */
int logbook_open(struct logbook *book, const char *state_dir, struct error *error);
void logbook_close(struct logbook *book);

/* Reads the state without the lock and without repairing anything: for `status` and `journal`. A damaged journal is an error, a torn tail is not. */
int logbook_peek(const char *state_dir, struct journal_state *state, bool *torn, struct error *error);

/* Calls FUNCTION for each record. */
typedef void logbook_record_function(void *context, const struct journal_record *record);
int logbook_each(const char *state_dir, logbook_record_function *function, void *context, struct error *error);

/* Fills seq and time, encodes, appends, syncs, applies to the state. */
int logbook_write(struct logbook *book, struct journal_record *record, struct error *error);

/* A record of KIND and STEP for RUN, to be filled with journal_add(). */
struct journal_record logbook_record(enum journal_kind kind, enum journal_step step, const char *run);

/* Did RUN flush before, as far as this book goes back? */
bool logbook_run_flushed(const struct logbook *book, const char *run);

/* Sets the book aside as journal.1 when it is large, nothing is open and no grant or hold stands (a hold whose time is over does not). 0, or -1: the
 * book is broken. */
int logbook_rotate(struct logbook *book, struct error *error);

#endif
