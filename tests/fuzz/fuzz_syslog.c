/* The first byte says how large the pieces are; whatever it says, the messages and lines must be those of large pieces. A line that is handed out is one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "watch/syslog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct syslog_frames frames;
static char out[SYSLOG_MESSAGE_MAX_BYTES];

static uint32_t take(const char *message, size_t length, uint32_t crc)
{
	struct line parsed, again;
	const char *line;
	size_t line_bytes;

	if (length == 0 || length > SYSLOG_MESSAGE_MAX_BYTES)
		abort();
	crc = crc32_update(crc32_update(crc, message, length), "\n", 1);
	if (!syslog_line(message, length, out, &line, &line_bytes, &parsed))
		return crc;
	if (line_bytes > SYSLOG_LINE_MAX_BYTES || !line_parse(line, line_bytes, &again) || again.code != parsed.code || again.time_ms != parsed.time_ms)
		abort();
	return crc32_update(crc, line, line_bytes);
}

static uint32_t run(const uint8_t *data, size_t size, size_t piece)
{
	const char *message;
	size_t length;
	uint32_t crc = 0;

	syslog_frames_init(&frames);
	while (size > 0) {
		size_t room, count = size < piece ? size : piece;
		char *into = syslog_frames_room(&frames, &room);

		if (room < 8192)
			abort();
		memcpy(into, data, count);
		syslog_frames_added(&frames, count);
		data += count;
		size -= count;
		while (syslog_frames_next(&frames, &message, &length))
			crc = take(message, length, crc);
	}
	if (syslog_frames_rest(&frames, &message, &length))
		crc = take(message, length, crc);
	return crc32_update(crc, &frames.long_messages, sizeof frames.long_messages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && run(data + 1, size - 1, 1 + data[0] % 32) != run(data + 1, size - 1, 8192))
		abort();
	return 0;
}
