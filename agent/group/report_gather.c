#include "group/report_gather.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "group/catalogs.h"
#include "group/report_write.h"
#include "group/show.h"
#include "platform/clock.h"

enum {
	PAGES_MAX = 400,  /* of one member: the agents keep half a megabyte, a page is an event at least */
	PAGE_EVENTS = 200,
};

struct gather {
	struct team *team;
	struct report_model *model;
	int64_t after[GROUP_MEMBERS_MAX];
	int64_t asked_ms;
};

static void note_trouble(struct report_member *member, const struct team_member *from)
{
	const struct client *client = &from->client;
	struct view_problem problem;

	if (client->status == CLIENT_FAILED) {
		(void)snprintf(member->trouble, sizeof member->trouble, "%s", client->error.what);
		return;
	}
	view_read_problem(client->answer, client->http_status, &problem);
	member->forbidden = client->http_status == 403;
	(void)snprintf(member->trouble, sizeof member->trouble, "%s", client->http_status == 200 ? "what it answers is not what this version expects" : problem.sentence);
}

static bool answered(const struct team_member *member)
{
	return member->client.status == CLIENT_DONE && member->client.http_status == 200 && member->client.answer;
}

/* The first ones are gone: true, there are others. */
static bool skip_gone(struct gather *gather, unsigned i)
{
	int64_t oldest = 0;

	if (!json_int(json_get(gather->team->members[i].client.answer, "oldest"), &oldest) || oldest - 1 <= gather->after[i])
		return false;
	gather->after[i] = oldest - 1;
	gather->model->members[i].gone_before = oldest;
	return true;
}

static void take_page(struct gather *gather, unsigned i)
{
	struct team_member *from = &gather->team->members[i];
	bool gone = from->client.status == CLIENT_DONE && from->client.http_status == 410 && skip_gone(gather, i);
	int more = gone ? 1 : answered(from) ? report_model_take_events(&gather->model->members[i], gather->model, from->client.answer, &gather->after[i]) : -1;

	if (more < 0)
		note_trouble(&gather->model->members[i], from);
	from->wanted = more > 0;
}

static int gather_events(struct gather *gather, struct error *error)
{
	unsigned count = gather->team->config->member_count, wanted = count;

	for (unsigned i = 0; i < count; i++)
		gather->team->members[i].wanted = true;
	for (unsigned page = 0; wanted > 0 && page < PAGES_MAX; page++) {
		bool asked[GROUP_MEMBERS_MAX];

		for (unsigned i = 0; i < count; i++) {
			struct team_member *member = &gather->team->members[i];

			asked[i] = member->wanted;
			(void)snprintf(member->target, sizeof member->target, "/v1/events?after=%" PRId64 "&limit=%d", gather->after[i], PAGE_EVENTS);
		}
		if (team_ask(gather->team, true, "GET", NULL, NULL, error) != 0)
			return -1;
		wanted = 0;
		for (unsigned i = 0; i < count; i++) {
			if (asked[i])
				take_page(gather, i);
			wanted += gather->team->members[i].wanted;
		}
	}
	return 0;
}

/* Behind the events: where both tell of the same, the newer word counts. Who did not answer is not waited for once more. */
static int gather_states(struct gather *gather, struct error *error)
{
	struct team *team = gather->team;

	for (unsigned i = 0; i < team->config->member_count; i++)
		team->members[i].wanted = gather->model->members[i].trouble[0] == '\0';
	gather->asked_ms = clock_wall_ms();
	if (team_ask(team, true, "GET", "/v1/state?max_age_ms=600000", NULL, error) != 0)
		return -1;
	for (unsigned i = 0; i < team->config->member_count; i++) {
		struct report_member *member = &gather->model->members[i];

		if (!team->members[i].wanted)
			continue;
		if (!answered(&team->members[i]) || !report_model_take_state(member, gather->model, team->members[i].client.answer, (gather->asked_ms + clock_wall_ms()) / 2))
			note_trouble(member, &team->members[i]);
	}
	return 0;
}

