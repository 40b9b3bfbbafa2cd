/* local.h - a byte stream to a Unix socket of this machine: a struct transport (transport.h). */
#ifndef DRR_PLATFORM_LOCAL_H
#define DRR_PLATFORM_LOCAL_H

#include "platform/transport.h"

/* PATH: the socket's; the caller's, must outlive the transport. NULL and ERROR: ERROR_CONFIG when it is too long for a socket, ERROR_INTERNAL. While connecting: ERROR_UNREACHABLE
 * (nobody listens), ERROR_PERMISSION; later ERROR_LOST, also for the peer's orderly end: there is no close_notify here. */
struct transport *local_open(const char *path, struct error *error);

#endif
