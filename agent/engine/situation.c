#include "engine/situation.h"

#include <stdio.h>

#include "engine/source.h"
#include "platform/clock.h"
#include "run/plan.h"

static const char *flag_word(enum peering_flag flag, const char *yes, const char *no)
{
	return flag == PEERING_YES ? yes : flag == PEERING_NO ? no : NULL;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void set_known(struct json *object, const char *key, bool known, int64_t value)
{
	if (known)
		json_set_int(object, key, value);
	else
		json_set_null(object, key);
}

static struct json *rows_json(const struct peering_table *table)
{
	struct json *rows = json_array();

	for (unsigned i = 0; i < table->count; i++) {
		const struct peering_row *row = &table->rows[i];
		struct json *object = json_object();

		json_set_string(object, "address", row->address);
		json_set_string(object, "object", row->object);
		set_known(object, "pending_updates", row->pending_known, (int64_t)row->pending_updates);
		set_known(object, "replication_offset", row->offset_known, (int64_t)row->replication_offset);
		json_set_string(object, "link", flag_word(row->link_ok, "ok", "down"));
		json_set_string(object, "primary", flag_word(row->primary, "yes", "no"));
		set_known(object, "priority", row->priority_known, row->priority);
		json_add(rows, object);
	}
	return rows;
}

static const struct situation_question asked[] = {
	{APPLIANCE_ASK_IDENTITY, "appliance", true}, {APPLIANCE_ASK_OBJECT, "object", true},  {APPLIANCE_ASK_PEERING, "peering", true},
	{APPLIANCE_ASK_SERVICE, "service", false},    {APPLIANCE_ASK_COLLECTIONS, "collections", false}, {APPLIANCE_ASK_SAVED, "unsaved", false},
};

const struct situation_question *situation_questions(unsigned *count)
{
	*count = sizeof asked / sizeof asked[0];
	return asked;
}

int64_t situation_age_ms(const struct link *link)
{
	struct mono now = clock_now();
	int64_t oldest_ms = 0;

	for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		int64_t age_ms = mono_diff_ms(now, link->answered_at[asked[i].op]);

		if (asked[i].needed && link->answered_at[asked[i].op].ms == 0)
			return -1;
		if (asked[i].needed && age_ms > oldest_ms)
			oldest_ms = age_ms;
	}
	return oldest_ms;
}

/* When OP was answered last, on the wall clock of now. */
static void set_as_of(struct json *object, const struct link *link, enum appliance_op op)
{
	char when[CLOCK_TEXT_BYTES];
	bool known = link->answered_at[op].ms != 0;

	json_set_string(object, "as_of", known ? clock_text(when, clock_wall_ms() - mono_diff_ms(clock_now(), link->answered_at[op])) : NULL);
}

static struct json *ways_json(const struct situation *s)
{
	struct json *object = json_object();

	for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++)
		json_set_string(object, asked[i].name, link_way_name(s->link, asked[i].op));
	return object;
}

static struct json *appliance_json(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;
	struct json *object = json_object();

	json_set_string(object, "firmware", or_null(facts->firmware));
	json_set_string(object, "serial", or_null(facts->serial));
	set_known(object, "uptime_s", facts->uptime_reload_s >= 0, facts->uptime_reload_s);
	json_set_string(object, "domain", s->config->appliance.domain);
	json_set_string(object, "way", link_way_name(s->link, APPLIANCE_ASK_PEERING));
	json_set(object, "ways", ways_json(s));
	json_set_string(object, "xmi_trouble", s->link->xmi_error.code != ERROR_NONE ? s->link->xmi_error.what : NULL);
	if (facts->unsaved == PEERING_UNKNOWN)
		json_set_null(object, "unsaved");
	else
		json_set_bool(object, "unsaved", facts->unsaved == PEERING_YES);
	set_as_of(object, s->link, APPLIANCE_ASK_IDENTITY);
	return object;
}

static struct json *peering_json(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;
	struct json *object = json_object();
	struct peering_view view;

	peering_view_make(&facts->table, s->address, &view);
	json_set_string(object, "object", or_null(facts->object));
	if (view.own)
		json_set_bool(object, "is_primary", view.own->primary == PEERING_YES);
	else
		json_set_null(object, "is_primary");
	json_set_string(object, "primary_address", view.primary ? view.primary->address : NULL);
	if (s->link->answered_at[APPLIANCE_ASK_PEERING].ms != 0)
		json_set_bool(object, "quorum", view.quorum);
	else
		json_set_null(object, "quorum");
	json_set_string(object, "persistence", or_null(facts->persistence));
	json_set(object, "rows", rows_json(&facts->table));
	set_as_of(object, s->link, APPLIANCE_ASK_PEERING);
	return object;
}

