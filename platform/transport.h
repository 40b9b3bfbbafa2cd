/* transport.h - a byte stream to the appliance's CLI: SSH, telnet, or a command on a pty. Never blocks.
 *
 * Open with ssh_open(), telnet_open() or exec_open(); call transport_connect() whenever its descriptor is ready until it says
 * TRANSPORT_DONE; then read and write. Deadlines are the caller's. */
#ifndef DRR_PLATFORM_TRANSPORT_H
#define DRR_PLATFORM_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/error.h"

struct transport;

enum transport_step {
	TRANSPORT_FAILED = -1, /* ERROR says why */
	TRANSPORT_WAIT = 0,    /* call again when transport_fd() has transport_events(); both change from call to call */
	TRANSPORT_DONE = 1,
};

/* What an implementation fills in (platform/ssh.c, telnet.c, exec.c); callers use the functions below. */
struct transport_ops {
	enum transport_step (*connect)(struct transport *, struct error *);
	int (*read)(struct transport *, void *bytes, size_t size_bytes, size_t *got_bytes, struct error *);
	int (*write)(struct transport *, const void *bytes, size_t count_bytes, size_t *taken_bytes, struct error *);
	short (*events)(const struct transport *);
	void (*close)(struct transport *);
};

struct transport {
	const struct transport_ops *ops;
	int fd; /* -1 before the first connect */
	bool aborted; /* close() sends nothing of its own any more */
};

static inline enum transport_step transport_connect(struct transport *t, struct error *error)
{
	return t->ops->connect(t, error);
}

/* *got 0 and return 0: nothing there yet. -1: ERROR_LOST when the peer closed (all bytes before it were delivered), or another
 * error. Read until *got is 0: SSH keeps bytes that poll() cannot see, also right after TRANSPORT_DONE. Call it whenever the descriptor
 * has any of transport_events(), POLLOUT too: it also sends what the transport itself owes. */
static inline int transport_read(struct transport *t, void *bytes, size_t size_bytes, size_t *got_bytes, struct error *error)
{
	return t->ops->read(t, bytes, size_bytes, got_bytes, error);
}

/* *taken may be less than COUNT, also 0; what was taken is on its way or kept, and wiped once it is out. -1: ERROR_LOST; there may
 * be bytes to read yet. */
static inline int transport_write(struct transport *t, const void *bytes, size_t count_bytes, size_t *taken_bytes,
				  struct error *error)
{
	return t->ops->write(t, bytes, count_bytes, taken_bytes, error);
}

static inline int transport_fd(const struct transport *t)
{
	return t->fd;
}

/* POLLIN, POLLOUT or both: what the transport itself waits for (add POLLOUT when you have bytes to write). */
static inline short transport_events(const struct transport *t)
{
	return t->ops->events(t);
}

/* Frees everything; NULL is fine. What was taken may still arrive, and a farewell goes out where the protocol has one. */
static inline void transport_close(struct transport *t)
{
	if (t)
		t->ops->close(t);
}

/* The same, but what has not arrived yet is not to arrive any more: for a command that is given up. The peer sees a reset (TCP; a pty is just closed). */
static inline void transport_abort(struct transport *t)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	if (!t)
		return;
	t->aborted = true;
	if (t->fd >= 0)
		(void)setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	t->ops->close(t);
}

#endif
