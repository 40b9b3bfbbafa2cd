/* dial.h - a TCP connection to a host, all of its addresses one after the other, without blocking in connect(2).
 * Shared by ssh.c and telnet.c. */
#ifndef DRR_PLATFORM_DIAL_H
#define DRR_PLATFORM_DIAL_H

#include <stdbool.h>

#include "platform/transport.h"

struct addrinfo;

struct dial {
	const char *host; /* a name or an address literal (IPv6 without brackets); the caller's */
	unsigned port;
	bool loopback_only; /* refuse hosts with any address outside 127.0.0.0/8 and ::1 */
	int fd;             /* the connection in progress; -1 before the first dial_step() */
	struct addrinfo *list, *next; /* private: what HOST resolved to, and what is to be tried yet */
	unsigned tried;               /* private */
};

void dial_init(struct dial *dial, const char *host, unsigned port, bool loopback_only);

/* The first call resolves the name: getaddrinfo(3) may block for its own time limits (address literals do not). WAIT: call again when dial->fd
 * (it changes between calls) has POLLOUT. DONE: dial->fd is connected, non-blocking, close-on-exec and without Nagle's delay, and the caller's
 * (dial_close() leaves it open if the caller sets it to -1). FAILED: ERROR_UNREACHABLE, or ERROR_CONFIG for an address that is not allowed. */
enum transport_step dial_step(struct dial *dial, struct error *error);

void dial_close(struct dial *dial);

#endif
