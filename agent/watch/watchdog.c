/* Facts become events of the table (watchdog_table.c): a look a restart, perhaps, and one finding. That time is over is judged behind a fresh look only, so that no verdict
 * rests on what was so before this host was suspended. */
#include "watch/watchdog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/crc32.h"
#include "watch/watchdog_table.h"

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Copies what fits. */
static void put(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text);
}

static bool is_waited_for(enum watchdog_state state)
{
	return state >= WATCHDOG_AWAY && state <= WATCHDOG_CONFIG;
}

/* ---- sentences */

static const char *tri_word(enum watchdog_tri tri)
{
	return tri == WATCHDOG_TRI_YES ? "yes" : tri == WATCHDOG_TRI_NO ? "no" : "not known";
}

static void add_evidence(const struct watchdog *w, struct buf *out)
{
	static const char *const counts[] = {"not known", "none", "one", "several"};
	const struct watchdog_look *look = &w->last;

	if (w->last_at.boot_ms == 0) {
		(void)buf_add_string(out, "no look yet");
		return;
	}
	(void)buf_printf(out, "uptime since reload %" PRId64 " s, since reboot %" PRId64 " s; primary %s%s%s; quorum %s; service enabled %s, up %s; collections %" PRId64 ", before %" PRId64,
			 look->uptime_reload_s, look->uptime_reboot_s, counts[look->primaries], look->primary[0] ? " " : "", look->primary, tri_word(look->quorum), tri_word(look->enabled),
			 tri_word(look->up), look->collections, w->collections_before);
	if (w->waiting)
		(void)buf_printf(out, "; waiting line seen, event accepted %s", w->accepted ? "yes" : "no");
	if (w->group.known)
		(void)buf_printf(out, "; group of %u: %u waiting, %u registered", w->group.members, w->group.waiting, w->group.registered);
}

/* What is told, and kept as the state's sentence. DETAIL may be NULL or "". */
static void tell(struct watchdog *w, const struct watchdog_row *row, const char *detail, const char *next, bool notify)
{
	struct watchdog_news news = {.name = row->name, .notify = notify};
	struct buf out;

	(void)snprintf(w->sentence, sizeof w->sentence, "%s%s%s", row->sentence, detail && detail[0] ? ": " : "", detail ? detail : "");
	put(w->next, sizeof w->next, next);
	w->own.changed = true;
	if (!row->name)
		return;
	put(news.sentence, sizeof news.sentence, w->sentence);
	put(news.next, sizeof news.next, next);
	buf_init(&out, news.evidence, sizeof news.evidence);
	add_evidence(w, &out);
	w->tell(w->context, &news);
}

/* ---- states */

static int64_t limit_ms(const struct watchdog *w, enum watchdog_state state)
{
	const struct watchdog_settings *s = &w->settings;
	int64_t seconds[WATCHDOG_STATE_COUNT] = {
		[WATCHDOG_AWAY] = WATCHDOG_AWAY_S,
		[WATCHDOG_PEERING] = s->settle_s,
		[WATCHDOG_SERVICE] = s->settle_s,
		[WATCHDOG_EVENT] = (int64_t)s->heartbeat_s + s->slack_s,
		[WATCHDOG_CONFIG] = (int64_t)s->await_s + (s->has_log ? 0 : s->heartbeat_s + s->slack_s),
		[WATCHDOG_STANDBACK] = WATCHDOG_ACT_LIMIT_S,
		[WATCHDOG_ACTING] = WATCHDOG_ACT_LIMIT_S,
	};

	return seconds[state] * 1000;
}

/* A state that is entered again in an episode goes on with what is left of its time; peering and service get two looks more. */
static void set_deadline(struct watchdog *w, int64_t now_ms)
{
	int64_t *kept = &w->own.deadlines_ms[w->state];

	if (w->state == WATCHDOG_STEADY || w->state == WATCHDOG_VERDICT) {
		w->deadline_ms = INT64_MAX;
		return;
	}
	if (*kept == 0 || w->state == WATCHDOG_AWAY || w->state == WATCHDOG_STANDBACK || w->state == WATCHDOG_ACTING)
		*kept = now_ms + limit_ms(w, w->state);
	else if (w->state == WATCHDOG_PEERING || w->state == WATCHDOG_SERVICE)
		*kept = most(*kept, now_ms + 2 * (int64_t)WATCHDOG_LOOK_RECOVER_MS);
	w->deadline_ms = *kept;
}

static void forget_deadlines(struct watchdog *w)
{
	memset(w->own.deadlines_ms, 0, sizeof w->own.deadlines_ms);
}

static void enter(struct watchdog *w, enum watchdog_state state, const struct watchdog_time *now)
{
	if (w->state == WATCHDOG_STANDBACK)
		w->own.granted = false;
	w->state = state;
	w->since = *now;
	w->own.whole_ms = 0;
	w->own.asked_group = w->own.ask_group = w->own.away_told = false;
	w->own.group_until_ms = 0;
	if (state <= WATCHDOG_CONFIG)
		w->verdict = WATCHDOG_NO_VERDICT;
	set_deadline(w, now->boot_ms);
	w->own.changed = true;
	w->look_at_ms = least(w->look_at_ms, now->boot_ms + WATCHDOG_LOOK_RECOVER_MS);
}

