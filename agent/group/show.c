#include "group/show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { SHOWN_BYTES = 2048 };

static const char *show(char out[SHOWN_BYTES], const char *text)
{
	return text_escape(out, SHOWN_BYTES, text, strlen(text));
}

const char *show_command(const char *path, const char *next, char out[SHOW_COMMAND_BYTES])
{
	static const char name[] = "drrctl ";
	struct buf text;

	buf_init(&text, out, SHOW_COMMAND_BYTES);
	while (*next) {
		size_t length = strncmp(next, name, sizeof name - 1) == 0 ? sizeof name - 1 : 1;

		if (length > 1)
			length += strspn(next + length, "abcdefghijklmnopqrstuvwxyz");
		(void)buf_add(&text, next, length);
		if (length > sizeof name - 1 && path[0] && strcmp(path, GROUP_CONFIG_PATH) != 0)
			(void)buf_printf(&text, " -g %s", path);
		next += length;
	}
	return out;
}

int show_error(const char *path, const struct error *error)
{
	char shown[SHOWN_BYTES], next[SHOW_COMMAND_BYTES];

	(void)fprintf(stderr, "drrctl: %s\n", show(shown, error->what));
	if (error->next[0])
		(void)fprintf(stderr, "next: %s\n", show(shown, show_command(path, error->next, next)));
	return error_exit_code(error->code);
}

/* ---- status --------------------------------------------------------------------------------------------------- */

static const char *known(const char *text)
{
	return text[0] ? text : "?";
}

static void print_member(const struct team *team, unsigned i)
{
	const struct team_member *member = &team->members[i];
	const struct view_state *state = &member->state;
	char line[SHOWN_BYTES], shown[SHOWN_BYTES], collections[24] = "?";

	if (!member->seen) {
		(void)printf("%-16s %s\n", show(shown, team->config->members[i].name), show(line, member->trouble));
		return;
	}
	if (state->collections >= 0)
		(void)snprintf(collections, sizeof collections, "%lld", (long long)state->collections);
	(void)snprintf(line, sizeof line, "%-16s %-16s %-16s %-8s %-6s %-16s %-11s %s%s%s", state->name, known(state->address), known(state->firmware),
		       state->is_primary < 0 ? "?" : state->is_primary ? "yes" : "no", state->quorum < 0 ? "?" : state->quorum ? "yes" : "no",
		       known(state->admin_state), collections, known(state->last_event), state->journal_open ? ", journal open" : "", state->step[0] ? ", at work" : "");
	(void)printf("%s\n", show(shown, line));
	if (state->grant.run[0]) {
		(void)snprintf(line, sizeof line, "acts for run %s of %s since %s", state->grant.run, known(state->grant.by), known(state->grant.since));
		(void)printf("%-16s %s\n", "", show(shown, line));
	}
	if (state->hold_owner[0]) {
		(void)snprintf(line, sizeof line, "held by %s until %s: %s", state->hold_owner, known(state->hold_until), state->hold_reason);
		(void)printf("%-16s %s\n", "", show(shown, line));
	}
}

static struct json *refusals_json(const struct accord_input *input, const struct accord_result *result)
{
	struct json *array = json_array();
	char evidence[ACCORD_EVIDENCE_BYTES], next[ERROR_NEXT_MAX_BYTES];

	for (unsigned i = 0; i < ACCORD_REFUSAL_COUNT; i++) {
		struct json *object;

		if (!(result->refused & 1u << i))
			continue;
		object = json_object();
		json_set_string(object, "name", accord_name((enum accord_refusal)i));
		json_set_string(object, "sentence", accord_sentence((enum accord_refusal)i));
		json_set_string(object, "evidence", accord_evidence((enum accord_refusal)i, input, evidence));
		json_set_string(object, "next", accord_next((enum accord_refusal)i, input, next));
		json_add(array, object);
	}
	return array;
}

