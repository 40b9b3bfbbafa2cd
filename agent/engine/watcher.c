/* watcher.c - the log is watched all the time: by this between steps, by the run itself during one (its lines come here through watcher_take_line()).
 *
 * With source = syslog the lines are only ever heard once, so they are kept in a small file of our own, state_dir/syslog.log, with the one before it; a run reads that
 * file like any other log. So it misses nothing between two steps, and a restarted engine still knows what was heard before. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32.h"
#include "base/log.h"
#include "base/text.h"
#include "engine/daemon.h"
#include "engine/ours.h"
#include "platform/clock.h"

enum { SPOOL_MAX_BYTES = 1024 * 1024, REOPEN_MS = 30000 };

static const char *event_word(enum line_event event)
{
	static const char *const words[] = {[LINE_WAITING] = "waiting", [LINE_ACCEPTED] = "accepted", [LINE_QUEUED] = "queued", [LINE_WORKING] = "working",
					    [LINE_COMPLETED] = "completed", [LINE_SETBACK] = "setback", [LINE_RESTARTED] = "peering-restarted"};

	return words[event];
}

/* A step that goes on from an older mark reads lines again that were told already. A line holds its time, so the same bytes are the same line. */
static bool was_told(struct watcher *w, const char *bytes, size_t length)
{
	uint32_t crc = crc32_of(bytes, length);

	for (unsigned i = 0; i < WATCHER_TOLD_MAX; i++)
		if (w->told_lines[i] == crc)
			return true;
	w->told_lines[w->told_next++ % WATCHER_TOLD_MAX] = crc;
	return false;
}

void watcher_take_line(void *context, const char *bytes, size_t length)
{
	struct daemon *d = context;
	struct asking_event *last = &d->watcher.last;
	char shown[ERROR_WHAT_MAX_BYTES];
	struct line line;
	enum line_event what = line_event_of(bytes, length, &line);

	if (what == LINE_OTHER || !ours_is(d->config, &line) || was_told(&d->watcher, bytes, length))
		return;
	last->found = true;
	(void)snprintf(last->code, sizeof last->code, "0x%08x", line.code);
	last->time[0] = '\0';
	if (line.time_kind == LINE_TIME_ZULU || line.time_kind == LINE_TIME_NUMERIC)
		(void)clock_text(last->time, line.time_ms);
	d->watcher.last_line_at = clock_now();
	(void)text_escape(shown, sizeof shown, bytes, length);
	daemon_tell(d, &(struct event){.kind = "log", .name = event_word(what), .code = last->code,
				       .run = d->job == DAEMON_STEP ? d->step.run : NULL, .sentence = shown});
	over_take_line(d, what);
}

/* ---- the spool of syslog lines */

static void spool_path(const struct daemon *d, const char *suffix, char *out, size_t size)
{
	(void)snprintf(out, size, "%s/syslog.log%s", d->config->agent.state_dir, suffix);
}

static void spool_open(struct daemon *d)
{
	char path[CONFIG_TEXT_BYTES + 32];
	struct stat status;

	spool_path(d, "", path, sizeof path);
	d->watcher.spool_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	d->watcher.spool_bytes = 0;
	if (d->watcher.spool_fd >= 0 && fstat(d->watcher.spool_fd, &status) == 0)
		d->watcher.spool_bytes = (uint64_t)status.st_size;
	if (d->watcher.spool_fd < 0)
		log_line(LOG_LEVEL_ERROR, "what syslog brings cannot be kept: a run will not see it", "path", path, "why", strerror(errno), NULL);
}

static void spool_rotate(struct daemon *d)
{
	char path[CONFIG_TEXT_BYTES + 32], old[CONFIG_TEXT_BYTES + 32];

	spool_path(d, "", path, sizeof path);
	spool_path(d, ".1", old, sizeof old);
	if (rename(path, old) != 0) { /* then it begins anew where it is */
		d->watcher.gaps++;
		(void)ftruncate(d->watcher.spool_fd, 0);
		d->watcher.spool_bytes = 0;
		return;
	}
	(void)close(d->watcher.spool_fd);
	spool_open(d);
}