static void begin_episode(struct watchdog *w, enum watchdog_cause cause, const struct watchdog_time *now)
{
	struct watchdog_own *own = &w->own;

	w->cause = cause;
	w->episode = *now;
	w->acted = false;
	w->group.known = false;
	forget_deadlines(w);
	own->tries = 0;
	own->blocker = 0;
	own->retry_ms = own->doubt_ms = 0;
	own->told = WATCHDOG_NO_VERDICT;
	own->restarted = own->renewed = own->blind = own->again = false;
	own->other_run[0] = own->other_by[0] = '\0';
}

static void end_episode(struct watchdog *w)
{
	w->waiting = w->accepted = w->acted = false;
	w->own.restarted = w->own.again = w->own.renewed = false;
	w->own.doubt_ms = 0;
	w->cause = WATCHDOG_CAUSE_NONE;
}

static enum watchdog_cause cause_of(enum watchdog_event event)
{
	switch (event) {
	case WATCHDOG_EV_SILENT:
		return WATCHDOG_CAUSE_AWAY;
	case WATCHDOG_EV_LINE_PEERING:
		return WATCHDOG_CAUSE_PEERING;
	case WATCHDOG_EV_LINE_WAITING:
	case WATCHDOG_EV_WAITS:
		return WATCHDOG_CAUSE_WAITING;
	case WATCHDOG_EV_LOST:
		return WATCHDOG_CAUSE_LOST;
	default:
		return WATCHDOG_CAUSE_FOUND;
	}
}

/* The command that helps where the row does not have one of its own. */
static const char *next_of(const struct watchdog *w)
{
	return w->verdict != WATCHDOG_NO_VERDICT ? watchdog_verdict_next(w->verdict) : "drr-agent status";
}

static void apply(struct watchdog *w, enum watchdog_event event, const char *detail, const char *next, const struct watchdog_time *now)
{
	const struct watchdog_row *row = watchdog_row(w->state, event);
	enum watchdog_state from = w->state, to = row->next == WATCHDOG_STATE_COUNT ? from : row->next;
	bool quiet = event == WATCHDOG_EV_WHOLE && w->cause == WATCHDOG_CAUSE_FOUND && w->own.told == WATCHDOG_NO_VERDICT;

	if (from == WATCHDOG_STEADY && to != from && event != WATCHDOG_EV_RESTARTED)
		begin_episode(w, cause_of(event), now);
	if (to != from || event == WATCHDOG_EV_RESTARTED)
		enter(w, to, now);
	if (event == WATCHDOG_EV_BLOCKED) {
		uint32_t blocker = crc32_of(detail, strlen(detail));

		quiet = w->own.blocker == blocker; /* told in this episode */
		w->own.blocker = blocker;
	}
	if (row->name || to != from)
		tell(w, row, detail, next ? next : next_of(w), row->notify && !quiet);
	if (to == WATCHDOG_STEADY && from != to)
		end_episode(w);
}

/* ---- who else is at work */

/* A run that this watchdog started and that left its grant behind is another one, too. */
static bool is_other(const struct watchdog *w, const struct watchdog_standing *standing)
{
	return standing->grant_run[0] != '\0' && !(w->state == WATCHDOG_ACTING && strcmp(standing->grant_run, w->action_run) == 0);
}

/* Somebody's doing explains what is seen. */
static bool is_at_work(const struct watchdog_standing *standing)
{
	return standing->step || standing->disabled_by_us || standing->grant_run[0] != '\0';
}

/* They are at work; a hold alone is not. */
static bool is_occupied(const struct watchdog *w, const struct watchdog_standing *standing)
{
	return standing->step || standing->disabled_by_us || is_other(w, standing);
}

/* In words, for "judged when they have ended". */
static const char *who(const struct watchdog *w, const struct watchdog_standing *standing, char out[WATCHDOG_EVIDENCE_BYTES])
{
	if (is_other(w, standing))
		(void)snprintf(out, WATCHDOG_EVIDENCE_BYTES, "run %s of %s holds the grant", standing->grant_run, standing->grant_by[0] ? standing->grant_by : "somebody");
	else if (standing->step || standing->disabled_by_us)
		put(out, WATCHDOG_EVIDENCE_BYTES, "a step of this agent is open");
	else
		(void)snprintf(out, WATCHDOG_EVIDENCE_BYTES, "%s has set a hold", standing->hold_owner);
	return out;
}

static const char *who_next(const struct watchdog *w, const struct watchdog_standing *standing, char out[WATCHDOG_NEXT_BYTES])
{
	if (is_other(w, standing))
		(void)snprintf(out, WATCHDOG_NEXT_BYTES, "drrctl status; if that run does not go on: drrctl resume %s", standing->grant_run);
	else if (standing->step || standing->disabled_by_us)
		put(out, WATCHDOG_NEXT_BYTES, "drr-agent status; if the step does not end: drr-agent recover");
	else
		put(out, WATCHDOG_NEXT_BYTES, "when the work is done: drrctl unhold");
	return out;
}

