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
#include "platform/ini.h"

enum kind {
	KIND_LABEL,    /* printable text, CONFIG_NAME_BYTES */
	KIND_WORD,     /* goes into the appliance's command line: CONFIG_NAME_BYTES of letters, digits, . _ : - */
	KIND_AUTO,     /* KIND_WORD, or "auto", which is stored as "" */
	KIND_HOST,     /* a name or an address, CONFIG_TEXT_BYTES */
	KIND_PATH,     /* an absolute path */
	KIND_SECRET,   /* an absolute path, or a bare name in $CREDENTIALS_DIRECTORY */
	KIND_COMMAND,  /* printable text, CONFIG_TEXT_BYTES */
	KIND_NUMBER,   /* unsigned, min..max */
	KIND_CHOICE,   /* index of the word in choices, stored as int */
	KIND_FLAG,     /* the same with two choices, stored as bool */
	/* Lists: repeatable, comma separated. */
	KIND_HOST_KEY, /* SHA256:... */
	KIND_PIN,      /* sha256//... */
	KIND_LISTEN,   /* udp://ADDRESS:PORT, tcp://, tls:// */
	KIND_ENDPOINT, /* ADDRESS:PORT */
	KIND_FROM,     /* IP addresses */
	KIND_PERSON,   /* names in client certificates */
	KIND_URL,      /* https://HOST[:PORT][/PATH]; min: the default port */
	KIND_REMOTE,   /* logtemp:///NAME, a file on the appliance */
};

enum { WAY_SSH = 1 << CONFIG_SSH, WAY_TELNET = 1 << CONFIG_TELNET, WAY_EXEC = 1 << CONFIG_EXEC, WAY_ANY = 0 };
enum { FROM_FILE = 1 << CONFIG_LOG_FILE, FROM_XMI = 1 << CONFIG_LOG_XMI, FROM_SYSLOG = 1 << CONFIG_LOG_SYSLOG, FROM_CLI = 1 << CONFIG_LOG_CLI };

struct key { /* kept small, there are many of them */
	const char *section, *name;
	unsigned char kind;           /* enum kind */
	uint16_t offset;              /* in struct config */
	const char *fallback;         /* parsed like a value; NULL: empty or zero */
	const char *shown;            /* for people, where fallback does not say it */
	const char *help;             /* one line */
	const char *const *choices;   /* KIND_CHOICE, KIND_FLAG; NULL ends it */
	unsigned min, max;            /* KIND_NUMBER; max of a list: how many entries */
	uint16_t count;               /* a list's: where its number of entries stands in struct config */
	unsigned char ways, sources;  /* transports, log sources that it goes with */
	bool required;                /* whatever the other keys say */
};

_Static_assert(sizeof(struct config) <= UINT16_MAX, "its offsets fit");

#define CHOICES(...) (const char *const[]){__VA_ARGS__, NULL}
#define AT(field) offsetof(struct config, field)

