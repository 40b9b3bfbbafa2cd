#include "group/team.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "group/board.h"
#include "group/catalogs.h"
#include "group/nudge.h"
#include "platform/clock.h"

static const char state_now[] = "/v1/state?max_age_ms=0";

int team_open(struct team *team, const struct group_config *config, struct error *error)
{
	struct client_limits limits = {(int64_t)config->group.connect_timeout_s * 1000, (int64_t)config->group.answer_timeout_s * 1000};

	team->config = config;
	team->loop.timer_fd = team->loop.signal_fd = -1;
	if (config->group.certificate[0] && config->group.key[0]) {
		team->identity = tls_identity_load(config->group.certificate, config->group.key, error);
		if (!team->identity)
			return -1;
	}
	for (unsigned i = 0; i < config->member_count; i++) {
		char section[GROUP_NAME_BYTES + 16];

		(void)snprintf(section, sizeof section, "[member %s]", config->members[i].name);
		if (client_init(&team->members[i].client, &config->members[i].door, team->identity, limits, section, config->path, error) != 0)
			return -1;
	}
	return loop_open(&team->loop, error);
}

void team_close(struct team *team)
{
	for (unsigned i = 0; team->config && i < team->config->member_count; i++)
		client_free(&team->members[i].client);
	tls_identity_free(team->identity);
	loop_close(&team->loop);
}

/* ---- one question --------------------------------------------------------------------------------------------- */

/* Waits for the clients that are at work, or until DEADLINE; the signal that came, or -1. */
static int wait_for(struct team *team, struct mono deadline, struct client *extra, struct error *error)
{
	struct pollfd fds[GROUP_MEMBERS_MAX + 1];
	unsigned count = team->config->member_count;

	for (unsigned i = 0; i < count; i++) {
		fds[i] = client_poll(&team->members[i].client);
		deadline = mono_earlier(deadline, client_deadline(&team->members[i].client));
	}
	if (extra) {
		fds[count++] = client_poll(extra);
		deadline = mono_earlier(deadline, client_deadline(extra));
	}
	return loop_wait(&team->loop, fds, count, deadline, error);
}

int team_ask(struct team *team, bool only_wanted, const char *method, const char *target, const char *body, struct error *error)
{
	unsigned count = team->config->member_count, open = 0;

	for (unsigned i = 0; i < count; i++) {
		team->members[i].client.status = CLIENT_IDLE;
		if (!only_wanted || team->members[i].wanted)
			client_start(&team->members[i].client, method, target ? target : team->members[i].target, body, NULL, team->wait_ms, clock_now());
	}
	for (;;) {
		int got;

		open = 0;
		for (unsigned i = 0; i < count; i++)
			open += client_step(&team->members[i].client, clock_now()) == CLIENT_WAIT;
		if (open == 0)
			return 0;
		got = wait_for(team, MONO_NEVER, NULL, error);
		if (got < 0)
			return -1;
		if (got == SIGINT || got == SIGTERM)
			return error_set(error, ERROR_FAILED, NULL, "stopped by the operator; %u of %u members have not answered yet", open, count);
	}
}

/* What a member said to a question for its state. */
static void take_look(struct team_member *member)
{
	const struct client *client = &member->client;
	struct view_problem problem;

	member->seen = member->forbidden = false;
	if (client->status == CLIENT_FAILED) {
		(void)snprintf(member->trouble, sizeof member->trouble, "%s", client->error.what);
		return;
	}
	if (client->http_status == 200 && client->answer && view_read_state(client->answer, &member->state)) {
		member->seen = true;
		return;
	}
	view_read_problem(client->answer, client->http_status, &problem);
	member->forbidden = client->http_status == 403;
	if (client->http_status == 200)
		(void)snprintf(member->trouble, sizeof member->trouble, "its state is not what this version expects");
	else
		(void)snprintf(member->trouble, sizeof member->trouble, "%s", problem.sentence);
}

int team_look(struct team *team, struct error *error)
{
	if (team_ask(team, false, "GET", state_now, NULL, error) != 0)
		return -1;
	for (unsigned i = 0; i < team->config->member_count; i++) {
		take_look(&team->members[i]);
		team->members[i].wanted = team->members[i].client.status == CLIENT_FAILED && team->members[i].client.error.code == ERROR_LOST;
	}
	if (team_ask(team, true, "GET", state_now, NULL, error) != 0) /* a connection that broke: once more */
		return -1;
	for (unsigned i = 0; i < team->config->member_count; i++)
		if (team->members[i].wanted)
			take_look(&team->members[i]);
	return 0;
}

