/* agent/group/others: what `drrctl status --json` says about the members' registration, for the watchdog. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "group/others.h"
#include "platform/json.h"

enum { PATIENCE_S = 420 };

#define NOW "\"agent\":{\"now\":\"2026-01-02T03:10:00.000Z\"}"
#define UP "\"service\":{\"admin_state\":\"enabled\",\"op_state\":\"up\"}"
#define LOG(code, time) "\"log\":{\"last_event\":" code ",\"last_event_time\":" time "}"
#define WAITS_LONG "{" NOW "," UP ",\"collections\":0," LOG("\"0x88e000d7\"", "\"2026-01-02T03:00:00.000Z\"") "}"
#define WAITS_SHORT "{" NOW "," UP ",\"collections\":0," LOG("\"0x88e000d7\"", "\"2026-01-02T03:09:00Z\"") "}"
#define WHOLE "{" NOW "," UP ",\"collections\":3," LOG("null", "null") "}"

static struct watchdog_group group;

static bool take(const char *text)
{
	memset(&group, 0xff, sizeof group);
	return others_read(text, strlen(text), PATIENCE_S, &group);
}

/* The group of these states, NULL behind the last one. */
static void take_members(const char *state, ...)
{
	char text[4096] = "{\"group\":\"g\",\"members\":[";
	const char *comma = "";
	va_list more;

	va_start(more, state);
	for (; state; state = va_arg(more, const char *)) {
		(void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s{\"name\":\"m\",\"url\":\"https://h\",\"error\":null,\"state\":%s}", comma, state);
		comma = ",";
	}
	va_end(more);
	(void)snprintf(text + strlen(text), sizeof text - strlen(text), "],\"refusals\":[]}");
	if (!take(text))
		fail_msg("not taken: %s", text);
}

static void is(unsigned members, unsigned waiting, unsigned registered, unsigned accepted, bool overdue)
{
	assert_true(group.known);
	assert_int_equal(group.members, members);
	assert_int_equal(group.waiting, waiting);
	assert_int_equal(group.registered, registered);
	assert_int_equal(group.accepted, accepted);
	assert_int_equal(group.overdue, overdue);
}

static void counts_members(void **state)
{
	(void)state;
	take_members(WAITS_LONG, WHOLE, WHOLE, NULL);
	is(3, 1, 2, 0, true);
	take_members(WAITS_LONG, WAITS_LONG, NULL);
	is(2, 2, 0, 0, true);
	take_members(WAITS_LONG, WAITS_SHORT, NULL); /* one has time left */
	is(2, 2, 0, 0, false);
	take_members(WHOLE, NULL);
	is(1, 0, 1, 0, false);
	take_members("null", WAITS_LONG, NULL); /* one does not answer */
	is(2, 1, 0, 0, true);
}

static void knows_an_accepted_event(void **state)
{
	static const char *const codes[] = {"0x88e00210", "0x88e0028e", "0x88e0007d", "0x88e0028f", "0x88e000a6", "0x88e000a7", "0x88e000ac", "0x88e001ef"};
	static const char *const others[] = {"0x80e0085f", "0x88e000d8", "", "0x88E000D7"};
	char member[512];

	(void)state;
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		(void)snprintf(member, sizeof member, "{%s,%s,\"collections\":0,\"log\":{\"last_event\":\"%s\"}}", NOW, UP, codes[i]);
		take_members(member, WAITS_LONG, NULL); /* an event that brought nothing, so far */
		is(2, 2, 0, 1, true);
		(void)snprintf(member, sizeof member, "{%s,%s,\"collections\":null,\"log\":{\"last_event\":\"%s\"}}", NOW, UP, codes[i]);
		take_members(member, WAITS_LONG, NULL); /* nobody can count */
		is(2, 1, 1, 1, true);
	}
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		(void)snprintf(member, sizeof member, "{%s,%s,\"collections\":0,\"log\":{\"last_event\":\"%s\"}}", NOW, UP, others[i]);
		take_members(member, NULL);
		is(1, 0, 0, 0, false);
	}
}

static void registered_is_enabled_and_up(void **state)
{
	(void)state;
	take_members("{\"service\":{\"admin_state\":\"disabled\",\"op_state\":\"up\"},\"collections\":3}", NULL);
	is(1, 0, 0, 0, false);
	take_members("{\"service\":{\"admin_state\":\"enabled\",\"op_state\":\"down\"},\"collections\":3}", NULL);
	is(1, 0, 0, 0, false);
	take_members("{\"service\":{\"admin_state\":\"enabled\",\"op_state\":null},\"collections\":3}", NULL);
	is(1, 0, 0, 0, false);
	take_members("{" UP ",\"collections\":null}", NULL); /* nothing is known */
	is(1, 0, 0, 0, false);
	take_members("{}", NULL);
	is(1, 0, 0, 0, false);
}

/* Syslog's times have no year: then the member's own watchdog says since when. */
static void without_a_time(void **state)
{
	(void)state;
	take_members("{" NOW "," LOG("\"0x88e000d7\"", "null") ",\"watchdog\":{\"episode_since\":\"2026-01-02T03:00:00Z\"}}", NULL);
	is(1, 1, 0, 0, true);
	take_members("{" NOW "," LOG("\"0x88e000d7\"", "null") ",\"watchdog\":{\"episode_since\":\"2026-01-02T03:05:00Z\"}}", NULL);
	is(1, 1, 0, 0, false);
	take_members("{" NOW "," LOG("\"0x88e000d7\"", "null") ",\"watchdog\":null}", NULL); /* when in doubt its time is not over */
	is(1, 1, 0, 0, false);
	take_members("{" LOG("\"0x88e000d7\"", "\"2026-01-02T03:00:00Z\"") "}", NULL);
	is(1, 1, 0, 0, false);
	take_members("{" NOW "," LOG("\"0x88e000d7\"", "\"2026-01-02T03:03:00Z\"") "}", NULL); /* to the second: not longer */
	is(1, 1, 0, 0, false);
	take_members("{" NOW "," LOG("\"0x88e000d7\"", "\"2026-01-02T03:02:59Z\"") "}", NULL);
	is(1, 1, 0, 0, true);
}

static void what_is_no_answer(void **state)
{
	static const char *const bad[] = {
		"", "x", "{}", "[]", "null", "{\"members\":[]}", "{\"members\":{\"gw1\":{\"state\":{}}}}", "{\"members\":[null,3,\"gw1\"]}",
		"{\"members\":[{\"name\":\"gw1\",\"state\":null}]}", "{\"members\":[{\"name\":\"gw1\",\"state\":\"up\"}]}", "{\"members\":[{\"state\":{}}]} x", "{\"members\":[{\"state\":{}}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (take(bad[i]))
			fail_msg("taken: %s", bad[i]);
		assert_false(group.known);
		assert_int_equal(group.members + group.waiting + group.registered + group.accepted + group.overdue, 0);
	}
}

static void too_long(void **state)
{
	char *text = malloc(OTHERS_MAX_BYTES + 2);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', OTHERS_MAX_BYTES + 1);
	memcpy(text, "{\"members\":[{\"state\":{}}]}", 26);
	assert_true(others_read(text, OTHERS_MAX_BYTES, PATIENCE_S, &group));
	assert_false(others_read(text, OTHERS_MAX_BYTES + 1, PATIENCE_S, &group));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_members), cmocka_unit_test(knows_an_accepted_event), cmocka_unit_test(registered_is_enabled_and_up), cmocka_unit_test(without_a_time),
		cmocka_unit_test(what_is_no_answer), cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
