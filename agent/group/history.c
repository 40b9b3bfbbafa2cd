#include "group/history.h"

#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"

/* ---- gathering ------------------------------------------------------------------------------------------------ */

/* The members' own run is another one by now: its steps are gone, its events perhaps not. */
static struct json *copy_steps(const struct team_member *member, const char *run)
{
	const struct json *last = json_get(member->client.answer, "run"), *steps = json_get(last, "steps");

	return member->seen && strcmp(member->state.run, run) == 0 && steps ? json_copy(steps) : json_object();
}

static int64_t newest_of(const struct team_member *member)
{
	int64_t newest = 0;

	return json_int(json_get(json_get(member->client.answer, "agent"), "events_newest"), &newest) ? newest : 0;
}

static void add_events(struct json *list, const struct json *events, const char *run)
{
	for (size_t i = 0; json_at(events, i); i++) {
		const char *of = json_string(json_get(json_at(events, i), "run"));

		if (of && strcmp(of, run) == 0)
			json_add(list, json_copy(json_at(events, i)));
	}
}

/* Takes a page; where the next one begins. -1: this was the last. */
static int64_t take_page(const struct team_member *member, struct json *list, const char *run)
{
	const struct json *answer = member->client.answer, *events = json_get(answer, "events");
	int64_t next = -1, count = 0;

	if (member->client.status != CLIENT_DONE)
		return -1;
	if (member->client.http_status == 410) /* the first ones are gone */
		return json_int(json_get(answer, "oldest"), &next) && next > 0 ? next - 1 : -1;
	add_events(list, events, run);
	for (; json_at(events, (size_t)count); count++)
		if (!json_int(json_get(json_at(events, (size_t)count), "n"), &next))
			return -1;
	return count == HISTORY_PAGE_EVENTS ? next : -1;
}

/* All pages of all members, one page of each at a time. */
static int gather_events(struct team *team, struct json *lists[GROUP_MEMBERS_MAX], int64_t after[GROUP_MEMBERS_MAX], const char *run, struct error *error)
{
	unsigned count = team->config->member_count;

	for (unsigned page = 0; page < HISTORY_PAGES_MAX; page++) {
		bool more = false;

		for (unsigned i = 0; i < count; i++) {
			team->members[i].wanted = after[i] >= 0;
			more |= after[i] >= 0;
			(void)snprintf(team->members[i].target, sizeof team->members[i].target, "/v1/events?after=%lld&limit=%d", (long long)after[i], HISTORY_PAGE_EVENTS);
		}
		if (!more)
			return 0;
		if (team_ask(team, true, "GET", NULL, NULL, error) != 0)
			return -1;
		for (unsigned i = 0; i < count; i++)
			after[i] = team->members[i].wanted ? take_page(&team->members[i], lists[i], run) : -1;
	}
	return 0;
}

static struct json *member_object(const struct team *team, unsigned i, struct json *steps, struct json *events)
{
	struct json *object = json_object();

	json_set_string(object, "name", team->config->members[i].name);
	json_set_string(object, "error", team->members[i].seen ? NULL : team->members[i].trouble);
	json_set(object, "steps", steps);
	json_set(object, "events", events);
	return object;
}

struct json *history_gather(struct team *team, const char *run, struct error *error)
{
	struct json *top = json_object(), *members = json_array(), *steps[GROUP_MEMBERS_MAX], *events[GROUP_MEMBERS_MAX];
	int64_t after[GROUP_MEMBERS_MAX];
	unsigned count = team->config->member_count;
	char when[CLOCK_TEXT_BYTES];
	bool known = false;
	int result;

	for (unsigned i = 0; i < count; i++) {
		int64_t newest = newest_of(&team->members[i]);
		int64_t reach = (int64_t)HISTORY_PAGE_EVENTS * (HISTORY_PAGES_MAX - 1);

		steps[i] = copy_steps(&team->members[i], run);
		events[i] = json_array();
		after[i] = !team->members[i].seen ? -1 : newest > reach ? newest - reach : 0;
	}
	result = gather_events(team, events, after, run, error);
	for (unsigned i = 0; i < count; i++) {
		known |= json_at(steps[i], 0) || json_at(events[i], 0);
		json_add(members, member_object(team, i, steps[i], events[i]));
	}
	json_set_string(top, "run", run);
	json_set_string(top, "group", team->config->group.name);
	json_set_string(top, "made", clock_text(when, clock_wall_ms()));
	json_set(top, "members", members);
	if (result == 0 && !known)
		result = error_set(error, ERROR_REFUSED, "drrctl status --json shows the last run of each member", "no member that answers knows of a run %s", run);
	if (result == 0)
		return top;
	json_free(top);
	return NULL;
}

