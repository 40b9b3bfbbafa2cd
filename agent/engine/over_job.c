/* over_job.c - what the supervisor starts for the watchdog: drrctl, and who sends a notification. The engine neither forks nor talks to anybody but the appliance; it gets
 * what such a program prints through a socket, and the supervisor's word how it ended.
 *
 * A job outlives an engine that is started again: DRR_JOBS says which still run. What such a one printed is lost, how it ends is not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "engine/daemon.h"
#include "platform/channel.h"
#include "platform/clock.h"

enum {
	TAIL_BYTES = 8192,         /* of what a job prints: its last lines matter */
	STATUS_BYTES = 512 * 1024, /* ... of status, all of it does */
	READ_BYTES = 4096,
	READS_MAX = 256,           /* at once */
};

static const char *const names[OVER_JOB_COUNT] = {[OVER_STATUS] = "status", [OVER_NUDGE] = "nudge", [OVER_RUN] = "run", [OVER_NOTIFY] = "notify"};

/* ---- what it prints ------------------------------------------------------------------------------------------- */

static void let_go(struct over_job *job)
{
	if (job->fd >= 0)
		(void)close(job->fd);
	free(job->text);
	*job = (struct over_job){.fd = -1};
}

/* The newest is kept: where there is no room, the older half goes. */
static void add_text(struct over_job *job, const char *bytes, size_t count)
{
	if (!job->text)
		return;
	if (job->bytes + count > job->size) {
		size_t half = job->size / 2;

		memmove(job->text, job->text + half, job->bytes - half);
		job->bytes -= half;
	}
	memcpy(job->text + job->bytes, bytes, count);
	job->bytes += count;
}

static void read_job(struct over_job *job)
{
	char bytes[READ_BYTES];

	_Static_assert((int)READ_BYTES <= (int)TAIL_BYTES / 2, "fits when the older half went");
	for (unsigned i = 0; job->fd >= 0 && i < READS_MAX; i++) {
		ssize_t got = recv(job->fd, bytes, sizeof bytes, MSG_DONTWAIT);

		if (got < 0)
			return;
		if (got == 0) {
			(void)close(job->fd);
			job->fd = -1;
			return;
		}
		add_text(job, bytes, (size_t)got);
	}
}

/* Its last line, in words: the sentence where it is one of `run --json`. What it did not print, the supervisor says (SAID). */
static void last_word(const struct over_job *job, const char *said, char *out, size_t size)
{
	const char *text = job->text ? job->text : "", *line;
	size_t length = job->bytes;
	struct error ignored = {0};
	struct json *object;

	text_trim(&text, &length);
	line = length > 0 ? memrchr(text, '\n', length) : NULL;
	if (line) {
		length -= (size_t)(line + 1 - text);
		text = line + 1;
	}
	if (length == 0) {
		(void)snprintf(out, size, "%s", said);
		return;
	}
	object = json_parse(text, length, &ignored);
	if (json_string(json_get(object, "sentence"))) {
		text = json_string(json_get(object, "sentence"));
		length = strlen(text);
	}
	(void)text_escape(out, size, text, length);
	json_free(object);
}

/* ---- begin and end -------------------------------------------------------------------------------------------- */

void job_open_all(struct daemon *d)
{
	const char *word = getenv("DRR_JOBS");

	for (unsigned i = 0; i < OVER_JOB_COUNT; i++)
		d->over.jobs[i] = (struct over_job){.fd = -1};
	for (; word && *word; word += strspn(word, ",")) {
		size_t length = strcspn(word, ",");

		for (unsigned i = 0; i < OVER_JOB_COUNT; i++)
			if (text_equal(word, length, names[i]))
				d->over.jobs[i].running = true;
		word += length;
	}
}

void job_close_all(struct daemon *d)
{
	for (unsigned i = 0; i < OVER_JOB_COUNT; i++)
		let_go(&d->over.jobs[i]);
	for (unsigned i = 0; i < d->over.note_count; i++)
		free(d->over.notes[(d->over.note_first + i) % OVER_NOTES_MAX]);
}

static int send_start(struct daemon *d, enum over_job_kind kind, const char *argument, int end, struct error *error)
{
	const char *fields[] = {names[kind], argument};
	struct frame frame = frame_of_strings(FRAME_START, ++d->over.job_number, 0, fields);

	if (d->control_fd >= 0 && channel_send(d->control_fd, &frame, end, error) == 0)
		return 0;
	return error_set(error, ERROR_INTERNAL, NULL, "the supervisor does not listen");
}

