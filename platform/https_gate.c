/* The gate: one thread that owns every connection of the HTTPS server. Nothing here waits but poll().
 *
 * Who is verified (or local) is a member; everybody else is pending, and of pending ones there are at most HTTPS_PENDING_MAX. One more, and one has to go: of the
 * address that has the most, the one that we have waited for longest. So whoever comes, says his part of the handshake when it is due, and does not come in
 * hundreds, gets through a flood of those who do not. In each turn members come first, then a few steps of handshakes, the rarest addresses before the others. */
#include <civetweb_session.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/https_gate.h"

enum {
	TURNS_MAX = 64,          /* receives in one step, so that nobody keeps the gate for himself */
	HANDSHAKES_A_TURN = 8,   /* steps, of about 3 ms each */
	ACCEPTS_A_TURN = 64,
	DOORS_SHUT_MS = 100,     /* when there are no descriptors */
	IN_FIRST_BYTES = 1024,
	IN_MAX_BYTES = HTTPS_HEAD_MAX_BYTES + HTTPS_BODY_MAX_BYTES,
	TLS_HANDSHAKE_RECORD = 0x16, /* the first byte of whoever speaks TLS */
	STOP_LOOK_NS = 1000000,
};

static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

/* --- the end of a connection */

static void free_parts(struct connection *connection)
{
	if (connection->ssl)
		mbedtls_ssl_free(connection->ssl);
	free(connection->ssl);
	identity_drop(connection->identity);
	free(connection->names);
	free(connection->in);
	free(connection->out);
	connection->ssl = NULL;
	connection->identity = NULL;
	connection->names = NULL;
	connection->in = connection->out = NULL;
}

/* After this CONNECTION is gone. */
static void drop(struct connection *connection)
{
	struct https_server *server = connection->server;

	server->places[connection->place] = NULL;
	if (connection->member) {
		server->members--;
	} else {
		server->pending--;
		server->by_source[connection->source]--;
	}
	free_parts(connection);
	(void)close(connection->fd);
	free(connection);
}

/* All is said. A close() now would take what is on its way from a peer who has not read it, if he still sends something. */
static void linger(struct connection *connection, struct mono now)
{
	if (connection->ssl)
		(void)mbedtls_ssl_close_notify(connection->ssl);
	free_parts(connection);
	(void)shutdown(connection->fd, SHUT_WR);
	connection->phase = PHASE_LINGERING;
	connection->deadline = mono_add_ms(now, HTTPS_LINGER_MS);
}

static void discard(struct connection *connection)
{
	char bytes[2048];
	ssize_t got;

	for (int i = 0; i < TURNS_MAX; i++) {
		got = recv(connection->fd, bytes, sizeof bytes, 0);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0 && errno != EINTR)
			break;
		if (i + 1 == TURNS_MAX)
			return;
	}
	drop(connection);
}

/* The status goes out, and nothing else will. */
static void refuse(struct connection *connection, int status, struct mono now)
{
	struct https_server *server = connection->server;
	struct https_response response;

	https_count(server, status == 503 ? COUNT_TOO_MANY : status == 413 || status == 431 ? COUNT_OVERSIZE : status == 408 ? COUNT_SLOW : COUNT_BAD_REQUEST);
	https_message_refuse(&server->settings, status, &response);
	free(connection->out);
	connection->out_bytes = https_message_write(&response, false, false, &connection->out);
	connection->sent_bytes = 0;
	connection->keep = connection->interim = false;
	connection->phase = PHASE_SENDING;
	connection->deadline = mono_add_ms(now, HTTPS_SEND_MS);
}

/* --- members */

/* The member that is idle for longest, or has only to be seen off. */
static struct connection *choose_idle(struct https_server *server)
{
	struct connection *best = NULL;

	for (unsigned i = 0; i < PLACES; i++) {
		struct connection *at = server->places[i];

		if (at && at->member && (at->phase == PHASE_LINGERING || (at->phase == PHASE_READING && !at->begun)) &&
		    (!best || at->deadline.ms < best->deadline.ms))
			best = at;
	}
	return best;
}

static void become_member(struct connection *connection, struct mono now)
{
	struct https_server *server = connection->server;
	struct connection *idle = server->members >= server->settings.connections_max ? choose_idle(server) : NULL;

	if (idle)
		drop(idle);
	if (server->members >= server->settings.connections_max) {
		refuse(connection, 503, now);
		return;
	}
	server->pending--;
	server->by_source[connection->source]--;
	server->members++;
	connection->member = true;
	connection->phase = PHASE_READING;
	connection->deadline = mono_add_ms(now, server->settings.idle_ms);
	https_count(server, COUNT_VERIFIED);
}

