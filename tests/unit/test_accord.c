/* agent/group/accord: each refusal by one difference, what overrides it, the plan; agent/group/view: what an agent says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "group/accord.h"

static struct view_state states[3];
static struct accord_input input;
static struct accord_result result;

static void set(char *field, size_t size, const char *value)
{
	(void)snprintf(field, size, "%s", value);
}

#define SET(field, value) set((field), sizeof(field), (value))

static int begin(void **state)
{
	static const char *const names[] = {"gw1", "gw2", "gw3"};
	static const char *const addresses[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};

	memset(states, 0, sizeof states);
	input = (struct accord_input){.count = 3, .run = "r1", .max_unavailable = 1};
	for (unsigned i = 0; i < 3; i++) {
		input.names[i] = names[i];
		input.states[i] = &states[i];
		SET(states[i].name, names[i]);
		SET(states[i].address, addresses[i]);
		SET(states[i].object, "gwd");
		SET(states[i].domain, "apiconnect");
		SET(states[i].firmware, "IDG.10.5");
		SET(states[i].primary_address, addresses[1]);
		states[i].quorum = 1;
		states[i].is_primary = i == 1;
		for (unsigned k = 0; k < 3; k++)
			SET(states[i].rows[states[i].row_count++], addresses[k]);
	}
	return 0;
}

/* Exactly this one is refused, told with EVIDENCE in it; its own flag overrides it, unless it is final. */
static void assert_refused(enum accord_refusal refusal, const char *evidence)
{
	char text[ACCORD_EVIDENCE_BYTES];

	input.overrides = 0;
	accord_decide(&input, &result);
	if (result.refused != 1u << refusal)
		fail_msg("%s: refused is %#x", accord_name(refusal), result.refused);
	if (!strstr(accord_evidence(refusal, &input, text), evidence))
		fail_msg("%s: the evidence is %s", accord_name(refusal), text);
	input.overrides = 1u << refusal;
	accord_decide(&input, &result);
	assert_int_equal(result.refused, accord_is_final(refusal) ? 1u << refusal : 0);
	assert_int_equal(result.overridden, accord_is_final(refusal) ? 0 : 1u << refusal);
	(void)begin(NULL);
}

static void refuses(void **state)
{
	input.states[2] = NULL;
	input.troubles[2] = "nobody there";
	assert_refused(ACCORD_UNREACHABLE, "gw3: nobody there");
	input.states[0] = NULL;
	input.forbidden[0] = true;
	assert_refused(ACCORD_FORBIDDEN, "gw1: no answer");
	SET(states[1].name, "gw9");
	assert_refused(ACCORD_NAME_DIFFERS, "gw2: calls itself gw9");
	states[0].journal_open = true;
	assert_refused(ACCORD_JOURNAL_OPEN, "gw1: journal open; gw2: journal closed");
	SET(states[2].grant.run, "r0");
	SET(states[2].grant.by, "bob");
	states[2].journal_open = true; /* of that other run: told once */
	assert_refused(ACCORD_GRANT_HELD, "gw3: run r0 of bob");
	SET(states[2].hold_owner, "alice");
	assert_refused(ACCORD_HOLD, "gw3: held by alice");
	SET(states[2].object, "other");
	states[2].row_count = 0;
	assert_refused(ACCORD_OBJECT_DIFFERS, "gw2: gwd in domain apiconnect; gw3: other in");
	SET(states[0].primary_address, "10.0.0.3");
	assert_refused(ACCORD_PRIMARY_DIFFERS, "gw1: primary is 10.0.0.3; gw2: primary is 10.0.0.2");
	states[1].is_primary = 0;
	assert_refused(ACCORD_NO_PRIMARY, "gw2: primary no");
	states[2].is_primary = 1;
	assert_refused(ACCORD_SEVERAL_PRIMARIES, "gw2: primary yes; gw3: primary yes");
	states[2].quorum = 0;
	assert_refused(ACCORD_NO_QUORUM, "gw3: quorum no");
	SET(states[0].rows[2], "10.0.0.4");
	assert_refused(ACCORD_MEMBER_MISSING, "in the table: 10.0.0.4");
	SET(states[0].persistence, "memory");
	SET(states[1].persistence, "local");
	assert_refused(ACCORD_PERSISTENCE_DIFFERS, "gw1: memory; gw2: local; gw3: not known");
	SET(states[1].firmware, "IDG.10.6");
	assert_refused(ACCORD_FIRMWARE_DIFFERS, "gw2: IDG.10.6");
}

