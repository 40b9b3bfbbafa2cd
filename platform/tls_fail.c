/* The sentences of both TLS engines, so that one failure reads the same whoever met it. */
#include <errno.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/text.h"
#include "platform/clock.h"
#include "platform/tls_link.h"

enum {
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	RECORD_MAJOR = 3,
	ALERT_AT = 6, /* of its number in an alert's record: type, version, length, level */
	ALERT_HANDSHAKE_FAILURE = 40,
	ALERT_PROTOCOL_VERSION = 70,
	ALERT_INSUFFICIENT_SECURITY = 71,
};

static const struct alert {
	int number;
	const char *meaning;
} alerts[] = {
	{0, "close notify"},
	{10, "unexpected message"},
	{20, "bad record MAC"},
	{ALERT_HANDSHAKE_FAILURE, "handshake failure: no protocol version, cipher suite or kind of key in common"},
	{42, "bad certificate"},
	{43, "unsupported certificate"},
	{45, "certificate expired"},
	{46, "certificate unknown"},
	{47, "illegal parameter"},
	{48, "unknown CA"},
	{49, "access denied"},
	{50, "decode error"},
	{51, "decrypt error"},
	{ALERT_PROTOCOL_VERSION, "protocol version: none in common"},
	{ALERT_INSUFFICIENT_SECURITY, "insufficient security: it wants stronger cipher suites"},
	{80, "internal error"},
	{112, "unrecognized name"},
	{116, "certificate required: it wants one of its clients"},
};

static const char next_mbedtls[] = "set tls = mbedtls in [xmi]: that engine speaks TLS 1.3 and 1.2";

static const char *alert_text(int number)
{
	for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
		if (alerts[i].number == number)
			return alerts[i].meaning;
	return "without a meaning that is known here";
}

static bool is_bearssl(const struct tls_link *link)
{
	return link->settings && link->settings->engine == TLS_BEARSSL;
}

int tls_fail_memory(struct error *error)
{
	return error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "cannot start TLS");
}

int tls_fail_gone(const struct tls_link *link, struct error *error)
{
	const char *what = link->phase == TLS_OPEN ? "" : " during the TLS handshake";
	/* Some servers that speak only TLS 1.3 hang up on a client that does not, without the alert. */
	const char *access = is_bearssl(link) ? "if it is the XML management interface, look at its access list, else at host and port; or it speaks only TLS 1.3: set tls = mbedtls in [xmi]"
					      : "if it is the XML management interface, look at its access list; else at host and port";
	bool unspoken = link->phase != TLS_OPEN && link->seen_bytes == 0;
	enum error_code code = unspoken && link->settings ? ERROR_UNREACHABLE : ERROR_LOST;

	if (!link->settings)
		access = NULL;
	if (link->sys_errno != 0)
		return error_set_errno(error, code, link->sys_errno, unspoken ? access : NULL, "the connection with %s broke%s", link->peer, what);
	if (link->report->ended_cleanly)
		return error_set(error, code, NULL, "%s ended the TLS session%s", link->peer, what);
	return error_set(error, code, unspoken ? access : NULL, "%s closed the connection%s", link->peer,
			 link->phase == TLS_OPEN ? " without ending the TLS session" : what);
}

/* What came first looks like the head of a TLS record, as far as it goes. */
static bool speaks_tls(const struct tls_link *link)
{
	if (link->seen_bytes > 0 && link->seen[0] != RECORD_ALERT && link->seen[0] != RECORD_HANDSHAKE)
		return false;
	return link->seen_bytes < 2 || link->seen[1] == RECORD_MAJOR;
}

static int fail_alert(const struct tls_link *link, int alert, struct error *error)
{
	bool common = alert == ALERT_HANDSHAKE_FAILURE || alert == ALERT_PROTOCOL_VERSION || alert == ALERT_INSUFFICIENT_SECURITY;
	const char *next = "compare the TLS profile of the other side: TLS 1.2 or 1.3, ECDHE, AES-GCM or ChaCha20";

	if (common && is_bearssl(link))
		next = next_mbedtls;
	return error_set(error, ERROR_ANSWER, next, "%s refused the TLS handshake with alert %d (%s)%s", link->peer, alert, alert_text(alert),
			 common && is_bearssl(link) ? "; this engine speaks TLS 1.2 only" : "");
}

static int fail_stranger(const struct tls_link *link, struct error *error)
{
	char said[80];

	return error_set(error, ERROR_ANSWER, link->settings ? "check host and port: another service listens there, or one without TLS" : NULL,
			 "%s does not speak TLS: it said \"%s\"", link->peer,
			 text_escape(said, sizeof said, (const char *)link->seen, link->seen_bytes));
}

