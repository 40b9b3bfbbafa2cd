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

static char file_memory[EVENTS_FILE_MAX_BYTES];

static void old_path(const struct events *events, char out[sizeof events->path + 2])
{
	(void)snprintf(out, sizeof events->path + 2, "%s.1", events->path);
}

/* The number of the line at TEXT: {"n":18,...  0: it is none of ours. */
static uint64_t number_of(const char *line, size_t length)
{
	unsigned long long number;
	const char *comma = memchr(line, ',', length);

	if (length < 7 || memcmp(line, "{\"n\":", 5) != 0 || !comma || !text_to_unsigned(line + 5, (size_t)(comma - line) - 5, INT64_MAX, &number))
		return 0;
	return number;
}

/* Reads a file of events: the first and the last number, and how far its lines are whole and follow one another. */
static int survey(const char *path, uint64_t *first, uint64_t *last, size_t *good, size_t *total, struct error *error)
{
	*first = *last = *good = 0;
	if (durable_read(path, file_memory, sizeof file_memory, total, error))
		return -1;
	while (*good < *total) {
		const char *line = file_memory + *good, *end = memchr(line, '\n', *total - *good);
		uint64_t number = end ? number_of(line, (size_t)(end - line)) : 0;

		if (number == 0 || (*last > 0 && number != *last + 1))
			return 0;
		*first = *first ? *first : number;
		*last = number;
		*good = (size_t)(end - file_memory) + 1;
	}
	return 0;
}

int events_open(struct events *events, const char *state_dir, struct error *error)
{
	char old[sizeof events->path + 2];
	uint64_t old_first, old_last, first, last;
	size_t good, total, ignored;

	memset(events, 0, sizeof *events);
	events->fd = -1;
	(void)snprintf(events->path, sizeof events->path, "%s/events", state_dir);
	old_path(events, old);
	if (survey(old, &old_first, &old_last, &ignored, &total, error) || survey(events->path, &first, &last, &good, &total, error))
		return -1;
	events->fd = durable_open(events->path, error);
	if (events->fd < 0 || (good < total && durable_cut(events->fd, good, error)))
		return -1;
	events->file_bytes = good;
	events->newest = last ? last : old_last;
	events->second = first ? first : events->newest + 1;
	events->oldest = old_last > 0 && old_last + 1 == events->second ? old_first : events->second;
	return 0;
}

void events_close(struct events *events)
{
	if (events->fd >= 0)
		(void)close(events->fd);
	events->fd = -1;
}

static int set_aside(struct events *events, struct error *error)
{
	char old[sizeof events->path + 2];

	old_path(events, old);
	(void)close(events->fd);
	events->fd = -1;
	if (durable_rename(events->path, old, error) || (events->fd = durable_open(events->path, error)) < 0)
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

int events_add(struct events *events, const struct event *event, struct error *error)
{
	char memory[EVENTS_LINE_MAX_BYTES];
	struct event shorter = *event;
	struct buf line;

	buf_init(&line, memory, sizeof memory);
	if (!write_line(events, event, events->newest + 1, &line)) {
		buf_reset(&line);
		shorter.evidence = "(too long)";
		if (!write_line(events, &shorter, events->newest + 1, &line))
			return error_set(error, ERROR_INTERNAL, NULL, "an event does not fit into %d bytes", EVENTS_LINE_MAX_BYTES);
	}
	if (events->fd < 0) /* an earlier failure: perhaps there is room again */
		events->fd = durable_open(events->path, error);
	if (events->fd < 0 || (events->file_bytes + line.len > EVENTS_FILE_MAX_BYTES && set_aside(events, error)) ||
	    durable_append(events->fd, line.data, line.len, error)) {
		events->lost++;
		events_close(events);
		return -1;
	}
	events->file_bytes += line.len;
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

		if (number == 0)
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

char *events_text(const struct events *events, uint64_t after, unsigned limit, struct error *error)
{
	size_t size = EVENTS_ANSWER_MAX_BYTES + 128;
	char *memory = malloc(size), old[sizeof events->path + 2];
	struct buf out;

	if (!memory) {
		(void)error_set(error, ERROR_INTERNAL, NULL, "no memory for an answer");
		return NULL;
	}
	buf_init(&out, memory, size);
	(void)buf_add_string(&out, "{\"events\":[");
	old_path(events, old);
	if ((after + 1 < events->second && add_lines(old, &after, &limit, &out, error)) || add_lines(events->path, &after, &limit, &out, error)) {
		free(memory);
		return NULL;
	}
	(void)buf_printf(&out, "],\"oldest\":%" PRIu64 ",\"newest\":%" PRIu64 "}", events->oldest, events->newest);
	return memory;
}
