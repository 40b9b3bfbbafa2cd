/* Starting and stopping the HTTPS server, and the workers' side of it: civetweb reads a request that is whole, the handler answers it. */
#include "platform/https_server.h"

#include <civetweb_session.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "platform/https_gate.h"

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)
#define WORKERS_TEXT 8
#define HEAD_MAX_TEXT 8192
#define QUEUE_TEXT 128

_Static_assert(WORKERS_TEXT == HTTPS_WORKERS && HEAD_MAX_TEXT == HTTPS_HEAD_MAX_BYTES, "civetweb's options say what the header says");
_Static_assert(QUEUE_TEXT >= HTTPS_CONNECTIONS_MAX, "or the gate would wait for a worker");

enum { START_MAX_S = 10 };

static struct connection *of(struct civetweb_session *session)
{
	return (struct connection *)(void *)session;
}

static void wake(struct https_server *server)
{
	static const uint64_t one = 1;

	(void)!write(server->wake, &one, sizeof one);
}

/* --- what civetweb asks (civetweb_session.h) */

int civetweb_session_left(struct civetweb_session *session)
{
	const struct connection *connection = of(session);

	return (int)(connection->head_bytes + connection->body_bytes - connection->read_bytes);
}

int civetweb_session_read(struct civetweb_session *session, void *bytes, int count)
{
	struct connection *connection = of(session);
	int left = civetweb_session_left(session);

	if (count > left)
		count = left;
	if (count <= 0)
		return 0;
	memcpy(bytes, connection->in + connection->read_bytes, (size_t)count);
	connection->read_bytes += (size_t)count;
	return count;
}

void civetweb_session_end(struct civetweb_session *session)
{
	struct connection *connection = of(session);
	struct https_server *server = connection->server;

	(void)pthread_mutex_lock(&server->lock);
	connection->next_done = server->done;
	server->done = connection;
	(void)pthread_mutex_unlock(&server->lock);
	wake(server);
}

/* --- a request */

static bool keeps_alive(const struct mg_connection *civet, const struct mg_request_info *info)
{
	const char *wish = mg_get_header(civet, "Connection");

	return strcmp(info->http_version, "1.1") == 0 && (!wish || strcasestr(wish, "close") == NULL);
}

static void check_response(struct https_response *response)
{
	if (response->status >= 200 && response->status <= 599 && (!response->body || response->body_bytes <= HTTPS_RESPONSE_MAX_BYTES))
		return;
	if (response->release && response->body)
		response->release(response->body);
	*response = (struct https_response){.status = 500};
}

static void answer(struct connection *connection, struct https_response *response, const struct mg_request_info *info)
{
	connection->out_bytes = https_message_write(response, strcmp(info->request_method, "HEAD") == 0, connection->keep, &connection->out);
}

static bool takes_open_metrics(const struct mg_connection *civet)
{
	const char *accept = mg_get_header(civet, "Accept");

	return accept && strstr(accept, "application/openmetrics-text");
}

/* civetweb's begin_request: more than 0, it is answered. */
static int handle(struct mg_connection *civet)
{
	struct connection *connection = of(civetweb_session_of(civet));
	const struct mg_request_info *info = mg_get_request_info(civet);
	struct https_server *server = connection->server;
	struct https_response response = {0};
	char *body = malloc(connection->body_bytes + 1);
	struct https_request request = {
		.method = info->request_method,
		.path = info->local_uri,
		.query = info->query_string ? info->query_string : "",
		.body = body,
		.local = connection->local,
		.open_metrics = takes_open_metrics(civet),
		.peer = connection->peer,
		.tls = connection->local ? "" : mbedtls_ssl_get_version_number(connection->ssl) == MBEDTLS_SSL_VERSION_TLS1_3 ? "1.3" : "1.2",
		.names = connection->names,
		.name_count = connection->name_count,
	};
	int got = body && connection->body_bytes > 0 ? mg_read(civet, body, connection->body_bytes) : 0;

	connection->keep = keeps_alive(civet, info);
	if (!body || got < 0 || (size_t)got != connection->body_bytes) {
		https_message_refuse(&server->settings, body ? 400 : 503, &response);
	} else {
		body[got] = '\0';
		request.body_bytes = (size_t)got;
		request.may_wait = atomic_fetch_add(&server->busy, 1) < HTTPS_WAITERS_MAX;
		server->settings.handler(server->settings.context, &request, &response);
		(void)atomic_fetch_sub(&server->busy, 1);
		https_count(server, COUNT_REQUESTS);
		check_response(&response);
	}
	answer(connection, &response, info);
	free(body);
	return 200;
}

/* civetweb's http_error: what it does not let through. 0: it is answered. */
static int refuse(struct mg_connection *civet, int status, const char *message)
{
	struct connection *connection = of(civetweb_session_of(civet));
	struct https_response response;

	(void)message;
	https_message_refuse(&connection->server->settings, status, &response);
	https_count(connection->server, COUNT_BAD_REQUEST);
	connection->keep = false;
	if (!connection->out)
		connection->out_bytes = https_message_write(&response, false, false, &connection->out);
	return 0;
}

/* --- threads */

