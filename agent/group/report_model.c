#include "group/report_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *text_of(const struct json *object, const char *key)
{
	const char *text = json_string(json_get(object, key));

	return text ? text : "";
}

static int64_t time_of(const struct json *object, const char *key)
{
	return view_time_ms(text_of(object, key)); /* -1 is REPORT_UNKNOWN_MS */
}

void report_model_init(struct report_model *model, const char *group, const char *run, int64_t made_ms)
{
	memset(model, 0, sizeof *model);
	(void)snprintf(model->group, sizeof model->group, "%s", group);
	(void)snprintf(model->run, sizeof model->run, "%s", run);
	model->made_ms = made_ms;
	model->from_ms = model->to_ms = model->outage_from_ms = model->outage_to_ms = REPORT_UNKNOWN_MS;
}

void report_model_free(struct report_model *model)
{
	for (unsigned i = 0; i < model->count; i++) {
		for (unsigned k = 0; k < model->members[i].event_count; k++)
			free(model->members[i].events[k]);
		free(model->members[i].events);
	}
	model->count = 0;
}

struct report_member *report_model_add(struct report_model *model, const char *name)
{
	struct report_member *member = &model->members[model->count++];

	(void)snprintf(member->name, sizeof member->name, "%s", name);
	return member;
}

/* ---- the state ------------------------------------------------------------------------------------------------ */

static bool is_over(enum view_step_state state)
{
	return state == VIEW_STEP_DONE || state == VIEW_STEP_REFUSED || state == VIEW_STEP_FAILED;
}

static struct report_bar *add_bar(struct report_member *member, enum view_op op, int64_t from_ms)
{
	struct report_bar *bar;

	if (member->bar_count == REPORT_BARS_MAX)
		return NULL;
	bar = &member->bars[member->bar_count++];
	*bar = (struct report_bar){.op = op, .from_ms = from_ms, .to_ms = REPORT_UNKNOWN_MS};
	return bar;
}

/* The member's own account of its steps: kept as bars until the events have told more (merge_steps). */
static void take_steps(struct report_member *member, const struct json *steps)
{
	for (size_t i = 0; json_at(steps, i); i++) {
		const struct json *step = json_at(steps, i);
		enum view_op op = view_op_by_name(text_of(step, "op"));
		struct view_step view;
		struct report_bar *bar;

		if (op == VIEW_OP_COUNT || !view_read_step(step, &view) || !(bar = add_bar(member, op, time_of(step, "started"))))
			continue;
		bar->attempt = view.attempt;
		bar->state = view.state;
		bar->to_ms = is_over(view.state) ? time_of(step, "ended") : REPORT_UNKNOWN_MS;
		(void)snprintf(bar->sentence, sizeof bar->sentence, "%s", view.sentence);
	}
}

bool report_model_take_state(struct report_member *member, const struct report_model *model, const struct json *state, int64_t asked_ms)
{
	int64_t now_ms = time_of(json_get(state, "agent"), "now");

	if (!view_read_state(state, &member->state))
		return false;
	member->seen = true;
	(void)snprintf(member->started, sizeof member->started, "%s", text_of(json_get(state, "agent"), "started"));
	member->know_skew = now_ms != REPORT_UNKNOWN_MS;
	member->skew_ms = member->know_skew ? now_ms - asked_ms : 0;
	if (strcmp(member->state.run, model->run) == 0)
		take_steps(member, json_get(json_get(state, "run"), "steps"));
	return true;
}

/* ---- events --------------------------------------------------------------------------------------------------- */

static const char *put(char **at, const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = memcpy(*at, text, bytes);

	*at += bytes;
	return copy;
}

static struct report_event *copy_event(const struct json *json, int64_t n)
{
	static const char *const keys[] = {"kind", "event", "code", "run", "sentence", "evidence"};
	size_t bytes = sizeof(struct report_event);
	struct report_event *event;
	char *at;

	for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++)
		bytes += strlen(text_of(json, keys[i])) + 1;
	event = malloc(bytes);
	if (!event)
		return NULL;
	at = (char *)(event + 1);
	event->n = n;
	event->time_ms = time_of(json, "time");
	event->kind = put(&at, text_of(json, "kind"));
	event->name = put(&at, text_of(json, "event"));
	event->code = put(&at, text_of(json, "code"));
	event->run = put(&at, text_of(json, "run"));
	event->sentence = put(&at, text_of(json, "sentence"));
	event->evidence = put(&at, text_of(json, "evidence"));
	return event;
}

