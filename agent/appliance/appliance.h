/* appliance.h - the questions and commands that the agent has for an appliance, and what it knows afterwards.
 *
 * One list for every way of asking: the CLI (cli.h) and the XML management interface (xmi.h); each says which of these it can. A question never
 * changes anything. A command changes exactly what its name says, on this appliance, in the running configuration; nothing here ever saves it.
 */
#ifndef DRR_APPLIANCE_H
#define DRR_APPLIANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/facts.h"
#include "appliance/peering.h"

enum appliance_op {
	APPLIANCE_ENTER,        /* log in, enter the domain */
	APPLIANCE_ASK_IDENTITY, /* firmware, serial number, uptime */
	APPLIANCE_ASK_OBJECT,   /* which peering object serves apic-gw-service, its local address; the service's state */
	APPLIANCE_ASK_PEERING,  /* the peering table */
	APPLIANCE_ASK_SERVICE,  /* admin-state and operational state of apic-gw-service */
	APPLIANCE_ASK_DIAG,     /* may this user enter diag? */
	APPLIANCE_ASK_STORE,    /* how many keys the peering store holds, where the firmware can tell */
	APPLIANCE_ASK_COLLECTIONS, /* how many API collections there are */
	APPLIANCE_ASK_SAVED,       /* is there configuration in the domain that was not saved? */
	APPLIANCE_ASK_PEERINGS,    /* the configuration of every peering object of the domain */
	APPLIANCE_ASK_LOG_TARGETS, /* the log targets of the domain */
	APPLIANCE_SWITCH_PRIMARY,
	APPLIANCE_FLUSH,
	APPLIANCE_DISABLE,
	APPLIANCE_ENABLE,
	APPLIANCE_SET_PERSISTENCE, /* of the peering object, to appliance_wanted.persistence */
	APPLIANCE_SET_LOG_TARGET,  /* makes the agent's own log target, where there is none of its name */
	APPLIANCE_OP_COUNT
};

/* Whether a command had its effect: what is known when a session is lost in the middle of it. */
enum appliance_effect {
	APPLIANCE_NO_EFFECT,       /* nothing was sent that could change anything, or the appliance refused it */
	APPLIANCE_EFFECT_POSSIBLE, /* sent, no answer: look */
	APPLIANCE_EFFECT_DONE      /* the appliance answered without a complaint */
};

enum appliance_admin { APPLIANCE_ADMIN_UNKNOWN = 0, APPLIANCE_ADMIN_ENABLED, APPLIANCE_ADMIN_DISABLED };

enum appliance_way { APPLIANCE_WAY_NONE = 0, APPLIANCE_WAY_CLI, APPLIANCE_WAY_XMI };

enum {
	APPLIANCE_WORD_BYTES = 128,
	APPLIANCE_PEERINGS_MAX = 32,    /* peering objects of one domain; API Connect has about six */
	APPLIANCE_PEERS_MAX = 16,
	APPLIANCE_LOG_TARGETS_MAX = 32,
	APPLIANCE_LOG_EVENTS_MAX = 24,  /* subscriptions of one log target that are kept */
};

#define APPLIANCE_PRIORITY_UNKNOWN INT64_MIN

/* One peering object as it is configured on this member. */
struct appliance_peering {
	char name[APPLIANCE_WORD_BYTES];
	char op_state[32];              /* "up"; "" unknown */
	char local_address[APPLIANCE_WORD_BYTES];
	char persistence[32];           /* memory, local, raid; "" unknown */
	char local_directory[APPLIANCE_WORD_BYTES];
	unsigned local_port, monitor_port; /* 0 unknown */
	int64_t priority;               /* APPLIANCE_PRIORITY_UNKNOWN */
	enum peering_flag peer_group;   /* has peers */
	enum peering_flag ssl;
	enum peering_flag own_password; /* NO: the default password is in use; UNKNOWN: not told */
	unsigned peer_count;            /* also counts those that are not kept */
	char peers[APPLIANCE_PEERS_MAX][APPLIANCE_WORD_BYTES];
	char group[APPLIANCE_WORD_BYTES]; /* peering group object; "" none */
	bool cluster;                   /* that group's mode is cluster */
};

