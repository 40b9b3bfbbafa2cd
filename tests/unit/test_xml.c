#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "platform/xml.h"

static char memory[8192];
static struct buf seen;
static const char *stop_at;

static int on_start(void *context, const char *name, const char *const *attributes)
{
	buf_printf(&seen, "<%s", name);
	for (; attributes[0]; attributes += 2)
		buf_printf(&seen, " %s=%s", attributes[0], attributes[1]);
	buf_add_string(&seen, ">");
	return stop_at && strcmp(stop_at, name) == 0;
}

static int on_text(void *context, const char *bytes, size_t count)
{
	return buf_add(&seen, bytes, count);
}

static int on_end(void *context, const char *name)
{
	return buf_printf(&seen, "</%s>", name);
}

static const struct xml_functions functions = {on_start, on_text, on_end};

static int read_in_pieces(const char *text, size_t piece, struct error *error)
{
	struct xml *xml = xml_open(&functions, NULL);
	size_t length = strlen(text);
	int status = 0;

	*error = (struct error){0};
	buf_init(&seen, memory, sizeof memory);
	while (status == 0 && length > 0) {
		size_t count = piece < length ? piece : length;

		status = xml_input(xml, text, count, 0, error);
		text += count;
		length -= count;
	}
	if (status == 0)
		status = xml_input(xml, NULL, 0, 1, error);
	xml_close(xml);
	return status;
}

static void reads(const char *text, const char *expected)
{
	struct error error;

	for (size_t piece = 1; piece < 100; piece = piece * 2 + 1) {
		assert_int_equal(read_in_pieces(text, piece, &error), 0);
		assert_string_equal(seen.data, expected);
	}
}

static void refuses(const char *text, const char *words)
{
	struct error error;

	for (size_t piece = 1; piece < 100; piece = piece * 2 + 1) {
		assert_int_equal(read_in_pieces(text, piece, &error), -1);
		assert_int_equal(error.code, ERROR_ANSWER);
		if (!strstr(error.what, words))
			fail_msg("\"%s\" is not in: %s", words, error.what);
		assert_true(error.next[0]);
	}
}

static void names_are_local(void **state)
{
	reads("<a:x xmlns:a='u' xmlns='v' a:k='1' j='2'><b:y/></a:x>", "<x k=1 j=2><y></y></x>");
	reads("<?xml version='1.0' encoding='UTF-8'?><!-- c --><x>1&lt;2 &#65;<![CDATA[<&>]]><?p i?></x>\n", "<x>1<2 A<&></x>");
	reads("<?xml version='1.0' encoding='ISO-8859-1'?><x>\xe4</x>", "<x>\xc3\xa4</x>");
}

static void what_is_no_xml_is_refused(void **state)
{
	refuses("", "no element found");
	refuses("<x>", "no element found");
	refuses("<x><y></x>", "mismatched tag");
	refuses("<x>&nbsp;</x>", "undefined entity");
	refuses("<x/><y/>", "junk after document element");
	refuses("<x>\xff</x>", "not well-formed");
	refuses("<?xml version='1.0' encoding='EBCDIC'?><x/>", "unknown encoding");
}

static void a_document_type_is_refused(void **state)
{
	refuses("<!DOCTYPE x><x/>", "document type");
	refuses("<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "document type");
	refuses("<!DOCTYPE l [<!ENTITY a 'b'><!ENTITY c '&a;&a;&a;'>]><l>&c;</l>", "document type");
	assert_string_equal(seen.data, "");
}

static void depth_names_and_attributes_have_limits(void **state)
{
	char text[XML_NAME_BYTES + 1200] = "";

	for (int i = 0; i < XML_DEPTH_MAX; i++)
		strcat(text, "<x>");
	strcat(text, "<y/>");
	refuses(text, "nested too deeply");
	memset(text, 'n', XML_NAME_BYTES + 1);
	text[0] = '<';
	strcpy(text + XML_NAME_BYTES + 1, "/>");
	refuses(text, "a name is too long");
	strcpy(text, "<x xmlns:q='u'");
	for (int i = 0; i < XML_ATTRIBUTES_MAX; i++)
		sprintf(text + strlen(text), " a%d=''", i);
	strcpy(text + strlen(text), "/>");
	assert_int_equal(read_in_pieces(text, 50, &(struct error){0}), 0);
	strcpy(text + strlen(text) - 2, " z=''/>");
	refuses(text, "too many attributes");
}

/* A tag that never ends must not fill the memory. */
static void a_tag_has_a_limit(void **state)
{
	struct xml *xml = xml_open(&functions, NULL);
	static char piece[16384];
	struct error error = {0};
	int pieces = 0;

	memset(piece, 'a', sizeof piece);
	buf_init(&seen, memory, sizeof memory);
	assert_int_equal(xml_input(xml, "<x a='", 6, 0, &error), 0);
	while (xml_input(xml, piece, sizeof piece, 0, &error) == 0)
		assert_true(++pieces < 100);
	assert_non_null(strstr(error.what, "longer than"));
	assert_int_equal(xml_input(xml, "'/>", 3, 0, &(struct error){0}), -1);
	xml_close(xml);
}

static int ignore_start(void *context, const char *name, const char *const *attributes)
{
	return 0;
}

static int ignore_text(void *context, const char *bytes, size_t count)
{
	return 0;
}

static int ignore_end(void *context, const char *name)
{
	return 0;
}

/* The parser keeps every name it has met: names without end must not take memory without end. */
static void memory_has_a_limit(void **state)
{
	static const struct xml_functions ignore = {ignore_start, ignore_text, ignore_end};
	struct xml *xml = xml_open(&ignore, NULL);
	struct error error = {0};
	char tag[32];
	int names = 0;

	assert_int_equal(xml_input(xml, "<x>", 3, 0, &error), 0);
	for (int status = 0; status == 0; names++) {
		snprintf(tag, sizeof tag, "<a%d/>", names);
		status = xml_input(xml, tag, strlen(tag), 0, &error);
		assert_true(names < 1000000);
	}
	assert_int_equal(error.code, ERROR_ANSWER);
	assert_non_null(strstr(error.what, "memory"));
	assert_true(names > 1000); /* no honest answer comes near */
	xml_close(xml);
	xml = xml_open(&ignore, NULL); /* and it is all given back */
	assert_int_equal(xml_input(xml, "<x/>", 4, 1, &(struct error){0}), 0);
	xml_close(xml);
}

static void a_function_can_stop(void **state)
{
	struct error error;

	stop_at = "y";
	assert_int_equal(read_in_pieces("<x><y/><z/></x>", 100, &error), -1);
	assert_int_equal(error.code, ERROR_NONE);
	assert_string_equal(seen.data, "<x><y>");
	stop_at = NULL;
	xml_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_local),
		cmocka_unit_test(what_is_no_xml_is_refused),
		cmocka_unit_test(a_document_type_is_refused),
		cmocka_unit_test(depth_names_and_attributes_have_limits),
		cmocka_unit_test(a_tag_has_a_limit),
		cmocka_unit_test(memory_has_a_limit),
		cmocka_unit_test(a_function_can_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