static void set_time(struct json *object, const char *key, bool known, int64_t wall_ms)
{
	char when[CLOCK_TEXT_BYTES];

	json_set_string(object, key, known ? clock_text(when, wall_ms) : NULL);
}

static struct json *log_json(const struct situation *s)
{
	struct json *object = json_object();

	json_set_string(object, "source", s->config->log.source == CONFIG_LOG_NONE ? NULL : source_name(s->config->log.source));
	json_set_bool(object, "readable", s->log->readable);
	json_set_string(object, "last_event", s->log->found ? s->log->code : NULL);
	json_set_string(object, "last_event_time", s->log->found ? or_null(s->log->time) : NULL);
	set_time(object, "as_of", s->log->readable, clock_wall_ms() - (s->lag_ms > 0 ? s->lag_ms : 0)); /* it was read up to then */
	set_known(object, "lag_s", s->lag_ms >= 0, s->lag_ms / 1000); /* a foreground look has no watcher that could lag */
	return object;
}

static struct json *journal_json(const struct situation *s)
{
	struct json *object = json_object();

	if (!s->journal) {
		json_set_null(object, "open");
		return object;
	}
	json_set_bool(object, "open", s->journal->run_open || s->journal->disable_open);
	json_set_bool(object, "disable_open", s->journal->disable_open);
	return object;
}

/* ---- what stands in the journal ------------------------------------------------------------------------------- */

static struct json *plan_json(const char *text)
{
	struct json *object = json_object(), *order = json_array();
	struct plan plan;

	if (plan_parse(text, &plan) == 0) {
		json_set_string(object, "primary", plan.primary);
		for (unsigned i = 0; i < plan.count; i++)
			json_add_string(order, plan.order[i]);
		json_set_int(object, "max_unavailable", plan.max_unavailable);
	}
	json_set(object, "order", order);
	return object;
}

struct json *situation_grant(const struct journal_standing *standing)
{
	struct json *object;

	if (!standing->granted)
		return NULL;
	object = json_object();
	json_set_string(object, "run", standing->grant_run);
	json_set(object, "plan", plan_json(standing->plan));
	set_time(object, "since", true, standing->grant_wall_ms);
	json_set_string(object, "by", standing->grant_by);
	return object;
}

bool situation_is_held(const struct journal_standing *standing)
{
	return standing->held && clock_wall_ms() < standing->hold_until_ms; /* a time that people gave, so it is theirs that counts */
}

struct json *situation_hold(const struct journal_standing *standing)
{
	struct json *object;

	if (!situation_is_held(standing))
		return NULL;
	object = json_object();
	json_set_string(object, "owner", standing->hold_owner);
	json_set_string(object, "reason", standing->hold_reason);
	set_time(object, "until", standing->hold_until_ms < INT64_MAX, standing->hold_until_ms);
	set_time(object, "since", true, standing->hold_wall_ms);
	return object;
}

static const char *op_state_word(const struct journal_op_state *op)
{
	if (!op->ended)
		return "running";
	return op->exit_code == 0 ? "done" : op->exit_code == 3 ? "refused" : "failed";
}

struct json *situation_op(const struct journal_state *state, enum journal_op which)
{
	const struct journal_op_state *op = &state->ops[which];
	struct json *object;
	char id[JOURNAL_RUN_BYTES + 16];

	if (op->attempts == 0)
		return NULL;
	object = json_object();
	(void)snprintf(id, sizeof id, "%s.%s", state->run, journal_op_name(which));
	json_set_string(object, "id", id);
	json_set_string(object, "run", state->run);
	json_set_string(object, "op", journal_op_name(which));
	json_set_string(object, "state", op_state_word(op));
	set_known(object, "exit", op->ended && op->exit_code >= 0, op->exit_code);
	json_set_string(object, "sentence", op->ended ? op->sentence : "under way");
	json_set_string(object, "next", or_null(op->next));
	json_set(object, "evidence", json_array());
	set_time(object, "started", true, op->began_wall_ms);
	set_time(object, "ended", op->ended, op->ended_wall_ms);
	json_set_int(object, "attempt", op->attempts);
	set_known(object, "disabled_ms", op->disabled_ms >= 0, op->disabled_ms);
	return object;
}

