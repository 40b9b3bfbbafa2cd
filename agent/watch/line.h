/* line.h - one line of the appliance's log, text format.
 *
 *   TIME [DOMAIN]? [0xCODE][CATEGORY][LEVEL] CLASS(NAME): tid(N)[...]? gtid(...)?: TEXT
 *
 * The prefix up to LEVEL is what makes a log line; everything after it is optional and free text.
 */
#ifndef DRR_WATCH_LINE_H
#define DRR_WATCH_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum line_time_kind {
	LINE_TIME_NONE = 0, /* never in a parsed line: a line without a time is not a log line */
	LINE_TIME_ZULU,     /* 20200618T232339.332Z: time_ms is UTC since the epoch */
	LINE_TIME_SYSLOG,   /* Jun 18 23:23:39: no year, no zone: time_ms is milliseconds since that year's start, counted as a leap year */
	LINE_TIME_NUMERIC,  /* seconds (or milliseconds, 13 digits) since the epoch; time_ms is milliseconds in both cases */
};

enum { LINE_TIME_BYTES = sizeof "20200618T232339.332332332Z" }; /* room for the longest time, and a NUL */

struct line {
	enum line_time_kind time_kind;
	int64_t time_ms;          /* of the appliance's clock: compare only with other lines of the same appliance and kind */
	uint32_t code;            /* 0x88e000d7 */
	const char *domain;       size_t domain_bytes;   /* empty when not printed */
	const char *category;     size_t category_bytes; /* never empty */
	const char *level;        size_t level_bytes;    /* never empty; `warn` and `warning` both occur: as printed */
	const char *object_class; size_t object_class_bytes; /* CLASS of CLASS(NAME); may be empty */
	const char *object_name;  size_t object_name_bytes;  /* may be empty, may hold blanks and parentheses */
	const char *text;         size_t text_bytes;     /* what follows the prefix, without blanks at its start; foreign: escape before showing */
};

/* Parses LENGTH bytes without a line end (a CR at the end is left out of the text). False when it is not a log line of this grammar (stack
 * traces, look-alikes, damaged lines); *LINE is then unspecified. Slices point into BYTES and are never NULL. Pure; accepts any bytes. */
bool line_parse(const char *bytes, size_t length_bytes, struct line *line);

/* What a line means to a run. Keyed on the code AND the category, never on the text. */
enum line_event {
	LINE_OTHER = 0,
	LINE_WAITING,    /* 0x88e000d7 waiting for gateway service registration */
	LINE_ACCEPTED,   /* 0x88e00210 webhook event accepted, 0x88e0028e batch event validation start */
	LINE_QUEUED,     /* 0x88e0007d */
	LINE_WORKING,    /* 0x88e0028f, 0x88e000a6, 0x88e000a7: a re-synchronisation makes progress */
	LINE_COMPLETED,  /* 0x88e000ac transaction completed */
	LINE_SETBACK,    /* 0x88e001ef, 1f0, 1f1: configuration timeouts; 0x88e00011, 0x88e00127: unhandled rejection */
	LINE_RESTARTED,  /* 0x80e0085f, 0x80e00860 (category apigw): the peering server or monitor restarted */
};

enum line_event line_event(const struct line *line);
/* The same of a code alone, as GET /v1/state tells it: "0x88e000d7". */
enum line_event line_event_of_code(const char *code);

/* line_parse() and line_event() in one, for following a busy log: most lines are put aside by a look at their code alone, several times faster than
 * parsing them. *LINE is filled when the result is not LINE_OTHER. */
enum line_event line_event_of(const char *bytes, size_t length_bytes, struct line *line);

/* "20200618T232339.332Z" like text of the line's time as it stands in the log, for sentences: copies the first word(s); "" when the line does not begin
 * with a time or it does not fit (LINE_TIME_BYTES always does). Returns OUT. */
char *line_time_text(const char *bytes, size_t length_bytes, char *out, size_t size_bytes);

#endif
