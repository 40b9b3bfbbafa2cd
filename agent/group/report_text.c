#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "group/report_write.h"
#include "platform/clock.h"

enum { SHOWN_BYTES = 2048, LACKS_OF_MEMBER = 4 };

char *report_seconds(char out[32], int64_t ms)
{
	if (ms < 0)
		(void)snprintf(out, 32, "-");
	else
		(void)snprintf(out, 32, "%" PRId64 ".%03d s", ms / 1000, (int)(ms % 1000));
	return out;
}

/* ---- what it lacks -------------------------------------------------------------------------------------------- */

static bool say_lack(const struct report_member *member, unsigned which, char out[REPORT_LACK_BYTES])
{
	const char *name = member->name;
	char seconds[32];

	switch (which) {
	case 0:
		(void)snprintf(out, REPORT_LACK_BYTES, "%s did not tell everything: %s", name, member->trouble);
		return member->trouble[0] != '\0';
	case 1:
		(void)snprintf(out, REPORT_LACK_BYTES, "%s: its events before number %" PRId64 " are not there any more; some may have been of this run", name, member->gone_before);
		return member->gone_before > 0;
	case 2:
		(void)snprintf(out, REPORT_LACK_BYTES, "%s: %u events are left out, there are too many", name, member->dropped);
		return member->dropped > 0;
	default:
		(void)snprintf(out, REPORT_LACK_BYTES, "%s: its clock is %s %s of this machine's; times are as each member tells them", name,
			       report_seconds(seconds, llabs(member->skew_ms)), member->skew_ms > 0 ? "ahead" : "behind");
		return member->know_skew && llabs(member->skew_ms) > REPORT_SKEW_TOLD_MS;
	}
}

const char *report_lack(const struct report_model *model, unsigned i, char out[REPORT_LACK_BYTES])
{
	for (unsigned k = 0; k < model->count * LACKS_OF_MEMBER; k++)
		if (say_lack(&model->members[k / LACKS_OF_MEMBER], k % LACKS_OF_MEMBER, out) && i-- == 0)
			return out;
	return NULL;
}

/* ---- events in the order of time ------------------------------------------------------------------------------ */

static int compare_lines(const void *a, const void *b)
{
	const struct report_line *one = a, *other = b;

	if (one->event->time_ms != other->event->time_ms)
		return one->event->time_ms < other->event->time_ms ? -1 : 1;
	if (one->member != other->member)
		return one->member < other->member ? -1 : 1;
	return one->event->n < other->event->n ? -1 : 1;
}

unsigned report_lines(const struct report_model *model, bool (*wanted)(const struct report_event *), struct report_line **out)
{
	unsigned room = 0, count = 0;
	struct report_line *lines;

	for (unsigned i = 0; i < model->count; i++)
		room += model->members[i].event_count;
	*out = lines = malloc((room + 1) * sizeof *lines);
	for (unsigned i = 0; lines && i < model->count; i++)
		for (unsigned k = 0; k < model->members[i].event_count; k++)
			if (wanted(model->members[i].events[k]))
				lines[count++] = (struct report_line){&model->members[i], model->members[i].events[k]};
	if (count > 0)
		qsort(lines, count, sizeof *lines, compare_lines);
	return count;
}

/* ---- the text ------------------------------------------------------------------------------------------------- */

static bool is_no_command(const struct report_event *event)
{
	return strcmp(event->name, "command") != 0 && strcmp(event->name, "peering") != 0;
}

static const char *show(char shown[SHOWN_BYTES], const char *text)
{
	return text[0] ? text_escape(shown, SHOWN_BYTES, text, strlen(text)) : "-";
}

static const char *show_time(char out[CLOCK_TEXT_BYTES], int64_t ms)
{
	return ms == REPORT_UNKNOWN_MS ? "-" : clock_text(out, ms);
}

