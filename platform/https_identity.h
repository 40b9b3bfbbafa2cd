/* https_identity.h - what https_server.c knows about certificates. Included by platform/https_*.c only. */
#ifndef DRR_PLATFORM_HTTPS_IDENTITY_H
#define DRR_PLATFORM_HTTPS_IDENTITY_H

#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "platform/https_server.h"

/* A struct https_identity, read and checked. */
struct identity {
	mbedtls_x509_crt chain, client_cas;
	mbedtls_pk_context key;
	mbedtls_ssl_config config;
	int64_t not_after_s;
	unsigned users; /* connections made with it, and 1 as long as it holds; the gate's */
};

struct identity *identity_read(const struct https_identity *texts, struct error *error); /* one user; NULL and ERROR */
void identity_drop(struct identity *identity); /* one user less; NULL is fine */

/* The certificate that was good in its handshake is (still) good: known to the CAs of IDENTITY, and not over. */
bool identity_knows(struct identity *identity, mbedtls_x509_crt *peer);

/* The names of a certificate, in one block for free(); NULL for lack of memory. */
struct https_name *identity_names(const mbedtls_x509_crt *certificate, unsigned *count);

#endif
