/* agent/engine/metrics: the text is OpenMetrics in every state (tests/unit/openmetrics.py says so), and shows what is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/daemon.h"
#include "engine/kept.h"
#include "platform/clock.h"

static struct daemon daemon_;
static char *text;

static int begin(void **state)
{
	(void)state;
	memset(&daemon_, 0, sizeof daemon_);
	daemon_.config = &daemon_.configs[0];
	daemon_.events.fd = -1;
	daemon_.counts.last_disabled_ms = -1;
	daemon_.over.dog.collections_before = -1;
	daemon_.runner.link.facts.collections = daemon_.runner.link.facts.uptime_reload_s = -1;
	journal_state_init(&daemon_.runner.book.state);
	(void)snprintf(daemon_.config->agent.name, sizeof daemon_.config->agent.name, "gw1");
	daemon_.started_ms = INT64_C(1767323045678);
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(text);
	text = NULL;
	return 0;
}

/* 0: CHECKER takes TEXT. */
static int judged(const char *checker, const char *what)
{
	FILE *pipe = popen(checker, "w");

	assert_non_null(pipe);
	assert_true(fputs(what, pipe) >= 0);
	return pclose(pipe);
}

static void make(void)
{
	char *whole;

	free(text);
	text = metrics_text(&daemon_);
	assert_non_null(text);
	assert_int_equal(asprintf(&whole, "%s# EOF\n", text) > 0, 1); /* the front's last line */
	if (judged("/usr/bin/python3 " DRR_TESTS_DIR "/unit/openmetrics.py >&2", whole) != 0)
		fail_msg("no OpenMetrics:\n%s", whole);
	free(whole);
}

static void has(const char *line)
{
	char whole[256];

	(void)snprintf(whole, sizeof whole, "\n%s\n", line);
	if (!strstr(text, whole))
		fail_msg("there is no line \"%s\" in:\n%s", line, text);
}

static void has_not(const char *name)
{
	if (strstr(text, name))
		fail_msg("there is %s in:\n%s", name, text);
}

