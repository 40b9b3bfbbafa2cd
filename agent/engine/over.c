/* over.c - the watchdog in the engine. watch/watchdog.c decides; this hands it facts, lines and standings, does what it wishes, and keeps what it remembers.
 *
 * Its own bounce goes the way of a coordinator's: a grant, steps, the release, by requests that may all be repeated. What it intends is on disk before it begins
 * (kept.c), what was done is in the journal; so an engine that is started again in the middle begins again at the first request, and the second bounce is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "engine/daemon.h"
#include "engine/kept.h"
#include "group/others.h"
#include "platform/clock.h"

enum {
	AGAIN_MS = 1000,       /* what cannot be done at once: a look right after another one, the release of a grant */
	KEEP_AGAIN_MS = 60000, /* after a write of its memory that failed */
	GROUP_AGAIN_MS = 30000, /* after the others were asked */
	EXIT_FAILED = 4, EXIT_BUSY = 6,
};

static struct watchdog scratch; /* large */

static void tell_news(void *context, const struct watchdog_news *news)
{
	struct daemon *d = context;
	bool of_action = strncmp(news->name, "action", strlen("action")) == 0;
	bool warns = news->notify && d->over.dog.state != WATCHDOG_STEADY;

	daemon_tell(d, &(struct event){.kind = "watchdog", .name = news->name, .run = of_action ? d->over.dog.action_run : NULL, .sentence = news->sentence,
				       .evidence = news->evidence, .next = news->next, .warns = warns});
	if (news->notify && d->config->watchdog.notify_url.text[0])
		note_add(d, news);
}

static void fill_standing(const struct daemon *d, struct watchdog_standing *out)
{
	const struct journal_state *state = &d->runner.book.state;
	const struct journal_standing *standing = &state->standing;

	memset(out, 0, sizeof *out);
	if (standing->granted) {
		(void)snprintf(out->grant_run, sizeof out->grant_run, "%s", standing->grant_run);
		(void)text_escape(out->grant_by, sizeof out->grant_by, standing->grant_by, strlen(standing->grant_by));
	}
	if (situation_is_held(standing))
		(void)text_escape(out->hold_owner, sizeof out->hold_owner, standing->hold_owner, strlen(standing->hold_owner));
	out->step = journal_is_open(d);
	out->disabled_by_us = state->disable_open;
}

/* ---- what it hears -------------------------------------------------------------------------------------------- */

/* Answered in the look that has just ended. */
static bool is_new(const struct daemon *d, enum appliance_op op)
{
	struct mono at = d->runner.link.answered_at[op];

	return at.ms != 0 && at.ms >= d->over.looked_at.ms;
}

static enum watchdog_tri tri(bool known, bool yes)
{
	return !known ? WATCHDOG_TRI_UNKNOWN : yes ? WATCHDOG_TRI_YES : WATCHDOG_TRI_NO;
}

static void fill_peering(const struct daemon *d, struct watchdog_look *look)
{
	const struct appliance_facts *facts = &d->runner.link.facts;
	struct peering_view view;

	if (!is_new(d, APPLIANCE_ASK_PEERING))
		return;
	peering_view_make(&facts->table, d->config->appliance.address[0] ? d->config->appliance.address : facts->local_address, &view);
	look->primaries = view.primaries == 0 ? WATCHDOG_NONE : view.primaries == 1 ? WATCHDOG_ONE : WATCHDOG_SEVERAL;
	look->quorum = tri(true, view.quorum);
	if (view.primary)
		(void)text_escape(look->primary, sizeof look->primary, view.primary->address, strlen(view.primary->address));
}

/* Over the CLI, none shown means none where there were some before: this firmware does show them. */
static int64_t collections(const struct daemon *d)
{
	const struct appliance_facts *facts = &d->runner.link.facts;

	if (!is_new(d, APPLIANCE_ASK_COLLECTIONS))
		return -1;
	return facts->collections < 0 && facts->shows_no_collections && d->over.dog.collections_before > 0 ? 0 : facts->collections;
}

