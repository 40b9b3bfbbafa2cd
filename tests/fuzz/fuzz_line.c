#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "watch/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(const char *slice, size_t length, const char *text, size_t size)
{
	if (slice < text || length > size || slice + length > text + size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char time[LINE_TIME_BYTES];
	struct line line, again;
	bool parsed = line_parse(text, size, &line);

	line_time_text(text, size, time, sizeof time);
	if (line_event_of(text, size, &again) != (parsed ? line_event(&line) : LINE_OTHER))
		abort();
	if (!parsed)
		return 0;
	if (time[0] == '\0' || line.time_kind == LINE_TIME_NONE)
		abort();
	check_inside(line.domain, line.domain_bytes, text, size);
	check_inside(line.category, line.category_bytes, text, size);
	check_inside(line.level, line.level_bytes, text, size);
	check_inside(line.object_class, line.object_class_bytes, text, size);
	check_inside(line.object_name, line.object_name_bytes, text, size);
	check_inside(line.text, line.text_bytes, text, size);
	return 0;
}
