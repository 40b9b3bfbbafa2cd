#include "watch/mark.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

char *mark_format(const struct mark *mark, char out[MARK_TEXT_BYTES])
{
	(void)snprintf(out, MARK_TEXT_BYTES, "v1:%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%" PRIu32 ":%08" PRIx32 ":%" PRIu32 ":%08" PRIx32,
		       mark->device, mark->inode, mark->offset, mark->fingerprint_bytes, mark->fingerprint, mark->tail_bytes,
		       mark->tail);
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

int mark_parse(const char *text, size_t text_bytes, struct mark *mark)
{
	struct mark found;
	uint64_t fingerprint_bytes, tail_bytes;
	char again[MARK_TEXT_BYTES];
	size_t at = 3;

	if (!text_starts(text, text_bytes, "v1:") || !take_number(text, text_bytes, &at, UINT64_MAX, &found.device) ||
	    !take_number(text, text_bytes, &at, UINT64_MAX, &found.inode) ||
	    !take_number(text, text_bytes, &at, UINT64_MAX, &found.offset) ||
	    !take_number(text, text_bytes, &at, MARK_FINGERPRINT_MAX_BYTES, &fingerprint_bytes) ||
	    !take_crc(text, text_bytes, &at, &found.fingerprint) ||
	    !take_number(text, text_bytes, &at, MARK_TAIL_MAX_BYTES, &tail_bytes) || !take_crc(text, text_bytes, &at, &found.tail))
		return -1;
	if (fingerprint_bytes > found.offset || tail_bytes > found.offset)
		return -1;
	found.fingerprint_bytes = (uint32_t)fingerprint_bytes;
	found.tail_bytes = (uint32_t)tail_bytes;

	/* Written again it must be the same word: that refuses leading zeros, missing fields and bytes behind it in one go. */
	if (!text_equal(text, text_bytes, mark_format(&found, again)))
		return -1;
	*mark = found;
	return 0;
}
