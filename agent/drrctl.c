/* drrctl - the coordinator: orders the members' agents over a group, so that a DRR is done once and by all. */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/text.h"
#include "deps_versions.h"
#include "group/catalogs.h"
#include "group/fleet.h"
#include "group/nudge.h"
#include "group/report_gather.h"
#include "group/show.h"
#include "group/survey_run.h"
#include "group/team.h"
#include "platform/clock.h"
#include "platform/json.h"
#include "platform/secretfile.h"
#include "run/precheck.h"

enum { RETRY_MS = 1000, HOLD_USUAL_S = 3600, HOLD_MAX_S = 30 * 86400, TARGET_BYTES = 160, OVERRIDES_ALL = 32 };

struct options {
	const char *path, *paths[FLEET_GROUPS_MAX]; /* the group at hand; all that were named */
	unsigned path_count;
	const char *run, *primary, *owner, *reason, *html;
	bool json, dry_run, non_production;
	unsigned accord_overrides;
	const char *overrides[TEAM_OVERRIDES_MAX]; /* for the members' prechecks */
	unsigned override_count;
	bool override_unreachable, override_flushed;
	unsigned long long adopt_after_s, for_s;
	bool adopts;
};

static struct group_config config;
static struct team team;

static int verb_status(const struct options *);
static int verb_plan(const struct options *);
static int verb_run(const struct options *);
static int verb_resume(const struct options *);
static int verb_release(const struct options *);
static int verb_hold(const struct options *);
static int verb_unhold(const struct options *);
static int verb_nudge(const struct options *);
static int verb_audit(const struct options *);
static int verb_report(const struct options *);
static int verb_version(const struct options *);

enum takes { TAKES_GROUP = 1, TAKES_JSON = 2, TAKES_RUN_OPTIONS = 4, TAKES_RUN = 8, TAKES_OVERRIDES = 16, TAKES_HOLD = 32, TAKES_HTML = 64, TAKES_FLEET = 128, TAKES_PRODUCTION = 256 };

static const struct verb {
	const char *name;
	unsigned takes;
	int (*perform)(const struct options *);
	const char *synopsis, *meaning;
} verbs[] = {
	{"status", TAKES_GROUP | TAKES_JSON | TAKES_FLEET, verb_status, "[-g FILE ...] [--json]", "what every member and its agent say now, and whether a run would be refused"},
	{"plan", TAKES_GROUP | TAKES_JSON | TAKES_RUN_OPTIONS | TAKES_OVERRIDES, verb_plan, "[--primary NAME] [--json] [--override-NAME]", "what a run would do; changes nothing"},
	{"run", TAKES_GROUP | TAKES_JSON | TAKES_RUN_OPTIONS | TAKES_OVERRIDES, verb_run,
	 "[--primary NAME] [--run ID] [--adopt-after-s N] [--dry-run] [--json] [--override-NAME]", "a DRR of the whole group, verified on every member"},
	{"resume", TAKES_GROUP | TAKES_JSON | TAKES_RUN | TAKES_OVERRIDES, verb_resume, "RUN [--json] [--override-unreachable]", "completes a run, whoever began it"},
	{"release", TAKES_GROUP | TAKES_RUN | TAKES_OVERRIDES, verb_release, "RUN [--override-flushed] [--override-unreachable]", "gives a run up: its grants are given back"},
	{"hold", TAKES_GROUP | TAKES_HOLD, verb_hold, "--reason TEXT [--owner NAME] [--for-s N]", "no run may begin on any member until then"},
	{"unhold", TAKES_GROUP, verb_unhold, "", "takes the hold back"},
	{"nudge", TAKES_GROUP, verb_nudge, "", "makes API Manager send an event to the gateway service"},
	{"audit", TAKES_GROUP | TAKES_JSON | TAKES_FLEET | TAKES_PRODUCTION, verb_audit, "[-g FILE ...] [--json] [--non-production]", "what is wrong or unwise with the group, from every member, and the commands that mend it"},
	{"report", TAKES_GROUP | TAKES_JSON | TAKES_RUN | TAKES_HTML, verb_report, "RUN [--html FILE] [--json]", "what happened in a run, from every member, also while it goes on; text, JSON, one HTML page"},
	{"version", TAKES_JSON, verb_version, "[--json]", "version, target, what is linked in"},
};

