/* The certificates of tests/golden/spki are PEM; what must be found in each stands beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/spki.h"
#include "golden.h"

enum { FLIPS = 4000 };

static const unsigned char v4[] = {127, 0, 0, 1}, v6[16] = {[15] = 1};

/* The bytes between the first two lines that begin with a dash, in memory of exactly their size. */
static unsigned char *from_pem(const char *text, size_t length, size_t *count)
{
	const char *begin = memchr(text, '\n', length), *end;
	struct base64_decoder decoder;
	unsigned char *bytes = malloc(length), *exact;
	int64_t got;

	assert_non_null(begin);
	end = memchr(begin, '-', length - (size_t)(begin - text));
	assert_non_null(end);
	base64_decoder_init(&decoder);
	got = base64_decode(&decoder, begin, (size_t)(end - begin), bytes);
	assert_true(got > 0);
	*count = (size_t)got;
	exact = (unsigned char *)golden_exact((const char *)bytes, *count);
	free(bytes);
	return exact;
}

static void render(const char *text, size_t length, struct buf *out)
{
	size_t count, start, spki_bytes;
	unsigned char *bytes = from_pem(text, length, &count);

	if (spki_find(bytes, count, &start, &spki_bytes))
		(void)buf_printf(out, "spki %zu+%zu\n", start, spki_bytes);
	else
		(void)buf_add_string(out, "no spki\n");
	(void)buf_printf(out, "127.0.0.1 %s\n", spki_names_address(bytes, count, v4, sizeof v4) ? "yes" : "no");
	(void)buf_printf(out, "::1 %s\n", spki_names_address(bytes, count, v6, sizeof v6) ? "yes" : "no");
	free(bytes);
}

/* Cut anywhere it is no certificate any more, and nothing behind the cut is read. */
static void render_truncations(const char *text, size_t length, struct buf *out)
{
	size_t count, start, spki_bytes;
	unsigned char *bytes = from_pem(text, length, &count);

	(void)out;
	for (size_t cut = 0; cut < count; cut++) {
		unsigned char *exact = (unsigned char *)golden_exact((const char *)bytes, cut);

		if (bytes[count - 1] != 0) /* trailing-byte is a certificate without its last */
			assert_false(spki_find(exact, cut, &start, &spki_bytes));
		assert_false(spki_names_address(exact, cut, v4, sizeof v4) && bytes[count - 1] != 0);
		(void)spki_is_for_servers(exact, cut); /* the sanitizers look on */
		free(exact);
	}
	free(bytes);
}

static void render_flips(const char *text, size_t length, struct buf *out)
{
	size_t count, start, spki_bytes;
	unsigned char *bytes = from_pem(text, length, &count);
	uint32_t random = 1;

	(void)out;
	for (int i = 0; i < FLIPS; i++) {
		unsigned bit;

		random = random * 1664525u + 1013904223u;
		bit = (random >> 8) % (unsigned)(count * 8);
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		if (spki_find(bytes, count, &start, &spki_bytes))
			assert_true(start < count && spki_bytes <= count - start);
		(void)spki_names_address(bytes, count, v4, sizeof v4);
		(void)spki_is_for_servers(bytes, count);
		if (i % 4 != 3) /* up to four at once */
			continue;
		free(bytes);
		bytes = from_pem(text, length, &count);
	}
	free(bytes);
}

static void test_golden(void **state)
{
	(void)state;
	assert_int_equal(golden_run("spki", render), 0);
}

static void test_truncations(void **state)
{
	(void)state;
	assert_int_equal(golden_walk("spki", render_truncations, 0), 0);
}

static void test_flips(void **state)
{
	(void)state;
	assert_int_equal(golden_walk("spki", render_flips, 0), 0);
}

/* An address is compared as a whole. */
static void test_addresses(void **state)
{
	static char text[GOLDEN_MAX_BYTES];
	size_t length = golden_read(DRR_TESTS_DIR "/golden/spki/ecdsa-p384-addresses.txt", text), count;
	unsigned char *bytes = from_pem(text, length, &count);
	unsigned char other[] = {192, 0, 2, 1};

	(void)state;
	assert_true(spki_names_address(bytes, count, other, sizeof other));
	other[3] = 2;
	assert_false(spki_names_address(bytes, count, other, sizeof other));
	assert_false(spki_names_address(bytes, count, v4, 3));
	assert_false(spki_names_address(bytes, count, v6, 4));
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
