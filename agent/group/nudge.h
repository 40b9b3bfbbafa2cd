/* nudge.h - API Manager over its REST interface, in steps that do not block: it is made to send an event to the gateway service (each catalog's summary is changed, and put back), and
 * asked how far it is with what it has sent.
 *
 * A token is asked for when there is none, and once more when it is not taken any more (it has expired). Refused credentials are never tried again. */
#ifndef DRR_GROUP_NUDGE_H
#define DRR_GROUP_NUDGE_H

#include "group/client.h"
#include "group/manager.h"

enum {
	NUDGE_RETRY_MS = 5000, /* between two looks */
};

enum nudge_state { NUDGE_IDLE, NUDGE_TOKEN, NUDGE_READ, NUDGE_CHANGE, NUDGE_RESTORE, NUDGE_STATUS };

struct nudge {
	struct error error;  /* when over: ERROR_NONE, it has worked */
	struct manager_catalog catalogs[GROUP_CATALOGS_MAX]; /* in the order of group.conf */
	/* Private. */
	const struct group_config *config;
	enum nudge_state state, wanted; /* wanted: what the token is for */
	struct client client;
	unsigned catalog;    /* the one at work */
	struct manager_summary summary; /* as it was */
	struct secret token;
	bool token_fresh;    /* nothing was done with it yet */
	bool refused;        /* our credentials were: no further try */
};

/* Nothing happens yet. Without [api_manager] it may not be started. 0 or -1. */
int nudge_init(struct nudge *nudge, const struct group_config *config, struct error *error);
void nudge_free(struct nudge *nudge);

/* Makes it send an event for each catalog. Nothing may be under way. */
void nudge_start(struct nudge *nudge, struct mono now);
/* Asks once how far it is with each catalog. Nothing may be under way. */
void nudge_look(struct nudge *nudge, struct mono now);

/* Does what can be done without waiting. True, once: it is over. */
bool nudge_step(struct nudge *nudge, struct mono now);

/* What to wait for; NULL: nothing is under way. */
struct client *nudge_client(struct nudge *nudge);

/* By the last look: every catalog is up to date, and no event is outstanding. */
bool nudge_is_current(const struct nudge *nudge);
/* "sandbox: up to date; production: 2 events sent and 1 queued are outstanding, enabled". Foreign text in it. Returns OUT. */
const char *nudge_story(const struct nudge *nudge, char out[MANAGER_STORY_BYTES]);

#endif