static void want_look(struct watchdog *w, int64_t at_ms)
{
	w->own.want_ms = least(w->own.want_ms, at_ms);
	if (!w->own.looking)
		w->look_at_ms = least(w->look_at_ms, at_ms);
}

/* What every call begins with. */
static void note(struct watchdog *w, const struct watchdog_standing *standing, const struct watchdog_time *now)
{
	struct watchdog_own *own = &w->own;
	int64_t due = most(own->seen_ms, least(w->look_at_ms, w->deadline_ms));

	/* Nobody called when something was due: the host stood still. */
	if (own->seen_ms > 0 && now->boot_ms - due > WATCHDOG_WAKE_MS && is_waited_for(w->state))
		w->deadline_ms = own->deadlines_ms[w->state] = most(w->deadline_ms, now->boot_ms + WATCHDOG_WAKE_MS);
	own->seen_ms = now->boot_ms;
	if (!standing)
		return;
	if (own->at_work && !is_at_work(standing)) {
		own->free_ms = now->boot_ms + WATCHDOG_LATE_MS;
		want_look(w, own->free_ms);
	}
	own->at_work = is_at_work(standing);
	if (is_other(w, standing) && w->state != WATCHDOG_STEADY) {
		own->granted = true;
		put(own->other_run, sizeof own->other_run, standing->grant_run);
		put(own->other_by, sizeof own->other_by, standing->grant_by);
	}
}

/* ---- restarts */

static bool has_started(int64_t before_s, int64_t now_s, int64_t between_s)
{
	if (before_s < 0 || now_s < 0)
		return false;
	if (now_s < before_s - WATCHDOG_ROUNDING_S)
		return true;
	/* Younger than the last look at it; but a young one that stood still for a while looks like that, too. */
	return now_s + WATCHDOG_ROUNDING_S <= between_s && now_s + WATCHDOG_STUN_S <= before_s + between_s;
}

/* CAUSE_REBOOT, CAUSE_RELOAD or CAUSE_NONE. */
static enum watchdog_cause restart_between(const struct watchdog *w, const struct watchdog_look *look, const struct watchdog_time *now)
{
	const struct watchdog_time *at = &w->last_at;
	int64_t between_s = (now->boot_ms - at->boot_ms) / 1000;

	if (at->boot_ms == 0)
		return WATCHDOG_CAUSE_NONE;
	if (strcmp(at->boot_id, now->boot_id) != 0)
		between_s = (now->wall_ms - at->wall_ms) / 1000 - WATCHDOG_CLOCK_STEP_S;
	if (has_started(w->last.uptime_reboot_s, look->uptime_reboot_s, between_s))
		return WATCHDOG_CAUSE_REBOOT;
	return has_started(w->last.uptime_reload_s, look->uptime_reload_s, between_s) ? WATCHDOG_CAUSE_RELOAD : WATCHDOG_CAUSE_NONE;
}

/* Whether the restart is what this episode began with: lines and the silence of a boot come before the first answer. */
static bool is_same_episode(const struct watchdog *w, int64_t started_ms)
{
	if (w->state == WATCHDOG_STEADY || w->own.restarted || w->acted || w->state == WATCHDOG_ACTING)
		return false;
	return w->cause == WATCHDOG_CAUSE_AWAY || started_ms <= w->episode.boot_ms + (int64_t)WATCHDOG_ROUNDING_S * 1000;
}

static void take_restart(struct watchdog *w, enum watchdog_cause cause, const struct watchdog_look *look, const struct watchdog_time *now)
{
	int64_t up_s = cause == WATCHDOG_CAUSE_REBOOT ? look->uptime_reboot_s : look->uptime_reload_s;
	int64_t started_ms = now->boot_ms - up_s * 1000;
	struct watchdog_time began = w->episode;
	char detail[WATCHDOG_EVIDENCE_BYTES];
	bool same = is_same_episode(w, started_ms);

	begin_episode(w, cause, now);
	if (same)
		w->episode = began;
	w->own.restarted = true;
	w->own.again = w->state == WATCHDOG_ACTING;
	if (w->own.waited_ms < started_ms)
		w->waiting = false;
	if (w->own.accepted_ms < started_ms || w->own.accepted_ms < w->own.waited_ms)
		w->accepted = w->own.completed = false;
	w->restarts++;
	w->restart_wall_ms = now->wall_ms - up_s * 1000;
	(void)snprintf(detail, sizeof detail, "%s %" PRId64 " s ago", cause == WATCHDOG_CAUSE_REBOOT ? "rebooted" : look->uptime_reboot_s < 0 ?
		       "reloaded or rebooted (only the uptime since the reload is known)" : "reloaded", up_s);
	apply(w, WATCHDOG_EV_RESTARTED, detail, NULL, now);
}

/* ---- what a look finds */

/* Nothing more came from the management server for so long. */
static bool is_quiet(const struct watchdog *w, const struct watchdog_time *now, int64_t quiet_ms)
{
	return w->own.completed && now->boot_ms - w->own.completed_ms >= quiet_ms;
}

static bool is_fewer(const struct watchdog *w, const struct watchdog_look *look)
{
	return look->collections >= 0 && look->collections < w->collections_before;
}

