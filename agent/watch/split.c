#include "watch/split.h"

#include <assert.h>
#include <string.h>

void split_init(struct split *split, char *memory, size_t size_bytes, size_t line_max_bytes)
{
	assert(size_bytes > line_max_bytes);
	*split = (struct split){.data = memory, .size = size_bytes, .line_max = line_max_bytes};
}

void split_reset(struct split *split)
{
	split->begin = split->end = split->scanned = 0;
	split->mode = SPLIT_LINES;
}

char *split_room(struct split *split, size_t *room_bytes)
{
	if (split->begin > 0) {
		memmove(split->data, split->data + split->begin, split->end - split->begin);
		split->end -= split->begin;
		split->begin = 0;
	}
	*room_bytes = split->size - split->end;
	return split->data + split->end;
}

void split_added(struct split *split, size_t count_bytes)
{
	assert(count_bytes <= split->size - split->end);
	split->end += count_bytes;
}

enum { WORD_BYTES = sizeof(uint64_t), BLOCK_BYTES = 4 * WORD_BYTES };

/* Not 0 when one of eight bytes is a line end: its bit 7. Bits of bytes above it may be set as well. The lowest byte is the one that comes first. */
static inline __attribute__((always_inline)) uint64_t line_ends(const char *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		word = __builtin_bswap64(word);
	word ^= UINT64_C(0x0a0a0a0a0a0a0a0a);
	return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

/* memchr() for a line end. The C library of the shipped executable takes one word after the other, which alone costs as much as all else that is done
 * with a line of a busy log. */
static const char *find_line_end(const char *bytes, size_t count_bytes)
{
	const char *end = bytes + count_bytes;

	for (; end - bytes >= BLOCK_BYTES; bytes += BLOCK_BYTES)
		if (line_ends(bytes) | line_ends(bytes + WORD_BYTES) | line_ends(bytes + 2 * WORD_BYTES) | line_ends(bytes + 3 * WORD_BYTES))
			break;
	for (; end - bytes >= WORD_BYTES; bytes += WORD_BYTES) {
		uint64_t ends = line_ends(bytes);

		if (ends)
			return bytes + (unsigned)__builtin_ctzll(ends) / 8;
	}
	return memchr(bytes, '\n', (size_t)(end - bytes));
}

static size_t without_cr(const char *line, size_t length_bytes)
{
	while (length_bytes > 0 && line[length_bytes - 1] == '\r')
		length_bytes--;
	return length_bytes;
}

static void skip_nul(struct split *split)
{
	while (split->mode == SPLIT_LINES && split->scanned == 0 && split->begin < split->end && split->data[split->begin] == '\0')
		split->begin++;
}

/* No line end in what is there: remember that, and give up a line that is too long already. */
static void note_unfinished(struct split *split)
{
	split->scanned = split->end - split->begin;
	if (split->mode == SPLIT_LINES && split->scanned > split->line_max) {
		split->long_lines++;
		split->mode = SPLIT_DROPPING;
	}
	if (split->mode == SPLIT_DROPPING) {
		split->begin = split->end;
		split->scanned = 0;
	}
}

bool split_next(struct split *split, const char **line, size_t *length_bytes)
{
	for (;;) {
		enum split_mode mode = split->mode;
		const char *end;

		skip_nul(split);
		end = split->end - split->begin == split->scanned ?
			      NULL :
			      find_line_end(split->data + split->begin + split->scanned, split->end - split->begin - split->scanned);
		if (!end) {
			note_unfinished(split);
			return false;
		}
		*line = split->data + split->begin;
		*length_bytes = (size_t)(end - *line);
		split->begin += *length_bytes + 1;
		split->scanned = 0;
		split->mode = SPLIT_LINES;
		if (mode == SPLIT_DROPPING)
			continue;
		if (*length_bytes > split->line_max) {
			split->long_lines++;
			continue;
		}
		*length_bytes = without_cr(*line, *length_bytes);
		return true;
	}
}

bool split_peek(const struct split *split, const char **line, size_t *length_bytes)
{
	if (split->mode != SPLIT_LINES || split->begin == split->end)
		return false;
	*line = split->data + split->begin;
	*length_bytes = without_cr(*line, split->end - split->begin);
	return true;
}

bool split_rest(struct split *split, const char **line, size_t *length_bytes)
{
	bool there = split_peek(split, line, length_bytes);

	split->begin = split->end;
	split->scanned = 0;
	split->mode = SPLIT_LINES;
	return there;
}

void split_drop_line(struct split *split)
{
	split->begin = split->end;
	split->scanned = 0;
	split->mode = SPLIT_DROPPING;
}

size_t split_pending(const struct split *split)
{
	return split->end - split->begin;
}
