/* metrics.h - what the front counts, as OpenMetrics 1.0 text behind the engine's. Pure. */
#ifndef DRR_FRONT_METRICS_H
#define DRR_FRONT_METRICS_H

#include "base/buf.h"
#include "platform/https_server.h"

enum {
	METRICS_CODE_COUNT = 21,  /* statuses that are counted each for itself, and one for all others */
	METRICS_MAX_BYTES = 8192, /* of the front's text */
};

/* The place of STATUS in an array of METRICS_CODE_COUNT. */
unsigned metrics_code(int status);

/* Appends the families drr_https_*, and "# EOF": nothing may follow. REQUESTS: by metrics_code(). METRICS_MAX_BYTES of room suffice. 0, or -1: no room. */
int metrics_write(struct buf *out, const struct https_counts *counts, const uint64_t requests[METRICS_CODE_COUNT]);

#endif
