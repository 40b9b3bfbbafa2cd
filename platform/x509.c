/* x509.c - the DER of certificates and requests (RFC 5280, RFC 2986) is written here, element by element: mbedTLS's own writers are larger and would
 * have to be told as much. Everything is P-256 with SHA-256, so the object identifiers are constants. */
#include "platform/x509.h"

#include <arpa/inet.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/sha256.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/der.h"
#include "base/text.h"
#include "platform/clock.h"
#include "platform/entropy.h"
#include "platform/tls_link.h"

enum {
	SCALAR_BYTES = 32,
	POINT_BYTES = 65,      /* 04, x, y */
	SIGNATURE_BYTES = 72,  /* two numbers of 33 bytes at most, in DER */
	SERIAL_BYTES = 16,
	BODY_BYTES = 6144,     /* the DER: all alternatives at their longest fit */
	PEM_LINE = 64,
	EARLIER_S = 3600,
};

struct x509_key {
	mbedtls_pk_context pk;
};

/* AlgorithmIdentifiers and OIDs, whole elements. */
static const unsigned char algorithm_key[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, /* id-ecPublicKey */
					      0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};    /* prime256v1 */
static const unsigned char algorithm_signature[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}; /* ecdsa-with-SHA256 */
static const unsigned char version_3[] = {0xa0, 0x03, 0x02, 0x01, 0x02}, zero[] = {0x02, 0x01, 0x00}, one[] = {0x02, 0x01, 0x01};
static const unsigned char oid_extension_request[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e};
static const unsigned char oid_name[] = {0x06, 0x03, 0x55, 0x04, 0x03}, oid_alternatives[] = {0x06, 0x03, 0x55, 0x1d, 0x11},
			   oid_uses[] = {0x06, 0x03, 0x55, 0x1d, 0x25};
static const unsigned char use_server[] = {0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01},
			   use_client[] = {0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02};
static const unsigned char no_authority[] = {0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00}; /* critical */

#define ADD(buf, element) (void)buf_add(buf, element, sizeof(element))

static int fail_library(const char *doing, int code, struct error *error)
{
	return error_set(error, ERROR_INTERNAL, NULL, "cannot %s (mbedTLS -0x%x)", doing, (unsigned)-code);
}

/* --- keys --- */

static int start_library(struct error *error)
{
	unsigned char byte;

	if (entropy_get(&byte, 1, "a key", error) != 0)
		return -1;
	return psa_crypto_init() == PSA_SUCCESS ? 0 : tls_fail_memory(error); /* it needs nothing else */
}

static struct x509_key *key_new(struct error *error)
{
	struct x509_key *key = calloc(1, sizeof *key);

	if (!key) {
		(void)tls_fail_memory(error);
		return NULL;
	}
	mbedtls_pk_init(&key->pk);
	if (start_library(error) == 0)
		return key;
	x509_key_free(key);
	return NULL;
}

void x509_key_free(struct x509_key *key)
{
	if (!key)
		return;
	mbedtls_pk_free(&key->pk);
	free(key);
}

struct x509_key *x509_key_make(struct error *error)
{
	struct x509_key *key = key_new(error);
	int result;

	if (!key)
		return NULL;
	result = mbedtls_pk_setup(&key->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (result == 0)
		result = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key->pk), mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (result == 0)
		return key;
	(void)fail_library("make a key", result, error);
	x509_key_free(key);
	return NULL;
}

struct x509_key *x509_key_load(const char *path, struct error *error)
{
	int fd = tls_open_file("the private key", path, error), result;
	struct x509_key *key = fd < 0 ? NULL : key_new(error);

	if (fd >= 0)
		(void)close(fd);
	if (!key)
		return NULL;
	result = mbedtls_pk_parse_keyfile(&key->pk, path, NULL, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
	if (result != 0)
		(void)error_set(error, ERROR_CONFIG, "openssl pkey -in FILE -noout -check; it must be PEM without a passphrase",
				"the private key in %s cannot be read (mbedTLS -0x%x)", path, (unsigned)-result);
	else if (mbedtls_pk_get_type(&key->pk) == MBEDTLS_PK_ECKEY && mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(key->pk)) == MBEDTLS_ECP_DP_SECP256R1)
		return key;
	else
		(void)error_set(error, ERROR_CONFIG, "for other keys: openssl req -new -key FILE -subj /CN=NAME",
				"the private key in %s is not ECDSA on P-256: drr-agent did not make it", path);
	x509_key_free(key);
	return NULL;
}

/* The public point as a BIT STRING. */
static int add_point(const struct x509_key *key, struct buf *der)
{
	unsigned char bits[1 + POINT_BYTES] = {0}; /* no unused bits */
	size_t got;
	int result = mbedtls_ecp_write_public_key(mbedtls_pk_ec(key->pk), MBEDTLS_ECP_PF_UNCOMPRESSED, &got, bits + 1, POINT_BYTES);

	der_add(der, DER_BIT_STRING, bits, sizeof bits);
	return result;
}

