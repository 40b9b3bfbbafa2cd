/* handler.h - one request, from the HTTPS server to the engine and back: routes, bounds on long polls, problems, the access log, counting. */
#ifndef DRR_FRONT_HANDLER_H
#define DRR_FRONT_HANDLER_H

#include <stdatomic.h>

#include "front/exchange.h"
#include "front/https_metrics.h"
#include "platform/https_server.h"

struct handler {
	struct exchange *exchange;
	struct https_server *_Atomic server; /* NULL until it has been started: its counters are 0 then */
	_Atomic uint64_t requests[HTTPS_METRICS_CODE_COUNT];
	atomic_uint busy; /* requests within handler_answer() */
};

/* For struct https_settings; CONTEXT is a struct handler. */
void handler_answer(void *context, const struct https_request *request, struct https_response *response);
void handler_refuse(void *context, struct https_response *response);

#endif