static void usage(FILE *out)
{
	(void)fputs("usage:\n", out);
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		(void)fprintf(out, "  drrctl %-8s %s%s\n%*s%s\n", verbs[i].name, verbs[i].takes & TAKES_GROUP ? "[-g FILE] " : "", verbs[i].synopsis, 18, "", verbs[i].meaning);
	(void)fputs("NAME: a refusal: ", out);
	for (unsigned i = 0; i < ACCORD_REFUSAL_COUNT; i++)
		if (!accord_is_final((enum accord_refusal)i))
			(void)fprintf(out, "%s ", accord_name((enum accord_refusal)i));
	(void)fputs("(of the group), ", out);
	for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT; i++)
		(void)fprintf(out, "%s ", precheck_name((enum precheck_refusal)i));
	(void)fprintf(out, "(of one member).\nFILE: %s\n"
			   "exit: 0 done, 1 internal error, 2 usage or configuration, 3 refused, 4 failed, 5 incomplete, 6 busy,\n"
			   "      7 authentication or permission, 8 unreachable, 9 a member may be disabled: act now\n", GROUP_CONFIG_PATH);
}

static int usage_error(const char *what, const char *detail)
{
	(void)fprintf(stderr, "drrctl: %s%s\nnext: drrctl --help\n", what, detail);
	return 2;
}

/* ---- looking -------------------------------------------------------------------------------------------------- */

static int fail(const struct error *error)
{
	team_close(&team);
	return show_error(config.path, error);
}

static int open_and_look(struct error *error)
{
	return team_open(&team, &config, error) != 0 || team_look(&team, error) != 0 ? -1 : 0;
}

static int verb_status(const struct options *options)
{
	struct error error = {0};
	int exit_code = 0;

	if (open_and_look(&error) != 0)
		return fail(&error);
	show_status(&team, options->json);
	for (unsigned i = 0; i < config.member_count; i++)
		if (!team.members[i].seen)
			exit_code = team.members[i].forbidden && exit_code == 0 ? 7 : 8;
	team_close(&team);
	return exit_code;
}

/* ---- runs ----------------------------------------------------------------------------------------------------- */

static void make_run_id(char run[VIEW_RUN_BYTES])
{
	unsigned char random[3] = {0};
	char when[CLOCK_TEXT_BYTES];

	(void)getrandom(random, sizeof random, GRND_NONBLOCK);
	(void)clock_text(when, clock_wall_ms()); /* 2026-01-02T03:04:05.678Z */
	(void)snprintf(run, VIEW_RUN_BYTES, "g%.4s%.2s%.2sT%.2s%.2s%.2s-%02x%02x%02x", when, when + 5, when + 8, when + 11, when + 14, when + 17, random[0], random[1], random[2]);
}

static void fill_settings(const struct options *options)
{
	struct phases_settings *settings = &team.settings;

	settings->patience_ms = (int64_t)config.group.patience_s * 1000;
	settings->retry_ms = RETRY_MS;
	settings->nudge = config.api_manager.door.url.text[0] ? config.api_manager.nudge : GROUP_NUDGE_NEVER;
	settings->nudge_after_ms = (int64_t)config.api_manager.nudge_after_s * 1000;
	settings->skip_unreachable = options->override_unreachable;
	team.override_count = options->override_count;
	memcpy(team.overrides, options->overrides, sizeof team.overrides);
	report_init(&team.report, options->json, settings->run, config.group.name);
}

/* The end of a run that could not even begin. */
static int end_early(const struct error *error)
{
	char next[SHOW_COMMAND_BYTES];
	int exit_code = error_exit_code(error->code);

	team.report.member = config.group.name;
	report_end(&team.report, error->code == ERROR_REFUSED || error->code == ERROR_BUSY ? "refused" : "failed", exit_code, error->what,
		   show_command(config.path, error->next, next));
	team_close(&team);
	return exit_code;
}

