#include "group/client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/local.h"

enum { READ_BYTES = 16384, ROUNDS_MAX = 64, ANSWER_SLACK_MS = 2000 /* a long poll's answer may take that much longer than it was told to wait */ };

static const char *prefix(const struct client *client)
{
	return client->door->prefix ? client->door->prefix : "";
}

static bool is_local(const struct client *client)
{
	return client->door->url.host[0] == '\0';
}

int client_init(struct client *client, const struct group_door *door, struct tls_identity *identity, struct client_limits limits, const char *section, const char *file,
		struct error *error)
{
	memset(client, 0, sizeof *client);
	client->door = door;
	client->limits = limits;
	client->tls = (struct tls_settings){
		.host = door->url.host, .port = door->url.port, .engine = TLS_MBEDTLS, .trust = door->pin_count > 0 ? TLS_TRUST_PINS : TLS_TRUST_CA,
		.pin_count = door->pin_count, .ca_file = door->ca_file, .identity = identity, .advice = client->advice,
	};
	for (unsigned i = 0; i < door->pin_count; i++)
		client->tls.pins[i] = door->pins[i];
	(void)snprintf(client->label, sizeof client->label, "%.100s", section);
	if (is_local(client))
		(void)snprintf(client->advice, sizeof client->advice, "systemctl status drr-agent");
	else
		(void)snprintf(client->advice, sizeof client->advice, "check %surl in %.100s of %.160s, that the service runs there, and the firewall", prefix(client),
			       section, file);
	client->request = calloc(1, CLIENT_REQUEST_MAX_BYTES);
	client->body = calloc(1, CLIENT_ANSWER_MAX_BYTES + 1);
	return client->request && client->body ? 0 : error_set(error, ERROR_INTERNAL, NULL, "out of memory");
}

static void wipe_request(struct client *client)
{
	if (client->request)
		explicit_bzero(client->request, CLIENT_REQUEST_MAX_BYTES);
	client->request_bytes = client->sent_bytes = 0;
}

static void drop_connection(struct client *client)
{
	transport_close(client->transport);
	client->transport = NULL;
	client->connected = client->reused = false;
}

struct json *client_take_answer(struct client *client)
{
	struct json *answer = client->answer;

	client->answer = NULL;
	return answer;
}

static void drop_answer(struct client *client)
{
	json_free(client->answer);
	client->answer = NULL;
	if (client->body)
		explicit_bzero(client->body, client->body_bytes); /* API Manager's answer may hold a token */
	client->body_bytes = 0;
}

void client_close(struct client *client)
{
	drop_connection(client);
	wipe_request(client);
	client->status = CLIENT_IDLE;
}

void client_free(struct client *client)
{
	client_close(client);
	drop_answer(client);
	free(client->request);
	free(client->body);
	memset(client, 0, sizeof *client);
}

/* ---- the request ---------------------------------------------------------------------------------------------- */

static void make_request(struct client *client, const char *method, const char *target, const char *body, const struct secret *bearer)
{
	const struct config_url *url = &client->door->url;
	const char *open = strchr(url->host, ':') ? "[" : "", *close = open[0] ? "]" : "";
	struct buf out;

	buf_init(&out, client->request, CLIENT_REQUEST_MAX_BYTES);
	(void)buf_printf(&out, "%s %s HTTP/1.1\r\n", method, target);
	if (is_local(client))
		(void)buf_add_string(&out, "Host: localhost\r\n");
	else
		(void)buf_printf(&out, "Host: %s%s%s:%u\r\n", open, url->host, close, url->port);
	(void)buf_add_string(&out, "User-Agent: drr/" DRR_VERSION "\r\nAccept: application/json\r\n");
	if (bearer) {
		(void)buf_add_string(&out, "Authorization: Bearer ");
		(void)buf_add(&out, bearer->bytes, bearer->length);
		(void)buf_add_string(&out, "\r\n");
	}
	if (body)
		(void)buf_printf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	else
		(void)buf_add_string(&out, strcmp(method, "GET") == 0 || strcmp(method, "DELETE") == 0 ? "\r\n" : "Content-Length: 0\r\n\r\n");
	client->request_bytes = out.len;
	if (out.overflow)
		(void)error_set(&client->error, ERROR_INTERNAL, NULL, "a request for %s has more than %d bytes", client->label, CLIENT_REQUEST_MAX_BYTES);
}