/* ---- the page ------------------------------------------------------------------------------------------------- */

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
	"<meta name=\"viewport\" content=\"width=device-width\">\n<style>\n"
	"body{font:15px/1.4 system-ui,sans-serif;margin:2em;max-width:75em;color:#222;background:#fff}\nh1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}\n"
	"table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2em .6em;border-bottom:1px solid #ddd;vertical-align:top}\n"
	".lane{position:relative;height:1.6em;background:#f4f4f4;margin:.2em 0 .2em 9em}.lane b{position:absolute;left:-9em;width:8.5em;overflow:hidden;text-overflow:ellipsis}\n"
	".lane i{position:absolute;top:.2em;bottom:.2em;min-width:3px;background:#7aa6d8;border-radius:2px;overflow:hidden;font:11px/1.2em system-ui,sans-serif;color:#fff;padding-left:2px;"
	"box-sizing:border-box}\n.lane i.flush{background:#8a5bb5}.lane i.bounce{background:#c0392b}.lane i.await{background:#4d9e6a}.lane i.precheck{background:#999}\n"
	".failed,.refused{color:#b00020;font-weight:600}.done{color:#1b7a3d}code{font-size:13px;white-space:pre-wrap;word-break:break-word}\n</style>\n";

static void put(FILE *out, const char *text)
{
	for (const char *p = text ? text : ""; *p; p++) {
		switch (*p) {
		case '<': (void)fputs("&lt;", out); break;
		case '>': (void)fputs("&gt;", out); break;
		case '&': (void)fputs("&amp;", out); break;
		case '"': (void)fputs("&quot;", out); break;
		case '\'': (void)fputs("&#39;", out); break;
		default: (void)fputc(*p, out);
		}
	}
}

static const char *text_of(const struct json *object, const char *key)
{
	const char *text = json_string(json_get(object, key));

	return text ? text : "";
}

static int64_t time_of(const struct json *step, const char *key)
{
	return view_time_ms(text_of(step, key));
}

struct span {
	int64_t from, to; /* -1: nothing is known */
};

static struct span span_of(const struct json *members)
{
	struct span span = {-1, -1};

	for (size_t i = 0; json_at(members, i); i++)
		for (size_t k = 0; json_at(json_get(json_at(members, i), "steps"), k); k++) {
			const struct json *step = json_at(json_get(json_at(members, i), "steps"), k);
			int64_t from = time_of(step, "started"), to = time_of(step, "ended");

			span.from = from >= 0 && (span.from < 0 || from < span.from) ? from : span.from;
			span.to = from > span.to ? from : span.to;
			span.to = to > span.to ? to : span.to;
		}
	return span;
}

/* Only names that the style sheet has: what stands in a class attribute is not the member's to choose. */
static const char *class_of(const char *word)
{
	static const char *const words[] = {"precheck", "primary", "flush", "bounce", "confirm", "await", "done", "failed", "refused", "running"};

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(word, words[i]) == 0)
			return words[i];
	return "other";
}

static void put_lane(FILE *out, const struct json *member, struct span span)
{
	const struct json *steps = json_get(member, "steps");
	double length = (double)(span.to - span.from > 0 ? span.to - span.from : 1);

	(void)fputs("<div class=\"lane\"><b>", out);
	put(out, text_of(member, "name"));
	(void)fputs("</b>", out);
	for (size_t i = 0; json_at(steps, i); i++) {
		const struct json *step = json_at(steps, i);
		int64_t from = time_of(step, "started"), to = time_of(step, "ended");

		if (from < 0)
			continue;
		to = to < from ? span.to : to;
		(void)fprintf(out, "<i class=\"%s\" style=\"left:%.2f%%;width:%.2f%%\" title=\"", class_of(json_key(step)), (double)(from - span.from) * 100 / length,
			      (double)(to - from) * 100 / length);
		put(out, json_key(step));
		(void)fputs(" ", out);
		put(out, text_of(step, "state"));
		(void)fputs("\">", out);
		put(out, json_key(step));
		(void)fputs("</i>", out);
	}
	(void)fputs("</div>\n", out);
}

static void put_cell(FILE *out, const char *text)
{
	(void)fputs("<td>", out);
	put(out, text);
	(void)fputs("</td>", out);
}

