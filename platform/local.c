#include "platform/local.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct local {
	struct transport base; /* first: the functions cast */
	const char *path;
	bool connected;
};

static struct local *of(struct transport *t)
{
	return (struct local *)(void *)t;
}

static enum transport_step local_connect(struct transport *t, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct local *local = of(t);
	int rc;

	if (local->connected)
		return TRANSPORT_DONE;
	memcpy(address.sun_path, local->path, strlen(local->path)); /* local_open() has measured it */
	do {
		rc = connect(t->fd, (const struct sockaddr *)&address, sizeof address);
	} while (rc != 0 && errno == EINTR);
	local->connected = rc == 0;
	if (rc == 0)
		return TRANSPORT_DONE;
	if (errno == EAGAIN) /* its queue is full; the caller's deadline ends that */
		return TRANSPORT_WAIT;
	(void)error_set_errno(error, errno == EACCES || errno == EPERM ? ERROR_PERMISSION : ERROR_UNREACHABLE, errno,
			      "systemctl status drr-agent; ls -l its socket: root and the agent's group may use it", "no connection to %s", local->path);
	return TRANSPORT_FAILED;
}

static int lost(const struct local *local, int sys_errno, struct error *error)
{
	if (sys_errno == 0)
		return error_set(error, ERROR_LOST, NULL, "%s: the other side closed the connection", local->path);
	return error_set_errno(error, ERROR_LOST, sys_errno, NULL, "%s: the connection broke", local->path);
}

static int local_read(struct transport *t, void *bytes, size_t size_bytes, size_t *got_bytes, struct error *error)
{
	ssize_t count;

	*got_bytes = 0;
	do {
		count = recv(t->fd, bytes, size_bytes, MSG_DONTWAIT);
	} while (count < 0 && errno == EINTR);
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (count <= 0)
		return lost(of(t), count < 0 ? errno : 0, error);
	*got_bytes = (size_t)count;
	return 0;
}

static int local_write(struct transport *t, const void *bytes, size_t count_bytes, size_t *taken_bytes, struct error *error)
{
	ssize_t count;

	*taken_bytes = 0;
	do {
		count = send(t->fd, bytes, count_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (count < 0 && errno == EINTR);
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (count < 0)
		return lost(of(t), errno, error);
	*taken_bytes = (size_t)count;
	return 0;
}

static short local_events(const struct transport *t)
{
	const struct local *local = (const struct local *)(const void *)t;

	return local->connected ? POLLIN : POLLOUT;
}

static void local_close(struct transport *t)
{
	(void)close(t->fd);
	free(of(t));
}

struct transport *local_open(const char *path, struct error *error)
{
	static const struct transport_ops ops = {local_connect, local_read, local_write, local_events, local_close};
	struct local *local = calloc(1, sizeof *local);
	struct sockaddr_un address;

	if (!local) {
		(void)error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "cannot open %s", path);
		return NULL;
	}
	local->base.ops = &ops;
	local->path = path;
	local->base.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (strlen(path) >= sizeof address.sun_path)
		(void)error_set(error, ERROR_CONFIG, NULL, "%s: a socket's path has at most %zu bytes", path, sizeof address.sun_path - 1);
	else if (local->base.fd < 0)
		(void)error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot open a socket");
	if (error->code == ERROR_NONE)
		return &local->base;
	if (local->base.fd >= 0)
		(void)close(local->base.fd);
	free(local);
	return NULL;
}
