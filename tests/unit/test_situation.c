/* agent/engine/situation: what GET /v1/state says. What is not known is null; ages are those of the oldest needed answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/situation.h"
#include "run/plan.h"

static struct config config;
static struct link link;
static struct asking_event event;
static struct journal_state journal;
static struct situation situation;
static struct json *top;

static int begin(void **state)
{
	(void)state;
	memset(&config, 0, sizeof config);
	memset(&link, 0, sizeof link);
	memset(&event, 0, sizeof event);
	link.facts.uptime_reload_s = link.facts.collections = -1;
	(void)snprintf(config.agent.name, sizeof config.agent.name, "gw1");
	(void)snprintf(config.appliance.domain, sizeof config.appliance.domain, "apiconnect");
	journal_state_init(&journal);
	situation = (struct situation){&config, &link, "", &event, &journal, -1};
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_free(top);
	top = NULL;
	return 0;
}

/* Made, written and read again: so it is JSON, and of our own kind. */
static void make(void)
{
	struct json *object = situation_json(&situation);
	char *text = json_text(object, false);
	struct error error = {0};

	json_free(object);
	json_free(top);
	top = json_parse(text, strlen(text), &error);
	if (!top)
		fail_msg("%s: %s", error.what, text);
	free(text);
}

/* The value at PATH ("peering.rows.0.address"), or NULL. */
static const struct json *at(const char *path)
{
	const struct json *json = top;
	char key[64];

	while (*path) {
		size_t length = strcspn(path, ".");

		(void)snprintf(key, sizeof key, "%.*s", (int)length, path);
		json = json_is_array(json) ? json_at(json, strtoul(key, NULL, 10)) : json_get(json, key);
		path += length + (path[length] == '.');
	}
	return json;
}

/* EXPECTED NULL: it is null, and yet it is there. */
static void assert_at(const char *path, const char *expected)
{
	const struct json *json = at(path);
	char *text = json ? json_text(json, false) : NULL;

	if ((text == NULL) != (expected == NULL) || (text && strcmp(text, expected) != 0))
		fail_msg("%s is %s and not %s", path, text ? text : "null", expected ? expected : "null");
	free(text);
}

static void answered(enum appliance_op op, int64_t ago_ms)
{
	link.answered_at[op] = mono_add_ms(clock_now(), -ago_ms);
	link.facts.ways[op] = APPLIANCE_WAY_CLI;
}

static void nothing_is_known(void **state)
{
	static const char *const unknown[] = {
		"appliance.firmware", "appliance.serial", "appliance.uptime_s", "appliance.way", "appliance.unsaved", "appliance.xmi_trouble", "appliance.as_of",
		"appliance.ways.peering", "peering.object", "peering.is_primary", "peering.primary_address", "peering.quorum", "peering.persistence", "peering.as_of",
		"service.admin_state", "service.op_state", "service.event_code", "service.reason", "service.as_of", "collections", "log.source", "log.last_event",
		"log.last_event_time", "log.lag_s", "member.address", "grant", "hold", "run", "as_of", "age_ms",
	};
	char *text;

	(void)state;
	make();
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
		assert_at(unknown[i], NULL);
	assert_at("member.name", "\"gw1\"");
	assert_at("peering.rows", "[]");
	assert_at("log.readable", "false");
	assert_at("journal.open", "false");
	assert_true(situation_age_ms(&link) == -1);
	text = json_text(top, false);
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) { /* null, not left out */
		char key[64];

		(void)snprintf(key, sizeof key, "\"%s\":null", strrchr(unknown[i], '.') ? strrchr(unknown[i], '.') + 1 : unknown[i]);
		assert_non_null(strstr(text, key));
	}
	free(text);
	situation.journal = NULL; /* it cannot be read */
	make();
	assert_at("journal.open", NULL);
	assert_at("grant", NULL);
	assert_at("run", NULL);
}

static void make_watchdog(const struct watchdog *w)
{
	json_free(top);
	top = situation_watchdog(w);
}