/* Nothing in this episode can have cost collections: they are judged as in the steady state. */
static bool is_unconcerned(const struct watchdog *w)
{
	return w->cause == WATCHDOG_CAUSE_NONE || w->cause == WATCHDOG_CAUSE_AWAY || w->cause == WATCHDOG_CAUSE_FOUND;
}

static bool is_lacking(const struct watchdog *w, const struct watchdog_look *look, const struct watchdog_time *now)
{
	if (!is_fewer(w, look) || is_unconcerned(w))
		return false;
	return !(w->own.renewed && look->collections > 0 && is_quiet(w, now, (int64_t)w->settings.heartbeat_s * 1000));
}

static enum watchdog_event finding(const struct watchdog *w, const struct watchdog_look *look, const struct watchdog_time *now)
{
	bool counted = look->collections > 0 && w->collections_before > 0;

	if ((look->primaries != WATCHDOG_UNKNOWN && look->primaries != WATCHDOG_ONE) || look->quorum == WATCHDOG_TRI_NO)
		return WATCHDOG_EV_UNPEERED;
	/* A service that waits may be said to be down. */
	if (look->enabled == WATCHDOG_TRI_NO || (look->up == WATCHDOG_TRI_NO && !w->waiting))
		return WATCHDOG_EV_DOWN;
	if (is_lacking(w, look, now))
		return w->settings.has_log && !w->accepted ? WATCHDOG_EV_WAITS : WATCHDOG_EV_LACKS;
	/* Behind a restart what is counted was loaded since; behind a toggle it may be what is on its way out. */
	if (w->waiting && !w->accepted && !(counted && (w->own.restarted || w->own.blind)))
		return WATCHDOG_EV_WAITS;
	if (w->waiting && w->accepted && !counted && !is_quiet(w, now, WATCHDOG_QUIET_MS))
		return WATCHDOG_EV_LACKS;
	return look->up == WATCHDOG_TRI_NO ? WATCHDOG_EV_DOWN : WATCHDOG_EV_WHOLE;
}

static enum watchdog_verdict waiting_verdict(const struct watchdog_group *group)
{
	if (group->known && group->registered > 0)
		return WATCHDOG_WAITS_ALONE;
	if (!group->known || group->waiting < group->members)
		return WATCHDOG_WAITS;
	return group->accepted > 0 || !group->overdue ? WATCHDOG_GROUP_WAITS : WATCHDOG_SERVER_SILENT;
}

/* What is to be said of the present state, or goes on to be said of the verdict. */
static enum watchdog_verdict verdict_of(const struct watchdog *w)
{
	static const enum watchdog_event lacks[WATCHDOG_STATE_COUNT] = {
		[WATCHDOG_AWAY] = WATCHDOG_EV_SILENT,
		[WATCHDOG_PEERING] = WATCHDOG_EV_UNPEERED,
		[WATCHDOG_SERVICE] = WATCHDOG_EV_DOWN,
		[WATCHDOG_EVENT] = WATCHDOG_EV_WAITS,
		[WATCHDOG_CONFIG] = WATCHDOG_EV_LACKS,
	};

	switch (is_waited_for(w->state) ? lacks[w->state] : watchdog_verdict_lack(w->verdict)) {
	case WATCHDOG_EV_SILENT:
		return WATCHDOG_UNREACHABLE;
	case WATCHDOG_EV_UNPEERED:
		return w->last.primaries == WATCHDOG_SEVERAL ? WATCHDOG_SPLIT_PEERING : w->last.primaries == WATCHDOG_NONE ? WATCHDOG_NO_PRIMARY : WATCHDOG_NO_QUORUM;
	case WATCHDOG_EV_DOWN:
		return w->last.enabled == WATCHDOG_TRI_NO ? WATCHDOG_SERVICE_DISABLED : WATCHDOG_SERVICE_DOWN;
	case WATCHDOG_EV_WAITS:
		return waiting_verdict(&w->group);
	default:
		return WATCHDOG_NOT_BACK;
	}
}

static void block(struct watchdog *w, const struct watchdog_standing *standing, const struct watchdog_time *now)
{
	char detail[WATCHDOG_EVIDENCE_BYTES], next[WATCHDOG_NEXT_BYTES];

	w->verdict = verdict_of(w);
	apply(w, WATCHDOG_EV_BLOCKED, who(w, standing, detail), who_next(w, standing, next), now);
}

static void pronounce(struct watchdog *w, enum watchdog_verdict verdict, const struct watchdog_time *now)
{
	const struct watchdog_row *row = watchdog_row(w->state, WATCHDOG_EV_DEADLINE);
	bool news = verdict != w->own.told;

	enter(w, row->next, now);
	w->verdict = verdict;
	w->verdicts += news;
	w->own.told = verdict;
	if (!w->own.renewed)
		w->own.completed = false;
	w->own.renewed = true;
	tell(w, row, watchdog_verdict_sentence(verdict), watchdog_verdict_next(verdict), row->notify && news);
}

/* ---- time is over */

