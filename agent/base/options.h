/* options.h - a configuration file from a table of keys: a row holds all that is known about a key, so that the parser, the defaults, the checks of single
 * values, the messages and the printed description cannot disagree. agent.conf (config.c) and group.conf (group/group_config.c) are two such tables. Pure.
 *
 * A section may be repeatable, with a name: [member gw1]. There is at most one such section in a table. */
#ifndef DRR_BASE_OPTIONS_H
#define DRR_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum {
	CONFIG_FILE_MAX_BYTES = 65536,
	CONFIG_TEXT_BYTES = 512,  /* a path, a host, a command; with its NUL */
	CONFIG_NAME_BYTES = 128,  /* a domain, an object, an address */
	CONFIG_HOST_KEY_BYTES = 64,
	CONFIG_PIN_BYTES = 56,    /* "sha256//" and 44 characters */
	CONFIG_LISTEN_BYTES = 96,
	CONFIG_FROM_BYTES = 64,
	CONFIG_PERSON_BYTES = 64,
	OPTIONS_KEYS_MAX = 96,    /* rows of a table */
	OPTIONS_SECTIONS_MAX = 12,
};

/* https://HOST[:PORT]/PATH, taken apart. */
struct config_url {
	char text[CONFIG_TEXT_BYTES]; /* as written; "" not set */
	char host[CONFIG_TEXT_BYTES]; /* without brackets; "" for unix:///PATH */
	char path[CONFIG_TEXT_BYTES]; /* begins with / */
	unsigned port;                /* 443 where none is written; [xmi]: 5550; 0 for unix:///PATH */
};

/* udp://ADDRESS:PORT, tcp://..., tls://...: an IP address (IPv6 in brackets) or * for all. */
struct config_listen {
	enum config_listen_kind { CONFIG_LISTEN_UDP, CONFIG_LISTEN_TCP, CONFIG_LISTEN_TLS } kind;
	char text[CONFIG_LISTEN_BYTES]; /* as written */
	char host[CONFIG_FROM_BYTES];   /* "" for all addresses */
	unsigned port;
};

enum option_kind {
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
	KIND_CATALOG,  /* names that stand in a URL's path: CONFIG_NAME_BYTES of letters, digits, . _ - */
	KIND_URL,      /* https://HOST[:PORT][/PATH]; min: the default port */
	KIND_DOOR,     /* the same, or unix:///PATH of a socket */
	KIND_REMOTE,   /* logtemp:///NAME, a file on the appliance */
};
#define OPTION_CHOICES(...) (const char *const[]){__VA_ARGS__, NULL}

struct option_key {
	const char *section, *name;
	enum option_kind kind;
	size_t offset;                    /* in the caller's struct; for the named section: in the struct of one such section */
	const char *fallback;             /* parsed like a value; NULL: empty or zero */
	const char *shown;                /* for people, where fallback does not say it */
	unsigned min, max;                /* KIND_NUMBER; max of a list: how many entries */
	const char *const *choices;       /* OPTION_CHOICES(...): KIND_CHOICE (stored as int), KIND_FLAG; NULL ends it */
	unsigned ways;                    /* the owner's own marks: agent.conf's transports ... */
	unsigned sources;                 /* ... and log sources that the key goes with */
	size_t count;                     /* a list's: where its number of entries stands; 0: no list */
	bool required;                    /* whatever the other keys say */
	const char *help;                 /* one line */
};

struct option_parse;

struct options_table {
	const struct option_key *keys; /* rows of one section stand together */
	unsigned count;                /* at most OPTIONS_KEYS_MAX */
	const char *next_check;        /* what to do about an error */
	const char *named;             /* the section with a name: "member"; NULL: none */
	/* [member NAME] begins: gives the struct that its keys go to, or NULL and parse->error set. */
	void *(*begin_named)(struct option_parse *parse, const char *name);
	/* ... and is over: 0 or -1 with parse->error set. Its required keys were there. */
	int (*end_named)(struct option_parse *parse);
};

struct option_parse {
	const struct options_table *table;
	const char *path;           /* of the file, for messages */
	void *values;               /* the caller's struct */
	void *named;                /* the present named section's; NULL: none yet */
	char named_as[CONFIG_NAME_BYTES]; /* "member gw1" */
	struct error *error;
	unsigned line;              /* the one being read; 0 behind the end */
	unsigned seen[OPTIONS_KEYS_MAX];  /* line of each key, 0 when it was not there; of the named section: the present one's */
	const char *sections[OPTIONS_SECTIONS_MAX]; /* names seen, from the table */
	unsigned section_count;
};

/* Parses TEXT_BYTES of TEXT from PATH over the defaults into VALUES (zeroed by the caller). 0, or -1: ERROR_CONFIG "FILE:12: [cli] prot: unknown key (did you
 * mean port?); allowed here: transport, host, port, ...". PARSE is filled for the checks of the caller's that depend on several keys. */
int options_parse(struct option_parse *parse, const struct options_table *table, const char *text, size_t text_bytes, const char *path, void *values, struct error *error);

/* For such checks. LINE 0: no line is named. All return -1 where they fail. */
int options_fail(struct option_parse *parse, unsigned line, const char *section, const char *name, const char *why);
int options_fail_section(struct option_parse *parse, const char *name, const char *why);
unsigned options_line(const struct option_parse *parse, const char *section, const char *name); /* of a key of the table; 0: it was not there */
int options_fail_missing(struct option_parse *parse, const char *section, const char *name, const char *why); /* 0 when it was there */
bool options_has_section(const struct option_parse *parse, const char *section); /* there is a key of it */

/* The row, or NULL. */
const struct option_key *options_find(const struct options_table *table, const char *section, const char *name);

/* Every section and key with what is allowed, default and meaning, as text for people. -1 when OUT is too small. */
int options_describe(const struct options_table *table, struct buf *out);

/* The name of the key in row INDEX and its *section; NULL behind the last one. */
const char *options_key(const struct options_table *table, size_t index, const char **section);

#endif
