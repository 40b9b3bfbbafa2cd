/* The façade's scripts against a small appliance that answers by tables, is lost at any line, complains at any line or leaves another mode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "appliance/cli.h"

enum fault { FAULT_NONE, FAULT_LOST_BEFORE, FAULT_LOST_AFTER, FAULT_COMPLAINT, FAULT_UNKNOWN, FAULT_MODE };

static struct dialogue d;
static struct cli cli;
static struct appliance_facts facts;
static struct cli_settings cli_settings;
static struct appliance_wanted wanted;
static struct dialogue_settings settings = {"admin", NULL, "apiconnect"};

static struct { /* the appliance */
	char domain[64], mode[64];
	const char *manager, *service, *object; /* answers to show */
	bool confirms, no_such_domain, stuck, empty; /* EMPTY: no API collections */
	enum fault fault;
	int at;           /* the line with the fault, counted from 0 behind the log-in */
	int lines;
	char log[1024];   /* what it read, with `|` between */
} box;

static const char manager_dump[] = "gateway-peering-manager [up]\r\n----\r\n admin-state enabled\r\n apic-gw-service gwd  [up]\r\n";
static const char manager_empty[] = "gateway-peering-manager [up]\r\n----\r\n admin-state enabled\r\n";
static const char service_dump[] = "apic-gw-service [up]\r\n----\r\n admin-state enabled\r\n v5-compatibility-mode off\r\n";
static const char object_dump[] = "gateway-peering: tms [up]\r\n----\r\n local-address 10.0.0.9\r\n\r\ngateway-peering: gwd [up]\r\n----\r\n"
				  " local-address 10.0.0.1\r\n persistence local\r\n";
static const char table_text[] = " Address  Configuration name Pending updates Replication offset Link status Primary \r\n"
				 " -------- ------------------ --------------- ------------------ ----------- ------- \r\n"
				 " 10.0.0.1 gwd                0               5172227903         ok          yes     \r\n"
				 " 10.0.0.1 tms                0               5172227903         ok          no      \r\n";

static void say(const char *text)
{
	dialogue_input(&d, text, strlen(text));
}

static void prompt(void)
{
	char text[200], domain[80] = "", mode[80] = "";

	if (strcmp(box.domain, "default") != 0)
		snprintf(domain, sizeof domain, "[%s]", box.domain);
	if (box.mode[0])
		snprintf(mode, sizeof mode, "(%s)", box.mode);
	snprintf(text, sizeof text, "idg%s%s# ", domain, mode);
	say(text);
}

static void set_mode(const char *mode)
{
	snprintf(box.mode, sizeof box.mode, "%.60s", mode);
}

static void leave(void)
{
	set_mode(strncmp(box.mode, "config ", 7) == 0 ? "config" : "");
}

/* Does what the line says, when it has a fault it does that instead. True: no prompt is printed now. */
static bool obey(const char *line)
{
	if (strcmp(line, "show version") == 0)
		say("Version: IDG.10.0.3.0 build 333705 on Jun 16, 2021\r\nSerial number: 0000001\r\n");
	else if (strcmp(line, "show time") == 0)
		say("Uptime: reload: 0 days 01:43:14\r\nUptime: reboot: 0 days 01:44:28\r\n");
	else if (strcmp(line, "show gateway-peering-manager") == 0)
		say(box.manager);
	else if (strcmp(line, "show apic-gw-service") == 0)
		say(box.service);
	else if (strcmp(line, "show gateway-peering") == 0)
		say(box.object);
	else if (strcmp(line, "show gateway-peering-status") == 0)
		say(table_text);
	else if (strcmp(line, "gateway-peering-diag gwd info") == 0)
		say("# Keyspace\r\n");
	else if (strcmp(line, "diag") == 0 || strcmp(line, "config") == 0)
		set_mode(line);
	else if (strcmp(line, "apic-gw-service") == 0)
		set_mode("config apic-gw-service");
	else if (strncmp(line, "gateway-peering ", 16) == 0)
		set_mode("config gateway-peering");
	else if (strcmp(line, "show api-collection") == 0 && !box.empty)
		say("api-collection: a [up]\r\n----\r\n x y\r\n\r\napi-collection: b [up]\r\n----\r\n x y\r\n");
	else if (strcmp(line, "show logging target") == 0)
		say("logging target: gwd-log [up]\r\n----\r\n type file\r\n event apic-gw-service debug\r\n");
	else if (strcmp(line, "top") == 0 && !box.stuck && strcmp(box.mode, "diag") != 0)
		set_mode("");
	else if (strcmp(line, "exit") == 0 || strcmp(line, "cancel") == 0)
		leave();
	else if (strncmp(line, "switch domain ", 14) == 0 && !box.no_such_domain)
		snprintf(box.domain, sizeof box.domain, "%.60s", line + 14);
	else if (strncmp(line, "switch domain ", 14) == 0)
		say("\r\n% Domain unknown\r\n\r\n");
	else if (strncmp(line, "gateway-peering-flush ", 22) == 0 && box.confirms) {
		say("Continue? Yes/No [y/n]: ");
		dialogue_quiet(&d);
		return true;
	}
	return false;
}