int report_gather(struct team *team, const char *run, struct report_model *model, struct error *error)
{
	struct gather gather = {.team = team, .model = model};

	report_model_init(model, team->config->group.name, run, clock_wall_ms());
	for (unsigned i = 0; i < team->config->member_count; i++)
		(void)report_model_add(model, team->config->members[i].name);
	if (gather_events(&gather, error) != 0 || gather_states(&gather, error) != 0)
		return -1;
	report_model_finish(model);
	return 0;
}

/* ---- the verb ------------------------------------------------------------------------------------------------- */

static int write_html(const struct team *team, const struct report_model *model, const char *path)
{
	struct error error = {0};
	FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	bool failed;

	if (!file) {
		(void)error_set(&error, ERROR_FAILED, "name a file in a directory that can be written", "%s cannot be written: %s", path, strerror(errno));
		return show_error(team->config->path, &error);
	}
	report_html_write(model, file);
	failed = ferror(file) != 0;
	if ((file == stdout ? fflush(file) : fclose(file)) != 0 || failed) {
		(void)error_set(&error, ERROR_FAILED, "make room on that file system", "%s could not be written to its end: %s", path, strerror(errno));
		return show_error(team->config->path, &error);
	}
	return 0;
}

static int write_report(const struct team *team, const struct report_model *model, bool as_json, const char *html)
{
	struct json *json;
	char *text;

	int exit_code = html ? write_html(team, model, html) : 0;

	if (!html && !as_json)
		report_text_write(model, stdout);
	if (!as_json || exit_code != 0)
		return exit_code;
	json = report_json(model);
	text = json_text(json, true);
	(void)puts(text);
	free(text);
	json_free(json);
	return 0;
}

/* Who did not answer is named on standard error, too: the report may be in a file. */
static int tell_silent(const struct report_model *model)
{
	char shown[2 * VIEW_SENTENCE_BYTES];
	int exit_code = 0;

	for (unsigned i = 0; i < model->count; i++) {
		const struct report_member *member = &model->members[i];

		if (member->trouble[0] == '\0')
			continue;
		(void)fprintf(stderr, "drrctl: %s did not tell everything: %s\n", member->name, text_escape(shown, sizeof shown, member->trouble, strlen(member->trouble)));
		exit_code = member->forbidden && (exit_code == 0 || exit_code == 7) ? 7 : 8;
	}
	return exit_code;
}

/* A catalogs_tell_function. */
static void tell_nobody(void *context, const char *story, int64_t elapsed_ms, int64_t limit_ms)
{
	(void)context, (void)story, (void)elapsed_ms, (void)limit_ms;
}

/* How far it is with the catalogs, now: nobody has written down what it said in the run. */
static void ask_manager(struct team *team, struct report_model *model)
{
	static struct nudge nudge; /* large */
	char story[MANAGER_STORY_BYTES] = "";
	struct error error = {0};

	if (team->config->api_manager.status_timeout_s == 0 || !report_model_is_known(model))
		return;
	if (nudge_init(&nudge, team->config, &error) == 0 && nudge.client.door)
		if (catalogs_wait(&nudge, &team->loop, 0, tell_nobody, NULL, story) == CATALOGS_UNKNOWN)
			(void)snprintf(story, sizeof story, "cannot be asked: %s", nudge.error.what);
	if (nudge.client.door || error.code != ERROR_NONE)
		(void)snprintf(model->manager, sizeof model->manager, "%s", error.code != ERROR_NONE ? error.what : story);
	nudge_free(&nudge);
}

int report_make(struct team *team, const char *run, bool json, const char *html)
{
	static struct report_model model;
	struct error error = {0};
	int exit_code, silent;

	if (report_gather(team, run, &model, &error) != 0) {
		report_model_free(&model);
		return show_error(team->config->path, &error);
	}
	ask_manager(team, &model);
	silent = tell_silent(&model);
	if (report_model_is_known(&model)) {
		exit_code = write_report(team, &model, json, html);
	} else {
		(void)error_set(&error, ERROR_REFUSED, "drrctl status --json shows the runs that the members remember", "no member that answers knows of a run %s", run);
		exit_code = show_error(team->config->path, &error);
	}
	report_model_free(&model);
	return exit_code == 0 ? silent : exit_code;
}