/* --- TLS */

static int send_bytes(void *context, const unsigned char *bytes, size_t count_bytes)
{
	struct connection *connection = context;
	ssize_t sent = send(connection->fd, bytes, count_bytes, MSG_NOSIGNAL);

	if (sent >= 0)
		return (int)sent;
	return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int receive_bytes(void *context, unsigned char *bytes, size_t size_bytes)
{
	struct connection *connection = context;
	ssize_t got;

	if (connection->turns++ >= TURNS_MAX)
		return MBEDTLS_ERR_SSL_WANT_READ;
	got = recv(connection->fd, bytes, size_bytes, 0);
	if (got >= 0)
		return (int)got;
	return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

/* The first byte is there: TLS gets its memory. False: it is something else, CONNECTION is gone. */
static bool start_tls(struct connection *connection)
{
	struct https_server *server = connection->server;
	unsigned char first = 0;
	ssize_t got = recv(connection->fd, &first, 1, MSG_PEEK);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got == 1 && first == TLS_HANDSHAKE_RECORD)
		connection->ssl = malloc(sizeof *connection->ssl);
	if (connection->ssl) {
		mbedtls_ssl_init(connection->ssl);
		if (mbedtls_ssl_setup(connection->ssl, &server->identity->config) == 0) {
			mbedtls_ssl_set_bio(connection->ssl, connection, send_bytes, receive_bytes, NULL);
			connection->identity = server->identity;
			connection->generation = server->generation;
			connection->identity->users++;
			return true;
		}
	}
	https_count(server, COUNT_HANDSHAKE);
	drop(connection);
	return false;
}

static void tell_refused(const struct connection *connection, const char *why)
{
	const struct https_settings *settings = &connection->server->settings;

	if (settings->refused)
		settings->refused(settings->context, connection->peer, why);
}

/* The first that holds: what is foreign is not worth a look at its dates. */
static const char *why_bad(uint32_t flags)
{
	if (flags & (MBEDTLS_X509_BADCERT_NOT_TRUSTED | MBEDTLS_X509_BADCERT_OTHER))
		return "nothing in client_ca knows its certificate";
	if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
		return "its certificate, or one that leads to its CA, has expired, or the clock of this host is wrong";
	if (flags & MBEDTLS_X509_BADCERT_FUTURE)
		return "its certificate, or one that leads to its CA, is not valid yet, or the clock of this host is wrong";
	if (flags & (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE))
		return "its certificate is not one for clients";
	return "its certificate is not good: too weak a key or hash, or it cannot be read";
}

static void count_failure(struct connection *connection, int result)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(connection->ssl); /* all ones: nothing was looked at */
	bool looked = flags != 0 && flags != UINT32_MAX;
	enum count which = COUNT_HANDSHAKE;

	if (result == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE)
		which = COUNT_NO_CERTIFICATE;
	else if (looked || result == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || result == MBEDTLS_ERR_SSL_BAD_CERTIFICATE)
		which = COUNT_BAD_CERTIFICATE;
	https_count(connection->server, which);
	if (which == COUNT_NO_CERTIFICATE)
		tell_refused(connection, "it showed no certificate");
	else if (which == COUNT_BAD_CERTIFICATE)
		tell_refused(connection, why_bad(looked ? flags : 0));
}

static void shake(struct connection *connection, struct mono now)
{
	const mbedtls_x509_crt *certificate;
	int result;

	if (!connection->ssl && !start_tls(connection))
		return;
	result = mbedtls_ssl_handshake(connection->ssl);
	connection->waits_since = now;
	connection->wants_write = result == MBEDTLS_ERR_SSL_WANT_WRITE;
	if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE)
		return;
	certificate = result == 0 ? mbedtls_ssl_get_peer_cert(connection->ssl) : NULL;
	if (!certificate || mbedtls_ssl_get_verify_result(connection->ssl) != 0) {
		count_failure(connection, result);
		linger(connection, now);
		return;
	}
	connection->names = identity_names(certificate, &connection->name_count);
	become_member(connection, now);
}

/* --- requests */

