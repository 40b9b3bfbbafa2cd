/* config.c - one table of keys. A row holds all that is known about a key: the parser, the defaults, the checks of single values, the
 * messages about them, and the printed description read the same row, so they cannot disagree. What depends on more than one key
 * (which keys go with which transport) follows at the end, in check_*(). */
#include "config.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "platform/durable.h"

enum { WAY_SSH = 1 << CONFIG_SSH, WAY_TELNET = 1 << CONFIG_TELNET, WAY_EXEC = 1 << CONFIG_EXEC, WAY_ANY = 0 };
enum { FROM_FILE = 1 << CONFIG_LOG_FILE, FROM_XMI = 1 << CONFIG_LOG_XMI, FROM_SYSLOG = 1 << CONFIG_LOG_SYSLOG, FROM_CLI = 1 << CONFIG_LOG_CLI };

#define AT(field) offsetof(struct config, field)

static const struct option_key keys[] = {
	{"agent", "name", KIND_LABEL, AT(agent.name), .shown = "default: the host's name", .help = "how this member is called in outputs"},
	{"agent", "state_dir", KIND_PATH, AT(agent.state_dir), "/var/lib/drr-agent", .help = "folder of the journal and the lock"},
	{"agent", "log_level", KIND_CHOICE, AT(agent.log_level), "info", .choices = OPTION_CHOICES("error", "warning", "info", "debug"),
	 .help = "how much the daemon writes to its own log"},
	{"agent", "log_format", KIND_CHOICE, AT(agent.log_format), "text", .choices = OPTION_CHOICES("text", "json"), .help = "form of the lines of that log"},
	{"agent", "user", KIND_WORD, AT(agent.user), .shown = "default: the user that started it", .help = "user that the daemon becomes when root starts it"},
	{"appliance", "domain", KIND_WORD, AT(appliance.domain), .required = true,
	 .help = "application domain with the API Connect gateway service"},
	{"appliance", "peering_object", KIND_AUTO, AT(appliance.peering_object), "auto",
	 .help = "gateway-peering object of that service; auto: ask the appliance"},
	{"appliance", "address", KIND_AUTO, AT(appliance.address), "auto",
	 .help = "this member's address in the peering table; auto: the object's local address"},
	{"appliance", "gateway_mgmt_url", KIND_URL, AT(appliance.gateway_mgmt_url), .shown = "default: none", .min = 3000,
	 .help = "the gateway service's management address; audit asks it for /health"},
	{"appliance", "gateway_api_url", KIND_URL, AT(appliance.gateway_api_url), .shown = "default: none", .min = 9443,
	 .help = "the gateway's API address; audit asks it for /webapi-init-check"},
	{"appliance", "gateway_ca_file", KIND_PATH, AT(appliance.gateway_ca_file), .shown = "default: none, their certificates are not checked",
	 .help = "CA certificates (PEM) for these two addresses"},
	{"cli", "transport", KIND_CHOICE, AT(cli.transport), "ssh", .choices = OPTION_CHOICES("ssh", "telnet", "exec"),
	 .help = "way to the appliance's command line"},
	{"cli", "host", KIND_HOST, AT(cli.host), .shown = "required for ssh and telnet", .ways = WAY_SSH | WAY_TELNET,
	 .help = "name or address of the appliance's management interface"},
	{"cli", "port", KIND_NUMBER, AT(cli.port), .shown = "default: 22; telnet: 2200", .min = 1, .max = 65535, .ways = WAY_SSH | WAY_TELNET,
	 .help = "TCP port"},
	{"cli", "user", KIND_LABEL, AT(cli.user), "admin", .help = "user of the appliance; only admin has the diag mode that a flush needs"},
	{"cli", "password_file", KIND_SECRET, AT(cli.password_file), .shown = "required for telnet, and for ssh without key_file",
	 .help = "file that holds the user's password"},
	{"cli", "key_file", KIND_PATH, AT(cli.key_file), .shown = "default: none", .ways = WAY_SSH,
	 .help = "private key for SSH (RSA or ECDSA, PEM), its public half beside it as FILE.pub"},
	{"cli", "host_key", KIND_HOST_KEY, AT(cli.host_keys), .count = AT(cli.host_key_count), .max = CONFIG_HOST_KEYS_MAX,
	 .shown = "required for ssh", .ways = WAY_SSH,
	 .help = "fingerprint of the appliance's SSH key; repeat it or separate by commas, up to 8"},
	{"cli", "command", KIND_COMMAND, AT(cli.command), .shown = "required for exec", .ways = WAY_EXEC,
	 .help = "command that opens the appliance's command line, run by /bin/sh -c"},
	{"cli", "connect_timeout_s", KIND_NUMBER, AT(cli.connect_timeout_s), "15", .min = 1, .max = 300,
	 .help = "seconds until logged in"},
	{"cli", "command_timeout_s", KIND_NUMBER, AT(cli.command_timeout_s), "30", .min = 1, .max = 600,
	 .help = "seconds of silence until a command has failed"},
	{"cli", "cleartext", KIND_FLAG, AT(cli.cleartext), "no", .choices = OPTION_CHOICES("no", "yes"), .ways = WAY_TELNET,
	 .help = "yes: telnet, password included, may leave this machine"},
	{"xmi", "url", KIND_URL, AT(xmi.url), .shown = "required in this section", .min = 5550,
	 .help = "the XML management interface; without the section the command line is all there is"},
	{"xmi", "user", KIND_LABEL, AT(xmi.user), .shown = "required in this section",
	 .help = "a user of the appliance that may read states; fewer rights than [cli] user suffice"},
	{"xmi", "password_file", KIND_SECRET, AT(xmi.password_file), .shown = "required in this section", .help = "file that holds that user's password"},
	{"xmi", "pin", KIND_PIN, AT(xmi.pins), .count = AT(xmi.pin_count), .max = CONFIG_PINS_MAX, .shown = "pin or ca_file is required in this section",
	 .help = "hash of the appliance's public key, as curl --pinnedpubkey takes it; repeat it or separate by commas, up to 4"},
	{"xmi", "ca_file", KIND_PATH, AT(xmi.ca_file), .shown = "pin or ca_file is required in this section",
	 .help = "CA certificates (PEM); the appliance's certificate must then be valid for the url's host"},
	{"xmi", "tls", KIND_CHOICE, AT(xmi.tls), "bearssl", .choices = OPTION_CHOICES("bearssl", "mbedtls"),
	 .help = "TLS library; mbedtls for appliances that speak only TLS 1.3"},
	{"xmi", "timeout_s", KIND_NUMBER, AT(xmi.timeout_s), "30", .min = 1, .max = 600, .help = "seconds of silence until a request has failed"},
	{"log", "source", KIND_CHOICE, AT(log.source), "none", .choices = OPTION_CHOICES("none", "file", "xmi", "syslog", "cli"),
	 .help = "where the appliance's log is read; none: not at all"},
	{"log", "file", KIND_PATH, AT(log.file), .shown = "required for source = file", .sources = FROM_FILE, .help = "the log file, on this host"},
	{"log", "path", KIND_REMOTE, AT(log.path), .shown = "default: logtemp:///gwd-log.log; with manage_target logtemp:///drr-agent.log", .sources = FROM_XMI,
	 .help = "the log target's file, on the appliance"},
	{"log", "manage_target", KIND_FLAG, AT(log.manage_target), "no", .choices = OPTION_CHOICES("no", "yes"), .sources = FROM_XMI,
	 .help = "yes: make a small log target of our own (drr-agent) on the appliance where it is missing; it is never saved"},
	{"log", "target", KIND_WORD, AT(log.target), "gwd-log", .sources = FROM_CLI, .help = "the log target that \"show logging\" shows"},
	{"log", "listen", KIND_LISTEN, AT(log.listen), .count = AT(log.listen_count), .max = CONFIG_LISTEN_MAX,
	 .shown = "required for source = syslog", .sources = FROM_SYSLOG,
	 .help = "where the appliance's syslog target sends to; repeat it or separate by commas, up to 4"},
	{"log", "from", KIND_FROM, AT(log.from), .count = AT(log.from_count), .max = CONFIG_FROM_MAX,
	 .shown = "default: the addresses of [cli] host", .sources = FROM_SYSLOG,
	 .help = "addresses that the appliance sends from; everybody else is not heard; up to 8"},
	{"log", "certificate", KIND_PATH, AT(log.certificate), .shown = "required for tls://", .sources = FROM_SYSLOG,
	 .help = "certificate chain (PEM) of the tls:// listener"},
	{"log", "key", KIND_PATH, AT(log.key), .shown = "required for tls://", .sources = FROM_SYSLOG, .help = "its private key (PEM)"},
	{"log", "poll_ms", KIND_NUMBER, AT(log.poll_ms), "1000", .min = 100, .max = 60000,
	 .help = "milliseconds between two looks at the log, while a run waits for a line; file: where inotify is not to be had"},
	{"https", "listen", KIND_ENDPOINT, AT(https.listen), .count = AT(https.listen_count), .max = CONFIG_LISTEN_MAX, .shown = "required in this section",
	 .help = "where the HTTPS interface is; without the section there is none; repeat it or separate by commas, up to 4"},
	{"https", "certificate", KIND_PATH, AT(https.certificate), .shown = "required in this section",
	 .help = "certificate chain (PEM); \"drr-agent cert init\" makes it"},
	{"https", "key", KIND_PATH, AT(https.key), .shown = "required in this section", .help = "its private key (PEM)"},
	{"https", "client_ca", KIND_PATH, AT(https.client_ca), .shown = "required in this section",
	 .help = "certificates (PEM) of the clients that are let in, or of the CAs that sign theirs"},
	{"https", "operators", KIND_PERSON, AT(https.operators), .count = AT(https.operator_count), .max = CONFIG_PEOPLE_MAX,
	 .shown = "operators or observers are required in this section",
	 .help = "names (CN) of clients that may change something; repeat it or separate by commas, up to 16"},
	{"https", "observers", KIND_PERSON, AT(https.observers), .count = AT(https.observer_count), .max = CONFIG_PEOPLE_MAX,
	 .shown = "operators or observers are required in this section", .help = "names (CN) of clients that may look; up to 16"},
	{"watchdog", "on_reboot", KIND_CHOICE, AT(watchdog.on_reboot), "observe", .choices = OPTION_CHOICES("observe", "nudge", "bounce", "run"),
	 .help = "what is done, once, when the configuration does not come back after the appliance restarted: tell; drrctl nudge; this member's bounce; drrctl run"},
	{"watchdog", "heartbeat_s", KIND_NUMBER, AT(watchdog.heartbeat_s), "300", .min = 5, .max = 86400,
	 .help = "seconds between two heartbeats of the management server"},
	{"watchdog", "slack_s", KIND_NUMBER, AT(watchdog.slack_s), "120", .min = 0, .max = 3600,
	 .help = "seconds that a heartbeat may be late"},
	{"watchdog", "settle_s", KIND_NUMBER, AT(watchdog.settle_s), "180", .min = 5, .max = 3600,
	 .help = "seconds that peering and service may take to come up once a restarted appliance answers again"},
	{"watchdog", "group_file", KIND_PATH, AT(watchdog.group_file), .shown = "required for on_reboot = nudge and run",
	 .help = "group.conf with which drrctl is started; the agent's user must be able to read it and the files that it names"},
	{"watchdog", "notify_url", KIND_URL, AT(watchdog.notify_url), .shown = "default: none", .min = 443,
	 .help = "where the watchdog's news are sent as JSON, by HTTPS POST, with the certificate of [https] where there is one"},
	{"watchdog", "notify_pin", KIND_PIN, AT(watchdog.notify_pins), .count = AT(watchdog.notify_pin_count), .max = CONFIG_PINS_MAX,
	 .shown = "notify_pin or notify_ca_file is required with notify_url", .help = "hash of that server's public key, as curl --pinnedpubkey takes it; up to 4"},
	{"watchdog", "notify_ca_file", KIND_PATH, AT(watchdog.notify_ca_file), .shown = "notify_pin or notify_ca_file is required with notify_url",
	 .help = "CA certificates (PEM); that server's certificate must then be valid for the url's host"},
	{"limits", "bounce_deadline_s", KIND_NUMBER, AT(limits.bounce_deadline_s), "60", .min = 5, .max = 600,
	 .help = "seconds that the service may be disabled; then it is enabled whatever was seen"},
	{"limits", "confirm_timeout_s", KIND_NUMBER, AT(limits.confirm_timeout_s), "120", .min = 5, .max = 3600,
	 .help = "seconds to wait for the line that the service waits for registration"},
	{"limits", "await_timeout_s", KIND_NUMBER, AT(limits.await_timeout_s), "2400", .min = 60, .max = 14400,
	 .help = "seconds to wait until the configuration is back"},
	{"limits", "quiet_s", KIND_NUMBER, AT(limits.quiet_s), "30", .min = 1, .max = 600,
	 .help = "seconds without work in the log after a completed transaction, until the configuration counts as back"},
};


enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

static const struct options_table table = {
	.keys = keys, .count = KEY_COUNT,
	.next_check = "correct the file, then: drr-agent check -c FILE",
};

_Static_assert((int)KEY_COUNT <= (int)OPTIONS_KEYS_MAX, "the table has room");
_Static_assert(sizeof(enum config_transport) == sizeof(int) && sizeof(enum config_log_source) == sizeof(int),
	       "KIND_CHOICE stores an int");

/* ---- what depends on several keys ---- */

static struct config *config_of(const struct option_parse *parse)
{
	return parse->values;
}

/* Keys that the chosen transport has no use for are errors: whoever wrote them expects an effect. */
static int check_ways(struct option_parse *parse)
{
	unsigned transport = (unsigned)config_of(parse)->cli.transport;
	const char *const *words = options_find(&table, "cli", "transport")->choices;

	for (unsigned i = 0; i < KEY_COUNT; i++) {
		char memory[160];
		struct buf why;

		if (parse->seen[i] == 0 || keys[i].ways == WAY_ANY || (keys[i].ways & 1U << transport))
			continue;
		buf_init(&why, memory, sizeof memory);
		(void)buf_printf(&why, "has no meaning with transport = %s, only with", words[transport]);
		for (unsigned way = 0; words[way]; way++)
			if (keys[i].ways & 1U << way)
				(void)buf_printf(&why, " %s", words[way]);
		return options_fail(parse, parse->seen[i], keys[i].section, keys[i].name, why.data);
	}
	return 0;
}

