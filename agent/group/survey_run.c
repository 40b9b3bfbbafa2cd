#include "group/survey_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "group/show.h"
#include "group/survey.h"
#include "platform/clock.h"

enum {
	AUDIT_WAIT_MS = 60000, /* an agent asks its appliance for no longer */
	SHOWN_BYTES = 8192, NAMES_BYTES = GROUP_MEMBERS_MAX * (GROUP_NAME_BYTES + 2),
	EXIT_FINDINGS = 4, EXIT_BUSY = 6, EXIT_PERMISSION = 7, EXIT_UNREACHABLE = 8,
};

/* ---- asking --------------------------------------------------------------------------------------------------- */

/* What one agent told; FINDINGS is to be freed. The exit code that it means for the whole. */
static int take_answer(struct client *client, struct survey_member *member, struct json **findings, struct view_problem *problem)
{
	bool done = client->status == CLIENT_DONE;

	if (done && client->http_status == 200 && json_is_array(client->answer)) {
		member->findings = *findings = client_take_answer(client);
		return 0;
	}
	member->trouble = problem->sentence;
	member->next = problem->next;
	member->silent = !done;
	view_read_problem(done ? client->answer : NULL, client->http_status, problem);
	if (!done)
		(void)snprintf(problem->sentence, sizeof problem->sentence, "%s", client->error.what);
	else if (client->http_status == 404)
		(void)snprintf(problem->sentence, sizeof problem->sentence, "its agent is older than this drrctl, and cannot be asked for an audit");
	else if (client->http_status == 200)
		(void)snprintf(problem->sentence, sizeof problem->sentence, "what it answers is not what this version expects");
	return done && client->http_status == 403 ? EXIT_PERMISSION : problem->type == PROBLEM_STEP_RUNNING ? EXIT_BUSY : EXIT_UNREACHABLE;
}

static void take_state(const struct team_member *from, struct survey_member *member, int64_t asked_ms)
{
	const char *now = json_string(json_get(json_get(from->client.answer, "agent"), "now"));
	int64_t now_ms = from->seen && now ? view_time_ms(now) : -1;

	member->agent_ahead_ms = member->appliance_ahead_ms = SURVEY_CLOCK_UNKNOWN;
	member->state = from->seen ? &from->state : NULL;
	member->silent &= !from->seen;
	if (now_ms < 0)
		return;
	member->agent_ahead_ms = now_ms - asked_ms;
	if (from->state.clock_known)
		member->appliance_ahead_ms = member->agent_ahead_ms + from->state.appliance_ahead_ms;
}

/* ---- telling -------------------------------------------------------------------------------------------------- */

static const char *show(const char *text)
{
	static char shown[SHOWN_BYTES];

	return text_escape(shown, sizeof shown, text ? text : "", text ? strlen(text) : 0);
}

static const char *field(const struct json *finding, const char *key)
{
	return show(json_string(json_get(finding, key)));
}

static const char *names_of(const struct json *finding)
{
	static char names[NAMES_BYTES];
	const struct json *members = json_get(finding, "members");
	struct buf text;

	buf_init(&text, names, sizeof names);
	for (size_t i = 0; json_at(members, i); i++)
		(void)buf_printf(&text, "%s%s", i > 0 ? ", " : "", json_string(json_at(members, i)));
	return show(names);
}

static void print_finding(const struct team *team, const struct json *finding)
{
	const struct json *fix = json_get(finding, "fix");

	(void)printf("\n%s ", field(finding, "severity"));
	(void)printf("%s ", field(finding, "id"));
	(void)printf("(%s)\n", names_of(finding));
	(void)printf("  found  %s\n", field(finding, "evidence"));
	(void)printf("  why    %s\n", field(finding, "why"));
	for (size_t i = 0; json_at(fix, i); i++) {
		char next[SHOW_COMMAND_BYTES];

		(void)printf("  %s    %s\n", i ? "   " : "fix", show(show_command(team->config->path, json_string(json_at(fix, i)), next)));
	}
}

/* The table, then each finding in full. */
static void print_text(const struct team *team, const struct json *findings, unsigned audited)
{
	const char *note = NULL;

	if (!json_at(findings, 0)) {
		(void)printf("no findings: %u of %u members were asked\n", audited, team->config->member_count);
		return;
	}
	(void)printf("%-9s %-36s %s\n", "severity", "finding", "members");
	for (size_t i = 0; json_at(findings, i); i++) {
		(void)printf("%-9s ", field(json_at(findings, i), "severity"));
		(void)printf("%-36s ", field(json_at(findings, i), "id"));
		(void)printf("%s\n", names_of(json_at(findings, i)));
	}
	for (size_t i = 0; json_at(findings, i); i++) {
		const char *said = json_string(json_get(json_at(findings, i), "note"));

		print_finding(team, json_at(findings, i));
		note = said ? said : note;
	}
	if (note)
		(void)printf("\nnote: %s\n", show(note));
}

static void print_json(const struct json *findings)
{
	char *text = json_text(findings, true);

	(void)puts(text);
	free(text);
}

int survey_run(struct team *team, bool production, bool json, struct error *error)
{
	static struct view_problem problems[GROUP_MEMBERS_MAX];
	struct survey survey = {.count = team->config->member_count, .production = production};
	struct json *told[GROUP_MEMBERS_MAX] = {NULL}, *findings;
	unsigned audited = 0;
	int worst = 0, failed;
	int64_t asked_ms;

	team->wait_ms = AUDIT_WAIT_MS;
	if (team_ask(team, false, "GET", production ? "/v1/audit" : "/v1/audit?non_production=1", NULL, error) != 0)
		return -1;
	team->wait_ms = 0;
	for (unsigned i = 0; i < survey.count; i++) {
		int exit_code = take_answer(&team->members[i].client, &survey.members[i], &told[i], &problems[i]);

		survey.members[i].name = team->config->members[i].name;
		audited += told[i] != NULL;
		worst = exit_code > worst ? exit_code : worst;
	}
	asked_ms = clock_wall_ms();
	failed = team_look(team, error); /* behind the audit: what that asked the appliance is not asked again */
	survey.clock_doubt_ms = clock_wall_ms() - asked_ms;
	for (unsigned i = 0; i < survey.count; i++)
		take_state(&team->members[i], &survey.members[i], asked_ms);
	findings = survey_findings(&survey);
	if (!failed && json)
		print_json(findings);
	else if (!failed)
		print_text(team, findings, audited);
	if (worst == 0 && survey_is_bad(findings))
		worst = EXIT_FINDINGS;
	json_free(findings);
	for (unsigned i = 0; i < survey.count; i++)
		json_free(told[i]);
	return failed ? -1 : worst;
}
