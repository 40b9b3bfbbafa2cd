/* config.h - agent.conf: every key in one table (config.c): parse, default, check, print, document. */
#ifndef DRR_CONFIG_H
#define DRR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/options.h"

enum {
	CONFIG_HOST_KEYS_MAX = 8,
	CONFIG_PINS_MAX = 4,
	CONFIG_LISTEN_MAX = 4,
	CONFIG_FROM_MAX = 8,
	CONFIG_PEOPLE_MAX = 16,
	CONFIG_DESCRIBE_BYTES = 16384, /* enough for config_describe() */
	CONFIG_AWAIT_USUAL_S = 2100,  /* a re-synchronisation may take 35 minutes: 10, then 20 more, and 5 for the next event */
};

/* The log target that manage_target makes; its file is logtemp:///drr-agent.log. */
#define CONFIG_OWN_TARGET "drr-agent"

enum config_transport { CONFIG_SSH, CONFIG_TELNET, CONFIG_EXEC };
enum config_tls { CONFIG_TLS_BEARSSL, CONFIG_TLS_MBEDTLS };
enum config_level { CONFIG_LEVEL_ERROR, CONFIG_LEVEL_WARNING, CONFIG_LEVEL_INFO, CONFIG_LEVEL_DEBUG };
enum config_format { CONFIG_FORMAT_TEXT, CONFIG_FORMAT_JSON };
enum config_on_reboot { CONFIG_OBSERVE, CONFIG_NUDGE, CONFIG_BOUNCE, CONFIG_RUN };
enum config_log_source { CONFIG_LOG_NONE, CONFIG_LOG_FILE, CONFIG_LOG_XMI, CONFIG_LOG_SYSLOG, CONFIG_LOG_CLI };