static void keep(struct report_member *member, const struct json *json, int64_t n)
{
	struct report_event **more, *event;

	if (member->event_count == member->event_room) {
		unsigned room = member->event_room ? 2 * member->event_room : 64;

		more = realloc(member->events, room * sizeof *more);
		if (!more) {
			member->dropped++;
			return;
		}
		member->events = more;
		member->event_room = room;
	}
	event = member->event_count < REPORT_EVENTS_MAX ? copy_event(json, n) : NULL;
	if (event)
		member->events[member->event_count++] = event;
	else
		member->dropped++;
}

static void take_event(struct report_member *member, const struct report_model *model, const struct json *json, int64_t n)
{
	const char *run = text_of(json, "run");
	bool own = strcmp(run, model->run) == 0;

	if (own) {
		member->own_count++;
		member->inside = !(strcmp(text_of(json, "kind"), "grant") == 0 && strcmp(text_of(json, "event"), "released") == 0);
	} else if (run[0]) {
		member->inside = false; /* another run: this one is over here */
		return;
	}
	if (own || member->inside)
		keep(member, json, n);
}

int report_model_take_events(struct report_member *member, const struct report_model *model, const struct json *page, int64_t *after)
{
	const struct json *events = json_get(page, "events");
	int64_t n = 0, newest = 0, oldest = 0;

	if (!json_is_array(events) || !json_int(json_get(page, "newest"), &newest) || !json_int(json_get(page, "oldest"), &oldest))
		return -1;
	for (size_t i = 0; json_at(events, i); i++) {
		if (!json_int(json_get(json_at(events, i), "n"), &n) || n <= *after)
			return -1; /* it would never end */
		if (n > *after + 1 && (*after > 0 || n > 1))
			member->gone_before = n;
		take_event(member, model, json_at(events, i), n);
		*after = n;
	}
	return json_at(events, 0) && *after < newest;
}

/* ---- bars ----------------------------------------------------------------------------------------------------- */

/* NAME is WORD-STATE: is WORD this step's name, and which state? */
static bool split_name(const char *name, enum view_op *op, const char **state)
{
	const char *dash = strrchr(name, '-');
	char word[24];

	if (!dash || text_copy(word, sizeof word, name, (size_t)(dash - name)) != 0)
		return false;
	*op = view_op_by_name(word);
	*state = dash + 1;
	return *op != VIEW_OP_COUNT;
}

static enum view_step_state state_by_name(const char *name)
{
	for (unsigned i = VIEW_STEP_RUNNING; i <= VIEW_STEP_FAILED; i++)
		if (strcmp(report_state_name((enum view_step_state)i), name) == 0)
			return (enum view_step_state)i;
	return VIEW_STEP_NONE;
}

/* "attempt 2, asked for by drrctl" */
static unsigned attempt_of(const char *sentence)
{
	static const char word[] = "attempt ";
	unsigned long long attempt = 0;

	if (text_starts(sentence, strlen(sentence), word))
		(void)text_to_unsigned(sentence + sizeof word - 1, strcspn(sentence + sizeof word - 1, ","), INT32_MAX, &attempt);
	return (unsigned)attempt;
}

static void take_bar_event(struct report_member *member, const struct report_event *event)
{
	struct report_bar *last = member->bar_count > 0 ? &member->bars[member->bar_count - 1] : NULL;
	enum view_op op;
	const char *word;

	if (!split_name(event->name, &op, &word))
		return;
	if (strcmp(word, "asked") == 0) {
		unsigned attempt = attempt_of(event->sentence);

		last = add_bar(member, op, event->time_ms);
		if (last)
			last->attempt = attempt;
		return;
	}
	if (!last || last->op != op || !is_over(state_by_name(word)))
		return;
	last->to_ms = event->time_ms; /* the last such line is that of the step's end */
	last->state = state_by_name(word);
	(void)snprintf(last->sentence, sizeof last->sentence, "%s", event->sentence);
}