static int drive(void)
{
	char next[SHOW_COMMAND_BYTES];
	struct error error = {0};
	int exit_code = team_run(&team, &error);

	if (exit_code < 0)
		return end_early(&error);
	team.report.member = config.group.name;
	report_end(&team.report, phases_event_name(team.phases.state), exit_code, team.phases.sentence, show_command(config.path, team.phases.next, next));
	team_close(&team);
	return exit_code;
}

/* The first refusal says the exit code and the next step; all of them were told. A group of which nobody answers has refused nothing: it cannot be reached. */
static int refuse(const struct accord_input *input, const struct accord_result *result)
{
	struct error error = {0};
	char next[ERROR_NEXT_MAX_BYTES];
	bool heard = false;

	for (unsigned i = 0; i < input->count; i++)
		heard |= input->states[i] || input->forbidden[i];
	for (unsigned i = 0; i < ACCORD_REFUSAL_COUNT && error.code == ERROR_NONE; i++)
		if (result->refused & 1u << i)
			(void)error_set(&error, heard ? accord_error((enum accord_refusal)i) : ERROR_UNREACHABLE, accord_next((enum accord_refusal)i, input, next), "%s; nothing was changed",
					accord_sentence((enum accord_refusal)i));
	return end_early(&error);
}

/* The grant of another run that has been without activity for long enough; NULL: there is none. */
static const struct view_state *find_adoptable(const struct options *options)
{
	const struct view_state *found = NULL;

	for (unsigned i = 0; i < config.member_count; i++) {
		const struct view_state *state = &team.members[i].state;
		int64_t since, now;

		if (!team.members[i].seen || state->step[0] || state->journal_open)
			return NULL;
		if (state->grant.run[0] == '\0')
			continue;
		since = view_time_ms(state->grant.since);
		now = view_time_ms(state->as_of);
		if (since < 0 || now < 0 || now - since < (int64_t)options->adopt_after_s * 1000 || (found && strcmp(found->grant.run, state->grant.run) != 0))
			return NULL;
		found = state;
	}
	return found;
}

static int resume(const struct options *options, const struct view_plan *plan, const char *run)
{
	struct error error = {0};

	if (run != team.settings.run)
		(void)snprintf(team.settings.run, sizeof team.settings.run, "%s", run);
	fill_settings(options);
	team.settings.resuming = true;
	team.settings.plan = *plan;
	for (unsigned i = 0; i < plan->count; i++)
		if (group_config_member(&config, plan->order[i]) < 0) {
			(void)error_set(&error, ERROR_CONFIG, "add it to group.conf; its url is needed", "the run %s has a member %s that %s does not have", run, plan->order[i], config.path);
			return end_early(&error);
		}
	return drive();
}

/* A run's id is used once: what the members remember of it would pass for what this run has done. 0 or -1. */
static int check_run_id(const struct options *options, struct error *error)
{
	char next[ERROR_NEXT_MAX_BYTES];

	for (unsigned i = 0; options->run && i < config.member_count; i++) {
		if (!team.members[i].seen || strcmp(team.members[i].state.run, options->run) != 0)
			continue;
		(void)snprintf(next, sizeof next, "drrctl resume %s   completes that run; for a new one take another id, or none", options->run);
		return error_set(error, ERROR_REFUSED, next, "%s had a run %s already", config.members[i].name, options->run);
	}
	return 0;
}

