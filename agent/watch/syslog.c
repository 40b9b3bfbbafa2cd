#include "watch/syslog.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- frames */

void syslog_frames_init(struct syslog_frames *frames)
{
	memset(frames, 0, offsetof(struct syslog_frames, memory));
}

char *syslog_frames_room(struct syslog_frames *frames, size_t *room_bytes)
{
	memmove(frames->memory, frames->memory + frames->begin, frames->end - frames->begin);
	frames->end -= frames->begin;
	frames->begin = 0;
	*room_bytes = sizeof frames->memory - frames->end;
	return frames->memory + frames->end;
}

void syslog_frames_added(struct syslog_frames *frames, size_t count_bytes)
{
	assert(count_bytes <= sizeof frames->memory - frames->end);
	frames->end += count_bytes;
}

static void drop(struct syslog_frames *frames, size_t count_bytes)
{
	frames->begin += count_bytes;
	frames->scanned = 0;
}

/* What may stand between two frames: the line end that some senders write behind counted octets, and the NUL that some write for a line feed. */
static void skip_between(struct syslog_frames *frames)
{
	size_t at = frames->begin;

	while (frames->scanned == 0 && at < frames->end && (frames->memory[at] == '\n' || frames->memory[at] == '\r' || frames->memory[at] == '\0'))
		at++;
	frames->begin = at;
}

/* What is left of a message that is too long. False: not all of it has come. */
static bool skip_rest(struct syslog_frames *frames)
{
	size_t there = frames->end - frames->begin;
	const char *end;

	if (frames->skip > 0) {
		size_t take = frames->skip < there ? (size_t)frames->skip : there;

		frames->skip -= take;
		drop(frames, take);
	}
	if (frames->skip_line) {
		end = memchr(frames->memory + frames->begin, '\n', frames->end - frames->begin);
		frames->skip_line = !end;
		drop(frames, end ? (size_t)(end - (frames->memory + frames->begin)) + 1 : frames->end - frames->begin);
	}
	return frames->skip == 0 && !frames->skip_line;
}

/* How a frame begins: COUNTED with the octets' number and where they begin, LINE, or OPEN, which the next bytes tell. */
enum start { START_COUNTED, START_LINE, START_OPEN };

static enum start look_at_start(const char *bytes, size_t length_bytes, uint64_t *octets, size_t *from)
{
	size_t at = 0;

	*octets = 0;
	while (at < length_bytes && at < SYSLOG_COUNT_MAX_DIGITS && is_digit(bytes[at]) && !(at == 0 && bytes[0] == '0'))
		*octets = *octets * 10 + (uint64_t)(bytes[at++] - '0');
	if (at == length_bytes)
		return START_OPEN;
	if (at == 0 || bytes[at] != ' ')
		return START_LINE;
	*from = at + 1;
	if (*from == length_bytes)
		return START_OPEN;
	return bytes[*from] == '<' ? START_COUNTED : START_LINE;
}

static bool next_line(struct syslog_frames *frames, const char **message, size_t *length_bytes)
{
	size_t there = frames->end - frames->begin;
	const char *bytes = frames->memory + frames->begin;
	const char *end = memchr(bytes + frames->scanned, '\n', there - frames->scanned);

	if (!end) {
		frames->scanned = there;
		if (there > SYSLOG_MESSAGE_MAX_BYTES) {
			frames->long_messages++;
			frames->skip_line = true;
		}
		return false;
	}
	*message = bytes;
	*length_bytes = (size_t)(end - bytes);
	drop(frames, *length_bytes + 1);
	while (*length_bytes > 0 && bytes[*length_bytes - 1] == '\r')
		--*length_bytes;
	if (*length_bytes <= SYSLOG_MESSAGE_MAX_BYTES)
		return true;
	frames->long_messages++;
	*length_bytes = 0;
	return true; /* nothing of it is a log line */
}

static bool next_counted(struct syslog_frames *frames, uint64_t octets, size_t from, const char **message, size_t *length_bytes)
{
	size_t there = frames->end - frames->begin;

	if (octets > SYSLOG_MESSAGE_MAX_BYTES) {
		frames->long_messages++;
		frames->skip = octets;
		drop(frames, from);
		return false;
	}
	if (there - from < octets)
		return false;
	*message = frames->memory + frames->begin + from;
	*length_bytes = (size_t)octets;
	drop(frames, from + *length_bytes);
	return true;
}

bool syslog_frames_next(struct syslog_frames *frames, const char **message, size_t *length_bytes)
{
	while (skip_rest(frames)) {
		uint64_t octets;
		size_t from;
		enum start start;

		skip_between(frames);
		start = look_at_start(frames->memory + frames->begin, frames->end - frames->begin, &octets, &from);
		if (start == START_OPEN)
			return false;
		if (start == START_COUNTED ? next_counted(frames, octets, from, message, length_bytes) : next_line(frames, message, length_bytes)) {
			if (*length_bytes > 0)
				return true;
		} else if (frames->skip == 0 && !frames->skip_line) {
			return false;
		}
	}
	return false;
}

