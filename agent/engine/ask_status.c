#include "engine/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/asking.h"
#include "engine/kept.h"
#include "engine/logbook.h"
#include "engine/report.h"
#include "engine/situation.h"
#include "engine/source.h"
#include "platform/json.h"

static struct link the_link; /* large */

struct look {
	struct situation said;
	struct peering_view view;
	struct asking asking;
	struct asking_event log;
	struct journal_state journal;
	struct watchdog dog;
	bool kept; /* DOG remembers something */
};

static void print_json(const struct look *s)
{
	struct json *top = situation_json(&s->said);
	char *text;

	if (s->kept)
		json_set(top, "watchdog", situation_watchdog(&s->dog));
	else
		json_set_null(top, "watchdog");
	text = json_text(top, true);
	(void)puts(text);
	free(text);
	json_free(top);
}

static const char *dash(const char *text)
{
	return text && text[0] ? text : "-";
}

static const char *flag_word(enum peering_flag flag, const char *yes, const char *no)
{
	return flag == PEERING_YES ? yes : flag == PEERING_NO ? no : "-";
}

static void print_rows(const struct look *s)
{
	const struct peering_table *table = &s->said.link->facts.table;

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
			     flag_word(row->link_ok, "ok", "down"), flag_word(row->primary, "yes", "no"), pending, offset, priority);
	}
	(void)puts("");
}

static void print_run(const struct look *s)
{
	const struct journal_state *state = &s->journal;

	if (!s->said.journal)
		(void)puts("journal    cannot be read (see above)");
	else if (state->disable_open)
		(void)printf("journal    OPEN: run %s disabled the service and did not enable it: drr-agent recover -c %s\n", state->disable_run,
			     s->said.config->path);
	else if (state->run_open)
		(void)printf("journal    OPEN: run %s, last step %s\n", state->run, journal_step_name(state->last_step));
	else
		(void)printf("journal    nothing open\n");
	if (s->said.journal && state->run[0] && !state->run_open)
		(void)printf("last run   %s, exit %d\n", state->run, state->exit_code);
	if (s->said.journal && state->standing.granted)
		(void)printf("grant      run %s, asked for by %s\n", state->standing.grant_run, state->standing.grant_by);
	if (s->said.journal && situation_is_held(&state->standing))
		(void)printf("hold       by %s: %s\n", state->standing.hold_owner, state->standing.hold_reason);
}

/* As the daemon has kept it last. */
static void print_watchdog(const struct look *s)
{
	char when[CLOCK_TEXT_BYTES];

	if (!s->kept)
		return;
	(void)printf("watchdog   %s since %s, on_reboot = %s: %s\n", watchdog_state_name(s->dog.state), clock_text(when, s->dog.since.wall_ms), watchdog_policy_name(s->dog.settings.policy),
		     dash(s->dog.sentence));
	if (s->dog.next[0])
		(void)printf("  next     %s\n", s->dog.next);
}

/* Only where there is more than one. */
static void print_ways(const struct look *s)
{
	unsigned count;
	const struct situation_question *asked = situation_questions(&count);

	if (!s->said.config->xmi.url.text[0])
		return;
	(void)printf("asked      ");
	for (unsigned i = 0; i < count; i++)
		(void)printf("%s%s %s", i > 0 ? ", " : "", asked[i].name, dash(link_way_name(s->said.link, asked[i].op)));
	(void)printf("\n");
	if (s->said.link->xmi_error.code != ERROR_NONE)
		(void)printf("xmi        NOT USED: %s\n", s->said.link->xmi_error.what);
}

static void print_text(const struct look *s)
{
	const struct appliance_facts *facts = &s->said.link->facts;

	(void)printf("member     %s, address %s\n", s->said.config->agent.name, dash(asking_address(&s->asking)));
	(void)printf("appliance  %s, serial %s, up %lld s, domain %s\n", dash(facts->firmware), dash(facts->serial),
		     (long long)facts->uptime_reload_s, s->said.config->appliance.domain);
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
	if (s->said.config->log.source == CONFIG_LOG_NONE)
		(void)puts("log        no source is configured");
	else if (!s->log.readable)
		(void)printf("log        cannot be read: %s\n", s->log.error.what);
	else if (s->log.found)
		(void)printf("log        last event %s at %s, last written %lld s ago\n", s->log.code, dash(s->log.time), (long long)s->log.age_ms / 1000);
	else
		(void)printf("log        no event of the gateway service in its last %d bytes\n", ASKING_HISTORY_BYTES);
	print_run(s);
	print_watchdog(s);
}

/* The first three must be answered; what only some ways or some firmware can tell stays unknown. */
static int ask_all(struct look *s, struct error *error)
{
	unsigned count;
	const struct situation_question *asked = situation_questions(&count);

	for (unsigned i = 0; i < count; i++) {
		struct error unknown = {0};
		bool needed = asked[i].needed;

		if (!needed && asked[i].op != APPLIANCE_ASK_SERVICE && s->said.link->facts.ways[APPLIANCE_ASK_OBJECT] == APPLIANCE_WAY_NONE)
			continue;
		if (asking_do(&s->asking, asked[i].op, needed ? error : &unknown) && (needed || unknown.code == ERROR_FAILED))
			return needed ? -1 : error_set(error, unknown.code, NULL, "%s", unknown.what);
	}
	return 0;
}

int ask_status(const struct config *config, bool json, bool verbose)
{
	static struct look s;
	struct error error = {0}, journal_error = {0}, ignored = {0};
	bool torn;
	int failed;

	s.said = (struct situation){.config = config, .link = &the_link, .log = &s.log, .lag_ms = -1};
	failed = asking_open(&s.asking, &the_link, config, verbose, &error) || ask_all(&s, &error);
	if (!failed) {
		s.said.address = asking_address(&s.asking);
		peering_view_make(&the_link.facts.table, s.said.address, &s.view);
		asking_last_event(&s.asking, &s.log);
		s.kept = kept_read(config, &s.dog, true, kept_tell_nobody, NULL, &ignored) > 0;
		if (logbook_peek(config->agent.state_dir, &s.journal, &torn, &journal_error) == 0)
			s.said.journal = &s.journal;
		else
			(void)report_error(&journal_error);
		if (json)
			print_json(&s);
		else
			print_text(&s);
	}
	asking_close(&s.asking);
	return failed ? report_error(&error) : 0;
}
