/* ask_status.c - one table, made of the same object that --json prints: it was asked of the daemon, or of the appliance where there is none. */
#include "engine/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/asking.h"
#include "engine/logbook.h"
#include "engine/report.h"
#include "engine/situation.h"
#include "engine/talk.h"

enum { SHOWN_BYTES = 2048, SHOWN_AT_ONCE = 6 };

static struct link the_link; /* large */

/* ---- the table ------------------------------------------------------------------------------------------------ */

/* Text, yes and no, or a number; "-" where it is not known. Good until the next but five. */
static const char *show(const struct json *top, const char *path)
{
	static char shown[SHOWN_AT_ONCE][SHOWN_BYTES];
	static unsigned turn;
	char *out = shown[turn++ % SHOWN_AT_ONCE];
	const struct json *value = talk_at(top, path);
	const char *text = json_string(value);
	int64_t number;
	bool truth;

	if (text && text[0])
		return text_escape(out, SHOWN_BYTES, text, strlen(text));
	if (json_int(value, &number))
		(void)snprintf(out, SHOWN_BYTES, "%lld", (long long)number);
	else
		(void)snprintf(out, SHOWN_BYTES, "%s", json_bool(value, &truth) ? truth ? "yes" : "no" : "-");
	return out;
}

static void print_rows(const struct json *top)
{
	const struct json *rows = talk_at(top, "peering.rows"), *row;
	const char *own = talk_string(top, "member.address"), *address;

	(void)printf("\n  %-24s %-5s %-8s %-8s %-16s %s\n", "ADDRESS", "LINK", "PRIMARY", "PENDING", "OFFSET", "PRIORITY");
	for (size_t i = 0; (row = json_at(rows, i)) != NULL; i++) {
		address = talk_string(row, "address");
		(void)printf("%s %-24s %-5s %-8s %-8s %-16s %s\n", own && address && strcmp(own, address) == 0 ? "*" : " ", show(row, "address"), show(row, "link"),
			     show(row, "primary"), show(row, "pending_updates"), show(row, "replication_offset"), show(row, "priority"));
	}
	(void)puts("");
}

static void print_run(const struct json *top, const struct config *config)
{
	const struct json *run = talk_at(top, "run");
	bool open;

	if (!json_bool(talk_at(top, "journal.open"), &open))
		(void)puts("journal    cannot be read (see above)");
	else if (talk_bool(top, "journal.disable_open"))
		(void)printf("journal    OPEN: run %s disabled the service and did not enable it: drr-agent recover -c %s\n", show(run, "id"), config->path);
	else if (open)
		(void)printf("journal    OPEN: run %s, last step %s\n", show(run, "id"), show(run, "last_step"));
	else
		(void)puts("journal    nothing open");
	if (run && !talk_bool(run, "open"))
		(void)printf("last run   %s, exit %s\n", show(run, "id"), show(run, "exit"));
	if (talk_at(top, "grant"))
		(void)printf("grant      run %s, asked for by %s\n", show(top, "grant.run"), show(top, "grant.by"));
	if (talk_at(top, "hold"))
		(void)printf("hold       by %s: %s\n", show(top, "hold.owner"), show(top, "hold.reason"));
}

/* Only where there is more than one. */
static void print_ways(const struct json *top, const struct config *config)
{
	const struct json *ways = talk_at(top, "appliance.ways");
	unsigned count;
	const struct situation_question *asked = situation_questions(&count);

	if (!config->xmi.url.text[0])
		return;
	(void)printf("asked      ");
	for (unsigned i = 0; i < count; i++)
		(void)printf("%s%s %s", i > 0 ? ", " : "", asked[i].name, show(ways, asked[i].name));
	(void)puts("");
	if (talk_at(top, "appliance.xmi_trouble"))
		(void)printf("xmi        NOT USED: %s\n", show(top, "appliance.xmi_trouble"));
}

static void print_log(const struct json *top)
{
	if (!talk_at(top, "log.source"))
		(void)puts("log        no source is configured");
	else if (!talk_bool(top, "log.readable"))
		(void)printf("log        cannot be read: %s\n", show(top, "log.trouble"));
	else if (!talk_at(top, "log.last_event"))
		(void)puts("log        no event of the gateway service in what was read");
	else
		(void)printf("log        last event %s at %s\n", show(top, "log.last_event"), show(top, "log.last_event_time"));
	if (talk_at(top, "log.written_s"))
		(void)printf("           last written %s s ago\n", show(top, "log.written_s"));
}

