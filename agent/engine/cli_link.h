/* link.h - one session with the appliance: connects, logs in, performs one operation at a time, notices silence and loss.
 *
 * Owner-side: moves bytes between a transport and the dialogue and gives the dialogue its sense of time. Does not retry; the run's table decides.
 * A password that was refused is remembered on disk and not tried again until the configuration, the password's or the key's file changes. */
#ifndef DRR_ENGINE_LINK_H
#define DRR_ENGINE_LINK_H

#include <poll.h>

#include "appliance/cli.h"
#include "base/mono.h"
#include "config.h"
#include "platform/ssh.h"

enum link_status { LINK_IDLE, LINK_WAIT, LINK_DONE, LINK_FAILED };

/* An operation as a whole may take this many times command_timeout_s, however talkative the appliance is. */
enum { LINK_OPERATION_TIMEOUTS = 8 };

/* Hears each command line and its answer, for --verbose; never a password. */
typedef void link_trace_function(void *context, const char *command, const char *answer, size_t answer_bytes);

struct link {
	const struct config *config;
	struct secret password;
	struct transport *transport;
	struct ssh_settings ssh_settings;
	struct ssh_report ssh;
	struct dialogue dialogue;
	struct cli cli;
	struct appliance_facts facts; /* what is known about the appliance; survives sessions */
	struct error error;           /* of the last operation: LINK_FAILED */
	enum link_status status;
	enum appliance_effect effect; /* of the last operation */
	bool connected;               /* the transport is up */
	struct mono deadline;         /* silence, or connecting */
	struct mono operation_deadline;
	struct mono quiet_at;
	size_t tail;                  /* dialogue_tail() when quiet_at was set */
	bool tail_open;
	link_trace_function *trace;
	void *trace_context;
	bool traced_busy;
};

/* Loads the password file. 0 or -1. LINK is large: keep it in static memory. */
int link_init(struct link *link, const struct config *config, struct error *error);
void link_free(struct link *link);

/* Begins OP, with a new session where there is none. */
void link_start(struct link *link, enum appliance_op op, struct mono now);

/* Does what can be done without waiting. LINK_DONE: facts are filled. LINK_FAILED: error and effect say what happened. */
enum link_status link_step(struct link *link, struct mono now);

/* What to wait for while LINK_WAIT. */
struct pollfd link_poll(const struct link *link);
struct mono link_deadline(const struct link *link);

/* Ends the session, if there is one, without a word: also in the middle of an operation, whose effect then stays as `effect` says. */
void link_close(struct link *link);

#endif
