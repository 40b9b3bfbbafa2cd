/* fleet.h - the same for several groups: each in a process of its own, a few at a time, what they print in the order of the groups. One group that does not answer holds up none. */
#ifndef DRR_GROUP_FLEET_H
#define DRR_GROUP_FLEET_H

#include <stdbool.h>

#include "base/error.h"

enum {
	FLEET_GROUPS_MAX = 256,
	FLEET_AT_ONCE = 8, /* processes */
};

/* What is done for one group; it prints to standard output. Returns an exit code. */
typedef int fleet_function(void *context, const char *path);

/* For each of the COUNT files PATHS. JSON: each prints one JSON value, which become an array; otherwise each is headed by its path. Returns the exit code of the worst: 1, 2, 8, 7,
 * then any other; or -1 and ERROR. */
int fleet_each(const char *const *paths, unsigned count, bool json, fleet_function *function, void *context, struct error *error);

#endif