static void print_json(struct team *team, const struct accord_input *input, const struct accord_result *result)
{
	struct json *object = json_object(), *members = json_array();
	char *text;

	json_set_string(object, "group", team->config->group.name);
	for (unsigned i = 0; i < team->config->member_count; i++) {
		struct json *member = json_object();

		json_set_string(member, "name", team->config->members[i].name);
		json_set_string(member, "url", team->config->members[i].door.url.text);
		json_set_string(member, "error", team->members[i].seen ? NULL : team->members[i].trouble);
		if (team->members[i].seen && team->members[i].client.answer)
			json_set(member, "state", client_take_answer(&team->members[i].client));
		else
			json_set_null(member, "state");
		json_add(members, member);
	}
	json_set(object, "members", members);
	json_set(object, "refusals", refusals_json(input, result));
	text = json_text(object, true);
	(void)puts(text);
	free(text);
	json_free(object);
}

void show_status(struct team *team, bool json)
{
	struct accord_input input;
	struct accord_result result;
	char evidence[ACCORD_EVIDENCE_BYTES], shown[SHOWN_BYTES], advice[ERROR_NEXT_MAX_BYTES], next[SHOW_COMMAND_BYTES];

	team_fill_input(team, &input);
	accord_decide(&input, &result);
	if (json) {
		print_json(team, &input, &result);
		return;
	}
	(void)printf("%-16s %-16s %-16s %-8s %-6s %-16s %-11s %s\n", "member", "address", "firmware", "primary", "quorum", "service", "collections", "last event");
	for (unsigned i = 0; i < team->config->member_count; i++)
		print_member(team, i);
	for (unsigned i = 0; i < ACCORD_REFUSAL_COUNT; i++) {
		if (!(result.refused & 1u << i) || i == ACCORD_UNREACHABLE)
			continue;
		(void)printf("a run would be refused: %s\n  %s\n", accord_sentence((enum accord_refusal)i), show(shown, accord_evidence((enum accord_refusal)i, &input, evidence)));
		(void)printf("  next: %s\n", show(shown, show_command(team->config->path, accord_next((enum accord_refusal)i, &input, advice), next)));
	}
}

/* ---- a plan --------------------------------------------------------------------------------------------------- */

void show_refusals(struct team *team, const struct accord_input *input, const struct accord_result *result)
{
	char evidence[ACCORD_EVIDENCE_BYTES], sentence[VIEW_SENTENCE_BYTES];

	team->report.member = team->config->group.name;
	for (unsigned i = 0; i < ACCORD_REFUSAL_COUNT; i++) {
		bool refused = result->refused & 1u << i;

		if (!refused && !(result->overridden & 1u << i))
			continue;
		(void)snprintf(sentence, sizeof sentence, "%s: %s", accord_name((enum accord_refusal)i), accord_sentence((enum accord_refusal)i));
		report_line(&team->report, "precheck", refused ? "refused" : "skipped", sentence, accord_evidence((enum accord_refusal)i, input, evidence));
	}
}

void show_plan(const struct team *team, const struct accord_result *result)
{
	const struct view_plan *plan = &result->plan;
	char shown[SHOWN_BYTES];

	(void)printf("run %s would do this:\n", team->settings.run);
	(void)printf("  all       grant     %s\n", phases_step_sentence(PHASES_GRANT));
	(void)printf("  %-9s primary   %s\n", show(shown, plan->primary), result->switches ? "it is not primary now, and becomes it" : "it is primary now: nothing to do");
	(void)printf("  %-9s flush     %s\n", show(shown, plan->primary), phases_step_sentence(PHASES_FLUSH));
	for (unsigned i = 0; i < plan->count; i++)
		(void)printf("  %-9s bounce    %s\n", show(shown, plan->order[i]), phases_step_sentence(PHASES_BOUNCE));
	(void)printf("            at most %u disabled at the same time\n", plan->max_unavailable);
	(void)printf("  all       confirm   %s\n", phases_step_sentence(PHASES_CONFIRM));
	(void)printf("  -         trigger   %s\n", team->settings.nudge == GROUP_NUDGE_NEVER ? phases_step_sentence(PHASES_TRIGGER)
			: team->settings.nudge == GROUP_NUDGE_ALWAYS ? "makes API Manager send an event" : "waits for the heartbeat; if it is late, makes API Manager send an event");
	(void)printf("  all       await     %s\n", phases_step_sentence(PHASES_AWAIT));
	(void)printf("  all       release   %s\n", phases_step_sentence(PHASES_RELEASE));
}
