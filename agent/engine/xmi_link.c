#include "engine/xmi_link.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "engine/refused.h"
#include "platform/secretfile.h"

int xmi_link_init(struct xmi_link *link, const struct config *config, const struct appliance_wanted *wanted, struct appliance_facts *facts,
		  struct error *error)
{
	struct xmi_settings settings = {config->appliance.domain, config->appliance.peering_object, wanted};

	memset(link, 0, sizeof *link);
	link->config = config;
	link->tls_settings = (struct tls_settings){
		.host = config->xmi.url.host,
		.port = config->xmi.url.port,
		.engine = config->xmi.tls == CONFIG_TLS_MBEDTLS ? TLS_MBEDTLS : TLS_BEARSSL,
		.trust = config->xmi.pin_count > 0 ? TLS_TRUST_PINS : config->xmi.ca_file[0] ? TLS_TRUST_CA : TLS_TRUST_REPORT,
		.pin_count = config->xmi.pin_count,
		.ca_file = config->xmi.ca_file[0] ? config->xmi.ca_file : NULL,
	};
	for (unsigned i = 0; i < config->xmi.pin_count; i++)
		link->tls_settings.pins[i] = config->xmi.pins[i];
	xmi_init(&link->xmi, &settings, facts);
	return secretfile_load(config->xmi.password_file, &link->password, error) || secretfile_page(&link->head, error) ? -1 : 0;
}

void xmi_link_free(struct xmi_link *link)
{
	xmi_link_close(link);
	xmi_free(&link->xmi);
	secretfile_free(&link->password);
	secretfile_free(&link->head);
}

static void wipe_head(struct xmi_link *link)
{
	if (link->head.bytes)
		explicit_bzero(link->head.bytes, SECRETFILE_PAGE_BYTES);
	link->head.length = 0;
}

static void drop_connection(struct xmi_link *link)
{
	if (link->xmi.status == XMI_BUSY && link->xmi.effect != APPLIANCE_NO_EFFECT)
		transport_abort(link->transport); /* a command that was sent and not answered is not to arrive later, when the run has looked and goes on */
	else
		transport_close(link->transport);
	link->transport = NULL;
	link->connected = link->reused = false;
	explicit_bzero(&link->http, sizeof link->http); /* the appliance echoes our headers */
}

void xmi_link_close(struct xmi_link *link)
{
	static const struct error closed = {.code = ERROR_LOST, .what = "the request was given up"};

	drop_connection(link);
	wipe_head(link);
	if (link->status != XMI_LINK_WAIT)
		return;
	xmi_lost(&link->xmi, &closed);
	link->effect = link->xmi.effect;
	link->status = XMI_LINK_IDLE;
}

/* ---- the request ---------------------------------------------------------------------------------------------- */

static int64_t timeout_ms(const struct xmi_link *link)
{
	return (int64_t)link->config->xmi.timeout_s * 1000;
}

/* The head goes into protected memory, and is wiped as soon as it has left. */
static int make_head(struct xmi_link *link, size_t body_bytes)
{
	const struct config_url *url = &link->config->xmi.url;
	char *head = link->head.bytes;
	const char *open = strchr(url->host, ':') ? "[" : "", *close = open[0] ? "]" : "";
	int used = snprintf(head, SECRETFILE_PAGE_BYTES, "POST %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUser-Agent: drr-agent/" DRR_VERSION "\r\n"
			    "Content-Type: text/xml; charset=utf-8\r\nContent-Length: %zu\r\nAuthorization: Basic ",
			    url->path, open, url->host, close, url->port, body_bytes);
	size_t user_bytes = strlen(link->config->xmi.user), pair_bytes = user_bytes + 1 + link->password.length;
	struct secret pair;

	if (secretfile_page(&pair, &link->error))
		return -1;
	assert(pair_bytes < SECRETFILE_PAGE_BYTES / 2 && used > 0);
	if ((size_t)used + BASE64_TEXT_BYTES(pair_bytes) + 5 > SECRETFILE_PAGE_BYTES) {
		secretfile_free(&pair);
		return error_set(&link->error, ERROR_CONFIG, "shorten the path of [xmi] url", "[xmi] url, user and password make a request head of more than %d bytes",
				 SECRETFILE_PAGE_BYTES);
	}
	memcpy(pair.bytes, link->config->xmi.user, user_bytes);
	pair.bytes[user_bytes] = ':';
	memcpy(pair.bytes + user_bytes + 1, link->password.bytes, link->password.length);
	(void)base64_encode(head + used, pair.bytes, pair_bytes);
	secretfile_free(&pair);
	link->head.length = strlen(head);
	memcpy(head + link->head.length, "\r\n\r\n", 5);
	link->head.length += 4;
	link->sent_bytes = 0;
	return 0;
}