/* SubjectPublicKeyInfo. */
static int add_public(const struct x509_key *key, struct buf *der)
{
	size_t info = der_open(der, DER_SEQUENCE);
	int result;

	ADD(der, algorithm_key);
	result = add_point(key, der);
	der_close(der, info);
	return result;
}

/* DER as PEM. */
static void add_pem(struct buf *pem, const char *label, const struct buf *der)
{
	char text[BASE64_TEXT_BYTES(BODY_BYTES)];
	size_t length = strlen(base64_encode(text, der->data, der->len));

	(void)buf_printf(pem, "-----BEGIN %s-----\n", label);
	for (size_t at = 0; at < length; at += PEM_LINE)
		(void)buf_printf(pem, "%.*s\n", PEM_LINE, text + at);
	(void)buf_printf(pem, "-----END %s-----\n", label);
	explicit_bzero(text, sizeof text);
}

int x509_key_write(const struct x509_key *key, struct buf *pem, struct error *error)
{
	unsigned char scalar[SCALAR_BYTES];
	char memory[X509_KEY_PEM_BYTES];
	struct buf der;
	size_t whole, part, got;
	int result = mbedtls_ecp_write_key_ext(mbedtls_pk_ec(key->pk), &got, scalar, sizeof scalar);

	buf_init(&der, memory, sizeof memory);
	whole = der_open(&der, DER_SEQUENCE);
	ADD(&der, one);
	der_add(&der, DER_OCTET_STRING, scalar, sizeof scalar);
	part = der_open(&der, DER_CONTEXT_HOLDER | 0);
	(void)buf_add(&der, algorithm_key + 11, 10); /* the curve */
	der_close(&der, part);
	part = der_open(&der, DER_CONTEXT_HOLDER | 1);
	if (result == 0)
		result = add_point(key, &der);
	der_close(&der, part);
	der_close(&der, whole);
	if (result == 0)
		add_pem(pem, "EC PRIVATE KEY", &der);
	explicit_bzero(scalar, sizeof scalar);
	explicit_bzero(memory, sizeof memory);
	return result == 0 && !der.overflow && !pem->overflow ? 0 : fail_library("write a key", result, error);
}

static void pin_of(const void *public_key, size_t count_bytes, char pin[TLS_PIN_BYTES])
{
	unsigned char hash[TLS_HASH_BYTES] = {0};

	(void)mbedtls_sha256(public_key, count_bytes, hash, 0);
	memcpy(pin, "sha256//", 8);
	(void)base64_encode(pin + 8, hash, sizeof hash);
}

int x509_key_pin(const struct x509_key *key, char pin[TLS_PIN_BYTES], struct error *error)
{
	char memory[2 * POINT_BYTES];
	struct buf der;
	int result;

	buf_init(&der, memory, sizeof memory);
	result = add_public(key, &der);
	pin_of(der.data, der.len, pin);
	return result == 0 ? 0 : fail_library("write a public key", result, error);
}

/* --- certificates and requests --- */

static void add_name(struct buf *der, const char *name)
{
	size_t names = der_open(der, DER_SEQUENCE), set = der_open(der, DER_SET), pair = der_open(der, DER_SEQUENCE);

	ADD(der, oid_name);
	der_add(der, DER_UTF8_STRING, name, strlen(name));
	der_close(der, pair);
	der_close(der, set);
	der_close(der, names);
}

/* UTCTime until 2049, GeneralizedTime from then on. */
static void add_time(struct buf *der, int64_t seconds)
{
	char when[CLOCK_TEXT_BYTES], text[sizeof "20500101000000Z"];
	size_t used = 0;

	(void)clock_text(when, seconds * 1000);
	for (const char *p = when; *p != '.'; p++)
		if (*p >= '0' && *p <= '9')
			text[used++] = *p;
	text[used++] = 'Z';
	if (strncmp(when, "2050", 4) < 0)
		der_add(der, DER_UTC_TIME, text + 2, used - 2);
	else
		der_add(der, DER_GENERALIZED_TIME, text, used);
}

static void add_alternatives(struct buf *der, const struct x509_subject *subject)
{
	size_t extension = der_open(der, DER_SEQUENCE), value, names;

	ADD(der, oid_alternatives);
	value = der_open(der, DER_OCTET_STRING);
	names = der_open(der, DER_SEQUENCE);
	for (unsigned i = 0; i < subject->alternative_count; i++) {
		const char *name = subject->alternatives[i];
		unsigned char address[sizeof(struct in6_addr)];

		if (inet_pton(AF_INET, name, address) == 1)
			der_add(der, DER_CONTEXT | 7, address, sizeof(struct in_addr));
		else if (inet_pton(AF_INET6, name, address) == 1)
			der_add(der, DER_CONTEXT | 7, address, sizeof address);
		else
			der_add(der, DER_CONTEXT | 2, name, strlen(name));
	}
	der_close(der, names);
	der_close(der, value);
	der_close(der, extension);
}

