#include "engine/asking.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "engine/ours.h"
#include "engine/source.h"
#include "watch/line.h"

static void trace_command(void *context, const char *command, const char *answer, size_t answer_bytes)
{
	char shown[1024];

	(void)context;
	(void)fprintf(stderr, "> %s < %s\n", command, text_escape(shown, sizeof shown, answer, answer_bytes));
}

int asking_open(struct asking *asking, struct link *link, const struct config *config, bool verbose, struct error *error)
{
	*asking = (struct asking){config, link, {-1, -1}};
	if (link_init(link, config, error) || loop_open(&asking->loop, error))
		return -1;
	link_set_trace(link, verbose ? trace_command : NULL, NULL);
	return 0;
}

void asking_close(struct asking *asking)
{
	link_free(asking->link);
	loop_close(&asking->loop);
}

static int interrupted(int signal_number, bool changes, struct error *error)
{
	if (signal_number != SIGINT && signal_number != SIGTERM)
		return 0;
	return error_set(error, ERROR_FAILED, NULL, changes ? "interrupted" : "interrupted; nothing was changed");
}

int asking_do(struct asking *asking, enum appliance_op op, struct error *error)
{
	struct link *link = asking->link;

	link_start(link, op, clock_now());
	while (link_step(link, clock_now()) == LINK_WAIT) {
		struct pollfd fd = link_poll(link);
		int number = loop_wait(&asking->loop, &fd, 1, link_deadline(link), error);

		if (number < 0)
			return -1;
		if (interrupted(number, appliance_op_changes(op), error)) {
			link_close(link);
			return -1;
		}
	}
	if (link->status == LINK_DONE)
		return 0;
	*error = link->error;
	return -1;
}

const char *asking_address(const struct asking *asking)
{
	return asking->config->appliance.address[0] ? asking->config->appliance.address : asking->link->facts.local_address;
}

/* ---- the log -------------------------------------------------------------------------------------------------- */

struct taking {
	const struct config *config;
	struct asking_event *last;
};

static void take_line(void *context, const char *bytes, size_t length)
{
	struct taking *taking = context;
	struct asking_event *last = taking->last;
	struct line line;

	if (line_event_of(bytes, length, &line) == LINE_OTHER || !ours_is(taking->config, &line))
		return;
	last->found = true;
	(void)snprintf(last->code, sizeof last->code, "0x%08x", line.code);
	last->time[0] = '\0';
	if (line.time_kind == LINE_TIME_ZULU || line.time_kind == LINE_TIME_NUMERIC)
		(void)clock_text(last->time, line.time_ms);
}

/* Until its first look is over. 0 or -1. */
static int wait_for_source(struct asking *asking, struct source *source, struct error *error)
{
	struct mono until = mono_add_ms(clock_now(), ASKING_LOG_WAIT_MS);
	struct pollfd fds[SOURCE_FDS_MAX];
	const char *line;
	size_t length;

	while (!mono_reached(until, clock_now())) {
		struct error trouble = {0};
		int number;

		while (source_next(source, clock_now(), &line, &length, &trouble))
			;
		if (source_ready(source, error))
			return 0;
		if (error->code != ERROR_NONE)
			return -1;
		number = loop_wait(&asking->loop, fds, source_poll(source, fds), mono_earlier(until, source_deadline(source)), error);
		if (number < 0 || interrupted(number, false, error))
			return -1;
	}
	return error_set(error, ERROR_TIMEOUT, NULL, "the log was not read within %d s", ASKING_LOG_WAIT_MS / 1000);
}

void asking_last_event(struct asking *asking, struct asking_event *last)
{
	struct taking taking = {asking->config, last};
	struct source *source;

	memset(last, 0, sizeof *last);
	if (asking->config->log.source == CONFIG_LOG_NONE)
		return;
	source = source_open(asking->config, NULL, &last->error);
	if (!source)
		return;
	source_set_active(source, true);
	source_set_clock(source, &asking->link->facts.clock);
	source_set_history(source, take_line, &taking, ASKING_HISTORY_BYTES);
	if (wait_for_source(asking, source, &last->error) == 0)
		last->readable = source_history_age(source, &last->age_ms, &last->error) == 0;
	source_close(source);
}