static int take_body(void *context, const char *bytes, size_t count, struct error *error)
{
	struct xmi_link *link = context;

	if (xmi_input(&link->xmi, bytes, count) == 0)
		return 0;
	*error = link->xmi.error;
	return -1;
}

static void begin_response(struct xmi_link *link)
{
	http_response_init(&link->http, XMI_BODY_MAX_BYTES, take_body, link);
}

static void connect_anew(struct xmi_link *link, struct mono now)
{
	drop_connection(link);
	if (refused_check(link->config, REFUSED_XMI, &link->error))
		return;
	link->transport = tls_open(&link->tls_settings, &link->tls, &link->error);
	link->deadline = mono_add_ms(now, timeout_ms(link));
}

static void start_kind(struct xmi_link *link)
{
	if (link->kind == XMI_LINK_OP)
		xmi_start(&link->xmi, link->op);
	else if (link->kind == XMI_LINK_FILE)
		xmi_start_file(&link->xmi, link->name, link->function, link->context);
	else
		xmi_start_list(&link->xmi, link->name);
}

static void begin(struct xmi_link *link, int timeouts, struct mono now)
{
	assert(link->status != XMI_LINK_WAIT);
	error_clear(&link->error);
	link->status = XMI_LINK_WAIT;
	link->effect = APPLIANCE_NO_EFFECT;
	link->repeated = false;
	wipe_head(link);
	begin_response(link);
	link->operation_deadline = mono_add_ms(now, timeouts * timeout_ms(link));
	link->deadline = mono_add_ms(now, timeout_ms(link));
	start_kind(link);
	if (link->xmi.status == XMI_BUSY && (!link->transport || mono_reached(link->kept_until, now)))
		connect_anew(link, now);
}

void xmi_link_start(struct xmi_link *link, enum appliance_op op, struct mono now)
{
	link->kind = XMI_LINK_OP;
	link->op = op;
	begin(link, XMI_LINK_OPERATION_TIMEOUTS, now);
}

void xmi_link_start_file(struct xmi_link *link, const char *name, xmi_file_function *function, void *context, struct mono now)
{
	link->kind = XMI_LINK_FILE;
	link->name = name;
	link->function = function;
	link->context = context;
	begin(link, XMI_LINK_FILE_TIMEOUTS, now);
}

void xmi_link_start_list(struct xmi_link *link, const char *name, struct mono now)
{
	link->kind = XMI_LINK_LIST;
	link->name = name;
	begin(link, XMI_LINK_OPERATION_TIMEOUTS, now);
}

/* ---- ends ----------------------------------------------------------------------------------------------------- */

static void tell(struct xmi_link *link, const char *answer)
{
	if (link->trace)
		link->trace(link->trace_context, "(xmi)", answer, strlen(answer));
}

static enum xmi_link_status finish(struct xmi_link *link, enum xmi_link_status status, struct mono now)
{
	wipe_head(link);
	link->status = status;
	link->effect = link->xmi.effect;
	link->kept_until = mono_add_ms(now, XMI_LINK_KEEP_MS);
	tell(link, status == XMI_LINK_DONE ? "answered" : link->error.what);
	return status;
}

/* The connection is of no use any more. */
static enum xmi_link_status fail(struct xmi_link *link, struct mono now)
{
	drop_connection(link);
	xmi_lost(&link->xmi, &link->error);
	return finish(link, XMI_LINK_FAILED, now);
}