static int take_body(void *context, const char *bytes, size_t count, struct error *error)
{
	struct client *client = context;

	if (count > CLIENT_ANSWER_MAX_BYTES - client->body_bytes)
		return error_set(error, ERROR_ANSWER, NULL, "the answer of %s has more than %d bytes", client->label, CLIENT_ANSWER_MAX_BYTES);
	memcpy(client->body + client->body_bytes, bytes, count);
	client->body_bytes += count;
	return 0;
}

static void begin_exchange(struct client *client, struct mono now)
{
	client->sent_bytes = 0;
	drop_answer(client);
	http_response_init(&client->http, CLIENT_ANSWER_MAX_BYTES, take_body, client);
	client->deadline = mono_add_ms(now, client->connected ? client->limits.answer_ms + client->wait_ms + ANSWER_SLACK_MS : client->limits.connect_ms);
}

static void connect_anew(struct client *client, struct mono now)
{
	drop_connection(client);
	client->transport = is_local(client) ? local_open(client->door->url.path, &client->error) : tls_open(&client->tls, &client->report, &client->error);
	begin_exchange(client, now);
}

void client_start(struct client *client, const char *method, const char *target, const char *body, const struct secret *bearer, int64_t wait_ms, struct mono now)
{
	assert(client->status != CLIENT_WAIT);
	error_clear(&client->error);
	client->status = CLIENT_WAIT;
	client->sent = client->repeated = false;
	client->http_status = 0;
	client->wait_ms = wait_ms;
	wipe_request(client);
	make_request(client, method, target, body, bearer);
	if (client->error.code != ERROR_NONE)
		return; /* client_step() tells it */
	if (client->transport)
		begin_exchange(client, now);
	else
		connect_anew(client, now);
}

/* ---- ends ----------------------------------------------------------------------------------------------------- */

/* The TLS engine's advice is written for the appliance's doors; what to do about an agent's is known here. */
static void advise(struct client *client)
{
	struct error told = client->error;
	char next[ERROR_NEXT_MAX_BYTES];

	if (told.code == ERROR_HOST_KEY && client->report.pin[0])
		(void)snprintf(next, sizeof next, "compare it with the certificate of the other side itself (an agent's: drr-agent cert show); if it is the same: %spin = %s in %s", prefix(client),
			       client->report.pin, client->label);
	else
		(void)snprintf(next, sizeof next, "%s", client->advice);
	if (told.code == ERROR_CONFIG || told.code == ERROR_INTERNAL || told.code == ERROR_PERMISSION)
		return;
	error_clear(&client->error);
	(void)error_set(&client->error, told.code, next, "%s: %s", client->label, told.what);
	client->error.sys_errno = told.sys_errno;
}

static enum client_status fail(struct client *client)
{
	advise(client);
	if (client->sent) /* the response is the one to this request */
		client->http_status = client->http.status;
	drop_connection(client);
	wipe_request(client);
	client->status = CLIENT_FAILED;
	return client->status;
}

static enum client_status silence(struct client *client)
{
	if (!client->connected)
		(void)error_set(&client->error, ERROR_UNREACHABLE, NULL, "no connection with %s within %lld s", client->door->url.text,
				(long long)(client->limits.connect_ms / 1000));
	else
		(void)error_set(&client->error, ERROR_TIMEOUT, NULL, "no answer within %lld s", (long long)((client->limits.answer_ms + client->wait_ms) / 1000));
	return fail(client);
}

/* With TLS 1.3 the server looks at our certificate after our side of the handshake is over: its refusal is met where the answer should be. */
static void explain_loss(struct client *client)
{
	struct error met = client->error;

	if (is_local(client) || client->heard || client->http.status != 0 || client->body_bytes > 0 || (met.code != ERROR_LOST && met.code != ERROR_ANSWER))
		return;
	error_clear(&client->error);
	(void)error_set(&client->error, met.code, NULL, "%s (before any answer: perhaps it does not accept our certificate; its client_ca must hold it or its CA)", met.what);
}

static enum client_status lose(struct client *client, struct mono now)
{
	if (!client->reused || client->repeated || client->http.status != 0 || client->error.code != ERROR_LOST) {
		explain_loss(client);
		return fail(client);
	}
	error_clear(&client->error);
	client->repeated = true;
	connect_anew(client, now);
	return CLIENT_WAIT;
}