/* What the state told is better where it tells of the same attempt, and all there is where the events are gone. */
static void merge_steps(struct report_member *member, const struct report_bar *told, unsigned told_count)
{
	for (unsigned i = 0; i < told_count; i++) {
		struct report_bar *last = NULL;

		for (unsigned k = 0; k < member->bar_count; k++)
			if (member->bars[k].op == told[i].op)
				last = &member->bars[k];
		if (!last)
			last = add_bar(member, told[i].op, told[i].from_ms);
		if (!last)
			return;
		if (last->from_ms == REPORT_UNKNOWN_MS)
			last->from_ms = told[i].from_ms;
		last->attempt = told[i].attempt;
		last->state = told[i].state;
		last->to_ms = told[i].to_ms;
		(void)snprintf(last->sentence, sizeof last->sentence, "%s", told[i].sentence);
	}
}

static int compare_bars(const void *a, const void *b)
{
	const struct report_bar *one = a, *other = b;

	return one->from_ms < other->from_ms ? -1 : one->from_ms > other->from_ms;
}

static void make_bars(struct report_member *member, const char *run)
{
	struct report_bar told[VIEW_OP_COUNT];
	unsigned told_count = member->bar_count < VIEW_OP_COUNT ? member->bar_count : VIEW_OP_COUNT;

	memcpy(told, member->bars, told_count * sizeof told[0]);
	member->bar_count = 0;
	for (unsigned i = 0; i < member->event_count; i++)
		if (strcmp(member->events[i]->kind, "run") == 0 && strcmp(member->events[i]->run, run) == 0)
			take_bar_event(member, member->events[i]);
	merge_steps(member, told, told_count);
	qsort(member->bars, member->bar_count, sizeof member->bars[0], compare_bars);
}

/* ---- outages -------------------------------------------------------------------------------------------------- */

static struct report_outage *open_outage(struct report_member *member)
{
	struct report_outage *last = member->outage_count > 0 ? &member->outages[member->outage_count - 1] : NULL;

	return last && last->to_ms == REPORT_UNKNOWN_MS ? last : NULL;
}

static void take_outage_event(struct report_member *member, const struct report_event *event)
{
	struct report_outage *open = open_outage(member);

	if (strcmp(event->name, "disabled") == 0 && !open && member->outage_count < REPORT_OUTAGES_MAX)
		member->outages[member->outage_count++] = (struct report_outage){event->time_ms, REPORT_UNKNOWN_MS, false};
	else if (strcmp(event->name, "enabled") == 0 && open)
		open->to_ms = event->time_ms;
}

/* Where the events do not tell it: the bounce counts how long, and it ends behind the enable. */
static void estimate_outage(struct report_member *member)
{
	int64_t ms = member->state.steps[VIEW_BOUNCE].disabled_ms;

	if (member->outage_count > 0 || !member->seen || ms < 0)
		return;
	for (unsigned i = member->bar_count; i-- > 0;)
		if (member->bars[i].op == VIEW_BOUNCE && member->bars[i].to_ms != REPORT_UNKNOWN_MS) {
			member->outages[member->outage_count++] = (struct report_outage){member->bars[i].to_ms - ms, member->bars[i].to_ms, true};
			return;
		}
}

static void make_outages(struct report_member *member, const char *run)
{
	for (unsigned i = 0; i < member->event_count; i++)
		if (strcmp(member->events[i]->kind, "run") == 0 && strcmp(member->events[i]->run, run) == 0)
			take_outage_event(member, member->events[i]);
	if (strcmp(member->state.run, run) == 0)
		estimate_outage(member);
	for (unsigned i = 0; i < member->outage_count; i++)
		if (member->outages[i].to_ms != REPORT_UNKNOWN_MS)
			member->disabled_ms += member->outages[i].to_ms - member->outages[i].from_ms;
}

struct edge {
	int64_t ms;
	int step; /* 1: one more is disabled; -1: one less */
};

static int compare_edges(const void *a, const void *b)
{
	const struct edge *one = a, *other = b;

	if (one->ms != other->ms)
		return one->ms < other->ms ? -1 : 1;
	return one->step - other->step; /* one that ends when another begins was not down beside it */
}