/* A kept connection that was closed while it was idle is no failure, as long as nothing of the response is here and the request can have had no effect. */
static bool may_repeat(const struct xmi_link *link)
{
	return link->reused && !link->repeated && link->http.status == 0 && link->http.body_bytes == 0 && link->xmi.effect == APPLIANCE_NO_EFFECT;
}

static enum xmi_link_status lose(struct xmi_link *link, struct mono now)
{
	if (!may_repeat(link))
		return fail(link, now);
	error_clear(&link->error);
	xmi_lost(&link->xmi, &link->error);
	link->repeated = true; /* once: each connection carries the password */
	start_kind(link);
	wipe_head(link);
	connect_anew(link, now);
	return XMI_LINK_WAIT;
}

static enum xmi_link_status silence(struct xmi_link *link, struct mono now)
{
	if (!link->connected)
		(void)error_set(&link->error, ERROR_UNREACHABLE, "check [xmi] url, the interface's access list on the appliance (show xml-mgmt), and the way between here and there",
				"no TLS connection with %s within %u s", link->config->xmi.url.text, link->config->xmi.timeout_s);
	else
		(void)error_set(&link->error, ERROR_TIMEOUT, "if the appliance is only slow, raise timeout_s in [xmi]",
				"the XML management interface was silent for too long (timeout_s %u)", link->config->xmi.timeout_s);
	return fail(link, now);
}

/* ---- moving bytes --------------------------------------------------------------------------------------------- */

/* On a kept connection something is there before anything was asked: its end, or bytes that would be taken for the answer. */
static bool is_stale(struct xmi_link *link)
{
	struct error ended = {0};
	char byte;
	size_t got = 0;

	return transport_read(link->transport, &byte, sizeof byte, &got, &ended) != 0 || got > 0;
}

/* Sends head and document, as far as the transport takes them. 0, or -1: the connection is gone. A request that has not left as a whole has no effect. */
static int push(struct xmi_link *link, struct mono now)
{
	size_t body_bytes = 0;
	const char *body = xmi_request(&link->xmi, &body_bytes);

	if (!body)
		return 0;
	if (link->head.length == 0 && link->reused && is_stale(link))
		return error_set(&link->error, ERROR_LOST, NULL, "the kept connection is not silent any more");
	if (link->head.length == 0 && make_head(link, body_bytes))
		return -1;
	for (;;) {
		bool in_head = link->sent_bytes < link->head.length;
		const char *from = in_head ? link->head.bytes + link->sent_bytes : body + (link->sent_bytes - link->head.length);
		size_t left = in_head ? link->head.length - link->sent_bytes : link->head.length + body_bytes - link->sent_bytes, taken = 0;

		if (left == 0) {
			xmi_sent(&link->xmi);
			wipe_head(link);
			return 0;
		}
		if (transport_write(link->transport, from, left, &taken, &link->error))
			return -1;
		if (taken == 0)
			return 0;
		link->sent_bytes += taken;
		link->deadline = mono_add_ms(now, timeout_ms(link));
	}
}

/* Reads what is there. 1: something; 0: nothing; -1: the connection has ended, or the response is none (link->error). */
static int pull(struct xmi_link *link, struct mono now)
{
	char bytes[XMI_LINK_READ_BYTES];
	size_t got = 0, used = 0;
	int result = 1;

	if (transport_read(link->transport, bytes, sizeof bytes, &got, &link->error)) {
		struct error ended = {0};

		if (http_response_end(&link->http, link->tls.ended_cleanly, &ended) == 0)
			return 1; /* its end was the end of the body */
		return -1;
	}
	if (got == 0)
		return 0;
	link->deadline = mono_add_ms(now, timeout_ms(link));
	if (http_response_input(&link->http, bytes, got, &used, &link->error))
		result = -1;
	else if (used < got) /* nothing was asked that this could answer */
		link->http.keep = false;
	explicit_bzero(bytes, got);
	return result;
}

/* A response is here: the next request, or the end. */
static enum xmi_link_status take_response(struct xmi_link *link, struct mono now)
{
	size_t unsent;
	enum xmi_status status;

