/* nudge.h - API Manager is made to send an event to the gateway service: a token, then for each catalog its summary is changed (and put back). In steps that do not block. */
#ifndef DRR_GROUP_NUDGE_H
#define DRR_GROUP_NUDGE_H

#include "group/client.h"

enum { NUDGE_SUMMARY_BYTES = 2048 };

enum nudge_state { NUDGE_IDLE, NUDGE_TOKEN, NUDGE_READ, NUDGE_CHANGE, NUDGE_RESTORE };

struct nudge {
	struct error error;  /* when over: ERROR_NONE, it has worked */
	/* Private. */
	const struct group_config *config;
	enum nudge_state state;
	struct client client;
	unsigned catalog;    /* the one at work */
	bool had_summary;
	char summary[NUDGE_SUMMARY_BYTES]; /* as it was */
	struct secret token;
};

/* Nothing happens yet. Without [api_manager] it may not be started. 0 or -1. */
int nudge_init(struct nudge *nudge, const struct group_config *config, struct error *error);
void nudge_free(struct nudge *nudge);

void nudge_start(struct nudge *nudge, struct mono now);

/* Does what can be done without waiting. True, once: it is over. */
bool nudge_step(struct nudge *nudge, struct mono now);

/* What to wait for; NULL: nothing is under way. */
struct client *nudge_client(struct nudge *nudge);

#endif
