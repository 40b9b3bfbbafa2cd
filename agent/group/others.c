#include "group/others.h"

#include <string.h>

#include "group/view.h"
#include "watch/line.h"

static bool is(const struct json *object, const char *key, const char *wanted)
{
	const char *text = json_string(json_get(object, key));

	return text && strcmp(text, wanted) == 0;
}

/* Milliseconds; -1: there is no such time. */
static int64_t time_of(const struct json *object, const char *key)
{
	const char *text = json_string(json_get(object, key));

	return text ? view_time_ms(text) : -1;
}

/* By the member's own clock, so that the clocks of two hosts need not agree. */
static bool waits_too_long(const struct json *state, int64_t patience_ms)
{
	int64_t now = time_of(json_get(state, "agent"), "now"), since = time_of(json_get(state, "log"), "last_event_time");

	if (since < 0)
		since = time_of(json_get(state, "watchdog"), "episode_since");
	return now >= 0 && since >= 0 && now - since > patience_ms;
}

static bool is_up(const struct json *state)
{
	const struct json *service = json_get(state, "service");

	return is(service, "admin_state", "enabled") && is(service, "op_state", "up");
}

static void count_member(const struct json *state, int64_t patience_ms, struct watchdog_group *group)
{
	const char *code = json_string(json_get(json_get(state, "log"), "last_event"));
	enum line_event last = code ? line_event_of_code(code) : LINE_OTHER;
	int64_t collections = -1;
	bool counted = json_int(json_get(state, "collections"), &collections), accepted = last == LINE_ACCEPTED || last == LINE_QUEUED || last == LINE_WORKING || last == LINE_COMPLETED || last == LINE_SETBACK;

	group->known = group->known || json_is_object(state);
	group->accepted += accepted;
	if (last == LINE_WAITING)
		group->overdue = group->overdue && waits_too_long(state, patience_ms);
	if (last == LINE_WAITING || (accepted && counted && collections == 0)) /* an event that brought nothing */
		group->waiting++;
	else if (is_up(state) && (counted ? collections > 0 : accepted))
		group->registered++;
}

bool others_read(const char *text, size_t text_bytes, unsigned patience_s, struct watchdog_group *group)
{
	struct error error = {0};
	struct json *top = text_bytes <= OTHERS_MAX_BYTES ? json_parse(text, text_bytes, &error) : NULL;
	const struct json *members = json_get(top, "members");

	*group = (struct watchdog_group){.overdue = true};
	for (size_t i = 0; json_is_array(members) && json_at(members, i); i++) {
		group->members++;
		count_member(json_get(json_at(members, i), "state"), (int64_t)patience_s * 1000, group);
	}
	group->overdue = group->overdue && group->waiting > 0;
	json_free(top);
	if (!group->known)
		*group = (struct watchdog_group){0};
	return group->known;
}
