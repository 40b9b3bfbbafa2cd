/* https_gate.h - the parts of the HTTPS server among each other. Included by platform/https_*.c only.
 *
 * https_server.c  starting, stopping, the workers' side: a whole request in, a response out
 * https_gate.c    the gate: the one thread that owns all connections
 * https_message.c requests' framing and responses' text, without I/O
 * https_listen.c  the doors */
#ifndef DRR_PLATFORM_HTTPS_GATE_H
#define DRR_PLATFORM_HTTPS_GATE_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/mono.h"
#include "platform/https_identity.h"

enum {
	DOORS_MAX = HTTPS_LISTENS_MAX + 1, /* and the Unix socket */
	PLACES = HTTPS_PENDING_MAX + HTTPS_CONNECTIONS_MAX,
	SOURCES = 256, /* addresses are counted by a hash of so many values */
};

enum phase {
	PHASE_SHAKING,  /* TLS; not before the first byte came has it any memory */
	PHASE_READING,  /* between two requests, or in the middle of one */
	PHASE_WORKING,  /* a worker has it; the gate keeps its hands off */
	PHASE_SENDING,  /* OUT goes out */
	PHASE_LINGERING /* all is said; until the peer has read it */
};

struct connection {
	struct https_server *server;
	int fd;
	enum phase phase;
	unsigned place;            /* in PLACES */
	bool local;
	bool member;               /* verified or local, and counted as that; else pending */
	bool ready;                /* poll() said so, and it was not its turn yet */
	bool wants_write;          /* TLS has something to send before it goes on */
	bool begun;                /* a byte of this request came */
	bool interim;              /* OUT is a "100 Continue" */
	bool keep;                 /* after OUT comes the next request */
	unsigned char source;
	int turns;                 /* receives in this step */
	struct mono deadline, waits_since;
	mbedtls_ssl_context *ssl;  /* NULL: local, or silent so far */
	struct identity *identity; /* what SSL was made with */
	unsigned generation;       /* of the identity that its certificate was last held against */
	struct https_name *names;
	unsigned name_count;
	char peer[HTTPS_PEER_BYTES];
	char *in; /* head, body and what came behind them */
	size_t in_bytes, in_size, head_bytes, body_bytes, read_bytes; /* head_bytes 0: not whole yet; read_bytes: what the worker took */
	char *out;
	size_t out_bytes, sent_bytes;
	struct connection *next_done;
};

enum count {
	COUNT_ACCEPTED, COUNT_VERIFIED, COUNT_REQUESTS, COUNT_TIMEOUT, COUNT_NO_CERTIFICATE, COUNT_BAD_CERTIFICATE, COUNT_HANDSHAKE, COUNT_TOO_MANY,
	COUNT_OVERSIZE, COUNT_SLOW, COUNT_BAD_REQUEST, COUNT_PENDING_NOW, COUNT_MEMBERS_NOW, COUNTS
};

struct door {
	int fd;
	bool local;
};

struct https_server {
	struct https_settings settings;
	struct mg_context *context; /* civetweb's */
	bool library;               /* it counts who uses it */
	struct door doors[DOORS_MAX];
	unsigned door_count;
	atomic_ullong counts[COUNTS];
	atomic_int busy; /* handlers */

	/* --- between threads, under LOCK; WAKE (an eventfd) tells the gate */
	pthread_mutex_t lock;
	pthread_cond_t started;
	int wake;
	unsigned running; /* threads */
	bool stopping;
	struct connection *done;      /* what workers gave back */
	struct identity *next;        /* what the gate is to take */
	int64_t not_after_s;

	/* --- the gate's */
	struct identity *identity;
	unsigned generation;
	struct connection *places[PLACES];
	unsigned pending, members, by_source[SOURCES];
	struct mono doors_open_at; /* no descriptors: not before */
	struct pollfd fds[1 + DOORS_MAX + PLACES];
	struct connection *polled[1 + DOORS_MAX + PLACES];
};

/* --- https_message.c */

/* What the bytes so far are. */
enum frame {
	FRAME_MORE = 0,       /* an unfinished head */
	FRAME_WHOLE = 1,      /* all of head and body; HEAD_BYTES, BODY_BYTES are set */
	FRAME_BODY = 2,       /* the head is whole, of the body something is missing; as above */
	FRAME_BODY_ASKED = 3, /* as FRAME_BODY, and the client waits for "100 Continue" */
	/* others: the status to refuse it with */
};
int https_message_frame(const char *bytes, size_t count_bytes, size_t *head_bytes, size_t *body_bytes);

/* The bytes of RESPONSE, in *OUT (for free()), after which its body is released; 0 for lack of memory. */
size_t https_message_write(struct https_response *response, bool head_only, bool keep, char **out);

/* The response of a refusal: the caller's words (settings.refusal) or a short text. */
void https_message_refuse(const struct https_settings *settings, int status, struct https_response *response);

/* --- https_listen.c */

int https_listen_open(struct https_server *server, struct error *error);
void https_listen_close(struct https_server *server);
/* The other side of FD as text, and a small number for where it is. */
void https_listen_peer(struct connection *connection);

/* --- https_gate.c */

void https_gate_run(struct https_server *server); /* until stopping */
void https_gate_free(struct https_server *server); /* all connections; after the threads */

static inline void https_count(struct https_server *server, enum count which)
{
	(void)atomic_fetch_add_explicit(&server->counts[which], 1, memory_order_relaxed);
}

#endif
