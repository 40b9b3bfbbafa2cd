#include "engine/ask.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/link.h"
#include "engine/logbook.h"
#include "engine/ours.h"
#include "engine/report.h"
#include "platform/clock.h"
#include "platform/json.h"
#include "platform/loop.h"
#include "watch/follow.h"
#include "watch/line.h"

enum { HISTORY_BYTES = 1024 * 1024 }; /* how far back `status` looks for the last event */

static struct link the_link; /* large */

/* ---- asking --------------------------------------------------------------------------------------------------- */

static void trace_command(void *context, const char *command, const char *answer, size_t answer_bytes)
{
	char shown[1024];

	(void)context;
	(void)fprintf(stderr, "> %s < %s\n", command, text_escape(shown, sizeof shown, answer, answer_bytes));
}

/* One operation, waited for. 0 or -1. */
static int ask(struct link *link, struct loop *loop, enum appliance_op op, struct error *error)
{
	link_start(link, op, clock_now());
	while (link_step(link, clock_now()) == LINK_WAIT) {
		struct pollfd fd = link_poll(link);
		int number = loop_wait(loop, &fd, 1, link_deadline(link), error);

		if (number < 0)
			return -1;
		if (number == SIGINT || number == SIGTERM) {
			link_close(link);
			return error_set(error, ERROR_FAILED, NULL, "interrupted; nothing was changed");
		}
	}
	if (link->status == LINK_DONE)
		return 0;
	*error = link->error;
	return -1;
}

static int ask_all(struct link *link, struct loop *loop, const enum appliance_op *ops, unsigned count, struct error *error)
{
	for (unsigned i = 0; i < count; i++)
		if (ask(link, loop, ops[i], error))
			return -1;
	return 0;
}

static int open_link(struct link *link, struct loop *loop, const struct config *config, bool verbose, struct error *error)
{
	if (link_init(link, config, error) || loop_open(loop, error))
		return -1;
	link->trace = verbose ? trace_command : NULL;
	return 0;
}

static const char *address_of(const struct config *config, const struct link *link)
{
	return config->appliance.address[0] ? config->appliance.address : link->facts.local_address;
}

/* ---- the log -------------------------------------------------------------------------------------------------- */

struct last_event {
	const struct config *config;
	bool readable, found;
	char code[16], time[CLOCK_TEXT_BYTES];
	int64_t age_ms;
};

static void take_line(void *context, const char *bytes, size_t length)
{
	struct last_event *last = context;
	struct line line;

	if (!line_parse(bytes, length, &line) || line_event(&line) == LINE_OTHER || !ours_is(last->config, &line))
		return;
	last->found = true;
	(void)snprintf(last->code, sizeof last->code, "0x%08x", line.code);
	last->time[0] = '\0';
	if (line.time_kind == LINE_TIME_ZULU || line.time_kind == LINE_TIME_NUMERIC)
		(void)clock_text(last->time, line.time_ms);
}

static void look_at_log(const struct config *config, struct last_event *last)
{
	struct error ignored = {0};

	memset(last, 0, sizeof *last);
	last->config = config;
	if (config->log.source == CONFIG_LOG_FILE)
		last->readable = follow_history(config->log.file, HISTORY_BYTES, take_line, last, &last->age_ms, &ignored) == 0;
}

/* ---- status --------------------------------------------------------------------------------------------------- */

struct situation {
	const struct config *config;
	const struct link *link;
	struct peering_view view;
	struct last_event log;
	struct journal_state journal;
	bool have_journal;
};