static struct json *run_json(const struct situation *s)
{
	const struct journal_state *state = s->journal;
	struct json *object, *steps;

	if (!state || !state->run[0])
		return NULL;
	object = json_object();
	json_set_string(object, "id", state->run);
	json_set_bool(object, "open", state->run_open);
	set_known(object, "exit", state->exit_code >= 0, state->exit_code);
	json_set_string(object, "last_step", journal_step_name(state->last_step));
	json_set_bool(object, "flush_done", state->flush_done);
	json_set_bool(object, "flush_unknown", state->flush_unknown || state->flush_open);
	json_set_bool(object, "bounce_done", state->bounce_done);
	json_set_bool(object, "confirm_done", state->confirm_done);
	json_set_bool(object, "await_done", state->await_done);
	steps = json_object();
	for (int i = 0; i < JOURNAL_OP_COUNT; i++)
		if (state->ops[i].attempts > 0)
			json_set(steps, journal_op_name((enum journal_op)i), situation_op(state, (enum journal_op)i));
	json_set(object, "steps", steps);
	return object;
}

/* CHILD or, where it is NULL, null. */
static void set_or_null(struct json *object, const char *key, struct json *child)
{
	if (child)
		json_set(object, key, child);
	else
		json_set_null(object, key);
}

static struct json *last_action(const struct watchdog *w)
{
	struct json *object = json_object();

	json_set_string(object, "run", w->action_run);
	set_time(object, "time", true, w->action_wall_ms);
	set_known(object, "exit", w->action_exit >= 0, w->action_exit);
	return object;
}

struct json *situation_watchdog(const struct watchdog *w)
{
	struct json *object = json_object();

	json_set_string(object, "policy", watchdog_policy_name(w->settings.policy));
	json_set_string(object, "state", watchdog_state_name(w->state));
	set_time(object, "since", true, w->since.wall_ms);
	json_set_string(object, "sentence", or_null(w->sentence));
	json_set_string(object, "next", or_null(w->next));
	json_set_string(object, "verdict", watchdog_verdict_name(w->verdict));
	json_set_string(object, "cause", watchdog_cause_name(w->cause));
	set_time(object, "episode_since", w->state != WATCHDOG_STEADY, w->episode.wall_ms);
	json_set_int(object, "restarts", (int64_t)w->restarts);
	set_or_null(object, "last_action", w->action_wall_ms != 0 ? last_action(w) : NULL);
	set_known(object, "collections_before", w->collections_before >= 0, w->collections_before);
	return object;
}

static struct json *service_json(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;
	struct json *object = json_object();

	json_set_string(object, "admin_state", facts->admin_state == APPLIANCE_ADMIN_ENABLED ? "enabled" : facts->admin_state == APPLIANCE_ADMIN_DISABLED ? "disabled" : NULL);
	json_set_string(object, "op_state", or_null(facts->op_state));
	json_set_string(object, "event_code", or_null(facts->service_event));
	json_set_string(object, "reason", or_null(facts->service_reason));
	set_as_of(object, s->link, APPLIANCE_ASK_SERVICE);
	return object;
}

struct json *situation_json(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;
	struct json *top = json_object(), *member = json_object();
	int64_t age_ms = situation_age_ms(s->link);

	json_set_string(member, "name", s->config->agent.name);
	json_set_string(member, "address", or_null(s->address));
	json_set(top, "member", member);
	json_set(top, "appliance", appliance_json(s));
	json_set(top, "peering", peering_json(s));
	json_set(top, "service", service_json(s));
	set_known(top, "collections", facts->collections >= 0, facts->collections);
	json_set(top, "log", log_json(s));
	json_set(top, "journal", journal_json(s));
	set_or_null(top, "grant", s->journal ? situation_grant(&s->journal->standing) : NULL);
	set_or_null(top, "hold", s->journal ? situation_hold(&s->journal->standing) : NULL);
	set_or_null(top, "run", run_json(s));
	set_time(top, "as_of", age_ms >= 0, clock_wall_ms() - age_ms);
	set_known(top, "age_ms", age_ms >= 0, age_ms);
	return top;
}
