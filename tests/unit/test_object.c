#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "appliance/object.h"
#include "golden.h"

static void add_slice(struct buf *out, const char *key, struct object_slice slice)
{
	buf_printf(out, "%s=%.*s|", key, (int)slice.length, slice.bytes);
}

static void render(const char *text, size_t length, struct buf *out)
{
	static const char *const properties[] = {"admin-state", "local-address", "gateway-peering", "apic-gw-service", "subscription",
						 "api-probe", "acl", "summary", "peer", "local", "persistence", "user-defined-policies"};
	struct object_dump dump;
	size_t offset = 0;

	while (object_next(text, length, &offset, &dump)) {
		add_slice(out, "class", dump.class_name);
		add_slice(out, "name", dump.name);
		add_slice(out, "state", dump.state);
		buf_printf(out, "%s\n", dump.modified ? "modified" : "");
		for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
			struct object_slice value;

			if (!object_property(&dump, properties[i], &value))
				continue;
			add_slice(out, properties[i], value);
			add_slice(out, "reference", object_reference_name(value));
			buf_add_string(out, "\n");
		}
	}
	buf_add_string(out, "end\n");
}

static void goldens_parse_as_expected(void **state)
{
	(void)state;
	assert_int_equal(golden_run("object", render), 0);
}

static void cuts(const char *text, size_t length, struct buf *out)
{
	golden_cut(render, text, length, out);
}

static void cut_texts_are_harmless(void **state)
{
	(void)state;
	assert_int_equal(golden_walk("object", cuts, 0), 0);
}

static void a_reference_without_a_name_is_empty(void **state)
{
	struct object_slice none = {"  [up]", 6}, bare = {"gwd", 3};

	(void)state;
	assert_int_equal(object_reference_name(none).length, 0);
	assert_int_equal(object_reference_name(bare).length, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_parse_as_expected),
		cmocka_unit_test(cut_texts_are_harmless),
		cmocka_unit_test(a_reference_without_a_name_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
