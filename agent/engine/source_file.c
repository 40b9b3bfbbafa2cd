/* A file on this host: watch/follow.h behind the interface of the sources. */
#include <stdlib.h>

#include "engine/source_own.h"
#include "watch/follow.h"

struct source_file {
	struct source source;
	struct follow *follow;
};

static struct source_file *self(struct source *source)
{
	return (struct source_file *)source;
}

static const struct source_file *self_const(const struct source *source)
{
	return (const struct source_file *)source;
}

static void close_file(struct source *source)
{
	follow_close(self(source)->follow);
	free(source);
}

static void set_active(struct source *source, bool active)
{
	follow_set_active(self(source)->follow, active);
}

static void history(struct source *source)
{
	(void)follow_history(source->config->log.file, source->history_limit_bytes, source->history, source->history_context, &source->history_age_ms,
			     &source->history_error);
}

static bool ready(const struct source *source, struct error *error)
{
	(void)source;
	(void)error;
	return true;
}

static bool mark_file(struct source *source, struct mark *mark)
{
	return follow_mark(self(source)->follow, mark);
}

/* A mark that is nowhere may have lost lines. */
static void count(struct source_file *file)
{
	const struct follow_counts *from = follow_counts(file->follow);
	struct source_counts *to = &file->source.counts;

	to->bytes = from->bytes;
	to->long_lines = from->long_lines;
	to->rotations = from->rotations;
	to->truncations = from->truncations;
	to->lost_marks = from->lost_marks + file->source.lost_before;
	to->gaps = to->lost_marks;
}

static bool next(struct source *source, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	bool got = follow_next(self(source)->follow, now, line, length_bytes, error);

	count(self(source));
	return got;
}

static unsigned poll_file(const struct source *source, struct pollfd *fds)
{
	fds[0] = (struct pollfd){.fd = follow_fd(self_const(source)->follow), .events = POLLIN};
	return fds[0].fd >= 0 ? 1 : 0;
}

static struct mono deadline(const struct source *source)
{
	return follow_deadline(self_const(source)->follow);
}

struct source *source_file_open(const struct config *config, const struct mark *mark, struct error *error)
{
	static const struct source_ops ops = {
		.close = close_file, .set_active = set_active, .history = history, .ready = ready, .mark = mark_file, .next = next, .poll = poll_file,
		.deadline = deadline,
	};
	struct source_file *file = source_allocate(sizeof *file, &ops, config, error);

	if (!file)
		return NULL;
	file->follow = follow_open(config->log.file, mark, FOLLOW_WATCH_EVENTS, config->log.poll_ms, error);
	if (!file->follow) {
		free(file);
		return NULL;
	}
	return &file->source;
}
