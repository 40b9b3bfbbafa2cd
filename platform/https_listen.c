/* The doors of the HTTPS server: TCP listeners and one Unix socket. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/https_gate.h"

enum { BACKLOG = 1024, HOST_MAX_BYTES = 64, UNIX_MODE = 0660 };

/* --- TCP */

/* TEXT: "ADDRESS:PORT", "[ADDRESS]:PORT", "*:PORT". */
static int split(const char *text, char host[HOST_MAX_BYTES], const char **port, struct error *error)
{
	const char *colon = strrchr(text, ':'), *start = text, *end = colon;

	if (colon && text[0] == '[' && colon > text && colon[-1] == ']') {
		start = text + 1;
		end = colon - 1;
	} else if (colon && memchr(text, ':', (size_t)(colon - text))) {
		colon = NULL; /* an IPv6 address without brackets: where does it end? */
	}
	if (!colon || end == start || end - start >= HOST_MAX_BYTES || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5 || atoi(colon + 1) > UINT16_MAX)
		return error_set(error, ERROR_CONFIG, "use ADDRESS:PORT, [::1]:PORT or *:PORT", "cannot listen on %s: it is not an address and a port", text);
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	*port = colon + 1;
	return 0;
}

/* A listening socket at ADDRESS, or -errno. */
static int open_socket(const struct addrinfo *address, bool all)
{
	static const int on = 1, off = 0;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), sys_errno;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* after a restart */
	if (address->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, all ? &off : &on, sizeof on);
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	sys_errno = errno;
	(void)close(fd);
	return -sys_errno;
}

static int open_tcp(struct https_server *server, const char *text, struct error *error)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *list = NULL;
	char name[HOST_MAX_BYTES];
	const char *host = name, *port = NULL;
	bool all;
	int fd = -EADDRNOTAVAIL;

	if (split(text, name, &port, error) != 0)
		return -1;
	all = strcmp(name, "*") == 0;
	if (all)
		host = "::";
	for (;;) {
		if (getaddrinfo(host, port, &hints, &list) == 0)
			fd = open_socket(list, all);
		if (list)
			freeaddrinfo(list);
		list = NULL;
		/* A kernel without IPv6 has "all addresses" as well. */
		if (fd >= 0 || !all || strcmp(host, "::") != 0 || (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL))
			break;
		host = "0.0.0.0";
	}
	if (fd < 0)
		return error_set_errno(error, ERROR_CONFIG, -fd, fd == -EADDRINUSE ? "ss -ltnp shows who has it" : "the address must be one of this host: ip address",
				       "cannot listen on %s", text);
	server->doors[server->door_count++] = (struct door){fd, false};
	return 0;
}

/* --- the Unix socket */

static int open_unix(struct https_server *server, const char *path, gid_t gid, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t before;
	int fd, result;

	if (strlen(path) >= sizeof address.sun_path)
		return error_set(error, ERROR_CONFIG, "choose a shorter state_dir", "cannot listen on %s: the path is longer than %zu bytes", path,
				 sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot listen on %s", path);
	before = umask(0777); /* nobody may come in before the file belongs to its group */
	result = bind(fd, (const struct sockaddr *)&address, sizeof address);
	(void)umask(before);
	if (result == 0 && (gid == (gid_t)-1 || chown(path, (uid_t)-1, gid) == 0) && chmod(path, UNIX_MODE) == 0 && listen(fd, BACKLOG) == 0) {
		server->doors[server->door_count++] = (struct door){fd, true};
		return 0;
	}
	(void)error_set_errno(error, ERROR_CONFIG, errno, "another agent may run there: drr-agent status", "cannot listen on %s", path);
	(void)close(fd);
	if (result == 0)
		(void)unlink(path);
	return -1;
}

int https_listen_open(struct https_server *server, struct error *error)
{
	const struct https_settings *settings = &server->settings;

	for (unsigned i = 0; i < settings->listen_count; i++)
		if (open_tcp(server, settings->listens[i], error) != 0)
			return -1;
	return settings->unix_path ? open_unix(server, settings->unix_path, settings->unix_gid, error) : 0;
}

void https_listen_close(struct https_server *server)
{
	for (unsigned i = 0; i < server->door_count; i++)
		(void)close(server->doors[i].fd);
	server->door_count = 0;
}

unsigned https_server_port(const struct https_server *server, unsigned which)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	struct sockaddr_in v4;

	if (getsockname(server->doors[which].fd, (struct sockaddr *)&address, &size) != 0)
		return 0;
	memcpy(&v4, &address, sizeof v4); /* the port stands at the same place in both families */
	return ntohs(v4.sin_port);
}

/* --- peers */

static unsigned char hash(const void *bytes, size_t count)
{
	uint32_t value = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < count; i++)
		value = (value ^ ((const unsigned char *)bytes)[i]) * 16777619u;
	return (unsigned char)(value ^ value >> 8 ^ value >> 16 ^ value >> 24);
}

void https_listen_peer(struct connection *connection)
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof address;
	struct ucred who = {0};
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	(void)getpeername(connection->fd, (struct sockaddr *)&address, &size);
	memcpy(&v6, &address, sizeof v6);
	memcpy(&v4, &address, sizeof v4);
	if (connection->local) {
		size = sizeof who;
		(void)getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
		(void)snprintf(connection->peer, sizeof connection->peer, "uid %u", (unsigned)who.uid);
	} else if (address.ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
		(void)inet_ntop(AF_INET6, &v6.sin6_addr, connection->peer, sizeof connection->peer);
		connection->source = hash(&v6.sin6_addr, 8); /* who has one address there has its whole /64 */
	} else {
		if (address.ss_family == AF_INET6)
			memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, sizeof v4.sin_addr);
		(void)inet_ntop(AF_INET, &v4.sin_addr, connection->peer, sizeof connection->peer);
		connection->source = hash(&v4.sin_addr, sizeof v4.sin_addr);
	}
}
