/* https_server.h - an HTTPS server: certificates on both sides, many hostile connections, few threads.
 *
 * One thread, the gate, owns every connection: it accepts, shakes hands, reads a whole request, sends the whole response, and waits between requests; all of
 * it non-blocking, with an absolute deadline for each step. Only a request that is whole, from a client whose certificate was verified, gets one of the
 * HTTPS_WORKERS threads, and only for as long as its handler runs. So a slow or silent peer costs a descriptor and some memory, never a thread.
 *
 * After https_server_start() no file is opened, no socket made, no thread started; what is needed is accept4, poll (ppoll), read, write, recvfrom, sendto,
 * getpeername, getsockopt, setsockopt, shutdown, close, futex, clock_gettime, getrandom, getpid, brk, mmap, munmap, mremap, madvise, mprotect,
 * rt_sigprocmask, and to stop nanosleep, clock_nanosleep and exit (tests/unit/test_https.c runs it in a jail of these). SIGPIPE is ignored from then on:
 * civetweb's doing. */
#ifndef DRR_PLATFORM_HTTPS_SERVER_H
#define DRR_PLATFORM_HTTPS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum {
	HTTPS_LISTENS_MAX = 4,
	HTTPS_WORKERS = 8,              /* handlers that run at the same time */
	HTTPS_WAITERS_MAX = 4,          /* of them, those that may wait for something (long polls): the others stay for those who want an answer now */
	HTTPS_CONNECTIONS_MAX = 128,    /* the most that connections_max may say */
	HTTPS_PENDING_MAX = 256,        /* connections that have not shown a good certificate yet; one more, and one that keeps us waiting has to go */
	HTTPS_HANDSHAKE_MS = 3000,      /* accepted to verified; absolute, as are the next three */
	HTTPS_HEAD_MS = 5000,           /* first byte of a request to the end of its head */
	HTTPS_BODY_MS = 5000,           /* end of the head to the end of the body */
	HTTPS_SEND_MS = 10000,          /* a response */
	HTTPS_IDLE_MS = 30000,          /* between two requests */
	HTTPS_LINGER_MS = 1000,         /* for the peer to close, after we have */
	HTTPS_HEAD_MAX_BYTES = 8192,    /* more: 431 */
	HTTPS_BODY_MAX_BYTES = 16384,   /* more: 413 */
	HTTPS_RESPONSE_MAX_BYTES = 1048576, /* a body; more is our own mistake: 500 */
	HTTPS_NAMES_MAX = 16,           /* of a client certificate; what is beyond them has no effect */
	HTTPS_NAME_MAX_BYTES = 255,     /* longer ones, and those with other bytes than printable ASCII, are left out */
	HTTPS_PEER_BYTES = 56,          /* an address as text: "192.0.2.1", "2001:db8::1"; "uid 0" at the Unix socket */
	HTTPS_CLIENT_CAS_MAX = 64,
	HTTPS_PEM_MAX_BYTES = 131072,   /* each of the three texts */
	HTTPS_CHAIN_MAX_BYTES = 3840,   /* our own certificates, as they are sent */
};

/* What the server shows and whom it lets in, as PEM texts in memory. The texts are the caller's and needed during the call only. */
struct https_identity {
	const char *certificate_pem; /* the server's own first, then what leads to its CA */
	size_t certificate_bytes;    /* without a NUL behind it; so the others */
	const char *key_pem;         /* RSA or ECDSA, without a passphrase */
	size_t key_bytes;
	const char *client_ca_pem;   /* CAs that issue clients' certificates; a self-signed client certificate stands for itself */
	size_t client_ca_bytes;
};

enum https_name_kind { HTTPS_NAME_CN, HTTPS_NAME_DNS, HTTPS_NAME_URI };

struct https_name {
	enum https_name_kind kind;
	const char *text;
};

/* What a client asks. All of it is the server's and valid until the handler returns. */
struct https_request {
	const char *method;     /* "GET", ...; one of HTTP's */
	const char *path;       /* begins with a slash; as sent (percent signs and all), but without "." and ".." */
	const char *query;      /* behind the question mark, as sent; "" when there is none */
	const char *body;       /* a NUL stands behind it */
	size_t body_bytes;
	bool local;             /* came through the Unix socket: without TLS, nameless; the file's permissions said who may */
	bool may_wait;          /* false: too many wait already; answer at once */
	bool open_metrics;      /* its Accept names application/openmetrics-text */
	const char *peer;       /* see HTTPS_PEER_BYTES */
	const char *tls;        /* "1.2", "1.3"; "" when local */
	const struct https_name *names; /* subject CNs, then DNS and URI names of the client's certificate */
	unsigned name_count;
};