void team_fill_input(const struct team *team, struct accord_input *input)
{
	const struct group_config *config = team->config;

	memset(input, 0, sizeof *input);
	input->count = config->member_count;
	input->run = "";
	input->max_unavailable = config->group.order == GROUP_TOGETHER ? config->member_count : config->group.max_unavailable;
	for (unsigned i = 0; i < config->member_count; i++) {
		input->names[i] = config->members[i].name;
		input->states[i] = team->members[i].seen ? &team->members[i].state : NULL;
		input->troubles[i] = team->members[i].trouble;
		input->forbidden[i] = team->members[i].forbidden;
	}
}

/* ---- a run ---------------------------------------------------------------------------------------------------- */

static char *step_body(const struct team *team, const struct phases_request *request)
{
	struct json *object = json_object(), *overrides = json_array();
	char *text;

	json_set_string(object, "run", team->settings.run);
	json_set_string(object, "op", view_op_name(request->op));
	json_set_int(object, "attempt", request->attempt);
	for (unsigned i = 0; i < team->override_count; i++)
		json_add_string(overrides, team->overrides[i]);
	if (team->override_count > 0)
		json_set(object, "overrides", overrides);
	else
		json_free(overrides);
	text = json_text(object, false);
	json_free(object);
	return text;
}

static void start_request(struct team *team, struct team_member *member)
{
	const struct phases_request *request = &member->request;
	struct client *client = &member->client;
	char target[VIEW_RUN_BYTES + 64], *body = NULL;
	struct json *plan;

	switch (request->ask) {
	case PHASES_ASK_STATE:
		client_start(client, "GET", request->fresh ? state_now : "/v1/state?max_age_ms=600000", NULL, NULL, 0, clock_now());
		break;
	case PHASES_ASK_GRANT:
	case PHASES_ASK_RELEASE:
		plan = view_plan_json(&team->settings.plan);
		body = json_text(plan, false);
		json_free(plan);
		(void)snprintf(target, sizeof target, "/v1/grant/%s", team->settings.run);
		if (request->ask == PHASES_ASK_GRANT)
			client_start(client, "PUT", target, body, NULL, 0, clock_now());
		else
			client_start(client, "DELETE", target, NULL, NULL, 0, clock_now());
		break;
	case PHASES_ASK_STEP:
		body = step_body(team, request);
		client_start(client, "POST", "/v1/steps", body, NULL, 0, clock_now());
		break;
	default:
		(void)snprintf(target, sizeof target, "/v1/steps/%s.%s?wait_s=%u", team->settings.run, view_op_name(request->op), request->wait_s);
		client_start(client, "GET", target, NULL, NULL, (int64_t)request->wait_s * 1000, clock_now());
	}
	free(body);
}

static void take_answer(struct team *team, unsigned place)
{
	struct team_member *member = &team->members[team->place[place]];
	const struct client *client = &member->client;
	struct phases_answer answer = {.status = client->status == CLIENT_DONE ? client->http_status : 0};
	struct view_step step;

	member->busy = false;
	if (client->status == CLIENT_FAILED) {
		answer.trouble = client->error.what;
		answer.unsent = !client->sent;
	} else if (client->http_status >= 400) {
		view_read_problem(client->answer, client->http_status, &member->problem);
		answer.problem = &member->problem;
	} else if (member->request.ask == PHASES_ASK_STATE && view_read_state(client->answer, &member->state)) {
		answer.state = &member->state;
	} else if (view_read_step(client->answer, &step)) {
		answer.step = &step;
	}
	phases_take(&team->phases, place, &member->request, &answer, clock_now());
}

/* A phases_tell_function. */
static void tell(void *context, int member, enum phases_step step, enum phases_event event, const char *sentence, const char *evidence)
{
	struct team *team = context;

	team->report.member = member >= 0 ? team->settings.plan.order[member] : team->config->group.name;
	board_clear(team);
	report_line(&team->report, phases_step_name(step), phases_event_name(event), sentence, evidence);
}

/* One request begun, or one answer taken, wherever that can be done without waiting. True: something moved. */
static bool pass(struct team *team)
{
	bool moved = false;

	for (unsigned i = 0; i < team->phases.count && !team->phases.over; i++) {
		struct team_member *member = &team->members[team->place[i]];

		if (!member->busy && phases_next(&team->phases, i, clock_now(), &member->request)) {
			member->busy = moved = true;
			start_request(team, member);
		}
		if (member->busy && client_step(&member->client, clock_now()) != CLIENT_WAIT) {
			take_answer(team, i);
			moved = true;
		}
	}
	return moved;
}

/* Everything that can be done without waiting. What a tick decides can make a request due for somebody who waits for nothing else: nobody would wake us for it, so a
 * pass follows each tick. */
static void turn(struct team *team)
{
	bool ticked = false;

	while (!team->phases.over && (pass(team) || !ticked)) {
		phases_tick(&team->phases, clock_now());
		ticked = true;
	}
}