static void spool_line(struct daemon *d, const char *bytes, size_t length)
{
	char line[SOURCE_LINE_MAX_BYTES + 1];

	if (d->watcher.spool_fd < 0 || length > SOURCE_LINE_MAX_BYTES)
		return;
	if (d->watcher.spool_bytes + length >= SPOOL_MAX_BYTES)
		spool_rotate(d);
	memcpy(line, bytes, length);
	line[length] = '\n';
	if (d->watcher.spool_fd >= 0 && write(d->watcher.spool_fd, line, length + 1) == (ssize_t)length + 1) {
		d->watcher.spool_bytes += length + 1;
		return;
	}
	d->watcher.gaps++;
	if (d->watcher.spool_fd >= 0 && ftruncate(d->watcher.spool_fd, (off_t)d->watcher.spool_bytes) != 0)
		log_line(LOG_LEVEL_ERROR, "a line of syslog was kept in part only", NULL); /* the next one would join it */
}

/* ---- the source */

static bool is_syslog(const struct daemon *d)
{
	return d->config->log.source == CONFIG_LOG_SYSLOG;
}

void watcher_open(struct daemon *d)
{
	struct watcher *w = &d->watcher;
	struct error error = {0};

	if (w->source || d->config->log.source == CONFIG_LOG_NONE)
		return;
	if (is_syslog(d) && w->spool_fd < 0)
		spool_open(d);
	w->source = source_open(d->config, w->have_mark ? &w->mark : NULL, &error);
	if (w->source) {
		w->again_at = MONO_NEVER;
		w->read_up_at = clock_now();
		w->behind = true;
		return;
	}
	w->again_at = mono_add_ms(clock_now(), REOPEN_MS);
	w->last.readable = false;
	w->last.error = error;
	if (!w->told)
		log_line(LOG_LEVEL_ERROR, error.what, "next", error.next, NULL);
	w->told = true;
}

static void remember_mark(struct watcher *w)
{
	if (w->source && source_mark(w->source, &w->mark))
		w->have_mark = true;
}

void watcher_close(struct daemon *d)
{
	struct watcher *w = &d->watcher;

	remember_mark(w);
	if (w->source)
		w->gaps += source_counts(w->source)->gaps;
	source_close(w->source);
	w->source = NULL;
}

void watcher_pause(struct daemon *d)
{
	if (!is_syslog(d))
		watcher_close(d);
}

void watcher_resume(struct daemon *d, const struct mark *mark)
{
	if (is_syslog(d))
		return;
	if (mark) {
		d->watcher.mark = *mark;
		d->watcher.have_mark = true;
	}
	watcher_open(d);
}

void watcher_turn(struct daemon *d, struct mono now)
{
	struct watcher *w = &d->watcher;
	struct error error = {0};
	const char *line;
	unsigned lines = 0;
	size_t length;

	if (!w->source && mono_reached(w->again_at, now) && d->job != DAEMON_STEP && d->job != DAEMON_RECOVERY)
		watcher_open(d);
	for (; w->source && lines < DAEMON_LINES_A_TURN && source_next(w->source, now, &line, &length, &error); lines++) {
		w->lines++;
		if (is_syslog(d))
			spool_line(d, line, length);
		watcher_take_line(d, line, length);
	}
	if (!w->source)
		return;
	w->behind = lines == DAEMON_LINES_A_TURN || error.code != ERROR_NONE;
	if (!w->behind)
		w->read_up_at = now;
	w->last.readable = error.code == ERROR_NONE;
	w->last.error = error;
	if (error.code != ERROR_NONE && !w->told)
		log_line(LOG_LEVEL_WARNING, "the log cannot be read at the moment", "why", error.what, "next", error.next, NULL);
	w->told = error.code != ERROR_NONE;
}

unsigned watcher_poll(const struct daemon *d, struct pollfd *fds)
{
	return d->watcher.source ? source_poll(d->watcher.source, fds) : 0;
}

struct mono watcher_deadline(const struct daemon *d)
{
	if (!d->watcher.source && (d->job == DAEMON_STEP || d->job == DAEMON_RECOVERY))
		return MONO_NEVER; /* the run has the log */
	return d->watcher.source ? source_deadline(d->watcher.source) : d->config->log.source == CONFIG_LOG_NONE ? MONO_NEVER : d->watcher.again_at;
}

int64_t watcher_lag_ms(const struct daemon *d)
{
	const struct watcher *w = &d->watcher;

	if (!w->source)
		return -1;
	return w->behind ? mono_diff_ms(clock_now(), w->read_up_at) : 0;
}