static bool is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (strcmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, host, &v6) == 1 && memcmp(&v6, &in6addr_loopback, sizeof v6) == 0;
}

static int check_ssh(struct option_parse *parse)
{
	if (options_fail_missing(parse, "cli", "host", "missing; transport = ssh needs it") != 0)
		return -1;
	if (config_of(parse)->cli.port == 0)
		config_of(parse)->cli.port = 22;
	if (options_line(parse, "cli", "key_file") != 0)
		return 0;
	return options_fail_missing(parse, "cli", "password_file", "missing; transport = ssh needs it, or key_file");
}

static int check_telnet(struct option_parse *parse)
{
	struct config *config = config_of(parse);

	if (options_fail_missing(parse, "cli", "host", "missing; transport = telnet needs it") != 0)
		return -1;
	if (config->cli.port == 0)
		config->cli.port = 2200;
	if (!config->cli.cleartext && !is_loopback(config->cli.host))
		return options_fail(parse, options_line(parse, "cli", "host"), "cli", "host",
			    "telnet to another machine sends the password in clear text: take 127.0.0.1, transport = ssh, or say cleartext = yes");
	return options_fail_missing(parse, "cli", "password_file", "missing; transport = telnet needs it");
}

static int check_cli(struct option_parse *parse)
{
	if (check_ways(parse) != 0)
		return -1;
	switch (config_of(parse)->cli.transport) {
	case CONFIG_SSH: return check_ssh(parse);
	case CONFIG_TELNET: return check_telnet(parse);
	default: return options_fail_missing(parse, "cli", "command", "missing; transport = exec needs it");
	}
}