/* One line of output, if there is one. */
static bool read_line(char line[300])
{
	size_t count;
	const char *bytes = dialogue_output(&d, &count);

	if (count == 0)
		return false;
	if (box.fault == FAULT_LOST_BEFORE && box.lines == box.at) {
		dialogue_ended(&d, "before");
		return false;
	}
	snprintf(line, 300, "%.*s", (int)count - 1, bytes);
	dialogue_sent(&d, count);
	return true;
}

static void serve(void)
{
	char line[300], echo[310];
	int number = box.lines;

	if (!read_line(line))
		return;
	number = box.lines++;
	strncat(box.log, line, sizeof box.log - strlen(box.log) - 2);
	strcat(box.log, "|");
	if (box.fault == FAULT_LOST_AFTER && number == box.at) {
		dialogue_ended(&d, "after");
		return;
	}
	snprintf(echo, sizeof echo, "%s\r\n", line);
	say(echo);
	if (number == box.at && box.fault == FAULT_COMPLAINT)
		say("\r\n% No.\r\n\r\n");
	else if (number == box.at && box.fault == FAULT_UNKNOWN)
		say("Unknown command or macro (x)\r\n");
	else if (number == box.at && box.fault == FAULT_MODE)
		set_mode("strange");
	else if (obey(line))
		return;
	prompt();
}

static enum cli_status run(enum appliance_op op)
{
	box.lines = 0;
	box.log[0] = '\0';
	cli_start(&cli, op);
	for (int i = 0; cli_step(&cli) == CLI_BUSY; i++) {
		assert_true(i < 50);
		serve();
	}
	return cli.status;
}

/* A session that stands at the prompt of DOMAIN, in MODE. */
static void begin_at(const char *domain, const char *mode)
{
	memset(&box, 0, sizeof box);
	memset(&facts, 0, sizeof facts);
	snprintf(box.domain, sizeof box.domain, "default");
	snprintf(facts.object, sizeof facts.object, "gwd");
	box.manager = manager_dump;
	box.service = service_dump;
	box.object = object_dump;
	box.confirms = true;
	wanted = (struct appliance_wanted){.persistence = "local", .local_directory = "local:///x"};
	cli_settings = (struct cli_settings){.domain = "apiconnect", .object = "", .wanted = &wanted};
	dialogue_init(&d, &settings);
	cli_init(&cli, &d, &cli_settings, &facts);
	prompt();
	for (int i = 0; i < 4; i++)
		dialogue_quiet(&d);
	serve();
	dialogue_quiet(&d);
	assert_int_equal(d.state, DIALOGUE_READY);
	snprintf(box.domain, sizeof box.domain, "%s", domain);
	set_mode(mode);
	snprintf(d.domain, sizeof d.domain, "%s", domain);
	snprintf(d.mode, sizeof d.mode, "%s", mode);
	box.at = -1;
}

static void begin(void)
{
	begin_at("apiconnect", "");
}

static const char *const lines_of[APPLIANCE_OP_COUNT] = {
	[APPLIANCE_ENTER] = "",
	[APPLIANCE_ASK_IDENTITY] = "show version|show time|",
	[APPLIANCE_ASK_OBJECT] = "show gateway-peering-manager|show apic-gw-service|show gateway-peering|",
	[APPLIANCE_ASK_PEERING] = "show gateway-peering-status|",
	[APPLIANCE_ASK_SERVICE] = "show apic-gw-service|",
	[APPLIANCE_ASK_DIAG] = "diag|exit|",
	[APPLIANCE_ASK_STORE] = "diag|gateway-peering-diag gwd info|exit|",
	[APPLIANCE_ASK_COLLECTIONS] = "show api-collection|",
	[APPLIANCE_ASK_PEERINGS] = "show gateway-peering|",
	[APPLIANCE_ASK_LOG_TARGETS] = "show logging target|",
	[APPLIANCE_SET_PERSISTENCE] = "config|gateway-peering gwd|persistence local|local-directory local:///x|exit|exit|",
	[APPLIANCE_SWITCH_PRIMARY] = "config|gateway-peering-switch-primary gwd|exit|",
	[APPLIANCE_FLUSH] = "diag|gateway-peering-flush gwd|y|exit|",
	[APPLIANCE_DISABLE] = "config|apic-gw-service|admin-state disabled|exit|exit|",
	[APPLIANCE_ENABLE] = "config|apic-gw-service|admin-state enabled|exit|exit|",
};