static void fill_look(const struct daemon *d, const struct error *why, struct watchdog_look *look)
{
	const struct appliance_facts *facts = &d->runner.link.facts;
	bool service = is_new(d, APPLIANCE_ASK_SERVICE);

	*look = (struct watchdog_look){.uptime_reload_s = -1, .uptime_reboot_s = -1, .collections = -1};
	/* It let us in and said how long it runs: what it could not tell beside that is not known, and no absence. */
	look->answered = !why || (is_new(d, APPLIANCE_ASK_IDENTITY) && (why->code == ERROR_ANSWER || why->code == ERROR_PERMISSION));
	if (why)
		(void)text_escape(look->trouble, sizeof look->trouble, why->what, strlen(why->what));
	if (!look->answered)
		return;
	look->uptime_reload_s = facts->uptime_reload_s;
	look->uptime_reboot_s = facts->uptime_reboot_s;
	fill_peering(d, look);
	look->enabled = tri(service && facts->admin_state != APPLIANCE_ADMIN_UNKNOWN, facts->admin_state == APPLIANCE_ADMIN_ENABLED);
	look->up = tri(service && facts->op_state[0], strcmp(facts->op_state, "up") == 0);
	look->collections = collections(d);
	look->memory = strcmp(facts->persistence, "memory") == 0;
}

void over_take_look(struct daemon *d, const struct error *why)
{
	struct watchdog_standing standing;
	struct watchdog_look look;
	struct watchdog_time now;

	kept_now(&now);
	fill_look(d, why, &look);
	fill_standing(d, &standing);
	watchdog_take_look(&d->over.dog, &look, &standing, &now);
	d->over.fed = true;
	d->over.wants_look = false;
}

void over_take_line(struct daemon *d, enum line_event event)
{
	bool ours = (d->job == DAEMON_STEP && d->step.op != STEP_PRECHECK) || d->job == DAEMON_RECOVERY;
	struct watchdog_standing standing;
	struct watchdog_time now;

	kept_now(&now);
	fill_standing(d, &standing);
	watchdog_take_line(&d->over.dog, event, ours, &standing, &now);
	d->over.fed = true;
}

void over_take_status(struct daemon *d, int exit_code, const char *text, size_t bytes, const char *said)
{
	struct over *o = &d->over;
	const struct watchdog_settings *settings = &o->dog.settings;
	struct watchdog_group group;
	struct watchdog_time now;
	char code[16];

	(void)snprintf(code, sizeof code, "%d", exit_code);
	if (!others_read(text, bytes, settings->heartbeat_s + settings->slack_s, &group))
		log_line(LOG_LEVEL_WARNING, "the other members could not be asked", "exit", code, "why", said, "next", "drrctl status, with [watchdog] group_file", NULL);
	kept_now(&now);
	watchdog_take_group(&o->dog, &group, &now);
	o->group_at = mono_add_ms(clock_now(), GROUP_AGAIN_MS);
	o->fed = true;
}

static void take_end(struct daemon *d, int exit_code, const char *word)
{
	struct watchdog_time now;

	kept_now(&now);
	if (d->over.dog.state == WATCHDOG_ACTING)
		watchdog_take_end(&d->over.dog, exit_code, word, &now);
	d->over.fed = true;
}

void over_take_job(struct daemon *d, enum over_job_kind kind, int status, const char *word)
{
	if (kind == OVER_STATUS) {
		over_take_status(d, status, "", 0, word);
	} else if (kind != OVER_NOTIFY) {
		take_end(d, status == FRAME_NOT_STARTED ? EXIT_FAILED : status, word);
	} else if (status == 0) {
		d->over.notes_sent++;
	} else {
		d->over.notes_failed++;
		log_line(LOG_LEVEL_WARNING, "a notification was not sent", "why", word, "next", "look at the server behind [watchdog] notify_url", NULL);
	}
}

/* ---- its own bounce ------------------------------------------------------------------------------------------- */

