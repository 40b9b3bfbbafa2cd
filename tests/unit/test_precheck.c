#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "run/precheck.h"
#include "run/table.h"

#define BIT(refusal) (1u << (refusal))

static const struct precheck_limits limits = {.waiting_fresh_ms = 420000, .accepted_fresh_ms = 2100000};

static struct peering_row member(const char *address, enum peering_flag link, enum peering_flag primary)
{
	struct peering_row row = {.link_ok = link, .primary = primary};

	snprintf(row.address, sizeof row.address, "%s", address);
	snprintf(row.object, sizeof row.object, "gwd");
	return row;
}

/* Three members, all well; 10.0.0.1 is this one and primary; a quiet log. */
static void healthy(struct appliance_facts *facts, struct precheck_log *log)
{
	memset(facts, 0, sizeof *facts);
	facts->have_object = facts->have_table = facts->have_service = true;
	snprintf(facts->object, sizeof facts->object, "gwd");
	facts->admin_state = APPLIANCE_ADMIN_ENABLED;
	facts->diag = PEERING_YES;
	facts->table.rows[0] = member("10.0.0.1", PEERING_YES, PEERING_YES);
	facts->table.rows[1] = member("10.0.0.2", PEERING_YES, PEERING_NO);
	facts->table.rows[2] = member("10.0.0.3", PEERING_YES, PEERING_NO);
	facts->table.count = 3;
	precheck_log_init(log);
	log->readable = true;
}

static unsigned refused(const struct appliance_facts *facts, const struct precheck_log *log, unsigned steps)
{
	struct precheck_result result, again;

	precheck_decide(facts, log, &limits, "10.0.0.1", steps, 0, &result);
	assert_int_equal(result.overridden, 0);
	/* Each is overridden by its own flag, and by no other. */
	for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT; i++) {
		precheck_decide(facts, log, &limits, "10.0.0.1", steps, BIT(i), &again);
		assert_int_equal(again.refused, result.refused & ~BIT(i));
		assert_int_equal(again.overridden, result.refused & BIT(i));
	}
	precheck_decide(facts, log, &limits, "10.0.0.1", steps, ~0u, &again);
	assert_int_equal(again.refused, 0);
	assert_int_equal(again.overridden, result.refused);
	return result.refused;
}

static void a_healthy_group_is_not_refused(void **test)
{
	struct appliance_facts facts;
	struct precheck_log log;

	healthy(&facts, &log);
	for (unsigned steps = 1; steps <= RUN_STEPS_ALL; steps++)
		assert_int_equal(refused(&facts, &log, steps), 0);
}

static void the_table_alone(void **test)
{
	struct appliance_facts facts;
	struct precheck_log log;

	healthy(&facts, &log);
	facts.table.rows[0].primary = PEERING_NO;
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_NO_PRIMARY));
	facts.table.rows[1].primary = facts.table.rows[2].primary = PEERING_YES;
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_SEVERAL_PRIMARIES));

	healthy(&facts, &log);
	facts.table.rows[1].link_ok = PEERING_NO;
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), 0);
	facts.table.rows[2].link_ok = PEERING_UNKNOWN;
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_NO_QUORUM));
	/* Without a primary the lost majority is a refusal of its own. */
	facts.table.rows[0].primary = PEERING_NO;
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_NO_QUORUM) | BIT(PRECHECK_NO_PRIMARY));

	healthy(&facts, &log);
	facts.table.rows[0] = member("10.0.0.1", PEERING_NO, PEERING_NO);
	facts.table.rows[1].primary = PEERING_YES;
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_PEERING_DOWN));
	facts.table.rows[0].link_ok = PEERING_YES;
	facts.table.rows[0].priority_known = true;
	facts.table.rows[0].priority = -1; /* stale */
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_PEERING_DOWN));

	healthy(&facts, &log);
	snprintf(facts.table.rows[0].address, sizeof facts.table.rows[0].address, "10.0.0.9");
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_NOT_IN_TABLE));
	facts.table.count = 0;
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_NOT_IN_TABLE) | BIT(PRECHECK_NO_PRIMARY) | BIT(PRECHECK_NO_QUORUM));
	assert_int_equal(refused(&facts, &log, RUN_STEP_CONFIRM | RUN_STEP_AWAIT), 0); /* watching needs no group */
}