/* Keys that the chosen log source has no use for. */
static int check_sources(struct option_parse *parse)
{
	unsigned source = (unsigned)config_of(parse)->log.source;
	const char *const *words = options_find(&table, "log", "source")->choices;

	for (unsigned i = 0; i < KEY_COUNT; i++) {
		char memory[160];
		struct buf why;

		if (parse->seen[i] == 0 || keys[i].sources == 0 || (keys[i].sources & 1U << source))
			continue;
		buf_init(&why, memory, sizeof memory);
		(void)buf_add_string(&why, "has no meaning without source =");
		for (unsigned way = 0; words[way]; way++)
			if (keys[i].sources & 1U << way)
				(void)buf_printf(&why, " %s", words[way]);
		return options_fail(parse, parse->seen[i], keys[i].section, keys[i].name, why.data);
	}
	return 0;
}

static int check_syslog(struct option_parse *parse)
{
	const struct config *config = config_of(parse);

	if (options_fail_missing(parse, "log", "listen", "missing; source = syslog needs it") != 0)
		return -1;
	for (unsigned i = 0; i < config->log.listen_count; i++)
		if (config->log.listen[i].kind == CONFIG_LISTEN_TLS &&
		    (options_fail_missing(parse, "log", "certificate", "missing; listen = tls://... needs it") != 0 ||
		     options_fail_missing(parse, "log", "key", "missing; listen = tls://... needs it") != 0))
			return -1;
	if (config->log.from_count == 0 && config->cli.transport == CONFIG_EXEC)
		return options_fail_missing(parse, "log", "from", "missing; with transport = exec there is no host to take it from");
	return 0;
}