/* The certificate that was good in the handshake is good today, and for those who are trusted today. */
static bool is_still_good(struct connection *connection)
{
	struct https_server *server = connection->server;
	const mbedtls_x509_crt *certificate = connection->ssl ? mbedtls_ssl_get_peer_cert(connection->ssl) : NULL;

	if (!connection->ssl)
		return true;
	if (!certificate || mbedtls_x509_time_is_past(&certificate->valid_to))
		return false;
	if (connection->generation != server->generation && !identity_knows(server->identity, (mbedtls_x509_crt *)(uintptr_t)certificate))
		return false;
	connection->generation = server->generation;
	return true;
}

static void dispatch(struct connection *connection, struct mono now)
{
	struct https_server *server = connection->server;

	if (!is_still_good(connection)) {
		https_count(server, COUNT_BAD_CERTIFICATE);
		tell_refused(connection, "its certificate was good when it connected, and is not any more: expired, or out of client_ca");
		linger(connection, now);
		return;
	}
	connection->phase = PHASE_WORKING;
	connection->read_bytes = 0;
	connection->keep = false;
	connection->deadline = MONO_NEVER;
	civetweb_session_push(server->context, (struct civetweb_session *)(void *)connection);
}

static bool make_room(struct connection *connection)
{
	size_t size_bytes = connection->in_size > 0 ? connection->in_size * 2 : IN_FIRST_BYTES;
	char *bigger;

	if (connection->in_bytes < connection->in_size)
		return true;
	if (size_bytes > IN_MAX_BYTES)
		size_bytes = IN_MAX_BYTES;
	bigger = realloc(connection->in, size_bytes);
	if (!bigger)
		return false;
	connection->in = bigger;
	connection->in_size = size_bytes;
	return true;
}

/* How many bytes came; 0: none now; -1: it is over. */
static int receive(struct connection *connection)
{
	size_t room = connection->in_size - connection->in_bytes;
	char *to = connection->in + connection->in_bytes;
	int result;

	if (!connection->ssl) {
		result = (int)recv(connection->fd, to, room, 0);
		return result > 0 ? result : result < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	}
	result = mbedtls_ssl_read(connection->ssl, (unsigned char *)to, room);
	connection->wants_write = result == MBEDTLS_ERR_SSL_WANT_WRITE;
	return result > 0 ? result : result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE ? 0 : -1;
}

static void send_interim(struct connection *connection, struct mono now)
{
	connection->out = strdup(interim);
	connection->out_bytes = connection->out ? sizeof interim - 1 : 0;
	connection->sent_bytes = 0;
	connection->interim = true;
	connection->phase = PHASE_SENDING;
	connection->deadline = mono_add_ms(now, HTTPS_BODY_MS);
}

/* With what is there. True: more is needed. */
static bool look(struct connection *connection, struct mono now)
{
	int frame;

	if (connection->in_bytes == 0)
		return true;
	if (!connection->begun) {
		connection->begun = true;
		connection->deadline = mono_add_ms(now, HTTPS_HEAD_MS);
	}
	if (connection->head_bytes > 0)
		frame = connection->in_bytes - connection->head_bytes >= connection->body_bytes ? FRAME_WHOLE : FRAME_MORE;
	else
		frame = https_message_frame(connection->in, connection->in_bytes, &connection->head_bytes, &connection->body_bytes);
	if (frame == FRAME_BODY)
		connection->deadline = mono_add_ms(now, HTTPS_BODY_MS);
	if (frame == FRAME_MORE || frame == FRAME_BODY)
		return true;
	if (frame == FRAME_WHOLE)
		dispatch(connection, now);
	else if (frame == FRAME_BODY_ASKED)
		send_interim(connection, now);
	else
		refuse(connection, frame, now);
	return false;
}

static void read_request(struct connection *connection, struct mono now)
{
	int got;

	while (look(connection, now)) {
		if (!make_room(connection)) {
			refuse(connection, 503, now);
			return;
		}
		got = receive(connection);
		if (got < 0)
			linger(connection, now);
		if (got <= 0)
			return;
		connection->in_bytes += (size_t)got;
	}
}

/* --- responses */

static void begin_next(struct connection *connection, struct mono now)
{
	free(connection->out);
	connection->out = NULL;
	connection->phase = PHASE_READING;
	if (connection->interim) {
		connection->interim = false;
	} else if (connection->keep) {
		connection->begun = false;
		connection->deadline = mono_add_ms(now, connection->server->settings.idle_ms);
	} else {
		linger(connection, now);
		return;
	}
	read_request(connection, now); /* TLS may hold bytes that poll() does not know of */
}