/* What it gets. All zero when the handler is called; no status is a 500. */
struct https_response {
	int status;               /* 200 ... 599 */
	const char *content_type; /* static; NULL: no body */
	char *body;               /* the handler's; given to RELEASE when it is sent, or given up. Not sent for HEAD, 204 and 304 */
	size_t body_bytes;
	void (*release)(void *body); /* free for what malloc() gave; NULL: static */
	unsigned retry_after_s;   /* 0: no Retry-After */
	char location[256];       /* "": no Location */
	const char *allow;        /* static, for 405: "GET, HEAD"; NULL: none */
};

struct https_settings { /* the caller's; needed during https_server_start() only */
	const char *listens[HTTPS_LISTENS_MAX]; /* "ADDRESS:PORT", "[::1]:PORT" or "*:PORT"; port 0: any (tests) */
	unsigned listen_count;
	const char *unix_path;     /* NULL: none. A stale file is the caller's to remove, before and after */
	gid_t unix_gid;            /* the socket file's group, mode 0660; (gid_t)-1: the process's */
	int idle_ms;               /* between two requests; 0: HTTPS_IDLE_MS */
	unsigned connections_max;  /* verified and local ones, 1 ... HTTPS_CONNECTIONS_MAX; the one idle for longest makes room, else 503 */
	/* Runs in one of the workers and may take up to 65 s where may_wait says so. */
	void (*handler)(void *context, const struct https_request *request, struct https_response *response);
	/* What to say instead, when the server itself refuses: 400, 408, 411, 413, 417, 431, 503, 505 (status is set). Must not block; may be NULL: a short
	 * text. */
	void (*refusal)(void *context, struct https_response *response);
	void *context;
};

/* Since the start, except where "now". */
struct https_counts {
	uint64_t pending_now, connections_now; /* not yet verified; verified and local */
	uint64_t accepted, verified, requests; /* connections, those of them that showed a good certificate (or are local), requests handled */
	uint64_t refused_timeout;         /* a handshake that took too long, or had to make room */
	uint64_t refused_no_certificate;
	uint64_t refused_bad_certificate; /* foreign, expired, not valid yet, for servers only, ... */
	uint64_t refused_handshake;       /* no TLS, too old, nothing in common, gone in the middle */
	uint64_t refused_too_many;        /* 503 */
	uint64_t refused_oversize;        /* 413, 431 */
	uint64_t refused_slow;            /* a request or a response that took too long */
	uint64_t refused_bad_request;     /* 400, 411, 417, 505 */
	int64_t not_after_s;              /* of our own certificate: seconds since 1970; of the identity that holds */
};

struct https_server; /* with its threads about 0.3 MiB when nobody is there; about 40 KiB more for each connection, given back when it ends */

/* Opens the doors and starts the threads; when it returns all of them run. IDENTITY may be NULL when there are no LISTENS. NULL and ERROR: ERROR_CONFIG (an
 * address that cannot be listened on, an identity that is none), ERROR_INTERNAL (no memory, no threads). */
struct https_server *https_server_start(const struct https_settings *settings, const struct https_identity *identity, struct error *error);

/* From now on this identity holds: for new connections at once, and connections that are there lose their place, before their next request, when the new CAs
 * do not know their certificate. From any thread, one at a time. -1 and ERROR (ERROR_CONFIG names what is wrong): the old one stays. */
int https_server_set_identity(struct https_server *server, const struct https_identity *identity, struct error *error);

/* When the certificate of IDENTITY ends, seconds since 1970: for a look at it without a server. The same checks as above: -1 and ERROR. */
int https_identity_check(const struct https_identity *identity, int64_t *not_after_s, struct error *error);

void https_server_counts(struct https_server *server, struct https_counts *counts); /* from any thread */
unsigned https_server_port(const struct https_server *server, unsigned listen);     /* the port that a listen really has */

/* Closes doors and connections at once, waits for handlers that run, joins all threads. NULL is fine. */
void https_server_stop(struct https_server *server);

#endif
