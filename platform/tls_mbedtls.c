/* TLS 1.3 and 1.2 with mbedTLS, client and server.
 *
 * mbedTLS wants a write that had to wait to be repeated with the same bytes, but a caller of ours may think again. So what the socket does not take
 * is kept here, and mbedTLS is only asked to write when nothing waits. */
#include <errno.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <poll.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/spki.h"
#include "platform/entropy.h"
#include "platform/tls_link.h"

enum {
	RECORD_MAX_BYTES = MBEDTLS_SSL_OUT_CONTENT_LEN + 512, /* with head, vector, padding and hash */
	WAIT_BYTES = RECORD_MAX_BYTES + 256,                  /* and a few alerts behind it */
	CHAIN_MAX_BYTES = MBEDTLS_SSL_OUT_CONTENT_LEN - 256,  /* mbedTLS sends a chain in one piece */
	CHAIN_ENTRY_BYTES = 8,                                /* around each certificate in it */
};

struct tls_identity {
	mbedtls_x509_crt chain;
	mbedtls_pk_context key;
	mbedtls_ssl_config config;
};

struct mbed {
	struct tls_link link; /* first: the functions cast */
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config; /* the client's; a server's is its identity's */
	mbedtls_x509_crt authority;
	uint32_t flags;            /* what mbedTLS has against the chain */
	int turns;                 /* receives in this call */
	unsigned char wait[WAIT_BYTES]; /* records on their way */
	size_t wait_bytes;
};

static struct mbed *of(struct transport *t)
{
	return (struct mbed *)(void *)t;
}

/* --- the socket --- */

static void flush(struct mbed *mbed)
{
	size_t sent = 1;

	while (sent > 0 && mbed->wait_bytes > 0) {
		sent = tls_link_send(&mbed->link, mbed->wait, mbed->wait_bytes);
		mbed->wait_bytes -= sent;
		memmove(mbed->wait, mbed->wait + sent, mbed->wait_bytes);
	}
}

static int send_bytes(void *context, const unsigned char *bytes, size_t count_bytes)
{
	struct mbed *mbed = context;
	bool gather = mbed->link.phase != TLS_OPEN && count_bytes <= sizeof mbed->wait - mbed->wait_bytes; /* mbed_connect() sends what belongs together at once */
	size_t sent = 0;

	if (!gather)
		flush(mbed);
	if (mbed->wait_bytes == 0 && !gather)
		sent = tls_link_send(&mbed->link, bytes, count_bytes);
	if (count_bytes - sent > sizeof mbed->wait - mbed->wait_bytes) {
		/* In the handshake mbedTLS comes again. In a session it would take the next write for the repetition of this one; a peer that makes us owe it
		 * so much and takes nothing has no claim to go on. */
		if (sent > 0)
			return (int)sent;
		return mbed->link.phase == TLS_OPEN ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : MBEDTLS_ERR_SSL_WANT_WRITE;
	}
	memcpy(mbed->wait + mbed->wait_bytes, bytes + sent, count_bytes - sent);
	mbed->wait_bytes += count_bytes - sent;
	return (int)count_bytes;
}

static int receive_bytes(void *context, unsigned char *bytes, size_t size_bytes)
{
	struct mbed *mbed = context;
	size_t got;

	if (mbed->turns++ >= TLS_TURNS_MAX)
		return MBEDTLS_ERR_SSL_WANT_READ;
	got = tls_link_receive(&mbed->link, bytes, size_bytes);
	if (got > 0)
		return (int)got;
	return mbed->link.closed ? 0 : MBEDTLS_ERR_SSL_WANT_READ;
}

/* --- trust --- */

static bool names_address(const mbedtls_x509_crt *certificate, const struct tls_link *link)
{
	return spki_names_address(certificate->raw.p, certificate->raw.len, link->address, link->address_bytes);
}

/* Called for each certificate of the chain, the peer's own (DEPTH 0) last. Not 0: the handshake ends here, without a byte of ours. */
static int judge(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	struct mbed *mbed = context;
	struct tls_link *link = &mbed->link;
	unsigned char hash[TLS_HASH_BYTES];
	size_t start, length;

	if (depth == 0) {
		if (!spki_find(certificate->raw.p, certificate->raw.len, &start, &length) ||
		    mbedtls_sha256(certificate->raw.p + start, length, hash, 0) != 0)
			return MBEDTLS_ERR_X509_INVALID_FORMAT;
		if (!tls_link_take_key(link, hash))
			return MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
	}
	if (link->settings->trust != TLS_TRUST_CA) {
		*flags = 0;
		return 0;
	}
	if (depth == 0 && link->address_bytes > 0 && !names_address(certificate, link))
		*flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
	mbed->flags |= *flags;
	return 0;
}

