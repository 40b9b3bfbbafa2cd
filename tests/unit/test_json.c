/* platform/json: what comes out, byte for byte; what is taken, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "platform/json.h"

static void assert_text(struct json *json, const char *expected)
{
	char *text = json_text(json, false);

	assert_string_equal(text, expected);
	free(text);
	json_free(json);
}

static void builds(void **state)
{
	struct json *object = json_object();
	struct json *rows = json_array();
	struct json *row = json_object();

	(void)state;
	json_set_string(object, "name", "gw1 \"a\"\n");
	json_set_string(object, "grant", NULL);
	json_set_null(object, "hold");
	json_set_bool(object, "open", false);
	json_set_bool(object, "quorum", true);
	json_set_string(row, "link", "ok");
	json_add(rows, row);
	json_add_string(rows, "x");
	json_add_string(rows, NULL);
	json_set(object, "rows", rows);
	assert_text(object, "{\"name\":\"gw1 \\\"a\\\"\\n\",\"grant\":null,\"hold\":null,\"open\":false,\"quorum\":true,"
			    "\"rows\":[{\"link\":\"ok\"},\"x\",null]}");
}

static void prints_integers_exactly(void **state)
{
	struct json *object = json_object();

	(void)state;
	json_set_int(object, "zero", 0);
	json_set_int(object, "odd", INT64_C(9007199254740993));
	json_set_int(object, "max", INT64_MAX);
	json_set_int(object, "min", INT64_MIN);
	assert_text(object, "{\"zero\":0,\"odd\":9007199254740993,\"max\":9223372036854775807,\"min\":-9223372036854775808}");
}

static void sets_again(void **state)
{
	struct json *object = json_object();

	(void)state;
	json_set_int(object, "a", 1);
	json_set_string(object, "a", "2");
	json_set_bool(object, "A", true);
	assert_text(object, "{\"a\":\"2\",\"A\":true}");
}

static void keeps_utf8_and_escapes_the_rest(void **state)
{
	struct json *array = json_array();

	(void)state;
	json_add_string(array, "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80 a\\b");
	json_add_string(array, "bad \xff\\");
	json_add_string(array, "cut \xe2\x82");
	json_add_string(array, "surrogate \xed\xa0\x80");
	json_add_string(array, "overlong \xc0\xaf \xe0\x80\xaf");
	json_add_string(array, "csi \xc2\x9b");
	json_add_string(array, "esc \x1b[");
	assert_text(array, "[\"Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80 a\\\\b\",\"bad \\\\xff\\\\\\\\\",\"cut \\\\xe2\\\\x82\","
			   "\"surrogate \\\\xed\\\\xa0\\\\x80\",\"overlong \\\\xc0\\\\xaf \\\\xe0\\\\x80\\\\xaf\",\"csi \\\\xc2\\\\x9b\","
			   "\"esc \\u001b[\"]");
}

static void indents(void **state)
{
	struct json *object = json_object();
	char *text;

	(void)state;
	json_set_int(object, "a", 1);
	text = json_text(object, true);
	assert_non_null(strchr(text, '\n'));
	free(text);
	json_free(object);
	json_free(NULL);
}

/* ---- reading ---- */

/* In memory of exactly its size: no NUL behind it, and a sanitizer sees a byte read too far. */
static struct json *parse_bytes(const char *text, size_t count, struct error *error)
{
	char *exact = malloc(count > 0 ? count : 1);
	struct json *json;

	memcpy(exact, text, count);
	error_clear(error);
	json = json_parse(exact, count, error);
	free(exact);
	if ((json != NULL) != (error->code == ERROR_NONE) || (!json && error->code != ERROR_ANSWER))
		fail_msg("%.*s: error %d", (int)count, text, error->code);
	return json;
}

static struct json *parse(const char *text)
{
	struct error error;

	return parse_bytes(text, strlen(text), &error);
}

static void reads(void **state)
{
	struct json *json = parse(" {\"a\":\"x\\u00fc\\n\",\"n\":-42,\"t\":true,\"z\":null,\"l\":[1,\"two\",{}]} \r\n\t");
	struct json *copy;
	int64_t number;
	bool flag;

	(void)state;
	assert_true(json && json_is_object(json) && !json_is_array(json));
	assert_string_equal(json_string(json_get(json, "a")), "x\xc3\xbc\n");
	assert_true(json_int(json_get(json, "n"), &number) && number == -42);
	assert_true(json_bool(json_get(json, "t"), &flag) && flag);
	assert_null(json_get(json, "z"));
	assert_null(json_get(json, "A"));
	assert_true(json_is_array(json_get(json, "l")));
	assert_string_equal(json_string(json_at(json_get(json, "l"), 1)), "two");
	assert_null(json_at(json_get(json, "l"), 3));
	assert_string_equal(json_key(json_at(json, 4)), "l");
	assert_null(json_key(json_at(json_get(json, "l"), 0)));
	assert_null(json_get(json_get(json, "l"), "a"));
	assert_null(json_at(json_get(json, "n"), 0));
	assert_false(json_bool(json_get(json, "n"), &flag) || json_int(json_get(json, "t"), &number) || json_int(json_get(json, "a"), &number));
	copy = json_copy(json_get(json, "l"));
	json_free(json);
	assert_text(copy, "[1,\"two\",{}]");
}

