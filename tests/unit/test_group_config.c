/* agent/group/group_config: each rule once, and that sample, manual page and table do not fall apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "group/group_config.h"

#define CONF DRR_TESTS_DIR "/../conf"
#define PIN "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define HEAD "[group]\ncertificate=/c\nkey=/k\n"
#define MEMBER "[member gw1]\nurl=https://h\npin=" PIN "\n"
#define MANAGER "[api_manager]\nurl=https://m\nca_file=/ca\nclient_id=i\nclient_secret_file=s\norg=o\ncatalogs=c\n"

static struct group_config config;
static struct error error;

static int parse(const char *text)
{
	error_clear(&error);
	return group_config_parse(text, strlen(text), "g.conf", &config, &error);
}

static void assert_good(const char *text)
{
	if (parse(text) != 0)
		fail_msg("%s\n%s", text, error.what);
}

static void assert_bad(const char *text, const char *why)
{
	if (parse(text) != -1)
		fail_msg("taken: %s", text);
	assert_int_equal(error.code, ERROR_CONFIG);
	if (!strstr(error.what, why))
		fail_msg("%s\nsays: %s\nnot: %s", text, error.what, why);
	assert_true(error.next[0] != '\0');
}

static void takes_members(void **state)
{
	assert_good(HEAD "name=g\norder=rolling\nmax_unavailable=2\n" MEMBER "[member gw 2]\nurl=https://[::1]:99/\nca_file=/ca\n[member gw3]\nurl=unix:///run/api.sock\n");
	assert_int_equal(config.member_count, 3);
	assert_string_equal(config.members[0].name, "gw1");
	assert_string_equal(config.members[0].door.url.host, "h");
	assert_int_equal(config.members[0].door.url.port, 8443);
	assert_string_equal(config.members[0].door.pins[0], PIN);
	assert_string_equal(config.members[1].name, "gw 2");
	assert_string_equal(config.members[1].door.url.host, "::1");
	assert_int_equal(config.members[1].door.url.port, 99);
	assert_string_equal(config.members[1].door.ca_file, "/ca");
	assert_int_equal(config.members[1].door.pin_count, 0);
	assert_string_equal(config.members[2].door.url.path, "/run/api.sock");
	assert_string_equal(config.members[2].door.url.host, "");
	assert_int_equal(config.group.max_unavailable, 2);
	assert_int_equal(group_config_member(&config, "gw3"), 2);
	assert_int_equal(group_config_member(&config, "gw4"), -1);
	/* a section between members; the keys go where they belong */
	assert_good(MEMBER HEAD "[member b]\nurl=unix:///b\n");
	assert_string_equal(config.group.key, "/k");
}

static void checks_members(void **state)
{
	assert_bad(HEAD, "g.conf: no [member NAME] section");
	assert_bad(HEAD "[member]\nurl=https://h\n", "g.conf:4: [member]: this section has a name behind it");
	assert_bad(HEAD "[group x]\n", "g.conf:4: [group x]: unknown section; allowed: [group] [member NAME] [api_manager]");
	assert_bad(HEAD MEMBER MEMBER, "g.conf:7: [gw1]: this member stands in the file twice");
	assert_bad(HEAD "[member gw1]\nurl=https://h\n", "g.conf: [member gw1] pin: missing");
	assert_bad(HEAD "[member gw1]\npin=" PIN "\n[member gw2]\nurl=unix:///a\n", "g.conf: [member gw1] url: missing");
	assert_bad(HEAD MEMBER "ca_file=/x\n", "g.conf:7: [member gw1] ca_file: pin and ca_file exclude");
	assert_bad(HEAD MEMBER "url=https://other\n", "g.conf:7: [member gw1] url: this key stands in the section twice");
	assert_bad(HEAD MEMBER "prin=x\n", "g.conf:7: [member gw1] prin: unknown key (did you mean pin?); allowed here: url, pin, ca_file");
	assert_bad(HEAD "[member gw1]\nurl=http://h\n", "bad value \"http://h\"; allowed: https://HOST");
	assert_bad(HEAD "[member gw1]\nurl=unix://a\n", "bad value");
	assert_bad("[member gw1]\nurl=unix:///a\npin=" PIN "\n", "unix:// has no use for pin");
	assert_bad(MEMBER, "g.conf: [group] certificate: missing");
	assert_bad("[group]\ncertificate=/c\n" MEMBER, "g.conf: [group] key: missing");
	assert_bad(HEAD "order=zigzag\n" MEMBER, "g.conf:4: [group] order: bad value \"zigzag\"; allowed: rolling, together");
	assert_bad(HEAD "order=together\nmax_unavailable=2\n" MEMBER, "has no meaning with order = together");
	assert_bad(HEAD "max_unavailable=33\n" MEMBER, "allowed: 1..32");
	assert_bad(HEAD HEAD, "g.conf:4: [group]: this section stands in the file twice");
	assert_bad("url=x\n", "a key before the first [section]");
	assert_bad(HEAD "[member aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\nurl=unix:///a\n", "at most 63 bytes");
	assert_good("[member aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\nurl=unix:///a\n");
}

