/* platform/json: what comes out, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builds), cmocka_unit_test(prints_integers_exactly), cmocka_unit_test(sets_again),
		cmocka_unit_test(keeps_utf8_and_escapes_the_rest), cmocka_unit_test(indents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
