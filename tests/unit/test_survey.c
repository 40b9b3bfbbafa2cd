/* agent/group/survey: the findings of several members as one list, and what only their comparison shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "group/survey.h"

static struct view_state states[GROUP_MEMBERS_MAX];
static struct survey survey;
static struct json *told[GROUP_MEMBERS_MAX], *findings;
static char names[GROUP_MEMBERS_MAX][16];

#define SET(field, value) assert_true((size_t)snprintf((field), sizeof(field), "%s", (value)) < sizeof(field))

static struct json *parsed(const char *text)
{
	struct error error = {0};
	struct json *json = json_parse(text, strlen(text), &error);

	assert_non_null(json);
	return json;
}

static void make(unsigned count)
{
	memset(states, 0, sizeof states);
	memset(&survey, 0, sizeof survey);
	survey.count = count;
	survey.production = true;
	for (unsigned i = 0; i < count; i++) {
		char address[32];

		(void)snprintf(names[i], sizeof names[i], "gw%u", i + 1);
		(void)snprintf(address, sizeof address, "10.0.0.%u", i + 1);
		SET(states[i].name, names[i]);
		SET(states[i].address, address);
		SET(states[i].object, "gwd");
		SET(states[i].domain, "apiconnect");
		SET(states[i].firmware, "IDG.10.5");
		SET(states[i].persistence, "memory");
		SET(states[i].primary_address, "10.0.0.1");
		states[i].priority = 100 + i;
		for (unsigned k = 0; k < count; k++) {
			(void)snprintf(states[i].rows[k], VIEW_TEXT_BYTES, "10.0.0.%u", k + 1);
			states[i].priorities[k] = 100 + k;
		}
		states[i].row_count = count;
		json_free(told[i]);
		told[i] = parsed("[]");
		survey.members[i] = (struct survey_member){.name = names[i], .state = &states[i], .findings = told[i], .trouble = "", .next = ""};
	}
}

static int begin(void **state)
{
	(void)state;
	make(3);
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_free(findings);
	findings = NULL;
	for (unsigned i = 0; i < GROUP_MEMBERS_MAX; i++) {
		json_free(told[i]);
		told[i] = NULL;
	}
	return 0;
}

static void tell(unsigned member, const char *text)
{
	json_free(told[member]);
	survey.members[member].findings = told[member] = parsed(text);
}

static const struct json *judge(void)
{
	json_free(findings);
	findings = survey_findings(&survey);
	return findings;
}

static const char *text_at(size_t index, const char *key)
{
	const char *text = json_string(json_get(json_at(findings, index), key));

	return text ? text : "";
}

/* "gw1 gw3" */
static const char *members_at(size_t index)
{
	static char out[GROUP_MEMBERS_MAX * 16];
	const struct json *members = json_get(json_at(findings, index), "members");

	out[0] = '\0';
	for (size_t i = 0; json_at(members, i); i++)
		(void)snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", i ? " " : "", json_string(json_at(members, i)));
	return out;
}

/* Exactly this one, told of MEMBERS. */
static void assert_one(const char *id, const char *severity, const char *members, const char *evidence)
{
	char *text = json_text(judge(), false);

	if (!json_at(findings, 0) || json_at(findings, 1) || strcmp(text_at(0, "id"), id) != 0 || !strstr(text_at(0, "evidence"), evidence))
		fail_msg("%s with %s wanted: %s", id, evidence, text);
	free(text);
	assert_string_equal(text_at(0, "severity"), severity);
	assert_string_equal(members_at(0), members);
	assert_int_equal(strncmp(members, text_at(0, "member"), strlen(text_at(0, "member"))), 0);
	assert_non_null(json_string(json_at(json_get(json_at(findings, 0), "fix"), 0)));
	assert_true(text_at(0, "why")[0]);
	assert_int_equal(survey_is_bad(findings), strcmp(severity, "info") != 0);
}

static void a_healthy_group_is_silent(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		survey.members[i].agent_ahead_ms = survey.members[i].appliance_ahead_ms = SURVEY_CLOCK_UNKNOWN;
	assert_null(json_at(judge(), 0));
	assert_false(survey_is_bad(findings));
}

