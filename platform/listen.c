#include "platform/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_BYTES = 16, BACKLOG = 16 };

/* An IPv6 address; an IPv4 one as ::ffff:a.b.c.d. */
struct peer {
	unsigned char bytes[PEER_BYTES];
};

struct door {
	enum listen_kind kind;
	int fd;
	uint32_t dropped; /* by the kernel, as last told */
};

struct connection {
	int fd;                      /* -1: free */
	struct transport *transport; /* TLS; then FD is its */
	struct tls_report report;
	bool shaking;                /* hands */
	struct mono heard_at;        /* or opened */
};

struct listen {
	struct door doors[LISTEN_DOORS_MAX];
	unsigned door_count;
	struct connection connections[LISTEN_CONNECTIONS_MAX];
	struct peer peers[LISTEN_PEERS_MAX];
	unsigned peer_count;
	struct tls_identity *identity;
	int newcomer_fd;             /* admitted, for the place that was made free; -1: none */
	enum listen_kind newcomer_kind;
	bool resting;                /* nobody is admitted before REST_UNTIL */
	struct mono rest_until;
	unsigned turn; /* whose turn it is, so that nobody who talks much keeps the others from being heard */
	char bytes[LISTEN_DATAGRAM_MAX_BYTES];
};

/* ---- peers */

static bool peer_of(const struct sockaddr *address, struct peer *peer)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(peer, 0, sizeof *peer);
	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof v4);
		peer->bytes[10] = peer->bytes[11] = 0xff;
		memcpy(peer->bytes + 12, &v4.sin_addr, 4);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof v6);
	memcpy(peer->bytes, &v6.sin6_addr, PEER_BYTES);
	return true;
}

static bool is_allowed(const struct listen *listen, const struct sockaddr_storage *address)
{
	struct peer peer;

	if (!peer_of((const struct sockaddr *)address, &peer))
		return false;
	for (unsigned i = 0; i < listen->peer_count; i++)
		if (memcmp(&peer, &listen->peers[i], sizeof peer) == 0)
			return true;
	return false;
}

static int add_peers(struct listen *listen, const char *name, struct error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(name, NULL, &hints, &list);

	if (rc != 0)
		return error_set(error, ERROR_UNREACHABLE, "set from in [log] to the addresses that the appliance sends from",
				 "syslog: cannot resolve \"%s\", so nobody would be heard: %s", name, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	for (const struct addrinfo *info = list; info && listen->peer_count < LISTEN_PEERS_MAX; info = info->ai_next)
		listen->peer_count += peer_of(info->ai_addr, &listen->peers[listen->peer_count]);
	freeaddrinfo(list);
	return 0;
}

/* ---- doors */

static int door_failed(const struct listen_door *wanted, int sys_errno, struct error *error)
{
	const char *next = "check listen in [log]";

	if (sys_errno == EADDRINUSE)
		next = "another program listens there (ss -lntup shows which; a syslog daemon?): choose another port in [log] listen and on the appliance's log target";
	else if (sys_errno == EACCES || sys_errno == EPERM)
		next = "ports below 1024 need root or CAP_NET_BIND_SERVICE: choose another port in [log] listen and on the appliance's log target";
	else if (sys_errno == EADDRNOTAVAIL)
		next = "this host has no such address (ip address shows them): correct listen in [log]";
	return error_set_errno(error, ERROR_CONFIG, sys_errno, next, "cannot listen on %s", wanted->text);
}

/* A socket of FAMILY bound to ADDRESS: its descriptor or -errno. */
static int open_socket(const struct listen_door *wanted, const struct sockaddr *address, socklen_t size)
{
	static const int on = 1, off = 0, buffer = LISTEN_BUFFER_BYTES;
	bool datagrams = wanted->kind == LISTEN_UDP;
	int fd = socket(address->sa_family, (datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int sys_errno;

	if (fd < 0)
		return -errno;
	if (datagrams) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
		(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
	} else {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* after a restart */
	}
	if (address->sa_family == AF_INET6 && wanted->host[0] == '\0')
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, address, size) == 0 && (datagrams || listen(fd, BACKLOG) == 0))
		return fd;
	sys_errno = errno;
	(void)close(fd);
	return -sys_errno;
}

static int open_door(struct listen *listen, const struct listen_door *wanted, struct error *error)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_family = AF_UNSPEC};
	struct addrinfo *list = NULL;
	const char *host = wanted->host[0] ? wanted->host : "::";
	char port[16];
	int fd = -EADDRNOTAVAIL;

	hints.ai_socktype = wanted->kind == LISTEN_UDP ? SOCK_DGRAM : SOCK_STREAM;
	(void)snprintf(port, sizeof port, "%u", wanted->port);
	for (;;) {
		if (getaddrinfo(host, port, &hints, &list) == 0)
			fd = open_socket(wanted, list->ai_addr, list->ai_addrlen);
		if (list)
			freeaddrinfo(list);
		list = NULL;
		/* A kernel without IPv6 has "all addresses" as well. */
		if (fd >= 0 || wanted->host[0] || strcmp(host, "::") != 0 || (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL))
			break;
		host = "0.0.0.0";
	}
	if (fd < 0)
		return door_failed(wanted, -fd, error);
	listen->doors[listen->door_count++] = (struct door){wanted->kind, fd, 0};
	return 0;
}