/* civetweb's init_thread. TYPE 0: its master thread, which is our gate; 1: a worker. */
static void *begin_thread(const struct mg_context *context, int type)
{
	struct https_server *server = mg_get_user_data(context);

	(void)pthread_mutex_lock(&server->lock);
	server->running++;
	if (type == 0)
		server->context = (struct mg_context *)(uintptr_t)context; /* what mg_start2() is about to return */
	(void)pthread_cond_signal(&server->started);
	(void)pthread_mutex_unlock(&server->lock);
	if (type == 0)
		https_gate_run(server);
	return NULL;
}

static int start_threads(struct https_server *server, struct error *error)
{
	const char *options[] = {"num_threads", TEXT(WORKERS_TEXT), "connection_queue", TEXT(QUEUE_TEXT), "max_request_size", TEXT(HEAD_MAX_TEXT),
				 "decode_url", "no", NULL};
	const struct mg_callbacks callbacks = {.init_thread = begin_thread, .begin_request = handle, .http_error = refuse};
	struct mg_init_data start = {.callbacks = &callbacks, .user_data = server, .configuration_options = options};
	char why[100] = "";
	struct mg_error_data trouble = {.text = why, .text_buffer_size = sizeof why};
	struct mg_context *context;
	struct timespec until;
	bool all;

	(void)mg_init_library(0);
	server->library = true;
	context = mg_start2(&start, &trouble);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += START_MAX_S;
	(void)pthread_mutex_lock(&server->lock);
	while (context && server->running < HTTPS_WORKERS + 1 && pthread_cond_timedwait(&server->started, &server->lock, &until) != ETIMEDOUT)
		;
	all = server->running == HTTPS_WORKERS + 1;
	(void)pthread_mutex_unlock(&server->lock);
	return all ? 0 : error_set(error, ERROR_INTERNAL, "look at the limits of tasks and memory of the service",
				   "the threads of the HTTPS server cannot be started (civetweb: %s)", why);
}

struct https_server *https_server_start(const struct https_settings *settings, const struct https_identity *identity, struct error *error)
{
	struct https_server *server = calloc(1, sizeof *server);

	if (!server) {
		(void)error_set(error, ERROR_INTERNAL, NULL, "no memory for the HTTPS server");
		return NULL;
	}
	server->settings = *settings;
	if (server->settings.idle_ms == 0)
		server->settings.idle_ms = HTTPS_IDLE_MS;
	(void)pthread_mutex_init(&server->lock, NULL);
	(void)pthread_cond_init(&server->started, NULL);
	server->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (server->wake < 0)
		(void)error_set_errno(error, ERROR_INTERNAL, errno, NULL, "no descriptor for the HTTPS server");
	else if (identity)
		server->identity = identity_read(identity, error);
	if (server->identity)
		server->not_after_s = server->identity->not_after_s;
	if (server->wake >= 0 && (server->identity || settings->listen_count == 0) && https_listen_open(server, error) == 0 && start_threads(server, error) == 0)
		return server;
	https_server_stop(server);
	return NULL;
}

int https_server_set_identity(struct https_server *server, const struct https_identity *texts, struct error *error)
{
	struct identity *identity = identity_read(texts, error), *unused;

	if (!identity)
		return -1;
	(void)pthread_mutex_lock(&server->lock);
	unused = server->next;
	server->next = identity;
	server->not_after_s = identity->not_after_s;
	(void)pthread_mutex_unlock(&server->lock);
	identity_drop(unused);
	wake(server);
	return 0;
}

void https_server_counts(struct https_server *server, struct https_counts *counts)
{
	uint64_t now[COUNTS];

	for (unsigned i = 0; i < COUNTS; i++)
		now[i] = atomic_load_explicit(&server->counts[i], memory_order_relaxed);
	*counts = (struct https_counts){
		.pending_now = now[COUNT_PENDING_NOW], .connections_now = now[COUNT_MEMBERS_NOW], .accepted = now[COUNT_ACCEPTED],
		.verified = now[COUNT_VERIFIED], .requests = now[COUNT_REQUESTS], .refused_timeout = now[COUNT_TIMEOUT],
		.refused_no_certificate = now[COUNT_NO_CERTIFICATE], .refused_bad_certificate = now[COUNT_BAD_CERTIFICATE],
		.refused_handshake = now[COUNT_HANDSHAKE], .refused_too_many = now[COUNT_TOO_MANY], .refused_oversize = now[COUNT_OVERSIZE],
		.refused_slow = now[COUNT_SLOW], .refused_bad_request = now[COUNT_BAD_REQUEST],
	};
	(void)pthread_mutex_lock(&server->lock);
	counts->not_after_s = server->not_after_s;
	(void)pthread_mutex_unlock(&server->lock);
}

void https_server_stop(struct https_server *server)
{
	if (!server)
		return;
	(void)pthread_mutex_lock(&server->lock);
	server->stopping = true;
	(void)pthread_mutex_unlock(&server->lock);
	if (server->context) {
		wake(server);
		mg_stop(server->context);
	}
	https_gate_free(server);
	if (server->library)
		(void)mg_exit_library();
	if (server->wake >= 0)
		(void)close(server->wake);
	(void)pthread_cond_destroy(&server->started);
	(void)pthread_mutex_destroy(&server->lock);
	free(server);
}
