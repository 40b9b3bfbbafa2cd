#include "engine/probe.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/http.h"
#include "platform/tls.h"

enum { REQUEST_BYTES = 4 * CONFIG_TEXT_BYTES, PIECE_BYTES = 4096 };

struct exchange {
	struct tls_settings settings;
	struct tls_report report;
	struct transport *transport; /* NULL: none is under way */
	struct mono deadline;
	struct http_response response;
	struct probe *probe;
	bool connected;
	char request[REQUEST_BYTES];
	size_t request_bytes, sent_bytes;
};

static int keep_body(void *context, const char *bytes, size_t count_bytes, struct error *error)
{
	struct probe *probe = context;
	size_t room = PROBE_BODY_KEPT_BYTES - probe->body_bytes, count = count_bytes < room ? count_bytes : room;

	(void)error;
	memcpy(probe->body + probe->body_bytes, bytes, count);
	probe->body_bytes += count;
	return 0;
}

static void write_request(struct exchange *x, const struct config_url *base, const char *path)
{
	bool brackets = strchr(base->host, ':') != NULL;
	size_t wide = strlen(base->path);
	int length;

	while (wide > 0 && base->path[wide - 1] == '/')
		wide--;
	length = snprintf(x->request, sizeof x->request, "GET %.*s%s HTTP/1.1\r\nHost: %s%s%s:%u\r\nAccept: */*\r\nConnection: close\r\n\r\n", (int)wide,
			  base->path, path, brackets ? "[" : "", base->host, brackets ? "]" : "", base->port);
	x->request_bytes = (size_t)length; /* path and host have limits of their own: it fits */
}

static int send_some(struct exchange *x, struct error *error)
{
	size_t taken = 0;

	if (x->sent_bytes == x->request_bytes)
		return 0;
	if (transport_write(x->transport, x->request + x->sent_bytes, x->request_bytes - x->sent_bytes, &taken, error))
		return -1;
	x->sent_bytes += taken;
	return 0;
}

/* Reads what is there. 0 more to come or done (response.done), -1. */
static int receive(struct exchange *x, struct error *error)
{
	char piece[PIECE_BYTES];
	size_t got, used;

	do {
		struct error end = {0};

		if (transport_read(x->transport, piece, sizeof piece, &got, &end)) {
			if (end.code == ERROR_LOST)
				return http_response_end(&x->response, x->report.ended_cleanly, error);
			*error = end;
			return -1;
		}
		if (got > 0 && http_response_input(&x->response, piece, got, &used, error))
			return -1;
	} while (got > 0 && !x->response.done);
	return 0;
}

/* One turn: connects, sends, reads what can be had without waiting. 1 done, 0 wait, -1. */
static int turn(struct exchange *x, struct error *error)
{
	if (!x->connected) {
		enum transport_step step = transport_connect(x->transport, error);

		if (step != TRANSPORT_DONE)
			return step == TRANSPORT_FAILED ? -1 : 0;
		x->connected = true;
	}
	if (send_some(x, error) || receive(x, error))
		return -1;
	return x->response.done;
}

static struct exchange the_exchange; /* large */

int probe_start(const struct config_url *base, const char *path, const char *ca_file, struct probe *probe, struct error *error)
{
	struct exchange *x = &the_exchange;

	assert(!x->transport);
	memset(probe, 0, sizeof *probe);
	memset(x, 0, sizeof *x);
	x->probe = probe;
	x->deadline = mono_add_ms(clock_now(), PROBE_TIMEOUT_MS);
	x->settings = (struct tls_settings){.host = base->host, .port = base->port, .engine = TLS_MBEDTLS,
					    .trust = ca_file[0] ? TLS_TRUST_CA : TLS_TRUST_REPORT, .ca_file = ca_file[0] ? ca_file : NULL};
	write_request(x, base, path);
	http_response_init(&x->response, PROBE_BODY_MAX_BYTES, keep_body, probe);
	x->transport = tls_open(&x->settings, &x->report, error);
	return x->transport ? 0 : -1;
}

bool probe_step(void)
{
	struct exchange *x = &the_exchange;
	struct probe *probe = x->probe;
	int done = turn(x, &probe->error);

	if (done == 0 && mono_reached(x->deadline, clock_now()))
		done = error_set(&probe->error, ERROR_TIMEOUT, NULL, "%s port %u gave no answer within %d s", x->settings.host, x->settings.port, PROBE_TIMEOUT_MS / 1000);
	if (done == 0)
		return false;
	probe->certificate_checked = x->settings.ca_file && x->connected;
	probe->status = x->response.done ? x->response.status : 0;
	probe_stop();
	return true;
}

struct pollfd probe_poll(void)
{
	const struct exchange *x = &the_exchange;
	struct pollfd fd = {transport_fd(x->transport), transport_events(x->transport), 0};

	if (x->connected && x->sent_bytes < x->request_bytes)
		fd.events |= POLLOUT;
	return fd;
}

struct mono probe_deadline(void)
{
	return the_exchange.deadline;
}

void probe_stop(void)
{
	transport_close(the_exchange.transport);
	the_exchange.transport = NULL;
}
