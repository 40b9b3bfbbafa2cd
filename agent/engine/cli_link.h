/* cli_link.h - one session with the appliance's command line: connects, logs in, performs one operation at a time, notices silence and loss.
 *
 * Owner-side: moves bytes between a transport and the dialogue and gives the dialogue its sense of time. Does not retry; the run's table decides.
 * A password that was refused is remembered on disk and not tried again until the configuration, the password's or the key's file changes. */
#ifndef DRR_ENGINE_CLI_LINK_H
#define DRR_ENGINE_CLI_LINK_H

#include <poll.h>

#include "appliance/cli.h"
#include "base/mono.h"
#include "config.h"
#include "platform/ssh.h"

enum cli_link_status { CLI_LINK_IDLE, CLI_LINK_WAIT, CLI_LINK_DONE, CLI_LINK_FAILED };

/* An operation as a whole may take this many times command_timeout_s, however talkative the appliance is. */
enum { CLI_LINK_OPERATION_TIMEOUTS = 8 };

/* Hears each command line and its answer, for --verbose; never a password. */
typedef void cli_link_trace_function(void *context, const char *command, const char *answer, size_t answer_bytes);

struct cli_link {
	const struct config *config;
	struct secret password;
	struct transport *transport;
	struct ssh_settings ssh_settings;
	struct ssh_report ssh;
	struct dialogue dialogue;
	struct cli cli;
	struct appliance_facts *facts; /* the caller's; survives sessions */
	struct error error;           /* of the last operation: CLI_LINK_FAILED */
	enum cli_link_status status;
	enum appliance_effect effect; /* of the last operation */
	bool connected;               /* the transport is up */
	struct mono deadline;         /* silence, or connecting */
	struct mono operation_deadline;
	struct mono quiet_at;
	size_t tail;                  /* dialogue_tail() when quiet_at was set */
	bool tail_open;
	cli_link_trace_function *trace;
	void *trace_context;
	bool traced_busy;
};

/* Loads the password file. WANTED and FACTS must outlive it. 0 or -1. LINK is large: keep it in static memory. */
int cli_link_init(struct cli_link *link, const struct config *config, const struct appliance_wanted *wanted, struct appliance_facts *facts, struct error *error);
void cli_link_free(struct cli_link *link);

/* Begins OP, with a new session where there is none. */
void cli_link_start(struct cli_link *link, enum appliance_op op, struct mono now);

/* Begins a question in words of the caller's, COMMAND (a show command; at most CLI_TEXT_BYTES - 1), asked at the top level of the domain. After CLI_LINK_DONE its answer stands
 * in dialogue.answer. */
void cli_link_start_text(struct cli_link *link, const char *command, struct mono now);

/* Does what can be done without waiting. CLI_LINK_DONE: facts are filled. CLI_LINK_FAILED: error and effect say what happened. */
enum cli_link_status cli_link_step(struct cli_link *link, struct mono now);

/* What to wait for while CLI_LINK_WAIT. */
struct pollfd cli_link_poll(const struct cli_link *link);
struct mono cli_link_deadline(const struct cli_link *link);

/* Ends the session, if there is one, without a word: also in the middle of an operation, whose effect then stays as `effect` says; of a command that may
 * still have its effect, what has not arrived yet is kept from arriving (transport_abort). */
void cli_link_close(struct cli_link *link);

#endif