static void service_rights_and_log_alone(void **test)
{
	struct appliance_facts facts;
	struct precheck_log log;

	healthy(&facts, &log);
	facts.admin_state = APPLIANCE_ADMIN_DISABLED;
	assert_int_equal(refused(&facts, &log, RUN_STEP_BOUNCE), BIT(PRECHECK_SERVICE_DISABLED));
	healthy(&facts, &log);
	facts.diag = PEERING_NO;
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), BIT(PRECHECK_NO_DIAG));
	assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL & ~RUN_STEP_FLUSH), 0);
	healthy(&facts, &log);
	log.readable = false;
	assert_int_equal(refused(&facts, &log, RUN_STEP_CONFIRM), BIT(PRECHECK_NO_LOG));
	assert_int_equal(refused(&facts, &log, RUN_STEP_AWAIT), BIT(PRECHECK_NO_LOG));
	assert_int_equal(refused(&facts, &log, RUN_STEP_PRIMARY | RUN_STEP_FLUSH | RUN_STEP_BOUNCE), 0);
}

/* Each cause switched on or off, all 2^5 of those that do not depend on each other. */
static void refusals_combine(void **test)
{
	for (unsigned set = 0; set < 32; set++) {
		struct appliance_facts facts;
		struct precheck_log log;
		unsigned expected = 0;

		healthy(&facts, &log);
		if (set & 1)
			facts.admin_state = APPLIANCE_ADMIN_DISABLED, expected |= BIT(PRECHECK_SERVICE_DISABLED);
		if (set & 2)
			facts.diag = PEERING_NO, expected |= BIT(PRECHECK_NO_DIAG);
		if (set & 4)
			facts.table.rows[1].primary = PEERING_YES, expected |= BIT(PRECHECK_SEVERAL_PRIMARIES);
		if (set & 8)
			log.last = LINE_WAITING, expected |= BIT(PRECHECK_DRR_UNDER_WAY);
		if (set & 16)
			log.readable = false, expected = (expected | BIT(PRECHECK_NO_LOG)) & ~BIT(PRECHECK_DRR_UNDER_WAY);
		assert_int_equal(refused(&facts, &log, RUN_STEPS_ALL), expected);
	}
}

static void add(struct precheck_log *log, const char *time, const char *code)
{
	char line[200];
	int length = snprintf(line, sizeof line, "%s [%s][apic-gw-service][notice] apic-gw-service(default): tid(1): x", time, code);

	precheck_log_line(log, line, (size_t)length);
}

static bool under_way(struct precheck_log *log, int64_t modified_age_ms, int64_t *age_ms)
{
	struct appliance_facts facts;
	struct precheck_log quiet;
	struct precheck_result result;

	healthy(&facts, &quiet);
	log->readable = true;
	log->modified_age_ms = modified_age_ms;
	precheck_decide(&facts, log, &limits, "10.0.0.1", RUN_STEPS_ALL, 0, &result);
	*age_ms = result.open_age_ms;
	return result.refused == BIT(PRECHECK_DRR_UNDER_WAY);
}

#define WAITING "0x88e000d7"
#define ACCEPTED "0x88e00210"
#define QUEUED "0x88e0007d"
#define WORKING "0x88e000a6"
#define COMPLETED "0x88e000ac"
#define OTHER "0x80e0084c"

static void what_stands_open_in_the_log_ages(void **test)
{
	static const struct {
		const char *first, *second, *time, *later; /* `second` at `later`; NULL: none */
		int64_t written_ms, age_ms; /* -1: nothing open */
		bool refused;
	} cases[] = {
		{WAITING, NULL, "20200618T232339.332Z", NULL, 0, 0, true},
		{WAITING, NULL, "20200618T232339.332Z", NULL, 419999, 419999, true},
		{WAITING, NULL, "20200618T232339.332Z", NULL, 420000, 420000, false},
		{WAITING, OTHER, "20200618T232339.332Z", "20200618T233039.331Z", 0, 419999, true},
		{WAITING, OTHER, "20200618T232339.332Z", "20200618T233039.331Z", 1, 420000, false},
		{WAITING, OTHER, "20200618T232339.332Z", "20200618T222339.332Z", 5, 5, true}, /* the clock went back */
		{WAITING, NULL, "20200618T232339.332Z", NULL, -7000, 0, true},                 /* written in the future */
		{WAITING, COMPLETED, "20200618T232339.332Z", "20200618T232340.332Z", 0, -1, false},
		{WAITING, WORKING, "20200618T232339.332Z", "20200618T232340.332Z", 1000000, 1000000, true},
		{ACCEPTED, NULL, "20200618T232339.332Z", NULL, 2099999, 2099999, true},
		{ACCEPTED, NULL, "20200618T232339.332Z", NULL, 2100000, 2100000, false},
		{QUEUED, NULL, "20200618T232339.332Z", NULL, 2099999, 2099999, true},
		{ACCEPTED, WAITING, "20200618T232339.332Z", "20200618T232340.332Z", 420000, 420000, false},
		{COMPLETED, WORKING, "20200618T232339.332Z", "20200618T232340.332Z", 0, -1, false},
		{COMPLETED, ACCEPTED, "20200618T232339.332Z", "20200618T232340.332Z", 0, 0, true},
		{OTHER, WORKING, "20200618T232339.332Z", "20200618T232340.332Z", 0, -1, false},
		{WAITING, OTHER, "Jun 18 23:23:39", "Jun 18 23:24:39", 0, 60000, true},
		{WAITING, OTHER, "Jun 18 23:23:39", "Jun 18 23:33:39", 0, 600000, false},
		{WAITING, OTHER, "Dec 31 23:59:59", "Jan  1 00:00:01", 10, 10, true},
		{WAITING, OTHER, "Jun 18 23:23:39", "20200618T232339.332Z", 10, 10, true}, /* two kinds of time cannot be compared */
		{WAITING, OTHER, "20200618T232339.332Z", "Jun 18 23:23:39", 10, 10, true},
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct precheck_log log;
		int64_t age_ms;

		precheck_log_init(&log);
		add(&log, cases[i].time, cases[i].first);
		if (cases[i].second)
			add(&log, cases[i].later, cases[i].second);
		precheck_log_line(&log, "    at a stack trace", 20);
		if (under_way(&log, cases[i].written_ms, &age_ms) != cases[i].refused || age_ms != cases[i].age_ms)
			fail_msg("case %u: age %lld", i, (long long)age_ms);
	}
}

