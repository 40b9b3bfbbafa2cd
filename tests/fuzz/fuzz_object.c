#include <stdint.h>
#include <stdlib.h>

#include "appliance/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct object_slice slice, const char *text, size_t size)
{
	if (slice.bytes < text || slice.length > size || slice.bytes + slice.length > text + size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct object_dump dump;
	size_t offset = 0, before = 0;

	while (object_next(text, size, &offset, &dump)) {
		struct object_slice value;

		if (offset <= before || offset > size)
			abort();
		before = offset;
		check_inside(dump.class_name, text, size);
		check_inside(dump.name, text, size);
		check_inside(dump.state, text, size);
		check_inside(dump.body, text, size);
		if (object_property(&dump, "local-address", &value)) {
			check_inside(value, text, size);
			check_inside(object_reference_name(value), text, size);
		}
	}
	return 0;
}