static void each_operation_sends_its_lines(void **state)
{
	for (unsigned op = 0; op < APPLIANCE_OP_COUNT; op++) {
		begin();
		assert_true(appliance_op_name(op)[0]);
		assert_int_equal(appliance_op_changes(op), op >= APPLIANCE_SWITCH_PRIMARY);
		assert_int_equal(cli_can(op), lines_of[op] != NULL);
		if (!cli_can(op))
			continue;
		assert_int_equal(run(op), CLI_DONE);
		assert_string_equal(box.log, lines_of[op]);
		assert_int_equal(cli.effect, appliance_op_changes(op) ? APPLIANCE_EFFECT_DONE : APPLIANCE_NO_EFFECT);
	}
	begin();
	snprintf(wanted.persistence, sizeof wanted.persistence, "memory");
	wanted.local_directory[0] = '\0';
	assert_int_equal(run(APPLIANCE_SET_PERSISTENCE), CLI_DONE);
	assert_string_equal(box.log, "config|gateway-peering gwd|persistence memory|exit|exit|");
	begin();
	box.confirms = false;
	assert_int_equal(run(APPLIANCE_FLUSH), CLI_DONE);
	assert_string_equal(box.log, "diag|gateway-peering-flush gwd|exit|");
	assert_int_equal(cli.effect, APPLIANCE_EFFECT_DONE);
	assert_false(d.confirmed);
}

static void text_is_asked_as_it_is(void **state)
{
	begin();
	cli_start_text(&cli, "show logging target");
	while (cli_step(&cli) == CLI_BUSY)
		serve();
	assert_int_equal(cli.status, CLI_DONE);
	assert_non_null(strstr(d.answer, "event apic-gw-service debug"));
	begin();
	cli_start_text(&cli, "diag");
	while (cli_step(&cli) == CLI_BUSY)
		serve();
	assert_int_equal(cli.status, CLI_FAILED); /* left in a mode */
}

/* One letter a line: n no effect, p possible, d done. The most important table of all: what is known when a line goes wrong. */
static const struct {
	enum appliance_op op;
	const char *lost_before, *lost_after, *complaint, *mode;
} effects[] = {
	{APPLIANCE_SWITCH_PRIMARY, "nnd", "npd", "nnd", "npd"},
	/*                          diag, flush, y, exit; a complaint behind the y may be about half of the work */
	{APPLIANCE_FLUSH, "nnpd", "nppd", "nnpd", "nppd"},
	/*                 config, object, admin-state, exit, exit */
	{APPLIANCE_DISABLE, "nnnpd", "nnppd", "nnnpd", "nppp!"},
	{APPLIANCE_ENABLE, "nnnpd", "nnppd", "nnnpd", "nppp!"},
	/*                         config, object, persistence, local-directory, exit, exit */
	{APPLIANCE_SET_PERSISTENCE, "nnnppd", "nnpppd", "nnnppd", "npppp!"},
	{APPLIANCE_ASK_STORE, "nnn", "nnn", "n-n", "nnn"},
	{APPLIANCE_ASK_OBJECT, "nnn", "nnn", "-nn", "nnn"},
};

static void check_effects(enum appliance_op op, enum fault fault, const char *expected)
{
	static const char letters[] = "npd";

	for (int at = 0; expected[at]; at++) {
		enum cli_status status;

		if (expected[at] == '!' || expected[at] == '-')
			continue; /* the last exit into another mode is a failure with the effect done; `-`: tolerated */
		begin();
		box.fault = fault;
		box.at = at;
		status = run(op);
		if (fault == FAULT_MODE && status == CLI_DONE) /* an object's mode is not looked at: the text is not known */
			continue;
		if (status != CLI_FAILED || letters[cli.effect] != expected[at])
			fail_msg("%s, fault %d at line %d: status %d, effect %d, %s", appliance_op_name(op), fault, at, status, cli.effect, cli.error.what);
		assert_int_not_equal(cli.error.code, ERROR_NONE);
		assert_int_equal(d.state == DIALOGUE_FAILED, fault == FAULT_LOST_BEFORE || fault == FAULT_LOST_AFTER);
	}
}