static void names_go_there_and_back(void **test)
{
	for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT; i++) {
		assert_int_equal(precheck_by_name(precheck_name(i)), i);
		assert_true(precheck_why(i)[0] && precheck_next(i)[0]);
	}
	assert_int_equal(precheck_by_name(""), PRECHECK_REFUSAL_COUNT);
	assert_int_equal(precheck_by_name("no-prim"), PRECHECK_REFUSAL_COUNT);
	assert_int_equal(precheck_by_name("force"), PRECHECK_REFUSAL_COUNT);
}

static void evidence_says_what_was_seen(void **test)
{
	static const char *const expected[PRECHECK_REFUSAL_COUNT] = {
		"1 of 3 members of gwd call themselves primary: 10.0.0.1 ok primary, 10.0.0.2 ok, 10.0.0.3 ok",
		"1 of 3 members of gwd call themselves primary: 10.0.0.1 ok primary, 10.0.0.2 ok, 10.0.0.3 ok",
		"3 of 3 members of gwd are active: 10.0.0.1 ok primary, 10.0.0.2 ok, 10.0.0.3 ok",
		"address (unknown) of this member is not in the table of gwd: 10.0.0.1 ok primary, 10.0.0.2 ok, 10.0.0.3 ok",
		"3 of 3 members of gwd are active: 10.0.0.1 ok primary, 10.0.0.2 ok, 10.0.0.3 ok",
		"apic-gw-service has admin-state disabled",
		"the appliance does not know the command diag for this user",
		"the log shows the waiting line 61 s ago, and no completed transaction since",
		"no log can be read: [log] source = none",
	};
	struct appliance_facts facts;
	struct precheck_log log;
	struct precheck_result result;
	char out[PRECHECK_SENTENCE_BYTES];

	healthy(&facts, &log);
	log.last = LINE_WAITING;
	log.modified_age_ms = 61999;
	precheck_decide(&facts, &log, &limits, "10.0.0.1", RUN_STEPS_ALL, 0, &result);
	for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT; i++)
		assert_string_equal(precheck_evidence(i, &result, &facts, &log, "", out), expected[i]);
	log.last = LINE_ACCEPTED;
	assert_non_null(strstr(precheck_evidence(PRECHECK_DRR_UNDER_WAY, &result, &facts, &log, "", out), "an accepted event"));
	facts.table.count = PEERING_ROWS_MAX; /* too much for the sentence: cut, not written over */
	for (unsigned i = 0; i < PEERING_ROWS_MAX; i++)
		facts.table.rows[i] = member("2001:0db8:85a3:0000:0000:8a2e:0370:7334", PEERING_YES, PEERING_NO);
	memset(facts.object, 'o', sizeof facts.object - 1);
	assert_true(strlen(precheck_evidence(PRECHECK_NOT_IN_TABLE, &result, &facts, &log, "x", out)) < sizeof out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_group_is_not_refused),
		cmocka_unit_test(the_table_alone),
		cmocka_unit_test(service_rights_and_log_alone),
		cmocka_unit_test(refusals_combine),
		cmocka_unit_test(what_stands_open_in_the_log_ages),
		cmocka_unit_test(names_go_there_and_back),
		cmocka_unit_test(evidence_says_what_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