static void prepare(struct team *team)
{
	phases_init(&team->phases, &team->settings);
	team->settings.tell = tell;
	team->settings.context = team;
	team->begun = clock_now();
	for (unsigned i = 0; i < team->phases.count; i++) {
		int index = group_config_member(team->config, team->settings.plan.order[i]);

		team->place[i] = (unsigned)index;
		if (team->members[index].seen)
			phases_see(&team->phases, i, &team->members[index].state, clock_now());
	}
}

/* A long poll is not waited for when the operator wants out. */
static void drop_watches(struct team *team)
{
	for (unsigned i = 0; i < team->phases.count; i++) {
		struct team_member *member = &team->members[team->place[i]];

		if (member->busy && member->request.ask == PHASES_ASK_WATCH) {
			client_close(&member->client);
			member->busy = false;
		}
	}
}

/* ---- API Manager, behind the run ------------------------------------------------------------------------------ */

/* A catalogs_tell_function: on the terminal, and as a line when it says something else than before. */
static void tell_catalogs(void *context, const char *story, int64_t elapsed_ms, int64_t limit_ms)
{
	static char told[MANAGER_STORY_BYTES], line[MANAGER_STORY_BYTES + 64];
	struct team *team = context;

	if (limit_ms > 0 && (!team->note || strcmp(told, story) != 0)) {
		(void)snprintf(told, sizeof told, "%s", story);
		tell(team, -1, PHASES_AWAIT, PHASES_STARTED, "asks API Manager until every catalog is up to date", story);
	}
	(void)snprintf(line, sizeof line, "API Manager, %lld of %lld s: %s", (long long)(elapsed_ms / 1000), (long long)(limit_ms / 1000), story);
	team->note = line;
	board_show(team);
}

/* The members are done: is API Manager? Whatever it says, what the members said stands; a run that was not completed hears it as evidence. */
static void ask_catalogs(struct team *team, struct nudge *nudge)
{
	static const char look[] = "in API Manager: is the gateway service online there, does its endpoint reach port 3000 of the members? then: drrctl nudge; never another flush for that";
	int64_t limit_ms = (int64_t)team->config->api_manager.status_timeout_s * 1000;
	bool whole = team->phases.exit == 0;
	char story[MANAGER_STORY_BYTES] = "";
	enum catalogs_end end;

	if (limit_ms == 0 || team->settings.dry || !nudge->client.door || !phases_is_flushed(&team->phases) || nudge_client(nudge))
		return;
	end = catalogs_wait(nudge, &team->loop, whole ? limit_ms : 0, tell_catalogs, team, story);
	board_clear(team);
	if (end == CATALOGS_CURRENT)
		tell(team, -1, PHASES_AWAIT, PHASES_DONE, "API Manager calls every catalog up to date", story);
	else
		tell(team, -1, PHASES_AWAIT, PHASES_FAILED,
		     end == CATALOGS_STOPPED ? "stopped by the operator before API Manager called every catalog up to date" :
		     end == CATALOGS_UNKNOWN ? "API Manager cannot be asked whether the catalogs are up to date" : "API Manager does not call every catalog up to date",
		     end == CATALOGS_UNKNOWN ? nudge->error.what : story);
	if (end == CATALOGS_CURRENT || !whole)
		return;
	(void)snprintf(team->phases.sentence + strlen(team->phases.sentence), sizeof team->phases.sentence - strlen(team->phases.sentence), "; API Manager %s",
		       end == CATALOGS_UNKNOWN ? "could not be asked whether the catalogs are up to date" : "does not call every catalog up to date yet");
	(void)snprintf(team->phases.next, sizeof team->phases.next, "%s", look);
}

int team_run(struct team *team, struct error *error)
{
	struct nudge nudge;
	unsigned signals = 0;
	int got = 0;

	prepare(team);
	if (nudge_init(&nudge, team->config, error) != 0)
		return -1;
	while (!team->phases.over && got >= 0 && signals < 2) {
		struct mono now = clock_now(); /* what becomes due from here on must wake us */

		turn(team);
		if (phases_wants_nudge(&team->phases))
			nudge_start(&nudge, clock_now());
		if (nudge_step(&nudge, clock_now()))
			phases_nudged(&team->phases, nudge.error.code == ERROR_NONE ? NULL : nudge.error.what);
		if (team->phases.over)
			break;
		board_show(team);
		got = wait_for(team, mono_earlier(phases_deadline(&team->phases, now), board_again(team)), nudge_client(&nudge), error);
		if (got == SIGINT || got == SIGTERM) {
			signals++;
			drop_watches(team);
			phases_stop(&team->phases, clock_now());
		}
	}
	board_clear(team);
	if (got >= 0 && signals == 0)
		ask_catalogs(team, &nudge);
	nudge_free(&nudge);
	if (got < 0)
		return -1;
	if (!team->phases.over) { /* asked twice: the grants are not waited for */
		team->phases.over = true;
		(void)snprintf(team->phases.next, sizeof team->phases.next, "drrctl release %s   (members may still hold their grants)", team->settings.run);
	}
	return team->phases.exit;
}
