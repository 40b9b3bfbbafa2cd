#include <stdlib.h>

#include "group/report_write.h"
#include "platform/clock.h"

static void set_time(struct json *object, const char *key, int64_t ms)
{
	char text[CLOCK_TEXT_BYTES];

	json_set_string(object, key, ms == REPORT_UNKNOWN_MS ? NULL : clock_text(text, ms));
}

static void set_known(struct json *object, const char *key, bool known, int64_t value)
{
	if (known)
		json_set_int(object, key, value);
	else
		json_set_null(object, key);
}

static void set_text(struct json *object, const char *key, const char *text)
{
	json_set_string(object, key, text[0] ? text : NULL);
}

static struct json *event_json(const struct report_event *event)
{
	struct json *object = json_object();

	json_set_int(object, "n", event->n);
	set_time(object, "time", event->time_ms);
	json_set_string(object, "kind", event->kind);
	json_set_string(object, "event", event->name);
	set_text(object, "code", event->code);
	set_text(object, "run", event->run);
	json_set_string(object, "sentence", event->sentence);
	set_text(object, "evidence", event->evidence);
	return object;
}

static struct json *peering_json(const struct report_event *event)
{
	struct json *object = json_object(), *rows = json_array();
	struct report_row all[REPORT_ROWS_MAX];
	unsigned count = report_read_rows(event, all);

	set_time(object, "time", event ? event->time_ms : REPORT_UNKNOWN_MS);
	for (unsigned i = 0; i < count; i++) {
		struct json *row = json_object();

		set_text(row, "address", all[i].address);
		set_text(row, "primary", all[i].primary);
		set_text(row, "link", all[i].link);
		set_text(row, "replication_offset", all[i].offset);
		set_text(row, "pending_updates", all[i].pending);
		set_text(row, "priority", all[i].priority);
		json_add(rows, row);
	}
	json_set(object, "rows", rows);
	return object;
}

static struct json *attempt_json(const struct report_bar *bar)
{
	struct json *object = json_object();

	json_set_string(object, "op", view_op_name(bar->op));
	set_known(object, "attempt", bar->attempt > 0, bar->attempt);
	json_set_string(object, "state", bar->state == VIEW_STEP_NONE ? NULL : report_state_name(bar->state));
	set_time(object, "started", bar->from_ms);
	set_time(object, "ended", bar->to_ms);
	set_text(object, "sentence", bar->sentence);
	return object;
}

/* By name, as they ended: the last attempt of each. */
static struct json *steps_json(const struct report_member *member)
{
	struct json *steps = json_object();

	for (unsigned i = 0; i < member->bar_count; i++)
		json_set(steps, view_op_name(member->bars[i].op), attempt_json(&member->bars[i]));
	return steps;
}

static struct json *attempts_json(const struct report_member *member)
{
	struct json *attempts = json_array();

	for (unsigned i = 0; i < member->bar_count; i++)
		json_add(attempts, attempt_json(&member->bars[i]));
	return attempts;
}

static struct json *outages_json(const struct report_member *member)
{
	struct json *outages = json_array();

	for (unsigned i = 0; i < member->outage_count; i++) {
		const struct report_outage *outage = &member->outages[i];
		struct json *object = json_object();

		set_time(object, "from", outage->from_ms);
		set_time(object, "to", outage->to_ms);
		set_known(object, "ms", outage->to_ms != REPORT_UNKNOWN_MS, outage->to_ms - outage->from_ms);
		json_set_bool(object, "estimated", outage->estimated);
		json_add(outages, object);
	}
	return outages;
}

static struct json *member_json(const struct report_member *member)
{
	struct json *object = json_object(), *events = json_array();
	const struct view_state *state = &member->state;

	json_set_string(object, "name", member->name);
	set_text(object, "error", member->trouble);
	set_text(object, "address", state->address);
	set_text(object, "agent_version", state->version);
	set_text(object, "agent_started", member->started);
	set_text(object, "firmware", state->firmware);
	set_text(object, "domain", state->domain);
	set_text(object, "admin_state_now", state->admin_state);
	set_text(object, "op_state_now", state->op_state);
	set_known(object, "clock_ahead_ms", member->know_skew, member->skew_ms);
	set_known(object, "events_gone_before", member->gone_before > 0, member->gone_before);
	json_set_int(object, "events_left_out", member->dropped);
	json_set_bool(object, "holds_grant", member->granted);
	json_set_int(object, "disabled_ms", member->disabled_ms);
	json_set(object, "outages", outages_json(member));
	json_set(object, "steps", steps_json(member));
	json_set(object, "attempts", attempts_json(member));
	json_set(object, "peering_before", peering_json(member->peering_before));
	json_set(object, "peering_after", peering_json(member->peering_after));
	for (unsigned i = 0; i < member->event_count; i++)
		json_add(events, event_json(member->events[i]));
	json_set(object, "events", events);
	return object;
}

static struct json *plan_json(const struct plan *plan)
{
	struct json *object = json_object(), *order = json_array();

	for (unsigned i = 0; i < plan->count; i++)
		json_add_string(order, plan->order[i]);
	json_set_string(object, "primary", plan->primary);
	json_set(object, "order", order);
	json_set_int(object, "max_unavailable", plan->max_unavailable);
	return object;
}

static struct json *outage_json(const struct report_model *model)
{
	struct json *object = json_object();
	bool any = model->outage_from_ms != REPORT_UNKNOWN_MS;

	set_time(object, "from", model->outage_from_ms);
	set_time(object, "to", any && !model->outage_open ? model->outage_to_ms : REPORT_UNKNOWN_MS);
	json_set_int(object, "ms", model->outage_ms);
	json_set_int(object, "members_at_once", model->outage_members);
	json_set_bool(object, "open", model->outage_open);
	return object;
}

static struct json *asks_json(const struct report_model *model)
{
	struct json *asks = json_array();
	struct report_line *lines;
	unsigned count = report_lines(model, report_event_is_ask, &lines);

	for (unsigned i = 0; i < count; i++) {
		struct json *object = event_json(lines[i].event);

		json_set_string(object, "member", lines[i].member->name);
		json_add(asks, object);
	}
	free(lines);
	return asks;
}

struct json *report_json(const struct report_model *model)
{
	struct json *top = json_object(), *lacks = json_array(), *members = json_array();
	char lack[REPORT_LACK_BYTES];

	json_set_string(top, "run", model->run);
	json_set_string(top, "group", model->group);
	set_time(top, "made", model->made_ms);
	json_set_string(top, "drrctl_version", DRR_VERSION);
	json_set_string(top, "outcome", report_outcome_name(model->outcome));
	json_set_string(top, "sentence", report_outcome_sentence(model->outcome));
	set_time(top, "from", model->from_ms);
	set_time(top, "to", model->to_ms);
	if (model->plan.count > 0)
		json_set(top, "plan", plan_json(&model->plan));
	else
		json_set_null(top, "plan");
	json_set(top, "outage", outage_json(model));
	for (unsigned i = 0; report_lack(model, i, lack); i++)
		json_add_string(lacks, lack);
	json_set(top, "lacks", lacks);
	json_set_string(top, "api_manager", model->manager[0] ? model->manager : NULL);
	json_set(top, "asked", asks_json(model));
	for (unsigned i = 0; i < model->count; i++)
		json_add(members, member_json(&model->members[i]));
	json_set(top, "members", members);
	return top;
}
