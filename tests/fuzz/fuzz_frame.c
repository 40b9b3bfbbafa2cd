/* A datagram: what is taken must encode to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char field[64], *out;
	struct frame frame;

	if (!frame_decode((const char *)data, size, &frame))
		return 0;
	out = malloc(size);
	if (frame_encode(&frame, out, size) != size || memcmp(out, data, size) != 0)
		abort();
	free(out);
	for (unsigned i = 0; i < FRAME_FIELDS_MAX; i++)
		if (frame_field_copy(&frame, i, field, sizeof field) && (i >= frame.field_count || !frame_field_is(&frame, i, field)))
			abort();
	return 0;
}
