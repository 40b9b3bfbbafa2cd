#include "engine/source.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "engine/source_own.h"

enum {
	HALF_YEAR_DAYS = 183,
	YEAR_DAYS = 366,            /* of LINE_TIME_SYSLOG */
	YEAR_DAY_OF_MARCH = 59,     /* of a year without 29 February */
};

#define DAY_MS INT64_C(86400000)

static const struct {
	const char *name;
	enum mark_kind mark;
	struct source *(*open)(const struct config *, const struct mark *, struct error *);
} sources[] = {
	[CONFIG_LOG_NONE] = {"none", MARK_FILE, NULL},
	[CONFIG_LOG_FILE] = {"file", MARK_FILE, source_file_open},
	[CONFIG_LOG_XMI] = {"xmi", MARK_SNAPSHOT, source_xmi_open},
	[CONFIG_LOG_SYSLOG] = {"syslog", MARK_TIME, source_syslog_open},
	[CONFIG_LOG_CLI] = {"cli", MARK_SNAPSHOT, source_cli_open},
};

const char *source_name(enum config_log_source source)
{
	return sources[source].name;
}

struct source *source_open(const struct config *config, const struct mark *mark, struct error *error)
{
	enum config_log_source which = config->log.source;
	bool foreign = mark && mark->kind != sources[which].mark;
	struct source *source;

	if (!sources[which].open) {
		(void)error_set(error, ERROR_CONFIG, "set source in [log] to file, xmi, syslog or cli", "no log is watched: source = none in [log]");
		return NULL;
	}
	source = sources[which].open(config, foreign ? NULL : mark, error);
	if (source && foreign) {
		/* Taken when another source was configured: what came in between cannot be told. */
		source->lost_before = 1;
		source->counts.lost_marks++;
		source->counts.gaps++;
	}
	return source;
}

void source_close(struct source *source)
{
	if (source)
		source->ops->close(source);
}

void source_set_active(struct source *source, bool active)
{
	source->active = active;
	if (source->ops->set_active)
		source->ops->set_active(source, active);
}

void source_set_history(struct source *source, source_line_function *function, void *context, size_t limit_bytes)
{
	source->history = function;
	source->history_context = context;
	source->history_limit_bytes = limit_bytes;
	if (function && source->ops->history)
		source->ops->history(source);
}

void source_give_history(struct source *source, const char *line, size_t length_bytes)
{
	struct line parsed;

	if (line_parse(line, length_bytes, &parsed)) {
		source->history_kind = parsed.time_kind;
		source->history_time_ms = parsed.time_ms;
	}
	if (source->history)
		source->history(source->history_context, line, length_bytes);
}

/* ---- the appliance's clock */

void source_set_clock(struct source *source, const struct facts_clock *clock)
{
	if (clock->utc_ms != 0)
		source->clock = *clock;
}

/* Milliseconds since the start of a year that has 29 February. */
static int64_t year_ms(int64_t clock_ms)
{
	time_t seconds = (time_t)(clock_ms / 1000);
	struct tm tm;
	int year;

	if (!gmtime_r(&seconds, &tm))
		return 0;
	year = tm.tm_year + 1900;
	if (tm.tm_yday >= YEAR_DAY_OF_MARCH && !(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)))
		tm.tm_yday++;
	return tm.tm_yday * DAY_MS + ((tm.tm_hour * 60 + tm.tm_min) * 60 + tm.tm_sec) * INT64_C(1000) + clock_ms % 1000;
}

int source_clock_time(const struct source *source, enum line_time_kind kind, int64_t *time_ms)
{
	const struct facts_clock *clock = &source->clock;

	if (clock->utc_ms == 0 || kind == LINE_TIME_NONE)
		return -1;
	*time_ms = clock->utc_ms;
	if (kind == LINE_TIME_SYSLOG)
		*time_ms = year_ms(clock->local_ms != 0 && clock->local_ms < clock->utc_ms ? clock->local_ms : clock->utc_ms);
	return 0;
}

int64_t source_behind_ms(enum line_time_kind kind, int64_t line_ms, int64_t time_ms)
{
	int64_t behind_ms = line_ms - time_ms;

	if (kind == LINE_TIME_SYSLOG && behind_ms > HALF_YEAR_DAYS * DAY_MS)
		return behind_ms - YEAR_DAYS * DAY_MS;
	return kind == LINE_TIME_SYSLOG && behind_ms < -HALF_YEAR_DAYS * DAY_MS ? behind_ms + YEAR_DAYS * DAY_MS : behind_ms;
}

