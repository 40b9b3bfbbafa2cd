/* tls_link.h - what both TLS engines share: the socket, the trust rules and the sentences. For platform/tls*.c only. */
#ifndef DRR_PLATFORM_TLS_LINK_H
#define DRR_PLATFORM_TLS_LINK_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#include "platform/dial.h"
#include "platform/tls.h"

enum {
	TLS_HASH_BYTES = 32,            /* SHA-256 */
	TLS_ADDRESS_MAX_BYTES = sizeof(struct in6_addr),
	TLS_SEEN_BYTES = 48,            /* the peer's first bytes, to say what it speaks */
	TLS_PEER_TEXT_BYTES = 128,
	TLS_CERTIFICATE_MAX_BYTES = 16384,
	TLS_CA_CERTIFICATES_MAX = 16,   /* in ca_file */
	TLS_CA_FILE_MAX_BYTES = 65536,
	TLS_TURNS_MAX = 4096,           /* receives in one call; then the caller gets a chance to look at its clock */
};

enum tls_phase { TLS_DIAL, TLS_HANDSHAKE, TLS_OPEN };

enum tls_doubt { /* why a certificate does not convince */
	TLS_DOUBT_ISSUER = 1,
	TLS_DOUBT_TIME = 2,
	TLS_DOUBT_NAME = 4,
	TLS_DOUBT_WEAK = 8,
	TLS_DOUBT_USAGE = 16,
};

struct tls_link {
	struct transport base; /* first: the engines cast */
	const struct tls_settings *settings; /* NULL: we are the server */
	struct tls_report *report;
	struct tls_report own_report;        /* of a server that is asked for none */
	struct dial dial;
	enum tls_phase phase;
	char peer[TLS_PEER_TEXT_BYTES];      /* "HOST port N" */
	unsigned char address[TLS_ADDRESS_MAX_BYTES]; /* HOST, when it is one */
	size_t address_bytes;                /* 0: it is a name */
	unsigned char pins[TLS_PINS_MAX][TLS_HASH_BYTES];
	bool refused;                        /* the peer's key is not pinned */

	/* the socket, as tls_link_send() and tls_link_receive() met it */
	bool closed;   /* nothing more comes in */
	bool broken;   /* nothing more goes out */
	int sys_errno; /* why; 0: closed in good order */
	unsigned char seen[TLS_SEEN_BYTES];
	size_t seen_bytes;
};

/* 0, or -1: ERROR_CONFIG for a bad pin or host. */
int tls_link_init(struct tls_link *link, const struct tls_settings *settings, struct tls_report *report, struct error *error);
void tls_link_init_server(struct tls_link *link, int fd, struct tls_report *report); /* REPORT may be NULL */
void tls_link_close(struct tls_link *link); /* the socket */

/* As dial_step(); DONE: the phase is TLS_HANDSHAKE or later. */
enum transport_step tls_link_dial(struct tls_link *link, struct error *error);

/* How many bytes came; 0: none yet, or never more (closed). */
size_t tls_link_receive(struct tls_link *link, void *bytes, size_t size_bytes);

/* How many bytes were taken. All of them when it is broken: what the peer sent before is to be read yet, and no engine reads while it cannot write. */
size_t tls_link_send(struct tls_link *link, const void *bytes, size_t count_bytes);

/* The name for server name indication; NULL: HOST is an address. */
const char *tls_link_server_name(const struct tls_link *link);

/* Notes the hash of the peer's SubjectPublicKeyInfo in the report. False: it must be pinned and is not. */
bool tls_link_take_key(struct tls_link *link, const unsigned char hash[TLS_HASH_BYTES]);

/* Wants a regular file of at most TLS_CA_FILE_MAX_BYTES bytes; its descriptor, or -1 and ERROR_CONFIG. KEY: the setting's, for the sentence. */
int tls_open_file(const char *key, const char *path, struct error *error);

/* All return -1. */
int tls_fail_memory(struct error *error);

/* The peer is gone: ERROR_UNREACHABLE before its first byte, ERROR_LOST after it. */
int tls_fail_gone(const struct tls_link *link, struct error *error);

/* The handshake was not to be had. ALERT: the peer's; -1: none. ENGINE and CODE: for a cause that has no words of its own. */
int tls_fail_handshake(const struct tls_link *link, int alert, const char *engine, int code, struct error *error);
int tls_fail_version(const struct tls_link *link, struct error *error);
int tls_fail_certificate(const struct tls_link *link, unsigned doubts, struct error *error); /* of enum tls_doubt, more than one is fine */
int tls_fail_unread(const struct tls_link *link, const char *engine, int code, struct error *error); /* a certificate that cannot be read */

/* The open session broke. */
int tls_fail_open(const struct tls_link *link, int alert, const char *engine, int code, struct error *error);

/* The engines. */
struct transport *tls_bearssl_open(const struct tls_settings *settings, struct tls_report *report, struct error *error);
struct transport *tls_mbedtls_open(const struct tls_settings *settings, struct tls_report *report, struct error *error);

#endif