/* The judge itself must be able to say no. */
static void the_judge_is_no_rubber_stamp(void **state)
{
	static const char *const bad[] = {
		"", "# EOF\n", "# HELP a b\n# TYPE a gauge\na 1\n", "# HELP a b\n# TYPE a gauge\na 1\n# EOF", "# HELP a b\n# TYPE a counter\na 1\n# EOF\n",
		"# HELP a b\n# TYPE a counter\na_total -1\n# EOF\n", "# HELP a b\n# TYPE a gauge\na -1.-500\n# EOF\n", "# HELP a b\n# TYPE a gauge\na 1\na 1\n# EOF\n",
		"# HELP a b\n# TYPE a gauge\na{x=\"\"\"} 1\n# EOF\n", "# HELP a b\n# TYPE a gauge\na{x=\"\xff\"} 1\n# EOF\n", "# HELP a b\n# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n",
		"# HELP a b\n# TYPE a stateset\na{a=\"x\"} 0\na{a=\"y\"} 0\n# EOF\n", "# HELP a b\n# TYPE a gauge\nb 1\n# EOF\n", "# TYPE a gauge\na 1\n# EOF\n",
		"# HELP a b\n# TYPE a gauge\na 1\n# HELP b b\n# TYPE b gauge\n# HELP a b\n# TYPE a gauge\n# EOF\n", "# HELP a b\n# TYPE a gauge\na nan\n# EOF\n",
		"# HELP a b\n# TYPE a counter\na_total 1\n# HELP a_total b\n# TYPE a_total gauge\na_total 1\n# EOF\n", "# HELP a b\n# TYPE a gauge\n\na 1\n# EOF\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (judged("/usr/bin/python3 " DRR_TESTS_DIR "/unit/openmetrics.py >/dev/null", bad[i]) == 0)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(judged("/usr/bin/python3 " DRR_TESTS_DIR "/unit/openmetrics.py", "# HELP a_s b\n# TYPE a_s gauge\n# UNIT a_s s\na_s{x=\"\\\"\\\\\\n\"} -1.5\n# EOF\n"), 0);
}

static void before_anything_is_known(void **state)
{
	(void)state;
	make();
	has("drr_appliance_answers 0");
	has("drr_service_admin_state{drr_service_admin_state=\"unknown\"} 1");
	has("drr_service_op_state{drr_service_op_state=\"unknown\"} 1");
	has("drr_engine_state{drr_engine_state=\"idle\"} 1");
	has("drr_start_time_seconds 1767323045.678");
	has("drr_journal_open 0");
	has("drr_steps_total{op=\"precheck\",result=\"done\"} 0");
	has_not("drr_peering"); /* what is not known has no sample */
	has_not("drr_api_collections");
	has_not("drr_log_");
	has_not("drr_service_disabled_seconds");
	has_not("drr_appliance_uptime_seconds");
	has("drr_watchdog_state{drr_watchdog_state=\"steady\"} 1");
	has("drr_watchdog_verdict{drr_watchdog_verdict=\"none\"} 1");
	has("drr_watchdog_episode_seconds 0.000");
	has("drr_watchdog_notifications_total{result=\"dropped\"} 0");
	has_not("drr_watchdog_last_restart");
	has_not("drr_watchdog_collections");
}

static void a_verdict_of_the_watchdog(void **state)
{
	struct watchdog *dog = &daemon_.over.dog;
	struct watchdog_time now;
	const char *found;
	long long age_s;

	(void)state;
	kept_now(&now);
	dog->state = WATCHDOG_VERDICT;
	dog->verdict = WATCHDOG_SERVER_SILENT;
	dog->episode = now;
	dog->episode.boot_ms -= 90000;
	dog->episode.wall_ms -= 5000000; /* the wall clock was set meanwhile */
	dog->restarts = 3;
	dog->actions = 2;
	dog->verdicts = 4;
	dog->restart_wall_ms = INT64_C(1767323045678);
	dog->collections_before = 5;
	daemon_.over.notes_sent = 7;
	daemon_.over.notes_failed = 1;
	make();
	has("drr_watchdog_state{drr_watchdog_state=\"verdict\"} 1");
	has("drr_watchdog_state{drr_watchdog_state=\"steady\"} 0");
	has("drr_watchdog_verdict{drr_watchdog_verdict=\"server-silent\"} 1");
	has("drr_watchdog_restarts_total 3");
	has("drr_watchdog_actions_total 2");
	has("drr_watchdog_verdicts_total 4");
	has("drr_watchdog_last_restart_time_seconds 1767323045.678");
	has("drr_watchdog_collections_before 5");
	has("drr_watchdog_notifications_total{result=\"sent\"} 7");
	has("drr_watchdog_notifications_total{result=\"failed\"} 1");
	found = strstr(text, "\ndrr_watchdog_episode_seconds ");
	assert_non_null(found);
	age_s = strtoll(strchr(found, ' '), NULL, 10);
	assert_true(age_s >= 90 && age_s < 120);
	(void)snprintf(dog->episode.boot_id, sizeof dog->episode.boot_id, "another boot");
	make();
	found = strstr(text, "\ndrr_watchdog_episode_seconds ");
	age_s = strtoll(strchr(found, ' '), NULL, 10);
	assert_true(age_s >= 5000 && age_s < 5030);
}

static void with_everything(void **state)
{
	struct appliance_facts *facts = &daemon_.runner.link.facts;
	struct journal_state *journal = &daemon_.runner.book.state;

	(void)state;
	for (int op = 0; op < APPLIANCE_OP_COUNT; op++)
		daemon_.runner.link.answered_at[op] = mono_add_ms(clock_now(), -1000);
	facts->table.count = 1;
	(void)snprintf(facts->table.rows[0].address, sizeof facts->table.rows[0].address, "10.0.0.1");
	(void)snprintf(facts->local_address, sizeof facts->local_address, "10.0.0.1");
	facts->table.rows[0].link_ok = facts->table.rows[0].primary = PEERING_YES;
	facts->admin_state = APPLIANCE_ADMIN_DISABLED;
	(void)snprintf(facts->op_state, sizeof facts->op_state, "pendingup");
	facts->collections = INT64_MAX;
	facts->uptime_reload_s = 5;
	journal->disable_open = journal->standing.granted = journal->standing.held = true;
	journal->standing.hold_until_ms = INT64_MAX;
	daemon_.config->log.source = CONFIG_LOG_FILE;
	daemon_.watcher.last.found = true;
	daemon_.watcher.last_line_at = clock_now();
	daemon_.watcher.lines = UINT64_MAX;
	daemon_.counts.steps[JOURNAL_OP_BOUNCE][1] = 3;
	daemon_.counts.last_ms[JOURNAL_OP_BOUNCE] = 61005;
	daemon_.counts.last_disabled_ms = 42;
	daemon_.events.newest = 17;
	daemon_.events.lost = 2;
	daemon_.events.lost_ever = 9;
	daemon_.job = DAEMON_RECOVERY;
	make();
	has("drr_appliance_answers 1");
	has("drr_peering_primary 1");
	has("drr_peering_quorum 1");
	has("drr_service_admin_state{drr_service_admin_state=\"disabled\"} 1");
	has("drr_service_op_state{drr_service_op_state=\"other\"} 1");
	has("drr_service_maybe_disabled 1");
	has("drr_grant_held 1");
	has("drr_hold_set 1");
	has("drr_steps_total{op=\"bounce\",result=\"refused\"} 3");
	has("drr_step_duration_seconds{op=\"bounce\"} 61.005");
	has("drr_service_disabled_seconds 0.042");
	has("drr_engine_state{drr_engine_state=\"recovery\"} 1");
	has("drr_events_newest 17");
	has("drr_events_lost_total 9"); /* a counter never falls */
	has("drr_log_lines_total 18446744073709551615");
	daemon_.events.lost = 0;
	make();
	has("drr_events_lost_total 9");
}

/* Names come from people and from the appliance. */
static void foreign_text_in_labels(void **state)
{
	struct appliance_facts *facts = &daemon_.runner.link.facts;

	(void)state;
	(void)snprintf(daemon_.config->agent.name, sizeof daemon_.config->agent.name, "Z\xc3\xbcrich \"1\" a\\b");
	(void)snprintf(facts->firmware, sizeof facts->firmware, "\xff\n\x1b");
	memset(facts->object, '"', sizeof facts->object - 1);
	make();
	assert_non_null(strstr(text, "name=\"Z\xc3\xbcrich \\\"1\\\""));
	assert_null(strchr(text, '\x1b'));
}

/* A clock that was never set, or jumped. */
static void times_before_the_epoch(void **state)
{
	(void)state;
	daemon_.started_ms = -1500;
	make();
	has("drr_start_time_seconds -1.500");
	daemon_.started_ms = -7;
	make();
	has("drr_start_time_seconds -0.007");
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(the_judge_is_no_rubber_stamp), CASE(before_anything_is_known), CASE(a_verdict_of_the_watchdog), CASE(with_everything), CASE(foreign_text_in_labels), CASE(times_before_the_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
