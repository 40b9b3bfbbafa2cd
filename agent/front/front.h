/* front.h - the process that the world talks to: it holds the endpoint's key and nothing else, opens nothing and connects to nothing. */
#ifndef DRR_FRONT_FRONT_H
#define DRR_FRONT_FRONT_H

#include "config.h"

enum {
	FRONT_CONTROL_FD = 3, /* to the supervisor */
	FRONT_ENGINE_FD = 4,  /* to the engine */
	FRONT_CONNECTIONS_MAX = 64,
	FRONT_IDENTITY_MS = 30000, /* for the supervisor to send the first FRAME_IDENTITY */
	FRONT_ORPHAN_MS = 20000,   /* without an engine, before it ends for the supervisor to join them again; an engine that is started again has its channel at once */
	FRONT_FAREWELL_MS = 2000,  /* at FRAME_STOP: for those who are told so */
};

/* The Unix socket in state_dir. */
#define FRONT_SOCKET_NAME "api.sock"

/* `drr-agent front`, started by the supervisor only. Returns the process's exit code: 0 when it was told to end, or the supervisor is gone. */
int front_main(const struct config *config);

#endif