static int check_log(struct option_parse *parse)
{
	struct config *config = config_of(parse);

	if (check_sources(parse) != 0)
		return -1;
	switch (config->log.source) {
	case CONFIG_LOG_FILE:
		return options_fail_missing(parse, "log", "file", "missing; source = file needs it");
	case CONFIG_LOG_XMI:
		if (config->xmi.url.text[0] == '\0')
			return options_fail(parse, options_line(parse, "log", "source"), "log", "source", "xmi needs the section [xmi]");
		if (config->log.path[0] == '\0')
			(void)snprintf(config->log.path, sizeof config->log.path, "logtemp:///%s.log",
				       config->log.manage_target ? CONFIG_OWN_TARGET : "gwd-log");
		return 0;
	case CONFIG_LOG_SYSLOG:
		return check_syslog(parse);
	default:
		return 0;
	}
}

/* The section is there or not; half of it is a mistake. */
static int check_xmi(struct option_parse *parse)
{
	struct config_url *url = &config_of(parse)->xmi.url;

	if (!options_has_section(parse, "xmi"))
		return 0;
	if (options_fail_missing(parse, "xmi", "url", "missing; [xmi] needs it") != 0 ||
	    options_fail_missing(parse, "xmi", "user", "missing; [xmi] needs it") != 0 ||
	    options_fail_missing(parse, "xmi", "password_file", "missing; [xmi] needs it") != 0)
		return -1;
	if (strchr(config_of(parse)->xmi.user, ':'))
		return options_fail(parse, options_line(parse, "xmi", "user"), "xmi", "user", "a user name with a colon cannot be sent over HTTP");
	if (config_of(parse)->xmi.pin_count > 0 && config_of(parse)->xmi.ca_file[0])
		return options_fail(parse, options_line(parse, "xmi", "ca_file"), "xmi", "ca_file", "pin and ca_file exclude each other: take one out");
	if (strcmp(url->path, "/") == 0)
		(void)snprintf(url->path, sizeof url->path, "/service/mgmt/current");
	return 0;
}

/* An endpoint that nobody may use, or that would have to trust somebody unknown, is a mistake. */
static int check_https(struct option_parse *parse)
{
	static const char *const needed[] = {"listen", "certificate", "key", "client_ca"};
	const struct config *config = config_of(parse);

	if (!options_has_section(parse, "https"))
		return 0;
	for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++)
		if (options_fail_missing(parse, "https", needed[i], "missing; [https] needs it") != 0)
			return -1;
	if (config->https.operator_count + config->https.observer_count == 0)
		return options_fail(parse, 0, "https", "operators", "missing; [https] needs it, or observers: the clients that may use the interface");
	return 0;
}

/* Whoever is told must be known, and what is to be done must be possible. */
static int check_watchdog(struct option_parse *parse)
{
	static const char *const of_notify[] = {"notify_pin", "notify_ca_file"};
	const struct config *config = config_of(parse);
	bool pin = config->watchdog.notify_pin_count > 0, ca_file = config->watchdog.notify_ca_file[0] != '\0';

	if ((config->watchdog.on_reboot == CONFIG_NUDGE || config->watchdog.on_reboot == CONFIG_RUN) && config->watchdog.group_file[0] == '\0')
		return options_fail(parse, options_line(parse, "watchdog", "on_reboot"), "watchdog", "on_reboot",
				    "nudge and run need group_file: drrctl is started with it");
	for (unsigned i = 0; config->watchdog.notify_url.text[0] == '\0' && i < sizeof of_notify / sizeof of_notify[0]; i++)
		if (options_line(parse, "watchdog", of_notify[i]) != 0)
			return options_fail(parse, options_line(parse, "watchdog", of_notify[i]), "watchdog", of_notify[i], "has no meaning without notify_url");
	if (pin && ca_file)
		return options_fail(parse, options_line(parse, "watchdog", "notify_ca_file"), "watchdog", "notify_ca_file",
				    "notify_pin and notify_ca_file exclude each other: take one out");
	if (config->watchdog.notify_url.text[0] && !pin && !ca_file)
		return options_fail(parse, options_line(parse, "watchdog", "notify_url"), "watchdog", "notify_url",
				    "needs notify_pin or notify_ca_file: nothing is trusted on first use");
	return 0;
}

