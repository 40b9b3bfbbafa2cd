#include "watch/line.h"

#include <string.h>

#include "base/text.h"

enum {
	FIELD_MAX_BYTES = 128, /* DOMAIN, CATEGORY and LEVEL; IBM's own names are below 30 */
	NAME_MAX_BYTES = 256,  /* NAME of CLASS(NAME): longer is taken as text */
	MARKS_MAX = 16,        /* tid(...), gtid(...) and brackets before the text */
	TIME_MIN_BYTES = sizeof "123456789", /* the shortest time, and the blank behind it */
	ZULU_MIN_BYTES = sizeof "20200618T232339Z",
	CODE_BYTES = sizeof "[0x88e000d7]" - 1,
};

/* The bytes and how far they have been read. All reading is by position. */
struct cursor {
	const char *bytes;
	size_t length, at;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
}

static char peek(const struct cursor *c)
{
	return c->at < c->length ? c->bytes[c->at] : '\0';
}

static bool take_char(struct cursor *c, char wanted)
{
	if (c->at >= c->length || c->bytes[c->at] != wanted)
		return false;
	c->at++;
	return true;
}

static size_t take_blanks(struct cursor *c)
{
	size_t from = c->at;

	while (c->at < c->length && c->bytes[c->at] == ' ')
		c->at++;
	return c->at - from;
}

/* Exactly COUNT digits. */
static bool take_digits(struct cursor *c, size_t count, int *value)
{
	*value = 0;
	if (c->length - c->at < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		char digit = c->bytes[c->at + i];

		if (!is_digit(digit))
			return false;
		*value = *value * 10 + (digit - '0');
	}
	c->at += count;
	return true;
}

/* ---- time */

static const unsigned char month_days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

/* Days of a year of 366 before MONTH (1..12). */
static int64_t days_before_month(int month)
{
	int64_t days = 0;

	for (int m = 1; m < month; m++)
		days += month_days[m - 1];
	return days;
}

/* Days from 1970-01-01 to a date that is known to exist. */
static int64_t days_since_epoch(int year, int month, int day)
{
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int64_t y = year - 1;
	int64_t days = y * 365 + y / 4 - y / 100 + y / 400 - 719162; /* 719162: the same sum for 1970 */

	return days + days_before_month(month) - (month > 2 && !leap ? 1 : 0) + day - 1;
}

static bool date_exists(int year, int month, int day)
{
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month >= 1 && month <= 12 && day >= 1 && day <= month_days[month - 1] && (month != 2 || day <= 28 || leap);
}

/* HHMMSS or HH:MM:SS to milliseconds of the day. Second 60 is a leap second. */
static bool take_clock(struct cursor *c, bool colons, int64_t *ms)
{
	int hour, minute, second;

	if (!take_digits(c, 2, &hour) || (colons && !take_char(c, ':')) || !take_digits(c, 2, &minute) ||
	    (colons && !take_char(c, ':')) || !take_digits(c, 2, &second) || hour > 23 || minute > 59 || second > 60)
		return false;
	*ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000);
	return true;
}

/* ".332" or nothing; digits after the third are read and dropped. */
static bool take_fraction(struct cursor *c, int64_t *ms)
{
	int64_t weight = 100;
	size_t from;

	if (!take_char(c, '.'))
		return true;
	from = c->at;
	while (is_digit(peek(c)) && c->at - from < 9) {
		*ms += (c->bytes[c->at] - '0') * weight;
		weight /= 10;
		c->at++;
	}
	return c->at > from;
}

static bool take_zulu(struct cursor *c, int64_t *ms)
{
	int year, month, day;
	int64_t of_day;

	if (!take_digits(c, 4, &year) || !take_digits(c, 2, &month) || !take_digits(c, 2, &day) || !take_char(c, 'T') ||
	    !take_clock(c, false, &of_day) || !take_fraction(c, &of_day) || !take_char(c, 'Z') || year < 1970 ||
	    !date_exists(year, month, day))
		return false;
	*ms = days_since_epoch(year, month, day) * INT64_C(86400000) + of_day;
	return true;
}