/* What the daemon alone has. */
static void print_agent(const struct json *top)
{
	if (!talk_at(top, "agent"))
		return;
	(void)printf("agent      %s, at work since %s: %s\n", show(top, "agent.version"), show(top, "agent.started"), show(top, "agent.state"));
	if (talk_at(top, "step"))
		(void)printf("step       %s, %s: %s\n", show(top, "step.id"), show(top, "step.phase"), show(top, "step.sentence"));
	if (talk_at(top, "agent.trouble"))
		(void)printf("trouble    %s\n", show(top, "agent.trouble"));
	(void)printf("as of      %s\n", show(top, "as_of"));
}

static const char *primaries(const struct json *top)
{
	int64_t count = 0;

	(void)json_int(talk_at(top, "peering.primaries"), &count);
	return count == 1 ? "one primary" : count ? "SEVERAL PRIMARIES" : "NO PRIMARY";
}

static void print_text(const struct json *top, const struct config *config)
{
	const char *service;

	(void)printf("member     %s, address %s\n", show(top, "member.name"), show(top, "member.address"));
	(void)printf("appliance  %s, serial %s, up %s s, domain %s\n", show(top, "appliance.firmware"), show(top, "appliance.serial"), show(top, "appliance.uptime_s"),
		     show(top, "appliance.domain"));
	print_ways(top, config);
	(void)printf("peering    %s (named by %s), %s, persistence %s, %s, %s\n", show(top, "peering.object"), show(top, "peering.named_by"), show(top, "peering.object_state"),
		     show(top, "peering.persistence"), talk_bool(top, "peering.quorum") ? "quorum" : "NO QUORUM", primaries(top));
	print_rows(top);
	service = show(top, "service.admin_state");
	(void)printf("service    %s, %s%s%s\n", strcmp(service, "enabled") == 0 ? service : "DISABLED", show(top, "service.op_state"), talk_at(top, "service.event_code") ? ", " : "",
		     talk_at(top, "service.event_code") ? show(top, "service.event_code") : "");
	if (talk_at(top, "collections"))
		(void)printf("catalogs   %s API collections\n", show(top, "collections"));
	if (talk_bool(top, "appliance.unsaved"))
		(void)puts("unsaved    the domain has configuration that was not saved");
	print_log(top);
	print_run(top, config);
	print_agent(top);
}

static void print(const struct json *top, const struct config *config, bool json)
{
	char *text = json_text(top, true);
	struct error error = {0};
	struct json *again = json ? NULL : json_parse(text, strlen(text), &error); /* what was built, and not read, has no numbers to be got */

	if (again)
		print_text(again, config);
	else
		(void)puts(text);
	json_free(again);
	free(text);
}

/* ---- asking the daemon ---------------------------------------------------------------------------------------- */

/* The exit code, or -1: there is none. What it could not ask of the appliance now is shown as it was. */
static int ask_daemon(const struct config *config, bool json)
{
	static struct talk talk;
	struct error error = {0};
	enum talk_found found = talk_open(&talk, config, "/v1/state?max_age_ms=0", &error);
	int64_t exit_code = 0;

	if (found == TALK_NOBODY)
		return -1;
	if (found == TALK_FAILED)
		return report_error(&error);
	print(talk.client.answer, config, json);
	(void)json_int(talk_at(talk.client.answer, "agent.trouble_exit"), &exit_code);
	talk_close(&talk);
	return (int)exit_code;
}

/* ---- asking the appliance ------------------------------------------------------------------------------------- */

struct look {
	struct situation said;
	struct asking asking;
	struct asking_event log;
	struct journal_state journal;
};

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
	struct error error = {0}, journal_error = {0};
	int failed = ask_daemon(config, json);
	struct json *top;
	bool torn;

	if (failed >= 0)
		return failed;
	s.said = (struct situation){.config = config, .link = &the_link, .log = &s.log, .lag_ms = -1};
	failed = asking_open(&s.asking, &the_link, config, verbose, &error) || ask_all(&s, &error);
	if (!failed) {
		s.said.address = asking_address(&s.asking);
		asking_last_event(&s.asking, &s.log);
		if (logbook_peek(config->agent.state_dir, &s.journal, &torn, &journal_error) == 0)
			s.said.journal = &s.journal;
		else
			(void)report_error(&journal_error);
		top = situation_json(&s.said);
		print(top, config, json);
		json_free(top);
	}
	asking_close(&s.asking);
	return failed ? report_error(&error) : 0;
}
