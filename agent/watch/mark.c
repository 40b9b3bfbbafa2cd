#include "watch/mark.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* MARK_TIME: the words for its kinds of time. */
static const char *const time_words[] = {[LINE_TIME_ZULU] = "zulu", [LINE_TIME_SYSLOG] = "syslog", [LINE_TIME_NUMERIC] = "numeric"};

enum { TIME_WORDS = sizeof time_words / sizeof time_words[0] };

/* What a place by bytes has in common, whatever it is a place in. */
static void format_bytes(const struct mark *mark, char out[MARK_TEXT_BYTES], int at)
{
	(void)snprintf(out + at, (size_t)(MARK_TEXT_BYTES - at), "%" PRIu64 ":%" PRIu32 ":%08" PRIx32 ":%" PRIu32 ":%08" PRIx32, mark->offset,
		       mark->fingerprint_bytes, mark->fingerprint, mark->tail_bytes, mark->tail);
}

bool mark_is_absence(const struct mark *mark)
{
	return mark->kind == MARK_FILE && mark->device == 0 && mark->inode == 0 && mark->offset == 0;
}

char *mark_format(const struct mark *mark, char out[MARK_TEXT_BYTES])
{
	switch (mark->kind) {
	case MARK_SNAPSHOT:
		format_bytes(mark, out, snprintf(out, MARK_TEXT_BYTES, "x1:%08" PRIx32 ":", (uint32_t)mark->inode));
		break;
	case MARK_TIME:
		assert(mark->time_kind > LINE_TIME_NONE && (size_t)mark->time_kind < sizeof time_words / sizeof time_words[0] && mark->time_ms >= 0);
		(void)snprintf(out, MARK_TEXT_BYTES, "t1:%s:%" PRId64, time_words[mark->time_kind], mark->time_ms);
		break;
	default:
		format_bytes(mark, out, snprintf(out, MARK_TEXT_BYTES, "v1:%" PRIu64 ":%" PRIu64 ":", mark->device, mark->inode));
		break;
	}
	return out;
}

/* The field at *OFFSET, up to a colon or the end; moves *OFFSET behind the colon. */
static void take_field(const char *text, size_t text_bytes, size_t *offset, const char **field, size_t *length_bytes)
{
	size_t end = *offset;

	while (end < text_bytes && text[end] != ':')
		end++;
	*field = text + *offset;
	*length_bytes = end - *offset;
	*offset = end < text_bytes ? end + 1 : end;
}

static bool take_number(const char *text, size_t text_bytes, size_t *offset, uint64_t max, uint64_t *value)
{
	const char *field;
	size_t length;
	unsigned long long number;

	take_field(text, text_bytes, offset, &field, &length);
	if (!text_to_unsigned(field, length, max, &number))
		return false;
	*value = number;
	return true;
}

static bool take_crc(const char *text, size_t text_bytes, size_t *offset, uint32_t *value)
{
	const char *field;
	size_t length;

	take_field(text, text_bytes, offset, &field, &length);
	if (length != 8)
		return false;
	*value = 0;
	for (size_t i = 0; i < length; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = memchr(digits, field[i], sizeof digits - 1);

		if (!digit)
			return false;
		*value = *value << 4 | (uint32_t)(digit - digits);
	}
	return true;
}

static bool take_bytes(const char *text, size_t text_bytes, size_t at, struct mark *mark)
{
	uint64_t fingerprint_bytes, tail_bytes;

	if (!take_number(text, text_bytes, &at, UINT64_MAX, &mark->offset) ||
	    !take_number(text, text_bytes, &at, MARK_FINGERPRINT_MAX_BYTES, &fingerprint_bytes) ||
	    !take_crc(text, text_bytes, &at, &mark->fingerprint) ||
	    !take_number(text, text_bytes, &at, MARK_TAIL_MAX_BYTES, &tail_bytes) || !take_crc(text, text_bytes, &at, &mark->tail) ||
	    fingerprint_bytes > mark->offset || tail_bytes > mark->offset)
		return false;
	mark->fingerprint_bytes = (uint32_t)fingerprint_bytes;
	mark->tail_bytes = (uint32_t)tail_bytes;
	return true;
}

static bool take_time(const char *text, size_t text_bytes, size_t at, struct mark *mark)
{
	const char *word;
	size_t length;
	uint64_t ms;

	take_field(text, text_bytes, &at, &word, &length);
	for (unsigned kind = LINE_TIME_NONE + 1; kind < TIME_WORDS; kind++)
		if (text_equal(word, length, time_words[kind]))
			mark->time_kind = (enum line_time_kind)kind;
	if (mark->time_kind == LINE_TIME_NONE || !take_number(text, text_bytes, &at, INT64_MAX, &ms))
		return false;
	mark->time_ms = (int64_t)ms;
	return true;
}

static bool take_mark(const char *text, size_t text_bytes, struct mark *mark)
{
	size_t at = sizeof "v1:" - 1;
	uint32_t name;

	if (text_starts(text, text_bytes, "v1:"))
		return take_number(text, text_bytes, &at, UINT64_MAX, &mark->device) &&
		       take_number(text, text_bytes, &at, UINT64_MAX, &mark->inode) && take_bytes(text, text_bytes, at, mark);
	if (text_starts(text, text_bytes, "x1:") && take_crc(text, text_bytes, &at, &name)) {
		mark->kind = MARK_SNAPSHOT;
		mark->inode = name;
		return take_bytes(text, text_bytes, at, mark);
	}
	mark->kind = MARK_TIME;
	return text_starts(text, text_bytes, "t1:") && take_time(text, text_bytes, at, mark);
}

int mark_parse(const char *text, size_t text_bytes, struct mark *mark)
{
	struct mark found = {0};
	char again[MARK_TEXT_BYTES];

	/* Written again it must be the same word: that refuses leading zeros, missing fields and bytes behind it in one go. */
	if (!take_mark(text, text_bytes, &found) || !text_equal(text, text_bytes, mark_format(&found, again)))
		return -1;
	*mark = found;
	return 0;
}