int config_parse(const char *text, size_t text_bytes, const char *path, struct config *config, struct error *error)
{
	struct option_parse parse;

	memset(config, 0, sizeof *config);
	if (text_copy(config->path, sizeof config->path, path, strlen(path)) != 0)
		return error_set(error, ERROR_CONFIG, NULL, "the configuration file's path is longer than %d bytes", CONFIG_TEXT_BYTES - 1);
	if (options_parse(&parse, &table, text, text_bytes, path, config, error) != 0 || check_cli(&parse) != 0 || check_xmi(&parse) != 0 ||
	    check_https(&parse) != 0 || check_watchdog(&parse) != 0)
		return -1;
	return check_log(&parse);
}

static void set_host_name(struct config *config)
{
	if (config->agent.name[0] != '\0')
		return;
	if (gethostname(config->agent.name, sizeof config->agent.name - 1) != 0 || config->agent.name[0] == '\0')
		(void)text_copy(config->agent.name, sizeof config->agent.name, "localhost", strlen("localhost"));
	config->agent.name[sizeof config->agent.name - 1] = '\0';
}

int config_load(const char *path, struct config *config, struct error *error)
{
	char text[CONFIG_FILE_MAX_BYTES];
	struct error reading = {0};
	size_t got;

	if (durable_read(path, text, sizeof text, &got, &reading) != 0)
		return error_set(error, ERROR_CONFIG, "check the file's name, owner and mode", "%s", reading.what);
	if (got == 0)
		return error_set(error, ERROR_CONFIG, "name it with -c FILE, or write it (drr-agent.conf(5))",
				 "%s: no such configuration file, or an empty one", path);
	if (config_parse(text, got, path, config, error) != 0)
		return -1;
	set_host_name(config);
	return 0;
}

int config_require_host_key(const struct config *config, struct error *error)
{
	bool ssh = config->cli.transport == CONFIG_SSH && config->cli.host_key_count == 0;
	bool xmi = config->xmi.url.text[0] && config->xmi.pin_count == 0 && config->xmi.ca_file[0] == '\0';
	char next[ERROR_NEXT_MAX_BYTES];
	struct buf command;

	if (!ssh && !xmi)
		return 0;
	buf_init(&command, next, sizeof next);
	(void)buf_printf(&command, "drr-agent check --connect -c %s   shows the key and the line to paste; compare it first", config->path);
	return error_set(error, ERROR_CONFIG, next, "%s: %s: missing; nothing is trusted on first use", config->path,
			 ssh ? "[cli] host_key" : "[xmi] pin (or ca_file)");
}

/* ---- for people ---- */

unsigned config_warnings(const struct config *config, struct buf *out)
{
	unsigned count = 0;

	if (config->limits.await_timeout_s < CONFIG_AWAIT_USUAL_S) {
		(void)buf_printf(out, "[limits] await_timeout_s = %u: a re-synchronisation may take %d s; a run can end as incomplete too early\n",
				 config->limits.await_timeout_s, CONFIG_AWAIT_USUAL_S);
		count++;
	}
	if (config->cli.transport == CONFIG_TELNET && config->cli.cleartext && !is_loopback(config->cli.host)) {
		(void)buf_printf(out, "[cli] cleartext = yes: the password goes to %s in clear text\n", config->cli.host);
		count++;
	}
	if (config->log.source == CONFIG_LOG_NONE) {
		(void)buf_add_string(out, "[log] source = none: the appliance's log is not read; confirm and await have less to go by\n");
		count++;
	}
	return count;
}

int config_describe(struct buf *out)
{
	return options_describe(&table, out);
}

const char *config_key(size_t index, const char **section)
{
	return options_key(&table, index, section);
}