static void add_extensions(struct buf *der, const struct x509_subject *subject)
{
	size_t all = der_open(der, DER_SEQUENCE), uses, value, list;

	ADD(der, no_authority);
	uses = der_open(der, DER_SEQUENCE);
	ADD(der, oid_uses);
	value = der_open(der, DER_OCTET_STRING);
	list = der_open(der, DER_SEQUENCE);
	if (subject->server)
		ADD(der, use_server);
	ADD(der, use_client);
	der_close(der, list);
	der_close(der, value);
	der_close(der, uses);
	if (subject->alternative_count > 0)
		add_alternatives(der, subject);
	der_close(der, all);
}

/* Closes what begins at START: SEQUENCE { that, algorithm, signature }; and writes it as PEM. */
static int sign(struct x509_key *key, struct buf *body, const char *label, struct buf *pem, struct error *error)
{
	unsigned char hash[TLS_HASH_BYTES] = {0}, bits[1 + SIGNATURE_BYTES] = {0};
	char memory[BODY_BYTES];
	struct buf der;
	size_t whole, got = 0;
	int result = mbedtls_sha256((const unsigned char *)body->data, body->len, hash, 0);

	if (result == 0)
		result = mbedtls_pk_sign(&key->pk, MBEDTLS_MD_SHA256, hash, sizeof hash, bits + 1, SIGNATURE_BYTES, &got, mbedtls_psa_get_random,
					 MBEDTLS_PSA_RANDOM_STATE);
	if (result != 0)
		return fail_library("sign", result, error);
	buf_init(&der, memory, sizeof memory);
	whole = der_open(&der, DER_SEQUENCE);
	(void)buf_add(&der, body->data, body->len);
	ADD(&der, algorithm_signature);
	der_add(&der, DER_BIT_STRING, bits, 1 + got);
	der_close(&der, whole);
	add_pem(pem, label, &der);
	return body->overflow || der.overflow || pem->overflow ? error_set(error, ERROR_INTERNAL, NULL, "the names are too long for a certificate") : 0;
}

int x509_sign(struct x509_key *key, const struct x509_subject *subject, int64_t now_s, struct buf *pem, struct error *error)
{
	unsigned char serial[SERIAL_BYTES];
	int64_t start_s = now_s - EARLIER_S;
	char memory[BODY_BYTES - 128];
	struct buf der;
	size_t body, part;
	int result;

	if (entropy_get(serial, sizeof serial, "a serial number", error) != 0)
		return -1;
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive, and always of this length */
	buf_init(&der, memory, sizeof memory);
	body = der_open(&der, DER_SEQUENCE);
	ADD(&der, version_3);
	der_add(&der, DER_INTEGER, serial, sizeof serial);
	ADD(&der, algorithm_signature);
	add_name(&der, subject->name);
	part = der_open(&der, DER_SEQUENCE);
	add_time(&der, start_s);
	add_time(&der, start_s + (int64_t)X509_DAYS * 86400 - 1);
	der_close(&der, part);
	add_name(&der, subject->name);
	result = add_public(key, &der);
	part = der_open(&der, DER_CONTEXT_HOLDER | 3);
	add_extensions(&der, subject);
	der_close(&der, part);
	der_close(&der, body);
	return result == 0 ? sign(key, &der, "CERTIFICATE", pem, error) : fail_library("write a public key", result, error);
}

int x509_request(struct x509_key *key, const struct x509_subject *subject, struct buf *pem, struct error *error)
{
	char memory[BODY_BYTES - 128];
	struct buf der;
	size_t body, attributes, attribute, values;
	int result;

	buf_init(&der, memory, sizeof memory);
	body = der_open(&der, DER_SEQUENCE);
	ADD(&der, zero);
	add_name(&der, subject->name);
	result = add_public(key, &der);
	attributes = der_open(&der, DER_CONTEXT_HOLDER | 0);
	attribute = der_open(&der, DER_SEQUENCE);
	ADD(&der, oid_extension_request);
	values = der_open(&der, DER_SET);
	add_extensions(&der, subject);
	der_close(&der, values);
	der_close(&der, attribute);
	der_close(&der, attributes);
	der_close(&der, body);
	return result == 0 ? sign(key, &der, "CERTIFICATE REQUEST", pem, error) : fail_library("write a public key", result, error);
}

/* --- reading --- */

static int64_t seconds_of(const mbedtls_x509_time *time)
{
	struct tm tm = {.tm_year = time->year - 1900, .tm_mon = time->mon - 1, .tm_mday = time->day,
			.tm_hour = time->hour, .tm_min = time->min, .tm_sec = time->sec};

	return (int64_t)timegm(&tm);
}