static void the_watchdog(void **state)
{
	static struct watchdog w;

	(void)state;
	w = (struct watchdog){.settings.policy = WATCHDOG_BOUNCE, .collections_before = -1, .action_exit = -1, .since.wall_ms = INT64_C(1767323045678), .episode.wall_ms = 5};
	make_watchdog(&w);
	assert_at("policy", "\"bounce\"");
	assert_at("state", "\"steady\"");
	assert_at("since", "\"2026-01-02T03:04:05.678Z\"");
	assert_at("verdict", "\"none\"");
	assert_at("sentence", NULL);
	assert_at("next", NULL);
	assert_at("episode_since", NULL); /* the last one is over */
	assert_at("last_action", NULL);
	assert_at("collections_before", NULL);
	w.state = WATCHDOG_ACTING;
	w.cause = WATCHDOG_CAUSE_RELOAD;
	w.verdict = WATCHDOG_WAITS_ALONE;
	w.action_wall_ms = INT64_C(1767323045679);
	w.collections_before = 0;
	w.restarts = 2;
	(void)snprintf(w.action_run, sizeof w.action_run, "wd-gw1-20260102T030405Z");
	(void)snprintf(w.sentence, sizeof w.sentence, "it waits");
	make_watchdog(&w);
	assert_at("state", "\"acting\"");
	assert_at("cause", "\"reload\"");
	assert_at("verdict", "\"waits-alone\"");
	assert_at("sentence", "\"it waits\"");
	assert_at("episode_since", "\"1970-01-01T00:00:00.005Z\"");
	assert_at("restarts", "2");
	assert_at("collections_before", "0");
	assert_at("last_action.run", "\"wd-gw1-20260102T030405Z\"");
	assert_at("last_action.time", "\"2026-01-02T03:04:05.679Z\"");
	assert_at("last_action.exit", NULL); /* under way */
	w.action_exit = 0;
	make_watchdog(&w);
	assert_at("last_action.exit", "0");
}

static void the_oldest_needed_answer_counts(void **state)
{
	int64_t age_ms, wall_ms;

	(void)state;
	answered(APPLIANCE_ASK_IDENTITY, 5000);
	answered(APPLIANCE_ASK_OBJECT, 900000);
	assert_true(situation_age_ms(&link) == -1); /* one was never given */
	answered(APPLIANCE_ASK_PEERING, 10);
	answered(APPLIANCE_ASK_SERVICE, 2000000); /* not needed */
	age_ms = situation_age_ms(&link);
	assert_true(age_ms >= 900000 && age_ms < 1900000);
	make();
	assert_true(json_int(at("age_ms"), &age_ms) && age_ms >= 900000 && age_ms < 1900000);
	assert_true(clock_parse(json_string(at("as_of")), &wall_ms) && wall_ms <= clock_wall_ms() - 900000);
	assert_true(clock_parse(json_string(at("service.as_of")), &wall_ms) && wall_ms <= clock_wall_ms() - 2000000);
	assert_true(clock_parse(json_string(at("peering.as_of")), &wall_ms) && wall_ms > clock_wall_ms() - 900000);
	assert_at("appliance.ways.object", "\"cli\"");
	assert_at("appliance.ways.unsaved", NULL);
}