#define FINDING(id, severity, subject, evidence, fix) \
	"{\"id\":\"" id "\",\"severity\":\"" severity "\",\"member\":\"x\",\"subject\":" subject ",\"evidence\":\"" evidence "\",\"why\":\"w\",\"fix\":[\"" fix "\"],\"note\":null}"

static void the_same_of_several_members_is_one(void **state)
{
	static const char same[] = "[" FINDING("log-target-missing", "warning", "null", "it has none", "make one") "]";

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		tell(i, same);
	assert_one("log-target-missing", "warning", "gw1 gw2 gw3", "it has none");
	assert_string_equal(text_at(0, "evidence"), "it has none");
	assert_null(json_at(json_get(json_at(findings, 0), "fix"), 1));
	tell(1, "[" FINDING("log-target-missing", "warning", "null", "other", "another") "]");
	assert_one("log-target-missing", "warning", "gw1 gw2 gw3", "gw1, gw3: it has none; gw2: other");
	assert_string_equal(json_string(json_at(json_get(json_at(findings, 0), "fix"), 1)), "another");
}

static void other_subjects_stay_apart_and_severities_come_first(void **state)
{
	(void)state;
	tell(0, "[" FINDING("cluster-mode", "info", "null", "a", "f") "," FINDING("object-down", "critical", "\"tms\"", "b", "f") "]");
	tell(2, "[" FINDING("x", "warning", "null", "c", "f") "," FINDING("object-down", "critical", "\"gwd\"", "d", "f") "," FINDING("y", "loud", "null", "e", "f") "]");
	(void)judge();
	assert_string_equal(text_at(0, "evidence"), "b");
	assert_string_equal(members_at(0), "gw1");
	assert_string_equal(text_at(1, "evidence"), "d");
	assert_string_equal(text_at(2, "evidence"), "e");
	assert_string_equal(text_at(2, "severity"), "critical"); /* of a severity that is not known here */
	assert_string_equal(text_at(3, "id"), "x");
	assert_string_equal(text_at(4, "id"), "cluster-mode");
	assert_null(json_at(findings, 5));
	tell(2, "[7,{},{\"id\":4},[]]"); /* not what was agreed: nothing */
	tell(0, "[" FINDING("cluster-mode", "info", "null", "a", "f") "]");
	assert_one("cluster-mode", "info", "gw1", "a");
}

static void members_that_disagree(void **state)
{
	(void)state;
	SET(states[1].object, "other");
	assert_one("object-disagrees", "critical", "gw1 gw2 gw3", "gw1: gwd, gw2: other, gw3: gwd");
	make(3);
	SET(states[2].domain, "other");
	assert_one("domain-disagrees", "critical", "gw1 gw2 gw3", "gw3: other");
	make(3);
	SET(states[0].primary_address, "10.0.0.2");
	assert_one("members-disagree", "critical", "gw1 gw2 gw3", "gw1: 10.0.0.2");
	make(3);
	SET(states[0].persistence, "");
	SET(states[1].persistence, "local");
	assert_one("persistence-disagrees", "warning", "gw2 gw3", "gw2: local, gw3: memory");
	make(3);
	SET(states[2].firmware, "IDG.10.0");
	assert_one("firmware-disagrees", "warning", "gw1 gw2 gw3", "gw3: IDG.10.0");
	make(3);
	SET(states[2].name, "gw9");
	assert_one("name-differs", "warning", "gw3", "gw3 calls itself gw9");
}

static void what_members_told_is_not_told_again(void **state)
{
	(void)state;
	SET(states[1].persistence, "local");
	tell(1, "[" FINDING("persistence-disagrees", "warning", "null", "their words", "f") "]");
	assert_one("persistence-disagrees", "warning", "gw2", "their words");
}