/* "Jun 18 23:23:39"; the day is padded with a blank, a zero or not at all. */
static bool take_syslog(struct cursor *c, int64_t *ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int month = 0, day;
	int64_t of_day;

	if (c->length < 3)
		return false;
	while (month < 12 && memcmp(c->bytes, months + 3 * month, 3) != 0)
		month++;
	if (month++ == 12)
		return false;
	c->at = 3;
	if (!take_char(c, ' '))
		return false;
	(void)take_char(c, ' ');
	if (!take_digits(c, 2, &day) && !take_digits(c, 1, &day))
		return false;
	if (!take_char(c, ' ') || !take_clock(c, true, &of_day) || day < 1 || day > month_days[month - 1])
		return false;
	*ms = (days_before_month(month) + day - 1) * INT64_C(86400000) + of_day;
	return true;
}

/* 9 to 11 digits are seconds (1973 to 5138), 13 are milliseconds. */
static bool take_numeric(struct cursor *c, int64_t *ms)
{
	size_t digits = 0;
	int64_t value = 0;

	while (digits < 14 && is_digit(peek(c))) {
		value = value * 10 + (peek(c) - '0');
		c->at++;
		digits++;
	}
	if (digits == 13)
		*ms = value;
	else if (digits >= 9 && digits <= 11)
		*ms = value * 1000;
	else
		return false;
	return true;
}

/* The time at the start of the line, with a blank (or the end) behind it. */
static enum line_time_kind take_time(struct cursor *c, int64_t *ms)
{
	enum line_time_kind kind = LINE_TIME_NONE;

	if (c->length > 8 && c->bytes[8] == 'T')
		kind = take_zulu(c, ms) ? LINE_TIME_ZULU : LINE_TIME_NONE;
	else if (is_digit(peek(c)))
		kind = take_numeric(c, ms) ? LINE_TIME_NUMERIC : LINE_TIME_NONE;
	else
		kind = take_syslog(c, ms) ? LINE_TIME_SYSLOG : LINE_TIME_NONE;
	return c->at == c->length || peek(c) == ' ' ? kind : LINE_TIME_NONE;
}

/* ---- brackets */