bool over_owns(const struct daemon *d, const char *run)
{
	return d->over.bouncing && strcmp(d->over.run, run) == 0;
}

void over_take_reply(struct daemon *d, int status, const char *body)
{
	struct error ignored = {0};
	struct json *json = status >= 400 && body ? json_parse(body, strlen(body), &ignored) : NULL;
	const char *detail = json_string(json_get(json, "detail"));

	d->over.reply = status;
	if (detail)
		(void)text_escape(d->over.word, sizeof d->over.word, detail, strlen(detail));
	json_free(json);
}

static int request(struct daemon *d, const char *method, const char *target, struct json *body)
{
	char *text = body ? json_text(body, false) : NULL;

	d->over.reply = 0;
	api_own_request(d, method, target, text);
	free(text);
	json_free(body);
	return d->over.reply;
}

/* Refused, and nothing of it is open: the end. Exit 6 where somebody else may act here now. */
static enum over_stage give_up(struct daemon *d, enum over_stage stage)
{
	d->over.refused = d->over.reply == 409 ? EXIT_BUSY : EXIT_FAILED;
	return stage;
}

static enum over_stage ask_grant(struct daemon *d, const char *target)
{
	struct json *plan = json_object(), *order = json_array();

	if (strcmp(d->runner.book.state.standing.released_run, d->over.run) == 0) {
		json_free(plan);
		json_free(order);
		return OVER_END; /* an engine before this one came to the release */
	}
	json_set_string(plan, "primary", d->config->agent.name);
	json_add_string(order, d->config->agent.name);
	json_set(plan, "order", order);
	json_set_int(plan, "max_unavailable", 1);
	return request(d, "PUT", target, plan) == 200 ? OVER_BOUNCE : give_up(d, OVER_END);
}

/* One attempt at a bounce, whoever asks for it; one that an engine before this one ended before it had disabled anything is none. */
static enum over_stage ask_bounce(struct daemon *d)
{
	const struct journal_state *state = &d->runner.book.state;
	const char *run = d->over.run;
	bool was_none = strcmp(state->run, run) == 0 && (state->last_step == JOURNAL_STEP_NONE || state->last_step == JOURNAL_PRECHECK);
	struct json *body = json_object();

	json_set_string(body, "run", run);
	json_set_string(body, "op", step_op_name(JOURNAL_OP_BOUNCE));
	json_set_int(body, "attempt", was_none ? step_attempts(d, run, JOURNAL_OP_BOUNCE) + 1 : 1);
	return request(d, "POST", "/v1/steps", body) == 202 ? OVER_RELEASE : give_up(d, OVER_RELEASE);
}

/* Also where an engine before this one ended right behind it. */
static bool is_bounced(const struct daemon *d)
{
	const struct journal_state *state = &d->runner.book.state;
	const char *run = d->over.run, *ignored;

	return step_exit(d, run, JOURNAL_OP_BOUNCE, &ignored) == 0 || (state->bounce_done && strcmp(state->run, run) == 0);
}

/* Busy (6) is only said of a bounce that was not begun: the watchdog may try again then. */
static void end_bounce(struct daemon *d)
{
	struct over *o = &d->over;
	bool bounced = is_bounced(d);
	const char *sentence = o->refused ? o->word : bounced ? "the service was restarted" : "its grant was given back too early", *run = o->run;
	char word[WATCHDOG_SENTENCE_BYTES];
	int exit_code = step_exit(d, run, JOURNAL_OP_BOUNCE, &sentence);

	if (exit_code < 0)
		exit_code = o->refused ? o->refused : EXIT_FAILED;
	if (bounced) /* whether it waits then, or is back with what its store had, is for the watchdog to see */
		exit_code = 0;
	o->bouncing = false;
	if (strcmp(run, o->dog.action_run) == 0)
		take_end(d, exit_code, text_escape(word, sizeof word, sentence, strlen(sentence)));
}

