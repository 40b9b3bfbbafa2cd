#include "group/group_config.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "platform/durable.h"

#define AT(field) offsetof(struct group_config, field)
#define OF(field) offsetof(struct group_member_config, field)

enum { PORT_AGENT = 8443, PORT_API_MANAGER = 443 };

static const struct option_key keys[] = {
	{"group", "name", KIND_LABEL, AT(group.name), "group", .help = "how the group is called in outputs"},
	{"group", "order", KIND_CHOICE, AT(group.order), "rolling", .choices = OPTION_CHOICES("rolling", "together"),
	 .help = "rolling: one member's service after the other is restarted; together: all at once"},
	{"group", "max_unavailable", KIND_NUMBER, AT(group.max_unavailable), "1", .min = 1, .max = GROUP_MEMBERS_MAX,
	 .help = "rolling: how many members may be disabled at once"},
	{"group", "certificate", KIND_PATH, AT(group.certificate), .shown = "required where a url is https://",
	 .help = "our own certificate (PEM), which the agents know by their client_ca; its CN stands in their operators"},
	{"group", "key", KIND_PATH, AT(group.key), .shown = "required where a url is https://", .help = "its private key (PEM)"},
	{"group", "connect_timeout_s", KIND_NUMBER, AT(group.connect_timeout_s), "10", .min = 1, .max = 300,
	 .help = "seconds until a member is connected, TLS included"},
	{"group", "answer_timeout_s", KIND_NUMBER, AT(group.answer_timeout_s), "30", .min = 1, .max = 600,
	 .help = "seconds until a member has answered a request; its appliance may be slow"},
	{"group", "patience_s", KIND_NUMBER, AT(group.patience_s), "120", .min = 5, .max = 3600,
	 .help = "seconds that a member may not answer in the middle of a run, until it is given up"},
	{"member", "url", KIND_DOOR, OF(door.url), .shown = "port when none is written: 8443", .min = PORT_AGENT, .required = true,
	 .help = "the agent's HTTPS interface; unix:///PATH: its socket, on this machine"},
	{"member", "pin", KIND_PIN, OF(door.pins), .count = OF(door.pin_count), .max = GROUP_PINS_MAX, .shown = "pin or ca_file is required for https://",
	 .help = "hash of the agent's public key (drr-agent cert show); repeat it or separate by commas, up to 4"},
	{"member", "ca_file", KIND_PATH, OF(door.ca_file), .shown = "pin or ca_file is required for https://",
	 .help = "CA certificates (PEM); the agent's certificate must then be valid for the url's host"},
	{"api_manager", "url", KIND_URL, AT(api_manager.door.url), .shown = "required in this section", .min = PORT_API_MANAGER,
	 .help = "API Manager's address; without the section a run waits for the heartbeat"},
	{"api_manager", "pin", KIND_PIN, AT(api_manager.door.pins), .count = AT(api_manager.door.pin_count), .max = GROUP_PINS_MAX,
	 .shown = "pin or ca_file is required in this section", .help = "hash of its public key, as curl --pinnedpubkey takes it; up to 4"},
	{"api_manager", "ca_file", KIND_PATH, AT(api_manager.door.ca_file), .shown = "pin or ca_file is required in this section",
	 .help = "CA certificates (PEM); its certificate must then be valid for the url's host"},
	{"api_manager", "realm", KIND_LABEL, AT(api_manager.realm), .shown = "required with username",
	 .help = "where the user is known, for example provider/default-idp-2"},
	{"api_manager", "client_id", KIND_LABEL, AT(api_manager.client_id), .shown = "required in this section",
	 .help = "the client application that API Manager knows us by"},
	{"api_manager", "client_secret_file", KIND_SECRET, AT(api_manager.client_secret_file), .shown = "required in this section",
	 .help = "file that holds its secret"},
	{"api_manager", "username", KIND_LABEL, AT(api_manager.username), .shown = "with password_file; or api_key_file; or neither: client credentials",
	 .help = "a user that may change the catalogs"},
	{"api_manager", "password_file", KIND_SECRET, AT(api_manager.password_file), .shown = "required with username", .help = "file that holds the user's password"},
	{"api_manager", "api_key_file", KIND_SECRET, AT(api_manager.api_key_file), .shown = "default: none", .help = "file that holds an API key, in place of a user"},
	{"api_manager", "org", KIND_WORD, AT(api_manager.org), .shown = "required in this section", .help = "provider organization of the catalogs"},
	{"api_manager", "catalogs", KIND_CATALOG, AT(api_manager.catalogs), .count = AT(api_manager.catalog_count), .max = GROUP_CATALOGS_MAX,
	 .shown = "required in this section", .help = "catalogs that the gateway service is configured for: an event goes out for each; up to 16"},
	{"api_manager", "nudge", KIND_CHOICE, AT(api_manager.nudge), "auto", .choices = OPTION_CHOICES("auto", "always", "never"),
	 .help = "whether a run makes API Manager send an event; auto: when no heartbeat came within nudge_after_s"},
	{"api_manager", "summary", KIND_CHOICE, AT(api_manager.summary), "restore", .choices = OPTION_CHOICES("restore", "append"),
	 .help = "the catalog's summary is changed for that; restore: put back at once; append: the marker stays, the older marker goes"},
	{"api_manager", "nudge_after_s", KIND_NUMBER, AT(api_manager.nudge_after_s), "420", .min = 0, .max = 86400,
	 .help = "auto: seconds until the heartbeat (300 s) is overdue"},
	{"api_manager", "status_timeout_s", KIND_NUMBER, AT(api_manager.status_timeout_s), "300", .min = 0, .max = 86400,
	 .help = "after a run or a nudge: how long API Manager is asked until every catalog is up to date; 0: not at all"},
};

enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

_Static_assert((int)KEY_COUNT <= (int)OPTIONS_KEYS_MAX, "the table has room");
_Static_assert((int)GROUP_CATALOG_BYTES == (int)CONFIG_NAME_BYTES, "an entry of KIND_CATALOG");

static void *begin_member(struct option_parse *parse, const char *name)
{
	struct group_config *config = parse->values;
	struct group_member_config *member;

	if (group_config_member(config, name) >= 0) {
		(void)options_fail_section(parse, name, "this member stands in the file twice");
		return NULL;
	}
	if (config->member_count == GROUP_MEMBERS_MAX) {
		(void)options_fail_section(parse, name, "a group has at most 32 members");
		return NULL;
	}
	member = &config->members[config->member_count];
	if (text_copy(member->name, sizeof member->name, name, strlen(name)) != 0) {
		(void)options_fail_section(parse, name, "a member's name has at most 63 bytes");
		return NULL;
	}
	config->member_count++;
	return member;
}

/* An https:// door needs to know whose it is. */
static int check_trust(struct option_parse *parse, const char *section, const struct group_door *door)
{
	if (door->pin_count > 0 && door->ca_file[0])
		return options_fail(parse, options_line(parse, section, "ca_file"), section, "ca_file", "pin and ca_file exclude each other: take one out");
	if (door->url.host[0] && door->pin_count == 0 && door->ca_file[0] == '\0')
		return options_fail(parse, 0, section, "pin", "missing; pin or ca_file is required: nothing is trusted on first use");
	if (door->url.host[0] == '\0' && (door->pin_count > 0 || door->ca_file[0]))
		return options_fail(parse, 0, section, "url", "unix:// has no use for pin and ca_file: take them out");
	return 0;
}

static int end_member(struct option_parse *parse)
{
	const struct group_member_config *member = parse->named;

	return check_trust(parse, "member", &member->door);
}

static const struct options_table table = {
	.keys = keys, .count = KEY_COUNT, .next_check = "correct the file (group.conf(5)), then: drrctl status -g FILE", .named = "member",
	.begin_named = begin_member, .end_named = end_member,
};