static void facts_are_shown(void **state)
{
	struct peering_row *row = &link.facts.table.rows[0];

	(void)state;
	situation.address = "10.0.0.1";
	situation.lag_ms = 2500;
	link.facts.table.count = 2;
	(void)snprintf(row[0].address, sizeof row[0].address, "10.0.0.1");
	(void)snprintf(row[1].address, sizeof row[1].address, "10.0.0.2");
	row[0].link_ok = row[1].link_ok = row[1].primary = PEERING_YES;
	row[0].primary = PEERING_NO;
	row[0].pending_known = row[0].offset_known = row[0].priority_known = true;
	row[0].replication_offset = UINT64_C(9007199254740993); /* more than a double holds */
	row[0].priority = -1;
	link.facts.admin_state = APPLIANCE_ADMIN_DISABLED;
	link.facts.unsaved = PEERING_YES;
	link.facts.collections = 0;
	link.facts.uptime_reload_s = INT64_C(9007199254740993);
	(void)snprintf(link.facts.service_reason, sizeof link.facts.service_reason, "it \"waits\" \xff\x1b[31m");
	answered(APPLIANCE_ASK_PEERING, 1);
	make();
	assert_at("peering.is_primary", "false");
	assert_at("peering.primary_address", "\"10.0.0.2\"");
	assert_at("peering.quorum", "false"); /* the own row is stale: one of two */
	assert_at("peering.rows.0.link", "\"ok\"");
	assert_at("peering.rows.0.priority", "-1");
	assert_at("peering.rows.0.pending_updates", "0");
	assert_at("peering.rows.1.pending_updates", NULL);
	assert_at("service.admin_state", "\"disabled\"");
	assert_at("service.reason", "\"it \\\"waits\\\" \\\\xff\\\\x1b[31m\"");
	assert_at("appliance.unsaved", "true");
	assert_at("collections", "0");
	assert_at("log.lag_s", "2");
	link.xmi_error.code = ERROR_FAILED;
	(void)snprintf(link.xmi_error.what, sizeof link.xmi_error.what, "no entry");
	event = (struct asking_event){.readable = true, .found = true, .code = "0x88e000d7"};
	config.log.source = CONFIG_LOG_FILE;
	make();
	assert_at("appliance.xmi_trouble", "\"no entry\"");
	assert_at("log.last_event", "\"0x88e000d7\"");
	assert_at("log.last_event_time", NULL); /* a log without years */
	assert_at("log.source", "\"file\"");
}

static void grants(void **state)
{
	struct journal_standing *standing = &journal.standing;

	(void)state;
	assert_null(situation_grant(standing));
	standing->granted = true;
	standing->grant_wall_ms = INT64_C(1767323045678);
	(void)snprintf(standing->grant_run, sizeof standing->grant_run, "r1");
	(void)snprintf(standing->grant_by, sizeof standing->grant_by, "al\x1b\xff");
	(void)snprintf(standing->plan, sizeof standing->plan, "primary=gw2;order=gw1,gw2;max_unavailable=1");
	make();
	assert_at("grant", "{\"run\":\"r1\",\"plan\":{\"primary\":\"gw2\",\"max_unavailable\":1,\"order\":[\"gw1\",\"gw2\"]},\"since\":\"2026-01-02T03:04:05.678Z\",\"by\":\"al\\\\x1b\\\\xff\"}");
	(void)snprintf(standing->plan, sizeof standing->plan, "primary=gw2");
	make();
	assert_at("grant.plan", "{\"order\":[]}"); /* nobody can read it: no guess */
	assert_at("grant.run", "\"r1\"");
}

static void holds(void **state)
{
	struct journal_standing *standing = &journal.standing;

	(void)state;
	assert_false(situation_is_held(standing));
	standing->hold_until_ms = INT64_MAX;
	assert_false(situation_is_held(standing)); /* lifted */
	standing->held = true;
	(void)snprintf(standing->hold_owner, sizeof standing->hold_owner, "alice");
	(void)snprintf(standing->hold_reason, sizeof standing->hold_reason, "change 4711");
	assert_true(situation_is_held(standing));
	make();
	assert_at("hold.until", NULL); /* no time that can be read: it stands */
	assert_at("hold.owner", "\"alice\"");
	standing->hold_until_ms = INT64_MAX - 1; /* beyond what a time can say */
	make();
	assert_at("hold.until", "\"9999-12-31T23:59:59.999Z\"");
	standing->hold_until_ms = clock_wall_ms() + 3600000;
	assert_true(situation_is_held(standing));
	standing->hold_until_ms = clock_wall_ms();
	assert_false(situation_is_held(standing));
	make();
	assert_at("hold", NULL);
	standing->hold_until_ms = INT64_MIN;
	assert_false(situation_is_held(standing));
	assert_null(situation_hold(standing));
}