static int begin(const struct options *options, bool dry)
{
	struct error error = {0};
	struct accord_input input;
	struct accord_result result;
	const struct view_state *old;

	if (open_and_look(&error) != 0)
		return fail(&error);
	if (options->run)
		(void)snprintf(team.settings.run, sizeof team.settings.run, "%s", options->run);
	else
		make_run_id(team.settings.run);
	fill_settings(options);
	if (check_run_id(options, &error) != 0)
		return end_early(&error);
	team_fill_input(&team, &input);
	input.run = team.settings.run;
	input.primary = options->primary;
	input.overrides = options->accord_overrides;
	accord_decide(&input, &result);
	show_refusals(&team, &input, &result);
	old = options->adopts && !dry && (result.refused & 1u << ACCORD_GRANT_HELD) ? find_adoptable(options) : NULL;
	if (old)
		return resume(options, &old->grant.plan, old->grant.run);
	if (result.refused)
		return refuse(&input, &result);
	team.settings.plan = result.plan;
	team.settings.dry = dry;
	if (dry && !options->json)
		show_plan(&team, &result);
	return drive();
}

static int verb_plan(const struct options *options)
{
	return begin(options, true);
}

static int verb_run(const struct options *options)
{
	return begin(options, options->dry_run);
}

static int verb_resume(const struct options *options)
{
	struct error error = {0};

	if (open_and_look(&error) != 0)
		return fail(&error);
	(void)snprintf(team.settings.run, sizeof team.settings.run, "%s", options->run);
	fill_settings(options);
	for (unsigned i = 0; i < config.member_count; i++)
		if (team.members[i].seen && strcmp(team.members[i].state.grant.run, options->run) == 0)
			return resume(options, &team.members[i].state.grant.plan, team.settings.run);
	for (unsigned i = 0; i < config.member_count; i++)
		if (!team.members[i].seen) {
			(void)error_set(&error, ERROR_UNREACHABLE, "drrctl status", "no member that answers holds the run %s, and %s does not answer: %s", options->run,
					config.members[i].name, team.members[i].trouble);
			return end_early(&error);
		}
	(void)error_set(&error, ERROR_REFUSED, "drrctl status", "no member holds the run %s: it is over, or was given up", options->run);
	return end_early(&error);
}

/* ---- release, hold -------------------------------------------------------------------------------------------- */

/* Each member's answer to a change, a line each; the worst exit code. */
static int tell_changes(const char *done)
{
	int worst = 0;

	for (unsigned i = 0; i < config.member_count; i++) {
		const struct team_member *member = &team.members[i];
		const struct client *client = &member->client;
		char line[VIEW_SENTENCE_BYTES + GROUP_NAME_BYTES], shown[2048], next[SHOW_COMMAND_BYTES];
		struct view_problem problem;
		int exit_code = 0;

		if (!member->wanted)
			continue;
		view_read_problem(client->answer, client->http_status, &problem);
		if (client->status == CLIENT_FAILED) {
			(void)snprintf(line, sizeof line, "%s: %s", config.members[i].name, client->error.what);
			exit_code = 8;
		} else if (client->http_status / 100 == 2 || problem.type == PROBLEM_NOT_HELD) {
			(void)snprintf(line, sizeof line, "%s: %s", config.members[i].name, client->http_status / 100 == 2 ? done : "nothing was held");
		} else {
			(void)snprintf(line, sizeof line, "%s: %s", config.members[i].name, problem.sentence);
			exit_code = client->http_status == 403 ? 7 : client->http_status == 409 ? 6 : 4;
		}
		(void)printf("%s\n", text_escape(shown, sizeof shown, line, strlen(line)));
		if (exit_code != 0 && problem.next[0]) {
			(void)show_command(config.path, problem.next, next);
			(void)printf("next: %s\n", text_escape(shown, sizeof shown, next, strlen(next)));
		}
		worst = exit_code > worst ? exit_code : worst;
	}
	return worst;
}

