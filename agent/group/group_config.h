/* group_config.h - group.conf: whose agents make up the group, how to reach them, and API Manager. One table (group_config.c). */
#ifndef DRR_GROUP_CONFIG_H
#define DRR_GROUP_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/options.h"

#define GROUP_CONFIG_PATH "/etc/drr-agent/group.conf"

enum {
	GROUP_MEMBERS_MAX = 32,  /* of a group; the agents take no longer plans */
	GROUP_NAME_BYTES = 64,   /* of a member's name, with its NUL */
	GROUP_PINS_MAX = 4,
	GROUP_CATALOGS_MAX = 16,
	GROUP_CATALOG_BYTES = 128,
	GROUP_DESCRIBE_BYTES = 16384, /* enough for group_config_describe() */
};

enum group_order { GROUP_ROLLING, GROUP_TOGETHER };
enum group_nudge { GROUP_NUDGE_AUTO, GROUP_NUDGE_ALWAYS, GROUP_NUDGE_NEVER };
enum group_summary { GROUP_SUMMARY_RESTORE, GROUP_SUMMARY_APPEND };

struct group_door { /* whom to ask, and how to know it */
	struct config_url url; /* port 8443 where none is written; unix:///PATH: host is "" */
	char pins[GROUP_PINS_MAX][CONFIG_PIN_BYTES];
	unsigned pin_count;
	char ca_file[CONFIG_TEXT_BYTES]; /* "": pins */
	const char *prefix;    /* what its keys' names begin with: "notify_"; NULL: nothing */
};

struct group_member_config {
	char name[GROUP_NAME_BYTES]; /* as the agent's own [agent] name */
	struct group_door door;
};

struct group_config {
	char path[CONFIG_TEXT_BYTES];
	struct {
		char name[CONFIG_NAME_BYTES];        /* default "group" */
		enum group_order order;              /* default rolling */
		unsigned max_unavailable;            /* default 1; 1..32 */
		char certificate[CONFIG_TEXT_BYTES]; /* required where a url is https:// */
		char key[CONFIG_TEXT_BYTES];
		unsigned connect_timeout_s;          /* default 10 */
		unsigned answer_timeout_s;           /* default 30 */
		unsigned patience_s;                 /* default 120: how long a member may not answer in the middle of a run */
	} group;
	struct group_member_config members[GROUP_MEMBERS_MAX]; /* in the order of the file, which is the order of the bounces */
	unsigned member_count;                                 /* 1 or more */
	struct { /* no section: door.url.text is "" and nothing else is set */
		struct group_door door;
		char realm[CONFIG_NAME_BYTES];
		char client_id[CONFIG_NAME_BYTES], client_secret_file[CONFIG_TEXT_BYTES];
		char username[CONFIG_NAME_BYTES], password_file[CONFIG_TEXT_BYTES];
		char api_key_file[CONFIG_TEXT_BYTES];
		char org[CONFIG_NAME_BYTES];
		char catalogs[GROUP_CATALOGS_MAX][GROUP_CATALOG_BYTES];
		unsigned catalog_count;
		enum group_nudge nudge;     /* default auto */
		enum group_summary summary; /* default restore */
		unsigned nudge_after_s;     /* default 420: auto waits so long for the heartbeat */
	} api_manager;
};

/* As config_parse(): 0, or -1 and ERROR_CONFIG with file, line, key and what is allowed. Pure. */
int group_config_parse(const char *text, size_t text_bytes, const char *path, struct group_config *config, struct error *error);

int group_config_load(const char *path, struct group_config *config, struct error *error);

/* The index of the member of that name, or -1. */
int group_config_member(const struct group_config *config, const char *name);

int group_config_describe(struct buf *out);

/* The INDEXth key and its section; NULL behind the last one. For tests of the documentation. */
const char *group_config_key(size_t index, const char **section);

#endif