unsigned listen_port(const struct listen *listen, unsigned door)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof address;
	struct sockaddr_in v4;

	if (getsockname(listen->doors[door].fd, (struct sockaddr *)&address, &size) != 0)
		return 0;
	memcpy(&v4, &address, sizeof v4); /* the port stands at the same place in both families */
	return ntohs(v4.sin_port);
}

struct listen *listen_open(const struct listen_settings *settings, struct error *error)
{
	struct listen *listen = calloc(1, sizeof *listen);

	if (!listen) {
		(void)error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "syslog listener");
		return NULL;
	}
	listen->identity = settings->identity;
	listen->newcomer_fd = -1;
	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++)
		listen->connections[i].fd = -1;
	for (unsigned i = 0; i < settings->peer_count; i++)
		if (add_peers(listen, settings->peers[i], error))
			goto failed;
	for (unsigned i = 0; i < settings->door_count; i++)
		if (open_door(listen, &settings->doors[i], error))
			goto failed;
	return listen;
failed:
	listen_close(listen);
	return NULL;
}

static void free_connection(struct connection *connection)
{
	if (connection->transport)
		transport_close(connection->transport);
	else if (connection->fd >= 0)
		(void)close(connection->fd);
	*connection = (struct connection){.fd = -1};
}

void listen_close(struct listen *listen)
{
	if (!listen)
		return;
	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++)
		free_connection(&listen->connections[i]);
	if (listen->newcomer_fd >= 0)
		(void)close(listen->newcomer_fd);
	for (unsigned i = 0; i < listen->door_count; i++)
		(void)close(listen->doors[i].fd);
	free(listen);
}

/* ---- datagrams */

/* The kernel's count of dropped datagrams, which it adds to a datagram once there were any. */
static bool take_dropped(struct door *door, struct msghdr *message)
{
	const struct cmsghdr *control = CMSG_FIRSTHDR(message);
	uint32_t dropped = door->dropped;
	bool more;

	/* There is room for one, and only this one was asked for. */
	if (control && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL)
		memcpy(&dropped, CMSG_DATA(control), sizeof dropped);
	more = dropped != door->dropped;
	door->dropped = dropped;
	return more;
}

static enum listen_event receive(struct listen *listen, struct door *door, struct listen_news *news)
{
	struct sockaddr_storage from;
	union {
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr align;
	} control;
	struct iovec into = {listen->bytes, sizeof listen->bytes};
	struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &into, .msg_iovlen = 1, .msg_control = control.bytes,
				 .msg_controllen = sizeof control.bytes};
	/* The first look leaves it in the queue, so that a loss can be told before the datagram behind it. */
	ssize_t got = recvmsg(door->fd, &message, MSG_DONTWAIT | MSG_PEEK);

	if (got < 0)
		return LISTEN_NOTHING; /* nothing there, or an error of somebody's earlier datagram: poll() says when there is more */
	if (is_allowed(listen, &from) && take_dropped(door, &message))
		return LISTEN_DROPPED;
	(void)recv(door->fd, listen->bytes, 0, MSG_DONTWAIT | MSG_TRUNC);
	if (!is_allowed(listen, &from))
		return LISTEN_FOREIGN;
	if (message.msg_flags & MSG_TRUNC)
		return LISTEN_DROPPED;
	if (got == 0)
		return LISTEN_FOREIGN; /* an empty one says nothing */
	news->bytes = listen->bytes;
	news->count_bytes = (size_t)got;
	return LISTEN_DATAGRAM;
}

/* ---- connections */

/* A free place, or the connection that was silent for longest. */
static unsigned choose_place(const struct listen *listen)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++) {
		if (listen->connections[i].fd < 0)
			return i;
		if (listen->connections[i].heard_at.ms < listen->connections[oldest].heard_at.ms)
			oldest = i;
	}
	return oldest;
}

/* FD, who is allowed, takes a free place. */
static enum listen_event settle(struct listen *listen, unsigned place, int fd, enum listen_kind kind, struct mono now)
{
	static const int on = 1;
	struct connection *connection = &listen->connections[place];
	struct error ignored = {0};

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	*connection = (struct connection){.fd = fd, .heard_at = now};
	if (kind == LISTEN_TCP)
		return LISTEN_OPENED;
	connection->transport = tls_accept(listen->identity, fd, &connection->report, &ignored);
	connection->shaking = true;
	if (!connection->transport)
		*connection = (struct connection){.fd = -1};
	return connection->transport ? LISTEN_NOTHING : LISTEN_FOREIGN;
}

