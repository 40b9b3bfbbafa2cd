/* asking.h - what the verbs that only look have in common: one question after the other, each waited for, and the last event in the log. */
#ifndef DRR_ENGINE_ASKING_H
#define DRR_ENGINE_ASKING_H

#include "engine/link.h"
#include "platform/clock.h"
#include "platform/loop.h"

enum {
	ASKING_HISTORY_BYTES = 1024 * 1024, /* how far back the log is read for its last event */
	ASKING_LOG_WAIT_MS = 60000,         /* how long it may take to read it */
};

struct asking {
	const struct config *config;
	struct link *link;
	struct loop loop;
};

/* LINK: static memory of the caller's. VERBOSE: commands and answers on standard error. 0 or -1; asking_close() in both cases. */
int asking_open(struct asking *asking, struct link *link, const struct config *config, bool verbose, struct error *error);
void asking_close(struct asking *asking);

/* One operation, waited for. 0, or -1: what the link says, or ERROR_FAILED on SIGINT and SIGTERM. */
int asking_do(struct asking *asking, enum appliance_op op, struct error *error);

/* The address of this member in the peering table: the configured one, or the object's own. */
const char *asking_address(const struct asking *asking);

struct asking_event {
	bool readable; /* else ERROR says why */
	bool found;
	char code[16]; /* 0x88e000ac */
	char time[CLOCK_TEXT_BYTES]; /* "" where the log's times have no year */
	int64_t age_ms; /* since the last line was logged; 0 unknown */
	struct error error;
};

/* The last event of the gateway service in the log. Nothing is configured: readable is false and ERROR is empty. */
void asking_last_event(struct asking *asking, struct asking_event *last);

#endif