	if (xmi_request(&link->xmi, &unsent) || link->head.length > 0) { /* it answers before it has read all: what it says counts, the connection does not */
		if (xmi_request(&link->xmi, &unsent))
			xmi_sent(&link->xmi);
		wipe_head(link);
		link->http.keep = false;
	}
	status = xmi_response(&link->xmi, link->http.status);
	link->reused = true;
	if (!link->http.keep)
		drop_connection(link);
	if (status == XMI_DONE)
		return finish(link, XMI_LINK_DONE, now);
	if (status == XMI_FAILED) {
		link->error = link->xmi.error;
		if (link->error.code == ERROR_AUTH)
			refused_remember(link->config, REFUSED_XMI, &link->error);
		return finish(link, XMI_LINK_FAILED, now);
	}
	begin_response(link);
	if (!link->transport)
		connect_anew(link, now);
	return XMI_LINK_WAIT;
}

static enum xmi_link_status step_connect(struct xmi_link *link, struct mono now)
{
	enum transport_step step = transport_connect(link->transport, &link->error);

	if (step == TRANSPORT_WAIT)
		return mono_reached(link->deadline, now) ? silence(link, now) : XMI_LINK_WAIT;
	if (step == TRANSPORT_FAILED)
		return fail(link, now);
	if (link->tls_settings.trust == TLS_TRUST_REPORT) { /* nobody has said that this is the appliance: no password for it */
		(void)error_set(&link->error, ERROR_HOST_KEY, "compare the pin with the appliance's own certificate, then put it into [xmi] as: pin = ...",
				"the XML management interface has the key %s, and neither pin nor ca_file is set", link->tls.pin);
		return fail(link, now);
	}
	link->connected = true;
	begin_response(link);
	link->deadline = mono_add_ms(now, timeout_ms(link));
	return XMI_LINK_DONE;
}

/* One round of sending and reading. 1: go on at once; 0: wait; -1: the operation is over. */
static int step_once(struct xmi_link *link, struct mono now)
{
	int moved;

	if (link->xmi.status != XMI_BUSY) { /* over before anything was sent: it needs no answer, or cannot be asked */
		link->error = link->xmi.error;
		(void)finish(link, link->xmi.status == XMI_DONE ? XMI_LINK_DONE : XMI_LINK_FAILED, now);
		return -1;
	}
	if (!link->transport) { /* it could not even be opened */
		(void)fail(link, now);
		return -1;
	}
	if (!link->connected && step_connect(link, now) != XMI_LINK_DONE)
		return link->status == XMI_LINK_WAIT ? 0 : -1;
	moved = push(link, now) ? -1 : pull(link, now);
	if (link->http.done)
		return take_response(link, now) == XMI_LINK_WAIT ? 1 : -1;
	if (moved < 0)
		return (link->error.code == ERROR_LOST ? lose(link, now) : fail(link, now)) == XMI_LINK_WAIT ? 1 : -1;
	return moved;
}

enum xmi_link_status xmi_link_step(struct xmi_link *link, struct mono now)
{
	int more = 1, rounds = 0;

	while (link->status == XMI_LINK_WAIT && more > 0 && rounds++ < XMI_LINK_ROUNDS)
		more = step_once(link, now);
	link->more = more > 0;
	if (link->status == XMI_LINK_WAIT && (mono_reached(link->deadline, now) || mono_reached(link->operation_deadline, now)))
		return silence(link, now);
	return link->status;
}

struct pollfd xmi_link_poll(const struct xmi_link *link)
{
	struct pollfd none = {.fd = -1};
	struct pollfd wanted;

	if (!link->transport || link->status != XMI_LINK_WAIT)
		return none;
	wanted = (struct pollfd){.fd = transport_fd(link->transport), .events = transport_events(link->transport)};
	if (link->connected && link->head.length > 0)
		wanted.events |= POLLOUT;
	return wanted;
}

struct mono xmi_link_deadline(const struct xmi_link *link)
{
	if (link->status != XMI_LINK_WAIT)
		return MONO_NEVER;
	return link->more ? (struct mono){0} : mono_earlier(link->deadline, link->operation_deadline);
}
