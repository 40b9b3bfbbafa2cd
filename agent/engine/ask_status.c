#include "engine/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/asking.h"
#include "engine/logbook.h"
#include "engine/report.h"
#include "engine/source.h"
#include "platform/json.h"

static struct link the_link; /* large */

struct situation {
	const struct config *config;
	const struct link *link;
	struct peering_view view;
	struct asking asking;
	struct asking_event log;
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

/* Which way answered what. */
static const struct {
	enum appliance_op op;
	const char *name;
} asked[] = {
	{APPLIANCE_ASK_IDENTITY, "appliance"}, {APPLIANCE_ASK_OBJECT, "object"},  {APPLIANCE_ASK_PEERING, "peering"},
	{APPLIANCE_ASK_SERVICE, "service"},    {APPLIANCE_ASK_COLLECTIONS, "collections"}, {APPLIANCE_ASK_SAVED, "unsaved"},
};

static struct json *ways_json(const struct situation *s)
{
	struct json *object = json_object();

	for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++)
		json_set_string(object, asked[i].name, link_way_name(s->link, asked[i].op));
	return object;
}

static struct json *appliance_json(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;
	struct json *object = json_object();

	json_set_string(object, "firmware", or_null(facts->firmware));
	json_set_string(object, "serial", or_null(facts->serial));
	set_known(object, "uptime_s", facts->uptime_reload_s >= 0, facts->uptime_reload_s);
	json_set_string(object, "domain", s->config->appliance.domain);
	json_set_string(object, "way", link_way_name(s->link, APPLIANCE_ASK_PEERING));
	json_set(object, "ways", ways_json(s));
	json_set_string(object, "xmi_trouble", s->link->xmi_error.code != ERROR_NONE ? s->link->xmi_error.what : NULL);
	if (facts->unsaved == PEERING_UNKNOWN)
		json_set_null(object, "unsaved");
	else
		json_set_bool(object, "unsaved", facts->unsaved == PEERING_YES);
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

	json_set_string(object, "source", s->config->log.source == CONFIG_LOG_NONE ? NULL : source_name(s->config->log.source));
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
	json_set_string(member, "address", or_null(asking_address(&s->asking)));
	json_set(top, "member", member);
	json_set(top, "appliance", appliance_json(s));
	json_set(top, "peering", peering_json(s));
	json_set_string(service, "admin_state", facts->admin_state == APPLIANCE_ADMIN_ENABLED ? "enabled" : "disabled");
	json_set_string(service, "op_state", or_null(facts->op_state));
	json_set_string(service, "event_code", or_null(facts->service_event));
	json_set_string(service, "reason", or_null(facts->service_reason));
	json_set(top, "service", service);
	set_known(top, "collections", facts->collections >= 0, facts->collections);
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

/* Only where there is more than one. */
static void print_ways(const struct situation *s)
{
	if (!s->config->xmi.url.text[0])
		return;
	(void)printf("asked      ");
	for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++)
		(void)printf("%s%s %s", i > 0 ? ", " : "", asked[i].name, dash(link_way_name(s->link, asked[i].op)));
	(void)printf("\n");
	if (s->link->xmi_error.code != ERROR_NONE)
		(void)printf("xmi        NOT USED: %s\n", s->link->xmi_error.what);
}

static void print_text(const struct situation *s)
{
	const struct appliance_facts *facts = &s->link->facts;

	(void)printf("member     %s, address %s\n", s->config->agent.name, dash(asking_address(&s->asking)));
	(void)printf("appliance  %s, serial %s, up %lld s, domain %s\n", dash(facts->firmware), dash(facts->serial),
		     (long long)facts->uptime_reload_s, s->config->appliance.domain);
	print_ways(s);
	(void)printf("peering    %s (named by %s), %s, persistence %s, %s, %s\n", facts->object, facts->object_source, dash(facts->object_state),
		     dash(facts->persistence), s->view.quorum ? "quorum" : "NO QUORUM",
		     s->view.primaries == 1 ? "one primary" : s->view.primaries ? "SEVERAL PRIMARIES" : "NO PRIMARY");
	print_rows(s);
	(void)printf("service    %s, %s%s%s\n", facts->admin_state == APPLIANCE_ADMIN_ENABLED ? "enabled" : "DISABLED", dash(facts->op_state),
		     facts->service_event[0] ? ", " : "", facts->service_event);
	if (facts->collections >= 0)
		(void)printf("catalogs   %lld API collections\n", (long long)facts->collections);
	if (facts->unsaved == PEERING_YES)
		(void)puts("unsaved    the domain has configuration that was not saved");
	if (s->config->log.source == CONFIG_LOG_NONE)
		(void)puts("log        no source is configured");
	else if (!s->log.readable)
		(void)printf("log        cannot be read: %s\n", s->log.error.what);
	else if (s->log.found)
		(void)printf("log        last event %s at %s, last written %lld s ago\n", s->log.code, dash(s->log.time), (long long)s->log.age_ms / 1000);
	else
		(void)printf("log        no event of the gateway service in its last %d bytes\n", ASKING_HISTORY_BYTES);
	print_run(s);
}

/* The first three must be answered; what only some ways or some firmware can tell stays unknown. */
static int ask_all(struct situation *s, struct error *error)
{
	for (unsigned i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		struct error unknown = {0};
		bool needed = asked[i].op == APPLIANCE_ASK_IDENTITY || asked[i].op == APPLIANCE_ASK_OBJECT || asked[i].op == APPLIANCE_ASK_PEERING;

		if (!needed && asked[i].op != APPLIANCE_ASK_SERVICE && s->link->facts.ways[APPLIANCE_ASK_OBJECT] == APPLIANCE_WAY_NONE)
			continue;
		if (asking_do(&s->asking, asked[i].op, needed ? error : &unknown) && (needed || unknown.code == ERROR_FAILED))
			return needed ? -1 : error_set(error, unknown.code, NULL, "%s", unknown.what);
	}
	return 0;
}

int ask_status(const struct config *config, bool json, bool verbose)
{
	static struct situation s;
	struct error error = {0}, journal_error = {0};
	struct mono before = clock_now();
	bool torn;
	int failed;

	s.config = config;
	s.link = &the_link;
	failed = asking_open(&s.asking, &the_link, config, verbose, &error) || ask_all(&s, &error);
	if (!failed) {
		peering_view_make(&the_link.facts.table, asking_address(&s.asking), &s.view);
		asking_last_event(&s.asking, &s.log);
		s.have_journal = logbook_peek(config->agent.state_dir, &s.journal, &torn, &journal_error) == 0;
		if (!s.have_journal)
			(void)report_error(&journal_error);
		if (json)
			print_json(&s, mono_diff_ms(clock_now(), before));
		else
			print_text(&s);
	}
	asking_close(&s.asking);
	return failed ? report_error(&error) : 0;
}
