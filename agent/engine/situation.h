/* situation.h - what `status` and GET /v1/state say: facts, journal and log as one JSON object. Values that are not known are null. */
#ifndef DRR_ENGINE_SITUATION_H
#define DRR_ENGINE_SITUATION_H

#include "engine/asking.h"
#include "engine/link.h"
#include "platform/json.h"
#include "run/journal.h"
#include "watch/watchdog.h"

struct situation {
	const struct config *config;
	const struct link *link;
	const char *address;                 /* this member's in the peering table; "" unknown */
	const struct asking_event *log;
	const struct journal_state *journal; /* NULL: it cannot be read */
	int64_t lag_ms;                      /* of the log's watcher; -1: nobody watches */
};

/* The operations whose answers make it up, in their order; *COUNT of them. The first three are needed, the others are worth a question. */
struct situation_question {
	enum appliance_op op;
	const char *name; /* in "ways" */
	bool needed;
};
const struct situation_question *situation_questions(unsigned *count);

/* The whole object; the caller frees it. age_ms and as_of are those of the oldest needed answer. */
struct json *situation_json(const struct situation *situation);

/* Milliseconds since the oldest of the needed answers; -1: one of them was never given. */
int64_t situation_age_ms(const struct link *link);

/* A grant, a hold, a step that the journal knows, as JSON; NULL: there is none. */
struct json *situation_grant(const struct journal_standing *standing);
struct json *situation_hold(const struct journal_standing *standing);
struct json *situation_op(const struct journal_state *state, enum journal_op op);

/* What the watchdog says. */
struct json *situation_watchdog(const struct watchdog *w);

/* A hold that is not over yet. */
bool situation_is_held(const struct journal_standing *standing);

#endif
