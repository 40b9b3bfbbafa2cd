/* client.h - an HTTP/1.1 client over TLS or a Unix socket, for one other side: JSON out, JSON back, one request at a time, the connection is kept. Never blocks; the
 * caller waits (client_poll, client_deadline) and calls client_step().
 *
 * A kept connection that broke before the first byte of an answer is replaced and the request sent once more: everything that the agents are asked may be repeated. */
#ifndef DRR_GROUP_CLIENT_H
#define DRR_GROUP_CLIENT_H

#include <poll.h>

#include "base/mono.h"
#include "base/secret.h"
#include "group/group_config.h"
#include "platform/http.h"
#include "platform/json.h"
#include "platform/tls.h"

enum {
	CLIENT_REQUEST_MAX_BYTES = 16384, /* head and body */
	CLIENT_ANSWER_MAX_BYTES = 128 * 1024,
	CLIENT_LABEL_BYTES = 160,
};

enum client_status { CLIENT_IDLE, CLIENT_WAIT, CLIENT_DONE, CLIENT_FAILED };

struct client_limits {
	int64_t connect_ms; /* TCP and TLS */
	int64_t answer_ms;  /* from the request to the end of its answer, long polls' wait not counted */
};

struct client {
	enum client_status status;
	struct error error;    /* CLIENT_FAILED */
	bool sent;             /* CLIENT_FAILED: the other side may have got the request */
	int http_status;       /* CLIENT_DONE; CLIENT_FAILED: 0, or that of an answer which broke off behind its head */
	struct json *answer;   /* CLIENT_DONE: NULL where the body is none or no JSON; client_start() frees it */

	/* Private. */
	const struct group_door *door;
	struct client_limits limits;
	char label[CLIENT_LABEL_BYTES];
	char advice[ERROR_NEXT_MAX_BYTES];
	struct tls_settings tls;
	struct tls_report report;
	struct transport *transport;
	struct http_response http;
	bool connected, reused, repeated;
	bool heard; /* an answer came, some time */
	struct mono deadline;
	int64_t wait_ms;
	char *request; /* may hold a token or a password: wiped when it has left */
	size_t request_bytes, sent_bytes;
	char *body;
	size_t body_bytes;
};

/* SECTION and FILE, for messages: "[member gw1]", "group.conf". DOOR, IDENTITY: the caller's, must outlive the client. CLIENT is not moved afterwards. 0 or -1. */
int client_init(struct client *client, const struct group_door *door, struct tls_identity *identity, struct client_limits limits, const char *section, const char *file,
		struct error *error);
void client_free(struct client *client);

/* The answer as the caller's own; NULL: there is none (any more). */
struct json *client_take_answer(struct client *client);

/* Begins a request. TARGET: path and query. BODY: JSON text, or NULL. BEARER: a token for Authorization, or NULL. WAIT_MS: how long the other side was asked to wait with its answer. */
void client_start(struct client *client, const char *method, const char *target, const char *body, const struct secret *bearer, int64_t wait_ms, struct mono now);

/* Does what can be done without waiting. */
enum client_status client_step(struct client *client, struct mono now);

/* What to wait for while CLIENT_WAIT. */
struct pollfd client_poll(const struct client *client);
struct mono client_deadline(const struct client *client);

/* Gives the request up and closes the connection. */
void client_close(struct client *client);

#endif
