/* base/der: lengths of one, two and three bytes, elements in elements, and what does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/der.h"

static char memory[70000];
static struct buf buf;

static const unsigned char *bytes(void)
{
	return (const unsigned char *)buf.data;
}

/* An OCTET STRING of COUNT bytes inside a SEQUENCE: both heads, and every byte of the content. */
static void check_length(size_t count, const unsigned char *head, size_t head_bytes)
{
	unsigned char *content = malloc(count + 1);
	size_t opened;

	for (size_t i = 0; i < count; i++)
		content[i] = (unsigned char)(i * 7 + 1);
	buf_init(&buf, memory, sizeof memory);
	opened = der_open(&buf, DER_SEQUENCE);
	der_add(&buf, DER_OCTET_STRING, content, count);
	der_close(&buf, opened);
	assert_false(buf.overflow);
	assert_int_equal(buf.len, head_bytes + count);
	assert_memory_equal(bytes(), head, head_bytes);
	assert_memory_equal(bytes() + head_bytes, content, count);
	free(content);
}

static void writes_lengths(void **state)
{
	static const unsigned char none[] = {0x30, 2, 4, 0}, l125[] = {0x30, 127, 4, 125}, l126[] = {0x30, 0x81, 128, 4, 126}, l127[] = {0x30, 0x81, 129, 4, 127},
				   l128[] = {0x30, 0x81, 131, 4, 0x81, 128}, l252[] = {0x30, 0x81, 255, 4, 0x81, 252}, l253[] = {0x30, 0x82, 1, 0, 4, 0x81, 253},
				   l256[] = {0x30, 0x82, 1, 4, 4, 0x82, 1, 0}, most[] = {0x30, 0x82, 0xff, 0xff, 4, 0x82, 0xff, 0xfb};

	(void)state;
	check_length(0, none, sizeof none);
	check_length(125, l125, sizeof l125);
	check_length(126, l126, sizeof l126);
	check_length(127, l127, sizeof l127);
	check_length(128, l128, sizeof l128);
	check_length(252, l252, sizeof l252);
	check_length(253, l253, sizeof l253);
	check_length(256, l256, sizeof l256);
	check_length(0xfffb, most, sizeof most);
}

static void refuses_what_does_not_fit(void **state)
{
	char *content = calloc(1, 0x10000);
	size_t opened;

	(void)state;
	buf_init(&buf, memory, sizeof memory);
	der_add(&buf, DER_OCTET_STRING, content, 0x10000);
	assert_true(buf.overflow);
	for (size_t room = 1; room < 136; room++) { /* 30 81 83, 04 81 80, 128 bytes, and a NUL */
		char *small = malloc(room);

		buf_init(&buf, small, room);
		opened = der_open(&buf, DER_SEQUENCE);
		der_add(&buf, DER_OCTET_STRING, content, 128);
		der_close(&buf, opened);
		assert_int_equal(buf.overflow, room < 135);
		free(small);
	}
	free(content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(writes_lengths), cmocka_unit_test(refuses_what_does_not_fit)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
