/* https_metrics.h - what the front counts, as OpenMetrics 1.0 text behind the engine's, and both in the older format. Pure. */
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

/* The same for readers of the older text format (0.0.4: promtool, whoever does not ask for OpenMetrics): TEXT of COUNT bytes, as https_metrics_write() and the engine make
 * it, line by line: counters and infos are called by their samples' names, state sets are gauges, units and the end mark are left out. 0, or -1: no room; COUNT and 5 bytes a
 * line suffice. */
int https_metrics_classic(const char *text, size_t count_bytes, struct buf *out);

#endif
