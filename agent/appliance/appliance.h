/* appliance.h - the questions and commands that the agent has for an appliance, and what it knows afterwards.
 *
 * One list for every way of asking; today there is one way, the CLI (cli.h). A question never changes anything. A command changes
 * exactly what its name says, on this appliance, in the running configuration; nothing here ever saves it.
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
	APPLIANCE_SWITCH_PRIMARY,
	APPLIANCE_FLUSH,
	APPLIANCE_DISABLE,
	APPLIANCE_ENABLE,
	APPLIANCE_OP_COUNT
};

/* Whether a command had its effect: what is known when a session is lost in the middle of it. */
enum appliance_effect {
	APPLIANCE_NO_EFFECT,       /* nothing was sent that could change anything, or the appliance refused it */
	APPLIANCE_EFFECT_POSSIBLE, /* sent, no answer: look */
	APPLIANCE_EFFECT_DONE      /* the appliance answered without a complaint */
};

enum appliance_admin { APPLIANCE_ADMIN_UNKNOWN = 0, APPLIANCE_ADMIN_ENABLED, APPLIANCE_ADMIN_DISABLED };

enum { APPLIANCE_WORD_BYTES = 128 };

struct appliance_facts {
	bool have_identity, have_object, have_table, have_service;

	char firmware[FACTS_FIRMWARE_BYTES], serial[FACTS_SERIAL_BYTES]; /* "" unknown */
	int64_t uptime_reload_s, uptime_reboot_s;                          /* -1 unknown */

	char object[APPLIANCE_WORD_BYTES];        /* the peering object of apic-gw-service */
	const char *object_source;                /* who says so, for sentences */
	char object_state[32];                    /* "up"; "" unknown */
	char local_address[APPLIANCE_WORD_BYTES]; /* the object's own; may be a host alias; "" unknown */
	char persistence[32];                     /* memory, local, raid; "" unknown */

	struct peering_table table; /* rows of OBJECT */

	enum appliance_admin admin_state;
	char op_state[32]; /* as printed: "up", "down"; "" unknown */

	enum peering_flag diag;   /* YES: entered; NO: this user does not have it */
	int64_t store_keys;       /* -1: this firmware does not tell */
};

/* "ask-peering", "flush", ... for logs and tests. Never NULL. */
const char *appliance_op_name(enum appliance_op op);

/* True for the four commands. */
bool appliance_op_changes(enum appliance_op op);

#endif