static const struct key keys[] = {
	{"agent", "name", KIND_LABEL, AT(agent.name), .shown = "default: the host's name", .help = "how this member is called in outputs"},
	{"agent", "state_dir", KIND_PATH, AT(agent.state_dir), "/var/lib/drr-agent", .help = "folder of the journal and the lock"},
	{"agent", "log_level", KIND_CHOICE, AT(agent.log_level), "info", .choices = CHOICES("error", "warning", "info", "debug"),
	 .help = "how much the daemon writes to its own log"},
	{"agent", "log_format", KIND_CHOICE, AT(agent.log_format), "text", .choices = CHOICES("text", "json"), .help = "form of the lines of that log"},
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
	{"cli", "transport", KIND_CHOICE, AT(cli.transport), "ssh", .choices = CHOICES("ssh", "telnet", "exec"),
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
	{"cli", "cleartext", KIND_FLAG, AT(cli.cleartext), "no", .choices = CHOICES("no", "yes"), .ways = WAY_TELNET,
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
	{"xmi", "tls", KIND_CHOICE, AT(xmi.tls), "bearssl", .choices = CHOICES("bearssl", "mbedtls"),
	 .help = "TLS library; mbedtls for appliances that speak only TLS 1.3"},
	{"xmi", "timeout_s", KIND_NUMBER, AT(xmi.timeout_s), "30", .min = 1, .max = 600, .help = "seconds of silence until a request has failed"},
	{"log", "source", KIND_CHOICE, AT(log.source), "none", .choices = CHOICES("none", "file", "xmi", "syslog", "cli"),
	 .help = "where the appliance's log is read; none: not at all"},
	{"log", "file", KIND_PATH, AT(log.file), .shown = "required for source = file", .sources = FROM_FILE, .help = "the log file, on this host"},
	{"log", "path", KIND_REMOTE, AT(log.path), .shown = "default: logtemp:///gwd-log.log; with manage_target logtemp:///drr-agent.log", .sources = FROM_XMI,
	 .help = "the log target's file, on the appliance"},
	{"log", "manage_target", KIND_FLAG, AT(log.manage_target), "no", .choices = CHOICES("no", "yes"), .sources = FROM_XMI,
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
	{"watchdog", "heartbeat_s", KIND_NUMBER, AT(watchdog.heartbeat_s), "300", .min = 30, .max = 86400,
	 .help = "seconds between two heartbeats of the management server"},
	{"watchdog", "slack_s", KIND_NUMBER, AT(watchdog.slack_s), "120", .min = 0, .max = 3600,
	 .help = "seconds that a heartbeat may be late"},
	{"limits", "bounce_deadline_s", KIND_NUMBER, AT(limits.bounce_deadline_s), "60", .min = 5, .max = 600,
	 .help = "seconds that the service may be disabled; then it is enabled whatever was seen"},
	{"limits", "confirm_timeout_s", KIND_NUMBER, AT(limits.confirm_timeout_s), "120", .min = 5, .max = 3600,
	 .help = "seconds to wait for the line that the service waits for registration"},
	{"limits", "await_timeout_s", KIND_NUMBER, AT(limits.await_timeout_s), "2400", .min = 60, .max = 14400,
	 .help = "seconds to wait until the configuration is back"},
	{"limits", "quiet_s", KIND_NUMBER, AT(limits.quiet_s), "30", .min = 1, .max = 600,
	 .help = "seconds without work in the log after a completed transaction, until the configuration counts as back"},
};

enum { KEY_COUNT = sizeof keys / sizeof keys[0], SECTION_MAX = 8 };

/* Names that belong to the program's plan and not to this version: refused, so that nobody believes they have an effect. */
static const struct {
	const char *section, *name;
} later[] = {
	{"watchdog", "on_reboot"}, {"watchdog", "settle_s"}, {"watchdog", "group_file"},
	{"watchdog", "notify_url"}, {"watchdog", "notify_pin"}, {"watchdog", "notify_ca_file"},
};

struct parse {
	const char *path;
	struct config *config;
	struct error *error;
	unsigned line;              /* the one being read; 0 behind the end */
	unsigned seen[KEY_COUNT];   /* line of each key, 0 when it was not there */
	const char *sections[SECTION_MAX]; /* names seen, from the table */
	unsigned section_count;
};

_Static_assert(sizeof(enum config_transport) == sizeof(int) && sizeof(enum config_log_source) == sizeof(int),
	       "KIND_CHOICE stores an int");

static const char *const next_check = "correct the file, then: drr-agent check -c FILE";

/* ---- messages ---- */

static int fail(struct parse *parse, unsigned line, const char *section, const char *name, const char *why)
{
	char shown[64];

	text_escape(shown, sizeof shown, name, strlen(name));
	if (line == 0)
		return error_set(parse->error, ERROR_CONFIG, next_check, "%s: [%s] %s: %s", parse->path, section, shown, why);
	return error_set(parse->error, ERROR_CONFIG, next_check, "%s:%u: [%s] %s: %s", parse->path, line, section, shown, why);
}

static int fail_key(struct parse *parse, const struct key *key, const char *why)
{
	return fail(parse, parse->line, key->section, key->name, why);
}

/* "error, warning, notice" or "1..300": what a value may be, for a message and for the description. */
static void add_allowed(struct buf *out, const struct key *key)
{
	static const char *const words[] = {
		[KIND_LABEL] = "text", [KIND_WORD] = "letters, digits and . _ : -", [KIND_AUTO] = "auto, or letters, digits and . _ : -",
		[KIND_HOST] = "a host name or an IP address", [KIND_PATH] = "an absolute path",
		[KIND_SECRET] = "an absolute path, or a name in $CREDENTIALS_DIRECTORY", [KIND_COMMAND] = "a command",
		[KIND_HOST_KEY] = "SHA256: and 43 characters of base64, as ssh-keygen -l prints it",
		[KIND_PIN] = "sha256// and 44 characters of base64, as curl --pinnedpubkey takes it",
		[KIND_LISTEN] = "udp://ADDRESS:PORT, tcp://ADDRESS:PORT or tls://ADDRESS:PORT (ADDRESS: an IP address, or * for all)",
		[KIND_ENDPOINT] = "ADDRESS:PORT (ADDRESS: an IP address, IPv6 in brackets, or * for all)",
		[KIND_FROM] = "IP addresses", [KIND_PERSON] = "names of 1 to 63 bytes", [KIND_URL] = "https://HOST, https://HOST:PORT or https://HOST:PORT/PATH",
		[KIND_REMOTE] = "logtemp:/// and a file name of letters, digits and . _ -",
	};

	if (key->kind == KIND_NUMBER) {
		(void)buf_printf(out, "%u..%u", key->min, key->max);
	} else if (key->kind == KIND_CHOICE || key->kind == KIND_FLAG) {
		for (unsigned i = 0; key->choices[i]; i++)
			(void)buf_printf(out, "%s%s", i > 0 ? ", " : "", key->choices[i]);
	} else {
		(void)buf_add_string(out, words[key->kind]);
	}
}

static int fail_value(struct parse *parse, const struct key *key, const char *value)
{
	char memory[320], allowed[160], shown[80];
	struct buf why, list;

	buf_init(&why, memory, sizeof memory);
	buf_init(&list, allowed, sizeof allowed);
	add_allowed(&list, key);
	text_escape(shown, sizeof shown, value, strlen(value));
	(void)buf_printf(&why, "bad value \"%s\"; allowed: %s", shown, allowed);
	return fail_key(parse, key, why.data);
}

/* ---- one value ---- */

static bool is_printable(const char *value)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

static bool is_of(const char *value, const char *extra)
{
	for (const char *p = value; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr(extra, *p)))
			return false;
	return value[0] != '\0';
}

/* 32 bytes in base64 without padding: 43 characters, the last of which carries four bits only. */
static bool is_host_key(const char *value, size_t length)
{
	char text[CONFIG_HOST_KEY_BYTES];
	const char *digest = text + strlen("SHA256:");

	if (text_copy(text, sizeof text, value, length) != 0 || !text_starts(text, length, "SHA256:"))
		return false;
	return strlen(digest) == 43 && is_of(digest, "+/") && strchr("AEIMQUYcgkosw048", digest[42]);
}

/* 32 bytes in base64 with padding. */
static bool is_pin(const char *value, size_t length)
{
	char text[CONFIG_PIN_BYTES];
	const char *digest = text + strlen("sha256//");

	if (text_copy(text, sizeof text, value, length) != 0 || !text_starts(text, length, "sha256//") || strlen(digest) != 44 || digest[43] != '=')
		return false;
	text[strlen("sha256//") + 43] = '\0';
	return is_of(digest, "+/") && strchr("AEIMQUYcgkosw048", digest[42]);
}

static bool is_remote(const char *value)
{
	return text_starts(value, strlen(value), "logtemp:///") && is_of(value + strlen("logtemp:///"), "._-") && value[strlen("logtemp:///")] != '.';
}

static bool is_path(const char *value)
{
	return value[0] == '/' && is_printable(value);
}

static bool is_secret_path(const char *value)
{
	return is_path(value) || (is_of(value, "._-") && value[0] != '.');
}

/* Fits the row's kind, as far as its characters go. */
static bool is_text_for(const struct key *key, const char *value)
{
	switch ((enum kind)key->kind) {
	case KIND_WORD:
	case KIND_AUTO: return is_of(value, "._:-") && value[0] != '-';
	case KIND_HOST: return is_of(value, "._:-%") && value[0] != '-';
	case KIND_PATH: return is_path(value);
	case KIND_REMOTE: return is_remote(value);
	case KIND_SECRET: return is_secret_path(value);
	default: return value[0] != '\0' && is_printable(value);
	}
}

static size_t room_of(const struct key *key)
{
	bool name = key->kind == KIND_LABEL || key->kind == KIND_WORD || key->kind == KIND_AUTO || key->kind == KIND_REMOTE;

	return name ? CONFIG_NAME_BYTES : CONFIG_TEXT_BYTES;
}

static int store_text(struct parse *parse, const struct key *key, const char *value, char *field)
{
	if (!is_text_for(key, value))
		return fail_value(parse, key, value);
	if (key->kind == KIND_AUTO && strcmp(value, "auto") == 0)
		value = "";
	if (text_copy(field, room_of(key), value, strlen(value)) != 0)
		return fail_key(parse, key, room_of(key) == CONFIG_NAME_BYTES ? "longer than 127 bytes" : "longer than 511 bytes");
	return 0;
}

static int store_number(struct parse *parse, const struct key *key, const char *value, unsigned *field)
{
	unsigned long long number;

	if (!text_to_unsigned(value, strlen(value), key->max, &number) || number < key->min)
		return fail_value(parse, key, value);
	*field = (unsigned)number;
	return 0;
}

static int store_choice(struct parse *parse, const struct key *key, const char *value, void *field)
{
	for (int i = 0; key->choices[i]; i++) {
		if (strcmp(value, key->choices[i]) != 0)
			continue;
		if (key->kind == KIND_FLAG)
			*(bool *)field = i != 0;
		else
			memcpy(field, &i, sizeof i);
		return 0;
	}
	return fail_value(parse, key, value);
}

/* "[v6]:port" or "host:port"; the port may be missing where FALLBACK is not 0. The host comes out without brackets. */
static bool split_host_port(const char *text, size_t length, unsigned fallback, char *host, size_t host_size, unsigned *port)
{
	const char *colon = memrchr(text, ':', length), *bracket = memchr(text, ']', length);
	unsigned long long number = fallback;
	size_t host_bytes;

	if (length > 0 && text[0] == '[') {
		if (!bracket || (bracket + 1 < text + length && bracket[1] != ':'))
			return false;
		colon = bracket + 1 < text + length ? bracket + 1 : NULL;
		host_bytes = (size_t)(bracket - text) - 1;
		text++, length--;
	} else {
		host_bytes = colon ? (size_t)(colon - text) : length;
		bracket = NULL;
	}
	if (colon && (!text_to_unsigned(colon + 1, (size_t)(text + length - colon) - 1, 65535, &number) || number == 0))
		return false;
	*port = (unsigned)number;
	return number != 0 && text_copy(host, host_size, text, host_bytes) == 0 && host[0] != '\0' && is_of(host, bracket ? ".:%" : ".-_*");
}

static bool is_address(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* ADDRESS:PORT behind SKIP bytes of a scheme. */
static bool parse_door(const char *value, size_t length, size_t skip, struct config_listen *listen)
{
	if (text_copy(listen->text, sizeof listen->text, value, length) != 0 ||
	    !split_host_port(value + skip, length - skip, 0, listen->host, sizeof listen->host, &listen->port))
		return false;
	if (strcmp(listen->host, "*") == 0)
		listen->host[0] = '\0';
	return listen->host[0] == '\0' || is_address(listen->host);
}

static bool parse_listen(const char *value, size_t length, struct config_listen *listen)
{
	static const char *const kinds[] = {[CONFIG_LISTEN_UDP] = "udp://", [CONFIG_LISTEN_TCP] = "tcp://", [CONFIG_LISTEN_TLS] = "tls://"};

	memset(listen, 0, sizeof *listen);
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		size_t skip = strlen(kinds[i]);

		if (!text_starts(value, length, kinds[i]))
			continue;
		listen->kind = (enum config_listen_kind)i;
		return parse_door(value, length, skip, listen);
	}
	return false;
}

union entry {
	char host_key[CONFIG_HOST_KEY_BYTES], pin[CONFIG_PIN_BYTES], address[CONFIG_FROM_BYTES], person[CONFIG_PERSON_BYTES];
	struct config_listen listen;
};

/* How many bytes ENTRY has in struct config; 0: it is no such thing. */
static size_t parse_entry(enum kind kind, const char *value, size_t length, union entry *entry)
{
	memset(entry, 0, sizeof *entry);
	switch (kind) {
	case KIND_HOST_KEY:
		return is_host_key(value, length) && text_copy(entry->host_key, CONFIG_HOST_KEY_BYTES, value, length) == 0 ? CONFIG_HOST_KEY_BYTES : 0;
	case KIND_PIN:
		return is_pin(value, length) && text_copy(entry->pin, CONFIG_PIN_BYTES, value, length) == 0 ? CONFIG_PIN_BYTES : 0;
	case KIND_LISTEN:
		return parse_listen(value, length, &entry->listen) ? sizeof entry->listen : 0;
	case KIND_ENDPOINT:
		entry->listen.kind = CONFIG_LISTEN_TLS;
		return parse_door(value, length, 0, &entry->listen) ? sizeof entry->listen : 0;
	case KIND_PERSON:
		return text_copy(entry->person, CONFIG_PERSON_BYTES, value, length) == 0 && length > 0 && is_printable(entry->person) ? CONFIG_PERSON_BYTES : 0;
	default:
		return text_copy(entry->address, CONFIG_FROM_BYTES, value, length) == 0 && is_address(entry->address) ? CONFIG_FROM_BYTES : 0;
	}
}

/* One entry of a list. 0; 1: it is no such thing; 2: there are too many. */
static int add_entry(struct config *config, const struct key *key, const char *value, size_t length)
{
	unsigned *count = (unsigned *)(void *)((char *)config + key->count);
	union entry entry;
	size_t bytes = parse_entry((enum kind)key->kind, value, length, &entry);

	if (bytes == 0)
		return 1;
	if (*count == key->max)
		return 2;
	memcpy((char *)config + key->offset + (*count)++ * bytes, &entry, bytes);
	return 0;
}

static int store_list(struct parse *parse, const struct key *key, const char *value)
{
	for (;;) {
		size_t length = strcspn(value, ","), trimmed = length;
		const char *start = value;
		char text[128];
		int bad;

		text_trim(&start, &trimmed);
		bad = add_entry(parse->config, key, start, trimmed);
		if (bad == 1) {
			(void)text_copy(text, sizeof text, start, trimmed < sizeof text ? trimmed : sizeof text - 1);
			return fail_value(parse, key, text);
		}
		if (bad == 2)
			return fail_key(parse, key, "more entries than this key may have");
		if (value[length] == '\0')
			return 0;
		value += length + 1;
	}
}

static bool is_list(const struct key *key)
{
	return key->count != 0;
}

static int store_url(struct parse *parse, const struct key *key, const char *value, struct config_url *url)
{
	static const char scheme[] = "https://";
	const char *host = value + sizeof scheme - 1;
	size_t host_bytes;

	memset(url, 0, sizeof *url);
	if (!text_starts(value, strlen(value), scheme) || !is_printable(value) || strpbrk(value, " @?#\"<>\\"))
		return fail_value(parse, key, value);
	host_bytes = strcspn(host, "/");
	if (!split_host_port(host, host_bytes, key->min, url->host, sizeof url->host, &url->port) || strchr(url->host, '*') ||
	    text_copy(url->text, sizeof url->text, value, strlen(value)) != 0)
		return fail_value(parse, key, value);
	(void)text_copy(url->path, sizeof url->path, host + host_bytes, strlen(host + host_bytes));
	if (url->path[0] == '\0')
		url->path[0] = '/';
	return 0;
}

static int store(struct parse *parse, const struct key *key, const char *value)
{
	void *field = (char *)parse->config + key->offset;

	if (is_list(key))
		return store_list(parse, key, value);
	switch ((enum kind)key->kind) {
	case KIND_NUMBER: return store_number(parse, key, value, field);
	case KIND_CHOICE:
	case KIND_FLAG: return store_choice(parse, key, value, field);
	case KIND_URL: return store_url(parse, key, value, field);
	default: return store_text(parse, key, value, field);
	}
}

/* ---- names ---- */

static const struct key *find_key(const char *section, const char *name)
{
	for (unsigned i = 0; i < KEY_COUNT; i++)
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* The table's own copy of a section's name, or NULL. */
static const char *find_section(const char *name)
{
	for (unsigned i = 0; i < KEY_COUNT; i++)
		if (strcmp(keys[i].section, name) == 0)
			return keys[i].section;
	return NULL;
}

static bool is_later(const char *section, const char *name)
{
	for (unsigned i = 0; i < sizeof later / sizeof later[0]; i++)
		if (strcmp(later[i].section, section) == 0 && strcmp(later[i].name, name) == 0)
			return true;
	return false;
}

/* How many letters must be put in, taken out or exchanged (Levenshtein); 99 for long words. */
static unsigned distance(const char *a, const char *b)
{
	enum { LONGEST = 32 };
	unsigned row[LONGEST + 1];
	size_t width = strlen(b);

	if (strlen(a) > LONGEST || width > LONGEST)
		return 99;
	for (unsigned j = 0; j <= width; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			unsigned best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			best = best < row[j] + 1 ? best : row[j] + 1;
			row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
		}
	}
	return row[width];
}

static void add_suggestion(struct buf *out, const char *section, const char *name)
{
	const char *nearest = NULL;
	unsigned best = 3; /* further away it is another word */

	for (unsigned i = 0; i < KEY_COUNT; i++) {
		unsigned away = strcmp(keys[i].section, section) == 0 ? distance(name, keys[i].name) : 99;

		if (away < best) {
			best = away;
			nearest = keys[i].name;
		}
	}
	if (nearest)
		(void)buf_printf(out, " (did you mean %s?)", nearest);
}

static int fail_unknown_key(struct parse *parse, const char *section, const char *name)
{
	char memory[400];
	struct buf why;
	const char *comma = "";

	if (is_later(section, name))
		return fail(parse, parse->line, section, name, "this version does not support this key yet; take the line out");
	buf_init(&why, memory, sizeof memory);
	(void)buf_add_string(&why, "unknown key");
	add_suggestion(&why, section, name);
	(void)buf_add_string(&why, "; allowed here: ");
	for (unsigned i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, section) != 0)
			continue;
		(void)buf_printf(&why, "%s%s", comma, keys[i].name);
		comma = ", ";
	}
	return fail(parse, parse->line, section, name, why.data);
}

