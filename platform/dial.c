#include "platform/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void dial_init(struct dial *dial, const char *host, unsigned port, bool loopback_only)
{
	memset(dial, 0, sizeof *dial);
	dial->host = host;
	dial->port = port;
	dial->loopback_only = loopback_only;
	dial->fd = -1;
}

void dial_close(struct dial *dial)
{
	if (dial->fd >= 0)
		(void)close(dial->fd);
	if (dial->list)
		freeaddrinfo(dial->list);
	dial->fd = -1;
	dial->list = NULL;
	dial->next = NULL;
}

static bool is_loopback(const struct addrinfo *info)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (info->ai_family == AF_INET) {
		memcpy(&v4, info->ai_addr, sizeof v4);
		return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
	}
	if (info->ai_family == AF_INET6) {
		memcpy(&v6, info->ai_addr, sizeof v6);
		return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
	}
	return false;
}

static int resolve(struct dial *dial, struct error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC, .ai_flags = AI_NUMERICSERV};
	char port[16];
	int rc;

	(void)snprintf(port, sizeof port, "%u", dial->port);
	rc = getaddrinfo(dial->host, port, &hints, &dial->list);
	if (rc != 0) {
		dial->list = NULL;
		return error_set(error, ERROR_UNREACHABLE, "check host in [cli], and this machine's name resolution", "cannot resolve \"%s\": %s",
				 dial->host, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	}
	for (const struct addrinfo *info = dial->list; info; info = info->ai_next)
		if (dial->loopback_only && !is_loopback(info))
			return error_set(error, ERROR_CONFIG, "set transport = ssh in [cli], or cleartext = yes if that network is trusted",
					 "telnet is not encrypted, and \"%s\" is another machine: refused without cleartext = yes in [cli]",
					 dial->host);
	dial->next = dial->list;
	return 0;
}

static int failed(const struct dial *dial, int sys_errno, struct error *error)
{
	const char *next = "check host and port in [cli], that the service is enabled on the appliance, and the firewall";

	if (dial->tried > 1)
		return error_set_errno(error, ERROR_UNREACHABLE, sys_errno, next, "no connection to %s port %u (none of its %u addresses)",
				       dial->host, dial->port, dial->tried);
	return error_set_errno(error, ERROR_UNREACHABLE, sys_errno, next, "no connection to %s port %u", dial->host, dial->port);
}

/* Starts the connection to one address: 0 when it is under way or done, else errno. */
static int start(struct dial *dial, const struct addrinfo *info)
{
	static const int on = 1;
	int rc;

	dial->fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, info->ai_protocol);
	if (dial->fd < 0)
		return errno;
	/* commands are short lines that wait for their answers; and a peer that vanished must be noticed some day */
	(void)setsockopt(dial->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(dial->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	do {
		rc = connect(dial->fd, info->ai_addr, info->ai_addrlen);
	} while (rc != 0 && errno == EINTR);
	return rc == 0 || errno == EINPROGRESS || errno == EISCONN || errno == EALREADY ? 0 : errno;
}

/* How the connection in progress stands: 0 connected, EINPROGRESS, or why it failed. */
static int look(const struct dial *dial)
{
	struct pollfd ready = {.fd = dial->fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int sys_errno = 0;

	if (poll(&ready, 1, 0) <= 0)
		return EINPROGRESS;
	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &sys_errno, &size) != 0)
		return errno;
	return sys_errno;
}

enum transport_step dial_step(struct dial *dial, struct error *error)
{
	int sys_errno;

	if (!dial->list && resolve(dial, error) != 0)
		return TRANSPORT_FAILED;
	for (;;) {
		if (dial->fd >= 0) {
			sys_errno = look(dial);
		} else {
			sys_errno = start(dial, dial->next);
			dial->next = dial->next->ai_next;
			dial->tried++;
			if (sys_errno == 0)
				sys_errno = look(dial);
		}
		if (sys_errno == 0)
			return TRANSPORT_DONE;
		if (sys_errno == EINPROGRESS)
			return TRANSPORT_WAIT;
		if (dial->fd >= 0)
			(void)close(dial->fd);
		dial->fd = -1;
		if (!dial->next) {
			(void)failed(dial, sys_errno, error);
			return TRANSPORT_FAILED;
		}
	}
}
