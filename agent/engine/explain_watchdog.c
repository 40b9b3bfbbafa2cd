#include <stdlib.h>

#include "engine/explain.h"
#include "platform/json.h"
#include "watch/watchdog_table.h"

static const struct {
	const char *name;
	int value;
	const char *meaning;
} limits[] = {
	{"WATCHDOG_ANSWER_LIMIT_S", WATCHDOG_ANSWER_LIMIT_S, "an appliance that restarts answers again within this"},
	{"WATCHDOG_AWAY_S", WATCHDOG_AWAY_S, "out of reach for longer than this is told"},
	{"WATCHDOG_LOST_S", WATCHDOG_LOST_S, "collections that are fewer for so long, without a line that explains it, are lost"},
	{"WATCHDOG_ACT_LIMIT_S", WATCHDOG_ACT_LIMIT_S, "an action, or others at work: then it is told that they do not end"},
	{"WATCHDOG_TRIES_MAX", WATCHDOG_TRIES_MAX, "actions of one episode that met another run or a hold"},
	{"WATCHDOG_RETRY_S", WATCHDOG_RETRY_S, "between two of these, and up to as much again"},
	{"WATCHDOG_GROUP_LIMIT_S", WATCHDOG_GROUP_LIMIT_S, "for the answer of the others of the group"},
	{"WATCHDOG_GROUP_EVERY_S", WATCHDOG_GROUP_EVERY_S, "between two questions to them while a verdict rests on the answer"},
	{"WATCHDOG_STUN_S", WATCHDOG_STUN_S, "an appliance's uptime may stand still for so long without being taken for a restart"},
	{"WATCHDOG_CLOCK_STEP_S", WATCHDOG_CLOCK_STEP_S, "a step of the wall clock across a boot of this host that is not taken for a restart"},
	{"WATCHDOG_LOOK_RECOVER_MS", WATCHDOG_LOOK_RECOVER_MS, "between two looks while something is awaited"},
	{"WATCHDOG_LOOK_VERDICT_MS", WATCHDOG_LOOK_VERDICT_MS, "between two looks while a verdict stands"},
	{"WATCHDOG_LOOK_STEADY_MS", WATCHDOG_LOOK_STEADY_MS, "between two looks when all is well and the log does not come by itself"},
};

static enum watchdog_state target(const struct watchdog_row *row)
{
	return row->next == WATCHDOG_STATE_COUNT ? row->state : row->next;
}

/* "nudge, run"; "none". */
static const char *actions(enum watchdog_verdict verdict, char out[40])
{
	struct buf buf;

	buf_init(&buf, out, 40);
	for (int policy = 0; policy <= WATCHDOG_RUN; policy++)
		if (watchdog_acts((enum watchdog_policy)policy, verdict))
			(void)buf_printf(&buf, "%s%s", buf.len > 0 ? ", " : "", watchdog_policy_name((enum watchdog_policy)policy));
	return buf.len > 0 ? out : "none";
}

static void text_rows(FILE *out, enum watchdog_state state)
{
	unsigned count;
	const struct watchdog_row *rows = watchdog_rows(&count);

	for (unsigned i = 0; i < count; i++)
		if (rows[i].state == state)
			(void)fprintf(out, "    %-13s -> %-9s %s%s%s%s%s\n", watchdog_event_name(rows[i].event), target(&rows[i]) == state ? "(stays)" : watchdog_state_name(target(&rows[i])),
				      rows[i].sentence, rows[i].name ? " [" : "", rows[i].name ? rows[i].name : "", rows[i].notify ? ", notified" : "", rows[i].name ? "]" : "");
}

void explain_watchdog_text(FILE *out)
{
	char buf[40];

	(void)fputs("The watchdog, state by state: what is awaited, what each event leads to, and [the name of what is told].\n", out);
	for (int state = 0; state < WATCHDOG_STATE_COUNT; state++) {
		(void)fprintf(out, "\n%s: %s\n", watchdog_state_name((enum watchdog_state)state), watchdog_state_action((enum watchdog_state)state));
		text_rows(out, (enum watchdog_state)state);
	}
	(void)fputs("\nin any state, where the state has no row of its own:\n", out);
	text_rows(out, WATCHDOG_STATE_COUNT);
	(void)fputs("\nWhat an episode begins with:\n", out);
	for (int i = 1; i < WATCHDOG_CAUSE_COUNT; i++)
		(void)fprintf(out, "    %-8s %s\n", watchdog_cause_name((enum watchdog_cause)i), watchdog_cause_sentence((enum watchdog_cause)i));
	(void)fputs("\nVerdicts, the settings of on_reboot that act on them, and the command that helps:\n", out);
	for (int i = 1; i < WATCHDOG_VERDICT_COUNT; i++)
		(void)fprintf(out, "    %-16s %s\n%21sacted on by: %s\n%21snext: %s\n", watchdog_verdict_name((enum watchdog_verdict)i), watchdog_verdict_sentence((enum watchdog_verdict)i), "",
			      actions((enum watchdog_verdict)i, buf), "", watchdog_verdict_next((enum watchdog_verdict)i));
	(void)fputs("\nLimits that are not configured:\n", out);
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		(void)fprintf(out, "    %-24s %6d  %s\n", limits[i].name, limits[i].value, limits[i].meaning);
}

