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

static struct facts_clock clock_of(const char *text)
{
	struct facts_clock clock;
	char *exact = golden_exact(text, strlen(text));
	bool found = facts_parse_clock(exact, strlen(text), &clock);

	assert_int_equal(found, clock.local_ms != 0);
	free(exact);
	return clock;
}

static void clocks(void **state)
{
	static const int64_t ms = INT64_C(1592522619000); /* 2020-06-18T23:23:39Z */
	static const char *const none[] = {
		"", "Local time:", "Local time: x", "Local time: Thu Jun 18 23:23:39", "Local time: Thu Jun 18 23:23 2020", "Local time: Thu Jun 31 23:23:39 2020",
		"Local time: Thu Jux 18 23:23:39 2020", "Local time: Thu Jun 18 24:23:39 2020", "Local time: Jun 18 23:23:39 2020", "Time zone: UTC",
	};

	(void)state;
	assert_int_equal(clock_of("    Local time: Thu Jun 18 23:23:39 2020 UTC\n").utc_ms, ms);
	assert_int_equal(clock_of("Local time: Thu Jun 18 23:23:39 2020\r\n     Time zone: GMT\r\nUptime: reload: 0 days 01:43:14\r\n").utc_ms, ms);
	assert_int_equal(clock_of("Local time: Thu Jun 18 23:23:39 2020 EST\n").utc_ms, 0);
	assert_int_equal(clock_of("Local time: Thu Jun 18 23:23:39 2020 EST\n").local_ms, ms);
	assert_int_equal(clock_of("Local time: Thu Jun 18 23:23:39 2020\n").utc_ms, 0);
	assert_int_equal(clock_of("Local time: Mon Jun  8 23:23:39 2020 UTC\n").utc_ms, ms - INT64_C(864000000));
	assert_int_equal(clock_of("Local time: Mon Jun 8 23:23:39 2020 UTC\n").utc_ms, ms - INT64_C(864000000));
	assert_int_equal(clock_of("Local time: Mon Jun 08 23:23:39 2020 UTC\n").utc_ms, ms - INT64_C(864000000));
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		assert_int_equal(clock_of(none[i]).local_ms, 0);
}

static void timestamps(void **state)
{
	static const struct { const char *text; int64_t utc_ms, local_ms; } cases[] = {
		{"2013-05-03T21:45:34-04:00", INT64_C(1367631934000), INT64_C(1367617534000)},
		{" 2013-05-03T21:45:34.123+05:30\n", INT64_C(1367597734000), INT64_C(1367617534000)},
		{"2013-05-03T21:45:34Z", INT64_C(1367617534000), INT64_C(1367617534000)},
		{"", 0, 0}, {"2013-05-03", 0, 0}, {"2013-05-03T21:45:34", 0, 0}, {"2013-02-29T21:45:34Z", 0, 0}, {"2013-05-03T21:45:34-", 0, 0}, {"2013-05-03T21:45:34+04", 0, 0},
		{"2013-05-03T21:45:34-Z", 0, 0}, {"2013-05-03T21:45:34+04:000", 0, 0}, {"2013-00-03T21:45:34Z", 0, 0}, {"0000-01-01T00:00:00Z", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *exact = golden_exact(cases[i].text, strlen(cases[i].text));
		struct facts_clock clock;

		assert_int_equal(facts_parse_timestamp(exact, strlen(cases[i].text), &clock), cases[i].utc_ms != 0);
		assert_int_equal(clock.utc_ms, cases[i].utc_ms);
		assert_int_equal(clock.local_ms, cases[i].local_ms);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goldens_parse_as_expected),
		cmocka_unit_test(cut_texts_are_harmless),
		cmocka_unit_test(sums_do_not_overflow),
		cmocka_unit_test(clocks),
		cmocka_unit_test(timestamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
