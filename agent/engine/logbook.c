#include "engine/logbook.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/durable.h"

static char file_memory[JOURNAL_FILE_MAX_BYTES];

static void make_path(const char *state_dir, const char *name, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/%s", state_dir, name);
}

/* Applies all records; *good: how far the file is sound. */
static int replay(const char *path, struct journal_state *state, size_t *good, size_t *total, bool *torn,
		  logbook_record_function *function, void *context, struct error *error)
{
	struct journal_reader reader;
	struct journal_record record;
	enum journal_read result;

	if (durable_read(path, file_memory, sizeof file_memory, total, error))
		return -1;
	journal_state_init(state);
	journal_reader_init(&reader, file_memory, *total);
	while ((result = journal_reader_next(&reader, &record, error)) == JOURNAL_RECORD) {
		journal_state_apply(state, &record);
		if (function)
			function(context, &record);
	}
	*good = reader.offset;
	*torn = result == JOURNAL_TORN;
	return result == JOURNAL_DAMAGED ? -1 : 0;
}

int logbook_open(struct logbook *book, const char *state_dir, struct error *error)
{
	struct error ignored = {0};
	size_t good = 0, total = 0;

	memset(book, 0, sizeof *book);
	book->fd = -1;
	make_path(state_dir, "journal", book->path, sizeof book->path);
	book->lock_fd = durable_lock(state_dir, error);
	book->broken = book->lock_fd < 0;
	if (book->broken && error->code == ERROR_BUSY)
		return -1;
	if (replay(book->path, &book->state, &good, &total, &book->torn, NULL, NULL, book->broken ? &ignored : error)) {
		journal_state_init(&book->state); /* half a truth would be none */
		book->broken = true;
	}
	if (book->broken)
		return -1;
	book->fd = durable_open(book->path, error);
	if (book->fd < 0 || (book->torn && durable_cut(book->fd, good, error))) {
		book->broken = true;
		return -1;
	}
	book->file_bytes = good;
	return 0;
}

void logbook_close(struct logbook *book)
{
	if (book->fd >= 0)
		(void)close(book->fd);
	if (book->lock_fd >= 0)
		(void)close(book->lock_fd);
	book->fd = book->lock_fd = -1;
}

int logbook_each(const char *state_dir, logbook_record_function *function, void *context, struct error *error)
{
	struct journal_state state;
	char path[1024];
	size_t good, total;
	bool torn;

	make_path(state_dir, "journal", path, sizeof path);
	return replay(path, &state, &good, &total, &torn, function, context, error);
}

int logbook_peek(const char *state_dir, struct journal_state *state, bool *torn, struct error *error)
{
	char path[1024];
	size_t good, total;

	make_path(state_dir, "journal", path, sizeof path);
	return replay(path, state, &good, &total, torn, NULL, NULL, error);
}

struct journal_record logbook_record(enum journal_kind kind, enum journal_step step, const char *run)
{
	struct journal_record record = {.kind = kind, .step = step};

	(void)snprintf(record.run, sizeof record.run, "%s", run);
	return record;
}

int logbook_write(struct logbook *book, struct journal_record *record, struct error *error)
{
	char line[JOURNAL_RECORD_MAX_BYTES];
	struct buf out;

	if (book->broken || book->fd < 0)
		return error_set(error, ERROR_INTERNAL, "free space on, or repair, the file system of state_dir", "the journal %s could not be written before",
				 book->path);
	record->seq = book->state.last_seq + 1;
	record->wall_ms = clock_wall_ms();
	buf_init(&out, line, sizeof line);
	if (journal_encode(record, &out))
		return error_set(error, ERROR_INTERNAL, NULL, "a journal record does not fit into %d bytes", JOURNAL_RECORD_MAX_BYTES);
	if (book->file_bytes + out.len > JOURNAL_FILE_MAX_BYTES) {
		book->broken = true;
		return error_set(error, ERROR_INTERNAL, "look at it: drr-agent journal; then move it away", "the journal %s is full (%d bytes)", book->path,
				 JOURNAL_FILE_MAX_BYTES);
	}
	if (durable_append(book->fd, out.data, out.len, error)) {
		book->broken = true;
		return -1;
	}
	book->file_bytes += out.len;
	journal_state_apply(&book->state, record);
	return 0;
}

bool logbook_run_flushed(const struct logbook *book, const char *run)
{
	char old[sizeof book->path + 2];
	struct error ignored = {0};
	size_t got = 0;

	if (durable_read(book->path, file_memory, sizeof file_memory, &got, &ignored) == 0 && journal_run_flushed(file_memory, got, run))
		return true;
	(void)snprintf(old, sizeof old, "%s.1", book->path);
	return durable_read(old, file_memory, sizeof file_memory, &got, &ignored) == 0 && journal_run_flushed(file_memory, got, run);
}

/* A grant or a hold would be forgotten with the old book. A hold's end is a time that people gave, so it is the wall clock that counts. */
static bool is_needed(const struct journal_state *state)
{
	const struct journal_standing *standing = &state->standing;

	return state->run_open || state->disable_open || standing->granted || (standing->held && clock_wall_ms() < standing->hold_until_ms);
}

int logbook_rotate(struct logbook *book, struct error *error)
{
	char old[sizeof book->path + 2];

	/* While either stands, little is written. */
	if (book->broken || book->file_bytes < JOURNAL_FILE_MAX_BYTES / 2 || is_needed(&book->state))
		return 0;
	(void)snprintf(old, sizeof old, "%s.1", book->path);
	book->broken = true; /* half-way: what is written now could end up where nobody reads it */
	if (durable_rename(book->path, old, error))
		return -1;
	(void)close(book->fd);
	book->fd = durable_open(book->path, error);
	if (book->fd < 0)
		return -1;
	book->broken = false;
	book->file_bytes = 0;
	book->state.last_seq = 0;
	book->state.standing.held = false;
	return 0;
}
