/* others.h - what the members of the group say about their registration, read out of what `drrctl status --json` prints: for the watchdog of one of them. Pure. */
#ifndef DRR_GROUP_OTHERS_H
#define DRR_GROUP_OTHERS_H

#include "watch/watchdog.h"

enum { OTHERS_MAX_BYTES = 1024 * 1024 }; /* of the text */

/* PATIENCE_S: how long a member may wait for an event (heartbeat and slack). A member waits when the last line of meaning in its log says so, or
 * when an event was accepted and there are no collections; it is registered when it does not, its service is up, and its collections are there or, where nobody can count
 * them, an event was accepted. One whose log tells no time is judged by its own watchdog. False, and
 * GROUP is not known: TEXT is no such answer, or no member was reached. */
bool others_read(const char *text, size_t text_bytes, unsigned patience_s, struct watchdog_group *group);

#endif
