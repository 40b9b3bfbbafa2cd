/* trace.c - what a step or a recovery says to the appliance and what it answers, as events: a report of the run needs it (drrctl report).
 *
 * Bounded: a command that changes something is always told; a question only when its answer is another one than before in this run, and at most TRACE_QUESTIONS_MAX of
 * them in a run. The log-in is no command here, so no password can be in it. */
#include <stdio.h>
#include <string.h>

#include "base/crc32.h"
#include "base/text.h"
#include "engine/daemon.h"

enum { TRACE_TABLE_BYTES = 3200, TRACE_LINE_BYTES = 320 };

static void tell(struct daemon *d, const char *name, const char *sentence, const char *evidence)
{
	daemon_tell(d, &(struct event){.kind = "run", .name = name, .run = d->runner.run, .sentence = sentence, .evidence = evidence});
}

/* Is it new in this run, and is there room for it? Remembers it. */
static bool is_worth_telling(struct trace *trace, const char *sentence, const char *answer, size_t answer_bytes)
{
	uint32_t crc = crc32_of(answer, answer_bytes) ^ crc32_of(sentence, strlen(sentence));

	for (unsigned i = 0; i < trace->count; i++)
		if (trace->told[i] == crc)
			return false;
	if (trace->count == TRACE_QUESTIONS_MAX)
		return false;
	trace->told[trace->count++] = crc;
	return true;
}

/* As text_escape(), but lines stay lines; blanks around the whole, and what does not fit, are left out. Returns OUT. */
static const char *escape_lines(char *out, size_t size, const char *bytes, size_t length)
{
	size_t offset = 0, used = 0, line_bytes;
	const char *line;

	out[0] = '\0';
	text_trim(&bytes, &length);
	while (used + 16 < size && text_next_line(bytes, length, &offset, &line, &line_bytes)) {
		used += (size_t)snprintf(out + used, size - used, "%s", used > 0 ? "\n" : "");
		used += strlen(text_escape(out + used, size - used, line, line_bytes));
	}
	return out;
}

/* A cli_link_trace_function. */
static void hear(void *context, const char *command, const char *answer, size_t answer_bytes)
{
	struct daemon *d = context;
	const struct link *link = &d->runner.link;
	bool xmi = link->way == APPLIANCE_WAY_XMI, changes = appliance_op_changes(link->op);
	char sentence[TRACE_LINE_BYTES], shown[TRACE_COMMAND_BYTES];

	(void)snprintf(sentence, sizeof sentence, "%s: %.280s", xmi ? "xmi" : "cli", xmi ? appliance_op_name(link->op) : command);
	if (!changes && !is_worth_telling(&d->trace, sentence, answer, answer_bytes))
		return;
	tell(d, "command", sentence, escape_lines(shown, changes ? sizeof shown : TRACE_QUESTION_BYTES, answer, answer_bytes));
	if (!changes && d->trace.count == TRACE_QUESTIONS_MAX)
		tell(d, "command", "further questions of this run are not told", NULL);
}

static void add_number(struct buf *out, const char *key, bool known, int64_t value)
{
	if (known)
		(void)buf_printf(out, " %s=%lld", key, (long long)value);
}

/* A line for each row; the address, which is foreign text, is the rest of the line. */
static void tell_table(struct daemon *d)
{
	static const char *const link[] = {[PEERING_UNKNOWN] = "unknown", [PEERING_NO] = "down", [PEERING_YES] = "ok"};
	static const char *const primary[] = {[PEERING_UNKNOWN] = "unknown", [PEERING_NO] = "no", [PEERING_YES] = "yes"};
	const struct peering_table *table = &d->runner.link.facts.table;
	char memory[TRACE_TABLE_BYTES], address[2 * PEERING_ADDRESS_BYTES];
	struct buf text;

	buf_init(&text, memory, sizeof memory);
	for (unsigned i = 0; i < table->count; i++) {
		const struct peering_row *row = &table->rows[i];

		(void)buf_printf(&text, "%sprimary=%s link=%s", i > 0 ? "\n" : "", primary[row->primary], link[row->link_ok]);
		add_number(&text, "offset", row->offset_known, (int64_t)row->replication_offset);
		add_number(&text, "pending", row->pending_known, (int64_t)row->pending_updates);
		add_number(&text, "priority", row->priority_known, row->priority);
		(void)buf_printf(&text, " address=%s", text_escape(address, sizeof address, row->address, strlen(row->address)));
	}
	tell(d, "peering", "the peering table, as it was read last in this step", text.len > 0 ? memory : "(no members)");
}

void trace_begin(struct daemon *d, const char *run)
{
	struct trace *trace = &d->trace;

	if (strcmp(trace->run, run) != 0) {
		trace->count = 0;
		(void)snprintf(trace->run, sizeof trace->run, "%s", run);
	}
	trace->disabled_at.ms = 0;
	trace->outage_ms = -1;
	trace->table_at = d->runner.link.answered_at[APPLIANCE_ASK_PEERING];
	link_set_trace(&d->runner.link, hear, d);
}

void trace_turn(struct daemon *d)
{
	struct trace *trace = &d->trace;
	const struct runner *r = &d->runner;
	char evidence[64];

	if (r->disabled_at.ms != trace->disabled_at.ms && r->disabled_at.ms != 0) {
		trace->disabled_at = r->disabled_at;
		tell(d, "disabled", "the disable goes out: from here on the service counts as disabled", NULL);
	}
	if (!r->seen_enabled) {
		trace->outage_ms = -1;
	} else if (trace->outage_ms != r->outage_ms) {
		trace->outage_ms = r->outage_ms;
		(void)snprintf(evidence, sizeof evidence, "disabled for at most %lld ms", (long long)r->outage_ms);
		tell(d, "enabled", "the service was seen enabled", r->disabled_at.ms != 0 ? evidence : NULL);
	}
}

void trace_end(struct daemon *d)
{
	if (d->runner.link.answered_at[APPLIANCE_ASK_PEERING].ms != d->trace.table_at.ms)
		tell_table(d);
	link_set_trace(&d->runner.link, NULL, NULL);
}