struct config {
	char path[CONFIG_TEXT_BYTES]; /* where it was read from */
	struct {
		char name[CONFIG_NAME_BYTES];      /* default: the host's name (config_load; config_parse leaves it empty) */
		char state_dir[CONFIG_TEXT_BYTES]; /* default /var/lib/drr-agent */
		enum config_level log_level;       /* of the daemon; default info */
		enum config_format log_format;     /* default text */
		char user[CONFIG_NAME_BYTES];      /* whom the daemon becomes when root starts it; "" (default): nobody else */
	} agent;
	struct {
		char domain[CONFIG_NAME_BYTES];         /* required */
		char peering_object[CONFIG_NAME_BYTES]; /* "" for auto (default) */
		char address[CONFIG_NAME_BYTES];        /* "" for auto (default) */
		struct config_url gateway_mgmt_url, gateway_api_url; /* for audit: /health and /webapi-init-check are asked there */
		char gateway_ca_file[CONFIG_TEXT_BYTES]; /* "": their certificates are not checked, and audit says so */
	} appliance;
	struct {
		enum config_transport transport; /* default ssh */
		char host[CONFIG_TEXT_BYTES];    /* required but for exec */
		unsigned port;                   /* default 22; telnet 2200; exec 0 */
		char user[CONFIG_NAME_BYTES];    /* default admin */
		char password_file[CONFIG_TEXT_BYTES]; /* "": none; required for telnet, and for ssh without key_file */
		char key_file[CONFIG_TEXT_BYTES];      /* "": none */
		char host_keys[CONFIG_HOST_KEYS_MAX][CONFIG_HOST_KEY_BYTES]; /* SHA256:... */
		unsigned host_key_count;
		char command[CONFIG_TEXT_BYTES]; /* required for exec, not allowed otherwise */
		unsigned connect_timeout_s;      /* default 15, 1..300 */
		unsigned command_timeout_s;      /* default 30, 1..600 */
		bool cleartext;
	} cli;
	struct { /* no section: url.text is "" and nothing else is set */
		struct config_url url;                 /* port 5550, path /service/mgmt/current where none is written */
		char user[CONFIG_NAME_BYTES];          /* required */
		char password_file[CONFIG_TEXT_BYTES]; /* required */
		char pins[CONFIG_PINS_MAX][CONFIG_PIN_BYTES]; /* pin or ca_file is required: config_require_host_key() */
		unsigned pin_count;
		char ca_file[CONFIG_TEXT_BYTES];
		enum config_tls tls;                   /* default bearssl */
		unsigned timeout_s;                    /* default 30, 1..600 */
	} xmi;
	struct {
		enum config_log_source source; /* default none */
		char file[CONFIG_TEXT_BYTES];  /* source file: on this host */
		char path[CONFIG_NAME_BYTES];  /* source xmi: on the appliance; default logtemp:///gwd-log.log, with manage_target logtemp:///drr-agent.log */
		char target[CONFIG_NAME_BYTES]; /* source cli: the log target that is shown; default gwd-log */
		bool manage_target;            /* source xmi: make a small log target of our own where it is missing */
		struct config_listen listen[CONFIG_LISTEN_MAX]; /* source syslog: required */
		unsigned listen_count;
		char from[CONFIG_FROM_MAX][CONFIG_FROM_BYTES]; /* source syslog: the appliance's addresses; none: those of [cli] host */
		unsigned from_count;
		char certificate[CONFIG_TEXT_BYTES], key[CONFIG_TEXT_BYTES]; /* source syslog: required for tls:// */
		unsigned poll_ms; /* default 1000, 100..60000 */
	} log;
	struct { /* no section: listen_count is 0 and nothing else is set; otherwise all of it, and at least one operator or observer */
		struct config_listen listen[CONFIG_LISTEN_MAX];
		unsigned listen_count;
		char certificate[CONFIG_TEXT_BYTES], key[CONFIG_TEXT_BYTES];
		char client_ca[CONFIG_TEXT_BYTES]; /* PEM: the clients' own certificates, or their CAs */
		char operators[CONFIG_PEOPLE_MAX][CONFIG_PERSON_BYTES], observers[CONFIG_PEOPLE_MAX][CONFIG_PERSON_BYTES];
		unsigned operator_count, observer_count;
	} https;
	struct {
		enum config_on_reboot on_reboot; /* default observe */
		unsigned heartbeat_s; /* default 300, 5..86400 */
		unsigned slack_s;     /* default 120, 0..3600 */
		unsigned settle_s;    /* default 180, 5..3600: what peering and service may take once the appliance answers again */
		char group_file[CONFIG_TEXT_BYTES]; /* "": none; required for nudge and run */
		struct config_url notify_url;       /* https; text "": nobody is told */
		char notify_pins[CONFIG_PINS_MAX][CONFIG_PIN_BYTES]; /* with notify_url one of the two is required */
		unsigned notify_pin_count;
		char notify_ca_file[CONFIG_TEXT_BYTES];
	} watchdog;
	struct {
		unsigned bounce_deadline_s; /* default 60, 5..600 */
		unsigned confirm_timeout_s; /* default 120, 5..3600 */
		unsigned await_timeout_s;   /* default 2400, 60..14400; below CONFIG_AWAIT_USUAL_S config_warnings() says so */
		unsigned quiet_s;           /* default 30, 1..600 */
	} limits;
};

/* Parses TEXT_BYTES of TEXT (from PATH, for messages) over the defaults. 0, or -1: ERROR_CONFIG
 * "agent.conf:12: [cli] prot: unknown key (did you mean port?); allowed here: transport, host, port, ..."
 * Unknown or duplicate keys or sections, bad values, missing required keys and keys that do not go together are all errors. A missing host_key is none: see config_require_host_key(). Pure; CONFIG is undefined after -1. */
int config_parse(const char *text, size_t text_bytes, const char *path, struct config *config, struct error *error);

/* Reads the file, parses it, and fills agent.name with the host's name where it is not set. */
int config_load(const char *path, struct config *config, struct error *error);

/* -1 and ERROR_CONFIG when transport is ssh and no host_key is pinned, or [xmi] has neither pin nor ca_file. For every verb but `check
 * --connect`, which is how one learns the keys. */
int config_require_host_key(const struct config *config, struct error *error);

/* What is allowed and yet worth a line: each ends in \n; returns how many there are. OUT of 1024 bytes suffices. */
unsigned config_warnings(const struct config *config, struct buf *out);

/* Every section and key with what is allowed, default and meaning, as text for people. -1 when OUT is too small. */
int config_describe(struct buf *out);

/* The INDEXth key and its section; NULL behind the last one. For tests of the documentation. */
const char *config_key(size_t index, const char **section);

#endif
