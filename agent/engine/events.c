#include "engine/events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "platform/clock.h"
#include "platform/durable.h"

enum { EVENTS_PATH_BYTES = sizeof((struct events *)0)->path + 8 };

#define EVENTS_NUMBER_MAX ((UINT64_C(1) << 53) - 1) /* what every reader of JSON takes as it is */

static char file_memory[EVENTS_FILE_MAX_BYTES];

static void make_path(const struct events *events, const char *suffix, char out[EVENTS_PATH_BYTES])
{
	(void)snprintf(out, EVENTS_PATH_BYTES, "%s%s", events->path, suffix);
}

/* The number of the line at TEXT: {"n":18,...}  0: it is none of ours. */
static uint64_t number_of(const char *line, size_t length)
{
	unsigned long long number;
	const char *comma = memchr(line, ',', length);

	if (length < 7 || memcmp(line, "{\"n\":", 5) != 0 || line[length - 1] != '}' || memchr(line, '\0', length) || !comma ||
	    !text_to_unsigned(line + 5, (size_t)(comma - line) - 5, EVENTS_NUMBER_MAX, &number))
		return 0;
	return number;
}

struct survey {
	uint64_t first, last; /* of the lines that are whole and follow one another from the beginning; 0: there are none */
	uint64_t highest;     /* that any line has or may have had: none of these is given again */
	size_t good, total;   /* bytes: of those lines, of the file */
};

/* A number that was given is not given again, also where the lines are damaged. */
static void count_rest(struct survey *found)
{
	size_t at = found->good;
	const char *end;

	while ((end = memchr(file_memory + at, '\n', found->total - at))) {
		uint64_t number = number_of(file_memory + at, (size_t)(end - file_memory) - at);

		found->highest = number > found->highest ? number : found->highest + 1;
		at = (size_t)(end - file_memory) + 1;
	}
}

static int survey(const char *path, struct survey *found, struct error *error)
{
	memset(found, 0, sizeof *found);
	if (durable_read(path, file_memory, sizeof file_memory, &found->total, error))
		return -1;
	while (found->good < found->total) {
		const char *line = file_memory + found->good, *end = memchr(line, '\n', found->total - found->good);
		uint64_t number = end ? number_of(line, (size_t)(end - line)) : 0;

		if (number == 0 || (found->last > 0 && number != found->last + 1))
			break;
		found->first = found->first ? found->first : number;
		found->last = found->highest = number;
		found->good = (size_t)(end - file_memory) + 1;
	}
	count_rest(found);
	return 0;
}

/* Whether what follows the good lines is more than one that a power cut left unfinished. To be called right after survey() of that file. */
static bool is_foreign(const struct survey *found)
{
	size_t used = found->total;

	while (used > found->good && file_memory[used - 1] == '\0')
		used--;
	return used - found->good > EVENTS_LINE_MAX_BYTES || memchr(file_memory + found->good, '\n', used - found->good);
}

/* Reads both files and opens the present one. Also after a failure, when only the disk knows how far the last write or rename came. */
static int take_stock(struct events *events, struct error *error)
{
	char old_path[EVENTS_PATH_BYTES], bad_path[EVENTS_PATH_BYTES];
	struct survey old, present;
	uint64_t highest;

	make_path(events, ".1", old_path);
	make_path(events, ".bad", bad_path);
	if (survey(old_path, &old, error) || survey(events->path, &present, error))
		return -1;
	highest = old.highest > present.highest ? old.highest : present.highest;
	highest = events->newest > highest ? events->newest : highest;
	if (is_foreign(&present) || (present.last > 0 && present.last < highest)) {
		if (durable_rename(events->path, bad_path, error))
			return -1;
		memset(&present, 0, sizeof present);
	}
	events->fd = durable_open(events->path, error);
	if (events->fd < 0 || (present.good < present.total && durable_cut(events->fd, present.good, error))) {
		events_close(events);
		return -1;
	}
	events->file_bytes = present.good;
	events->newest = highest;
	events->second = present.first ? present.first : highest + 1;
	events->oldest = old.last > 0 && old.last + 1 == events->second ? old.first : events->second;
	return 0;
}

int events_open(struct events *events, const char *state_dir, struct error *error)
{
	memset(events, 0, sizeof *events);
	events->fd = -1;
	events->oldest = events->second = 1;
	(void)snprintf(events->path, sizeof events->path, "%s/events", state_dir);
	return take_stock(events, error);
}

void events_close(struct events *events)
{
	struct error ignored = {0};

	if (events->fd >= 0 && events->unsynced)
		(void)durable_sync(events->fd, &ignored);
	if (events->fd >= 0)
		(void)close(events->fd);
	events->fd = -1;
	events->unsynced = false;
}

/* When it fails half-way, take_stock() finds out how far it came. */
int events_sync(struct events *events, struct error *error)
{
	if (!events->unsynced || events->fd < 0)
		return 0;
	if (durable_sync(events->fd, error)) {
		events_close(events); /* what the disk holds is not known: stock is taken again with the next event */
		return -1;
	}
	events->unsynced = false;
	return 0;
}