void explain_watchdog_mermaid(FILE *out)
{
	unsigned count;
	const struct watchdog_row *rows = watchdog_rows(&count);

	(void)fputs("stateDiagram-v2\n    [*] --> steady\n", out);
	for (unsigned i = 0; i < count; i++)
		if (rows[i].state != WATCHDOG_STATE_COUNT && target(&rows[i]) != rows[i].state)
			(void)fprintf(out, "    %s --> %s: %s\n", watchdog_state_name(rows[i].state), watchdog_state_name(rows[i].next), watchdog_event_name(rows[i].event));
	/* Mermaid has no "any": what holds wherever no row says otherwise. */
	for (unsigned i = 0; i < count; i++)
		for (int state = 0; rows[i].state == WATCHDOG_STATE_COUNT && rows[i].next != WATCHDOG_STATE_COUNT && state < WATCHDOG_STATE_COUNT; state++)
			if (watchdog_row((enum watchdog_state)state, rows[i].event) == &rows[i] && rows[i].next != (enum watchdog_state)state)
				(void)fprintf(out, "    %s --> %s: %s\n", watchdog_state_name((enum watchdog_state)state), watchdog_state_name(rows[i].next),
					      watchdog_event_name(rows[i].event));
}

static struct json *json_rows(void)
{
	struct json *array = json_array();
	unsigned count;
	const struct watchdog_row *rows = watchdog_rows(&count);

	for (unsigned i = 0; i < count; i++) {
		struct json *object = json_object();

		json_set_string(object, "state", watchdog_state_name(rows[i].state));
		json_set_string(object, "event", watchdog_event_name(rows[i].event));
		json_set_string(object, "next", watchdog_state_name(target(&rows[i])));
		json_set_string(object, "sentence", rows[i].sentence);
		if (rows[i].name)
			json_set_string(object, "name", rows[i].name);
		else
			json_set_null(object, "name");
		json_set_bool(object, "notify", rows[i].notify);
		json_add(array, object);
	}
	return array;
}

static struct json *json_named(const char *name, const char *key, const char *value)
{
	struct json *object = json_object();

	json_set_string(object, "name", name);
	json_set_string(object, key, value);
	return object;
}

static struct json *json_verdicts(void)
{
	struct json *array = json_array();

	for (int i = 1; i < WATCHDOG_VERDICT_COUNT; i++) {
		enum watchdog_verdict verdict = (enum watchdog_verdict)i;
		struct json *object = json_named(watchdog_verdict_name(verdict), "sentence", watchdog_verdict_sentence(verdict)), *acts = json_array();

		for (int policy = 0; policy <= WATCHDOG_RUN; policy++)
			if (watchdog_acts((enum watchdog_policy)policy, verdict))
				json_add_string(acts, watchdog_policy_name((enum watchdog_policy)policy));
		json_set(object, "acts", acts);
		json_set_string(object, "next", watchdog_verdict_next(verdict));
		json_add(array, object);
	}
	return array;
}

void explain_watchdog_json(FILE *out)
{
	struct json *object = json_object(), *states = json_array(), *causes = json_array(), *numbers = json_object();
	char *text;

	for (int i = 0; i < WATCHDOG_STATE_COUNT; i++)
		json_add(states, json_named(watchdog_state_name((enum watchdog_state)i), "action", watchdog_state_action((enum watchdog_state)i)));
	for (int i = 1; i < WATCHDOG_CAUSE_COUNT; i++)
		json_add(causes, json_named(watchdog_cause_name((enum watchdog_cause)i), "sentence", watchdog_cause_sentence((enum watchdog_cause)i)));
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		json_set_int(numbers, limits[i].name, limits[i].value);
	json_set(object, "states", states);
	json_set(object, "rows", json_rows());
	json_set(object, "causes", causes);
	json_set(object, "verdicts", json_verdicts());
	json_set(object, "limits", numbers);
	text = json_text(object, true);
	(void)fprintf(out, "%s\n", text);
	free(text);
	json_free(object);
}
