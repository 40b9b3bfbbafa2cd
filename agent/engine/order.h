/* order.h - run and recover where the daemon runs: it does the work, this asks for it step by step, and tells what it says. */
#ifndef DRR_ENGINE_ORDER_H
#define DRR_ENGINE_ORDER_H

#include "engine/run.h"

enum {
	ORDER_NOBODY = -1,               /* no daemon is there: the verb does the work itself */
	ORDER_EVENTS_WAIT_S = 5,         /* of a long poll; the end of a step whose events could not be stored is noticed that much later */
	ORDER_RECOVER_LIMIT_MS = 180000, /* the daemon tries an enable again after a minute (DAEMON_RESCUE_PAUSE_MS) */
};

/* The run as a group of one: precheck, the grant, the steps, the grant given back unless something is not finished. The exit code is that of run_execute(), and all is
 * told; or ORDER_NOBODY. */
int order_run(const struct config *config, const struct run_request *request);

/* Waits until the daemon has finished what the journal holds open, for ORDER_RECOVER_LIMIT_MS at most. Of REQUEST: json. The exit code is that of run_recover(), 6 when a
 * step is under way that is no recovery; or ORDER_NOBODY. */
int order_recover(const struct config *config, const struct run_request *request);

#endif
