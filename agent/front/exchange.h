/* exchange.h - requests on their way to the engine and replies on their way back: many threads ask and wait, one thread delivers.
 *
 * A place for each request under way, a lock over all of them, and a condition variable for each. The engine may end and come back with another channel at any
 * time: who waits then is told at once. */
#ifndef DRR_FRONT_EXCHANGE_H
#define DRR_FRONT_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/frame.h"

enum {
	EXCHANGE_PLACES = 16,      /* requests under way at the same time, at least as many as the server has workers */
	EXCHANGE_LIMIT_MS = 70000, /* for a reply: the longest wait of a client (60 s) and the time to ask the appliance */
	EXCHANGE_TYPE_BYTES = 129,
	EXCHANGE_LOCATION_BYTES = 256,
	EXCHANGE_RETRY_MAX_S = 3600,
};

struct exchange_settings {
	unsigned limit_ms;     /* EXCHANGE_LIMIT_MS but for tests */
	unsigned waiters_max;  /* how many may wait in long polls at the same time */
};

enum exchange_result {
	EXCHANGE_ANSWERED,
	EXCHANGE_NO_ENGINE, /* there is none now, or it ended before it answered: what was asked may have been done */
	EXCHANGE_LATE,      /* no reply within the limit */
	EXCHANGE_FULL,      /* no place, or the engine does not read */
	EXCHANGE_BAD_REPLY, /* what came is no proper reply: a mistake of ours */
	EXCHANGE_ENDED,     /* exchange_end() */
};

struct exchange_reply {
	unsigned status;
	char type[EXCHANGE_TYPE_BYTES];
	char location[EXCHANGE_LOCATION_BYTES]; /* "" none */
	unsigned retry_after_s;                 /* 0 none */
	char *body;                             /* malloc(3)ed, a NUL behind it; the caller frees. NULL: none */
	size_t body_bytes;
};

struct exchange;

/* ENGINE: the channel to it, from now on the exchange's; -1: none yet. NULL and ERROR_INTERNAL. */
struct exchange *exchange_open(int engine, const struct exchange_settings *settings, struct error *error);
void exchange_close(struct exchange *exchange); /* nobody may be within any more; NULL is fine */

/* ---- for the workers ---- */

/* Sends the fields of a FRAME_REQUEST (METHOD, TARGET, NAMES, CHANNEL, BODY; the number is given here) and waits for its reply. REPLY is filled with EXCHANGE_ANSWERED
 * only. */
enum exchange_result exchange_ask(struct exchange *exchange, const struct frame_field fields[FRAME_FIELDS_MAX], struct exchange_reply *reply);

/* Whether one more may wait in a long poll. True: exchange_wait_end() must follow. */
bool exchange_wait_begin(struct exchange *exchange);
void exchange_wait_end(struct exchange *exchange);

/* ---- for the one thread that delivers ---- */

int exchange_engine(struct exchange *exchange); /* the channel to read from, borrowed; -1: none */

/* Gives REPLY to whoever asked. False: nobody did (or has given up), or the frame is no proper reply (who asked is told so). */
bool exchange_deliver(struct exchange *exchange, const struct frame *reply);

/* The engine is gone, or another one has come: closes its channel, tells everybody who waits, and takes ENGINE instead (-1: none). */
void exchange_replace_engine(struct exchange *exchange, int engine);

/* From now on nobody is asked anything; who waits is told. */
void exchange_end(struct exchange *exchange);

#endif
