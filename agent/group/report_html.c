/* report_html.c - the account as one page: no script, no link, nothing that a browser would have to fetch (a Content-Security-Policy says so, too).
 *
 * What stands in it was said by appliances, management servers and operators. All of it goes through put(), which leaves nothing that HTML, CSS or SVG could take for its
 * own, in text and in quoted attributes alike, and makes visible what would change the order of the text around it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "group/report_write.h"
#include "platform/clock.h"

enum { SHOWN_BYTES = 8192, LEFT = 130, WIDTH = 860, RIGHT_MARGIN = 48, LANE = 62, TOP = 34, BAR = 18, TICKS = 6, LABEL_MIN = 46 };

static const char style[] =
	"body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1080px;padding:0 1em;color:#1b1f24;background:#fff}"
	"h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.15em;margin:1.8em 0 .4em;border-bottom:1px solid #bbb}h3{font-size:1em;margin:1.2em 0 .3em}"
	"table{border-collapse:collapse;width:100%;font-size:13px}th,td{text-align:left;vertical-align:top;padding:2px 8px 2px 0;border-bottom:1px solid #e3e3e3}"
	"td,h1,p,li{unicode-bidi:isolate;overflow-wrap:anywhere}td.t,td.n{white-space:nowrap;font-variant-numeric:tabular-nums}"
	"code,pre{font:12px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:0}"
	".done{color:#1a6e2e}.failed,.refused,.bad{color:#a3111b;font-weight:600}.command{background:#f5f7fa}.log{background:#fdf8ec}"
	"svg{width:100%;height:auto;font:11px system-ui,sans-serif}.note{border-left:4px solid #c77700;padding:.2em .8em;background:#fff7e8}"
	".precheck{fill:#9aa5b1}.primary{fill:#7a5fb5}.flush{fill:#c77700}.bounce{fill:#2f6fb0}.confirm{fill:#3a9a8c}.await{fill:#4f9a4f}"
	".off{fill:#a3111b}.grid{stroke:#ddd}.mark{fill:#1b1f24}"
	"@media print{body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}tr,svg{break-inside:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";

/* ---- foreign text --------------------------------------------------------------------------------------------- */

/* U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069 (directions), U+2028, U+2029 (line ends): three bytes of UTF-8. Their last byte's number, or 0. */
static unsigned hidden(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (bytes[0] != 0xe2 || !((bytes[1] == 0x80 && (bytes[2] == 0x8e || bytes[2] == 0x8f || (bytes[2] >= 0xa8 && bytes[2] <= 0xae))) ||
				  (bytes[1] == 0x81 && bytes[2] >= 0xa6 && bytes[2] <= 0xa9)))
		return 0;
	return 0x2000u + ((bytes[1] & 0x3fu) << 6) + (bytes[2] & 0x3fu);
}

