#include "appliance/facts.h"

#include <string.h>
#include <strings.h>

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
