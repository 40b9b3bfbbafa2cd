/* probe.h - does an address of the gateway answer? One HTTPS GET, and what came back. Sends nothing secret, so a certificate may stay unchecked: then
 * it is said so. */
#ifndef DRR_ENGINE_PROBE_H
#define DRR_ENGINE_PROBE_H

#include "config.h"
#include "platform/loop.h"

enum {
	PROBE_TIMEOUT_MS = 15000,     /* from the first packet to the last byte */
	PROBE_BODY_KEPT_BYTES = 1024, /* of the answer; enough for /health */
	PROBE_BODY_MAX_BYTES = 65536, /* longer: an error */
};

struct probe {
	int status;              /* 200; 0: no answer */
	bool certificate_checked;
	char body[PROBE_BODY_KEPT_BYTES + 1]; /* foreign; NUL-terminated, may hold NULs */
	size_t body_bytes;       /* kept */
	struct error error;      /* why there is no (whole) answer */
};

/* GET of BASE and PATH ("/health"). CA_FILE: the certificate must lead to it; "": it is not checked. 0: PROBE says what happened, also that nobody
 * answered. -1: this end is at fault (ca_file, interrupted, ...), ERROR says how. */
int probe_get(const struct config_url *base, const char *path, const char *ca_file, struct loop *loop, struct probe *probe, struct error *error);

#endif