static void limits_members(void **state)
{
	char text[4096] = "";

	for (int i = 0; i < GROUP_MEMBERS_MAX; i++)
		(void)snprintf(text + strlen(text), sizeof text - strlen(text), "[member m%d]\nurl=unix:///s%d\n", i, i);
	assert_good(text);
	assert_int_equal(config.member_count, GROUP_MEMBERS_MAX);
	(void)snprintf(text + strlen(text), sizeof text - strlen(text), "[member last]\nurl=unix:///s\n");
	assert_bad(text, "at most 32 members");
}

static void checks_api_manager(void **state)
{
	static const char *const needed[] = {"url", "client_id", "client_secret_file", "org", "catalogs"};

	assert_good(HEAD MEMBER);
	assert_string_equal(config.api_manager.door.url.text, "");
	assert_good(HEAD MEMBER MANAGER "catalogs = a, b\nnudge=never\nsummary=append\nnudge_after_s=0\nstatus_timeout_s=0\n");
	assert_int_equal(config.api_manager.catalog_count, 3);
	assert_string_equal(config.api_manager.catalogs[2], "b");
	assert_int_equal(config.api_manager.door.url.port, 443);
	assert_good(HEAD MEMBER MANAGER "username=u\nrealm=r/x\npassword_file=p\n");
	assert_bad(HEAD MEMBER MANAGER "username=u\npassword_file=p\n", "[api_manager] realm: missing");
	assert_bad(HEAD MEMBER MANAGER "username=u\nrealm=r\n", "[api_manager] password_file: missing");
	assert_bad(HEAD MEMBER MANAGER "realm=r\n", "[api_manager] username: missing");
	assert_bad(HEAD MEMBER MANAGER "username=u\nrealm=r\npassword_file=p\napi_key_file=k\n", "username and api_key_file exclude");
	assert_bad(HEAD MEMBER MANAGER "pin=" PIN "\n", "pin and ca_file exclude");
	assert_bad(HEAD MEMBER MANAGER "catalogs=a/b\n", "bad value \"a/b\"; allowed: names of letters");
	for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++) {
		char text[1024], line[64], *at;

		(void)snprintf(text, sizeof text, "%s", HEAD MEMBER MANAGER);
		(void)snprintf(line, sizeof line, "\n%s=", needed[i]);
		at = strstr(strstr(text, "[api_manager]"), line);
		assert_non_null(at);
		memmove(at, strchr(at + 1, '\n'), strlen(strchr(at + 1, '\n')) + 1);
		(void)snprintf(line, sizeof line, "[api_manager] %s: missing", needed[i]);
		assert_bad(text, line);
	}
}

/* The whole file, NUL-terminated; the caller frees. */
static char *slurp(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = calloc(1, 65536);

	assert_non_null(file);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, file) > 0);
	(void)fclose(file);
	return text;
}

/* The sample as it is; and with every comment that is a key made one. */
static void sample_is_complete(void **state)
{
	char *text = slurp(CONF "/group.conf"), *page = slurp(CONF "/group.conf.5");
	const char *section, *name;

	assert_good(text);
	assert_true(config.member_count > 1);
	for (size_t i = 0; (name = group_config_key(i, &section)); i++) {
		char line[80];

		(void)snprintf(line, sizeof line, "\n%s = ", name);
		if (!strstr(text, line)) {
			(void)snprintf(line, sizeof line, "\n#%s = ", name);
			if (!strstr(text, line))
				fail_msg("the sample lacks [%s] %s", section, name);
		}
		(void)snprintf(line, sizeof line, ".B %s\n", name);
		if (!strstr(page, line))
			fail_msg("the manual page lacks [%s] %s", section, name);
	}
	for (char *at = text; (at = strstr(at, "\n#")); at++) {
		size_t word = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz_");

		if (at[2] == '[' || (strncmp(at + 2 + word, " = ", 3) == 0 && strncmp(at + 2, "ca_file", word) != 0 && strncmp(at + 2, "api_key_file", word) != 0))
			at[1] = ' ';
	}
	assert_good(text);
	assert_string_equal(config.api_manager.org, "example");
	free(text);
	free(page);
}

static void describes_every_key(void **state)
{
	char memory[GROUP_DESCRIBE_BYTES];
	const char *section, *name;
	struct buf out;

	buf_init(&out, memory, sizeof memory);
	assert_int_equal(group_config_describe(&out), 0);
	assert_non_null(strstr(memory, "[member NAME]\n"));
	for (size_t i = 0; (name = group_config_key(i, &section)); i++)
		assert_non_null(strstr(memory, name));
}

static void loads_files(void **state)
{
	error_clear(&error);
	assert_int_equal(group_config_load(CONF "/group.conf", &config, &error), 0);
	assert_int_equal(group_config_load("/nonexistent/group.conf", &config, &error), -1);
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, "/nonexistent/group.conf"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_members),       cmocka_unit_test(checks_members),  cmocka_unit_test(limits_members), cmocka_unit_test(checks_api_manager),
		cmocka_unit_test(describes_every_key), cmocka_unit_test(loads_files),     cmocka_unit_test(sample_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
