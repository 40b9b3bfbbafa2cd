#include "appliance/facts.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/text.h"

/* Takes PREFIX (any case) and the blanks behind it off the slice; false, nothing taken, when it does not begin so. */
static bool take_prefix(const char **bytes, size_t *length_bytes, const char *prefix)
{
	size_t wide = strlen(prefix);

	if (*length_bytes < wide || strncasecmp(*bytes, prefix, wide) != 0)
		return false;
	*bytes += wide;
	*length_bytes -= wide;
	text_trim(bytes, length_bytes);
	return true;
}

/* The bytes before STOP (or all), taken off the slice together with STOP. */
static bool take_number(const char **bytes, size_t *length_bytes, char stop, unsigned long long max, int64_t *value)
{
	const char *end = *length_bytes > 0 ? memchr(*bytes, stop, *length_bytes) : NULL;
	size_t wide = end ? (size_t)(end - *bytes) : *length_bytes;
	unsigned long long number;

	if (!text_to_unsigned(*bytes, wide, max, &number))
		return false;
	*value = (int64_t)number;
	*bytes += wide + (end ? 1 : 0);
	*length_bytes -= wide + (end ? 1 : 0);
	return true;
}

/* "0 days 01:43:14" (also "1 day"): seconds, or -1. */
static int64_t read_span(const char *bytes, size_t length_bytes)
{
	enum { DAYS_MAX = 36500 };
	int64_t days, hours, minutes, seconds;

	if (!take_number(&bytes, &length_bytes, ' ', DAYS_MAX, &days))
		return -1;
	text_trim(&bytes, &length_bytes);
	if (!take_prefix(&bytes, &length_bytes, "days ") && !take_prefix(&bytes, &length_bytes, "day "))
		return -1;
	/* Whole fields only: a text cut in "01:4" has no seconds, one cut in "01:43:1" has too short ones. */
	if (length_bytes != strlen("HH:MM:SS") || !take_number(&bytes, &length_bytes, ':', 23, &hours) ||
	    !take_number(&bytes, &length_bytes, ':', 59, &minutes) || !take_number(&bytes, &length_bytes, '\n', 60, &seconds))
		return -1;
	return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}

bool facts_parse_uptime(const char *text, size_t text_bytes, int64_t *reload_s, int64_t *reboot_s)
{
	size_t offset = 0, length;
	const char *line;

	*reload_s = *reboot_s = -1;
	while (text_next_line(text, text_bytes, &offset, &line, &length)) {
		text_trim(&line, &length);
		if (!take_prefix(&line, &length, "Uptime:"))
			continue;
		if (*reload_s < 0 && take_prefix(&line, &length, "reload:"))
			*reload_s = read_span(line, length);
		else if (*reboot_s < 0 && take_prefix(&line, &length, "reboot:"))
			*reboot_s = read_span(line, length);
	}
	return *reload_s >= 0 || *reboot_s >= 0;
}

/* COUNT digits at the start of the slice, taken off it; false: they are not there, or more than MAX. */
static bool take_digits(const char **bytes, size_t *length_bytes, size_t count, int max, int *value)
{
	unsigned long long number;

	if (*length_bytes < count || !text_to_unsigned(*bytes, count, (unsigned long long)max, &number))
		return false;
	*value = (int)number;
	*bytes += count;
	*length_bytes -= count;
	return true;
}

static bool take_char(const char **bytes, size_t *length_bytes, char wanted)
{
	if (*length_bytes == 0 || **bytes != wanted)
		return false;
	++*bytes;
	--*length_bytes;
	return true;
}

/* Milliseconds; 0: there is no such day. */
static int64_t time_of(struct tm tm)
{
	struct tm same = tm;
	time_t seconds = timegm(&same);

	return seconds > 0 && same.tm_mday == tm.tm_mday && same.tm_mon == tm.tm_mon ? (int64_t)seconds * 1000 : 0;
}