struct appliance_log_target {
	char name[APPLIANCE_WORD_BYTES];
	char type[32];                  /* file, syslog, syslog-tcp, cache, ... */
	char format[32], timestamp[32]; /* text; zulu, syslog, numeric */
	char file[APPLIANCE_WORD_BYTES * 2]; /* logtemp:///gwd-log.log */
	char admin_state[16], op_state[32]; /* "" unknown */
	int64_t size_kb, rotations;     /* -1 unknown */
	int64_t events_dropped;         /* -1 unknown */
	unsigned event_count;           /* subscriptions, also counts those that are not kept */
	struct appliance_log_event { char category[32], level[16]; } events[APPLIANCE_LOG_EVENTS_MAX]; /* apic-gw-service debug */
	unsigned code_count;            /* subscriptions to single event codes, likewise */
	char codes[APPLIANCE_LOG_EVENTS_MAX][16]; /* 0x88e000d7 */
};

struct appliance_facts {
	bool have_identity, have_object, have_table, have_service;

	char firmware[FACTS_FIRMWARE_BYTES], serial[FACTS_SERIAL_BYTES]; /* "" unknown */
	int64_t uptime_reload_s, uptime_reboot_s;                          /* -1 unknown */
	struct facts_clock clock; /* of its own clock, when it last told; part of the identity, and of every response of XMI */

	char object[APPLIANCE_WORD_BYTES];        /* the peering object of apic-gw-service */
	const char *object_source;                /* who says so, for sentences */
	char object_state[32];                    /* "up"; "" unknown */
	char local_address[APPLIANCE_WORD_BYTES]; /* the object's own; may be a host alias; "" unknown */
	char persistence[32];                     /* memory, local, raid; "" unknown */

	struct peering_table table; /* rows of OBJECT */

	enum appliance_admin admin_state;
	char op_state[32]; /* in lower case: "up", "down", "pendingup"; "" unknown */
	char service_event[16];  /* event code of its state, "0x00350022"; "" unknown or none (the CLI does not tell) */
	char service_reason[128]; /* what the appliance says to it; foreign */

	int64_t collections;       /* API collections; -1 unknown */
	bool shows_no_collections; /* none was shown, without a complaint: there is none, or this firmware answers differently */
	enum peering_flag unsaved; /* the domain has configuration that was not saved */

	unsigned peering_count;
	struct appliance_peering peerings[APPLIANCE_PEERINGS_MAX];
	bool have_peerings;
	unsigned log_target_count;
	struct appliance_log_target log_targets[APPLIANCE_LOG_TARGETS_MAX];
	bool have_log_targets;

	enum appliance_way ways[APPLIANCE_OP_COUNT]; /* which way answered last */

	enum peering_flag diag;   /* YES: entered; NO: this user does not have it */
	int64_t store_keys;       /* -1: this firmware does not tell */
};

/* What the two commands that need a value are to set; the caller's, also for both ways. */
struct appliance_wanted {
	char persistence[16];          /* memory, local, raid */
	char local_directory[APPLIANCE_WORD_BYTES]; /* for local; "": the appliance's default */
	char raid_volume[APPLIANCE_WORD_BYTES];     /* for raid */
	char log_target[APPLIANCE_WORD_BYTES];      /* name of our own target */
	char log_file[APPLIANCE_WORD_BYTES];        /* logtemp:///NAME */
};

/* "ask-peering", "flush", ... for logs and tests. Never NULL. */
const char *appliance_op_name(enum appliance_op op);

/* True for the commands. */
bool appliance_op_changes(enum appliance_op op);

#endif
