#include "engine/explain.h"

#include <stdlib.h>

#include "base/error.h"
#include "platform/json.h"
#include "run/precheck.h"
#include "run/table.h"

static const struct {
	const char *name, *unit;
	int64_t value;
	const char *meaning;
} limits[] = {
	{"RUN_PRIMARY_LIMIT_MS", "ms", RUN_PRIMARY_LIMIT_MS, "from the first switch to \"our row says primary\""},
	{"RUN_LOOK_LIMIT_MS", "ms", RUN_LOOK_LIMIT_MS, "to get an answer to a question in the middle of a run"},
	{"RUN_UP_LIMIT_MS", "ms", RUN_UP_LIMIT_MS, "from \"enabled\" to \"up\""},
	{"RUN_RESCUE_LIMIT_MS", "ms", RUN_RESCUE_LIMIT_MS, "how long a service that may be disabled is tried to be enabled"},
	{"RUN_POLL_MS", "ms", RUN_POLL_MS, "between two looks"},
	{"RUN_RECONNECT_MIN_MS", "ms", RUN_RECONNECT_MIN_MS, "first pause before a new connection; doubles"},
	{"RUN_RECONNECT_MAX_MS", "ms", RUN_RECONNECT_MAX_MS, "longest pause before a new connection"},
};

static enum run_state target(const struct run_row *row)
{
	return row->next == RUN_STATE_COUNT ? row->state : row->next;
}

static void text_rows(FILE *out, enum run_state state)
{
	unsigned count;
	const struct run_row *rows = run_rows(&count);

	for (unsigned i = 0; i < count; i++) {
		if (rows[i].state != state)
			continue;
		(void)fprintf(out, "    %-14s -> %-15s %s", run_event_name(rows[i].event),
			      target(&rows[i]) == state ? "(stays)" : run_state_name(target(&rows[i])), rows[i].sentence);
		if (rows[i].verdict != RUN_GOES_ON)
			(void)fprintf(out, " [%s, exit %d; %d after a flush]", run_verdict_name(rows[i].verdict),
				      run_exit_code(rows[i].verdict, false), run_exit_code(rows[i].verdict, true));
		(void)fputc('\n', out);
	}
}

void explain_text(FILE *out)
{
	(void)fputs("One run, state by state: what is done, and what each event leads to.\n", out);
	for (int state = 0; state < RUN_OVER; state++) {
		(void)fprintf(out, "\n%s (step %s): %s\n", run_state_name((enum run_state)state), run_state_step((enum run_state)state),
			      run_state_action((enum run_state)state));
		text_rows(out, (enum run_state)state);
	}
	(void)fputs("\nin any state, where the state has no row of its own:\n", out);
	text_rows(out, RUN_STATE_COUNT);
	(void)fputs("\nWhat is refused before anything is changed, and the flag that overrides it:\n", out);
	for (int i = 0; i < PRECHECK_REFUSAL_COUNT; i++)
		(void)fprintf(out, "    --override-%-18s %s\n", precheck_name((enum precheck_refusal)i), precheck_why((enum precheck_refusal)i));
	(void)fputs("\nLimits that are not configured:\n", out);
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		(void)fprintf(out, "    %-22s %7lld %s  %s\n", limits[i].name, (long long)limits[i].value, limits[i].unit, limits[i].meaning);
}

void explain_mermaid(FILE *out)
{
	unsigned count;
	const struct run_row *rows = run_rows(&count);

	(void)fputs("stateDiagram-v2\n    [*] --> precheck\n", out);
	for (unsigned i = 0; i < count; i++) {
		if (rows[i].state == RUN_STATE_COUNT || rows[i].next == rows[i].state)
			continue;
		/* Mermaid wants identifiers without dashes; the label keeps the event's own name. */
		(void)fprintf(out, "    %s --> %s: %s\n", run_state_name(rows[i].state),
			      rows[i].next == RUN_OVER ? "[*]" : run_state_name(rows[i].next), run_event_name(rows[i].event));
	}
}

static struct json *json_row(const struct run_row *row)
{
	struct json *object = json_object();

	json_set_string(object, "state", run_state_name(row->state));
	json_set_string(object, "event", run_event_name(row->event));
	json_set_string(object, "next", run_state_name(target(row)));
	json_set_string(object, "sentence", row->sentence);
	if (row->verdict == RUN_GOES_ON) {
		json_set_null(object, "verdict");
		return object;
	}
	json_set_string(object, "verdict", run_verdict_name(row->verdict));
	json_set_int(object, "exit", run_exit_code(row->verdict, false));
	json_set_int(object, "exit_after_flush", run_exit_code(row->verdict, true));
	return object;
}

static struct json *json_states(void)
{
	struct json *array = json_array();

	for (int state = 0; state < RUN_OVER; state++) {
		struct json *object = json_object();

		json_set_string(object, "name", run_state_name((enum run_state)state));
		json_set_string(object, "step", run_state_step((enum run_state)state));
		json_set_string(object, "action", run_state_action((enum run_state)state));
		json_add(array, object);
	}
	return array;
}

static struct json *json_refusals(void)
{
	struct json *array = json_array();

	for (int i = 0; i < PRECHECK_REFUSAL_COUNT; i++) {
		struct json *object = json_object();

		json_set_string(object, "name", precheck_name((enum precheck_refusal)i));
		json_set_string(object, "why", precheck_why((enum precheck_refusal)i));
		json_set_string(object, "next", precheck_next((enum precheck_refusal)i));
		json_add(array, object);
	}
	return array;
}

void explain_json(FILE *out)
{
	struct json *object = json_object(), *array = json_array(), *numbers = json_object();
	unsigned count;
	const struct run_row *rows = run_rows(&count);
	char *text;

	for (unsigned i = 0; i < count; i++)
		json_add(array, json_row(&rows[i]));
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		json_set_int(numbers, limits[i].name, limits[i].value);
	json_set(object, "states", json_states());
	json_set(object, "rows", array);
	json_set(object, "refusals", json_refusals());
	json_set(object, "limits", numbers);
	text = json_text(object, true);
	(void)fprintf(out, "%s\n", text);
	free(text);
	json_free(object);
}