/* "23:23:39" */
static bool take_clock_time(const char **bytes, size_t *length_bytes, struct tm *tm)
{
	return take_digits(bytes, length_bytes, 2, 23, &tm->tm_hour) && take_char(bytes, length_bytes, ':') && take_digits(bytes, length_bytes, 2, 59, &tm->tm_min) &&
	       take_char(bytes, length_bytes, ':') && take_digits(bytes, length_bytes, 2, 59, &tm->tm_sec);
}

/* "Jun" at the start of the slice, taken off it. */
static bool take_month(const char **bytes, size_t *length_bytes, int *month)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (*month = 0; *month < 12; ++*month)
		if (*length_bytes >= 3 && memcmp(*bytes, names + 3 * *month, 3) == 0) {
			*bytes += 3;
			*length_bytes -= 3;
			return true;
		}
	return false;
}

/* "Thu Jun 18 23:23:39 2020 UTC", days below ten with a blank or a zero in front. The zone, or nothing, is left. */
static int64_t take_asctime(const char **bytes, size_t *length_bytes)
{
	struct tm tm = {0};

	if (*length_bytes < 4 || (*bytes)[3] != ' ')
		return 0;
	*bytes += 4;
	*length_bytes -= 4;
	if (!take_month(bytes, length_bytes, &tm.tm_mon) || !take_char(bytes, length_bytes, ' '))
		return 0;
	if (take_char(bytes, length_bytes, ' ') ? !take_digits(bytes, length_bytes, 1, 9, &tm.tm_mday)
						: !take_digits(bytes, length_bytes, 2, 31, &tm.tm_mday) && !take_digits(bytes, length_bytes, 1, 9, &tm.tm_mday))
		return 0;
	if (!take_char(bytes, length_bytes, ' ') || !take_clock_time(bytes, length_bytes, &tm) || !take_char(bytes, length_bytes, ' ') ||
	    !take_digits(bytes, length_bytes, 4, 9999, &tm.tm_year))
		return 0;
	tm.tm_year -= 1900;
	text_trim(bytes, length_bytes);
	return time_of(tm);
}

static bool is_utc(const char *zone, size_t length_bytes)
{
	return text_equal(zone, length_bytes, "UTC") || text_equal(zone, length_bytes, "GMT") || text_equal(zone, length_bytes, "Z");
}

bool facts_parse_clock(const char *text, size_t text_bytes, struct facts_clock *clock)
{
	size_t offset = 0, length;
	const char *line;

	*clock = (struct facts_clock){0};
	while (text_next_line(text, text_bytes, &offset, &line, &length)) {
		bool zone;

		text_trim(&line, &length);
		zone = take_prefix(&line, &length, "Time zone:");
		if (!zone && clock->local_ms == 0 && take_prefix(&line, &length, "Local time:")) {
			clock->local_ms = take_asctime(&line, &length);
			zone = true;
		}
		if (zone && is_utc(line, length))
			clock->utc_ms = clock->local_ms;
	}
	return clock->local_ms != 0;
}

/* "Z", "+02:00", "-04:00": minutes east. */
static bool read_offset(const char *bytes, size_t length_bytes, int *minutes)
{
	int hours, rest, sign = take_char(&bytes, &length_bytes, '-') ? -1 : 1;

	*minutes = 0;
	if (sign > 0 && text_equal(bytes, length_bytes, "Z"))
		return true;
	if (sign > 0 && !take_char(&bytes, &length_bytes, '+'))
		return false;
	if (!take_digits(&bytes, &length_bytes, 2, 23, &hours) || !take_char(&bytes, &length_bytes, ':') || !take_digits(&bytes, &length_bytes, 2, 59, &rest) ||
	    length_bytes != 0)
		return false;
	*minutes = sign * (hours * 60 + rest);
	return true;
}