static int fail_section(struct parse *parse, const char *name, const char *why)
{
	char shown[64];

	text_escape(shown, sizeof shown, name, strlen(name));
	return error_set(parse->error, ERROR_CONFIG, next_check, "%s:%u: [%s]: %s", parse->path, parse->line, shown, why);
}

static int fail_unknown_section(struct parse *parse, const char *name)
{
	char memory[200];
	struct buf why;
	const char *last = "";

	buf_init(&why, memory, sizeof memory);
	(void)buf_add_string(&why, "unknown section; allowed:");
	for (unsigned i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, last) != 0)
			(void)buf_printf(&why, " [%s]", keys[i].section);
		last = keys[i].section;
	}
	return fail_section(parse, name, why.data);
}

/* ---- the file ---- */

static int begin_section(struct parse *parse, const char *name)
{
	const char *known = find_section(name);

	if (!known)
		return fail_unknown_section(parse, name);
	for (unsigned i = 0; i < parse->section_count; i++)
		if (parse->sections[i] == known)
			return fail_section(parse, name, "this section stands in the file twice; join the two");
	if (parse->section_count < SECTION_MAX)
		parse->sections[parse->section_count++] = known;
	return 0;
}

/* An ini_key_function. */
static int take_line(void *context, const char *section, const char *name, const char *value, unsigned line)
{
	struct parse *parse = context;
	const struct key *key;
	unsigned *seen;

	parse->line = line;
	if (!name)
		return begin_section(parse, section);
	if (section[0] == '\0')
		return error_set(parse->error, ERROR_CONFIG, next_check, "%s:%u: a key before the first [section]", parse->path, line);
	key = find_key(section, name);
	if (!key)
		return fail_unknown_key(parse, section, name);
	seen = &parse->seen[key - keys];
	if (*seen != 0 && !is_list(key))
		return fail_key(parse, key, "this key stands in the section twice");
	*seen = line;
	return store(parse, key, value);
}