static int read_authority(struct mbed *mbed, const char *path, struct error *error)
{
	unsigned char *text = calloc(1, TLS_CA_FILE_MAX_BYTES + 1);
	int fd = tls_open_file("ca_file", path, error), result = -1;
	unsigned count = 0;
	ssize_t got = 0;

	if (fd >= 0 && text)
		got = read(fd, text, TLS_CA_FILE_MAX_BYTES);
	if (fd >= 0)
		(void)close(fd);
	if (got > 0 && !memchr(text, '\0', (size_t)got)) /* it would stop there */
		result = mbedtls_x509_crt_parse(&mbed->authority, text, (size_t)got + 1);
	free(text);
	if (!text)
		return tls_fail_memory(error);
	if (fd < 0)
		return -1;
	if (result != 0)
		return error_set(error, ERROR_CONFIG, "put only the CA that issued the appliance's certificate into it, as PEM",
				 "ca_file: a certificate of %s cannot be read (mbedTLS %d)", path, result);
	for (const mbedtls_x509_crt *at = &mbed->authority; at; at = at->next)
		count++;
	if (count > TLS_CA_CERTIFICATES_MAX)
		return error_set(error, ERROR_CONFIG, "put only the CA that issued the appliance's certificate into it",
				 "ca_file: %s has more than %d certificates", path, TLS_CA_CERTIFICATES_MAX);
	return 0;
}

/* --- errors --- */

static unsigned doubts_of(uint32_t flags)
{
	unsigned doubts = 0;

	if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0)
		doubts |= TLS_DOUBT_ISSUER;
	if ((flags & (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)) != 0)
		doubts |= TLS_DOUBT_TIME;
	if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0)
		doubts |= TLS_DOUBT_NAME;
	if ((flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY)) != 0)
		doubts |= TLS_DOUBT_WEAK;
	if ((flags & (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE | MBEDTLS_X509_BADCERT_NS_CERT_TYPE)) != 0)
		doubts |= TLS_DOUBT_USAGE;
	return doubts;
}

static bool is_unread(int code)
{
	return code == MBEDTLS_ERR_SSL_BAD_CERTIFICATE || (code <= MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE && code >= MBEDTLS_ERR_X509_FATAL_ERROR);
}

static enum transport_step fail_handshake(struct mbed *mbed, int code, struct error *error)
{
	struct tls_link *link = &mbed->link;
	uint32_t flags = mbedtls_ssl_get_verify_result(&mbed->ssl); /* also has what was found after judge(); all ones: nothing was */

	flags = mbed->flags | (flags != UINT32_MAX && link->settings && link->settings->trust == TLS_TRUST_CA ? flags : 0);
	if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		link->closed = true;
	if (link->refused || flags != 0)
		(void)tls_fail_certificate(link, doubts_of(flags), error);
	else if (code == MBEDTLS_ERR_SSL_ALLOC_FAILED)
		(void)tls_fail_memory(error);
	else if (code == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION)
		(void)tls_fail_version(link, error);
	else if (is_unread(code))
		(void)tls_fail_unread(link, "mbedTLS", code, error);
	else
		(void)tls_fail_handshake(link, -1, "mbedTLS", code, error);
	return TRANSPORT_FAILED;
}

/* --- the transport --- */

static enum transport_step mbed_connect(struct transport *t, struct error *error)
{
	struct mbed *mbed = of(t);
	struct tls_link *link = &mbed->link;
	enum transport_step step = tls_link_dial(link, error);
	int code;

	if (step != TRANSPORT_DONE || link->phase == TLS_OPEN)
		return step;
	mbed->turns = 0;
	flush(mbed);
	code = mbedtls_ssl_handshake(&mbed->ssl);
	flush(mbed);
	if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
		return TRANSPORT_WAIT;
	if (code != 0)
		return fail_handshake(mbed, code, error);
	link->phase = TLS_OPEN;
	memcpy(link->report->version, mbedtls_ssl_get_version_number(&mbed->ssl) == MBEDTLS_SSL_VERSION_TLS1_3 ? "1.3" : "1.2", sizeof "1.2");
	return TRANSPORT_DONE;
}

static int fail_open(const struct mbed *mbed, int code, struct error *error)
{
	if (mbed->link.report->ended_cleanly)
		return tls_fail_gone(&mbed->link, error);
	return tls_fail_open(&mbed->link, code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE ? mbed->ssl.MBEDTLS_PRIVATE(in_msg)[1] : -1, "mbedTLS", code, error);
}

