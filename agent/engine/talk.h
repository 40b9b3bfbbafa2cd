/* talk.h - a one-shot verb's conversation with the daemon of this member, over state_dir/api.sock: the verb asks, the daemon does. Whoever finds nobody there does the work
 * itself, under the lock of state_dir. */
#ifndef DRR_ENGINE_TALK_H
#define DRR_ENGINE_TALK_H

#include <stdbool.h>

#include "config.h"
#include "engine/report.h"
#include "group/client.h"
#include "platform/loop.h"

enum {
	TALK_CONNECT_MS = 5000,
	TALK_ANSWER_MS = 30000,   /* a look at the appliance takes up to 20 s */
	TALK_PATIENCE_MS = 60000, /* a daemon that is being restarted, or finishes something first, is asked again for so long */
	TALK_RETRY_MS = 1000,
};

struct talk {
	struct client client; /* its answer is that of the last question */
	struct loop loop;

	/* What the terminal shows while there is no answer; report NULL: nothing. The caller's. */
	struct report *report;
	const char *step, *what;
	struct mono since;

	bool interrupted; /* by SIGINT or SIGTERM: the last question's error */

	/* Private. */
	const struct config *config;
	struct group_door door;
};

enum talk_found { TALK_FAILED = -1, TALK_NOBODY, TALK_ANSWERED };

/* Looks for the daemon of CONFIG and asks it GET TARGET. TALK_NOBODY: no socket, or nobody listens at it any more; talk_close() is not needed then. TALK_FAILED: likewise,
 * and ERROR, also when this user may not use the socket (ERROR_PERMISSION, with the group to be in), or for a refusal other than 404 (a daemon that does not know
 * TARGET). TALK: large, static memory; not moved. */
enum talk_found talk_open(struct talk *talk, const struct config *config, const char *target, struct error *error);
void talk_close(struct talk *talk);

/* One question, waited for. BODY: JSON text, or NULL. WAIT_S: of a long poll. What passes (a restart, another step) is waited for, TALK_PATIENCE_MS at most. 0: answered,
 * also with a refusal that does not pass (talk->client.http_status); -1: ERROR_FAILED on SIGINT and SIGTERM, otherwise no answer. */
int talk_ask(struct talk *talk, const char *method, const char *target, const char *body, unsigned wait_s, struct error *error);

/* The same, and a refusal is an error, too: its code by its type, its sentence, its next step; who holds the grant, or set the hold. */
int talk_need(struct talk *talk, const char *method, const char *target, const char *body, unsigned wait_s, struct error *error);

/* Waits MS, or for a signal: -1 and ERROR_FAILED. */
int talk_rest(struct talk *talk, int64_t ms, struct error *error);

/* What stands at PATH, keys with dots between: "run.id". NULL: nothing; false. */
const struct json *talk_at(const struct json *json, const char *path);
const char *talk_string(const struct json *json, const char *path);
bool talk_bool(const struct json *json, const char *path);

#endif
