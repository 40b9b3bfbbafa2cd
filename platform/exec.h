/* exec.h - the CLI behind a command on a pty (for example `docker exec -it NAME cli`). */
#ifndef DRR_PLATFORM_EXEC_H
#define DRR_PLATFORM_EXEC_H

#include "platform/transport.h"

/* COMMAND is run by /bin/sh -c in a session of its own on a new pty (echo off, 500 columns so that nothing wraps), with a clean signal mask and no other descriptor
 * of ours. Closing the transport hangs up, then kills, and reaps it. The command's end is ERROR_LOST and says its exit status (after waiting for it
 * for at most 0.2 s). Closing takes 0.3 s at most. */
struct transport *exec_open(const char *command, struct error *error);

#endif
