/* Credentials that were refused once are not sent again, also where state_dir cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "engine/refused.h"

static char folder[] = "/tmp/test_refused.XXXXXX";
static struct config config;

static void write_file(const char *name, const char *text)
{
	char path[200];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	memset(&config, 0, sizeof config);
	write_file("agent.conf", "x");
	write_file("password", "secret-one");
	write_file("password.xmi", "secret-two");
	(void)snprintf(config.path, sizeof config.path, "%s/agent.conf", folder);
	(void)snprintf(config.agent.state_dir, sizeof config.agent.state_dir, "%s", folder);
	(void)snprintf(config.cli.host, sizeof config.cli.host, "gw1");
	config.cli.port = 22;
	(void)snprintf(config.cli.user, sizeof config.cli.user, "admin");
	(void)snprintf(config.cli.password_file, sizeof config.cli.password_file, "%s/password", folder);
	(void)snprintf(config.xmi.url.text, sizeof config.xmi.url.text, "https://gw1:5550/");
	(void)snprintf(config.xmi.user, sizeof config.xmi.user, "agent");
	(void)snprintf(config.xmi.password_file, sizeof config.xmi.password_file, "%s/password.xmi", folder);
	return 0;
}

static void lose_state_dir(void)
{
	(void)snprintf(config.agent.state_dir, sizeof config.agent.state_dir, "%s/missing", folder);
}

/* The sentence after it. */
static const char *remember(enum refused_way way)
{
	static struct error refusal;

	error_clear(&refusal);
	(void)error_set(&refusal, ERROR_AUTH, "do that", "the appliance refused user admin");
	refused_remember(&config, way, &refusal);
	assert_int_equal(refusal.code, ERROR_AUTH);
	assert_string_equal(refusal.next, "do that");
	assert_int_equal(strncmp(refusal.what, "the appliance refused user admin", 32), 0);
	return refusal.what;
}

static void expect(enum refused_way way, bool refused)
{
	struct error error = {0};

	assert_int_equal(refused_check(&config, way, &error), refused ? -1 : 0);
	assert_int_equal(error.code, refused ? ERROR_AUTH : ERROR_NONE);
	if (refused) {
		assert_non_null(strstr(error.what, "is not tried again"));
		assert_non_null(strstr(error.what, way == REFUSED_CLI ? "user admin at 20" : "user agent of the XML management interface at 20"));
		assert_null(strstr(error.what, "secret"));
	}
}

static void it_is_remembered_until_a_file_changes(void **state)
{
	expect(REFUSED_CLI, false);
	assert_string_equal(remember(REFUSED_CLI), "the appliance refused user admin");
	expect(REFUSED_CLI, true);
	expect(REFUSED_CLI, true);
	expect(REFUSED_XMI, false);
	write_file("password", "secret-of-another-length");
	expect(REFUSED_CLI, false);
	write_file("password", "secret-one");
	expect(REFUSED_CLI, false);
}

static void it_is_remembered_where_nothing_can_be_written(void **state)
{
	const char *what;

	lose_state_dir();
	for (enum refused_way way = REFUSED_CLI; way <= REFUSED_XMI; way++) {
		expect(way, false);
		what = remember(way);
		assert_non_null(strstr(what, "/missing/refused"));
		assert_non_null(strstr(what, "only this process knows"));
		assert_null(strstr(what, "secret"));
		expect(way, true);
		expect(way, true);
	}
	write_file("password", "secret-of-another-length");
	expect(REFUSED_CLI, false);
	write_file("password", "secret-one");
	expect(REFUSED_CLI, false);
	expect(REFUSED_XMI, true);
	write_file("password.xmi", "secret-of-another-length");
	expect(REFUSED_XMI, false);
}

static void each_account_has_its_own_memory(void **state)
{
	lose_state_dir();
	(void)remember(REFUSED_CLI);
	(void)remember(REFUSED_CLI); /* takes no second place */
	strcpy(config.cli.host, "gw2");
	expect(REFUSED_CLI, false);
	(void)remember(REFUSED_CLI);
	expect(REFUSED_CLI, true);
	strcpy(config.cli.host, "gw1");
	expect(REFUSED_CLI, true);
	for (int i = 0; i < 5; i++) { /* the oldest makes room, the newest is always known */
		(void)snprintf(config.cli.user, sizeof config.cli.user, "user-%d", i);
		(void)remember(REFUSED_CLI);
		assert_int_equal(refused_check(&config, REFUSED_CLI, &(struct error){0}), -1);
	}
}

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[100];

	(void)snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_is_remembered_until_a_file_changes, set_up),
		cmocka_unit_test_setup(it_is_remembered_where_nothing_can_be_written, set_up),
		cmocka_unit_test_setup(each_account_has_its_own_memory, set_up),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