static void plans(void **state)
{
	accord_decide(&input, &result);
	assert_int_equal(result.refused, 0);
	assert_string_equal(result.plan.primary, "gw2");
	assert_false(result.switches);
	assert_int_equal(result.plan.count, 3);
	assert_string_equal(result.plan.order[2], "gw3");
	input.primary = "gw3";
	accord_decide(&input, &result);
	assert_string_equal(result.plan.primary, "gw3");
	assert_true(result.switches);
	/* a grant of this very run is no other's; what is not known does not differ */
	SET(states[0].grant.run, "r1");
	states[0].firmware[0] = states[1].primary_address[0] = '\0';
	states[2].quorum = -1;
	accord_decide(&input, &result);
	assert_int_equal(result.refused, 0);
}

static void names_refusals(void **state)
{
	char next[ERROR_NEXT_MAX_BYTES];

	SET(states[1].grant.run, "r0");
	assert_string_equal(accord_next(ACCORD_GRANT_HELD, &input, next), "to finish that run: drrctl resume r0; to give it up: drrctl release r0");
	for (unsigned i = 0; i < ACCORD_REFUSAL_COUNT; i++) {
		assert_int_equal(accord_by_name(accord_name((enum accord_refusal)i)), i);
		assert_true(accord_sentence((enum accord_refusal)i)[0] && accord_next((enum accord_refusal)i, &input, next)[0]);
		assert_true(error_exit_code(accord_error((enum accord_refusal)i)) >= 2);
	}
	assert_int_equal(accord_by_name("else"), ACCORD_REFUSAL_COUNT);
}

/* ---- view ---- */

static struct json *read(const char *text)
{
	struct error error = {0};
	struct json *json = json_parse(text, strlen(text), &error);

	if (!json)
		fail_msg("%s", error.what);
	return json;
}

static const char state_text[] =
	"{\"member\":{\"name\":\"gw1\",\"address\":\"10.0.0.1\"},\"appliance\":{\"firmware\":\"F\",\"uptime_s\":7,\"domain\":\"d\"},"
	"\"peering\":{\"object\":\"gwd\",\"is_primary\":false,\"primary_address\":null,\"quorum\":null,\"rows\":[{\"address\":\"a\",\"object\":\"gwd\"},{\"address\":\"b\",\"object\":\"tms\"}]},"
	"\"service\":{\"admin_state\":\"enabled\"},\"collections\":4,\"log\":{\"last_event\":\"0x88e000ac\"},\"journal\":{\"open\":true,\"disable_open\":false},"
	"\"grant\":{\"run\":\"r1\",\"plan\":{\"primary\":\"gw2\",\"order\":[\"gw1\",\"gw2\"],\"max_unavailable\":1},\"since\":\"2026-01-02T03:04:05.678Z\",\"by\":\"bob\"},\"hold\":null,"
	"\"run\":{\"id\":\"r1\",\"flush_done\":false,\"flush_unknown\":true,\"bounce_done\":true,\"steps\":{\"bounce\":{\"state\":\"failed\",\"exit\":9,\"attempt\":3,\"sentence\":\"s\",\"next\":null,"
	"\"evidence\":[\"x\",\"y\"],\"disabled_ms\":12},\"dance\":{\"state\":\"done\"}}},\"step\":null,\"as_of\":\"2026-01-02T03:04:06Z\",\"age_ms\":12}";

