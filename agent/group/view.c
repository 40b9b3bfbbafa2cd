#include "group/view.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *const op_names[VIEW_OP_COUNT] = {"precheck", "primary", "flush", "bounce", "confirm", "await"};

const char *view_op_name(enum view_op op)
{
	return op_names[op];
}

enum view_op view_op_by_name(const char *name)
{
	unsigned op = 0;

	while (op < VIEW_OP_COUNT && strcmp(op_names[op], name) != 0)
		op++;
	return (enum view_op)op;
}

/* ---- values ---- */

/* Text that does not fit is cut: it is for people. */
static void take_sentence(char *out, size_t size, const struct json *json)
{
	const char *text = json_string(json);

	(void)snprintf(out, size, "%s", text ? text : "");
}

/* A name that does not fit is none: a part of it could be another's. */
static void take_name(char *out, size_t size, const struct json *object, const char *key)
{
	const char *text = json_string(json_get(object, key));

	(void)text_copy(out, size, text ? text : "", text ? strlen(text) : 0);
}

#define TAKE(object, key, field) take_name((field), sizeof(field), (object), (key))

static int64_t take_int(const struct json *object, const char *key)
{
	int64_t value;

	return json_int(json_get(object, key), &value) ? value : -1;
}

static bool take_bool(const struct json *object, const char *key)
{
	bool value;

	return json_bool(json_get(object, key), &value) && value;
}

static int take_tristate(const struct json *object, const char *key)
{
	bool value;

	return json_bool(json_get(object, key), &value) ? value : -1;
}

/* ---- steps ---- */

static void take_evidence(const struct json *evidence, char *out, size_t size)
{
	struct buf text;

	buf_init(&text, out, size);
	for (size_t i = 0; json_at(evidence, i); i++) {
		const char *line = json_string(json_at(evidence, i));

		if (line)
			(void)buf_printf(&text, "%s%s", text.len > 0 ? " | " : "", line);
	}
}

bool view_read_step(const struct json *json, struct view_step *step)
{
	static const char *const words[] = {[VIEW_STEP_RUNNING] = "running", [VIEW_STEP_DONE] = "done", [VIEW_STEP_REFUSED] = "refused", [VIEW_STEP_FAILED] = "failed"};
	const char *state = json_string(json_get(json, "state"));
	int64_t attempt = take_int(json, "attempt");

	memset(step, 0, sizeof *step);
	for (unsigned i = VIEW_STEP_RUNNING; state && i <= VIEW_STEP_FAILED; i++)
		if (strcmp(state, words[i]) == 0)
			step->state = (enum view_step_state)i;
	step->exit = (int)take_int(json, "exit");
	step->attempt = attempt > 0 && attempt < INT32_MAX ? (unsigned)attempt : 1;
	step->disabled_ms = take_int(json, "disabled_ms");
	take_sentence(step->sentence, sizeof step->sentence, json_get(json, "sentence"));
	take_sentence(step->next, sizeof step->next, json_get(json, "next"));
	take_evidence(json_get(json, "evidence"), step->evidence, sizeof step->evidence);
	return step->state != VIEW_STEP_NONE;
}

static void take_run(const struct json *run, struct view_state *state)
{
	const struct json *steps = json_get(run, "steps");

	TAKE(run, "id", state->run);
	state->flush_done = take_bool(run, "flush_done");
	state->flush_unknown = take_bool(run, "flush_unknown");
	state->bounce_done = take_bool(run, "bounce_done");
	state->await_done = take_bool(run, "await_done");
	for (size_t i = 0; json_at(steps, i); i++) {
		const struct json *step = json_at(steps, i);
		const char *name = json_key(step);
		enum view_op op = name ? view_op_by_name(name) : VIEW_OP_COUNT;

		if (op != VIEW_OP_COUNT && json_is_object(step))
			(void)view_read_step(step, &state->steps[op]);
	}
}

/* ---- grants ---- */

static bool take_plan(const struct json *json, struct view_plan *plan)
{
	const struct json *order = json_get(json, "order");
	int64_t max = take_int(json, "max_unavailable");

	memset(plan, 0, sizeof *plan);
	TAKE(json, "primary", plan->primary);
	for (size_t i = 0; json_at(order, i); i++) {
		const char *name = json_string(json_at(order, i));

		if (!name || plan->count == GROUP_MEMBERS_MAX || text_copy(plan->order[plan->count], GROUP_NAME_BYTES, name, strlen(name)) != 0)
			return false;
		plan->count++;
	}
	if (max < 1 || max > GROUP_MEMBERS_MAX || plan->primary[0] == '\0' || plan->count == 0)
		return false;
	plan->max_unavailable = (unsigned)max;
	return true;
}

static bool take_grant(const struct json *json, struct view_grant *grant)
{
	if (!json)
		return true;
	TAKE(json, "run", grant->run);
	TAKE(json, "since", grant->since);
	TAKE(json, "by", grant->by);
	return grant->run[0] && take_plan(json_get(json, "plan"), &grant->plan);
}

struct json *view_plan_json(const struct view_plan *plan)
{
	struct json *object = json_object(), *order = json_array();

	json_set_string(object, "primary", plan->primary);
	for (unsigned i = 0; i < plan->count; i++)
		json_add_string(order, plan->order[i]);
	json_set(object, "order", order);
	json_set_int(object, "max_unavailable", plan->max_unavailable);
	return object;
}