static int start(struct daemon *d, enum over_job_kind kind, const char *argument, const char *input, struct error *error)
{
	size_t size = kind == OVER_STATUS ? STATUS_BYTES : TAIL_BYTES;
	int ends[2], failed = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return error_set(error, ERROR_INTERNAL, NULL, "no socket for another program");
	if (input && send(ends[0], input, strlen(input), MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)strlen(input))
		failed = error_set(error, ERROR_INTERNAL, NULL, "the text does not fit into a socket");
	(void)shutdown(ends[0], SHUT_WR);
	failed = failed || send_start(d, kind, argument, ends[1], error);
	(void)close(ends[1]);
	if (failed) {
		(void)close(ends[0]);
		return -1;
	}
	d->over.jobs[kind] = (struct over_job){.running = true, .number = d->over.job_number, .fd = ends[0], .text = malloc(size), .size = size};
	return 0;
}

void job_start(struct daemon *d, enum over_job_kind kind, const char *argument, const char *input)
{
	struct error error = {0};

	if (start(d, kind, argument, input, &error))
		over_take_job(d, kind, FRAME_NOT_STARTED, error.what);
}

void job_finished(struct daemon *d, const struct frame *frame)
{
	char said[FRAME_TEXT_MAX_BYTES + 1], word[FRAME_TEXT_MAX_BYTES + 1];
	unsigned kind = 0;
	struct over_job job;

	while (kind < OVER_JOB_COUNT && !frame_field_is(frame, 0, names[kind]))
		kind++;
	if (kind == OVER_JOB_COUNT || !d->over.jobs[kind].running || (d->over.jobs[kind].number != 0 && d->over.jobs[kind].number != frame->number))
		return; /* of an engine before this one, and counted as ended already */
	(void)frame_field_copy(frame, 1, said, sizeof said);
	read_job(&d->over.jobs[kind]);
	job = d->over.jobs[kind];
	d->over.jobs[kind] = (struct over_job){.fd = -1}; /* another one may begin from here on */
	if (kind == OVER_STATUS) {
		over_take_status(d, (int)frame->status, job.text ? job.text : "", job.bytes, said);
	} else {
		last_word(&job, said, word, sizeof word);
		over_take_job(d, (enum over_job_kind)kind, (int)frame->status, word);
	}
	let_go(&job);
}

void job_read_all(struct daemon *d)
{
	for (unsigned i = 0; i < OVER_JOB_COUNT; i++)
		read_job(&d->over.jobs[i]);
}

unsigned job_poll(const struct daemon *d, struct pollfd *fds)
{
	unsigned count = 0;

	for (unsigned i = 0; i < OVER_JOB_COUNT; i++)
		if (d->over.jobs[i].fd >= 0)
			fds[count++] = (struct pollfd){.fd = d->over.jobs[i].fd, .events = POLLIN};
	return count;
}

/* ---- notifications -------------------------------------------------------------------------------------------- */

static void set_text(struct json *object, const char *key, const char *text)
{
	json_set_string(object, key, text[0] ? text : NULL);
}

static char *note_text(struct daemon *d, const struct watchdog_news *news)
{
	struct json *object = json_object();
	char when[CLOCK_TEXT_BYTES], *text;
	struct error ignored = {0};
	bool stored = d->events.lost == 0 && events_sync(&d->events, &ignored) == 0; /* a number that is told stays */

	json_set_string(object, "member", d->config->agent.name);
	if (stored)
		json_set_int(object, "number", (int64_t)d->events.newest);
	else
		json_set_null(object, "number");
	json_set_string(object, "time", clock_text(when, clock_wall_ms()));
	json_set_string(object, "name", news->name);
	json_set_string(object, "sentence", news->sentence);
	set_text(object, "next", news->next);
	set_text(object, "evidence", news->evidence);
	json_set_string(object, "state", watchdog_state_name(d->over.dog.state));
	json_set_string(object, "verdict", watchdog_verdict_name(d->over.dog.verdict));
	text = json_text(object, false);
	json_free(object);
	return text;
}

static char *take_oldest(struct over *o)
{
	char *text = o->notes[o->note_first];

	o->note_first = (o->note_first + 1) % OVER_NOTES_MAX;
	o->note_count--;
	return text;
}

void note_add(struct daemon *d, const struct watchdog_news *news)
{
	struct over *o = &d->over;

	if (o->note_count == OVER_NOTES_MAX) {
		free(take_oldest(o));
		o->notes_dropped++;
		log_line(LOG_LEVEL_WARNING, "too many notifications wait: the oldest is not sent", "next", "look at the server behind [watchdog] notify_url", NULL);
	}
	o->notes[(o->note_first + o->note_count++) % OVER_NOTES_MAX] = note_text(d, news);
}

void note_turn(struct daemon *d)
{
	struct over *o = &d->over;
	char *text;

	if (o->note_count == 0 || o->jobs[OVER_NOTIFY].running || d->control_fd < 0)
		return;
	text = take_oldest(o);
	job_start(d, OVER_NOTIFY, "", text);
	free(text);
}