/* "CN=gw1, O=Example": what people look at. mbedtls_x509_dn_gets() knows all attributes, in 2 KB. */
static void show_subject(char *out, const mbedtls_x509_name *name)
{
	static const struct {
		unsigned char last; /* of the OID 2.5.4.x */
		char label[4];
	} known[] = {{3, "CN="}, {6, "C="}, {7, "L="}, {8, "ST="}, {10, "O="}, {11, "OU="}};
	char memory[2 * X509_SHOWN_BYTES];
	struct buf text;

	buf_init(&text, memory, sizeof memory);
	for (; name; name = name->next)
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			if (name->oid.len == 3 && name->oid.p[0] == 0x55 && name->oid.p[1] == 0x04 && name->oid.p[2] == known[i].last)
				(void)buf_printf(&text, "%s%s%.*s", text.len > 0 ? ", " : "", known[i].label, (int)name->val.len, (const char *)name->val.p);
	(void)text_escape(out, X509_SHOWN_BYTES, text.len > 0 ? text.data : "(no name)", text.len > 0 ? text.len : strlen("(no name)"));
}

static void read_name(struct x509_facts *facts, const mbedtls_x509_name *name)
{
	for (; name; name = name->next)
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0) {
			(void)text_escape(facts->name, sizeof facts->name, (const char *)name->val.p, name->val.len);
			return;
		}
}

static void read_alternatives(struct x509_facts *facts, const mbedtls_x509_crt *certificate)
{
	if (!mbedtls_x509_crt_has_ext_type(certificate, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME))
		return;
	for (const mbedtls_x509_sequence *at = &certificate->subject_alt_names; at && facts->alternative_count < X509_ALTERNATIVES_MAX; at = at->next) {
		char text[X509_ALTERNATIVE_BYTES + 8];
		char *out = facts->alternatives[facts->alternative_count];

		if (at->buf.tag == (DER_CONTEXT | 2)) {
			(void)snprintf(text, sizeof text, "DNS:%.*s", (int)at->buf.len, (const char *)at->buf.p);
		} else if (at->buf.tag == (DER_CONTEXT | 7) && (at->buf.len == 4 || at->buf.len == 16)) {
			memcpy(text, "IP:", 3);
			(void)inet_ntop(at->buf.len == 4 ? AF_INET : AF_INET6, at->buf.p, text + 3, sizeof text - 3);
		} else {
			continue;
		}
		(void)text_escape(out, sizeof facts->alternatives[0], text, strlen(text));
		facts->alternative_count++;
	}
}

static bool is_for(const mbedtls_x509_crt *certificate, const char *use, size_t use_bytes)
{
	return mbedtls_x509_crt_check_key_usage(certificate, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) == 0 &&
	       mbedtls_x509_crt_check_extended_key_usage(certificate, use, use_bytes) == 0;
}

static void read_one(struct x509_facts *facts, const mbedtls_x509_crt *certificate)
{
	memset(facts, 0, sizeof *facts);
	show_subject(facts->subject, &certificate->subject);
	show_subject(facts->issuer, &certificate->issuer);
	read_name(facts, &certificate->subject);
	read_alternatives(facts, certificate);
	facts->not_before_s = seconds_of(&certificate->valid_from);
	facts->not_after_s = seconds_of(&certificate->valid_to);
	pin_of(certificate->pk_raw.p, certificate->pk_raw.len, facts->pin);
	facts->self_issued = certificate->issuer_raw.len == certificate->subject_raw.len &&
			     memcmp(certificate->issuer_raw.p, certificate->subject_raw.p, certificate->subject_raw.len) == 0;
	facts->authority = mbedtls_x509_crt_get_ca_istrue(certificate) == 1;
	facts->for_server = is_for(certificate, MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
	facts->for_client = is_for(certificate, MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));
}

int x509_read(const char *path, struct x509_facts *all, unsigned max, unsigned *count, struct error *error)
{
	int fd = tls_open_file("the certificate", path, error), result;
	mbedtls_x509_crt chain;

	*count = 0;
	if (fd < 0)
		return -1;
	(void)close(fd);
	if (start_library(error) != 0)
		return -1;
	mbedtls_x509_crt_init(&chain);
	result = mbedtls_x509_crt_parse_file(&chain, path);
	for (const mbedtls_x509_crt *at = &chain; result == 0 && at && *count < max; at = at->next)
		read_one(&all[(*count)++], at);
	mbedtls_x509_crt_free(&chain);
	if (result == 0)
		return 0;
	return error_set(error, ERROR_CONFIG, "openssl x509 -in FILE -noout -text; all in it must be certificates in PEM",
			 "the certificates in %s cannot be read (mbedTLS %d)", path, result);
}