static void priorities(void **state)
{
	(void)state;
	states[2].priority = 100;
	assert_one("priority-not-distinct", "warning", "gw1 gw3", "gw1, gw3 have priority 100");
	make(3);
	states[1].priorities[0] = 7;
	assert_one("priorities-disagree", "warning", "gw1 gw2", "priority of 10.0.0.1: 100 for gw1, 7 for gw2");
	make(3);
	for (unsigned i = 0; i < 3; i++) {
		states[i].priority = -1;
		states[i].priorities[1] = i == 1 ? 101 : -1; /* stale, or not told */
	}
	assert_null(json_at(judge(), 0));
}

static void gateways_that_are_missing_or_too_few(void **state)
{
	(void)state;
	SET(states[0].rows[1], "10.0.0.9");
	assert_one("member-without-agent", "warning", "gw1", "10.0.0.9 in the table of gw1");
	survey.members[2].state = NULL; /* it could be that one's */
	assert_null(json_at(judge(), 0));
	make(2);
	assert_one("fewer-than-three-gateways", "warning", "gw1 gw2", "2 members in group.conf");
	survey.production = false;
	assert_null(json_at(judge(), 0));
}

static void members_that_tell_nothing(void **state)
{
	(void)state;
	survey.members[1] = (struct survey_member){.name = "gw2", .trouble = "no route", .next = "", .silent = true};
	assert_one("agent-unreachable", "critical", "gw2", "gw2: no route");
	survey.members[1] = (struct survey_member){.name = "gw2", .state = &states[1], .trouble = "a step is under way", .next = "wait"};
	assert_one("not-audited", "warning", "gw2", "gw2: a step is under way");
	assert_string_equal(json_string(json_at(json_get(json_at(findings, 0), "fix"), 0)), "wait");
}

static void clocks(void **state)
{
	(void)state;
	survey.members[0].appliance_ahead_ms = SURVEY_CLOCK_UNKNOWN;
	survey.members[1].appliance_ahead_ms = 90100;
	assert_one("clock-skew", "warning", "gw2 gw3", "gw2 +90.1 s, gw3 +0.0 s");
	survey.members[1].appliance_ahead_ms = 5000;
	assert_null(json_at(judge(), 0));
	survey.members[1].agent_ahead_ms = -5001;
	assert_one("agent-clock-skew", "warning", "gw1 gw2 gw3", "gw2 -5.0 s");
	survey.clock_doubt_ms = 1;
	assert_null(json_at(judge(), 0));
}

/* The largest group, all with much to tell: nothing is written beyond its end. */
static void very_much_is_told(void **state)
{
	static char text[60000];
	size_t used = 0;

	(void)state;
	(void)end(NULL);
	make(GROUP_MEMBERS_MAX);
	for (unsigned member = 0; member < GROUP_MEMBERS_MAX; member++) {
		used = (size_t)snprintf(text, sizeof text, "[");
		for (unsigned i = 0; i < 60; i++)
			used += (size_t)snprintf(text + used, sizeof text - used,
						 "%s{\"id\":\"f%u\",\"severity\":\"warning\",\"evidence\":\"%0700u\",\"why\":\"w\",\"fix\":[\"%u\",7]}", i ? "," : "", member * 60 + i, member, member);
		(void)snprintf(text + used, sizeof text - used, "]");
		tell(member, text);
		(void)snprintf(states[member].persistence, VIEW_TEXT_BYTES, "%0120u", member);
	}
	(void)judge();
	assert_non_null(json_at(findings, 1000));
	assert_null(json_at(findings, 1024));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_healthy_group_is_silent, begin, end),
		cmocka_unit_test_setup_teardown(the_same_of_several_members_is_one, begin, end),
		cmocka_unit_test_setup_teardown(other_subjects_stay_apart_and_severities_come_first, begin, end),
		cmocka_unit_test_setup_teardown(members_that_disagree, begin, end),
		cmocka_unit_test_setup_teardown(what_members_told_is_not_told_again, begin, end),
		cmocka_unit_test_setup_teardown(priorities, begin, end),
		cmocka_unit_test_setup_teardown(gateways_that_are_missing_or_too_few, begin, end),
		cmocka_unit_test_setup_teardown(members_that_tell_nothing, begin, end),
		cmocka_unit_test_setup_teardown(clocks, begin, end),
		cmocka_unit_test_setup_teardown(very_much_is_told, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
