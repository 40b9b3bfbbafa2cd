/* Certificates of the HTTPS server: ours, our clients', and the names in theirs. */
#include "platform/https_identity.h"

#include <mbedtls/oid.h>
#include <mbedtls/psa_util.h>
#include <psa/crypto.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHAIN_ENTRY_BYTES = 8, /* around each certificate of a chain, as it is sent */
	TAG_NUMBER = 0x1f,     /* of a tag, without its class: RFC 5280's number of a kind of name */
	NAME_DNS = 2,
	NAME_URI = 6,
};

/* With AEAD and ephemeral keys only, the strongest first. */
static const int suites[] = {
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	0,
};

/* No P-521: whoever asks for it makes us pay ten times what the asking costs. */
static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_NONE};

static int fail_memory(struct error *error)
{
	return error_set(error, ERROR_INTERNAL, NULL, "no memory for certificates");
}

/* mbedTLS reads PEM only with a NUL behind it. Free with free_text(). */
static unsigned char *copy_text(const char *what, const char *text, size_t bytes, struct error *error)
{
	unsigned char *copy;

	if (!text || bytes == 0 || bytes > HTTPS_PEM_MAX_BYTES) {
		(void)error_set(error, ERROR_CONFIG, NULL, text && bytes > 0 ? "%s: longer than %d bytes" : "%s: it is empty", what, HTTPS_PEM_MAX_BYTES);
		return NULL;
	}
	copy = malloc(bytes + 1);
	if (!copy) {
		(void)fail_memory(error);
		return NULL;
	}
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	return copy;
}

static void free_text(unsigned char *copy, size_t bytes)
{
	explicit_bzero(copy, bytes);
	free(copy);
}

static int read_certificates(const char *what, const char *text, size_t bytes, mbedtls_x509_crt *to, struct error *error)
{
	unsigned char *copy = copy_text(what, text, bytes, error);
	int result;

	if (!copy)
		return -1;
	result = mbedtls_x509_crt_parse(to, copy, bytes + 1);
	free_text(copy, bytes);
	if (result == MBEDTLS_ERR_X509_ALLOC_FAILED)
		return fail_memory(error);
	if (result > 0)
		return error_set(error, ERROR_CONFIG, "openssl storeutl -noout -text -certs FILE", "%s: %d of its certificates cannot be read", what, result);
	if (result < 0)
		return error_set(error, ERROR_CONFIG, "it must have certificates in PEM form: openssl x509 -in FILE -noout -text",
				 "%s: it cannot be read as certificates (mbedTLS %d)", what, result);
	return 0;
}

static int read_chain(struct identity *identity, const struct https_identity *texts, struct error *error)
{
	size_t bytes = 0;

	if (read_certificates("certificate", texts->certificate_pem, texts->certificate_bytes, &identity->chain, error) != 0)
		return -1;
	for (const mbedtls_x509_crt *at = &identity->chain; at; at = at->next)
		bytes += at->raw.len + CHAIN_ENTRY_BYTES;
	if (bytes > HTTPS_CHAIN_MAX_BYTES)
		return error_set(error, ERROR_CONFIG, "leave the root out of it, or use ECDSA keys", "certificate: it has %zu bytes; up to %d can be sent",
				 bytes, HTTPS_CHAIN_MAX_BYTES);
	return 0;
}

