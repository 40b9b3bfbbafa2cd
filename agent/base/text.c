#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 sequence (RFC 3629) at P, 0 when it is not one. C1 controls (U+0080..9F) do not count:
 * terminals obey them. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	unsigned char first = p[0];
	unsigned char second = left > 1 ? p[1] : 0;
	size_t need = 0;

	if (first >= 0xc2 && first <= 0xdf)
		need = 2;
	else if (first >= 0xe0 && first <= 0xef)
		need = 3;
	else if (first >= 0xf0 && first <= 0xf4)
		need = 4;
	if (need == 0 || left < need)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((first == 0xc2 && second < 0xa0) || (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
	    (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
		return 0;
	return need;
}

/* Writes the shown form of the character at P to PIECE (at least 5 bytes); returns how many bytes of P it took. */
static size_t show_one(char *piece, const unsigned char *p, size_t left)
{
	size_t wide;

	if (*p >= 0x20 && *p < 0x7f && *p != '\\') {
		piece[0] = (char)*p;
		piece[1] = '\0';
		return 1;
	}
	wide = utf8_length(p, left);
	if (wide > 0) {
		memcpy(piece, p, wide);
		piece[wide] = '\0';
		return wide;
	}
	switch (*p) {
	case '\n': strcpy(piece, "\\n"); break;
	case '\r': strcpy(piece, "\\r"); break;
	case '\t': strcpy(piece, "\\t"); break;
	case '\\': strcpy(piece, "\\\\"); break;
	default: (void)snprintf(piece, 5, "\\x%02x", *p); break;
	}
	return 1;
}

/* How long the shown form of LENGTH bytes is. */
static size_t shown_bytes(const unsigned char *p, size_t length_bytes)
{
	size_t sum = 0;

	while (length_bytes > 0) {
		char piece[8];
		size_t took = show_one(piece, p, length_bytes);

		sum += strlen(piece);
		p += took;
		length_bytes -= took;
	}
	return sum;
}

char *text_escape(char *out, size_t size_bytes, const char *bytes, size_t length_bytes)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t reserve = shown_bytes(p, length_bytes) < size_bytes ? 1 : 4; /* NUL, or "..." and NUL */
	size_t used = 0;

	while (length_bytes > 0) {
		char piece[8];
		size_t took = show_one(piece, p, length_bytes);
		size_t wide = strlen(piece);

		if (used + wide + reserve > size_bytes) {
			memcpy(out + used, "...", 4);
			return out;
		}
		memcpy(out + used, piece, wide);
		used += wide;
		p += took;
		length_bytes -= took;
	}
	out[used] = '\0';
	return out;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void text_trim(const char **start, size_t *length_bytes)
{
	while (*length_bytes > 0 && is_blank(**start)) {
		(*start)++;
		(*length_bytes)--;
	}
	while (*length_bytes > 0 && is_blank((*start)[*length_bytes - 1]))
		(*length_bytes)--;
}

bool text_equal(const char *bytes, size_t length_bytes, const char *string)
{
	return strlen(string) == length_bytes && memcmp(bytes, string, length_bytes) == 0;
}

bool text_starts(const char *bytes, size_t length_bytes, const char *prefix)
{
	size_t wide = strlen(prefix);

	return length_bytes >= wide && memcmp(bytes, prefix, wide) == 0;
}

bool text_ends(const char *bytes, size_t length_bytes, const char *suffix)
{
	size_t wide = strlen(suffix);

	return length_bytes >= wide && memcmp(bytes + length_bytes - wide, suffix, wide) == 0;
}

int text_copy(char *out, size_t size_bytes, const char *bytes, size_t length_bytes)
{
	if (length_bytes >= size_bytes) {
		out[0] = '\0';
		return -1;
	}
	memcpy(out, bytes, length_bytes);
	out[length_bytes] = '\0';
	return 0;
}

bool text_next_line(const char *text, size_t text_bytes, size_t *offset, const char **line, size_t *length_bytes)
{
	const char *start = text + *offset;
	const char *end;

	if (*offset >= text_bytes)
		return false;
	end = memchr(start, '\n', text_bytes - *offset);
	*line = start;
	*length_bytes = end ? (size_t)(end - start) : text_bytes - *offset;
	*offset += *length_bytes + (end ? 1 : 0);
	while (*length_bytes > 0 && start[*length_bytes - 1] == '\r')
		(*length_bytes)--;
	return true;
}

bool text_to_unsigned(const char *bytes, size_t length_bytes, unsigned long long max, unsigned long long *value)
{
	unsigned long long sum = 0;

	if (length_bytes == 0)
		return false;
	for (size_t i = 0; i < length_bytes; i++) {
		unsigned digit = (unsigned)(bytes[i] - '0');

		if (bytes[i] < '0' || bytes[i] > '9' || digit > max || sum > (max - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	*value = sum;
	return true;
}
