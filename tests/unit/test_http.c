#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <cmocka.h>

#include "base/text.h"
#include "golden.h"
#include "platform/http.h"

enum { BODY_MAX = 100000 };

static struct http_response response;
static char body[BODY_MAX + 1];
static size_t body_bytes;

static int keep_body(void *context, const char *bytes, size_t count, struct error *error)
{
	assert_true(count > 0 && body_bytes + count <= BODY_MAX);
	memcpy(body + body_bytes, bytes, count);
	body_bytes += count;
	return 0;
}

/* Feeds TEXT in pieces of PIECE bytes, then the end. *USED: what belonged to the response. */
static int feed(const char *text, size_t length, size_t piece, bool clean, size_t *used, struct error *error)
{
	*error = (struct error){0};
	*used = body_bytes = 0;
	http_response_init(&response, BODY_MAX, keep_body, NULL);
	while (*used < length && !response.done) {
		size_t count = piece < length - *used ? piece : length - *used, took;

		if (http_response_input(&response, text + *used, count, &took, error))
			return -1;
		assert_true(took == count || response.done);
		*used += took;
	}
	return response.done ? 0 : http_response_end(&response, clean, error);
}

static void render(const char *text, size_t length, struct buf *out)
{
	static char shown[GOLDEN_MAX_BYTES / 2];
	struct error error;
	size_t used;

	if (feed(text, length, length, true, &used, &error)) {
		buf_printf(out, "status %d, %s: %s\n", response.status, error_name(error.code), error.what);
		return;
	}
	assert_true(response.body_bytes == body_bytes);
	buf_printf(out, "status %d, %s, %zu bytes behind it, body of %zu: %s\n", response.status, response.keep ? "keep" : "close", length - used,
		   body_bytes, text_escape(shown, sizeof shown, body, body_bytes));
}

static void goldens_read_as_expected(void **state)
{
	assert_int_equal(golden_run("http", render), 0);
}

static void splits(const char *text, size_t length, struct buf *out)
{
	static char whole_body[BODY_MAX];
	struct error whole_error, error;
	size_t whole_used, used, whole_bytes;
	int whole = feed(text, length, length, true, &whole_used, &whole_error);
	int status = response.status;

	memcpy(whole_body, body, body_bytes);
	whole_bytes = body_bytes;
	for (size_t piece = 1; piece < 9; piece += 2) {
		assert_int_equal(feed(text, length, piece, true, &used, &error), whole);
		assert_string_equal(error.what, whole_error.what);
		assert_int_equal(response.status, status);
		if (whole == 0) {
			assert_int_equal(used, whole_used);
			assert_true(body_bytes == whole_bytes);
			assert_memory_equal(body, whole_body, body_bytes);
		}
	}
}

static void any_split_gives_the_same(void **state)
{
	assert_int_equal(golden_walk("http", splits, 0), 0);
}

static void cuts(const char *text, size_t length, struct buf *out)
{
	struct error error;
	size_t whole_used, used, step = length > 8192 ? 97 : 1;
	bool until_end;

	if (feed(text, length, length, true, &whole_used, &error))
		return;
	until_end = feed(text, length, length, false, &whole_used, &error) != 0;
	for (size_t cut = 0; cut < whole_used; cut += step) {
		char *exact = golden_exact(text, cut);

		assert_int_equal(feed(exact, cut, cut, false, &used, &error), -1);
		assert_int_equal(error.code, ERROR_LOST);
		assert_true(error.what[0] && error.next[0] && response.failed && !response.done);
		assert_true(until_end || feed(exact, cut, cut, true, &used, &error) == -1);
		free(exact);
	}
}

static void a_cut_answer_is_told(void **state)
{
	assert_int_equal(golden_walk("http", cuts, 0), 0);
}

static bool holds(const void *memory, size_t size, const char *text)
{
	return memmem(memory, size, text, strlen(text)) != NULL;
}

static void credentials_that_come_back_are_wiped(void **state)
{
	static const char secret[] = "YWdlbnQ6c2VjcmV0";
	static const char good[] = "HTTP/1.1 200 Good\r\nAuthorization: Basic YWdlbnQ6c2VjcmV0\r\nContent-Length: 2\r\n\r\nok";
	static const char bad[] = "HTTP/1.1 200 Good\r\nAuthorization: Basic YWdlbnQ6c2VjcmV0\r\nContent-Length: x\r\n\r\nok";
	static const char cut[] = "HTTP/1.1 200 Good\r\nAuthorization: Basic YWdlbnQ6c2VjcmV0";
	static const char broken[] = "HTTP/1.1 200 Good\r\nAuthorization: Basic YWdlbnQ6c2VjcmV0\r\n\x01\r\n\r\n";
	static const struct { const char *text; int result; } cases[] = {{good, 0}, {bad, -1}, {cut, -1}, {broken, -1}};
	struct error error;
	size_t used;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(feed(cases[i].text, strlen(cases[i].text), 11, true, &used, &error), cases[i].result);
		assert_false(holds(&response, sizeof response, secret));
		assert_false(holds(&error, sizeof error, secret));
	}
}

static int refuse(void *context, const char *bytes, size_t count, struct error *error)
{
	return error_set(error, ERROR_CONFIG, NULL, "not wanted");
}

static void a_body_function_can_stop(void **state)
{
	static const char text[] = "HTTP/1.1 200 Good\r\nContent-Length: 2\r\n\r\nok";
	struct error error = {0};
	size_t used;

	http_response_init(&response, BODY_MAX, refuse, NULL);
	assert_int_equal(http_response_input(&response, text, sizeof text - 1, &used, &error), -1);
	assert_string_equal(error.what, "not wanted");
	assert_true(response.failed);
	error_clear(&error);
	assert_int_equal(http_response_input(&response, "x", 1, &used, &error), -1);
	assert_int_equal(error.code, ERROR_ANSWER);
	error_clear(&error);
	assert_int_equal(http_response_end(&response, true, &error), -1);
}

static void a_body_may_be_as_long_as_the_limit(void **state)
{
	static const char head[] = "HTTP/1.1 200 Good\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n";
	struct error error = {0};
	size_t used;

	body_bytes = 0;
	http_response_init(&response, 4, keep_body, NULL);
	assert_int_equal(http_response_input(&response, head, sizeof head - 1, &used, &error), 0);
	assert_int_equal(http_response_input(&response, "1\r\nx", 4, &used, &error), -1);
	assert_string_equal(error.what, "the answer is no HTTP that can be read: its body is longer than the limit of 4 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_read_as_expected),
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(a_cut_answer_is_told),
		cmocka_unit_test(credentials_that_come_back_are_wiped),
		cmocka_unit_test(a_body_function_can_stop),
		cmocka_unit_test(a_body_may_be_as_long_as_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
