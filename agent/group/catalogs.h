/* catalogs.h - waits until API Manager calls every catalog up to date, with no event outstanding. */
#ifndef DRR_GROUP_CATALOGS_H
#define DRR_GROUP_CATALOGS_H

#include "group/nudge.h"
#include "platform/loop.h"

enum catalogs_end {
	CATALOGS_CURRENT,
	CATALOGS_LATE,    /* it said otherwise until the limit */
	CATALOGS_UNKNOWN, /* it cannot be asked: the nudge's error says why */
	CATALOGS_STOPPED, /* by a signal */
};

/* What API Manager says now, after each look and once a second. */
typedef void catalogs_tell_function(void *context, const char *story, int64_t elapsed_ms, int64_t limit_ms);

/* NUDGE: nothing is under way. LIMIT_MS 0: one look. STORY: what was said last; "". Who does not answer is asked again until the limit; who refuses is not. */
enum catalogs_end catalogs_wait(struct nudge *nudge, struct loop *loop, int64_t limit_ms, catalogs_tell_function *tell, void *context, char story[MANAGER_STORY_BYTES]);

#endif