/* "[FIELD]" with 1 to FIELD_MAX_BYTES bytes that are neither brackets nor control characters. */
static bool take_bracket(struct cursor *c, const char **field, size_t *length_bytes)
{
	size_t from = c->at + 1;
	size_t at = from;

	if (!take_char(c, '['))
		return false;
	while (at < c->length && at - from < FIELD_MAX_BYTES && (unsigned char)c->bytes[at] >= ' ' && c->bytes[at] != '[' &&
	       c->bytes[at] != ']')
		at++;
	c->at = at;
	*field = c->bytes + from;
	*length_bytes = at - from;
	return at > from && take_char(c, ']');
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "[0x88e000d7]": always eight digits. */
static bool take_code(struct cursor *c, uint32_t *code)
{
	const char *field;
	size_t length;

	if (!take_bracket(c, &field, &length) || length != 10 || field[0] != '0' || field[1] != 'x')
		return false;
	*code = 0;
	for (size_t i = 2; i < length; i++) {
		int digit = hex_value(field[i]);

		if (digit < 0)
			return false;
		*code = *code << 4 | (uint32_t)digit;
	}
	return true;
}

/* A level is a word; which words is not checked, so that a spelling we never saw does not hide a line. */
static bool take_level(struct cursor *c, struct line *line)
{
	if (!take_bracket(c, &line->level, &line->level_bytes))
		return false;
	for (size_t i = 0; i < line->level_bytes; i++)
		if (!is_word(line->level[i]))
			return false;
	return true;
}

/* [0xCODE][CATEGORY][LEVEL] and a blank behind it: a letter there would be text that looks alike, and no byte at all a line that is cut. */
static bool take_key(struct cursor *c, struct line *line)
{
	return take_code(c, &line->code) && take_bracket(c, &line->category, &line->category_bytes) && take_level(c, line) &&
	       take_blanks(c) > 0;
}

static bool take_domain_and_key(struct cursor *c, struct line *line)
{
	struct cursor start = *c;

	line->domain = c->bytes + c->at;
	line->domain_bytes = 0;
	if (take_key(c, line))
		return true;
	*c = start;
	if (!take_bracket(c, &line->domain, &line->domain_bytes))
		return false;
	(void)take_blanks(c);
	return take_key(c, line);
}

/* ---- what follows the key: all optional */

/* "CLASS(NAME): " or ": ". NAME ends at the first "):", so that it may hold parentheses. Without it nothing is taken. */
static void take_object(struct cursor *c, struct line *line)
{
	size_t class_end = c->at;
	size_t name_end;

	line->object_class = line->object_name = c->bytes + c->at;
	line->object_class_bytes = line->object_name_bytes = 0;
	if (take_char(c, ':')) {
		(void)take_blanks(c);
		return;
	}
	while (class_end < c->length && is_word(c->bytes[class_end]))
		class_end++;
	if (class_end >= c->length || c->bytes[class_end] != '(')
		return;
	for (name_end = class_end + 1; name_end + 1 < c->length && name_end - class_end <= NAME_MAX_BYTES; name_end++)
		if (c->bytes[name_end] == ')' && c->bytes[name_end + 1] == ':')
			break;
	if (name_end + 1 >= c->length || c->bytes[name_end] != ')' || c->bytes[name_end + 1] != ':')
		return;
	line->object_class_bytes = class_end - c->at;
	line->object_name = c->bytes + class_end + 1;
	line->object_name_bytes = name_end - class_end - 1;
	c->at = name_end + 2;
	(void)take_blanks(c);
}

/* One of "tid(...)", "gtid(...)", "trans(...)" (older firmware), "[...]". */
static bool take_mark(struct cursor *c)
{
	static const char *const words[] = {"tid(", "gtid(", "trans("};
	char closing = ']';
	size_t at = c->at;

	if (peek(c) == '[') {
		at++;
	} else {
		size_t i = 0;

		while (i < 3 && !text_starts(c->bytes + c->at, c->length - c->at, words[i]))
			i++;
		if (i == 3)
			return false;
		at += strlen(words[i]);
		closing = ')';
	}
	while (at < c->length && c->bytes[at] != closing && at - c->at < NAME_MAX_BYTES)
		at++;
	if (at >= c->length || c->bytes[at] != closing)
		return false;
	c->at = at + 1;
	return true;
}

/* "tid(2653)[request][10.1.1.1] gtid(5e..): ". Taken only when it begins with a word and ends in a colon: the text itself may begin with
 * a bracket. */
static void take_marks(struct cursor *c)
{
	struct cursor start = *c;

	if (peek(c) == '[')
		return;
	for (unsigned i = 0; i < MARKS_MAX && take_mark(c); i++) {
		(void)take_blanks(c);
		if (take_char(c, ':')) {
			(void)take_blanks(c);
			return;
		}
	}
	*c = start;
}

bool line_parse(const char *bytes, size_t length_bytes, struct line *line)
{
	struct cursor c = {bytes, length_bytes, 0};

	line->time_kind = take_time(&c, &line->time_ms);
	if (line->time_kind == LINE_TIME_NONE || take_blanks(&c) == 0 || !take_domain_and_key(&c, line))
		return false;
	take_object(&c, line);
	take_marks(&c);
	line->text = bytes + c.at;
	line->text_bytes = length_bytes - c.at;
	while (line->text_bytes > 0 && line->text[line->text_bytes - 1] == '\r')
		line->text_bytes--;
	return true;
}

#define EVENT(code, category, event) {code, #code, category, event}

static const struct {
	uint32_t code;
	char code_text[sizeof "0x88e000d7"];
	const char *category;
	enum line_event event;
} events[] = {
	EVENT(0x88e000d7, "apic-gw-service", LINE_WAITING),
	EVENT(0x88e00210, "apic-gw-service", LINE_ACCEPTED),
	EVENT(0x88e0028e, "apic-gw-service", LINE_ACCEPTED),
	EVENT(0x88e0007d, "apic-gw-service", LINE_QUEUED),
	EVENT(0x88e0028f, "apic-gw-service", LINE_WORKING),
	EVENT(0x88e000a6, "apic-gw-service", LINE_WORKING),
	EVENT(0x88e000a7, "apic-gw-service", LINE_WORKING),
	EVENT(0x88e000ac, "apic-gw-service", LINE_COMPLETED),
	EVENT(0x88e001ef, "apic-gw-service", LINE_SETBACK),
	EVENT(0x88e001f0, "apic-gw-service", LINE_SETBACK),
	EVENT(0x88e001f1, "apic-gw-service", LINE_SETBACK),
	EVENT(0x88e00011, "apic-gw-service", LINE_SETBACK),
	EVENT(0x88e00127, "apic-gw-service", LINE_SETBACK),
	EVENT(0x80e0085f, "apigw", LINE_RESTARTED),
	EVENT(0x80e00860, "apigw", LINE_RESTARTED),
};

enum { EVENTS_COUNT = sizeof events / sizeof events[0] };

enum line_event line_event(const struct line *line)
{
	for (size_t i = 0; i < EVENTS_COUNT; i++)
		if (events[i].code == line->code && text_equal(line->category, line->category_bytes, events[i].category))
			return events[i].event;
	return LINE_OTHER;
}

enum line_event line_event_of_code(const char *code)
{
	for (size_t i = 0; i < EVENTS_COUNT; i++)
		if (strcmp(events[i].code_text, code) == 0)
			return events[i].event;
	return LINE_OTHER;
}

/* ---- the same, quickly: what follows may take a line for an event that is none, as line_parse() has the last word; never the reverse */

/* Eight bytes as a number, to be compared only. */
static inline __attribute__((always_inline)) uint64_t eight(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	return word;
}

/* Whether "[0xCODE]" with a code of the table stands at FIELD, which ends in the right place. */
static bool is_event_code(const char *field)
{
	uint64_t digits = eight(field + 3) | UINT64_C(0x2020202020202020); /* letters small; digits stay what they are */

	for (size_t i = 0; i < EVENTS_COUNT; i++)
		if (eight(events[i].code_text + 2) == digits)
			return field[1] == '0' && field[2] == 'x';
	return false;
}

enum line_event line_event_of(const char *bytes, size_t length_bytes, struct line *line)
{
	size_t at = TIME_MIN_BYTES;
	unsigned brackets = 0;

	/* A time begins with a digit or a month; the lines of a stack trace are indented. */
	if (length_bytes < TIME_MIN_BYTES + CODE_BYTES || !(is_digit(bytes[0]) || (bytes[0] >= 'A' && bytes[0] <= 'S')))
		return LINE_OTHER;
	if (bytes[8] == 'T')
		at = ZULU_MIN_BYTES;
	/* The code is in the first bracket or, behind a domain, in the second: the grammar allows no other before it. Both are near: a loop is faster than
	 * a call of memchr(). */
	for (; at + CODE_BYTES <= length_bytes && brackets < 2; at++) {
		if (bytes[at] != '[')
			continue;
		if (bytes[at + CODE_BYTES - 1] == ']') {
			if (is_event_code(bytes + at))
				return line_parse(bytes, length_bytes, line) ? line_event(line) : LINE_OTHER;
			at += CODE_BYTES - 1;
		}
		brackets++;
	}
	return LINE_OTHER;
}

char *line_time_text(const char *bytes, size_t length_bytes, char *out, size_t size_bytes)
{
	struct cursor c = {bytes, length_bytes, 0};
	int64_t ms;

	out[0] = '\0';
	if (take_time(&c, &ms) != LINE_TIME_NONE)
		(void)text_copy(out, size_bytes, bytes, c.at);
	return out;
}