bool syslog_frames_open(const struct syslog_frames *frames)
{
	return frames->begin < frames->end || frames->skip > 0 || frames->skip_line;
}

bool syslog_frames_rest(struct syslog_frames *frames, const char **message, size_t *length_bytes)
{
	uint64_t octets;
	size_t from;

	if (frames->begin == frames->end || frames->skip > 0 || frames->skip_line ||
	    look_at_start(frames->memory + frames->begin, frames->end - frames->begin, &octets, &from) != START_LINE)
		return false;
	*message = frames->memory + frames->begin;
	*length_bytes = frames->end - frames->begin;
	drop(frames, *length_bytes);
	return *length_bytes <= SYSLOG_MESSAGE_MAX_BYTES;
}

/* ---- messages */

struct cursor {
	const char *bytes;
	size_t length, at;
};

static bool take(struct cursor *c, char wanted)
{
	if (c->at >= c->length || c->bytes[c->at] != wanted)
		return false;
	c->at++;
	return true;
}

/* "<PRI>", up to three digits. Where it is not one, nothing is taken. */
static void take_priority(struct cursor *c)
{
	struct cursor start = *c;
	unsigned digits = 0;

	if (!take(c, '<'))
		return;
	while (digits < 3 && c->at < c->length && is_digit(c->bytes[c->at])) {
		c->at++;
		digits++;
	}
	if (digits == 0 || !take(c, '>'))
		*c = start;
}

/* A token of printable ASCII without blanks and without a bracket at its start, and the one blank behind it. */
static bool take_token(struct cursor *c, size_t max_bytes)
{
	size_t from = c->at;

	if (c->at < c->length && c->bytes[c->at] == '[')
		return false;
	while (c->at < c->length && c->at - from < max_bytes && c->bytes[c->at] > ' ' && c->bytes[c->at] < 0x7f)
		c->at++;
	return c->at > from && take(c, ' ');
}

/* COUNT digits at AT of TEXT. */
static bool digits_at(const char *text, size_t at, size_t count, int *value)
{
	*value = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is_digit(text[at + i]))
			return false;
		*value = *value * 10 + (text[at + i] - '0');
	}
	return true;
}

/* "Z", "+02:00", "-05:30": minutes east. */
static bool zone_minutes(const char *zone, int *minutes)
{
	int hours, rest;

	*minutes = 0;
	if (strcmp(zone, "Z") == 0 || strcmp(zone, "z") == 0)
		return true;
	if (strlen(zone) != 6 || (zone[0] != '+' && zone[0] != '-') || !digits_at(zone, 1, 2, &hours) || zone[3] != ':' ||
	    !digits_at(zone, 4, 2, &rest) || hours > 23 || rest > 59)
		return false;
	*minutes = (zone[0] == '-' ? -1 : 1) * (hours * 60 + rest);
	return true;
}

/* Whether there is such a day and time: timegm() makes 2 March out of 31 February. */
static bool is_time(const struct tm *tm)
{
	struct tm same = *tm;

	same.tm_sec = 0; /* 60: a leap second */
	return tm->tm_sec <= 60 && timegm(&same) != (time_t)-1 && same.tm_mon == tm->tm_mon && same.tm_mday == tm->tm_mday && same.tm_hour == tm->tm_hour &&
	       same.tm_min == tm->tm_min;
}