static void put_step(FILE *out, const struct json *member, const struct json *step)
{
	int64_t from = time_of(step, "started"), to = time_of(step, "ended"), number;

	(void)fputs("<tr>", out);
	put_cell(out, text_of(member, "name"));
	put_cell(out, json_key(step));
	(void)fprintf(out, "<td class=\"%s\">", class_of(text_of(step, "state")));
	put(out, text_of(step, "state"));
	(void)fputs("</td>", out);
	put_cell(out, text_of(step, "started"));
	if (from >= 0 && to >= from)
		(void)fprintf(out, "<td>%lld.%03lld s</td>", (long long)((to - from) / 1000), (long long)((to - from) % 1000));
	else
		(void)fputs("<td></td>", out);
	if (json_int(json_get(step, "disabled_ms"), &number))
		(void)fprintf(out, "<td>%lld ms</td>", (long long)number);
	else
		(void)fputs("<td></td>", out);
	if (json_int(json_get(step, "attempt"), &number))
		(void)fprintf(out, "<td>%lld</td>", (long long)number);
	else
		(void)fputs("<td></td>", out);
	put_cell(out, text_of(step, "sentence"));
	(void)fputs("</tr>\n", out);
}

struct line {
	const char *time, *member;
	const struct json *event;
};

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = strcmp(x->time, y->time); /* RFC 3339 in UTC sorts as text */

	return order ? order : strcmp(x->member, y->member);
}

/* All members' events in one order of time. */
static void put_events(FILE *out, const struct json *members)
{
	size_t count = 0, at = 0;
	struct line *lines;

	for (size_t i = 0; json_at(members, i); i++)
		for (size_t k = 0; json_at(json_get(json_at(members, i), "events"), k); k++)
			count++;
	lines = calloc(count + 1, sizeof *lines);
	for (size_t i = 0; lines && json_at(members, i); i++)
		for (size_t k = 0; json_at(json_get(json_at(members, i), "events"), k); k++) {
			const struct json *event = json_at(json_get(json_at(members, i), "events"), k);

			lines[at++] = (struct line){text_of(event, "time"), text_of(json_at(members, i), "name"), event};
		}
	if (lines)
		qsort(lines, at, sizeof *lines, compare_lines);
	for (size_t i = 0; i < at; i++) {
		(void)fputs("<tr>", out);
		put_cell(out, lines[i].time);
		put_cell(out, lines[i].member);
		put_cell(out, text_of(lines[i].event, "event"));
		put_cell(out, text_of(lines[i].event, "sentence"));
		(void)fputs("<td><code>", out);
		put(out, text_of(lines[i].event, "evidence"));
		(void)fputs("</code></td></tr>\n", out);
	}
	free(lines);
}

void history_write_html(const struct json *history, FILE *out)
{
	const struct json *members = json_get(history, "members");
	struct span span = span_of(members);

	(void)fprintf(out, "%s<title>DRR ", head);
	put(out, text_of(history, "run"));
	(void)fputs("</title></head><body>\n<h1>DRR ", out);
	put(out, text_of(history, "run"));
	(void)fputs(" of ", out);
	put(out, text_of(history, "group"));
	(void)fputs("</h1>\n<p>Made ", out);
	put(out, text_of(history, "made"));
	(void)fputs(" by drrctl " DRR_VERSION " from what the members' agents say. Times are the members' own clocks, UTC.</p>\n<h2>Time line</h2>\n", out);
	for (size_t i = 0; json_at(members, i); i++) {
		put_lane(out, json_at(members, i), span);
		if (!json_get(json_at(members, i), "error"))
			continue;
		(void)fputs("<p class=\"failed\">", out);
		put(out, text_of(json_at(members, i), "error"));
		(void)fputs("</p>\n", out);
	}
	(void)fputs("<h2>Steps</h2>\n<table><tr><th>member<th>step<th>state<th>started<th>took<th>disabled<th>attempt<th>what came of it</tr>\n", out);
	for (size_t i = 0; json_at(members, i); i++)
		for (size_t k = 0; json_at(json_get(json_at(members, i), "steps"), k); k++)
			put_step(out, json_at(members, i), json_at(json_get(json_at(members, i), "steps"), k));
	(void)fputs("</table>\n<h2>Events</h2>\n<table><tr><th>time<th>member<th>event<th>sentence<th>evidence</tr>\n", out);
	put_events(out, members);
	(void)fputs("</table>\n</body></html>\n", out);
}