static enum client_status finish(struct client *client)
{
	struct error ignored = {0};

	client->http_status = client->http.status;
	client->reused = client->heard = true;
	if (!client->http.keep)
		drop_connection(client);
	if (client->body_bytes > 0)
		client->answer = json_parse(client->body, client->body_bytes, &ignored);
	wipe_request(client);
	client->status = CLIENT_DONE;
	return client->status;
}

/* ---- moving bytes --------------------------------------------------------------------------------------------- */

/* On a kept connection something is there before anything was asked: its end, or bytes that would be taken for the answer. */
static bool is_stale(struct client *client)
{
	struct error ended = {0};
	char byte;
	size_t got = 0;

	return transport_read(client->transport, &byte, sizeof byte, &got, &ended) != 0 || got > 0;
}

/* 0, or -1: the connection is gone. */
static int push(struct client *client)
{
	if (client->sent_bytes == 0 && client->reused && is_stale(client))
		return error_set(&client->error, ERROR_LOST, NULL, "the kept connection is not silent any more");
	while (client->sent_bytes < client->request_bytes) {
		size_t taken = 0;

		if (transport_write(client->transport, client->request + client->sent_bytes, client->request_bytes - client->sent_bytes, &taken, &client->error))
			return -1;
		if (taken == 0)
			return 0;
		client->sent = true;
		client->sent_bytes += taken;
	}
	return 0;
}

/* 1: something came; 0: nothing; -1: the connection has ended, or what came is no response (client->error). */
static int pull(struct client *client)
{
	char bytes[READ_BYTES];
	size_t got = 0, used = 0;
	int result = 1;

	if (transport_read(client->transport, bytes, sizeof bytes, &got, &client->error)) {
		struct error ended = {0};

		return http_response_end(&client->http, is_local(client) || client->report.ended_cleanly, &ended) == 0 ? 1 : -1;
	}
	if (got == 0)
		return 0;
	if (http_response_input(&client->http, bytes, got, &used, &client->error))
		result = -1;
	else if (used < got) /* nothing was asked that this could answer */
		client->http.keep = false;
	explicit_bzero(bytes, got);
	return result;
}

/* 1: go on at once; 0: wait; -1: it is over. */
static int step_once(struct client *client, struct mono now)
{
	int moved;

	if (client->error.code != ERROR_NONE || !client->transport) {
		(void)fail(client);
		return -1;
	}
	if (!client->connected) {
		enum transport_step step = transport_connect(client->transport, &client->error);

		if (step == TRANSPORT_FAILED)
			(void)fail(client);
		if (step != TRANSPORT_DONE)
			return step == TRANSPORT_WAIT ? 0 : -1;
		client->connected = true;
		begin_exchange(client, now);
	}
	moved = push(client) ? -1 : pull(client);
	if (client->http.done) {
		error_clear(&client->error);
		if (client->sent_bytes < client->request_bytes) /* it answers before it has read all: what it says counts, the connection does not */
			client->http.keep = false;
		(void)finish(client);
		return -1;
	}
	if (moved < 0)
		return lose(client, now) == CLIENT_WAIT ? 1 : -1;
	return moved;
}

enum client_status client_step(struct client *client, struct mono now)
{
	int more = 1, rounds = 0;

	while (client->status == CLIENT_WAIT && more > 0 && rounds++ < ROUNDS_MAX)
		more = step_once(client, now);
	if (client->status == CLIENT_WAIT && mono_reached(client->deadline, now))
		return silence(client);
	return client->status;
}

struct pollfd client_poll(const struct client *client)
{
	struct pollfd none = {.fd = -1}, wanted;

	if (!client->transport || client->status != CLIENT_WAIT)
		return none;
	wanted = (struct pollfd){.fd = transport_fd(client->transport), .events = transport_events(client->transport)};
	if (client->connected && client->sent_bytes < client->request_bytes)
		wanted.events |= POLLOUT;
	return wanted;
}

struct mono client_deadline(const struct client *client)
{
	if (client->status != CLIENT_WAIT)
		return MONO_NEVER;
	return client->transport ? client->deadline : (struct mono){0};
}