/* False: the others of the group are to be asked first, or their time is not over. */
static bool has_heard_group(struct watchdog *w, const struct watchdog_time *now)
{
	struct watchdog_own *own = &w->own;
	bool early = w->group.known && w->group.registered == 0 && w->group.accepted == 0 && w->group.waiting == w->group.members && !w->group.overdue;

	if (!w->settings.has_group)
		return true;
	if (!own->asked_group) {
		own->asked_group = own->ask_group = true;
		w->group.known = false;
		w->deadline_ms = now->boot_ms + (int64_t)WATCHDOG_GROUP_LIMIT_S * 1000;
		return false;
	}
	if (own->group_until_ms == 0)
		own->group_until_ms = now->boot_ms + (int64_t)w->settings.settle_s * 1000;
	if (!early || now->boot_ms >= own->group_until_ms)
		return true;
	own->asked_group = false;
	w->deadline_ms = least(own->group_until_ms, now->boot_ms + WATCHDOG_LOOK_VERDICT_MS);
	return false;
}

/* Behind a look that has not changed the state. */
static void judge(struct watchdog *w, const struct watchdog_standing *standing, const struct watchdog_time *now)
{
	bool occupied = is_occupied(w, standing);

	if (now->boot_ms < w->deadline_ms || w->own.whole_ms > 0)
		return;
	switch (w->state) {
	case WATCHDOG_AWAY:
		if (w->own.away_told) {
			pronounce(w, verdict_of(w), now);
			return;
		}
		w->own.away_told = true;
		w->deadline_ms = w->own.deadlines_ms[w->state] = w->since.boot_ms + (int64_t)WATCHDOG_ANSWER_LIMIT_S * 1000;
		apply(w, WATCHDOG_EV_LONG, w->own.trouble, NULL, now);
		return;
	case WATCHDOG_ACTING:
		forget_deadlines(w);
		apply(w, WATCHDOG_EV_DEADLINE, NULL, watchdog_exit_next(-1), now);
		return;
	case WATCHDOG_SERVICE:
	case WATCHDOG_EVENT:
	case WATCHDOG_CONFIG:
		if (occupied)
			block(w, standing, now);
		else if (w->state != WATCHDOG_EVENT || has_heard_group(w, now))
			pronounce(w, verdict_of(w), now);
		return;
	case WATCHDOG_STANDBACK:
		/* Told that they do not end: once. */
		if (w->own.told == w->verdict)
			set_deadline(w, now->boot_ms);
		else if (watchdog_verdict_lack(w->verdict) != WATCHDOG_EV_WAITS || has_heard_group(w, now))
			pronounce(w, verdict_of(w), now);
		return;
	default:
		pronounce(w, verdict_of(w), now);
	}
}

/* ---- looks */

static void schedule(struct watchdog *w, const struct watchdog_time *now)
{
	bool at_ease = w->state == WATCHDOG_STEADY && w->settings.pushes && w->own.doubt_ms == 0;
	int64_t pause_ms = is_waited_for(w->state) || w->own.whole_ms > 0 ? WATCHDOG_LOOK_RECOVER_MS : w->state == WATCHDOG_STEADY ? WATCHDOG_LOOK_STEADY_MS : WATCHDOG_LOOK_VERDICT_MS;

	w->own.looking = false;
	if (w->own.want_ms <= now->boot_ms)
		w->own.want_ms = INT64_MAX;
	w->look_at_ms = least(w->own.want_ms, at_ease ? INT64_MAX : now->boot_ms + pause_ms);
}

static void set_before(struct watchdog *w, int64_t collections)
{
	if (collections < 0 || collections == w->collections_before)
		return;
	w->collections_before = collections;
	w->own.changed = true;
}

/* All is well, but for the collections: they are what is normal, or fewer for a reason, or lost. */
static void judge_steady(struct watchdog *w, const struct watchdog_time *now)
{
	struct watchdog_own *own = &w->own;
	int64_t collections = w->last.collections, before = w->collections_before;
	bool explained = now->boot_ms < own->explained_ms;
	char detail[WATCHDOG_EVIDENCE_BYTES];

	/* In the middle of transactions nothing can be said. */
	if (explained && !own->completed)
		return;
	w->waiting = w->accepted = false;
	/* Without a log, or where lines may have been missed, some that are gone were removed by somebody; all of them were lost. */
	if (!is_fewer(w, &w->last) || explained || ((!w->settings.has_log || own->blind) && collections > 0)) {
		own->doubt_ms = 0;
		own->blind = false;
		set_before(w, collections);
		return;
	}
	if (own->doubt_ms == 0)
		own->doubt_ms = now->boot_ms;
	if (now->boot_ms - own->doubt_ms < (int64_t)WATCHDOG_LOST_S * 1000)
		return;
	(void)snprintf(detail, sizeof detail, "%" PRId64 " of %" PRId64 " are left", collections, before);
	apply(w, WATCHDOG_EV_LOST, detail, NULL, now);
}