int tls_fail_handshake(const struct tls_link *link, int alert, const char *engine, int code, struct error *error)
{
	if (!speaks_tls(link))
		return fail_stranger(link, error);
	if (alert < 0 && link->seen_bytes > ALERT_AT && link->seen[0] == RECORD_ALERT)
		alert = link->seen[ALERT_AT];
	if (alert >= 0)
		return fail_alert(link, alert, error);
	if (link->closed || link->broken)
		return tls_fail_gone(link, error);
	return error_set(error, ERROR_ANSWER, is_bearssl(link) ? "try tls = mbedtls in [xmi]" : NULL,
			 "the TLS handshake with %s failed: what it sent is against the protocol (%s %d)", link->peer, engine, code);
}

int tls_fail_version(const struct tls_link *link, struct error *error)
{
	if (!speaks_tls(link))
		return fail_stranger(link, error);
	return error_set(error, ERROR_ANSWER, is_bearssl(link) ? next_mbedtls : "allow TLS 1.2 or 1.3 in the TLS profile of the other side",
			 "no TLS version in common with %s: this engine speaks %s", link->peer, is_bearssl(link) ? "1.2 only" : "1.3 and 1.2");
}

static int fail_pin(const struct tls_link *link, struct error *error)
{
	const struct tls_settings *settings = link->settings;
	char next[ERROR_NEXT_MAX_BYTES], memory[300];
	struct buf pins;

	(void)snprintf(next, sizeof next, "compare it with the certificate on the appliance itself; if it is the same: pin = %s in [xmi]",
		       link->report->pin);
	buf_init(&pins, memory, sizeof memory);
	for (unsigned i = 0; i < settings->pin_count; i++)
		(void)buf_printf(&pins, "%s%s", i > 0 ? " " : "", settings->pins[i]);
	return error_set(error, ERROR_HOST_KEY, next, "the key %s of %s is not pinned; nothing was sent; pinned: %s", link->report->pin, link->peer,
			 settings->pin_count > 0 ? pins.data : "none");
}

int tls_fail_certificate(const struct tls_link *link, unsigned doubts, struct error *error)
{
	char next[ERROR_NEXT_MAX_BYTES], memory[420], now[CLOCK_TEXT_BYTES];
	const struct tls_settings *settings = link->settings;
	struct buf why;

	if (link->refused)
		return fail_pin(link, error);
	buf_init(&why, memory, sizeof memory);
	if ((doubts & TLS_DOUBT_ISSUER) != 0)
		(void)buf_printf(&why, ", its chain does not end at a certificate of %.100s", settings->ca_file);
	if ((doubts & TLS_DOUBT_TIME) != 0)
		(void)buf_printf(&why, ", it or its issuer's is not valid at %s (the clock of this machine)", clock_text(now, clock_wall_ms()));
	if ((doubts & TLS_DOUBT_NAME) != 0)
		(void)buf_printf(&why, ", it is not made out to %.100s", settings->host);
	if ((doubts & TLS_DOUBT_WEAK) != 0)
		(void)buf_add_string(&why, ", it or its issuer's has a weak key or signature");
	if ((doubts & TLS_DOUBT_USAGE) != 0)
		(void)buf_add_string(&why, ", it or its issuer's is not meant for this use");
	(void)snprintf(next, sizeof next, "openssl s_client -connect %.100s:%u -showcerts </dev/null; or pin its key instead of ca_file: pin = %s",
		       settings->host, settings->port, link->report->pin);
	return error_set(error, ERROR_HOST_KEY, next, "the certificate of %s does not convince: %s; its key is %s; nothing was sent", link->peer,
			 why.len > 2 ? why.data + 2 : "its chain is not in order", link->report->pin);
}

int tls_fail_unread(const struct tls_link *link, const char *engine, int code, struct error *error)
{
	return error_set(error, ERROR_ANSWER, is_bearssl(link) ? "try tls = mbedtls in [xmi]" : "openssl s_client -connect HOST:PORT -showcerts",
			 "a certificate that %s sent cannot be read: it is not in order, larger than %d bytes, or of a kind unknown here (%s %d)",
			 link->peer, TLS_CERTIFICATE_MAX_BYTES, engine, code);
}

int tls_fail_open(const struct tls_link *link, int alert, const char *engine, int code, struct error *error)
{
	if (alert >= 0)
		return error_set(error, ERROR_LOST, NULL, "%s broke the TLS session off with alert %d (%s)", link->peer, alert, alert_text(alert));
	if (link->closed || link->broken)
		return tls_fail_gone(link, error);
	return error_set(error, ERROR_LOST, NULL, "the TLS session with %s broke: what came is damaged or against the protocol (%s %d)",
			 link->peer, engine, code);
}