/* It may have been given back by an operator, and be another run's now. */
static enum over_stage release(struct daemon *d, const char *target)
{
	const struct journal_standing *standing = &d->runner.book.state.standing;

	if (!standing->granted || strcmp(standing->grant_run, d->over.run) != 0)
		return OVER_END;
	return request(d, "DELETE", target, NULL) == 409 ? OVER_RELEASE : OVER_END; /* 409: something is open again */
}

static enum over_stage next_stage(struct daemon *d, const char *target)
{
	switch (d->over.stage) {
	case OVER_GRANT: return ask_grant(d, target);
	case OVER_BOUNCE: return ask_bounce(d);
	default: return release(d, target);
	}
}

/* While something is open here, nothing is asked for: a step of ours, a recovery, a precheck of somebody's. */
static void bounce_turn(struct daemon *d)
{
	struct over *o = &d->over;
	char target[ROUTE_TARGET_MAX_BYTES];
	enum over_stage before = OVER_END;

	(void)snprintf(target, sizeof target, "/v1/grant/%s", o->run);
	while (o->bouncing && o->stage != before && !journal_is_open(d) && !d->stopping) {
		before = o->stage;
		if (o->stage == OVER_END)
			end_bounce(d);
		else
			o->stage = next_stage(d, target);
	}
}

static void begin_bounce(struct over *o, const char *run, enum over_stage stage)
{
	o->bouncing = true;
	o->stage = stage;
	o->refused = 0;
	(void)snprintf(o->run, sizeof o->run, "%s", run);
}

/* What an engine before this one was at or was about to do, by what is kept (W) and the journal. A grant that W knows nothing of is only given back. */
static void resume_bounce(struct daemon *d, const struct watchdog *w)
{
	const struct journal_standing *standing = &d->runner.book.state.standing;
	bool acts = w->state == WATCHDOG_ACTING;

	if (standing->granted && strcmp(standing->grant_by, DAEMON_OWN_NAME) == 0)
		begin_bounce(&d->over, standing->grant_run, acts && strcmp(standing->grant_run, w->action_run) == 0 ? OVER_GRANT : OVER_RELEASE);
	else if (!standing->granted && acts && w->settings.policy == WATCHDOG_BOUNCE)
		begin_bounce(&d->over, w->action_run, OVER_GRANT);
}

/* ---- what it wishes ------------------------------------------------------------------------------------------- */

static void keep(struct daemon *d)
{
	struct over *o = &d->over;
	struct error error = {0};

	o->unsaved = kept_write(d->config, &o->dog, &error) != 0;
	if (o->unsaved && !o->unsaved_told)
		log_line(LOG_LEVEL_ERROR, "what the watchdog remembers cannot be kept; it is tried again", "why", error.what, "next", DAEMON_BROKEN_NEXT, NULL);
	o->unsaved_told = o->unsaved;
	o->save_at = mono_add_ms(clock_now(), KEEP_AGAIN_MS);
}

/* The intent is tried on a copy: when it cannot be kept, nothing was begun, and nobody was told so. */
static bool is_intent_kept(struct daemon *d, const struct watchdog_time *now)
{
	struct watchdog_news news = {.name = "not-begun", .sentence = "the action is not begun: what was intended could not be written down first", .next = DAEMON_BROKEN_NEXT,
				     .notify = true};
	struct error error = {0};

	scratch = d->over.dog;
	scratch.tell = kept_tell_nobody;
	watchdog_begin(&scratch, now);
	if (kept_write(d->config, &scratch, &error) == 0)
		return true;
	(void)snprintf(news.evidence, sizeof news.evidence, "%.500s", error.what);
	if (d->over.act_at.ms == 0)
		tell_news(d, &news);
	d->over.act_at = mono_add_ms(clock_now(), KEEP_AGAIN_MS);
	return false;
}