static void send_some(struct connection *connection, struct mono now)
{
	while (connection->sent_bytes < connection->out_bytes) {
		const char *from = connection->out + connection->sent_bytes;
		size_t left = connection->out_bytes - connection->sent_bytes;
		int sent;

		if (connection->ssl)
			sent = mbedtls_ssl_write(connection->ssl, (const unsigned char *)from, left);
		else
			sent = (int)send(connection->fd, from, left, MSG_NOSIGNAL);
		if (sent <= 0) {
			if (connection->ssl ? sent != MBEDTLS_ERR_SSL_WANT_READ && sent != MBEDTLS_ERR_SSL_WANT_WRITE : errno != EAGAIN && errno != EINTR)
				drop(connection);
			return;
		}
		connection->sent_bytes += (size_t)sent;
	}
	begin_next(connection, now);
}

/* A worker gave it back, with an answer or without. */
static void take_back(struct connection *connection, struct mono now)
{
	size_t used = connection->head_bytes + connection->body_bytes;

	connection->in_bytes -= used;
	memmove(connection->in, connection->in + used, connection->in_bytes);
	if (connection->in_bytes == 0) {
		free(connection->in);
		connection->in = NULL;
		connection->in_size = 0;
	}
	connection->head_bytes = connection->body_bytes = 0;
	if (!connection->out) {
		refuse(connection, 400, now);
		return;
	}
	connection->sent_bytes = 0;
	connection->phase = PHASE_SENDING;
	connection->deadline = mono_add_ms(now, HTTPS_SEND_MS);
	send_some(connection, now);
}

/* --- doors */

/* Who has to go when one more comes. */
static struct connection *choose_pending(struct https_server *server)
{
	struct connection *best = NULL;

	for (unsigned i = 0; i < PLACES; i++) {
		struct connection *at = server->places[i];
		bool better;

		if (!at || at->member)
			continue;
		if (!best || server->by_source[at->source] != server->by_source[best->source])
			better = !best || server->by_source[at->source] > server->by_source[best->source];
		else if (at->ready != best->ready)
			better = best->ready; /* for that one we have to do something, not he */
		else
			better = at->waits_since.ms < best->waits_since.ms;
		if (better)
			best = at;
	}
	return best;
}

static void make_place(struct https_server *server)
{
	struct connection *victim = choose_pending(server);

	if (victim->phase == PHASE_SHAKING)
		https_count(server, COUNT_TIMEOUT);
	drop(victim);
}