/* "done", "done, 3 attempts", "-" */
static const char *show_op(const struct report_member *member, enum view_op op, char out[48])
{
	const struct report_bar *last = NULL;

	for (unsigned i = 0; i < member->bar_count; i++)
		if (member->bars[i].op == op)
			last = &member->bars[i];
	if (!last)
		return "-";
	(void)snprintf(out, 48, "%s%s", report_state_name(last->state), last->attempt > 1 ? " *" : "");
	return out;
}

static void write_member(const struct report_member *member, FILE *out)
{
	char name[SHOWN_BYTES], version[SHOWN_BYTES], firmware[SHOWN_BYTES], op[48], seconds[32];
	bool open = false;

	for (unsigned i = 0; i < member->outage_count; i++)
		open |= member->outages[i].to_ms == REPORT_UNKNOWN_MS;
	(void)fprintf(out, "%-16s %-9s %-16s", show(name, member->name), show(version, member->state.version), show(firmware, member->state.firmware));
	for (unsigned i = 0; i < VIEW_OP_COUNT; i++)
		(void)fprintf(out, " %-10s", show_op(member, (enum view_op)i, op));
	(void)fprintf(out, " %s%s\n", member->outage_count ? report_seconds(seconds, member->disabled_ms) : "-", open ? " and not seen enabled" : "");
}

static void write_head(const struct report_model *model, FILE *out)
{
	char text[SHOWN_BYTES], lack[REPORT_LACK_BYTES], from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES], seconds[32];

	(void)fprintf(out, "run %s of %s: %s: %s\n", model->run, show(text, model->group), report_outcome_name(model->outcome), report_outcome_sentence(model->outcome));
	(void)fprintf(out, "from %s to %s\n", show_time(from, model->from_ms), show_time(to, model->to_ms));
	if (model->manager[0])
		(void)fprintf(out, "API Manager now: %s\n", show(text, model->manager));
	if (model->outage_from_ms == REPORT_UNKNOWN_MS)
		(void)fprintf(out, "no member is known to have been disabled\n");
	else
		(void)fprintf(out, "a member was disabled from %s to %s, in all %s, at most %u at once%s\n", show_time(from, model->outage_from_ms),
			      model->outage_open ? "(not seen enabled)" : show_time(to, model->outage_to_ms), report_seconds(seconds, model->outage_ms), model->outage_members,
			      model->outage_open ? "; ONE WAS NOT SEEN ENABLED: drrctl status" : "");
	for (unsigned i = 0; report_lack(model, i, lack); i++)
		(void)fprintf(out, "missing: %s\n", show(text, lack));
	(void)fputc('\n', out);
}

void report_text_write(const struct report_model *model, FILE *out)
{
	char sentence[SHOWN_BYTES], evidence[SHOWN_BYTES], name[SHOWN_BYTES], event_name[SHOWN_BYTES], when[CLOCK_TEXT_BYTES];
	struct report_line *lines;
	unsigned count;

	write_head(model, out);
	(void)fprintf(out, "%-16s %-9s %-16s", "member", "agent", "firmware");
	for (unsigned i = 0; i < VIEW_OP_COUNT; i++)
		(void)fprintf(out, " %-10s", view_op_name((enum view_op)i));
	(void)fprintf(out, " disabled   (* more than one attempt)\n");
	for (unsigned i = 0; i < model->count; i++)
		write_member(&model->members[i], out);
	(void)fputc('\n', out);
	count = report_lines(model, is_no_command, &lines);
	for (unsigned i = 0; i < count; i++) {
		const struct report_event *event = lines[i].event;

		(void)fprintf(out, "%s %-16s %-18s %s%s%s\n", show_time(when, event->time_ms), show(name, lines[i].member->name), show(event_name, event->name),
			      show(sentence, event->sentence), event->evidence[0] ? ": " : "", event->evidence[0] ? show(evidence, event->evidence) : "");
	}
	free(lines);
}
