#include "engine/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/asking.h"
#include "engine/logbook.h"
#include "engine/report.h"
#include "engine/source.h"
#include "platform/json.h"
#include "platform/process.h"

static struct link the_link; /* large */

static const char *dash(const char *text)
{
	return text && text[0] ? text : "-";
}

/* ---- check ---------------------------------------------------------------------------------------------------- */

static void print_key(const struct link *link)
{
	if (!link->cli.ssh.key_fingerprint[0])
		return;
	(void)printf("host key   %s (%s)\n", link->cli.ssh.key_fingerprint, link->cli.ssh.key_type);
}

/* The other key, and whether that way works. */
static int print_xmi(const struct link *link)
{
	const struct config *config = link->config;

	if (!config->xmi.url.text[0])
		return 0;
	if (link->xmi.tls.pin[0])
		(void)printf("xmi pin    %s%s%s\n", link->xmi.tls.pin, link->xmi.tls.version[0] ? ", TLS " : "", link->xmi.tls.version);
	if (link->xmi_error.code == ERROR_NONE) {
		(void)printf("xmi        %s: user %s\n", config->xmi.url.text, config->xmi.user);
		return 0;
	}
	(void)fflush(stdout);
	return report_error(&link->xmi_error);
}

static void print_connected(const struct asking *asking)
{
	const struct config *config = asking->config;
	const struct link *link = asking->link;
	const struct appliance_facts *facts = &link->facts;

	(void)printf("log-in     user %s%s%s\n", config->cli.user, link->cli.ssh.auth_method ? ", SSH method " : "",
		     link->cli.ssh.auth_method ? link->cli.ssh.auth_method : "");
	(void)printf("appliance  %s, serial %s\n", dash(facts->firmware), dash(facts->serial));
	(void)printf("domain     %s: entered\n", config->appliance.domain);
	(void)printf("peering    object %s (named by %s), own address %s\n", facts->object, facts->object_source, dash(asking_address(asking)));
	(void)printf("diag       %s\n", facts->diag == PEERING_YES ? "this user has it" : "this user does not have it: no flush from here");
}

static int check_log(struct asking *asking)
{
	const struct config *config = asking->config;
	struct asking_event last;

	if (config->log.source == CONFIG_LOG_NONE)
		return 0;
	asking_last_event(asking, &last);
	(void)printf("log        %s: %s%s%s\n", config->log.source == CONFIG_LOG_FILE ? config->log.file : source_name(config->log.source),
		     last.readable ? config->log.source == CONFIG_LOG_SYSLOG ? "listening" : "readable" : "CANNOT BE READ", last.readable ? "" : ": ",
		     last.readable ? "" : last.error.what);
	return last.readable ? 0 : 1;
}

static int connect_and_look(const struct config *config, bool verbose)
{
	static const enum appliance_op ops[] = {APPLIANCE_ASK_IDENTITY, APPLIANCE_ASK_OBJECT, APPLIANCE_ASK_PEERING};
	struct error error = {0};
	struct asking asking;
	int exit_code = 0, xmi_code;
	int failed = asking_open(&asking, &the_link, config, verbose, &error);

	for (unsigned i = 0; !failed && i < sizeof ops / sizeof ops[0]; i++)
		failed = asking_do(&asking, ops[i], &error);
	/* The command line is looked at in any case: the flush needs it. */
	if (!failed && asking_do(&asking, APPLIANCE_ASK_DIAG, &error) && error.code != ERROR_PERMISSION)
		failed = 1;
	print_key(&the_link);
	(void)fflush(stdout);
	xmi_code = print_xmi(&the_link);
	if (failed) {
		exit_code = report_error(&error);
	} else {
		print_connected(&asking);
		if (check_log(&asking))
			exit_code = error_exit_code(ERROR_CONFIG);
	}
	asking_close(&asking);
	return exit_code ? exit_code : xmi_code;
}

/* What the supervisor needs to start drrctl. Whoever checks is taken for the daemon's user. */
static int check_drrctl(const struct config *config)
{
	char drrctl[PROCESS_PATH_BYTES];
	struct error error = {0};

	if (config->watchdog.group_file[0] == '\0')
		return 0;
	if (access(config->watchdog.group_file, R_OK) != 0)
		(void)error_set_errno(&error, ERROR_CONFIG, errno, "correct group_file in [watchdog], or the file's owner and mode", "group_file %s cannot be read",
				      config->watchdog.group_file);
	else if (access(process_beside("drrctl", drrctl), X_OK) != 0)
		(void)error_set_errno(&error, ERROR_CONFIG, errno, "install drrctl beside drr-agent: with group_file the daemon starts it",
				      "%s cannot be executed", drrctl);
	return error.code == ERROR_NONE ? 0 : report_error(&error);
}

int ask_check(const struct config *config, bool connect, bool verbose)
{
	char memory[1024];
	struct buf warnings;
	int exit_code, drrctl_code;

	buf_init(&warnings, memory, sizeof memory);
	(void)config_warnings(config, &warnings);
	(void)printf("%s: valid\n%s", config->path, warnings.data);
	(void)fflush(stdout);
	drrctl_code = check_drrctl(config);
	exit_code = connect ? connect_and_look(config, verbose) : 0;
	return exit_code ? exit_code : drrctl_code;
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