/* ---- what depends on several keys ---- */

static int check_group(struct option_parse *parse)
{
	const struct group_config *config = parse->values;
	bool https = false;

	if (config->member_count == 0)
		return error_set(parse->error, ERROR_CONFIG, table.next_check, "%s: no [member NAME] section; a group has at least one member", parse->path);
	for (unsigned i = 0; i < config->member_count; i++)
		https |= config->members[i].door.url.host[0] != '\0';
	if (options_line(parse, "group", "max_unavailable") != 0 && config->group.order == GROUP_TOGETHER)
		return options_fail(parse, options_line(parse, "group", "max_unavailable"), "group", "max_unavailable",
				    "has no meaning with order = together, only with rolling");
	if (!https)
		return 0;
	if (options_fail_missing(parse, "group", "certificate", "missing; an agent's https:// wants our certificate") != 0)
		return -1;
	return options_fail_missing(parse, "group", "key", "missing; an agent's https:// wants our certificate");
}

static int check_credentials(struct option_parse *parse)
{
	const struct group_config *config = parse->values;

	if (config->api_manager.username[0] && config->api_manager.api_key_file[0])
		return options_fail(parse, options_line(parse, "api_manager", "api_key_file"), "api_manager", "api_key_file",
				    "username and api_key_file exclude each other: take one out");
	if (config->api_manager.username[0] == '\0') {
		if (config->api_manager.password_file[0] || config->api_manager.realm[0])
			return options_fail(parse, 0, "api_manager", "username", "missing; realm and password_file belong to it");
		return 0;
	}
	if (options_fail_missing(parse, "api_manager", "realm", "missing; username needs it") != 0)
		return -1;
	return options_fail_missing(parse, "api_manager", "password_file", "missing; username needs it");
}

/* The section is there or not; half of it is a mistake. */
static int check_api_manager(struct option_parse *parse)
{
	static const char *const needed[] = {"url", "client_id", "client_secret_file", "org", "catalogs"};
	const struct group_config *config = parse->values;

	if (!options_has_section(parse, "api_manager"))
		return 0;
	for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++)
		if (options_fail_missing(parse, "api_manager", needed[i], "missing; [api_manager] needs it") != 0)
			return -1;
	if (check_trust(parse, "api_manager", &config->api_manager.door) != 0)
		return -1;
	return check_credentials(parse);
}

/* ---- the file ---- */

int group_config_parse(const char *text, size_t text_bytes, const char *path, struct group_config *config, struct error *error)
{
	struct option_parse parse;

	memset(config, 0, sizeof *config);
	if (text_copy(config->path, sizeof config->path, path, strlen(path)) != 0)
		return error_set(error, ERROR_CONFIG, NULL, "the configuration file's path is longer than %d bytes", CONFIG_TEXT_BYTES - 1);
	if (options_parse(&parse, &table, text, text_bytes, path, config, error) != 0 || check_group(&parse) != 0)
		return -1;
	return check_api_manager(&parse);
}

int group_config_load(const char *path, struct group_config *config, struct error *error)
{
	char text[CONFIG_FILE_MAX_BYTES];
	struct error reading = {0};
	size_t got;

	if (durable_read(path, text, sizeof text, &got, &reading) != 0)
		return error_set(error, ERROR_CONFIG, "check the file's name, owner and mode", "%s", reading.what);
	if (got == 0)
		return error_set(error, ERROR_CONFIG, "name it with -g FILE, or write it (group.conf(5))", "%s: no such configuration file, or an empty one", path);
	return group_config_parse(text, got, path, config, error);
}

int group_config_member(const struct group_config *config, const char *name)
{
	for (unsigned i = 0; i < config->member_count; i++)
		if (strcmp(config->members[i].name, name) == 0)
			return (int)i;
	return -1;
}

int group_config_describe(struct buf *out)
{
	return options_describe(&table, out);
}

const char *group_config_key(size_t index, const char **section)
{
	return options_key(&table, index, section);
}