static void admit(struct https_server *server, int fd, bool local, struct mono now)
{
	static const int on = 1;
	struct connection *connection;
	unsigned place = 0;

	https_count(server, COUNT_ACCEPTED);
	if (server->pending == HTTPS_PENDING_MAX)
		make_place(server);
	connection = calloc(1, sizeof *connection);
	if (!connection) {
		(void)close(fd);
		return;
	}
	while (server->places[place])
		place++; /* there is one: members and pending ones have a limit each */
	connection->server = server;
	connection->place = place;
	connection->fd = fd;
	connection->local = local;
	connection->waits_since = now;
	connection->deadline = mono_add_ms(now, HTTPS_HANDSHAKE_MS);
	https_listen_peer(connection);
	server->places[place] = connection;
	server->pending++;
	server->by_source[connection->source]++;
	if (local)
		become_member(connection, now);
	else
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void open_door(struct https_server *server, const struct door *door, struct mono now)
{
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(server, fd, door->local, now);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			if (server->pending > 0)
				make_place(server);
			else
				server->doors_open_at = mono_add_ms(now, DOORS_SHUT_MS);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

/* --- turns */

static void step(struct connection *connection, struct mono now)
{
	connection->ready = false;
	connection->turns = 0;
	switch (connection->phase) {
	case PHASE_SHAKING: shake(connection, now); break;
	case PHASE_READING: read_request(connection, now); break;
	case PHASE_SENDING: send_some(connection, now); break;
	case PHASE_LINGERING: discard(connection); break;
	case PHASE_WORKING: break;
	}
}

static void expire(struct connection *connection, struct mono now)
{
	struct https_server *server = connection->server;

	if (connection->phase == PHASE_READING && connection->begun) {
		refuse(connection, 408, now);
	} else if (connection->phase == PHASE_READING) {
		linger(connection, now);
	} else {
		if (connection->phase != PHASE_LINGERING)
			https_count(server, connection->phase == PHASE_SHAKING ? COUNT_TIMEOUT : COUNT_SLOW);
		drop(connection);
	}
}

static void step_pending(struct https_server *server, struct mono now)
{
	for (int turn = 0; turn < HANDSHAKES_A_TURN; turn++) {
		struct connection *best = NULL;

		for (unsigned i = 0; i < PLACES; i++) {
			struct connection *at = server->places[i];

			if (!at || at->member || !at->ready)
				continue;
			if (!best || server->by_source[at->source] < server->by_source[best->source] ||
			    (server->by_source[at->source] == server->by_source[best->source] && at->deadline.ms < best->deadline.ms))
				best = at;
		}
		if (!best)
			return;
		step(best, now);
	}
}

/* What other threads left for us. False: stop. */
static bool take_news(struct https_server *server, struct mono now)
{
	struct connection *done, *next;
	struct identity *identity;
	uint64_t ignored;
	bool stopping;

	(void)!read(server->wake, &ignored, sizeof ignored);
	(void)pthread_mutex_lock(&server->lock);
	done = server->done;
	identity = server->next;
	stopping = server->stopping;
	server->done = NULL;
	server->next = NULL;
	(void)pthread_mutex_unlock(&server->lock);
	if (identity) {
		identity_drop(server->identity);
		server->identity = identity;
		server->generation++;
	}
	for (; done; done = next) {
		next = done->next_done;
		take_back(done, now);
	}
	return !stopping;
}

/* Fills FDS; the time until something is due, in ms, or -1. */
static int prepare(struct https_server *server, unsigned *count, struct mono now)
{
	struct mono due = MONO_NEVER;
	bool shut = now.ms < server->doors_open_at.ms;

	*count = 0;
	server->fds[(*count)++] = (struct pollfd){.fd = server->wake, .events = POLLIN};
	for (unsigned i = 0; i < server->door_count; i++)
		server->fds[(*count)++] = (struct pollfd){.fd = shut ? -1 : server->doors[i].fd, .events = POLLIN};
	if (shut)
		due = server->doors_open_at;
	for (unsigned i = 0; i < PLACES; i++) {
		struct connection *at = server->places[i];

		if (!at || at->phase == PHASE_WORKING)
			continue;
		due = mono_earlier(due, at->deadline);
		server->polled[*count] = at;
		server->fds[(*count)++] = (struct pollfd){.fd = at->fd, .events = at->phase == PHASE_SENDING || at->wants_write ? POLLOUT : POLLIN};
	}
	if (due.ms == INT64_MAX)
		return -1;
	return due.ms <= now.ms ? 0 : (int)(due.ms - now.ms);
}

void https_gate_run(struct https_server *server)
{
	const struct timespec look_again = {0, STOP_LOOK_NS};
	unsigned count, first = 1 + server->door_count;
	struct mono now;

	for (;;) {
		int timeout_ms = prepare(server, &count, clock_now());

		(void)poll(server->fds, count, timeout_ms);
		now = clock_now();
		/* Nobody may go before all were asked: POLLED would name somebody who is gone. */
		for (unsigned i = first; i < count; i++)
			server->polled[i]->ready = server->fds[i].revents != 0;
		/* Before any request: what was sent after a reload must meet the new identity. */
		if (!take_news(server, now))
			break;
		for (unsigned i = 0; i < PLACES; i++)
			if (server->places[i] && server->places[i]->member && server->places[i]->ready)
				step(server->places[i], now);
		step_pending(server, now);
		now = clock_now();
		for (unsigned i = 0; i < PLACES; i++)
			if (server->places[i] && mono_reached(server->places[i]->deadline, now))
				expire(server->places[i], now);
		for (unsigned i = 1; i < first; i++)
			if (server->fds[i].revents != 0)
				open_door(server, &server->doors[i - 1], now);
		atomic_store(&server->counts[COUNT_PENDING_NOW], server->pending);
		atomic_store(&server->counts[COUNT_MEMBERS_NOW], server->members);
	}
	https_listen_close(server);
	for (unsigned i = 0; i < PLACES; i++)
		if (server->places[i] && server->places[i]->phase != PHASE_WORKING)
			drop(server->places[i]);
	while (!civetweb_is_stopping(server->context))
		(void)nanosleep(&look_again, NULL);
}

void https_gate_free(struct https_server *server)
{
	https_listen_close(server);
	for (unsigned i = 0; i < PLACES; i++)
		if (server->places[i])
			drop(server->places[i]);
	identity_drop(server->identity);
	identity_drop(server->next);
}