static void set_defaults(struct parse *parse)
{
	memset(parse->config, 0, sizeof *parse->config);
	for (unsigned i = 0; i < KEY_COUNT; i++)
		if (keys[i].fallback)
			(void)store(parse, &keys[i], keys[i].fallback); /* cannot fail: the unit test reads them all */
}

/* ---- what depends on several keys ---- */

static unsigned line_of(const struct parse *parse, const char *section, const char *name)
{
	return parse->seen[find_key(section, name) - keys];
}

static int fail_missing(struct parse *parse, const char *section, const char *name, const char *why)
{
	return line_of(parse, section, name) != 0 ? 0 : fail(parse, 0, section, name, why);
}

/* There is a key of this section; an empty section is none. */
static bool has_section(const struct parse *parse, const char *section)
{
	for (unsigned i = 0; i < KEY_COUNT; i++)
		if (parse->seen[i] != 0 && strcmp(keys[i].section, section) == 0)
			return true;
	return false;
}

static int check_required(struct parse *parse)
{
	for (unsigned i = 0; i < KEY_COUNT; i++)
		if (keys[i].required && parse->seen[i] == 0)
			return fail(parse, 0, keys[i].section, keys[i].name, "missing; this key is required");
	return 0;
}

/* Keys that the chosen transport has no use for are errors: whoever wrote them expects an effect. */
static int check_ways(struct parse *parse)
{
	unsigned transport = (unsigned)parse->config->cli.transport;
	const char *const *words = find_key("cli", "transport")->choices;

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
		return fail(parse, parse->seen[i], keys[i].section, keys[i].name, why.data);
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

static int check_ssh(struct parse *parse)
{
	if (fail_missing(parse, "cli", "host", "missing; transport = ssh needs it") != 0)
		return -1;
	if (parse->config->cli.port == 0)
		parse->config->cli.port = 22;
	if (line_of(parse, "cli", "key_file") != 0)
		return 0;
	return fail_missing(parse, "cli", "password_file", "missing; transport = ssh needs it, or key_file");
}

static int check_telnet(struct parse *parse)
{
	struct config *config = parse->config;

	if (fail_missing(parse, "cli", "host", "missing; transport = telnet needs it") != 0)
		return -1;
	if (config->cli.port == 0)
		config->cli.port = 2200;
	if (!config->cli.cleartext && !is_loopback(config->cli.host))
		return fail(parse, line_of(parse, "cli", "host"), "cli", "host",
			    "telnet to another machine sends the password in clear text: take 127.0.0.1, transport = ssh, or say cleartext = yes");
	return fail_missing(parse, "cli", "password_file", "missing; transport = telnet needs it");
}

static int check_cli(struct parse *parse)
{
	if (check_ways(parse) != 0)
		return -1;
	switch (parse->config->cli.transport) {
	case CONFIG_SSH: return check_ssh(parse);
	case CONFIG_TELNET: return check_telnet(parse);
	default: return fail_missing(parse, "cli", "command", "missing; transport = exec needs it");
	}
}

/* Keys that the chosen log source has no use for. */
static int check_sources(struct parse *parse)
{
	unsigned source = (unsigned)parse->config->log.source;
	const char *const *words = find_key("log", "source")->choices;

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
		return fail(parse, parse->seen[i], keys[i].section, keys[i].name, why.data);
	}
	return 0;
}