static void act(struct daemon *d, const struct watchdog_time *now)
{
	struct over *o = &d->over;
	enum watchdog_policy policy = o->dog.settings.policy;

	if (o->bouncing || o->jobs[OVER_RUN].running || o->jobs[OVER_NUDGE].running || !is_intent_kept(d, now))
		return; /* one at a time: an earlier one, whose end the watchdog gave up, ends first */
	o->act_at.ms = 0;
	watchdog_begin(&o->dog, now);
	o->fed = true;
	if (policy == WATCHDOG_BOUNCE) {
		begin_bounce(o, o->dog.action_run, OVER_GRANT);
		bounce_turn(d);
	} else {
		job_start(d, policy == WATCHDOG_RUN ? OVER_RUN : OVER_NUDGE, policy == WATCHDOG_RUN ? o->dog.action_run : "", NULL);
	}
}

/* Asks the appliance and the others, as soon as they may be asked. */
static void ask(struct daemon *d)
{
	struct over *o = &d->over;

	if (o->wants_group && !o->jobs[OVER_STATUS].running && mono_reached(o->group_at, clock_now())) {
		o->wants_group = false;
		job_start(d, OVER_STATUS, "", NULL);
	}
	if (o->wants_look)
		look_want(d);
	if (d->job == DAEMON_LOOK)
		o->wants_look = false;
}

void over_turn(struct daemon *d)
{
	struct over *o = &d->over;
	struct watchdog_standing standing;
	struct watchdog_wish wish;
	struct watchdog_time now;

	job_read_all(d);
	bounce_turn(d);
	kept_now(&now);
	fill_standing(d, &standing);
	o->fed = false;
	wish = watchdog_turn(&o->dog, &standing, &now);
	o->unsaved = o->unsaved || wish.save;
	o->wants_look = o->wants_look || wish.look;
	o->wants_group = o->wants_group || wish.group;
	if (!d->stopping && wish.act && mono_reached(o->act_at, clock_now()))
		act(d, &now);
	if (!d->stopping)
		ask(d);
	if (o->unsaved && (!o->unsaved_told || mono_reached(o->save_at, clock_now())))
		keep(d);
	note_turn(d);
}

struct mono over_deadline(const struct daemon *d)
{
	const struct over *o = &d->over;
	const struct journal_standing *standing = &d->runner.book.state.standing;
	struct mono now = clock_now(), at = {watchdog_deadline(&o->dog)}, again = mono_add_ms(now, AGAIN_MS);

	if (at.ms <= now.ms || (o->bouncing && !journal_is_open(d)) || (o->wants_look && d->job == DAEMON_IDLE)) /* due, and could not be done in the last turn */
		at = again;
	if (o->wants_group)
		at = mono_earlier(at, o->group_at.ms > again.ms ? o->group_at : again);
	if (o->unsaved)
		at = mono_earlier(at, o->save_at);
	if (o->dog.state == WATCHDOG_STANDBACK && situation_is_held(standing)) /* its end is no event */
		at = mono_earlier(at, mono_add_ms(now, standing->hold_until_ms - clock_wall_ms() + 1));
	return at;
}

/* ---- begin and end -------------------------------------------------------------------------------------------- */

void over_open(struct daemon *d)
{
	struct over *o = &d->over;
	struct error error = {0}, ignored = {0};
	bool adopted = o->jobs[OVER_RUN].running || o->jobs[OVER_NUDGE].running;

	(void)kept_read(d->config, &scratch, true, kept_tell_nobody, NULL, &ignored);
	if (!adopted)
		resume_bounce(d, &scratch);
	if (kept_read(d->config, &o->dog, adopted || o->bouncing, tell_news, d, &error) < 0)
		log_line(LOG_LEVEL_WARNING, "the watchdog begins without a memory", "why", error.what, NULL);
	o->fed = true;
}

void over_close(struct daemon *d)
{
	if (d->over.unsaved)
		keep(d);
	job_close_all(d);
}

void over_reload(struct daemon *d)
{
	struct watchdog_settings settings = kept_settings(d->config);

	watchdog_set(&d->over.dog, &settings);
	d->over.fed = true;
}