/* 2020-06-18T23:23:39.332+02:00 to 20200618T212339.332Z. -1: it is no such time. */
static int zulu_of(const char *text, char out[SYSLOG_TIME_BYTES])
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	size_t fraction = sizeof form - 1, zone = fraction;
	int minutes;
	struct tm tm;
	time_t seconds;

	for (size_t i = 0; i < sizeof form - 1; i++)
		if (form[i] == 'd' ? !is_digit(text[i]) : text[i] != form[i])
			return -1;
	if (text[zone] == '.')
		zone += 1 + strspn(text + zone + 1, "0123456789");
	memset(&tm, 0, sizeof tm);
	if (zone == fraction + 1 || zone > fraction + 10 || !zone_minutes(text + zone, &minutes) || !digits_at(text, 0, 4, &tm.tm_year) ||
	    !digits_at(text, 5, 2, &tm.tm_mon) || !digits_at(text, 8, 2, &tm.tm_mday) || !digits_at(text, 11, 2, &tm.tm_hour) ||
	    !digits_at(text, 14, 2, &tm.tm_min) || !digits_at(text, 17, 2, &tm.tm_sec))
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (!is_time(&tm))
		return -1;
	seconds = timegm(&tm) - (time_t)minutes * 60;
	if (!gmtime_r(&seconds, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		return -1;
	(void)snprintf(out, SYSLOG_TIME_BYTES, "%04u%02u%02uT%02u%02u%02u%.*sZ", (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		       (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, (int)(zone - fraction),
		       text + fraction);
	return 0;
}

/* The header's time into OUT, in a form that a log line may begin with, and the blank behind it. */
static bool take_time(struct cursor *c, char out[SYSLOG_TIME_BYTES])
{
	char text[SYSLOG_TIME_BYTES];
	size_t from = c->at;

	(void)line_time_text(c->bytes + c->at, c->length - c->at, out, LINE_TIME_BYTES);
	if (out[0] != '\0') {
		c->at += strlen(out);
		return take(c, ' ');
	}
	return take_token(c, sizeof text - 1) && text_copy(text, sizeof text, c->bytes + from, c->at - 1 - from) == 0 && zulu_of(text, out) == 0;
}

/* "-" or one or more "[...]" in which `\]`, and in quotes everything, is allowed; and the blank behind. */
static bool take_structured_data(struct cursor *c)
{
	if (take(c, '-'))
		return take(c, ' ');
	if (c->at >= c->length || c->bytes[c->at] != '[')
		return false;
	while (take(c, '[')) {
		bool quoted = false;

		while (c->at < c->length && (quoted || c->bytes[c->at] != ']')) {
			if (c->bytes[c->at] == '\\' && quoted)
				c->at++;
			else if (c->bytes[c->at] == '"')
				quoted = !quoted;
			c->at++;
		}
		if (!take(c, ']'))
			return false;
	}
	return take(c, ' ');
}

/* "1 TIME HOST APP PROCID MSGID SD MSG"; TIME may be "-": then OUT is empty, as it is where APP names a program. */
static bool take_rfc5424(struct cursor *c, char out[SYSLOG_TIME_BYTES])
{
	struct cursor start = *c;

	out[0] = '\0';
	if (!take(c, '1') || !take(c, ' '))
		return false;
	if (take(c, '-') ? !take(c, ' ') : !take_time(c, out))
		return false;
	for (unsigned i = 0; i < 4; i++) {
		size_t from = c->at;

		if (take_token(c, SYSLOG_HOST_MAX_BYTES)) {
			if (i == 1 && (c->bytes[from] != '-' || c->at - from != 2))
				out[0] = '\0';
			continue;
		}
		*c = start;
		return false;
	}
	if (!take_structured_data(c))
		return false;
	if (text_starts(c->bytes + c->at, c->length - c->at, "\xef\xbb\xbf"))
		c->at += 3;
	return true;
}

/* The line from the cursor on, as it stands or with TIME ("": none) in front. */
static bool line_here(const struct cursor *c, const char *header_time, char *out, const char **line, size_t *line_bytes, struct line *parsed)
{
	size_t rest = c->length - c->at, time_bytes = strlen(header_time);

	*line = c->bytes + c->at;
	*line_bytes = rest;
	if (rest <= SYSLOG_LINE_MAX_BYTES && line_parse(*line, rest, parsed))
		return true;
	if (time_bytes == 0 || rest == 0 || c->bytes[c->at] != '[' || time_bytes + 1 + rest > SYSLOG_LINE_MAX_BYTES)
		return false;
	memcpy(out, header_time, time_bytes);
	out[time_bytes] = ' ';
	memcpy(out + time_bytes + 1, *line, rest);
	*line = out;
	*line_bytes = time_bytes + 1 + rest;
	return line_parse(out, *line_bytes, parsed);
}

/* "TAG:" or "TAG[PID]:" and a blank. */
static bool take_tag(struct cursor *c)
{
	size_t from = c->at;

	return take_token(c, SYSLOG_TAG_MAX_BYTES) && c->at - from > 2 && c->bytes[c->at - 2] == ':';
}

bool syslog_line(const char *message, size_t length_bytes, char *out, const char **line, size_t *line_bytes, struct line *parsed)
{
	struct cursor c = {message, length_bytes, 0}, start;
	char header_time[SYSLOG_TIME_BYTES] = "";

	for (size_t i = 0; i < length_bytes; i++)
		if (message[i] == '\n' || message[i] == '\r' || message[i] == '\0') {
			c.length = i;
			break;
		}
	take_priority(&c);
	if (line_here(&c, "", out, line, line_bytes, parsed))
		return true;
	start = c;
	if (take_rfc5424(&c, header_time))
		return line_here(&c, header_time, out, line, line_bytes, parsed);
	c = start;
	if (!take_time(&c, header_time))
		return false;
	if (line_here(&c, header_time, out, line, line_bytes, parsed))
		return true;
	if (!take_token(&c, SYSLOG_HOST_MAX_BYTES))
		return false;
	if (line_here(&c, header_time, out, line, line_bytes, parsed))
		return true;
	return take_tag(&c) && line_here(&c, "", out, line, line_bytes, parsed);
}