int source_history_age(const struct source *source, int64_t *age_ms, struct error *error)
{
	int64_t clock_ms;

	*age_ms = source->history_age_ms;
	if (source_clock_time(source, source->history_kind, &clock_ms) == 0) {
		*age_ms = -source_behind_ms(source->history_kind, source->history_time_ms, clock_ms);
		*age_ms = *age_ms > 0 ? *age_ms : 0;
	}
	if (source->history_error.code == ERROR_NONE && source_ready(source, error))
		return 0;
	if (source->history_error.code != ERROR_NONE)
		*error = source->history_error;
	else if (error->code == ERROR_NONE)
		(void)error_set(error, ERROR_TIMEOUT, NULL, "the log was not read in time");
	return -1;
}

void source_allow_changes(struct source *source)
{
	source->may_change = true;
}

void source_look(struct source *source)
{
	if (source->ops->look)
		source->ops->look(source);
}

bool source_ready(const struct source *source, struct error *error)
{
	return source->ops->ready(source, error);
}

bool source_mark(struct source *source, struct mark *mark)
{
	return source->ops->mark(source, mark);
}

bool source_next(struct source *source, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	bool got;

	source->turn_bytes = 0;
	source->more = source->turn_lines == SOURCE_TURN_LINES;
	got = !source->more && source->ops->next(source, now, line, length_bytes, error);
	source->turn_lines = got ? source->turn_lines + 1 : 0;
	source->counts.lines += got;
	return got;
}

void source_step(struct source *source, size_t count_bytes)
{
	source->turn_bytes += count_bytes + SOURCE_STEP_BYTES;
	source->more = source->turn_bytes >= SOURCE_TURN_BYTES;
}

unsigned source_poll(const struct source *source, struct pollfd *fds)
{
	return source->ops->poll(source, fds);
}

struct mono source_deadline(const struct source *source)
{
	return source->more ? (struct mono){0} : source->ops->deadline(source);
}

const struct source_counts *source_counts(const struct source *source)
{
	return &source->counts;
}

void *source_allocate(size_t size_bytes, const struct source_ops *ops, const struct config *config, struct error *error)
{
	struct source *source = calloc(1, size_bytes);

	if (!source) {
		(void)error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "log source %s", source_name(config->log.source));
		return NULL;
	}
	source->ops = ops;
	source->config = config;
	return source;
}

/* ---- the pace of sources that poll */

static int64_t wait_ms(const struct source *source, const struct source_pace *pace)
{
	int64_t usual = source->active ? source->config->log.poll_ms : SOURCE_IDLE_POLL_MS;
	int64_t ms = source->config->log.poll_ms;

	if (pace->failures == 0)
		return pace->took_ms * SOURCE_REST_FACTOR > usual ? pace->took_ms * SOURCE_REST_FACTOR : usual;
	for (unsigned i = 1; i < pace->failures && ms < SOURCE_BACKOFF_MAX_MS; i++)
		ms *= 2;
	ms = ms < SOURCE_BACKOFF_MAX_MS ? ms : SOURCE_BACKOFF_MAX_MS;
	return ms > usual || source->active ? ms : usual;
}

struct mono source_pace_due(const struct source *source, const struct source_pace *pace)
{
	if (pace->stopped)
		return MONO_NEVER;
	return pace->looked && !pace->asked ? mono_add_ms(pace->rested_at, wait_ms(source, pace)) : (struct mono){0};
}

void source_pace_ask(struct source_pace *pace)
{
	pace->asked = true;
	pace->ready = false;
}

void source_pace_begin(struct source_pace *pace, struct mono now)
{
	pace->looked = true;
	pace->asked = false;
	pace->began_at = now;
}

static void rest(struct source_pace *pace, struct mono now)
{
	pace->rested_at = now;
	pace->took_ms = mono_diff_ms(now, pace->began_at);
}

void source_pace_done(struct source_pace *pace, struct mono now)
{
	rest(pace, now);
	pace->ready = !pace->asked;
	pace->failures = 0;
	error_clear(&pace->error);
}

void source_pace_failed(struct source_pace *pace, const struct error *error, struct mono now, struct error *out)
{
	rest(pace, now);
	pace->failures++;
	pace->error = *error;
	pace->stopped = error->code == ERROR_AUTH;
	if (out->code == ERROR_NONE)
		*out = *error;
}

bool source_pace_ready(const struct source_pace *pace, struct error *error)
{
	if (pace->error.code != ERROR_NONE && error->code == ERROR_NONE)
		*error = pace->error;
	return pace->ready;
}
