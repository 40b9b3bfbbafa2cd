/* syslog.h - the appliance's log lines out of syslog: messages out of a byte stream (RFC 6587), and the log line out of a message. Pure; takes any bytes.
 *
 * Framing is told for each frame anew: 1 to 5 digits without a leading zero, one blank and a `<` begin an octet-counted frame (a log line that begins with a
 * numeric time has more digits, and no `<` behind them); everything else ends at the next line feed.
 *
 * A message is `<PRI>` (or not), a header (RFC 5424, RFC 3164, the latter also with an RFC 3339 time or one of the appliance's own forms; or none), and the
 * line. Only header tokens are skipped, never text, so a line that is quoted inside another one is not found. Whether the appliance repeats the time in the
 * line is not known: where the line has none, it is built again with the header's time in front; an RFC 3339 time is rewritten as zulu time for that. But not where the
 * header names a program (a tag, an APP-NAME): nothing says that the appliance names one, and other programs of its host may begin a text of theirs with a bracket. */
#ifndef DRR_WATCH_SYSLOG_H
#define DRR_WATCH_SYSLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/line.h"

enum {
	SYSLOG_LINE_MAX_BYTES = 16384,    /* a log line, as in a file */
	SYSLOG_MESSAGE_MAX_BYTES = 17408, /* with its header; a longer one is skipped and counted */
	SYSLOG_COUNT_MAX_DIGITS = 5,
	SYSLOG_ROOM_MIN_BYTES = 8192,     /* what can be taken beside a frame that lacks one byte */
	SYSLOG_HOST_MAX_BYTES = 255,
	SYSLOG_TAG_MAX_BYTES = 64,        /* RFC 3164 says 32 */
	SYSLOG_TIME_BYTES = 40,           /* a header's time, with its NUL */
};

/* A stream's frames. */
struct syslog_frames {
	uint64_t long_messages; /* skipped */

	/* Private. */
	size_t begin, end;      /* bytes not handed out yet: memory[begin, end) */
	size_t scanned;         /* of them without a line end */
	uint64_t skip;          /* of an octet-counted frame that is too long */
	bool skip_line;         /* the same, up to a line feed */
	char memory[SYSLOG_COUNT_MAX_DIGITS + 1 + SYSLOG_MESSAGE_MAX_BYTES + SYSLOG_ROOM_MIN_BYTES];
};

void syslog_frames_init(struct syslog_frames *frames);

/* Where the next bytes go, and how many fit: at least SYSLOG_ROOM_MIN_BYTES when syslog_frames_next() has just been false. Ends the validity of messages. */
char *syslog_frames_room(struct syslog_frames *frames, size_t *room_bytes);
void syslog_frames_added(struct syslog_frames *frames, size_t count_bytes);

/* The next whole message, without what frames it. */
bool syslog_frames_next(struct syslog_frames *frames, const char **message, size_t *length_bytes);

/* The stream has ended in good order: a last message without its line feed. A frame that lacks counted bytes is none. */
bool syslog_frames_rest(struct syslog_frames *frames, const char **message, size_t *length_bytes);

/* Whether the stream has ended in the middle of a message. */
bool syslog_frames_open(const struct syslog_frames *frames);

/* The log line in a message: *LINE points into the message or to OUT (SYSLOG_MESSAGE_MAX_BYTES), and PARSED is line_parse()'s result. A message of several lines is
 * its first one. False: there is none at its start, or it is longer than SYSLOG_LINE_MAX_BYTES. */
bool syslog_line(const char *message, size_t length_bytes, char *out, const char **line, size_t *line_bytes, struct line *parsed);

#endif
