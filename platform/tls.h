/* tls.h - a byte stream over TLS: a struct transport (transport.h) like any other, by one of two engines behind one interface.
 *
 * BearSSL: TLS 1.2, no heap of its own; mbedTLS: TLS 1.3 and 1.2. Whom to trust is said once, in the settings; nothing is trusted by
 * default. transport_close() sends close_notify first, as far as the socket takes it without waiting. */
#ifndef DRR_PLATFORM_TLS_H
#define DRR_PLATFORM_TLS_H

#include <stdbool.h>

#include "platform/transport.h"

enum { TLS_PINS_MAX = 8, TLS_PIN_BYTES = 8 + 44 + 1 /* "sha256//" and the base64 of 32 bytes */ };

enum tls_engine { TLS_BEARSSL, TLS_MBEDTLS };

enum tls_trust {
	TLS_TRUST_PINS,   /* the key of the peer's own certificate is one of PINS; names and dates are not looked at */
	TLS_TRUST_CA,     /* a chain to a certificate of ca_file, all of it valid now, for servers, and for this HOST: its dNSName, or its iPAddress when it is an address */
	TLS_TRUST_REPORT, /* not checked: the caller only wants to see the key (check --connect), or asks nothing of worth; no secret may be sent */
};

struct tls_identity; /* a certificate chain and its private key: tls_identity_load() */

struct tls_settings { /* the caller's; must outlive the transport */
	const char *host; /* name or address */
	unsigned port;
	enum tls_engine engine;
	enum tls_trust trust;
	const char *pins[TLS_PINS_MAX]; /* "sha256//BASE64" of the DER SubjectPublicKeyInfo, as curl's --pinnedpubkey */
	unsigned pin_count;
	const char *ca_file; /* PEM, at most 16 certificates; read in tls_open() */
	struct tls_identity *identity; /* ours, for a server that asks who we are; mbedTLS only; NULL: none. Must outlive the transport */
	const char *advice;  /* what to do when there is no connection; NULL: what is right for the XML management interface */
};

struct tls_report { /* filled while connecting; must outlive the transport */
	char pin[TLS_PIN_BYTES]; /* of the peer's key; "" before it was seen, also filled when it is refused */
	char version[8];         /* "1.2", "1.3"; "" before the handshake is over */
	bool ended_cleanly;      /* the peer said close_notify: what was read is all there was to read */
};

/* NULL and ERROR: ERROR_CONFIG for a bad pin or a ca_file that cannot be read; ERROR_INTERNAL (no random numbers, no memory). While connecting:
 * ERROR_UNREACHABLE (refused, no route, closed before the first byte: for the XML management interface that can be its access list),
 * ERROR_HOST_KEY (a key that is not pinned, a certificate that does not convince; the sentence has the pin that was met), ERROR_ANSWER (no TLS, no
 * common version: names `tls = mbedtls` where that could help), ERROR_LOST (gone in the middle of the handshake). A session that breaks, or ends:
 * ERROR_LOST; report->ended_cleanly tells which. */
struct transport *tls_open(const struct tls_settings *settings, struct tls_report *report, struct error *error);

/* "sha256//" and 44 characters of base64 that decode to 32 bytes. */
bool tls_is_pin(const char *text);

/* ---- the server side: the syslog listener. mbedTLS, TLS 1.3 and 1.2; no client certificates. */

/* PEM files; the server's (or with tls_settings.identity the client's) own certificate first, all of them together at most 3.75 KiB (mbedTLS sends them in one record); the key RSA or ECDSA, without a
 * passphrase, its file closed to others. NULL and ERROR: ERROR_CONFIG, ERROR_INTERNAL. */
struct tls_identity *tls_identity_load(const char *certificate_file, const char *key_file, struct error *error);
void tls_identity_free(struct tls_identity *identity); /* NULL is fine; after all its transports are closed */

/* Takes over FD, an accepted, non-blocking socket, and speaks TLS on it as the server. transport_connect() does the handshake. REPORT must outlive the
 * transport; NULL: not wanted. NULL (FD is closed) and ERROR on lack of memory. */
struct transport *tls_accept(struct tls_identity *identity, int fd, struct tls_report *report, struct error *error);

#endif
