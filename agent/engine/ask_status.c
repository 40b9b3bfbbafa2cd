/* ask_status.c - one table, made of the same object that --json prints: it was asked of the daemon, or of the appliance where there is none. */
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
#include "engine/talk.h"

enum { SHOWN_BYTES = 2048, PATH_BYTES = 40 };

static struct link the_link; /* large */

/* ---- the table ------------------------------------------------------------------------------------------------ */

/* Text, yes and no, or a number; "-" where it is not known. Filled up with blanks to WIDE. */
static void show(const struct json *value, int wide)
{
	char shown[SHOWN_BYTES] = "-";
	const char *text = json_string(value);
	int64_t number;
	bool truth;

	if (text && text[0])
		(void)text_escape(shown, sizeof shown, text, strlen(text));
	else if (json_int(value, &number))
		(void)snprintf(shown, sizeof shown, "%lld", (long long)number);
	else if (json_bool(value, &truth))
		(void)snprintf(shown, sizeof shown, "%s", truth ? "yes" : "no");
	(void)printf("%-*s", wide, shown);
}

/* TEXT, in it {path} or {path:wide} for what stands there. */
static void say(const struct json *top, const char *text)
{
	char path[PATH_BYTES], *wide;

	for (;;) {
		size_t plain = strcspn(text, "{"), length = strcspn(text, "}");

		(void)printf("%.*s", (int)plain, text);
		if (text[plain] == '\0')
			return;
		(void)snprintf(path, sizeof path, "%.*s", (int)(length - plain - 1), text + plain + 1);
		wide = strchr(path, ':');
		if (wide)
			*wide++ = '\0';
		show(talk_at(top, path), wide ? atoi(wide) : 0);
		text += length + 1;
	}
}

/* Only where PATH is known. */
static void say_known(const struct json *top, const char *path, const char *text)
{
	if (talk_at(top, path))
		say(top, text);
}

static void print_rows(const struct json *top)
{
	const struct json *rows = talk_at(top, "peering.rows"), *row;
	const char *own = talk_string(top, "member.address"), *address;

	(void)printf("\n  %-24s %-5s %-8s %-8s %-16s %s\n", "ADDRESS", "LINK", "PRIMARY", "PENDING", "OFFSET", "PRIORITY");
	for (size_t i = 0; (row = json_at(rows, i)) != NULL; i++) {
		address = talk_string(row, "address");
		(void)printf("%s ", own && address && strcmp(own, address) == 0 ? "*" : " ");
		say(row, "{address:24} {link:5} {primary:8} {pending_updates:8} {replication_offset:16} {priority}\n");
	}
	(void)puts("");
}

static void print_run(const struct json *top, const struct config *config)
{
	bool open;

	if (!json_bool(talk_at(top, "journal.open"), &open))
		say(top, "journal    cannot be read (see above)\n");
	else if (talk_bool(top, "journal.disable_open")) {
		say(top, "journal    OPEN: run {run.id} disabled the service and did not enable it: drr-agent recover -c ");
		(void)printf("%s\n", config->path);
	} else
		say(top, open ? "journal    OPEN: run {run.id}, last step {run.last_step}\n" : "journal    nothing open\n");
	if (!talk_bool(top, "run.open"))
		say_known(top, "run", "last run   {run.id}, exit {run.exit}\n");
	say_known(top, "grant", "grant      run {grant.run}, asked for by {grant.by}\n");
	say_known(top, "hold", "hold       by {hold.owner}: {hold.reason}\n");
}

static void print_watchdog(const struct json *top)
{
	say_known(top, "watchdog", "watchdog   {watchdog.state} since {watchdog.since}, on_reboot = {watchdog.policy}: {watchdog.sentence}\n");
	say_known(top, "watchdog.next", "  next     {watchdog.next}\n");
}

/* Only where there is more than one. */
static void print_ways(const struct json *top, const struct config *config)
{
	const struct json *ways = talk_at(top, "appliance.ways"), *way;

	if (!config->xmi.url.text[0])
		return;
	(void)printf("asked     ");
	for (size_t i = 0; (way = json_at(ways, i)) != NULL; i++) {
		(void)printf("%s %s ", i > 0 ? "," : "", json_key(way));
		show(way, 0);
	}
	(void)puts("");
	say_known(top, "appliance.xmi_trouble", "xmi        NOT USED: {appliance.xmi_trouble}\n");
}

static void print_log(const struct json *top)
{
	if (!talk_at(top, "log.source"))
		say(top, "log        no source is configured\n");
	else if (!talk_bool(top, "log.readable"))
		say(top, "log        cannot be read: {log.trouble}\n");
	else if (!talk_at(top, "log.last_event"))
		say(top, "log        no event of the gateway service in what was read\n");
	else
		say(top, "log        last event {log.last_event} at {log.last_event_time}\n");
	say_known(top, "log.written_s", "           last written {log.written_s} s ago\n");
}

/* What the daemon alone has. */
static void print_agent(const struct json *top)
{
	if (!talk_at(top, "agent"))
		return;
	say(top, "agent      {agent.version}, at work since {agent.started}: {agent.state}\n");
	say_known(top, "step", "step       {step.id}, {step.phase}: {step.sentence}\n");
	say_known(top, "agent.trouble", "trouble    {agent.trouble}\n");
	say(top, "as of      {as_of}\n");
}

static void print_text(const struct json *top, const struct config *config)
{
	const char *admin_state = talk_string(top, "service.admin_state");
	int64_t primaries = 0;

	(void)json_int(talk_at(top, "peering.primaries"), &primaries);
	say(top, "member     {member.name}, address {member.address}\n"
		 "appliance  {appliance.firmware}, serial {appliance.serial}, up {appliance.uptime_s} s, domain {appliance.domain}\n");
	print_ways(top, config);
	say(top, "peering    {peering.object} (named by {peering.named_by}), {peering.object_state}, persistence {peering.persistence}, ");
	(void)printf("%s, %s\n", talk_bool(top, "peering.quorum") ? "quorum" : "NO QUORUM",
		     primaries == 1 ? "one primary" : primaries ? "SEVERAL PRIMARIES" : "NO PRIMARY");
	print_rows(top);
	(void)printf("service    %s, ", admin_state && strcmp(admin_state, "enabled") == 0 ? admin_state : admin_state ? "DISABLED" : "not known");
	say(top, "{service.op_state}");
	say_known(top, "service.event_code", ", {service.event_code}");
	(void)puts("");
	say_known(top, "collections", "catalogs   {collections} API collections\n");
	if (talk_bool(top, "appliance.unsaved"))
		say(top, "unsaved    the domain has configuration that was not saved\n");
	print_log(top);
	print_run(top, config);
	print_watchdog(top);
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
	struct watchdog dog; /* as the daemon has kept it last */
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
	struct error error = {0}, journal_error = {0}, ignored = {0};
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
		if (kept_read(config, &s.dog, true, kept_tell_nobody, NULL, &ignored) > 0)
			json_set(top, "watchdog", situation_watchdog(&s.dog));
		else
			json_set_null(top, "watchdog");
		print(top, config, json);
		json_free(top);
	}
	asking_close(&s.asking);
	return failed ? report_error(&error) : 0;
}