static void sum_outages(struct report_model *model)
{
	static struct edge edges[2 * GROUP_MEMBERS_MAX * REPORT_OUTAGES_MAX];
	unsigned count = 0, down = 0;

	for (unsigned i = 0; i < model->count; i++)
		for (unsigned k = 0; k < model->members[i].outage_count; k++) {
			const struct report_outage *outage = &model->members[i].outages[k];

			model->outage_open |= outage->to_ms == REPORT_UNKNOWN_MS;
			edges[count++] = (struct edge){outage->from_ms, 1};
			edges[count++] = (struct edge){outage->to_ms == REPORT_UNKNOWN_MS ? INT64_MAX : outage->to_ms, -1};
		}
	qsort(edges, count, sizeof edges[0], compare_edges);
	for (unsigned i = 0; i < count && edges[i].ms != INT64_MAX; i++) {
		if (down > 0)
			model->outage_ms += edges[i].ms - edges[i - 1].ms;
		down = edges[i].step > 0 ? down + 1 : down - (down > 0);
		model->outage_members = down > model->outage_members ? down : model->outage_members;
		model->outage_to_ms = edges[i].ms;
	}
	if (count > 0)
		model->outage_from_ms = edges[0].ms;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static void note_times(struct report_model *model, const struct report_event *event)
{
	if (strcmp(event->run, model->run) != 0 || event->time_ms == REPORT_UNKNOWN_MS)
		return;
	if (model->from_ms == REPORT_UNKNOWN_MS || event->time_ms < model->from_ms)
		model->from_ms = event->time_ms;
	if (event->time_ms > model->to_ms)
		model->to_ms = event->time_ms;
}

static void note_bar_times(struct report_model *model, const struct report_bar *bar)
{
	if (bar->from_ms != REPORT_UNKNOWN_MS && (model->from_ms == REPORT_UNKNOWN_MS || bar->from_ms < model->from_ms))
		model->from_ms = bar->from_ms;
	if (bar->to_ms > model->to_ms)
		model->to_ms = bar->to_ms;
	if (bar->from_ms > model->to_ms)
		model->to_ms = bar->from_ms;
}

static void take_grant_event(struct report_model *model, struct report_member *member, const struct report_event *event)
{
	if (strcmp(event->kind, "grant") != 0)
		return;
	member->granted = strcmp(event->name, "granted") == 0;
	if (member->granted && model->plan.count == 0 && plan_parse(event->evidence, &model->plan) != 0)
		model->plan.count = 0;
}

static void take_state_grant(struct report_model *model, struct report_member *member)
{
	const struct view_plan *from = &member->state.grant.plan;

	if (!member->seen)
		return;
	member->granted = strcmp(member->state.grant.run, model->run) == 0;
	if (!member->granted)
		return;
	if (model->plan.count > 0)
		return;
	(void)snprintf(model->plan.primary, sizeof model->plan.primary, "%s", from->primary);
	for (unsigned i = 0; i < from->count && i < PLAN_MEMBERS_MAX; i++)
		(void)snprintf(model->plan.order[model->plan.count++], sizeof model->plan.order[0], "%s", from->order[i]);
	model->plan.max_unavailable = from->max_unavailable;
}

static void walk_member(struct report_model *model, struct report_member *member)
{
	for (unsigned i = 0; i < member->event_count; i++) {
		const struct report_event *event = member->events[i];

		note_times(model, event);
		if (strcmp(event->run, model->run) != 0)
			continue;
		take_grant_event(model, member, event);
		if (strcmp(event->name, "peering") != 0)
			continue;
		if (!member->peering_before)
			member->peering_before = event;
		else
			member->peering_after = event;
	}
	take_state_grant(model, member);
	make_bars(member, model->run);
	make_outages(member, model->run);
	for (unsigned i = 0; i < member->bar_count; i++)
		note_bar_times(model, &member->bars[i]);
}

static bool has_done(const struct report_member *member, enum view_op op)
{
	for (unsigned i = member->bar_count; i-- > 0;)
		if (member->bars[i].op == op)
			return member->bars[i].state == VIEW_STEP_DONE;
	return false;
}

static bool has_flushed(const struct report_model *model, const struct report_member *member)
{
	return has_done(member, VIEW_FLUSH) || (strcmp(member->state.run, model->run) == 0 && (member->state.flush_done || member->state.flush_unknown));
}

static enum report_outcome judge(const struct report_model *model)
{
	bool flushed = false, held = false, whole = true, heard = true;

	for (unsigned i = 0; i < model->count; i++) {
		const struct report_member *member = &model->members[i];

		flushed |= has_flushed(model, member);
		held |= member->granted;
		whole &= has_done(member, VIEW_BOUNCE) && has_done(member, VIEW_AWAIT);
		heard &= member->trouble[0] == '\0' && member->gone_before == 0 && member->dropped == 0;
	}
	if (!report_model_is_known(model))
		return REPORT_NOT_KNOWN;
	if (held)
		return REPORT_UNDER_WAY;
	if (flushed)
		return whole ? REPORT_DONE : heard ? REPORT_INCOMPLETE : REPORT_NOT_KNOWN;
	return heard ? REPORT_NOTHING_FLUSHED : REPORT_NOT_KNOWN;
}

void report_model_finish(struct report_model *model)
{
	for (unsigned i = 0; i < model->count; i++)
		walk_member(model, &model->members[i]);
	sum_outages(model);
	model->outcome = judge(model);
}

bool report_model_is_known(const struct report_model *model)
{
	for (unsigned i = 0; i < model->count; i++)
		if (model->members[i].own_count > 0 || model->members[i].bar_count > 0 || model->members[i].granted ||
		    strcmp(model->members[i].state.run, model->run) == 0)
			return true;
	return false;
}

/* ---- words ---------------------------------------------------------------------------------------------------- */

const char *report_outcome_name(enum report_outcome outcome)
{
	static const char *const names[] = {[REPORT_NOT_KNOWN] = "not-known", [REPORT_UNDER_WAY] = "under-way", [REPORT_NOTHING_FLUSHED] = "nothing-flushed",
					    [REPORT_INCOMPLETE] = "incomplete", [REPORT_DONE] = "done"};

	return names[outcome];
}

const char *report_outcome_sentence(enum report_outcome outcome)
{
	static const char *const sentences[] = {
		[REPORT_NOT_KNOWN] = "what can still be read does not say how it ended",
		[REPORT_UNDER_WAY] = "members hold its grant: it is under way, or was left",
		[REPORT_NOTHING_FLUSHED] = "it is over, and nothing was flushed",
		[REPORT_INCOMPLETE] = "it flushed the group and is over, but not every member was bounced and has its configuration back, as far as it was seen",
		[REPORT_DONE] = "flushed, every member bounced, and the configuration was seen to be back on each",
	};

	return sentences[outcome];
}

const char *report_state_name(enum view_step_state state)
{
	static const char *const names[] = {[VIEW_STEP_NONE] = "not known", [VIEW_STEP_RUNNING] = "running", [VIEW_STEP_DONE] = "done", [VIEW_STEP_REFUSED] = "refused",
					    [VIEW_STEP_FAILED] = "failed"};

	return names[state];
}

bool report_event_is_ask(const struct report_event *event)
{
	size_t length = strlen(event->name);

	return strcmp(event->kind, "grant") == 0 || strcmp(event->kind, "hold") == 0 || (strcmp(event->kind, "run") == 0 && text_ends(event->name, length, "-asked"));
}

/* ---- the peering table of an event ---------------------------------------------------------------------------- */

/* "primary=yes link=ok offset=1 ... address=THE REST" */
static void read_row(const char *line, size_t length, struct report_row *row)
{
	const struct { const char *key; char *out; size_t size; } cells[] = {
		{"primary=", row->primary, sizeof row->primary}, {"link=", row->link, sizeof row->link}, {"offset=", row->offset, sizeof row->offset},
		{"pending=", row->pending, sizeof row->pending}, {"priority=", row->priority, sizeof row->priority}, {"address=", row->address, sizeof row->address},
	};

	memset(row, 0, sizeof *row);
	while (length > 0) {
		const char *blank = memchr(line, ' ', length);
		size_t word = blank && !text_starts(line, length, "address=") ? (size_t)(blank - line) : length;

		for (unsigned i = 0; i < sizeof cells / sizeof cells[0]; i++)
			if (text_starts(line, word, cells[i].key))
				(void)text_copy(cells[i].out, cells[i].size, line + strlen(cells[i].key), word - strlen(cells[i].key));
		word += word < length;
		line += word;
		length -= word;
	}
}

unsigned report_read_rows(const struct report_event *event, struct report_row rows[REPORT_ROWS_MAX])
{
	size_t offset = 0, length;
	unsigned count = 0;
	const char *line;

	while (event && count < REPORT_ROWS_MAX && text_next_line(event->evidence, strlen(event->evidence), &offset, &line, &length))
		if (text_starts(line, length, "primary="))
			read_row(line, length, &rows[count++]);
	return count;
}
