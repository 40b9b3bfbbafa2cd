/* The log backwards, handed out forwards: how much each file must give is worked out from the newest to the oldest, then they
 * are read from the oldest to the newest. */
#include "watch/follow.h"

#include <errno.h>
#include <stdlib.h>

#include "platform/logfile.h"
#include "watch/split.h"

struct part {
	int fd;
	struct logfile_info info;
	uint64_t from; /* the first byte wanted; info.size is where it ends */
	bool rotated;  /* nothing follows in it: its last line is complete */
};

struct history {
	struct part parts[FOLLOW_ROTATIONS_MAX + 1];
	unsigned count;
	struct split split;
	char buffer[FOLLOW_BUFFER_BYTES];
};

static int open_failed(const char *path, int sys_errno, struct error *error)
{
	if (sys_errno == EACCES || sys_errno == EPERM)
		return error_set_errno(error, ERROR_PERMISSION, sys_errno, "give the agent's user read permission on the file and its folders",
				       "log file %s", path);
	if (sys_errno == ENOENT || sys_errno == ENOTDIR)
		return error_set_errno(error, ERROR_UNREACHABLE, sys_errno, "check the log target on the appliance and the path in the configuration",
				       "log file %s", path);
	return error_set_errno(error, ERROR_INTERNAL, sys_errno, NULL, "log file %s", path);
}

/* Opens FILE, FILE.1, ... until LIMIT bytes are found. Between rename and create there is no FILE for a moment: then FILE.1 is the newest. */
static int open_parts(struct history *history, const char *path, uint64_t limit_bytes, struct error *error)
{
	int first_errno = 0;

	for (unsigned number = 0; number <= FOLLOW_ROTATIONS_MAX && limit_bytes > 0; number++) {
		struct part *part = &history->parts[history->count];

		part->fd = logfile_open(path, number, &part->info);
		if (part->fd < 0 && number == 0)
			first_errno = -part->fd;
		if (part->fd < 0 && (number > 0 || first_errno != ENOENT))
			break;
		if (part->fd < 0)
			continue;
		/* Rotated between the two opens: the same file again. */
		if (history->count > 0 && logfile_same(&part->info, &history->parts[history->count - 1].info)) {
			logfile_close(part->fd);
			continue;
		}
		part->rotated = number > 0;
		part->from = part->info.size > limit_bytes ? part->info.size - limit_bytes : 0;
		limit_bytes -= part->info.size - part->from;
		history->count++;
	}
	return history->count > 0 ? 0 : open_failed(path, first_errno, error);
}

static void give_lines(struct history *history, const struct part *part, follow_line_function *function, void *context)
{
	struct split *split = &history->split;
	uint64_t at = part->from;
	const char *line;
	size_t length;

	split_reset(split);
	/* One byte earlier and up to the next line end: that keeps a line which begins exactly there. */
	if (at > 0) {
		at--;
		split_drop_line(split);
	}
	while (at < part->info.size) {
		size_t room;
		char *bytes = split_room(split, &room);
		uint64_t left = part->info.size - at;
		int64_t got = logfile_read(part->fd, at, bytes, left < room ? (size_t)left : room);

		if (got <= 0)
			break;
		at += (uint64_t)got;
		split_added(split, (size_t)got);
		while (split_next(split, &line, &length))
			function(context, line, length);
	}
	if (part->rotated && split_rest(split, &line, &length))
		function(context, line, length);
}

int follow_history(const char *path, size_t limit_bytes, follow_line_function *function, void *context, int64_t *modified_age_ms,
		   struct error *error)
{
	struct history *history = calloc(1, sizeof *history);
	int rc;

	if (!history)
		return error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "log file %s", path);
	split_init(&history->split, history->buffer, sizeof history->buffer, FOLLOW_LINE_MAX_BYTES);
	rc = open_parts(history, path, limit_bytes > 0 ? limit_bytes : 1, error);
	if (rc == 0)
		*modified_age_ms = history->parts[0].info.modified_age_ms;
	for (unsigned i = history->count; i-- > 0;) {
		if (limit_bytes > 0)
			give_lines(history, &history->parts[i], function, context);
		logfile_close(history->parts[i].fd);
	}
	free(history);
	return rc;
}