static int set_aside(struct events *events, struct error *error)
{
	char old_path[EVENTS_PATH_BYTES];

	make_path(events, ".1", old_path);
	if (events_sync(events, error))
		return -1;
	events_close(events);
	if (durable_rename(events->path, old_path, error) || (events->fd = durable_open(events->path, error)) < 0)
		return -1;
	events->oldest = events->second;
	events->second = events->newest + 1;
	events->file_bytes = 0;
	return 0;
}

/* One line with its number; false: it is too long. */
static bool write_line(const struct events *events, const struct event *event, uint64_t number, struct buf *line)
{
	struct json *object = json_object();
	char when[CLOCK_TEXT_BYTES], *text;

	json_set_string(object, "time", clock_text(when, clock_wall_ms()));
	json_set_string(object, "kind", event->kind);
	json_set_string(object, "event", event->name);
	if (event->code)
		json_set_string(object, "code", event->code);
	if (event->run && event->run[0])
		json_set_string(object, "run", event->run);
	json_set_string(object, "sentence", event->sentence);
	if (event->evidence && event->evidence[0])
		json_set_string(object, "evidence", event->evidence);
	if (events->lost > 0)
		json_set_int(object, "lost_before", (int64_t)events->lost);
	text = json_text(object, false);
	(void)buf_printf(line, "{\"n\":%" PRIu64 ",%s\n", number, text + 1); /* TEXT begins with a brace */
	free(text);
	json_free(object);
	return !line->overflow;
}

/* As much of EVENT as a line holds. */
static bool write_shortened(const struct events *events, const struct event *event, uint64_t number, struct buf *line)
{
	struct event shorter = *event;

	if (write_line(events, &shorter, number, line))
		return true;
	shorter.evidence = "(too long)";
	buf_reset(line);
	if (write_line(events, &shorter, number, line))
		return true;
	shorter.sentence = "(too long)";
	buf_reset(line);
	return write_line(events, &shorter, number, line);
}

static int store(struct events *events, const struct event *event, struct error *error)
{
	char memory[EVENTS_LINE_MAX_BYTES];
	struct buf line;

	if (events->fd < 0 && take_stock(events, error)) /* an earlier failure: perhaps there is room again */
		return -1;
	buf_init(&line, memory, sizeof memory);
	if (!write_shortened(events, event, events->newest + 1, &line))
		return error_set(error, ERROR_INTERNAL, NULL, "an event does not fit into %d bytes", EVENTS_LINE_MAX_BYTES);
	if ((events->file_bytes + line.len > EVENTS_FILE_MAX_BYTES && set_aside(events, error)) || durable_append_unsynced(events->fd, line.data, line.len, error)) {
		events_close(events);
		return -1;
	}
	events->unsynced = true;
	events->file_bytes += line.len;
	return 0;
}

int events_add(struct events *events, const struct event *event, struct error *error)
{
	if (store(events, event, error)) {
		events->lost++;
		events->lost_ever++;
		return -1;
	}
	events->newest++;
	events->lost = 0;
	return 0;
}

/* Adds the lines of PATH that are numbered above *AFTER, which moves with them. */
static int add_lines(const char *path, uint64_t *after, unsigned *limit, struct buf *out, struct error *error)
{
	size_t total, at = 0;

	if (durable_read(path, file_memory, sizeof file_memory, &total, error))
		return -1;
	while (at < total && *limit > 0) {
		const char *line = file_memory + at, *end = memchr(line, '\n', total - at);
		uint64_t number = end ? number_of(line, (size_t)(end - line)) : 0;

		if (number == 0 || number > *after + 1)
			break;
		at = (size_t)(end - file_memory) + 1;
		if (number <= *after)
			continue;
		if (out->len + (size_t)(end - line) + 2 > EVENTS_ANSWER_MAX_BYTES) {
			*limit = 0; /* nothing behind this one either: there are no gaps in an answer */
			break;
		}
		(void)buf_printf(out, "%s%.*s", out->data[out->len - 1] == '[' ? "" : ",", (int)(end - line), line);
		*after = number;
		(*limit)--;
	}
	return 0;
}

char *events_text(struct events *events, uint64_t after, unsigned limit, struct error *error)
{
	size_t size = EVENTS_ANSWER_MAX_BYTES + 128;
	char *memory = malloc(size), old_path[EVENTS_PATH_BYTES];
	struct buf out;

	if (!memory || events_sync(events, error)) {
		(void)error_set(error, ERROR_INTERNAL, NULL, "no memory for an answer");
		free(memory);
		return NULL;
	}
	buf_init(&out, memory, size);
	(void)buf_add_string(&out, "{\"events\":[");
	make_path(events, ".1", old_path);
	if (after < events->oldest - 1)
		after = events->oldest - 1;
	if ((after + 1 < events->second && add_lines(old_path, &after, &limit, &out, error)) || add_lines(events->path, &after, &limit, &out, error)) {
		free(memory);
		return NULL;
	}
	(void)buf_printf(&out, "],\"oldest\":%" PRIu64 ",\"newest\":%" PRIu64 "}", events->oldest, events->newest);
	return memory;
}
