#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "platform/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 1 << 20 };

struct sink {
	uint64_t bytes;
	uint32_t crc;
};

struct outcome {
	int result, status;
	bool keep;
	size_t used;
	struct sink sink;
	struct error error;
};

static struct http_response response;

static int take(void *context, const char *bytes, size_t count, struct error *error)
{
	struct sink *sink = context;

	(void)error;
	if (count == 0)
		abort();
	sink->bytes += count;
	sink->crc = crc32_update(sink->crc, bytes, count);
	return 0;
}

/* Whole, or in pieces whose lengths the input itself says. */
static void run(const char *text, size_t size, bool split, struct outcome *out)
{
	memset(out, 0, sizeof *out);
	http_response_init(&response, BODY_MAX, take, &out->sink);
	while (out->used < size && !response.done && out->result == 0) {
		size_t left = size - out->used, took;
		size_t piece = split ? 1 + ((unsigned char)text[out->used] & 15) : left;

		piece = piece < left ? piece : left;
		out->result = http_response_input(&response, text + out->used, piece, &took, &out->error);
		if (took > piece || (out->result == 0 && took < piece && !response.done))
			abort();
		out->used += took;
	}
	if (out->result == 0)
		out->result = http_response_end(&response, true, &out->error);
	out->status = response.status;
	out->keep = response.keep;
	if (out->result ? !response.failed || !out->error.what[0] || !out->error.next[0] : !response.done || response.body_bytes != out->sink.bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, split;
	char *text = malloc(size > 0 ? size : 1); /* exact, so that a read behind the end is seen */

	if (!text)
		return 0;
	memcpy(text, data, size);
	run(text, size, false, &whole);
	run(text, size, true, &split);
	if (whole.result != split.result || whole.status != split.status || whole.keep != split.keep || strcmp(whole.error.what, split.error.what) != 0)
		abort();
	if (whole.result == 0 && (whole.used != split.used || whole.sink.bytes != split.sink.bytes || whole.sink.crc != split.sink.crc))
		abort();
	if (whole.error.code != ERROR_NONE && whole.error.code != ERROR_ANSWER && whole.error.code != ERROR_LOST)
		abort();
	free(text);
	return 0;
}