static int mbed_read(struct transport *t, void *bytes, size_t size_bytes, size_t *got_bytes, struct error *error)
{
	struct mbed *mbed = of(t);
	int count;

	*got_bytes = 0;
	mbed->turns = 0;
	flush(mbed);
	if (mbed->link.report->ended_cleanly)
		return fail_open(mbed, 0, error);
	count = mbedtls_ssl_read(&mbed->ssl, bytes, size_bytes);
	if (count > 0) {
		*got_bytes = (size_t)count;
		return 0;
	}
	if (count == MBEDTLS_ERR_SSL_WANT_READ || count == MBEDTLS_ERR_SSL_WANT_WRITE)
		return 0;
	mbed->link.report->ended_cleanly = count == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
	return fail_open(mbed, count, error);
}

static int mbed_write(struct transport *t, const void *bytes, size_t count_bytes, size_t *taken_bytes, struct error *error)
{
	struct mbed *mbed = of(t);
	struct tls_link *link = &mbed->link;
	int count = 0;

	*taken_bytes = 0;
	flush(mbed);
	while (*taken_bytes < count_bytes && count >= 0 && mbed->wait_bytes == 0 && !link->broken) {
		count = mbedtls_ssl_write(&mbed->ssl, (const unsigned char *)bytes + *taken_bytes, count_bytes - *taken_bytes);
		if (count > 0)
			*taken_bytes += (size_t)count;
	}
	if (count < 0 || link->broken || link->closed || link->report->ended_cleanly)
		return fail_open(mbed, count, error);
	return 0;
}

static short mbed_events(const struct transport *t)
{
	const struct mbed *mbed = (const struct mbed *)(const void *)t;

	if (mbed->link.phase == TLS_DIAL)
		return POLLOUT;
	return mbed->wait_bytes > 0 ? POLLIN | POLLOUT : POLLIN;
}

static void mbed_close(struct transport *t)
{
	struct mbed *mbed = of(t);

	if (mbed->link.phase == TLS_OPEN && !mbed->link.broken && !t->aborted) {
		flush(mbed);
		(void)mbedtls_ssl_close_notify(&mbed->ssl);
	}
	mbedtls_ssl_free(&mbed->ssl);
	mbedtls_ssl_config_free(&mbed->config);
	mbedtls_x509_crt_free(&mbed->authority);
	tls_link_close(&mbed->link);
	explicit_bzero(mbed, sizeof *mbed);
	free(mbed);
}

/* --- opening --- */

static const struct transport_ops mbed_ops = {mbed_connect, mbed_read, mbed_write, mbed_events, mbed_close};

/* TLS 1.3 computes with PSA, whose random numbers serve for all. Again and again is fine. */
static int start_library(struct error *error)
{
	unsigned char byte;

	if (entropy_get(&byte, 1, "TLS", error))
		return -1;
	return psa_crypto_init() == PSA_SUCCESS ? 0 : tls_fail_memory(error); /* it needs nothing else */
}