/* Who brought it back, and what there is now. */
static const char *how(const struct watchdog *w, char out[WATCHDOG_EVIDENCE_BYTES])
{
	struct buf buf;

	buf_init(&buf, out, WATCHDOG_EVIDENCE_BYTES);
	if (w->acted)
		(void)buf_printf(&buf, "after this watchdog's %s, run %s", watchdog_policy_name(w->settings.policy), w->action_run);
	else if (w->own.other_run[0])
		(void)buf_printf(&buf, "after run %s of %s", w->own.other_run, w->own.other_by[0] ? w->own.other_by : "somebody");
	else
		(void)buf_add_string(&buf, "by itself");
	if (w->last.collections >= 0)
		(void)buf_printf(&buf, "; collections: %" PRId64, w->last.collections);
	if (w->last.collections >= 0 && w->collections_before >= 0)
		(void)buf_printf(&buf, ", before: %" PRId64, w->collections_before);
	if (is_fewer(w, &w->last))
		(void)buf_add_string(&buf, is_unconcerned(w) ? "; whether that is a loss is judged next" : "; no more was delivered");
	if (w->cause == WATCHDOG_CAUSE_PEERING && w->last.memory && !w->waiting)
		(void)buf_add_string(&buf, "; but the peering keeps its store in memory: the service runs on what it had loaded, and a loss of the store would show only at its next restart");
	return out;
}

static void take_whole(struct watchdog *w, bool briefly, const struct watchdog_standing *standing, const struct watchdog_time *now)
{
	char detail[WATCHDOG_EVIDENCE_BYTES], next[WATCHDOG_NEXT_BYTES];
	bool concerned;

	if (briefly) {
		apply(w, WATCHDOG_EV_GAP, NULL, NULL, now);
		judge_steady(w, now);
		return;
	}
	if (w->own.whole_ms == 0)
		w->own.whole_ms = now->boot_ms;
	if (!is_unconcerned(w) && now->boot_ms - w->own.whole_ms < WATCHDOG_QUIET_MS)
		return;
	concerned = !is_unconcerned(w);
	/* The configuration may be back, and a run nevertheless unfinished: its grant says so. */
	(void)snprintf(next, sizeof next, "drrctl resume %s", standing->grant_run);
	apply(w, WATCHDOG_EV_WHOLE, how(w, detail), standing->grant_run[0] ? next : NULL, now);
	if (concerned)
		set_before(w, w->last.collections);
	else
		judge_steady(w, now);
}

/* The verdict stands, or is another one by now. */
static void take_still(struct watchdog *w, const struct watchdog_time *now)
{
	bool waits = watchdog_verdict_lack(w->verdict) == WATCHDOG_EV_WAITS, known = w->group.known;
	enum watchdog_verdict verdict = waits && !known ? w->verdict : verdict_of(w);

	if (verdict != w->verdict)
		pronounce(w, verdict, now);
	if (w->settings.has_group && waits && now->boot_ms - w->own.group_ms >= (int64_t)WATCHDOG_GROUP_EVERY_S * 1000)
		w->own.ask_group = true;
}

static void take_answer(struct watchdog *w, const struct watchdog_look *look, const struct watchdog_standing *standing, const struct watchdog_time *now)
{
	enum watchdog_cause restart = restart_between(w, look, now);
	enum watchdog_event found;
	bool steady, explained = w->own.at_work || now->boot_ms < w->own.free_ms, briefly = w->state == WATCHDOG_AWAY && w->cause == WATCHDOG_CAUSE_AWAY && !w->own.away_told;

	if (w->last_at.boot_ms == 0 || strcmp(w->last.primary, look->primary) != 0)
		w->own.changed = true;
	if (restart != WATCHDOG_CAUSE_NONE)
		take_restart(w, restart, look, now);
	w->last = *look;
	w->last_at = *now;
	w->own.looked_ms = now->boot_ms;
	w->own.aged = true;
	steady = w->state == WATCHDOG_STEADY;
	if (w->state == WATCHDOG_ACTING || (steady && explained) || (w->state == WATCHDOG_STANDBACK && is_occupied(w, standing)))
		return;
	found = finding(w, look, now);
	if (found != WATCHDOG_EV_WHOLE)
		w->own.whole_ms = 0;
	if (found == WATCHDOG_EV_WHOLE && steady)
		judge_steady(w, now);
	else if (found == WATCHDOG_EV_WHOLE)
		take_whole(w, briefly && restart == WATCHDOG_CAUSE_NONE, standing, now);
	else if (w->state == WATCHDOG_VERDICT && found == watchdog_verdict_lack(w->verdict))
		take_still(w, now);
	else
		apply(w, found, NULL, NULL, now);
}

void watchdog_take_look(struct watchdog *w, const struct watchdog_look *look, const struct watchdog_standing *standing, const struct watchdog_time *now)
{
	note(w, standing, now);
	if (look->answered) {
		take_answer(w, look, standing, now);
	} else {
		w->own.whole_ms = 0;
		put(w->own.trouble, sizeof w->own.trouble, look->trouble);
		if (w->state != WATCHDOG_VERDICT || w->verdict != WATCHDOG_UNREACHABLE)
			apply(w, WATCHDOG_EV_SILENT, look->trouble, NULL, now);
	}
	judge(w, standing, now);
	schedule(w, now);
}

/* ---- lines */

