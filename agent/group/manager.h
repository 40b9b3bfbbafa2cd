/* manager.h - API Manager's answers, and the mark that a change of ours leaves in a catalog's summary. Pure.
 *
 * Fields that this version does not know are passed over; what is not told is not known, never assumed. Strings out of an answer are foreign text. */
#ifndef DRR_GROUP_MANAGER_H
#define DRR_GROUP_MANAGER_H

#include "base/buf.h"
#include "base/error.h"
#include "platform/json.h"

enum {
	MANAGER_SUMMARY_BYTES = 2048,
	MANAGER_MARK_BYTES = 64,   /* " (drrctl TIME)" */
	MANAGER_STATE_BYTES = 64,
	MANAGER_STORY_BYTES = 1024,
};

struct manager_summary {
	bool there; /* false: the catalog has none */
	char text[MANAGER_SUMMARY_BYTES];
};

/* What it says of a catalog's gateway services, all of them together. */
struct manager_catalog {
	bool known;              /* it was told */
	unsigned services;
	bool up_to_date;         /* each service is, and there is one */
	int64_t sent, queued;    /* events that are outstanding; -1: not told of each service */
	char state[MANAGER_STATE_BYTES]; /* of the first service that is not up to date; "" */
};

/* The access token, borrowed; NULL: there is none that could stand in a header. */
const char *manager_token(const struct json *answer);

/* 0; or -1, ERROR_ANSWER. CATALOG: its name, for the sentence. */
int manager_read_summary(const struct json *answer, const char *catalog, struct manager_summary *summary, struct error *error);
int manager_read_services(const struct json *answer, const char *catalog, struct manager_catalog *out, struct error *error);

/* TEXT with a mark that tells TIME behind it; a mark that stands there already is replaced, and nothing else is touched. Returns OUT. */
const char *manager_mark(const char *text, const char *time, char out[MANAGER_SUMMARY_BYTES + MANAGER_MARK_BYTES]);

/* Every one of COUNT catalogs is up to date, and no event is outstanding. */
bool manager_is_current(const struct manager_catalog *catalogs, unsigned count);

/* "production: not up to date, 2 events sent and 1 queued are outstanding, service enabled" */
void manager_tell(const struct manager_catalog *catalog, const char *name, struct buf *out);

#endif
