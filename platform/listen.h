/* listen.h - listens for messages: UDP datagrams and TCP or TLS connections, from allowed peers only. Never blocks.
 *
 * Whoever is not allowed is not heard: a datagram is dropped unread, a connection is closed before a byte of it is read. Peers are compared by address; an IPv4
 * address that arrives mapped into IPv6 is the IPv4 address. */
#ifndef DRR_PLATFORM_LISTEN_H
#define DRR_PLATFORM_LISTEN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mono.h"
#include "platform/tls.h"

enum {
	LISTEN_DOORS_MAX = 4,
	LISTEN_CONNECTIONS_MAX = 8,   /* one more, and the one that was silent for longest is closed: a peer that vanished is never closed by anybody else */
	LISTEN_FDS_MAX = LISTEN_DOORS_MAX + LISTEN_CONNECTIONS_MAX,
	LISTEN_PEERS_MAX = 32,
	LISTEN_HANDSHAKE_MS = 10000,  /* a TLS handshake that takes longer is given up */
	LISTEN_REST_MS = 1000,        /* without descriptors or memory for a connection: nobody is admitted for so long */
	LISTEN_READ_BYTES = 8192,     /* of a connection, at once */
	LISTEN_DATAGRAM_MAX_BYTES = 65536,
	LISTEN_BUFFER_BYTES = 1048576, /* asked of the kernel for datagrams, against bursts; it may give less */
};

enum listen_kind { LISTEN_UDP, LISTEN_TCP, LISTEN_TLS };

struct listen_door {
	enum listen_kind kind;
	const char *text; /* as configured, for sentences */
	const char *host; /* an IP address; "" for all */
	unsigned port;    /* 0: any (tests) */
};

struct listen_settings { /* the caller's; needed by listen_open() only, but for IDENTITY */
	struct listen_door doors[LISTEN_DOORS_MAX];
	unsigned door_count;
	const char *peers[LISTEN_PEERS_MAX]; /* addresses or names; a name counts with all of its addresses */
	unsigned peer_count;
	struct tls_identity *identity;       /* for LISTEN_TLS; must outlive the listener */
};

struct listen; /* about 90 KiB */

/* Resolves the peers' names (getaddrinfo(3) may block for its own time limits; addresses do not) and opens the doors. NULL and ERROR: ERROR_CONFIG (an
 * address that is in use, not of this host, or not allowed to this user), ERROR_UNREACHABLE (a name that cannot be resolved), ERROR_INTERNAL. */
struct listen *listen_open(const struct listen_settings *settings, struct error *error);
void listen_close(struct listen *listen); /* NULL is fine */

enum listen_event {
	LISTEN_NOTHING,  /* nothing more now */
	LISTEN_DATAGRAM, /* bytes are one whole message */
	LISTEN_OPENED,   /* CONNECTION is a new one */
	LISTEN_BYTES,    /* of CONNECTION */
	LISTEN_ENDED,    /* CONNECTION was closed by its peer in good order */
	LISTEN_BROKEN,   /* CONNECTION was lost, or ended without TLS's own end, or had to make room: what was under way is gone */
	LISTEN_FOREIGN,  /* somebody who is not allowed was turned away, or a handshake failed */
	LISTEN_DROPPED,  /* the kernel dropped datagrams for lack of room, or one was too long */
};

struct listen_news {
	enum listen_event event;
	unsigned connection; /* 0 ... LISTEN_CONNECTIONS_MAX - 1 */
	const char *bytes;   /* valid until the next call; never empty */
	size_t count_bytes;
};

/* What happened next. Call until LISTEN_NOTHING. */
enum listen_event listen_next(struct listen *listen, struct mono now, struct listen_news *news);

/* What to wait for: up to LISTEN_FDS_MAX. And when to call listen_next() at the latest. */
unsigned listen_poll(const struct listen *listen, struct pollfd *fds);
struct mono listen_deadline(const struct listen *listen);

/* The port that a door really has. */
unsigned listen_port(const struct listen *listen, unsigned door);

#endif
