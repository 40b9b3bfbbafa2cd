#include "platform/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

/* "@name" stands for an abstract socket, whose first byte is NUL. */
static int take_address(struct notify *notify, const char *text, struct error *error)
{
	size_t length = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || length < 2 || length >= sizeof notify->address.sun_path)
		return error_set(error, ERROR_CONFIG, NULL, "NOTIFY_SOCKET=%.200s: neither an absolute path nor an abstract name", text);
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, text, length);
	if (text[0] == '@')
		notify->address.sun_path[0] = '\0';
	notify->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (text[0] == '/' ? 1 : 0));
	return 0;
}

static unsigned take_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	unsigned long long value;

	if (!usec || !text_to_unsigned(usec, strlen(usec), UINT64_MAX, &value) || value == 0)
		return 0;
	if (value / 1000 > UINT32_MAX)
		return 0; /* "infinity" */
	if (value < 1000)
		value = 1000;
	if (pid) {
		unsigned long long number;

		if (!text_to_unsigned(pid, strlen(pid), INT32_MAX, &number) || number != (unsigned long long)getpid())
			return 0; /* meant for another process */
	}
	return (unsigned)(value / 1000);
}

int notify_open(struct notify *notify, struct error *error)
{
	const char *text = getenv("NOTIFY_SOCKET");

	memset(notify, 0, sizeof *notify);
	notify->fd = -1;
	if (!text || text[0] == '\0')
		return 0;
	if (take_address(notify, text, error))
		return -1;
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify->fd < 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot open a socket to systemd");
	notify->watchdog_ms = take_watchdog();
	return 0;
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		(void)close(notify->fd);
	notify->fd = -1;
}

/* The socket is not connected: systemd may make its own anew. */
static bool tell(const struct notify *notify, const char *message)
{
	ssize_t sent;

	if (notify->fd < 0)
		return false;
	do
		sent = sendto(notify->fd, message, strlen(message), MSG_NOSIGNAL, (const struct sockaddr *)(const void *)&notify->address, notify->address_bytes);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

static bool tell_with_status(const struct notify *notify, const char *head, const char *status)
{
	char shown[NOTIFY_STATUS_MAX_BYTES], message[NOTIFY_MESSAGE_MAX_BYTES];

	(void)text_escape(shown, sizeof shown, status, strlen(status));
	(void)snprintf(message, sizeof message, "%sSTATUS=%s", head, shown);
	return tell(notify, message);
}

bool notify_ready(const struct notify *notify, const char *status)
{
	return status ? tell_with_status(notify, "READY=1\n", status) : tell(notify, "READY=1");
}

bool notify_stopping(const struct notify *notify, const char *status)
{
	return tell_with_status(notify, "STOPPING=1\n", status);
}

bool notify_status(const struct notify *notify, const char *status)
{
	return tell_with_status(notify, "", status);
}

bool notify_reloading(const struct notify *notify)
{
	char message[128];
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return false; /* cannot happen */
	(void)snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	return tell(notify, message);
}

bool notify_alive(const struct notify *notify)
{
	return notify->watchdog_ms > 0 && tell(notify, "WATCHDOG=1");
}