static void put(FILE *out, const char *text)
{
	static const char *const names[] = {['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;", ['`'] = "&#96;", ['='] = "&#61;"};
	char shown[SHOWN_BYTES];

	(void)text_escape(shown, sizeof shown, text, strlen(text));
	for (const char *at = shown; *at; at++) {
		unsigned code = hidden(at);

		if (code) {
			(void)fprintf(out, "\\u%04x", code);
			at += 2;
		} else if ((unsigned char)*at < sizeof names / sizeof names[0] && names[(unsigned char)*at]) {
			(void)fputs(names[(unsigned char)*at], out);
		} else {
			(void)fputc(*at, out);
		}
	}
}

/* Lines stay lines (in <code> they are shown as such). */
static void put_lines(FILE *out, const char *text)
{
	size_t offset = 0, length;
	char memory[SHOWN_BYTES];
	const char *line;

	while (text_next_line(text, strlen(text), &offset, &line, &length)) {
		(void)snprintf(memory, sizeof memory, "%.*s", (int)length, line);
		put(out, memory);
		(void)fputc('\n', out);
	}
}

/* Like printf, with %s for foreign text only, and %d for an int64_t; everything else in FORMAT is ours. */
static void say(FILE *out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	for (const char *at = format; *at; at++) {
		if (at[0] != '%') {
			(void)fputc(*at, out);
			continue;
		}
		at++;
		if (*at == 's')
			put(out, va_arg(arguments, const char *));
		else if (*at == 'd')
			(void)fprintf(out, "%" PRId64, va_arg(arguments, int64_t));
		else
			(void)fputc(*at, out);
	}
	va_end(arguments);
}

static const char *known(const char *text)
{
	return text[0] ? text : "-";
}

static const char *day_time(char out[CLOCK_TEXT_BYTES], int64_t ms)
{
	return ms == REPORT_UNKNOWN_MS ? "-" : clock_text(out, ms);
}

/* 13:04:05.678 */
static const char *hour(char out[CLOCK_TEXT_BYTES], int64_t ms)
{
	if (ms == REPORT_UNKNOWN_MS)
		return "-";
	(void)clock_text(out, ms);
	out[23] = '\0';
	return out + 11;
}

/* ---- the time line -------------------------------------------------------------------------------------------- */

static int64_t end_of(const struct report_model *model)
{
	return model->to_ms > model->from_ms ? model->to_ms : model->from_ms + 1;
}

static int64_t place(const struct report_model *model, int64_t ms)
{
	int64_t span = end_of(model) - model->from_ms, at;

	at = ms == REPORT_UNKNOWN_MS ? span : ms - model->from_ms;
	at = at < 0 ? 0 : at > span ? span : at;
	return LEFT + (int64_t)((double)at * WIDTH / (double)span);
}

static void draw_box(const struct report_model *model, FILE *out, const char *class, int64_t from_ms, int64_t to_ms, int64_t y, const char *label, const char *title)
{
	int64_t x = place(model, from_ms), wide = place(model, to_ms) - x;

	say(out, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"><title>%s</title></rect>", class, x, y, wide < 2 ? (int64_t)2 : wide, (int64_t)BAR, title);
	if (wide >= LABEL_MIN)
		say(out, "<text x=\"%d\" y=\"%d\" fill=\"#fff\">%s</text>", x + 4, y + 13, label);
}

static void draw_member(const struct report_model *model, const struct report_member *member, int64_t y, FILE *out)
{
	char title[VIEW_SENTENCE_BYTES + 128], from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES], seconds[32];

	say(out, "<text x=\"4\" y=\"%d\" font-weight=\"600\">%s</text>", y + 14, member->name);
	if (member->bar_count == 0)
		say(out, "<text x=\"%d\" y=\"%d\">%s</text>", (int64_t)LEFT, y + 14, member->trouble[0] ? "it did not tell" : "nothing of this run is known here");
	for (unsigned i = 0; i < member->bar_count; i++) {
		const struct report_bar *bar = &member->bars[i];

		(void)snprintf(title, sizeof title, "%s: %s, %s to %s. %.400s", view_op_name(bar->op), report_state_name(bar->state), hour(from, bar->from_ms), hour(to, bar->to_ms), bar->sentence);
		draw_box(model, out, view_op_name(bar->op), bar->from_ms, bar->to_ms, y, view_op_name(bar->op), title);
	}
	for (unsigned i = 0; i < member->outage_count; i++) {
		const struct report_outage *outage = &member->outages[i];

		(void)report_seconds(seconds, outage->to_ms == REPORT_UNKNOWN_MS ? -1 : outage->to_ms - outage->from_ms);
		(void)snprintf(title, sizeof title, "disabled %s to %s (%s)%s", hour(from, outage->from_ms), hour(to, outage->to_ms), seconds, outage->estimated ? ", estimated" : "");
		draw_box(model, out, "off", outage->from_ms, outage->to_ms, y + BAR + 3, "disabled", title);
	}
	for (unsigned i = 0; i < member->event_count; i++)
		if (strcmp(member->events[i]->kind, "log") == 0)
			say(out, "<circle class=\"mark\" cx=\"%d\" cy=\"%d\" r=\"3\"><title>%s %s: %s</title></circle>", place(model, member->events[i]->time_ms), y + 2 * BAR + 10,
			    member->events[i]->name, member->events[i]->code, member->events[i]->sentence);
}

static void draw(const struct report_model *model, FILE *out)
{
	int64_t height = TOP + (int64_t)model->count * LANE;
	char when[CLOCK_TEXT_BYTES];

	if (model->from_ms == REPORT_UNKNOWN_MS)
		return;
	say(out, "<h2>Time line</h2><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"time line of the members\">", (int64_t)(LEFT + WIDTH + RIGHT_MARGIN), height);
	for (int64_t i = 0; i <= TICKS; i++) {
		int64_t ms = model->from_ms + (end_of(model) - model->from_ms) * i / TICKS, x = LEFT + WIDTH * i / TICKS;

		say(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"18\" y2=\"%d\"/><text x=\"%d\" y=\"12\" text-anchor=\"middle\">%s</text>", x, x, height, x, hour(when, ms));
	}
	for (unsigned i = 0; i < model->count; i++)
		draw_member(model, &model->members[i], TOP + (int64_t)i * LANE, out);
	say(out, "</svg><p>Upper row: steps (");
	for (unsigned i = 0; i < VIEW_OP_COUNT; i++)
		say(out, "%s<svg style=\"width:10px;height:10px\" viewBox=\"0 0 10 10\"><rect class=\"%s\" width=\"10\" height=\"10\"/></svg> %s", i > 0 ? ", " : "", view_op_name((enum view_op)i),
		    view_op_name((enum view_op)i));
	say(out, "). Below: the service disabled (red). Dots: lines of the gateway's log.</p>");
}

/* ---- tables --------------------------------------------------------------------------------------------------- */

static void write_summary(const struct report_model *model, FILE *out)
{
	char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES], seconds[32], lack[REPORT_LACK_BYTES];
	bool any = model->outage_from_ms != REPORT_UNKNOWN_MS;

	say(out, "<h1>DRR run %s</h1><p>Group %s. <b class=\"%s\">%s</b>: %s.</p><table>", model->run, model->group, model->outcome == REPORT_DONE ? "done" : "bad",
	    report_outcome_name(model->outcome), report_outcome_sentence(model->outcome));
	say(out, "<tr><th>from, to</th><td>%s, %s</td></tr>", day_time(from, model->from_ms), day_time(to, model->to_ms));
	if (model->manager[0])
		say(out, "<tr><th>API Manager</th><td>when this was written: %s</td></tr>", model->manager);
	if (model->plan.count > 0) {
		say(out, "<tr><th>plan</th><td>flushes on %s; bounces in the order", model->plan.primary);
		for (unsigned i = 0; i < model->plan.count; i++)
			say(out, "%s %s", i > 0 ? "," : "", model->plan.order[i]);
		say(out, "; at most %d disabled at once</td></tr>", (int64_t)model->plan.max_unavailable);
	}
	if (!any)
		say(out, "<tr><th>disabled</th><td>no member is known to have been disabled</td></tr>");
	else
		say(out, "<tr><th>disabled</th><td>some member from %s to %s; in all %s; at most %d at once</td></tr>", day_time(from, model->outage_from_ms),
		    model->outage_open ? "(not seen enabled)" : day_time(to, model->outage_to_ms), report_seconds(seconds, model->outage_ms), (int64_t)model->outage_members);
	say(out, "<tr><th>made</th><td>%s by drrctl %s</td></tr></table>", day_time(from, model->made_ms), DRR_VERSION);
	if (model->outage_open)
		say(out, "<p class=\"note bad\">A member was disabled and not seen enabled in these events. Look now: drrctl status.</p>");
	for (unsigned i = 0; report_lack(model, i, lack); i++)
		say(out, "<p class=\"note\">%s</p>", lack);
}

static void write_members(const struct report_model *model, FILE *out)
{
	char seconds[32], skew[32];

	say(out, "<h2>Members</h2><table><tr><th>member</th><th>address</th><th>agent</th><th>firmware</th><th>service now</th><th>disabled</th><th>clock</th></tr>");
	for (unsigned i = 0; i < model->count; i++) {
		const struct report_member *member = &model->members[i];
		const struct view_state *state = &member->state;

		say(out, "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s, %s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>", member->name, known(state->address),
		    known(state->version), known(state->firmware), known(state->admin_state), known(state->op_state), report_seconds(seconds, member->outage_count ? member->disabled_ms : -1),
		    !member->know_skew ? "-" : llabs(member->skew_ms) <= REPORT_SKEW_TOLD_MS ? "as here" : report_seconds(skew, llabs(member->skew_ms)));
	}
	say(out, "</table>");
}

static void write_asks(const struct report_model *model, FILE *out)
{
	struct report_line *lines;
	unsigned count = report_lines(model, report_event_is_ask, &lines);
	char when[CLOCK_TEXT_BYTES];

	say(out, "<h2>Who asked for what</h2><table><tr><th>time</th><th>member</th><th>what</th><th></th></tr>");
	for (unsigned i = 0; i < count; i++)
		say(out, "<tr><td class=\"t\">%s</td><td>%s</td><td>%s %s</td><td>%s%s%s</td></tr>", day_time(when, lines[i].event->time_ms), lines[i].member->name, lines[i].event->kind,
		    lines[i].event->name, lines[i].event->sentence, lines[i].event->evidence[0] ? ": " : "", lines[i].event->evidence);
	say(out, "</table>");
	free(lines);
}

static void write_table(const struct report_event *event, const char *title, FILE *out)
{
	struct report_row rows[REPORT_ROWS_MAX];
	unsigned count = report_read_rows(event, rows);
	char when[CLOCK_TEXT_BYTES];

	if (!event)
		return;
	say(out, "<h3>Peering table %s (%s)</h3><table><tr><th>address</th><th>primary</th><th>link</th><th>replication offset</th><th>pending updates</th><th>priority</th></tr>", title,
	    hour(when, event->time_ms));
	for (unsigned i = 0; i < count; i++)
		say(out, "<tr><td>%s</td><td>%s</td><td>%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>", known(rows[i].address), rows[i].primary, rows[i].link,
		    known(rows[i].offset), known(rows[i].pending), known(rows[i].priority));
	if (count == 0)
		say(out, "<tr><td>%s</td></tr>", event->evidence);
	say(out, "</table>");
}

static void write_steps(const struct report_member *member, FILE *out)
{
	char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES], seconds[32];

	say(out, "<table><tr><th>step</th><th>attempt</th><th>from</th><th>to</th><th>result</th><th></th></tr>");
	for (unsigned i = 0; i < member->bar_count; i++) {
		const struct report_bar *bar = &member->bars[i];

		say(out, "<tr><td>%s</td><td class=\"n\">%d</td><td class=\"t\">%s</td><td class=\"t\">%s</td><td class=\"%s\">%s</td><td>%s</td></tr>", view_op_name(bar->op),
		    (int64_t)bar->attempt, hour(from, bar->from_ms), hour(to, bar->to_ms), bar->state == VIEW_STEP_NONE ? "unknown" : report_state_name(bar->state),
		    report_state_name(bar->state), bar->sentence);
	}
	for (unsigned i = 0; i < member->outage_count; i++) {
		const struct report_outage *outage = &member->outages[i];
		bool open = outage->to_ms == REPORT_UNKNOWN_MS;

		say(out, "<tr><td class=\"bad\">disabled</td><td></td><td class=\"t\">%s</td><td class=\"t\">%s</td><td class=\"n\">%s</td><td>%s</td></tr>", hour(from, outage->from_ms),
		    hour(to, outage->to_ms), report_seconds(seconds, open ? -1 : outage->to_ms - outage->from_ms), open ? "not seen enabled" : outage->estimated ? "estimated from the step" : "");
	}
	say(out, "</table>");
}

/* Kinds get colours: only those that we know become a class. */
static const char *class_of(const struct report_event *event)
{
	return strcmp(event->kind, "log") == 0 ? "log" : strcmp(event->name, "command") == 0 ? "command" : "other";
}

static void write_events(const struct report_member *member, FILE *out)
{
	char when[CLOCK_TEXT_BYTES];

	say(out, "<table><tr><th>no.</th><th>time</th><th>event</th><th>what, and the evidence</th></tr>");
	for (unsigned i = 0; i < member->event_count; i++) {
		const struct report_event *event = member->events[i];

		say(out, "<tr class=\"%s\"><td class=\"n\">%d</td><td class=\"t\">%s</td><td>%s %s %s</td><td>%s", class_of(event), event->n, hour(when, event->time_ms), event->kind, event->name,
		    event->code, event->sentence);
		if (event->evidence[0]) {
			say(out, "<br><code>");
			put_lines(out, event->evidence);
			say(out, "</code>");
		}
		say(out, "</td></tr>");
	}
	say(out, "</table>");
}

void report_html_write(const struct report_model *model, FILE *out)
{
	say(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
		 "<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><title>DRR run %s</title>\n<style>", model->run);
	(void)fputs(style, out);
	say(out, "</style></head>\n<body>");
	write_summary(model, out);
	draw(model, out);
	write_members(model, out);
	write_asks(model, out);
	for (unsigned i = 0; i < model->count; i++) {
		const struct report_member *member = &model->members[i];

		say(out, "\n<h2>%s</h2>", member->name);
		if (member->trouble[0])
			say(out, "<p class=\"note\">%s</p>", member->trouble);
		write_steps(member, out);
		write_table(member->peering_before, "before", out);
		write_table(member->peering_after, "after", out);
		say(out, "<h3>Everything, in its order</h3>");
		write_events(member, out);
	}
	say(out, "\n</body></html>\n");
}