/* Nobody makes room for somebody who is not allowed. */
static enum listen_event admit(struct listen *listen, const struct door *door, struct mono now, struct listen_news *news)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof from;
	unsigned place = choose_place(listen);
	struct connection *connection = &listen->connections[place];
	bool told = !connection->shaking;
	int fd;

	news->connection = place;
	if (listen->resting)
		return LISTEN_NOTHING;
	fd = accept4(door->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		/* Who waits goes on waiting, and poll() would tell of it without end. */
		listen->resting = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
		listen->rest_until = mono_add_ms(now, LISTEN_REST_MS);
		return LISTEN_NOTHING;
	}
	if (!is_allowed(listen, &from)) {
		(void)close(fd);
		return LISTEN_FOREIGN;
	}
	if (connection->fd < 0)
		return settle(listen, place, fd, door->kind, now);
	free_connection(connection); /* the next call lets the new one in */
	listen->newcomer_fd = fd;
	listen->newcomer_kind = door->kind;
	return told ? LISTEN_BROKEN : LISTEN_FOREIGN;
}

static enum listen_event let_newcomer_in(struct listen *listen, struct mono now, struct listen_news *news)
{
	int fd = listen->newcomer_fd;

	listen->newcomer_fd = -1;
	news->connection = choose_place(listen);
	return settle(listen, news->connection, fd, listen->newcomer_kind, now);
}

static enum listen_event shake(struct connection *connection, struct mono now)
{
	struct error ignored = {0};
	enum transport_step step = transport_connect(connection->transport, &ignored);

	if (step == TRANSPORT_DONE) {
		connection->shaking = false;
		connection->heard_at = now;
		return LISTEN_OPENED;
	}
	if (step == TRANSPORT_WAIT && !mono_reached(mono_add_ms(connection->heard_at, LISTEN_HANDSHAKE_MS), now))
		return LISTEN_NOTHING;
	free_connection(connection);
	return LISTEN_FOREIGN;
}

/* 1: bytes; 0: none now; -1: ended in good order; -2: broken. */
static int read_some(struct listen *listen, struct connection *connection, size_t *got)
{
	struct error error = {0};
	ssize_t count;

	*got = 0;
	if (connection->transport) {
		if (transport_read(connection->transport, listen->bytes, LISTEN_READ_BYTES, got, &error))
			return error.code == ERROR_LOST && connection->report.ended_cleanly ? -1 : -2;
		return *got > 0;
	}
	do
		count = recv(connection->fd, listen->bytes, LISTEN_READ_BYTES, MSG_DONTWAIT);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -2;
	*got = (size_t)count;
	return count > 0 ? 1 : -1;
}

static enum listen_event hear(struct listen *listen, unsigned place, struct mono now, struct listen_news *news)
{
	struct connection *connection = &listen->connections[place];
	int got;

	news->connection = place;
	if (connection->fd < 0)
		return LISTEN_NOTHING;
	if (connection->shaking)
		return shake(connection, now);
	got = read_some(listen, connection, &news->count_bytes);
	if (got == 0)
		return LISTEN_NOTHING;
	if (got < 0) {
		free_connection(connection);
		return got == -1 ? LISTEN_ENDED : LISTEN_BROKEN;
	}
	connection->heard_at = now;
	news->bytes = listen->bytes;
	return LISTEN_BYTES;
}

/* ---- the rest of the interface */

enum listen_event listen_next(struct listen *listen, struct mono now, struct listen_news *news)
{
	unsigned all = listen->door_count + LISTEN_CONNECTIONS_MAX;

	memset(news, 0, sizeof *news);
	listen->resting = listen->resting && !mono_reached(listen->rest_until, now);
	if (listen->newcomer_fd >= 0 && (news->event = let_newcomer_in(listen, now, news)) != LISTEN_NOTHING)
		return news->event;
	for (unsigned tried = 0; tried < all; tried++) {
		unsigned turn = listen->turn++ % all;

		if (turn >= listen->door_count)
			news->event = hear(listen, turn - listen->door_count, now, news);
		else if (listen->doors[turn].kind == LISTEN_UDP)
			news->event = receive(listen, &listen->doors[turn], news);
		else
			news->event = admit(listen, &listen->doors[turn], now, news);
		if (news->event != LISTEN_NOTHING)
			return news->event;
	}
	return LISTEN_NOTHING;
}

unsigned listen_poll(const struct listen *listen, struct pollfd *fds)
{
	unsigned count = 0;

	for (unsigned i = 0; i < listen->door_count; i++)
		if (!listen->resting || listen->doors[i].kind == LISTEN_UDP)
			fds[count++] = (struct pollfd){.fd = listen->doors[i].fd, .events = POLLIN};
	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++) {
		const struct connection *connection = &listen->connections[i];

		if (connection->fd >= 0)
			fds[count++] = (struct pollfd){.fd = connection->fd, .events = connection->transport ? transport_events(connection->transport) : POLLIN};
	}
	return count;
}

struct mono listen_deadline(const struct listen *listen)
{
	struct mono at = listen->resting ? listen->rest_until : MONO_NEVER;

	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++)
		if (listen->connections[i].fd >= 0 && listen->connections[i].shaking)
			at = mono_earlier(at, mono_add_ms(listen->connections[i].heard_at, LISTEN_HANDSHAKE_MS));
	return at;
}
