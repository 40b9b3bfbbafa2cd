#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"

enum { ROOM = 256 };

/* In memory of exactly the size, so that a read or write behind the end is seen. -1: refused. */
static int64_t decode(const char *text, unsigned char *out)
{
	struct base64_decoder decoder;
	size_t length = strlen(text), room = (length + 3) / 4 * 3;
	char *exact = malloc(length + 1);
	unsigned char *to = malloc(room + 1);
	int64_t count;

	memcpy(exact, text, length);
	base64_decoder_init(&decoder);
	count = base64_decode(&decoder, exact, length, to);
	if (count >= 0 && !base64_decoder_complete(&decoder))
		count = -2;
	if (count > 0)
		memcpy(out, to, (size_t)count);
	free(exact);
	free(to);
	return count;
}

static void test_vectors(void **state)
{
	/* RFC 4648 section 10, and the digits that it leaves out */
	static const char *const pairs[][2] = {
		{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
		{"\xfb\xff\xbf", "+/+/"}, {"\xff", "/w=="},
	};
	char text[ROOM];
	unsigned char bytes[ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		size_t length = strlen(pairs[i][0]);

		assert_ptr_equal(base64_encode(text, pairs[i][0], length), text);
		assert_string_equal(text, pairs[i][1]);
		assert_int_equal(strlen(text) + 1 <= BASE64_TEXT_BYTES(length), 1);
		assert_int_equal(decode(pairs[i][1], bytes), length);
		assert_memory_equal(bytes, pairs[i][0], length);
	}
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"Zg=a", "Z===", "=", "Zg===", "Zg==Zg==", "Zm9vZ!==", "Zm9v\x80", "Zh==", "Zm9=", "Zg=\n=\nZ", "Zm9v-_",
	};
	unsigned char bytes[ROOM];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (decode(texts[i], bytes) != -1)
			fail_msg("\"%s\" was decoded", texts[i]);
	assert_int_equal(decode("Zm9vZ", bytes), -2); /* open */
	assert_int_equal(decode("Zg=", bytes), -2);
	assert_int_equal(decode(" Z m\t9\r\nv\n Z g = =\r\n\r\n", bytes), 4);
	assert_memory_equal(bytes, "foof", 4);
}

/* All 256 byte values in all lengths, and the text in all splits of two and byte by byte. */
static void test_all_splits(void **state)
{
	unsigned char in[ROOM], whole[ROOM * 2];
	char text[BASE64_TEXT_BYTES(ROOM)];

	(void)state;
	for (unsigned i = 0; i < ROOM; i++)
		in[i] = (unsigned char)(i * 7 + 3);
	for (size_t length = 0; length <= ROOM; length += 1 + length / 16) {
		size_t count = strlen(base64_encode(text, in, length));

		for (size_t split = 0; split <= count; split++) {
			struct base64_decoder decoder;
			unsigned char *first = malloc((split + 3) / 4 * 3 + 1), *second = malloc((count - split + 3) / 4 * 3 + 1);
			int64_t a, b;

			base64_decoder_init(&decoder);
			a = base64_decode(&decoder, text, split, first);
			assert_true(a >= 0);
			assert_int_equal(base64_decoder_complete(&decoder), split % 4 == 0);
			b = base64_decode(&decoder, text + split, count - split, second);
			assert_true(b >= 0);
			assert_true(base64_decoder_complete(&decoder));
			memcpy(whole, first, (size_t)a);
			memcpy(whole + a, second, (size_t)b);
			assert_int_equal(a + b, length);
			assert_memory_equal(whole, in, length);
			free(first);
			free(second);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_all_splits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