static int check_syslog(struct parse *parse)
{
	const struct config *config = parse->config;

	if (fail_missing(parse, "log", "listen", "missing; source = syslog needs it") != 0)
		return -1;
	for (unsigned i = 0; i < config->log.listen_count; i++)
		if (config->log.listen[i].kind == CONFIG_LISTEN_TLS &&
		    (fail_missing(parse, "log", "certificate", "missing; listen = tls://... needs it") != 0 ||
		     fail_missing(parse, "log", "key", "missing; listen = tls://... needs it") != 0))
			return -1;
	if (config->log.from_count == 0 && config->cli.transport == CONFIG_EXEC)
		return fail_missing(parse, "log", "from", "missing; with transport = exec there is no host to take it from");
	return 0;
}

static int check_log(struct parse *parse)
{
	struct config *config = parse->config;

	if (check_sources(parse) != 0)
		return -1;
	switch (config->log.source) {
	case CONFIG_LOG_FILE:
		return fail_missing(parse, "log", "file", "missing; source = file needs it");
	case CONFIG_LOG_XMI:
		if (config->xmi.url.text[0] == '\0')
			return fail(parse, line_of(parse, "log", "source"), "log", "source", "xmi needs the section [xmi]");
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
static int check_xmi(struct parse *parse)
{
	struct config_url *url = &parse->config->xmi.url;

	if (!has_section(parse, "xmi"))
		return 0;
	if (fail_missing(parse, "xmi", "url", "missing; [xmi] needs it") != 0 ||
	    fail_missing(parse, "xmi", "user", "missing; [xmi] needs it") != 0 ||
	    fail_missing(parse, "xmi", "password_file", "missing; [xmi] needs it") != 0)
		return -1;
	if (strchr(parse->config->xmi.user, ':'))
		return fail(parse, line_of(parse, "xmi", "user"), "xmi", "user", "a user name with a colon cannot be sent over HTTP");
	if (parse->config->xmi.pin_count > 0 && parse->config->xmi.ca_file[0])
		return fail(parse, line_of(parse, "xmi", "ca_file"), "xmi", "ca_file", "pin and ca_file exclude each other: take one out");
	if (strcmp(url->path, "/") == 0)
		(void)snprintf(url->path, sizeof url->path, "/service/mgmt/current");
	return 0;
}

/* An endpoint that nobody may use, or that would have to trust somebody unknown, is a mistake. */
static int check_https(struct parse *parse)
{
	static const char *const needed[] = {"listen", "certificate", "key", "client_ca"};
	const struct config *config = parse->config;

	if (!has_section(parse, "https"))
		return 0;
	for (unsigned i = 0; i < sizeof needed / sizeof needed[0]; i++)
		if (fail_missing(parse, "https", needed[i], "missing; [https] needs it") != 0)
			return -1;
	if (config->https.operator_count + config->https.observer_count == 0)
		return fail(parse, 0, "https", "operators", "missing; [https] needs it, or observers: the clients that may use the interface");
	return 0;
}

static int fail_syntax(struct parse *parse, unsigned line)
{
	return error_set(parse->error, ERROR_CONFIG, next_check,
			 "%s:%u: neither [section], key = value, nor a comment on a line of its own (or longer than %d bytes)", parse->path,
			 line, INI_LINE_MAX_BYTES);
}

int config_parse(const char *text, size_t text_bytes, const char *path, struct config *config, struct error *error)
{
	struct parse parse = {.path = path, .config = config, .error = error};
	unsigned bad_line = 0;

	set_defaults(&parse);
	if (text_copy(config->path, sizeof config->path, path, strlen(path)) != 0)
		return error_set(error, ERROR_CONFIG, NULL, "the configuration file's path is longer than %d bytes", CONFIG_TEXT_BYTES - 1);
	if (ini_read(text, text_bytes, take_line, &parse, &bad_line) != 0)
		return fail_syntax(&parse, bad_line); /* a sentence of take_line() stays: the first one sticks */
	if (check_required(&parse) != 0 || check_cli(&parse) != 0 || check_xmi(&parse) != 0 || check_https(&parse) != 0)
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

static int describe_key(const struct key *key, struct buf *out)
{
	(void)buf_printf(out, "  %-18s %s\n%21s", key->name, key->help, "");
	add_allowed(out, key);
	if (key->required || key->shown)
		(void)buf_printf(out, "; %s\n", key->required ? "required" : key->shown);
	else
		(void)buf_printf(out, "; default: %s\n", key->fallback);
	return out->overflow ? -1 : 0;
}

int config_describe(struct buf *out)
{
	const char *last = "";

	for (unsigned i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].section, last) != 0)
			(void)buf_printf(out, "%s[%s]\n", i > 0 ? "\n" : "", keys[i].section);
		last = keys[i].section;
		if (describe_key(&keys[i], out) != 0)
			return -1;
	}
	return 0;
}

const char *config_key(size_t index, const char **section)
{
	if (index >= KEY_COUNT)
		return NULL;
	*section = keys[index].section;
	return keys[index].name;
}
