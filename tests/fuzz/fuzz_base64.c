/* The first byte says where the text is split; the result must be that of one piece, and encode to the same text without white space. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t run(const char *text, size_t size, size_t split, unsigned char *out, int *complete)
{
	struct base64_decoder decoder;
	int64_t first, second;

	base64_decoder_init(&decoder);
	first = base64_decode(&decoder, text, split, out);
	if (first < 0)
		return -1;
	if ((size_t)first > (split + 3) / 4 * 3)
		abort();
	second = base64_decode(&decoder, text + split, size - split, out + first);
	*complete = base64_decoder_complete(&decoder);
	return second < 0 ? -1 : first + second;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	unsigned char *whole, *pieces;
	int complete = 0, again = 0;
	int64_t a, b;

	if (size == 0)
		return 0;
	size--;
	whole = malloc((size + 3) / 4 * 3 + 1);
	pieces = malloc((size + 3) / 4 * 3 + 4);
	a = run(text, size, 0, whole, &complete);
	b = run(text, size, data[0] < size ? data[0] : size, pieces, &again);
	if (a != b || (a >= 0 && (complete != again || memcmp(whole, pieces, (size_t)a) != 0)))
		abort();
	if (a >= 0 && complete) {
		char *encoded = malloc(BASE64_TEXT_BYTES((size_t)a)), *at = base64_encode(encoded, whole, (size_t)a);

		for (size_t i = 0; i < size; i++)
			if (!strchr(" \t\r\n", text[i]) && text[i] != *at++)
				abort();
		if (*at != '\0')
			abort();
		free(encoded);
	}
	free(whole);
	free(pieces);
	return 0;
}
