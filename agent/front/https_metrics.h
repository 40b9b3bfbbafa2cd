/* https_metrics.h - what the front counts, as OpenMetrics 1.0 text behind the engine's. Pure. */
#ifndef DRR_FRONT_HTTPS_METRICS_H
#define DRR_FRONT_HTTPS_METRICS_H

#include "base/buf.h"
#include "platform/https_server.h"

enum {
	HTTPS_METRICS_CODE_COUNT = 21,  /* statuses that are counted each for itself, and one for all others */
	HTTPS_METRICS_MAX_BYTES = 8192, /* of the front's text */
};

/* The place of STATUS in an array of HTTPS_METRICS_CODE_COUNT. */
unsigned https_metrics_code(int status);

/* Appends the families drr_https_*, and "# EOF": nothing may follow. REQUESTS: by https_metrics_code(). HTTPS_METRICS_MAX_BYTES suffice. 0, or -1: no room. */
int https_metrics_write(struct buf *out, const struct https_counts *counts, const uint64_t requests[HTTPS_METRICS_CODE_COUNT]);

#endif