static void nothing_is_not_there(void **state)
{
	int64_t number;
	bool flag;

	(void)state;
	assert_null(json_get(NULL, "a"));
	assert_null(json_at(NULL, 0));
	assert_null(json_key(NULL));
	assert_null(json_string(NULL));
	assert_false(json_is_object(NULL) || json_is_array(NULL) || json_int(NULL, &number) || json_bool(NULL, &flag));
	assert_text(json_copy(NULL), "null");
}

static void numbers_are_whole_and_exact(void **state)
{
	static const struct {
		const char *text;
		bool whole;
		int64_t value;
	} cases[] = {
		{"0", true, 0}, {"-0", true, 0}, {"5", true, 5}, {"1e3", true, 1000}, {"2.0", true, 2}, {"2.5", false, 0}, {"1e400", false, 0}, {"-1e400", false, 0},
		{"9007199254740991", true, INT64_C(9007199254740991)}, {"-9007199254740991", true, -INT64_C(9007199254740991)},
		{"9007199254740992", false, 0}, {"9007199254740993", false, 0}, /* a double cannot tell these two apart */
		{"-9007199254740993", false, 0}, {"9223372036854775807", false, 0}, {"18446744073709551617", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct json *json = parse(cases[i].text);
		int64_t value = 7;
		bool whole = json_int(json, &value);

		if (whole != cases[i].whole || (whole && value != cases[i].value))
			fail_msg("%s: %d, %lld", cases[i].text, whole, (long long)value);
		json_free(json);
	}
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		"", " ", "{", "}", "{}}", "{} {}", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "{'a':1}", "nul", "truefalse", "\"open", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
		"\"\\udc00\"", "\"\\ud800\\u0041\"", "1 2", "//", "{\"a\":1}//", "\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xc2\x9b\"", "\"\x7f\"", "{\"\xff\":1}",
		"{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"\\u0061\":3}", "[{\"k\":{\"a\":1,\"a\":2}}]", "\"a\\u0000b\"", "\"\\\\\\u0000\"", "{\"a\\u0000\":1}",
	};
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse(bad[i]))
			fail_msg("taken: %s", bad[i]);
	assert_null(parse_bytes("{}\0", 3, &error));
	assert_null(parse_bytes("\"a\0b\"", 5, &error));
	assert_null(parse_bytes("{\"a\":\"1\"}", 8, &error)); /* cut off */
	json_free(parse("{\"a\":1,\"A\":1,\"b\":{\"a\":1}}"));
}

/* A backslash and then u0000 is six letters, not a NUL: a line of a log may hold them, and is shown all the same. */
static void an_escaped_backslash_is_no_nul(void **state)
{
	struct json *object = json_object(), *back;
	char *text;

	(void)state;
	json_set_string(object, "line", "GET /\\u0000 \\\\u0000");
	text = json_text(object, false);
	json_free(object);
	back = parse(text);
	free(text);
	assert_non_null(back);
	assert_string_equal(json_string(json_get(back, "line")), "GET /\\u0000 \\\\u0000");
	json_free(back);
}

static void depth_has_a_limit(void **state)
{
	char text[4 * JSON_DEPTH_MAX + 64];

	(void)state;
	for (int depth = 1; depth <= JSON_DEPTH_MAX + 1; depth++) {
		struct json *json;

		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		text[2 * depth] = '\0';
		json = parse(text);
		assert_int_equal(json != NULL, depth <= JSON_DEPTH_MAX);
		json_free(json);
	}
	memset(text, '[', 4 * JSON_DEPTH_MAX); /* in a string they are letters */
	text[0] = text[4 * JSON_DEPTH_MAX - 1] = '"';
	text[4 * JSON_DEPTH_MAX] = '\0';
	json_free(parse(text));
	assert_null(parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""));
}

/* Comparing all keys with each other takes the square of their number: whoever sends us thousands must not hold us up. */
static void keys_have_a_limit(void **state)
{
	static char text[16 * JSON_KEYS_MAX];

	(void)state;
	for (unsigned count = JSON_KEYS_MAX - 1; count <= JSON_KEYS_MAX + 1; count++) {
		size_t length = 0;
		struct json *json;

		for (unsigned i = 0; i < count; i++)
			length += (size_t)snprintf(text + length, sizeof text - length, "%s\"k%u\":0", i ? "," : "{", i);
		(void)snprintf(text + length, sizeof text - length, "}");
		json = parse(text);
		assert_int_equal(json != NULL, count <= JSON_KEYS_MAX);
		json_free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builds), cmocka_unit_test(prints_integers_exactly), cmocka_unit_test(sets_again),
		cmocka_unit_test(keeps_utf8_and_escapes_the_rest), cmocka_unit_test(indents),
		cmocka_unit_test(reads), cmocka_unit_test(nothing_is_not_there), cmocka_unit_test(numbers_are_whole_and_exact), cmocka_unit_test(refuses),
		cmocka_unit_test(an_escaped_backslash_is_no_nul), cmocka_unit_test(depth_has_a_limit), cmocka_unit_test(keys_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