bool facts_parse_timestamp(const char *text, size_t text_bytes, struct facts_clock *clock)
{
	struct tm tm = {0};
	int minutes, digit;

	*clock = (struct facts_clock){0};
	text_trim(&text, &text_bytes);
	if (!take_digits(&text, &text_bytes, 4, 9999, &tm.tm_year) || !take_char(&text, &text_bytes, '-') || !take_digits(&text, &text_bytes, 2, 12, &tm.tm_mon) ||
	    !take_char(&text, &text_bytes, '-') || !take_digits(&text, &text_bytes, 2, 31, &tm.tm_mday) || !take_char(&text, &text_bytes, 'T') ||
	    !take_clock_time(&text, &text_bytes, &tm))
		return false;
	if (take_char(&text, &text_bytes, '.'))
		while (take_digits(&text, &text_bytes, 1, 9, &digit))
			;
	if (!read_offset(text, text_bytes, &minutes))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	clock->local_ms = time_of(tm);
	clock->utc_ms = clock->local_ms != 0 ? clock->local_ms - (int64_t)minutes * 60000 : 0;
	return clock->local_ms != 0;
}

/* The first word of the slice to OUT; it stays empty when the word does not fit or is not plain printable ASCII. */
static void copy_word(char *out, size_t size_bytes, const char *bytes, size_t length_bytes)
{
	size_t wide = 0;

	while (wide < length_bytes && bytes[wide] > ' ' && bytes[wide] < 0x7f)
		wide++;
	if (wide == length_bytes || bytes[wide] == ' ' || bytes[wide] == '\t')
		(void)text_copy(out, size_bytes, bytes, wide);
}

bool facts_parse_version(const char *text, size_t text_bytes, char firmware[FACTS_FIRMWARE_BYTES], char serial[FACTS_SERIAL_BYTES])
{
	size_t offset = 0, length;
	const char *line;

	firmware[0] = serial[0] = '\0';
	while (text_next_line(text, text_bytes, &offset, &line, &length)) {
		text_trim(&line, &length);
		if (firmware[0] == '\0' && take_prefix(&line, &length, "Version:"))
			copy_word(firmware, FACTS_FIRMWARE_BYTES, line, length);
		else if (serial[0] == '\0' && take_prefix(&line, &length, "Serial number:"))
			copy_word(serial, FACTS_SERIAL_BYTES, line, length);
	}
	return firmware[0] != '\0';
}

/* "db0:keys=12,expires=0,avg_ttl=0": the keys, -1 when it is such a line but unreadable, 0 when it is something else. The comma must
 * be there: without it the number may be cut. */
static int64_t read_database(const char *line, size_t length_bytes)
{
	int64_t number, keys;

	if (!text_starts(line, length_bytes, "db"))
		return 0;
	line += 2;
	length_bytes -= 2;
	if (!take_number(&line, &length_bytes, ':', 65535, &number) || !take_prefix(&line, &length_bytes, "keys=") ||
	    length_bytes == 0 || !memchr(line, ',', length_bytes) || !take_number(&line, &length_bytes, ',', INT64_MAX / 65536, &keys))
		return -1;
	return keys;
}

int64_t facts_parse_store_keys(const char *text, size_t text_bytes)
{
	bool found = false, inside = false;
	size_t offset = 0, length;
	const char *line;
	int64_t sum = 0;

	while (text_next_line(text, text_bytes, &offset, &line, &length)) {
		int64_t keys;

		text_trim(&line, &length);
		if (length > 0 && line[0] == '#') {
			bool whole = text[offset - 1] == '\n';

			inside = whole && take_prefix(&line, &length, "#") && length == strlen("Keyspace") &&
				 strncasecmp(line, "Keyspace", length) == 0;
			found = found || inside;
			continue;
		}
		keys = inside ? read_database(line, length) : 0;
		if (keys < 0 || sum > INT64_MAX - keys)
			return -1;
		sum += keys;
	}
	return found ? sum : -1;
}