/* Why the run may not be given up: 0 or -1. */
static int check_release(const struct options *options, struct error *error)
{
	char next[ERROR_NEXT_MAX_BYTES];
	bool flushed = false, whole = true;

	(void)snprintf(next, sizeof next, "drrctl release %s --override-unreachable   gives the others back", options->run);
	for (unsigned i = 0; i < config.member_count; i++) {
		const struct view_state *state = &team.members[i].state;
		bool ours = team.members[i].seen && strcmp(state->run, options->run) == 0;

		if (!team.members[i].seen && !options->override_unreachable)
			return error_set(error, ERROR_UNREACHABLE, next,
					 "%s does not answer, so it is not known whether something is open there: %.300s", config.members[i].name, team.members[i].trouble);
		if (team.members[i].seen && (state->disable_open || state->step[0]))
			return error_set(error, ERROR_BUSY, "drrctl status; on that member: drr-agent recover",
					 "something is open on %s: its service may be disabled, or a step is under way", config.members[i].name);
		flushed |= ours && (state->flush_done || state->flush_unknown);
		whole &= ours && state->steps[VIEW_BOUNCE].state == VIEW_STEP_DONE;
	}
	(void)snprintf(next, sizeof next, "drrctl resume %s   completes it; to give it up all the same: drrctl release %s --override-flushed", options->run, options->run);
	if (flushed && !whole && !options->override_flushed)
		return error_set(error, ERROR_REFUSED, next,
				 "the run %s has flushed the group, and not every member was restarted since: those that were not have lost their configuration without knowing it", options->run);
	return 0;
}

static int verb_release(const struct options *options)
{
	char target[TARGET_BYTES];
	struct error error = {0};
	int exit_code;

	if (open_and_look(&error) != 0 || check_release(options, &error) != 0)
		return fail(&error);
	for (unsigned i = 0; i < config.member_count; i++)
		team.members[i].wanted = team.members[i].seen;
	(void)snprintf(target, sizeof target, "/v1/grant/%s", options->run);
	if (team_ask(&team, true, "DELETE", target, NULL, &error) != 0)
		return fail(&error);
	exit_code = tell_changes("the grant is given back");
	team_close(&team);
	return exit_code;
}

static int change_hold(const char *method, const char *body, const char *done)
{
	struct error error = {0};
	int exit_code;

	for (unsigned i = 0; i < GROUP_MEMBERS_MAX; i++)
		team.members[i].wanted = true;
	if (team_ask(&team, false, method, "/v1/hold", body, &error) != 0)
		return fail(&error);
	exit_code = tell_changes(done);
	team_close(&team);
	return exit_code;
}

static int verb_hold(const struct options *options)
{
	const struct passwd *me = getpwuid(getuid());
	const char *owner = options->owner ? options->owner : me ? me->pw_name : "somebody";
	char until[CLOCK_TEXT_BYTES], *text;
	char next[SHOW_COMMAND_BYTES];
	struct error error = {0};
	struct json *body;
	int exit_code;

	if (!options->reason)
		return usage_error("hold needs ", "--reason TEXT: whoever meets the hold wants to know");
	if (team_open(&team, &config, &error) != 0)
		return fail(&error);
	body = json_object();
	json_set_string(body, "owner", owner);
	json_set_string(body, "reason", options->reason);
	json_set_string(body, "until", clock_text(until, clock_wall_ms() + (int64_t)options->for_s * 1000));
	text = json_text(body, false);
	json_free(body);
	exit_code = change_hold("PUT", text, "held");
	free(text);
	if (exit_code != 0)
		(void)fprintf(stderr, "next: %s\n", show_command(config.path, "drrctl unhold   takes it back where it was set", next));
	return exit_code;
}

static int verb_unhold(const struct options *options)
{
	struct error error = {0};

	(void)options;
	if (team_open(&team, &config, &error) != 0)
		return fail(&error);
	return change_hold("DELETE", NULL, "not held any more");
}

/* ---- API Manager ---------------------------------------------------------------------------------------------- */

/* A catalogs_tell_function. */
static void tell_catalogs(void *context, const char *story, int64_t elapsed_ms, int64_t limit_ms)
{
	char *told = context, shown[2 * MANAGER_STORY_BYTES];

	(void)elapsed_ms, (void)limit_ms;
	if (strcmp(told, story) == 0)
		return;
	(void)snprintf(told, MANAGER_STORY_BYTES, "%s", story);
	(void)printf("%s\n", text_escape(shown, sizeof shown, story, strlen(story)));
	(void)fflush(stdout);
}