static const char *flag_word(enum peering_flag flag, const char *yes, const char *no)
{
	return flag == PEERING_YES ? yes : flag == PEERING_NO ? no : NULL;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void set_known(struct json *object, const char *key, bool known, int64_t value)
{
	if (known)
		json_set_int(object, key, value);
	else
		json_set_null(object, key);
}

static struct json *rows_json(const struct peering_table *table)
{
	struct json *rows = json_array();

	for (unsigned i = 0; i < table->count; i++) {
		const struct peering_row *row = &table->rows[i];
		struct json *object = json_object();

		json_set_string(object, "address", row->address);
		json_set_string(object, "object", row->object);
		set_known(object, "pending_updates", row->pending_known, (int64_t)row->pending_updates);
		set_known(object, "replication_offset", row->offset_known, (int64_t)row->replication_offset);
		json_set_string(object, "link", flag_word(row->link_ok, "ok", "down"));
		json_set_string(object, "primary", flag_word(row->primary, "yes", "no"));
		set_known(object, "priority", row->priority_known, row->priority);
		json_add(rows, object);
	}
	return rows;
}

static struct json *appliance_json(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;
	struct json *object = json_object();

	json_set_string(object, "firmware", or_null(facts->firmware));
	json_set_string(object, "serial", or_null(facts->serial));
	set_known(object, "uptime_s", facts->uptime_reload_s >= 0, facts->uptime_reload_s);
	json_set_string(object, "domain", s->config->appliance.domain);
	json_set_string(object, "way", "cli");
	return object;
}

static struct json *peering_json(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;
	struct json *object = json_object();

	json_set_string(object, "object", facts->object);
	if (s->view.own)
		json_set_bool(object, "is_primary", s->view.own->primary == PEERING_YES);
	else
		json_set_null(object, "is_primary");
	json_set_string(object, "primary_address", s->view.primary ? s->view.primary->address : NULL);
	json_set_bool(object, "quorum", s->view.quorum);
	json_set_string(object, "persistence", or_null(facts->persistence));
	json_set(object, "rows", rows_json(&facts->table));
	return object;
}

static struct json *log_json(const struct situation *s)
{
	struct json *object = json_object();

	json_set_string(object, "source", s->config->log.source == CONFIG_LOG_FILE ? "file" : NULL);
	json_set_bool(object, "readable", s->log.readable);
	json_set_string(object, "last_event", s->log.found ? s->log.code : NULL);
	json_set_string(object, "last_event_time", s->log.found ? or_null(s->log.time) : NULL);
	json_set_null(object, "lag_s"); /* a foreground look has no watcher that could lag */
	return object;
}

static struct json *journal_json(const struct situation *s)
{
	struct json *object = json_object();

	if (!s->have_journal) {
		json_set_null(object, "open");
		return object;
	}
	json_set_bool(object, "open", s->journal.run_open || s->journal.disable_open);
	json_set_bool(object, "disable_open", s->journal.disable_open);
	return object;
}

static struct json *run_json(const struct situation *s)
{
	const struct journal_state *state = &s->journal;
	struct json *object;

	if (!s->have_journal || !state->run[0])
		return NULL;
	object = json_object();
	json_set_string(object, "id", state->run);
	json_set_bool(object, "open", state->run_open);
	set_known(object, "exit", state->exit_code >= 0, state->exit_code);
	json_set_string(object, "last_step", journal_step_name(state->last_step));
	json_set_bool(object, "flush_done", state->flush_done);
	json_set_bool(object, "flush_unknown", state->flush_unknown || state->flush_open);
	json_set_bool(object, "bounce_done", state->bounce_done);
	json_set_bool(object, "confirm_done", state->confirm_done);
	json_set_bool(object, "await_done", state->await_done);
	return object;
}

static void print_json(const struct situation *s, int64_t age_ms)
{
	const struct appliance_facts *facts = &s->link->facts;
	struct json *top = json_object(), *member = json_object(), *service = json_object(), *run = run_json(s);
	char when[CLOCK_TEXT_BYTES], *text;

	json_set_string(member, "name", s->config->agent.name);
	json_set_string(member, "address", or_null(address_of(s->config, s->link)));
	json_set(top, "member", member);
	json_set(top, "appliance", appliance_json(s));
	json_set(top, "peering", peering_json(s));
	json_set_string(service, "admin_state", facts->admin_state == APPLIANCE_ADMIN_ENABLED ? "enabled" : "disabled");
	json_set_string(service, "op_state", or_null(facts->op_state));
	json_set(top, "service", service);
	json_set_null(top, "collections"); /* the CLI has no documented way to count them */
	json_set(top, "log", log_json(s));
	json_set(top, "journal", journal_json(s));
	json_set_null(top, "grant");
	json_set_null(top, "hold");
	if (run)
		json_set(top, "run", run);
	else
		json_set_null(top, "run");
	json_set_string(top, "as_of", clock_text(when, clock_wall_ms() - age_ms));
	json_set_int(top, "age_ms", age_ms);
	text = json_text(top, true);
	(void)puts(text);
	free(text);
	json_free(top);
}

static const char *dash(const char *text)
{
	return text && text[0] ? text : "-";
}

static void print_rows(const struct situation *s)
{
	const struct peering_table *table = &s->link->facts.table;

	(void)printf("\n  %-24s %-5s %-8s %-8s %-16s %s\n", "ADDRESS", "LINK", "PRIMARY", "PENDING", "OFFSET", "PRIORITY");
	for (unsigned i = 0; i < table->count; i++) {
		const struct peering_row *row = &table->rows[i];
		char address[PEERING_ADDRESS_BYTES * 4], pending[24] = "-", offset[24] = "-", priority[24] = "-";

		if (row->pending_known)
			(void)snprintf(pending, sizeof pending, "%llu", (unsigned long long)row->pending_updates);
		if (row->offset_known)
			(void)snprintf(offset, sizeof offset, "%llu", (unsigned long long)row->replication_offset);
		if (row->priority_known)
			(void)snprintf(priority, sizeof priority, "%lld", (long long)row->priority);
		(void)printf("%s %-24s %-5s %-8s %-8s %-16s %s\n", row == s->view.own ? "*" : " ",
			     text_escape(address, sizeof address, row->address, strlen(row->address)),
			     dash(flag_word(row->link_ok, "ok", "down")), dash(flag_word(row->primary, "yes", "no")), pending, offset, priority);
	}
	(void)puts("");
}

static void print_run(const struct situation *s)
{
	const struct journal_state *state = &s->journal;

	if (!s->have_journal)
		(void)puts("journal    cannot be read (see above)");
	else if (state->disable_open)
		(void)printf("journal    OPEN: run %s disabled the service and did not enable it: drr-agent recover -c %s\n", state->disable_run,
			     s->config->path);
	else if (state->run_open)
		(void)printf("journal    OPEN: run %s, last step %s\n", state->run, journal_step_name(state->last_step));
	else
		(void)printf("journal    nothing open\n");
	if (s->have_journal && state->run[0] && !state->run_open)
		(void)printf("last run   %s, exit %d\n", state->run, state->exit_code);
}

static void print_text(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;

	(void)printf("member     %s, address %s\n", s->config->agent.name, dash(address_of(s->config, s->link)));
	(void)printf("appliance  %s, serial %s, up %lld s, domain %s\n", dash(facts->firmware), dash(facts->serial),
		     (long long)facts->uptime_reload_s, s->config->appliance.domain);
	(void)printf("peering    %s (named by %s), %s, persistence %s, %s, %s\n", facts->object, facts->object_source, dash(facts->object_state),
		     dash(facts->persistence), s->view.quorum ? "quorum" : "NO QUORUM",
		     s->view.primaries == 1 ? "one primary" : s->view.primaries ? "SEVERAL PRIMARIES" : "NO PRIMARY");
	print_rows(s);
	(void)printf("service    %s, %s\n", facts->admin_state == APPLIANCE_ADMIN_ENABLED ? "enabled" : "DISABLED", dash(facts->op_state));
	if (s->config->log.source == CONFIG_LOG_NONE)
		(void)puts("log        no source is configured");
	else if (!s->log.readable)
		(void)puts("log        cannot be read");
	else if (s->log.found)
		(void)printf("log        last event %s at %s, last written %lld s ago\n", s->log.code, dash(s->log.time), (long long)s->log.age_ms / 1000);
	else
		(void)printf("log        no event of the gateway service in its last %d bytes\n", HISTORY_BYTES);
	print_run(s);
}

int ask_status(const struct config *config, bool json, bool verbose)
{
	static const enum appliance_op ops[] = {APPLIANCE_ASK_IDENTITY, APPLIANCE_ASK_OBJECT, APPLIANCE_ASK_PEERING};
	struct situation s = {.config = config, .link = &the_link};
	struct error error = {0}, journal_error = {0};
	struct mono before = clock_now();
	struct loop loop = {-1, -1};
	bool torn;
	int failed;

	failed = open_link(&the_link, &loop, config, verbose, &error) || ask_all(&the_link, &loop, ops, 3, &error);
	if (!failed) {
		peering_view_make(&the_link.facts.table, address_of(config, &the_link), &s.view);
		look_at_log(config, &s.log);
		s.have_journal = logbook_peek(config->agent.state_dir, &s.journal, &torn, &journal_error) == 0;
		if (!s.have_journal)
			(void)report_error(&journal_error);
		if (json)
			print_json(&s, mono_diff_ms(clock_now(), before));
		else
			print_text(&s);
	}
	link_free(&the_link);
	loop_close(&loop);
	return failed ? report_error(&error) : 0;
}

/* ---- check ---------------------------------------------------------------------------------------------------- */

static void print_key(const struct link *link)
{
	if (!link->ssh.key_fingerprint[0])
		return;
	(void)printf("host key   %s (%s)\n", link->ssh.key_fingerprint, link->ssh.key_type);
}

static void print_connected(const struct config *config, const struct link *link)
{
	const struct appliance_facts *facts = &link->facts;

	(void)printf("log-in     user %s%s%s\n", config->cli.user, link->ssh.auth_method ? ", SSH method " : "",
		     link->ssh.auth_method ? link->ssh.auth_method : "");
	(void)printf("appliance  %s, serial %s\n", dash(facts->firmware), dash(facts->serial));
	(void)printf("domain     %s: entered\n", config->appliance.domain);
	(void)printf("peering    object %s (named by %s), own address %s\n", facts->object, facts->object_source, dash(address_of(config, link)));
	(void)printf("diag       %s\n", facts->diag == PEERING_YES ? "this user has it" : "this user does not have it: no flush from here");
}

static int check_log(const struct config *config)
{
	struct last_event last;

	if (config->log.source != CONFIG_LOG_FILE)
		return 0;
	look_at_log(config, &last);
	(void)printf("log        %s: %s\n", config->log.file, last.readable ? "readable" : "CANNOT BE READ");
	return last.readable ? 0 : 1;
}

static int connect_and_look(const struct config *config, bool verbose)
{
	static const enum appliance_op ops[] = {APPLIANCE_ASK_IDENTITY, APPLIANCE_ASK_OBJECT, APPLIANCE_ASK_PEERING};
	struct error error = {0};
	struct loop loop = {-1, -1};
	int exit_code = 0;

	if (open_link(&the_link, &loop, config, verbose, &error) || ask_all(&the_link, &loop, ops, 3, &error)) {
		print_key(&the_link);
		(void)fflush(stdout);
		exit_code = report_error(&error);
	} else {
		if (ask(&the_link, &loop, APPLIANCE_ASK_DIAG, &error) && error.code != ERROR_PERMISSION)
			exit_code = report_error(&error);
		print_key(&the_link);
		print_connected(config, &the_link);
		if (check_log(config) && exit_code == 0)
			exit_code = error_exit_code(ERROR_CONFIG);
	}
	link_free(&the_link);
	loop_close(&loop);
	return exit_code;
}

int ask_check(const struct config *config, bool connect, bool verbose)
{
	char memory[1024];
	struct buf warnings;

	buf_init(&warnings, memory, sizeof memory);
	(void)config_warnings(config, &warnings);
	(void)printf("%s: valid\n%s", config->path, warnings.data);
	return connect ? connect_and_look(config, verbose) : 0;
}

/* ---- journal -------------------------------------------------------------------------------------------------- */

static void print_record(void *context, const struct journal_record *record)
{
	static char memory[JOURNAL_LINE_BYTES];
	const bool *json = context;
	struct json *object;
	char when[CLOCK_TEXT_BYTES], *text;
	struct buf line;

	if (!*json) {
		buf_init(&line, memory, sizeof memory);
		(void)journal_print(record, &line);
		(void)fputs(line.data, stdout);
		return;
	}
	object = json_object();
	json_set_int(object, "seq", (int64_t)record->seq);
	json_set_string(object, "time", clock_text(when, record->wall_ms));
	json_set_string(object, "run", record->run);
	json_set_string(object, "kind", journal_kind_name(record->kind));
	json_set_string(object, "step", journal_step_name(record->step));
	json_set_string(object, "data", record->data);
	text = json_text(object, false);
	(void)puts(text);
	free(text);
	json_free(object);
}

int ask_journal(const struct config *config, bool json)
{
	struct error error = {0};

	if (logbook_each(config->agent.state_dir, print_record, &json, &error)) {
		(void)fflush(stdout);
		return report_error(&error);
	}
	return 0;
}