bool view_plans_equal(const struct view_plan *a, const struct view_plan *b)
{
	if (strcmp(a->primary, b->primary) != 0 || a->count != b->count || a->max_unavailable != b->max_unavailable)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (strcmp(a->order[i], b->order[i]) != 0)
			return false;
	return true;
}

/* ---- state ---- */

static void take_peering(const struct json *peering, struct view_state *state)
{
	const struct json *rows = json_get(peering, "rows");

	TAKE(peering, "object", state->object);
	TAKE(peering, "primary_address", state->primary_address);
	TAKE(peering, "persistence", state->persistence);
	state->priority = take_int(peering, "priority");
	state->is_primary = take_tristate(peering, "is_primary");
	state->quorum = take_tristate(peering, "quorum");
	for (size_t i = 0; json_at(rows, i) && state->row_count < VIEW_ROWS_MAX; i++) {
		const char *object = json_string(json_get(json_at(rows, i), "object"));

		if (!object || strcmp(object, state->object) != 0)
			continue;
		state->priorities[state->row_count] = take_int(json_at(rows, i), "priority");
		TAKE(json_at(rows, i), "address", state->rows[state->row_count++]);
	}
}

static void take_hold(const struct json *hold, struct view_state *state)
{
	if (!hold)
		return;
	take_sentence(state->hold_owner, sizeof state->hold_owner, json_get(hold, "owner"));
	take_sentence(state->hold_reason, sizeof state->hold_reason, json_get(hold, "reason"));
	TAKE(hold, "until", state->hold_until);
	if (state->hold_owner[0] == '\0')
		(void)snprintf(state->hold_owner, sizeof state->hold_owner, "somebody");
}

bool view_read_state(const struct json *json, struct view_state *state)
{
	const struct json *appliance = json_get(json, "appliance"), *service = json_get(json, "service"), *log = json_get(json, "log");

	memset(state, 0, sizeof *state);
	TAKE(json_get(json, "member"), "name", state->name);
	TAKE(json_get(json, "member"), "address", state->address);
	TAKE(appliance, "firmware", state->firmware);
	TAKE(appliance, "domain", state->domain);
	state->uptime_s = take_int(appliance, "uptime_s");
	state->clock_known = json_int(json_get(appliance, "clock_ahead_ms"), &state->appliance_ahead_ms);
	TAKE(json_get(json, "agent"), "version", state->version);
	take_peering(json_get(json, "peering"), state);
	TAKE(service, "admin_state", state->admin_state);
	TAKE(service, "op_state", state->op_state);
	state->collections = take_int(json, "collections");
	state->age_ms = take_int(json, "age_ms");
	TAKE(log, "last_event", state->last_event);
	TAKE(log, "last_event_time", state->last_event_time);
	state->journal_open = take_bool(json_get(json, "journal"), "open");
	state->disable_open = take_tristate(json_get(json, "journal"), "disable_open") < 0 ? state->journal_open : take_bool(json_get(json, "journal"), "disable_open");
	take_hold(json_get(json, "hold"), state);
	take_run(json_get(json, "run"), state);
	TAKE(json_get(json, "step"), "id", state->step);
	TAKE(json_get(json, "step"), "phase", state->step_phase);
	TAKE(json, "as_of", state->as_of);
	return take_grant(json_get(json, "grant"), &state->grant) && state->name[0] && json_get(json, "journal");
}

/* ---- refusals ---- */

void view_read_problem(const struct json *json, int http_status, struct view_problem *problem)
{
	const char *type = json_string(json_get(json, "type"));
	unsigned i = PROBLEM_TYPE_COUNT;

	memset(problem, 0, sizeof *problem);
	if (type && text_starts(type, strlen(type), PROBLEM_URN))
		for (i = 0; i < PROBLEM_TYPE_COUNT && strcmp(problem_name((enum problem_type)i), type + strlen(PROBLEM_URN)) != 0;)
			i++;
	problem->type = (enum problem_type)i;
	take_sentence(problem->sentence, sizeof problem->sentence, json_get(json, "detail"));
	if (problem->sentence[0] == '\0')
		take_sentence(problem->sentence, sizeof problem->sentence, json_get(json, "title"));
	if (problem->sentence[0] == '\0')
		(void)snprintf(problem->sentence, sizeof problem->sentence, "the answer is HTTP %d, without a reason that this version knows", http_status);
	take_sentence(problem->next, sizeof problem->next, json_get(json, "next"));
	TAKE(json_get(json, "holder"), "run", problem->holder);
}

/* ---- time ---- */

/* COUNT digits; -1: others. */
static int64_t digits(const char *text, unsigned count)
{
	int64_t value = 0;

	for (unsigned i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

int64_t view_time_ms(const char *text)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int64_t year, month, day, days, ms;
	size_t length = strlen(text);

	if (length < sizeof form - 1)
		return -1;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return -1;
	year = digits(text, 4);
	month = digits(text + 5, 2);
	day = digits(text + 8, 2);
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
		return -1;
	days = (year - 1970) * 365 + (year - 1969) / 4 - (year - 1901) / 100 + (year - 1601) / 400 + before[month - 1] + day - 1;
	if (month > 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		days++;
	ms = (days * 86400 + digits(text + 11, 2) * 3600 + digits(text + 14, 2) * 60 + digits(text + 17, 2)) * 1000;
	if (strcmp(text + 19, "Z") == 0)
		return ms;
	return length == 24 && text[19] == '.' && text[23] == 'Z' && digits(text + 20, 3) >= 0 ? ms + digits(text + 20, 3) : -1;
}