static int read_key(struct identity *identity, const struct https_identity *texts, struct error *error)
{
	unsigned char *copy = copy_text("key", texts->key_pem, texts->key_bytes, error);
	int result;

	if (!copy)
		return -1;
	result = mbedtls_pk_parse_key(&identity->key, copy, texts->key_bytes + 1, NULL, 0, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	free_text(copy, texts->key_bytes);
	if (result == MBEDTLS_ERR_PK_ALLOC_FAILED)
		return fail_memory(error);
	if (result != 0)
		return error_set(error, ERROR_CONFIG, "openssl pkey -in FILE -noout -check; the key must be RSA or ECDSA, as PEM without a passphrase",
				 "key: it cannot be read (mbedTLS %d)", result);
	if (mbedtls_pk_check_pair(&identity->chain.pk, &identity->key, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE) != 0)
		return error_set(error, ERROR_CONFIG, "the server's own certificate must be the first in its file", "key: it is not the one of the certificate");
	return 0;
}

static int read_cas(struct identity *identity, const struct https_identity *texts, struct error *error)
{
	unsigned count = 0;

	if (read_certificates("client_ca", texts->client_ca_pem, texts->client_ca_bytes, &identity->client_cas, error) != 0)
		return -1;
	for (const mbedtls_x509_crt *at = &identity->client_cas; at; at = at->next)
		count++;
	if (count > HTTPS_CLIENT_CAS_MAX)
		return error_set(error, ERROR_CONFIG, "put only the CAs that issue the clients' certificates into it", "client_ca: it has more than %d certificates",
				 HTTPS_CLIENT_CAS_MAX);
	return 0;
}

/* mbedTLS lets a certificate of version 1 that stands in client_ca vouch for others, as there were CAs of that kind: but here it is more likely a client's own, made
 * with "openssl x509 -req -signkey", and its owner could become anybody. Only what says that it is a CA is one. */
static int want_authority(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	(void)context;
	if (depth > 0 && mbedtls_x509_crt_get_ca_istrue(certificate) != 1)
		*flags |= MBEDTLS_X509_BADCERT_NOT_TRUSTED;
	return 0;
}

static int configure(struct identity *identity, struct error *error)
{
	mbedtls_ssl_config *config = &identity->config;

	if (mbedtls_ssl_config_defaults(config, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0 ||
	    mbedtls_ssl_conf_own_cert(config, &identity->chain, &identity->key) != 0)
		return fail_memory(error);
	mbedtls_ssl_conf_rng(config, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_ciphersuites(config, suites);
	mbedtls_ssl_conf_groups(config, groups);
	mbedtls_ssl_conf_authmode(config, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_verify(config, want_authority, NULL);
	mbedtls_ssl_conf_ca_chain(config, &identity->client_cas, NULL);
	mbedtls_ssl_conf_cert_req_ca_list(config, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED); /* many CAs would not fit, and nobody needs to know them */
	return 0;
}

/* Seconds since 1970. The days by Howard Hinnant's days_from_civil: years begin in March. */
static int64_t seconds_of(const mbedtls_x509_time *at)
{
	int64_t year = at->mon > 2 ? at->year : at->year - 1;
	int64_t day_of_year = (153 * ((at->mon + 9) % 12) + 2) / 5 + at->day - 1;
	int64_t days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;

	return ((days * 24 + at->hour) * 60 + at->min) * 60 + at->sec;
}

struct identity *identity_read(const struct https_identity *texts, struct error *error)
{
	struct identity *identity = calloc(1, sizeof *identity);

	if (!identity) {
		(void)fail_memory(error);
		return NULL;
	}
	identity->users = 1;
	mbedtls_x509_crt_init(&identity->chain);
	mbedtls_x509_crt_init(&identity->client_cas);
	mbedtls_pk_init(&identity->key);
	mbedtls_ssl_config_init(&identity->config);
	if (psa_crypto_init() != PSA_SUCCESS) {
		(void)error_set(error, ERROR_INTERNAL, NULL, "the cryptographic library cannot start: no random numbers or no memory");
	} else if (read_chain(identity, texts, error) == 0 && read_key(identity, texts, error) == 0 && read_cas(identity, texts, error) == 0 &&
		   configure(identity, error) == 0) {
		identity->not_after_s = seconds_of(&identity->chain.valid_to);
		return identity;
	}
	identity_drop(identity);
	return NULL;
}

void identity_drop(struct identity *identity)
{
	if (!identity || --identity->users > 0)
		return;
	mbedtls_ssl_config_free(&identity->config);
	mbedtls_pk_free(&identity->key);
	mbedtls_x509_crt_free(&identity->client_cas);
	mbedtls_x509_crt_free(&identity->chain);
	free(identity);
}

int https_identity_check(const struct https_identity *texts, int64_t *not_after_s, struct error *error)
{
	struct identity *identity = identity_read(texts, error);

	if (!identity)
		return -1;
	*not_after_s = identity->not_after_s;
	identity_drop(identity);
	return 0;
}

bool identity_knows(struct identity *identity, mbedtls_x509_crt *peer)
{
	uint32_t flags = 0;

	return mbedtls_x509_crt_verify(peer, &identity->client_cas, NULL, NULL, &flags, want_authority, NULL) == 0;
}

/* --- names --- */

struct names {
	struct https_name *list;
	unsigned count;
	char *text; /* where the next one goes */
};

static void add_name(struct names *names, enum https_name_kind kind, const mbedtls_x509_buf *value)
{
	if (names->count == HTTPS_NAMES_MAX || value->len == 0 || value->len > HTTPS_NAME_MAX_BYTES)
		return;
	for (size_t i = 0; i < value->len; i++)
		if (value->p[i] < 0x20 || value->p[i] > 0x7e)
			return;
	memcpy(names->text, value->p, value->len);
	names->text[value->len] = '\0';
	names->list[names->count++] = (struct https_name){kind, names->text};
	names->text += value->len + 1;
}

struct https_name *identity_names(const mbedtls_x509_crt *certificate, unsigned *count)
{
	struct names names = {.list = malloc(HTTPS_NAMES_MAX * (sizeof(struct https_name) + HTTPS_NAME_MAX_BYTES + 1))};

	*count = 0;
	if (!names.list)
		return NULL;
	names.text = (char *)(names.list + HTTPS_NAMES_MAX);
	for (const mbedtls_x509_name *at = &certificate->subject; at; at = at->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &at->oid) == 0)
			add_name(&names, HTTPS_NAME_CN, &at->val);
	for (const mbedtls_x509_sequence *at = &certificate->subject_alt_names; at && at->buf.p; at = at->next) {
		if ((at->buf.tag & TAG_NUMBER) == NAME_DNS)
			add_name(&names, HTTPS_NAME_DNS, &at->buf);
		else if ((at->buf.tag & TAG_NUMBER) == NAME_URI)
			add_name(&names, HTTPS_NAME_URI, &at->buf);
	}
	*count = names.count;
	return names.list;
}
