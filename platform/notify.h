/* notify.h - tells systemd how the daemon is (sd_notify(3)), without its library: one datagram to the socket of $NOTIFY_SOCKET. */
#ifndef DRR_PLATFORM_NOTIFY_H
#define DRR_PLATFORM_NOTIFY_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"

enum {
	NOTIFY_MESSAGE_MAX_BYTES = 2048,
	NOTIFY_STATUS_MAX_BYTES = 1024, /* of what stands behind STATUS= */
};

struct notify {
	int fd;                 /* -1: nobody asked to be told */
	unsigned watchdog_ms;   /* a sign of life is due within that; 0: none is asked of this process (WATCHDOG_USEC, WATCHDOG_PID) */
	struct sockaddr_un address;
	socklen_t address_bytes;
};

/* Reads NOTIFY_SOCKET (an absolute path, or @ and an abstract name), WATCHDOG_USEC and WATCHDOG_PID, and opens a socket. Without NOTIFY_SOCKET: fd -1, which is
 * no error. -1: ERROR_CONFIG (not an address that this can reach) or ERROR_INTERNAL; NOTIFY can be used all the same, and tells nobody. */
int notify_open(struct notify *notify, struct error *error);
void notify_close(struct notify *notify);

/* Each sends at once; true: it was taken by the socket. Nobody is told when it was not (systemd gone, its socket full): there is no second way. */
bool notify_ready(const struct notify *notify, const char *status); /* at work, or back at work after a reload; STATUS NULL: the last one holds */
bool notify_reloading(const struct notify *notify);                 /* with MONOTONIC_USEC, for Type=notify-reload; notify_ready() ends it */
bool notify_stopping(const struct notify *notify, const char *status);
bool notify_alive(const struct notify *notify); /* WATCHDOG=1; nothing is sent where watchdog_ms is 0 */
/* One line; line ends and what is no text in it are escaped, all of it cut at NOTIFY_STATUS_MAX_BYTES. */
bool notify_status(const struct notify *notify, const char *status);

#endif