/* The event is on its way: until API Manager has nothing more to send. */
static int tell_nudged(struct nudge *nudge, struct loop *loop)
{
	char told[MANAGER_STORY_BYTES] = "", story[MANAGER_STORY_BYTES];
	struct error error = {0};
	enum catalogs_end end;

	(void)printf("API Manager sends an event for %u catalog%s of %s\n", config.api_manager.catalog_count, config.api_manager.catalog_count == 1 ? "" : "s",
		     config.api_manager.org);
	(void)fflush(stdout);
	if (config.api_manager.status_timeout_s == 0)
		return 0;
	end = catalogs_wait(nudge, loop, (int64_t)config.api_manager.status_timeout_s * 1000, tell_catalogs, told, story);
	if (end == CATALOGS_CURRENT || end == CATALOGS_LATE)
		tell_catalogs(told, story, 0, 0);
	if (end == CATALOGS_CURRENT)
		return 0;
	(void)error_set(&error, ERROR_FAILED, "in API Manager: is the gateway service online there, does its endpoint reach port 3000 of the members?",
			end == CATALOGS_UNKNOWN ? "API Manager cannot be asked whether the catalogs are up to date: %s" : "API Manager does not call every catalog up to date: %s",
			end == CATALOGS_UNKNOWN ? nudge->error.what : story);
	return show_error(config.path, &error);
}

static int verb_nudge(const struct options *options)
{
	static struct nudge nudge;
	struct loop loop = {-1, -1};
	struct error error = {0};
	bool over = false;
	int exit_code = 0;

	(void)options;
	if (config.api_manager.door.url.text[0] == '\0')
		(void)error_set(&error, ERROR_CONFIG, "write the section (group.conf(5))", "%s: [api_manager] is missing", config.path);
	else if (loop_open(&loop, &error) == 0 && nudge_init(&nudge, &config, &error) == 0)
		nudge_start(&nudge, clock_now());
	while (error.code == ERROR_NONE && !(over = nudge_step(&nudge, clock_now()))) {
		struct pollfd fd = client_poll(nudge_client(&nudge));

		if (loop_wait(&loop, &fd, 1, client_deadline(nudge_client(&nudge)), &error) > 0)
			(void)error_set(&error, ERROR_FAILED, "look at the catalogs' summaries in API Manager", "stopped by the operator");
	}
	if (over)
		error = nudge.error;
	if (error.code == ERROR_NONE)
		exit_code = tell_nudged(&nudge, &loop);
	nudge_free(&nudge);
	loop_close(&loop);
	return error.code != ERROR_NONE ? show_error(config.path, &error) : exit_code;
}

static int verb_audit(const struct options *options)
{
	struct error error = {0};
	int exit_code = team_open(&team, &config, &error) != 0 ? -1 : survey_run(&team, !options->non_production, options->json, &error);

	if (exit_code < 0)
		return fail(&error);
	team_close(&team);
	return exit_code;
}

static int verb_report(const struct options *options)
{
	struct error error = {0};
	int exit_code;

	if (team_open(&team, &config, &error) != 0)
		return fail(&error);
	exit_code = report_make(&team, options->run, options->json, options->html);
	team_close(&team);
	return exit_code;
}

static int verb_version(const struct options *options)
{
	size_t count = sizeof deps_versions / sizeof deps_versions[0];
	struct json *object = json_object(), *parts = json_object();
	char *text;

	json_set_string(object, "version", DRR_VERSION);
	json_set_string(object, "target", DRR_TARGET);
	for (size_t i = 0; i < count; i++)
		json_set_string(parts, deps_versions[i].name, deps_versions[i].version);
	json_set(object, "linked", parts);
	text = json_text(object, false);
	if (options->json)
		(void)puts(text);
	else
		(void)printf("drrctl %s (%s)\n", DRR_VERSION, DRR_TARGET);
	free(text);
	json_free(object);
	return 0;
}

/* ---- the command line ----------------------------------------------------------------------------------------- */

enum option_code { OPTION_JSON = 256, OPTION_PRIMARY, OPTION_RUN, OPTION_DRY_RUN, OPTION_ADOPT, OPTION_OWNER, OPTION_REASON, OPTION_FOR, OPTION_HTML, OPTION_NON_PRODUCTION, OPTION_OVERRIDE };