static void reads_a_state(void **state)
{
	struct json *json = read(state_text);
	struct view_state view;
	struct json *plan;
	char *text;

	assert_true(view_read_state(json, &view));
	json_free(json);
	assert_string_equal(view.name, "gw1");
	assert_int_equal(view.is_primary, 0);
	assert_int_equal(view.quorum, -1);
	assert_string_equal(view.primary_address, "");
	assert_int_equal(view.row_count, 1);
	assert_int_equal(view.collections, 4);
	assert_true(view.journal_open && !view.disable_open);
	assert_string_equal(view.grant.run, "r1");
	assert_string_equal(view.grant.by, "bob");
	assert_int_equal(view.grant.plan.count, 2);
	assert_string_equal(view.hold_owner, "");
	assert_true(view.flush_unknown && !view.flush_done);
	assert_int_equal(view.steps[VIEW_BOUNCE].state, VIEW_STEP_FAILED);
	assert_int_equal(view.steps[VIEW_BOUNCE].exit, 9);
	assert_int_equal(view.steps[VIEW_BOUNCE].attempt, 3);
	assert_string_equal(view.steps[VIEW_BOUNCE].evidence, "x | y");
	assert_int_equal(view.steps[VIEW_BOUNCE].disabled_ms, 12);
	plan = view_plan_json(&view.grant.plan);
	text = json_text(plan, false);
	assert_string_equal(text, "{\"primary\":\"gw2\",\"order\":[\"gw1\",\"gw2\"],\"max_unavailable\":1}");
	free(text);
	json_free(plan);
}

/* With OLD replaced by NEW it is no state. */
static void assert_no_state(const char *old, const char *new)
{
	static char text[4096];
	static struct view_state view;
	const char *at = strstr(state_text, old);
	struct json *json;

	assert_non_null(at);
	(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - state_text), state_text, new, at + strlen(old));
	json = read(text);
	assert_false(view_read_state(json, &view));
	json_free(json);
}

static void refuses_other_states(void **state)
{
	static struct view_state view;

	assert_false(view_read_state(NULL, &view));
	assert_no_state("\"gw1\",\"address\"", "null,\"address\"");
	assert_no_state("\"journal\"", "\"diary\"");
	assert_no_state("\"run\":\"r1\",\"plan\"", "\"run\":\"\",\"plan\"");
	assert_no_state("\"max_unavailable\":1", "\"max_unavailable\":0");
	assert_no_state("[\"gw1\",\"gw2\"]", "[]");
	assert_no_state("[\"gw1\",\"gw2\"]", "[\"gw1\",7]");
	assert_no_state("[\"gw1\",\"gw2\"]", "[\"gw1\",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]");
}

static void reads_refusals(void **state)
{
	struct json *json = read("{\"type\":\"urn:drr:problem:grant-held\",\"title\":\"t\",\"detail\":\"d\",\"next\":\"n\",\"holder\":{\"run\":\"r0\"}}");
	struct view_problem problem;

	view_read_problem(json, 409, &problem);
	json_free(json);
	assert_int_equal(problem.type, PROBLEM_GRANT_HELD);
	assert_string_equal(problem.sentence, "d");
	assert_string_equal(problem.holder, "r0");
	view_read_problem(NULL, 502, &problem);
	assert_int_equal(problem.type, PROBLEM_TYPE_COUNT);
	assert_non_null(strstr(problem.sentence, "HTTP 502"));
}

static void reads_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} times[] = {
		{"1970-01-01T00:00:00Z", 0}, {"2000-02-29T00:00:00Z", 951782400000}, {"2000-03-01T00:00:00.001Z", 951868800001}, {"2026-11-23T14:00:00.250Z", 1795442400250},
		{"2026-11-23T14:00:00", -1}, {"2026-11-23 14:00:00Z", -1}, {"2026-13-23T14:00:00Z", -1}, {"", -1}, {"2026-11-23T14:00:00.25Z", -1}, {"2026-11-23T14:00:00+01:00", -1},
	};

	for (unsigned i = 0; i < sizeof times / sizeof times[0]; i++)
		if (view_time_ms(times[i].text) != times[i].ms)
			fail_msg("%s is %lld", times[i].text, (long long)view_time_ms(times[i].text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(refuses, begin), cmocka_unit_test_setup(plans, begin), cmocka_unit_test_setup(names_refusals, begin), cmocka_unit_test(reads_a_state),
		cmocka_unit_test(refuses_other_states), cmocka_unit_test(reads_refusals),     cmocka_unit_test(reads_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
