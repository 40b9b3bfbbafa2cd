/* link.h - the appliance, by whichever way answers: the façade over the CLI (cli_link.h) and the XML management interface (xmi_link.h). One operation at a time.
 *
 * Which way: XMI first, where it is configured, can do the operation and works; otherwise the CLI. What XMI could not answer is asked over the CLI at once, and so is a
 * command that certainly had no effect over XMI. A command whose effect is not known fails with that, and the run's table looks before it does anything again.
 * XMI that cannot be reached is left alone for LINK_XMI_PAUSE_MS; refused credentials or a wrong key, for good; an operation that this user may not do, or
 * that the firmware does not know, is asked over the CLI from then on. */
#ifndef DRR_ENGINE_LINK_H
#define DRR_ENGINE_LINK_H

#include <poll.h>

#include "engine/cli_link.h"
#include "engine/xmi_link.h"

enum link_status { LINK_IDLE, LINK_WAIT, LINK_DONE, LINK_FAILED };

enum { LINK_XMI_PAUSE_MS = 60000 };

struct link {
	const struct config *config;
	struct appliance_facts facts;   /* what is known about the appliance; survives sessions */
	struct appliance_wanted wanted; /* the caller fills it before APPLIANCE_SET_... */
	struct error error;             /* of the last operation: LINK_FAILED */
	enum link_status status;
	enum appliance_effect effect;   /* of the last operation */
	enum appliance_way way;         /* of the present or the last operation */
	enum appliance_op op;
	struct cli_link cli;
	struct xmi_link xmi;            /* not initialised without [xmi] */
	struct error xmi_error;         /* why XMI is not used now; ERROR_NONE: it is, or it is not configured */
	bool xmi_told;                  /* the owner has told it */
	struct mono xmi_again_at;       /* MONO_NEVER: not any more */
	unsigned xmi_unable;            /* bits by enum appliance_op */
	int64_t clock_told_ms;          /* facts.clock.utc_ms when it was looked at last */
	struct mono clock_at;           /* when that was told */
	struct mono answered_at[APPLIANCE_OP_COUNT]; /* when an operation was answered last; ms 0: never */
};

/* Loads the password files. 0 or -1. LINK is large: keep it in static memory. */
int link_init(struct link *link, const struct config *config, struct error *error);
void link_free(struct link *link);

/* Each command line or request and its answer, for --verbose; never a password. */
void link_set_trace(struct link *link, cli_link_trace_function *trace, void *context);

/* Begins OP, with a new session where there is none. */
void link_start(struct link *link, enum appliance_op op, struct mono now);

/* Does what can be done without waiting. LINK_DONE: facts are filled. LINK_FAILED: error and effect say what happened. */
enum link_status link_step(struct link *link, struct mono now);

/* What to wait for while LINK_WAIT. */
struct pollfd link_poll(const struct link *link);
struct mono link_deadline(const struct link *link);

/* Ends all sessions, if there are any, without a word: also in the middle of an operation, whose effect then stays as `effect` says. */
void link_close(struct link *link);

/* "cli", "xmi", NULL for none: which way answered OP last. */
const char *link_way_name(const struct link *link, enum appliance_op op);

#endif