static void record(enum journal_kind kind, enum journal_step step, const char *key, const char *value, const char *more, const char *value_more)
{
	struct journal_record made = {.seq = journal.last_seq + 1, .wall_ms = INT64_C(1767323045000) + (int64_t)journal.last_seq * 1000, .kind = kind, .step = step, .run = "r1"};

	if (key)
		assert_int_equal(journal_add(&made, key, value), 0);
	if (more)
		assert_int_equal(journal_add(&made, more, value_more), 0);
	journal_state_apply(&journal, &made);
}

static void steps(void **state)
{
	(void)state;
	assert_null(situation_op(&journal, JOURNAL_OP_FLUSH));
	record(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "op", "flush", NULL, NULL);
	record(JOURNAL_INTENT, JOURNAL_FLUSH, NULL, NULL, NULL, NULL);
	make();
	assert_at("run.open", "true");
	assert_at("journal.open", "true");
	assert_at("journal.disable_open", "false");
	assert_at("run.exit", NULL);
	assert_at("run.flush_unknown", "true"); /* as long as there is no outcome */
	assert_at("run.steps.flush", "{\"id\":\"r1.flush\",\"run\":\"r1\",\"op\":\"flush\",\"state\":\"running\",\"exit\":null,\"sentence\":\"under way\",\"next\":null,"
				     "\"evidence\":[],\"started\":\"2026-01-02T03:04:05.000Z\",\"ended\":null,\"attempt\":1,\"disabled_ms\":null}");
	record(JOURNAL_OUTCOME, JOURNAL_FLUSH, "result", "done", NULL, NULL);
	record(JOURNAL_END, JOURNAL_STEP_NONE, "exit", "0", "sentence", "accepted");
	make();
	assert_at("run.steps.flush.state", "\"done\"");
	assert_at("run.steps.flush.exit", "0");
	assert_at("run.steps.flush.ended", "\"2026-01-02T03:04:08.000Z\"");
	assert_at("run.flush_done", "true");
	assert_at("run.flush_unknown", "false");
	assert_at("run.last_step", "\"flush\"");
	assert_at("run.steps.bounce", NULL);
	record(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "op", "bounce", NULL, NULL);
	record(JOURNAL_INTENT, JOURNAL_DISABLE, NULL, NULL, NULL, NULL);
	make();
	assert_at("journal.disable_open", "true");
	record(JOURNAL_OUTCOME, JOURNAL_DISABLE, "result", "done", NULL, NULL);
	record(JOURNAL_OUTCOME, JOURNAL_ENABLE, "result", "done", NULL, NULL);
	record(JOURNAL_END, JOURNAL_STEP_NONE, "exit", "0", "disabled_ms", "2345");
	record(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "op", "confirm", NULL, NULL);
	record(JOURNAL_END, JOURNAL_STEP_NONE, "exit", "3", "next", "drr-agent status");
	record(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "op", "await", NULL, NULL);
	record(JOURNAL_END, JOURNAL_STEP_NONE, "sentence", "an end without a number", NULL, NULL);
	make();
	assert_at("run.steps.bounce.disabled_ms", "2345");
	assert_at("run.bounce_done", "true");
	assert_at("run.steps.confirm.state", "\"refused\"");
	assert_at("run.steps.confirm.next", "\"drr-agent status\"");
	assert_at("run.steps.await.state", "\"failed\"");
	assert_at("run.steps.await.exit", NULL); /* not recorded, so not invented */
	assert_at("run.open", "false");
}

static void questions(void **state)
{
	unsigned count, needed = 0;
	const struct situation_question *list = situation_questions(&count);

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		needed += list[i].needed;
		assert_false(appliance_op_changes(list[i].op)); /* whoever looks changes nothing */
		for (unsigned k = 0; k < i; k++)
			assert_true(list[k].op != list[i].op && strcmp(list[k].name, list[i].name) != 0);
	}
	assert_int_equal(needed, 3);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)
	const struct CMUnitTest tests[] = {
		CASE(nothing_is_known), CASE(the_watchdog), CASE(the_oldest_needed_answer_counts), CASE(facts_are_shown), CASE(grants), CASE(holds), CASE(steps), CASE(questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
