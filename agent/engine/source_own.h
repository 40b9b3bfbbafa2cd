/* source_own.h - inside the log sources: what source.c asks of each of the four. */
#ifndef DRR_ENGINE_SOURCE_OWN_H
#define DRR_ENGINE_SOURCE_OWN_H

#include "engine/source.h"
#include "watch/line.h"

enum {
	SOURCE_IDLE_POLL_MS = 30000,   /* xmi, cli: between two looks while nobody waits for a line */
	SOURCE_BACKOFF_MAX_MS = 30000, /* ... after failures: poll_ms, doubled each time, up to this */
	SOURCE_REST_FACTOR = 2,        /* ... and at least this many times as long as the last look took: an appliance has other things to do */
};

/* When a source that polls looks again, and why its last look failed. */
struct source_pace {
	struct mono began_at, rested_at;
	bool looked;        /* a look began already */
	bool ready;         /* a look succeeded */
	bool asked;         /* by source_look(), for a look that has not begun */
	bool stopped;       /* never again: the credentials were refused */
	unsigned failures;  /* in a row */
	int64_t took_ms;    /* the last look */
	struct error error; /* since when no look succeeded */
};

/* Each with the meaning of its namesake in source.h. */
struct source_ops {
	void (*close)(struct source *); /* frees it */
	void (*set_active)(struct source *, bool active);
	void (*look)(struct source *);    /* NULL: nothing to do */
	void (*history)(struct source *); /* SOURCE->history was set: give it what is known already; NULL: it comes with the first look, or never */
	bool (*ready)(const struct source *, struct error *);
	bool (*mark)(struct source *, struct mark *);
	bool (*next)(struct source *, struct mono now, const char **line, size_t *length_bytes, struct error *);
	unsigned (*poll)(const struct source *, struct pollfd *);
	struct mono (*deadline)(const struct source *);
};

/* The first member of each source. */
struct source {
	const struct source_ops *ops;
	const struct config *config;
	bool active;
	bool may_change;               /* the appliance's configuration */
	bool more;                     /* next() has stopped before it was through */
	unsigned turn_lines;           /* handed out in a row */
	size_t turn_bytes;             /* in this call of next() */
	struct facts_clock clock;
	enum line_time_kind history_kind; /* of the history's last line; LINE_TIME_NONE: there was none */
	int64_t history_time_ms;
	int64_t history_age_ms;
	struct error history_error;    /* file: why it could not be read; the others say that by ready() */
	source_line_function *history; /* NULL: nobody wants it (any more) */
	void *history_context;
	size_t history_limit_bytes;
	unsigned lost_before;          /* 1: it was opened with a mark that it could not use; part of the counts of lost marks and gaps */
	struct source_counts counts; /* the source keeps them up to date, but for LINES, which source.c counts */
};

/* MARK: of a kind that this source can use, or NULL. */
struct source *source_file_open(const struct config *config, const struct mark *mark, struct error *error);
struct source *source_xmi_open(const struct config *config, const struct mark *mark, struct error *error);
struct source *source_cli_open(const struct config *config, const struct mark *mark, struct error *error);
struct source *source_syslog_open(const struct config *config, const struct mark *mark, struct error *error);

/* SIZE zeroed bytes that begin with a struct source; NULL and ERROR. */
void *source_allocate(size_t size_bytes, const struct source_ops *ops, const struct config *config, struct error *error);

/* A step of next() that moved COUNT bytes, without a line: sets SOURCE->more where it is enough for one call. */
void source_step(struct source *source, size_t count_bytes);

/* For whoever wants the history. */
void source_give_history(struct source *source, const char *line, size_t length_bytes);

/* What the appliance's clock would have written into a line of KIND, at the earliest: whether a time without a zone is local is not known. 0 or -1: not known. */
int source_clock_time(const struct source *source, enum line_time_kind kind, int64_t *time_ms);

/* How long the line lies behind the time, which may be in the next year where times have none; below 0: before it. */
int64_t source_behind_ms(enum line_time_kind kind, int64_t line_ms, int64_t time_ms);

struct mono source_pace_due(const struct source *source, const struct source_pace *pace);
void source_pace_ask(struct source_pace *pace);
void source_pace_begin(struct source_pace *pace, struct mono now);
void source_pace_done(struct source_pace *pace, struct mono now);
/* ERROR_AUTH ends the looks for good. Copies ERROR to OUT as well. */
void source_pace_failed(struct source_pace *pace, const struct error *error, struct mono now, struct error *out);
bool source_pace_ready(const struct source_pace *pace, struct error *error);

#endif