static void take_waiting(struct watchdog *w, const struct watchdog_time *now)
{
	/* Its time begins anew only when an event came in between: a service that says it again and again is no reason to wait longer. */
	if (!w->waiting || w->accepted)
		w->own.deadlines_ms[WATCHDOG_EVENT] = 0;
	w->waiting = true;
	w->accepted = w->own.completed = false;
	w->own.waited_ms = now->boot_ms;
	w->own.changed = true;
}

static void take_progress(struct watchdog *w, bool completed, const struct watchdog_time *now)
{
	struct watchdog_own *own = &w->own;

	w->accepted = true;
	own->completed = completed;
	own->accepted_ms = now->boot_ms;
	own->changed = own->changed || w->waiting;
	own->explained_ms = now->boot_ms + 1000 * (completed ? (int64_t)WATCHDOG_EXPLAINED_S : (int64_t)w->settings.await_s);
	if (!completed)
		return;
	own->completed_ms = now->boot_ms;
	own->want_ms = INT64_MAX; /* transactions one after the other need one look */
	want_look(w, now->boot_ms + WATCHDOG_QUIET_MS);
}

void watchdog_take_line(struct watchdog *w, enum line_event event, bool ours, const struct watchdog_standing *standing, const struct watchdog_time *now)
{
	bool explained;

	note(w, standing, now);
	explained = ours || w->own.at_work || now->boot_ms < w->own.free_ms;
	switch (event) {
	case LINE_RESTARTED:
	case LINE_WAITING:
		if (event == LINE_WAITING)
			take_waiting(w, now);
		/* Others may restart a peering, but not an appliance: the uptime tells. */
		if (event == LINE_RESTARTED || !explained)
			want_look(w, now->boot_ms);
		if (!explained || w->state != WATCHDOG_STEADY)
			apply(w, event == LINE_WAITING ? WATCHDOG_EV_LINE_WAITING : WATCHDOG_EV_LINE_PEERING, NULL, NULL, now);
		return;
	case LINE_ACCEPTED:
	case LINE_WORKING:
	case LINE_COMPLETED:
		take_progress(w, event == LINE_COMPLETED, now);
		apply(w, WATCHDOG_EV_LINE_ACCEPTED, NULL, NULL, now);
		return;
	case LINE_SETBACK:
		apply(w, WATCHDOG_EV_LINE_SETBACK, NULL, NULL, now);
		return;
	default:
		return;
	}
}

/* ---- the group and the action */

void watchdog_take_group(struct watchdog *w, const struct watchdog_group *group, const struct watchdog_time *now)
{
	note(w, NULL, now);
	w->group = *group;
	w->own.group_ms = now->boot_ms;
	if (w->own.asked_group && w->deadline_ms != INT64_MAX)
		w->deadline_ms = now->boot_ms;
	want_look(w, now->boot_ms);
}

void watchdog_begin(struct watchdog *w, const struct watchdog_time *now)
{
	char detail[WATCHDOG_EVIDENCE_BYTES];

	note(w, NULL, now);
	w->acted = true;
	w->actions++;
	w->action_wall_ms = now->wall_ms;
	w->action_exit = -1;
	put(w->action_run, sizeof w->action_run, w->own.run);
	(void)snprintf(detail, sizeof detail, "%s, run %s", watchdog_policy_name(w->settings.policy), w->action_run);
	apply(w, WATCHDOG_EV_BEGIN, detail, "drr-agent status", now);
}

/* "drrctl resume RUN" with the run's name. */
static const char *end_next(const struct watchdog *w, int exit_code, char out[WATCHDOG_NEXT_BYTES])
{
	(void)snprintf(out, WATCHDOG_NEXT_BYTES, "%s", watchdog_exit_next(exit_code));
	if (exit_code == 5)
		(void)snprintf(out, WATCHDOG_NEXT_BYTES, "drrctl resume %s", w->action_run);
	return out;
}

void watchdog_take_end(struct watchdog *w, int exit_code, const char *sentence, const struct watchdog_time *now)
{
	char detail[WATCHDOG_EVIDENCE_BYTES], next[WATCHDOG_NEXT_BYTES];
	uint32_t spread_ms = crc32_of(w->member, strlen(w->member)) % (WATCHDOG_RETRY_S * 1000);
	enum watchdog_event event = exit_code == 0 ? WATCHDOG_EV_DONE : exit_code == 6 ? WATCHDOG_EV_BUSY : w->own.again ? WATCHDOG_EV_MISSED : WATCHDOG_EV_FAILED;

	note(w, NULL, now);
	if (w->state != WATCHDOG_ACTING)
		return;
	w->action_exit = exit_code;
	w->own.again = false;
	w->own.renewed = true;
	w->own.completed = false;
	if (exit_code == 6) {
		w->acted = ++w->own.tries >= WATCHDOG_TRIES_MAX;
		w->own.retry_ms = now->boot_ms + (int64_t)WATCHDOG_RETRY_S * 1000 + spread_ms;
	} else {
		forget_deadlines(w);
	}
	if (exit_code != 6 || w->acted)
		w->own.told = WATCHDOG_NO_VERDICT; /* that it did not help is worth telling */
	(void)snprintf(detail, sizeof detail, "exit %d%s%.300s", exit_code, sentence && sentence[0] ? ", " : "", sentence ? sentence : "");
	apply(w, event, detail, end_next(w, exit_code, next), now);
	want_look(w, now->boot_ms);
}

