/* The first byte says how large the pieces are; whatever it says, the lines must be those of one piece. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "watch/split.h"

enum { LINE_MAX_BYTES = 24, SIZE_BYTES = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t take_lines(struct split *split, uint32_t crc)
{
	const char *line;
	size_t length;

	while (split_next(split, &line, &length)) {
		if (length > LINE_MAX_BYTES || memchr(line, '\n', length))
			abort();
		crc = crc32_update(crc32_update(crc, line, length), "\n", 1);
	}
	return crc;
}

/* A checksum over all lines, the unfinished one and the count of long ones. */
static uint32_t run(const uint8_t *data, size_t size, size_t piece)
{
	char memory[SIZE_BYTES];
	struct split split;
	const char *line;
	size_t length;
	uint32_t crc = 0;

	split_init(&split, memory, sizeof memory, LINE_MAX_BYTES);
	while (size > 0) {
		size_t room, count = size < piece ? size : piece;
		char *into = split_room(&split, &room);

		if (room < SIZE_BYTES - LINE_MAX_BYTES)
			abort();
		count = count < room ? count : room;
		memcpy(into, data, count);
		split_added(&split, count);
		data += count;
		size -= count;
		crc = take_lines(&split, crc);
	}
	if (split_rest(&split, &line, &length))
		crc = crc32_update(crc, line, length);
	return crc32_update(crc, &split.long_lines, sizeof split.long_lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && run(data + 1, size - 1, 1 + data[0] % 16) != run(data + 1, size - 1, SIZE_BYTES))
		abort();
	return 0;
}
