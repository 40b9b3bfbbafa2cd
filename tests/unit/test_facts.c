#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <cmocka.h>

#include "appliance/facts.h"
#include "golden.h"

static void render(const char *text, size_t length, struct buf *out)
{
	char firmware[FACTS_FIRMWARE_BYTES], serial[FACTS_SERIAL_BYTES];
	int64_t reload_s, reboot_s;
	bool found = facts_parse_uptime(text, length, &reload_s, &reboot_s);

	buf_printf(out, "uptime %d reload %" PRId64 " reboot %" PRId64 "\n", found, reload_s, reboot_s);
	found = facts_parse_version(text, length, firmware, serial);
	buf_printf(out, "version %d firmware '%s' serial '%s'\n", found, firmware, serial);
	buf_printf(out, "keys %" PRId64 "\n", facts_parse_store_keys(text, length));
}

static void goldens_parse_as_expected(void **state)
{
	(void)state;
	assert_int_equal(golden_run("facts", render), 0);
}

static void cuts(const char *text, size_t length, struct buf *out)
{
	int64_t whole = facts_parse_store_keys(text, length);

	for (size_t cut = 0; cut < length; cut++) {
		char *exact = golden_exact(text, cut);

		buf_reset(out);
		render(exact, cut, out);
		/* A cut text may hide databases that follow, never part of a number. */
		assert_true(whole < 0 || facts_parse_store_keys(exact, cut) <= whole);
		free(exact);
	}
}

static void cut_texts_are_harmless(void **state)
{
	(void)state;
	assert_int_equal(golden_walk("facts", cuts, 0), 0);
}

static void sums_do_not_overflow(void **state)
{
	static const char text[] = "# Keyspace\ndb0:keys=140737488355327,x\ndb1:keys=140737488355327,x\n";
	static const char huge[] = "# Keyspace\ndb0:keys=9223372036854775807,x\n";

	(void)state;
	assert_int_equal(facts_parse_store_keys(text, sizeof text - 1), INT64_C(281474976710654));
	assert_int_equal(facts_parse_store_keys(huge, sizeof huge - 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_parse_as_expected),
		cmocka_unit_test(cut_texts_are_harmless),
		cmocka_unit_test(sums_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