static void effects_are_told_exactly(void **state)
{
	for (unsigned i = 0; i < sizeof effects / sizeof effects[0]; i++) {
		check_effects(effects[i].op, FAULT_LOST_BEFORE, effects[i].lost_before);
		check_effects(effects[i].op, FAULT_LOST_AFTER, effects[i].lost_after);
		check_effects(effects[i].op, FAULT_COMPLAINT, effects[i].complaint);
		check_effects(effects[i].op, FAULT_UNKNOWN, effects[i].complaint);
		check_effects(effects[i].op, FAULT_MODE, effects[i].mode);
	}
}

static void a_session_is_used_again_behind_a_complaint(void **state)
{
	begin();
	box.fault = FAULT_COMPLAINT;
	box.at = 2; /* admin-state disabled: the object stays open */
	assert_int_equal(run(APPLIANCE_DISABLE), CLI_FAILED);
	box.fault = FAULT_NONE;
	assert_int_equal(run(APPLIANCE_ASK_SERVICE), CLI_DONE);
	assert_string_equal(box.log, "cancel|top|show apic-gw-service|"); /* not exit: that would apply it */
	for (int at = 1; at < 3; at++) {
		begin();
		box.fault = FAULT_COMPLAINT;
		box.at = at; /* the flush, or the y behind it: we stay in diag */
		assert_int_equal(run(APPLIANCE_FLUSH), CLI_FAILED);
		box.fault = FAULT_NONE;
		assert_int_equal(run(APPLIANCE_ASK_PEERING), CLI_DONE);
		assert_string_equal(box.log, "exit|show gateway-peering-status|");
	}
}

static void the_prelude_leads_to_the_domain(void **state)
{
	static const struct {
		const char *domain, *mode, *lines;
	} cases[] = {
		{"apiconnect", "", ""}, {"default", "", "switch domain apiconnect|"}, {"default", "config", "top|switch domain apiconnect|"},
		{"apiconnect", "diag", "exit|"}, {"other", "config web-mgmt", "cancel|top|switch domain apiconnect|"},
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin_at(cases[i].domain, cases[i].mode);
		assert_int_equal(run(APPLIANCE_ENTER), CLI_DONE);
		assert_string_equal(box.log, cases[i].lines);
		for (int at = 0; at < 3; at++) {
			begin_at(cases[i].domain, cases[i].mode);
			box.fault = FAULT_LOST_AFTER;
			box.at = at;
			(void)run(APPLIANCE_FLUSH);
			if (box.log[0] && !strstr(box.log, "flush")) /* lost on the way there */
				assert_int_equal(cli.effect, APPLIANCE_NO_EFFECT);
		}
	}
	begin_at("default", "");
	box.no_such_domain = true;
	assert_int_equal(run(APPLIANCE_ENABLE), CLI_FAILED);
	assert_int_equal(cli.error.code, ERROR_PERMISSION);
	assert_non_null(strstr(cli.error.what, "Domain unknown"));
	assert_int_equal(cli.effect, APPLIANCE_NO_EFFECT);
	begin_at("apiconnect", "config");
	box.stuck = true;
	assert_int_equal(run(APPLIANCE_ENABLE), CLI_FAILED);
	assert_int_equal(cli.error.code, ERROR_ANSWER);
}

static void diag_may_be_missing(void **state)
{
	begin();
	box.fault = FAULT_UNKNOWN;
	box.at = 0;
	assert_int_equal(run(APPLIANCE_ASK_DIAG), CLI_FAILED);
	assert_int_equal(cli.error.code, ERROR_PERMISSION);
	assert_int_equal(facts.diag, PEERING_NO);
	begin(); /* a prompt in the wrong mode says nothing about rights */
	box.fault = FAULT_MODE;
	box.at = 0;
	assert_int_equal(run(APPLIANCE_ASK_DIAG), CLI_FAILED);
	assert_int_equal(cli.error.code, ERROR_ANSWER);
	assert_int_equal(facts.diag, PEERING_UNKNOWN);
	begin(); /* older firmware has no store to ask */
	box.fault = FAULT_UNKNOWN;
	box.at = 1;
	assert_int_equal(run(APPLIANCE_ASK_STORE), CLI_DONE);
	assert_int_equal(facts.store_keys, -1);
}