static int configure(mbedtls_ssl_config *config, int endpoint)
{
	int result = mbedtls_ssl_config_defaults(config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	mbedtls_ssl_conf_rng(config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	return result;
}

static struct mbed *mbed_new(void)
{
	struct mbed *mbed = calloc(1, sizeof *mbed);

	if (!mbed)
		return NULL;
	mbed->link.base.ops = &mbed_ops;
	mbed->link.base.fd = -1;
	mbed->link.dial.fd = -1;
	mbedtls_ssl_init(&mbed->ssl);
	mbedtls_ssl_config_init(&mbed->config);
	mbedtls_x509_crt_init(&mbed->authority);
	return mbed;
}

/* The rest, after the pins were read. */
static int start_client(struct mbed *mbed, struct error *error)
{
	const struct tls_settings *settings = mbed->link.settings;
	bool ca = settings->trust == TLS_TRUST_CA;

	if (start_library(error) != 0 || (ca && read_authority(mbed, settings->ca_file, error) != 0))
		return -1;
	if (configure(&mbed->config, MBEDTLS_SSL_IS_CLIENT) != 0)
		return tls_fail_memory(error);
	/* OPTIONAL: judge() decides alone, and sees the certificate before anything else happens. */
	mbedtls_ssl_conf_authmode(&mbed->config, ca ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_OPTIONAL);
	mbedtls_ssl_conf_verify(&mbed->config, judge, mbed);
	if (ca)
		mbedtls_ssl_conf_ca_chain(&mbed->config, &mbed->authority, NULL);
	if (settings->identity && mbedtls_ssl_conf_own_cert(&mbed->config, &settings->identity->chain, &settings->identity->key) != 0)
		return tls_fail_memory(error);
	/* NULL, an address: it must not be sent as a name, and judge() compares it. */
	if (mbedtls_ssl_setup(&mbed->ssl, &mbed->config) != 0 ||
	    mbedtls_ssl_set_hostname(&mbed->ssl, tls_link_server_name(&mbed->link)) != 0)
		return tls_fail_memory(error);
	mbedtls_ssl_set_bio(&mbed->ssl, mbed, send_bytes, receive_bytes, NULL);
	return 0;
}

struct transport *tls_mbedtls_open(const struct tls_settings *settings, struct tls_report *report, struct error *error)
{
	struct mbed *mbed = mbed_new();

	if (!mbed) {
		(void)tls_fail_memory(error);
		return NULL;
	}
	if (tls_link_init(&mbed->link, settings, report, error) != 0 || start_client(mbed, error) != 0) {
		mbed_close(&mbed->link.base);
		return NULL;
	}
	return &mbed->link.base;
}

/* --- the server side --- */

/* The key's file must be closed to others: 0 or -1. */
static int look_at_key(const char *path, struct error *error)
{
	int fd = tls_open_file("the private key", path, error);
	char next[ERROR_NEXT_MAX_BYTES];
	struct stat status;
	bool open;

	if (fd < 0)
		return -1;
	open = fstat(fd, &status) != 0 || (status.st_mode & S_IRWXO) != 0;
	(void)close(fd);
	(void)snprintf(next, sizeof next, "chmod o-rwx %.300s", path);
	return open ? error_set(error, ERROR_CONFIG, next, "the private key in %s is open to other users", path) : 0;
}

static int load(struct tls_identity *identity, const char *certificate_file, const char *key_file, struct error *error)
{
	size_t bytes = 0;
	int fd = tls_open_file("the certificate", certificate_file, error), result;

	if (fd < 0)
		return -1;
	(void)close(fd);
	result = mbedtls_x509_crt_parse_file(&identity->chain, certificate_file);
	if (result != 0)
		return error_set(error, ERROR_CONFIG, "openssl x509 -in FILE -noout -text", "the certificates in %s cannot be read (mbedTLS %d)",
				 certificate_file, result);
	for (const mbedtls_x509_crt *at = &identity->chain; at; at = at->next)
		bytes += at->raw.len + CHAIN_ENTRY_BYTES;
	if (bytes > CHAIN_MAX_BYTES)
		return error_set(error, ERROR_CONFIG, "leave the root out of the file, or use ECDSA keys",
				 "the certificates in %s have %zu bytes; up to %d can be sent", certificate_file, bytes, CHAIN_MAX_BYTES);
	if (look_at_key(key_file, error) != 0)
		return -1;
	result = mbedtls_pk_parse_keyfile(&identity->key, key_file, NULL, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (result != 0)
		return error_set(error, ERROR_CONFIG, "openssl pkey -in FILE -noout -check; the key must be RSA or ECDSA, as PEM without a passphrase",
				 "the private key in %s cannot be read (mbedTLS %d)", key_file, result);
	if (mbedtls_pk_check_pair(&identity->chain.pk, &identity->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) != 0)
		return error_set(error, ERROR_CONFIG, "the server's own certificate must be the first in its file",
				 "the private key in %s is not the one of the certificate in %s", key_file, certificate_file);
	return 0;
}

struct tls_identity *tls_identity_load(const char *certificate_file, const char *key_file, struct error *error)
{
	struct tls_identity *identity = calloc(1, sizeof *identity);

	if (!identity) {
		(void)tls_fail_memory(error);
		return NULL;
	}
	mbedtls_x509_crt_init(&identity->chain);
	mbedtls_pk_init(&identity->key);
	mbedtls_ssl_config_init(&identity->config);
	if (start_library(error) != 0 || load(identity, certificate_file, key_file, error) != 0) {
		tls_identity_free(identity);
		return NULL;
	}
	if (configure(&identity->config, MBEDTLS_SSL_IS_SERVER) != 0 ||
	    mbedtls_ssl_conf_own_cert(&identity->config, &identity->chain, &identity->key) != 0) {
		(void)tls_fail_memory(error);
		tls_identity_free(identity);
		return NULL;
	}
	mbedtls_ssl_conf_authmode(&identity->config, MBEDTLS_SSL_VERIFY_NONE);
	return identity;
}

void tls_identity_free(struct tls_identity *identity)
{
	if (!identity)
		return;
	mbedtls_ssl_config_free(&identity->config);
	mbedtls_pk_free(&identity->key);
	mbedtls_x509_crt_free(&identity->chain);
	free(identity);
}

struct transport *tls_accept(struct tls_identity *identity, int fd, struct tls_report *report, struct error *error)
{
	struct mbed *mbed = mbed_new();

	if (!mbed) {
		(void)close(fd);
		(void)tls_fail_memory(error);
		return NULL;
	}
	tls_link_init_server(&mbed->link, fd, report);
	if (mbedtls_ssl_setup(&mbed->ssl, &identity->config) != 0) {
		(void)tls_fail_memory(error);
		mbed_close(&mbed->link.base);
		return NULL;
	}
	mbedtls_ssl_set_bio(&mbed->ssl, mbed, send_bytes, receive_bytes, NULL);
	return &mbed->link.base;
}
