/* notice.h - the job `notify` (jobs.h): one notification of the watchdog's, from standard input by HTTPS to the operator's address. A process of its own, so that
 * neither the engine nor the supervisor ever waits for somebody else's server. */
#ifndef DRR_SUPERVISOR_NOTICE_H
#define DRR_SUPERVISOR_NOTICE_H

#include "config.h"

enum {
	NOTICE_MAX_BYTES = 12 * 1024,       /* of the JSON text */
	NOTICE_READ_LIMIT_MS = 10 * 1000,   /* from the start to the end of standard input */
	NOTICE_CONNECT_LIMIT_MS = 10 * 1000, /* TCP and TLS */
	NOTICE_ANSWER_LIMIT_MS = 15 * 1000,
	NOTICE_ATTEMPTS = 7,
	NOTICE_FIRST_WAIT_MS = 1000,        /* before the second attempt; doubled before each further one: 1, 2, 4, 8, 16, 32 s */
	NOTICE_LIMIT_MS = 120 * 1000,       /* for all of it */
};

/* The hidden verb `notify`. Becomes [agent] user, enters JAIL_CLIENT. Logs a line for each failed attempt, with nothing of the request in it. Returns the exit code: 0
 * taken (2xx); 4 refused for good (3xx, as no redirect is followed; 4xx but 408, 425 and 429); 7 the other side's key is not what the configuration says: nothing was
 * sent; 8 all attempts failed, or it was told to end; 2 the configuration, or nothing or too much on standard input; 1 this host failed us. */
int notice_main(const struct config *config);

#endif