/* ---- turns */

static bool wants_action(const struct watchdog *w)
{
	return !w->acted && watchdog_acts(w->settings.policy, w->verdict);
}

/* wd-NAME-20261123T170000Z */
static void name_run(struct watchdog *w, const struct watchdog_time *now)
{
	time_t seconds = (time_t)(now->wall_ms / 1000);
	struct tm tm;
	char stamp[sizeof "20261123T170000Z"], *run = w->own.run;

	(void)gmtime_r(&seconds, &tm);
	(void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	(void)snprintf(run, sizeof w->own.run, "wd-%.40s-%s", w->member, stamp);
	for (; *run; run++)
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.", *run))
			*run = '-';
}

static void turn_state(struct watchdog *w, const struct watchdog_standing *standing, struct watchdog_wish *wish, const struct watchdog_time *now)
{
	bool held = standing->hold_owner[0] != '\0', waits = now->boot_ms < w->own.retry_ms;

	if (w->state == WATCHDOG_STANDBACK && !is_occupied(w, standing) && !waits && !(held && wants_action(w))) {
		if (w->own.granted)
			forget_deadlines(w);
		apply(w, WATCHDOG_EV_FREE, NULL, NULL, now);
		want_look(w, most(now->boot_ms, w->own.free_ms));
	}
	/* Not while it perhaps comes back by itself. */
	if (w->state != WATCHDOG_VERDICT || !wants_action(w) || waits || w->own.whole_ms > 0)
		return;
	if (is_occupied(w, standing) || held) {
		block(w, standing, now);
		return;
	}
	/* Only on what is so now. */
	if (w->own.looked_ms == 0 || now->boot_ms - w->own.looked_ms > WATCHDOG_LOOK_RECOVER_MS) {
		want_look(w, now->boot_ms);
		return;
	}
	name_run(w, now);
	put(wish->run, sizeof wish->run, w->own.run);
	wish->act = true;
}

struct watchdog_wish watchdog_turn(struct watchdog *w, const struct watchdog_standing *standing, const struct watchdog_time *now)
{
	struct watchdog_wish wish = {0};
	struct watchdog_own *own = &w->own;

	note(w, standing, now);
	turn_state(w, standing, &wish, now);
	if (own->ask_group) {
		wish.group = true;
		own->ask_group = false;
		own->group_ms = now->boot_ms;
	}
	if (now->boot_ms >= w->look_at_ms || (now->boot_ms >= w->deadline_ms && !own->looking)) {
		wish.look = own->looking = true;
		w->look_at_ms = now->boot_ms + WATCHDOG_LOOK_LOST_MS;
	}
	if (own->changed || (own->aged && now->boot_ms - own->kept_ms >= (int64_t)WATCHDOG_KEEP_EVERY_S * 1000)) {
		wish.save = true;
		own->changed = own->aged = false;
		own->kept_ms = now->boot_ms;
	}
	return wish;
}

int64_t watchdog_deadline(const struct watchdog *w)
{
	const struct watchdog_own *own = &w->own;
	int64_t next = w->look_at_ms;

	/* One that is reached waits for its look. */
	if (w->deadline_ms > own->seen_ms)
		next = least(next, w->deadline_ms);
	if (own->retry_ms > own->seen_ms)
		next = least(next, own->retry_ms);
	return own->ask_group || own->changed ? own->seen_ms : next;
}

void watchdog_init(struct watchdog *w, const struct watchdog_settings *settings, const char *member, watchdog_tell *tell_it, void *context, const struct watchdog_time *now)
{
	*w = (struct watchdog){.settings = *settings, .tell = tell_it, .context = context, .since = *now, .deadline_ms = INT64_MAX, .action_exit = -1, .collections_before = -1};
	put(w->member, sizeof w->member, member);
	put(w->sentence, sizeof w->sentence, "nothing is known to be wrong");
	w->own.seen_ms = w->own.kept_ms = now->boot_ms;
	w->own.want_ms = w->look_at_ms = now->boot_ms + WATCHDOG_FIRST_LOOK_MS;
}

void watchdog_set(struct watchdog *w, const struct watchdog_settings *settings)
{
	w->settings = *settings;
	if (w->state == WATCHDOG_STEADY)
		want_look(w, w->own.seen_ms + WATCHDOG_FIRST_LOOK_MS);
}

void watchdog_wake(struct watchdog *w, bool runs, const struct watchdog_time *now)
{
	struct watchdog_own *own = &w->own;

	memcpy(w->since.boot_id, now->boot_id, sizeof w->since.boot_id);
	memcpy(w->episode.boot_id, now->boot_id, sizeof w->episode.boot_id);
	own->blind = true;
	if (is_waited_for(w->state))
		w->deadline_ms = most(w->deadline_ms, now->boot_ms + WATCHDOG_WAKE_MS);
	if (w->state != WATCHDOG_ACTING || runs)
		return;
	forget_deadlines(w);
	apply(w, WATCHDOG_EV_MISSED, "the agent was down when it ended", watchdog_exit_next(-1), now);
}