/* The fixed ones, and one --override-NAME for each refusal. */
enum { FIXED_OPTIONS = 11, NAME_BYTES = 48 };

/* The names that can be overridden: those of the group, then those of the members, then two of drrctl's own. */
static const char *override_name(unsigned index)
{
	static const char *const own[] = {"unreachable", "flushed"};

	if (index < ACCORD_REFUSAL_COUNT)
		return accord_is_final((enum accord_refusal)index) ? "" : accord_name((enum accord_refusal)index);
	index -= ACCORD_REFUSAL_COUNT;
	if (index < PRECHECK_REFUSAL_COUNT)
		return precheck_name((enum precheck_refusal)index);
	index -= PRECHECK_REFUSAL_COUNT;
	return index < sizeof own / sizeof own[0] ? own[index] : NULL;
}

static void fill_long_options(struct option all[OVERRIDES_ALL + FIXED_OPTIONS + 1], char names[OVERRIDES_ALL][NAME_BYTES])
{
	static const struct option fixed[FIXED_OPTIONS] = {
		{"group", required_argument, NULL, 'g'},          {"json", no_argument, NULL, OPTION_JSON},
		{"primary", required_argument, NULL, OPTION_PRIMARY}, {"run", required_argument, NULL, OPTION_RUN},
		{"dry-run", no_argument, NULL, OPTION_DRY_RUN},   {"adopt-after-s", required_argument, NULL, OPTION_ADOPT},
		{"owner", required_argument, NULL, OPTION_OWNER}, {"reason", required_argument, NULL, OPTION_REASON},
		{"for-s", required_argument, NULL, OPTION_FOR},      {"html", required_argument, NULL, OPTION_HTML},
		{"non-production", no_argument, NULL, OPTION_NON_PRODUCTION},
	};
	unsigned count = FIXED_OPTIONS;

	memcpy(all, fixed, sizeof fixed);
	for (unsigned i = 0; i < OVERRIDES_ALL && override_name(i); i++) {
		if (override_name(i)[0] == '\0')
			continue;
		(void)snprintf(names[i], NAME_BYTES, "override-%s", override_name(i));
		all[count++] = (struct option){names[i], no_argument, NULL, OPTION_OVERRIDE + (int)i};
	}
	all[count] = (struct option){0};
}

static unsigned needs(int code)
{
	switch (code) {
	case 'g': return TAKES_GROUP;
	case OPTION_JSON: return TAKES_JSON;
	case OPTION_OWNER:
	case OPTION_REASON:
	case OPTION_FOR: return TAKES_HOLD;
	case OPTION_HTML: return TAKES_HTML;
	case OPTION_NON_PRODUCTION: return TAKES_PRODUCTION;
	case OPTION_PRIMARY:
	case OPTION_RUN:
	case OPTION_DRY_RUN:
	case OPTION_ADOPT: return TAKES_RUN_OPTIONS;
	default: return TAKES_OVERRIDES;
	}
}

/* One name can be the group's and the members' at once. */
static int take_override(struct options *options, const char *name)
{
	if (accord_by_name(name) != ACCORD_REFUSAL_COUNT)
		options->accord_overrides |= 1u << accord_by_name(name);
	if (precheck_by_name(name) != PRECHECK_REFUSAL_COUNT) {
		if (options->override_count == TEAM_OVERRIDES_MAX)
			return usage_error("too many overrides: ", name);
		options->overrides[options->override_count++] = name;
	}
	options->override_unreachable |= strcmp(name, "unreachable") == 0;
	options->override_flushed |= strcmp(name, "flushed") == 0;
	return 0;
}

static bool is_run_id(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length < VIEW_RUN_BYTES && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == length;
}

