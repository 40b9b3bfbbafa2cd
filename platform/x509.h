/* x509.h - keys and certificates for the HTTPS interface: made, requested and read (mbedTLS behind it).
 *
 * A certificate of ours signs itself and nothing else (basicConstraints CA:FALSE, and no keyUsage that would say otherwise). It is its own trust anchor: whoever
 * has a copy names it as ca_file or client_ca. mbedTLS, BearSSL, OpenSSL (curl; also with X509_V_FLAG_X509_STRICT) and GnuTLS take an end-entity certificate
 * that is in the list of anchors itself. Were it a CA, the holder of any client's key could make certificates in the name of an operator. */
#ifndef DRR_PLATFORM_X509_H
#define DRR_PLATFORM_X509_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "platform/tls.h"

enum {
	X509_NAME_BYTES = 64 + 1,          /* of a subject, with its NUL: ub-common-name of RFC 5280 */
	X509_ALTERNATIVES_MAX = 16,
	X509_ALTERNATIVE_BYTES = 253 + 1,  /* a host name with its NUL */
	X509_PEM_BYTES = 9216,             /* enough for a certificate or a request with all of them */
	X509_KEY_PEM_BYTES = 512,
	X509_DAYS = 825,                   /* what Apple's and others' rules allow */
	X509_CHAIN_MAX = 16,               /* certificates that are read from one file; as in client_ca */
	X509_SHOWN_BYTES = 256,
};

struct x509_key; /* ECDSA on P-256; wiped when it is freed */

struct x509_key *x509_key_make(struct error *error); /* NULL: ERROR_INTERNAL */

/* A PEM file as x509_key_write() makes it, or PKCS#8. NULL: ERROR_CONFIG (cannot be read, or is of another kind). */
struct x509_key *x509_key_load(const char *path, struct error *error);
void x509_key_free(struct x509_key *key); /* NULL is fine */

/* "-----BEGIN EC PRIVATE KEY-----" (RFC 5915) into PEM of X509_KEY_PEM_BYTES: the caller wipes it. 0, or -1 and ERROR_INTERNAL. */
int x509_key_write(const struct x509_key *key, struct buf *pem, struct error *error);

/* In curl's form: "sha256//BASE64". */
int x509_key_pin(const struct x509_key *key, char pin[TLS_PIN_BYTES], struct error *error);

struct x509_subject {
	char name[X509_NAME_BYTES]; /* CN; UTF-8, not empty */
	char alternatives[X509_ALTERNATIVES_MAX][X509_ALTERNATIVE_BYTES]; /* host names and IP addresses */
	unsigned alternative_count;
	bool server; /* serverAuth; clientAuth always */
};

/* A self-signed certificate, valid for X509_DAYS from an hour before NOW_S (the other side's clock may be late); its serial number is random. PEM of
 * X509_PEM_BYTES. 0, or -1 and ERROR_INTERNAL. */
int x509_sign(struct x509_key *key, const struct x509_subject *subject, int64_t now_s, struct buf *pem, struct error *error);

/* A request (PKCS#10) with the same names and uses, for a CA. */
int x509_request(struct x509_key *key, const struct x509_subject *subject, struct buf *pem, struct error *error);

struct x509_facts { /* texts are fit to be shown; what is too long is cut */
	char name[X509_SHOWN_BYTES]; /* the first CN; "" none */
	char subject[X509_SHOWN_BYTES], issuer[X509_SHOWN_BYTES]; /* "CN=gw1" */
	char alternatives[X509_ALTERNATIVES_MAX][X509_SHOWN_BYTES / 2]; /* "DNS:gw1", "IP:192.0.2.11"; other kinds are left out */
	unsigned alternative_count;
	int64_t not_before_s, not_after_s; /* since the epoch */
	char pin[TLS_PIN_BYTES];
	bool self_issued, authority, for_server, for_client;
};

/* The certificates of a PEM file, in their order, up to MAX. 0; or -1 and ERROR_CONFIG: there is none, or one cannot be read. */
int x509_read(const char *path, struct x509_facts *all, unsigned max, unsigned *count, struct error *error);

#endif
