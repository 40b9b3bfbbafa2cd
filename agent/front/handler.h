/* handler.h - one request, from the HTTPS server to the engine and back: routes, bounds on long polls, problems, the access log, counting. */
#ifndef DRR_FRONT_HANDLER_H
#define DRR_FRONT_HANDLER_H

#include <stdatomic.h>

#include "base/mono.h"
#include "front/exchange.h"
#include "front/https_metrics.h"
#include "platform/https_server.h"

enum { HANDLER_REFUSED_MS = 10000 };

struct handler {
	struct exchange *exchange;
	struct https_server *_Atomic server; /* NULL until it has been started: its counters are 0 then */
	_Atomic uint64_t requests[HTTPS_METRICS_CODE_COUNT];
	atomic_uint busy; /* requests within handler_answer() */
	/* handler_refused()'s: when it last wrote a line, and how many it has not written since. */
	struct mono refused_said_at;
	unsigned refused_unsaid;
};

/* For struct https_settings; CONTEXT is a struct handler. */
void handler_answer(void *context, const struct https_request *request, struct https_response *response);
void handler_refuse(void *context, struct https_response *response);
void handler_refused(void *context, const char *peer, const char *why); /* a line in the log, one in HANDLER_REFUSED_MS at most */

#endif
