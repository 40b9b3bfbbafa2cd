/* The telnet codec takes foreign bytes. Whatever they are, all splits must give the same data and answers, within the sizes that
 * telnet_codec.h promises. The first two bytes of the input choose the split. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/telnet_codec.h"

enum { INPUT_MAX_BYTES = 4096 };

struct side {
	struct telnet_codec codec;
	struct buf data, answers;
	char data_memory[INPUT_MAX_BYTES + 1], answers_memory[3 * INPUT_MAX_BYTES + 1];
};

static struct side whole, split;

static void side_init(struct side *s)
{
	telnet_codec_init(&s->codec);
	buf_init(&s->data, s->data_memory, sizeof s->data_memory);
	buf_init(&s->answers, s->answers_memory, sizeof s->answers_memory);
}

static void feed(struct side *s, const uint8_t *bytes, size_t count)
{
	size_t data = s->data.len, answers = s->answers.len;

	if (telnet_codec_input(&s->codec, bytes, count, &s->data, &s->answers) != 0)
		abort();
	if (s->data.len - data > count || s->answers.len - answers > 3 * count)
		abort();
}

static void check_output(const uint8_t *bytes, size_t count)
{
	static char memory[2 * INPUT_MAX_BYTES + 1];
	struct buf wire;

	buf_init(&wire, memory, sizeof memory);
	if (telnet_codec_output(bytes, count, &wire) != 0 || wire.len < count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	size_t step, first;

	if (count < 2 || count > INPUT_MAX_BYTES)
		return 0;
	step = bytes[0] % 16U + 1;
	first = bytes[1] % step;
	bytes += 2;
	count -= 2;
	side_init(&whole);
	side_init(&split);
	feed(&whole, bytes, count);
	if (first > count)
		first = count;
	feed(&split, bytes, first);
	for (size_t at = first; at < count; at += step)
		feed(&split, bytes + at, count - at < step ? count - at : step);
	if (whole.data.len != split.data.len || memcmp(whole.data.data, split.data.data, whole.data.len) != 0)
		abort();
	if (whole.answers.len != split.answers.len || memcmp(whole.answers.data, split.answers.data, whole.answers.len) != 0)
		abort();
	if (memcmp(&whole.codec, &split.codec, sizeof whole.codec) != 0)
		abort();
	check_output(bytes, count);
	return 0;
}
