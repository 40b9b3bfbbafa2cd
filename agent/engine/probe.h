/* probe.h - does an address of the gateway answer? One HTTPS GET, and what came back. Sends nothing secret, so a certificate may stay unchecked: then
 * it is said so. In steps that do not block, one at a time in a process. */
#ifndef DRR_ENGINE_PROBE_H
#define DRR_ENGINE_PROBE_H

#include <poll.h>

#include "base/mono.h"
#include "config.h"

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

/* Begins a GET of BASE and PATH ("/health"). CA_FILE: the certificate must lead to it; "": it is not checked. PROBE is filled until it is over. 0; or -1: this end is
 * at fault (ca_file ...), ERROR says how, and nothing is under way. */
int probe_start(const struct config_url *base, const char *path, const char *ca_file, struct probe *probe, struct error *error);

/* Does what can be done without waiting. True: it is over, and the probe says what happened, also that nobody answered. */
bool probe_step(void);
struct pollfd probe_poll(void);
struct mono probe_deadline(void);

/* Gives it up; nothing under way is fine. */
void probe_stop(void);

#endif