static int take_option(struct options *options, int code, const char *value)
{
	switch (code) {
	case 'g':
		if (options->path_count == FLEET_GROUPS_MAX)
			return usage_error("too many groups: ", value);
		options->path = options->paths[options->path_count++] = value;
		return 0;
	case OPTION_JSON: options->json = true; return 0;
	case OPTION_DRY_RUN: options->dry_run = true; return 0;
	case OPTION_NON_PRODUCTION: options->non_production = true; return 0;
	case OPTION_PRIMARY: options->primary = value; return 0;
	case OPTION_HTML: options->html = value; return 0;
	case OPTION_OWNER: options->owner = value; return 0;
	case OPTION_REASON: options->reason = value; return 0;
	case OPTION_RUN:
		options->run = value;
		return is_run_id(value) ? 0 : usage_error("a run id is 1 to 63 letters, digits, - _ . ; not ", value);
	case OPTION_ADOPT:
		options->adopts = true;
		return text_to_unsigned(value, strlen(value), HOLD_MAX_S, &options->adopt_after_s) ? 0 : usage_error("--adopt-after-s takes seconds; not ", value);
	case OPTION_FOR:
		return text_to_unsigned(value, strlen(value), HOLD_MAX_S, &options->for_s) && options->for_s > 0 ? 0 : usage_error("--for-s takes 1 to 2592000 seconds; not ", value);
	default: return take_override(options, override_name((unsigned)(code - OPTION_OVERRIDE)));
	}
}

static int parse(const struct verb *verb, int argc, char **argv, struct options *options)
{
	static char names[OVERRIDES_ALL][NAME_BYTES];
	struct option all[OVERRIDES_ALL + FIXED_OPTIONS + 1];
	int code;

	fill_long_options(all, names);
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":g:", all, NULL)) != -1) {
		if (code == ':')
			return usage_error("a value is missing behind ", argv[optind - 1]);
		if (code == '?')
			return usage_error("unknown option ", argv[optind - 1]);
		if (!(verb->takes & needs(code)))
			return usage_error(verb->name, " does not take that option");
		if (take_option(options, code, optarg))
			return 2;
	}
	if (verb->takes & TAKES_RUN) {
		if (optind >= argc || !is_run_id(argv[optind]))
			return usage_error(verb->name, " needs the id of the run (drrctl status shows it)");
		options->run = argv[optind++];
	}
	if (options->path_count > 1 && !(verb->takes & TAKES_FLEET))
		return usage_error(verb->name, " is for one group: one -g");
	return optind < argc ? usage_error("unexpected argument ", argv[optind]) : 0;
}

static int load(const struct verb *verb, const struct options *options)
{
	struct error error = {0};

	if (!(verb->takes & TAKES_GROUP))
		return 0;
	if (group_config_load(options->path, &config, &error) != 0)
		return show_error(options->path, &error);
	if (options->primary && group_config_member(&config, options->primary) < 0)
		return usage_error("--primary: group.conf has no member ", options->primary);
	return 0;
}

/* One of several groups: a fleet_function, in a process of its own. */
struct task {
	const struct verb *verb;
	struct options *options;
};

static int perform_one(void *context, const char *path)
{
	struct task *task = context;
	int exit_code;

	task->options->path = path;
	exit_code = load(task->verb, task->options);
	return exit_code ? exit_code : task->verb->perform(task->options);
}

static int perform(const struct verb *verb, struct options *options)
{
	struct task task = {verb, options};
	struct error error = {0};
	int exit_code;

	if (options->path_count < 2)
		return perform_one(&task, options->path);
	exit_code = fleet_each(options->paths, options->path_count, options->json, perform_one, &task, &error);
	return exit_code < 0 ? show_error(options->path, &error) : exit_code;
}

int main(int argc, char **argv)
{
	static struct options options = {.path = GROUP_CONFIG_PATH, .for_s = HOLD_USUAL_S};

	secretfile_forbid_cores();
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? 2 : 0;
	}
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		int exit_code;

		if (strcmp(verbs[i].name, argv[1]) != 0)
			continue;
		exit_code = parse(&verbs[i], argc - 1, argv + 1, &options);
		return exit_code ? exit_code : perform(&verbs[i], &options);
	}
	return usage_error("unknown verb ", argv[1]);
}