static void the_object_is_chosen(void **state)
{
	static const char old[] = "apic-gw-service: default [down]\r\n----\r\n admin-state disabled\r\n gateway-peering old [up]\r\n";
	static const char v5_on[] = "apic-gw-service [up]\r\n----\r\n admin-state enabled\r\n gateway-peering old\r\n v5-compatibility-mode on\r\n";
	static const char v5_off[] = "apic-gw-service [up]\r\n----\r\n admin-state enabled\r\n gateway-peering old\r\n v5-compatibility-mode off\r\n";
	static const char same[] = "apic-gw-service [up]\r\n----\r\n admin-state enabled\r\n gateway-peering gwd\r\n";
	static const char strange[] = "apic-gw-service [up]\r\n----\r\n admin-state perhaps\r\n";
	static const struct {
		const char *configured, *manager, *service, *object; /* NULL: refused */
	} cases[] = {
		{"", manager_dump, service_dump, "gwd"}, {"", manager_empty, old, "old"}, {"", manager_dump, v5_on, "old"},
		{"", manager_dump, v5_off, "gwd"}, {"", manager_dump, same, "gwd"}, {"", manager_dump, old, NULL},
		{"", manager_empty, service_dump, NULL}, {"tms", manager_dump, old, "tms"}, {"nowhere", manager_dump, old, NULL},
		{"", "Unknown command or macro (show)\r\n", old, "old"}, {"", manager_dump, strange, NULL}, {"", manager_dump, "\r\n", NULL},
		{"", "\r\n", "\r\n", NULL},
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		begin();
		cli_settings.object = cases[i].configured;
		cli_init(&cli, &d, &cli_settings, &facts);
		facts.object[0] = '\0';
		facts.have_object = true; /* of an earlier look */
		box.manager = cases[i].manager;
		box.service = cases[i].service;
		box.object = cases[i].object && strcmp(cases[i].object, "old") == 0 ? "gateway-peering: old [up]\r\n----\r\n local-address a\r\n" : object_dump;
		if ((run(APPLIANCE_ASK_OBJECT) == CLI_DONE) != (cases[i].object != NULL))
			fail_msg("case %u: %s", i, cli.error.what);
		if (cases[i].object)
			assert_string_equal(facts.object, cases[i].object);
		else
			assert_int_equal(cli.error.code, ERROR_ANSWER);
	}
}

static void facts_are_filled(void **state)
{
	begin();
	assert_int_equal(run(APPLIANCE_ASK_IDENTITY), CLI_DONE);
	assert_string_equal(facts.firmware, "IDG.10.0.3.0");
	assert_int_equal(facts.uptime_reload_s, 6194);
	assert_int_equal(run(APPLIANCE_ASK_OBJECT), CLI_DONE);
	assert_string_equal(facts.local_address, "10.0.0.1");
	assert_string_equal(facts.persistence, "local");
	assert_int_equal(run(APPLIANCE_ASK_PEERING), CLI_DONE);
	assert_int_equal(facts.table.count, 1);
	box.service = "apic-gw-service: default [down]\r\n----\r\n admin-state disabled\r\n";
	assert_int_equal(run(APPLIANCE_ASK_SERVICE), CLI_DONE);
	assert_int_equal(facts.admin_state, APPLIANCE_ADMIN_DISABLED);
	assert_string_equal(facts.op_state, "down");
}

static void no_command_without_an_object(void **state)
{
	begin();
	facts.object[0] = '\0';
	assert_int_equal(run(APPLIANCE_FLUSH), CLI_FAILED);
	assert_string_equal(box.log, "diag|");
	assert_int_equal(cli.effect, APPLIANCE_NO_EFFECT);
}

/* None shown is not the same as a firmware that does not know the command. */
static void no_collections(void **state)
{
	begin();
	assert_int_equal(run(APPLIANCE_ASK_COLLECTIONS), CLI_DONE);
	assert_int_equal(facts.collections, 2);
	assert_false(facts.shows_no_collections);
	box.empty = true;
	assert_int_equal(run(APPLIANCE_ASK_COLLECTIONS), CLI_DONE);
	assert_int_equal(facts.collections, -1);
	assert_true(facts.shows_no_collections);
	box.fault = FAULT_UNKNOWN;
	box.at = 0;
	assert_int_equal(run(APPLIANCE_ASK_COLLECTIONS), CLI_DONE);
	assert_int_equal(facts.collections, -1);
	assert_false(facts.shows_no_collections);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_sends_its_lines), cmocka_unit_test(text_is_asked_as_it_is),
		cmocka_unit_test(effects_are_told_exactly),
		cmocka_unit_test(a_session_is_used_again_behind_a_complaint),
		cmocka_unit_test(the_prelude_leads_to_the_domain),
		cmocka_unit_test(diag_may_be_missing),
		cmocka_unit_test(the_object_is_chosen),
		cmocka_unit_test(facts_are_filled),
		cmocka_unit_test(no_command_without_an_object), cmocka_unit_test(no_collections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
