#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "platform/tls_link.h"

enum {
	PIN_DIGITS = 44,
	SERVER_NAME_MAX_BYTES = 255, /* RFC 1035; both engines have room for as many */
};

static const char pin_prefix[] = "sha256//";

/* --- pins and names --- */

static bool pin_decode(const char *text, unsigned char hash[TLS_HASH_BYTES])
{
	unsigned char bytes[(PIN_DIGITS + 3) / 4 * 3];
	struct base64_decoder decoder;

	if (!text || strncmp(text, pin_prefix, sizeof pin_prefix - 1) != 0)
		return false;
	text += sizeof pin_prefix - 1;
	if (strlen(text) != PIN_DIGITS || strpbrk(text, " \t\r\n"))
		return false;
	base64_decoder_init(&decoder);
	if (base64_decode(&decoder, text, PIN_DIGITS, bytes) != TLS_HASH_BYTES)
		return false;
	memcpy(hash, bytes, TLS_HASH_BYTES);
	return true;
}

bool tls_is_pin(const char *text)
{
	unsigned char hash[TLS_HASH_BYTES];

	return pin_decode(text, hash);
}

/* IPv4 and IPv6 literals; what has a colon is no name, even when inet_pton() does not read it (a scope). */
static void read_address(struct tls_link *link)
{
	char literal[INET6_ADDRSTRLEN] = "";
	const char *host = link->settings->host;
	size_t length = strcspn(host, "%");

	if (length < sizeof literal)
		memcpy(literal, host, length);
	if (inet_pton(AF_INET, host, link->address) == 1)
		link->address_bytes = sizeof(struct in_addr);
	else if (inet_pton(AF_INET6, literal, link->address) == 1)
		link->address_bytes = sizeof(struct in6_addr);
}

const char *tls_link_server_name(const struct tls_link *link)
{
	return link->address_bytes > 0 ? NULL : link->settings->host;
}

bool tls_link_take_key(struct tls_link *link, const unsigned char hash[TLS_HASH_BYTES])
{
	bool pinned = false;

	memcpy(link->report->pin, pin_prefix, sizeof pin_prefix);
	(void)base64_encode(link->report->pin + sizeof pin_prefix - 1, hash, TLS_HASH_BYTES);
	if (!link->settings || link->settings->trust != TLS_TRUST_PINS)
		return true;
	for (unsigned i = 0; i < link->settings->pin_count; i++) {
		unsigned differ = 0; /* all bytes, whatever the first say */

		for (size_t k = 0; k < TLS_HASH_BYTES; k++)
			differ |= (unsigned)(link->pins[i][k] ^ hash[k]);
		pinned |= differ == 0;
	}
	link->refused = !pinned;
	return pinned;
}

/* --- the link --- */

int tls_link_init(struct tls_link *link, const struct tls_settings *settings, struct tls_report *report, struct error *error)
{
	memset(report, 0, sizeof *report);
	link->base.fd = -1;
	link->settings = settings;
	link->report = report;
	(void)snprintf(link->peer, sizeof link->peer, "%.100s port %u", settings->host, settings->port);
	read_address(link);
	dial_init(&link->dial, settings->host, settings->port, false);
	if (settings->host[0] == '\0' || strlen(settings->host) > SERVER_NAME_MAX_BYTES)
		return error_set(error, ERROR_CONFIG, "correct the host in the configuration", "a host name for TLS has 1 to %d bytes",
				 SERVER_NAME_MAX_BYTES);
	if (settings->pin_count > TLS_PINS_MAX)
		return error_set(error, ERROR_INTERNAL, NULL, "TLS: more than %d pins", TLS_PINS_MAX);
	for (unsigned i = 0; i < settings->pin_count; i++)
		if (!pin_decode(settings->pins[i], link->pins[i]))
			return error_set(error, ERROR_CONFIG, "drr-agent check --connect shows the pin of the key that is met",
					 "pin %u for %s is not sha256// and 44 characters of base64", i + 1, link->peer);
	return 0;
}

void tls_link_init_server(struct tls_link *link, int fd, struct tls_report *report)
{
	struct sockaddr_storage storage = {0};
	socklen_t size = sizeof storage;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	char text[INET6_ADDRSTRLEN] = "";

	link->base.fd = fd;
	link->phase = TLS_HANDSHAKE;
	link->report = report ? report : &link->own_report;
	memset(link->report, 0, sizeof *link->report);
	dial_init(&link->dial, "", 0, false);
	link->dial.fd = fd;
	(void)snprintf(link->peer, sizeof link->peer, "the client");
	if (getpeername(fd, (struct sockaddr *)&storage, &size) != 0)
		return;
	if (storage.ss_family == AF_INET) {
		memcpy(&v4, &storage, sizeof v4);
		if (inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text))
			(void)snprintf(link->peer, sizeof link->peer, "the client at %s port %u", text, (unsigned)ntohs(v4.sin_port));
	} else if (storage.ss_family == AF_INET6) {
		memcpy(&v6, &storage, sizeof v6);
		if (inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text))
			(void)snprintf(link->peer, sizeof link->peer, "the client at %s port %u", text, (unsigned)ntohs(v6.sin6_port));
	}
}

void tls_link_close(struct tls_link *link)
{
	dial_close(&link->dial);
	link->base.fd = -1;
}

enum transport_step tls_link_dial(struct tls_link *link, struct error *error)
{
	struct error met = {0};
	enum transport_step step;

	if (link->phase != TLS_DIAL)
		return TRANSPORT_DONE;
	step = dial_step(&link->dial, &met);
	link->base.fd = link->dial.fd;
	if (step == TRANSPORT_DONE)
		link->phase = TLS_HANDSHAKE;
	if (step != TRANSPORT_FAILED || error->code != ERROR_NONE)
		return step;
	if (link->dial.list && link->settings->advice)
		(void)error_set(error, met.code, link->settings->advice, "%s", met.what);
	else if (link->dial.list) /* it resolved */
		(void)error_set(error, met.code,
				"check url in [xmi], the interface's state and access list on the appliance (show xml-mgmt), and the firewall",
				"%s; if that is the XML management interface, it may be disabled, or its access list lacks this machine", met.what);
	else
		(void)error_set(error, met.code, "check the host in the configuration, and this machine's name resolution", "%s", met.what);
	error->sys_errno = met.sys_errno;
	return step;
}

size_t tls_link_receive(struct tls_link *link, void *bytes, size_t size_bytes)
{
	size_t room = TLS_SEEN_BYTES - link->seen_bytes;
	ssize_t count;

	if (link->closed)
		return 0;
	do {
		count = recv(link->base.fd, bytes, size_bytes, MSG_DONTWAIT);
	} while (count < 0 && errno == EINTR);
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (count <= 0) {
		link->closed = true;
		if (count < 0)
			link->sys_errno = errno;
		return 0;
	}
	if (room > (size_t)count)
		room = (size_t)count;
	memcpy(link->seen + link->seen_bytes, bytes, room);
	link->seen_bytes += room;
	return (size_t)count;
}

size_t tls_link_send(struct tls_link *link, const void *bytes, size_t count_bytes)
{
	ssize_t count;

	if (link->broken)
		return count_bytes;
	do {
		count = send(link->base.fd, bytes, count_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (count < 0 && errno == EINTR);
	if (count >= 0)
		return (size_t)count;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	link->broken = true;
	link->sys_errno = errno;
	return count_bytes;
}

int tls_open_file(const char *key, const char *path, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char next[ERROR_NEXT_MAX_BYTES];
	struct stat status;
	int sys_errno;

	(void)snprintf(next, sizeof next, "ls -l %.300s", path);
	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= TLS_CA_FILE_MAX_BYTES)
		return fd;
	sys_errno = errno;
	if (fd < 0)
		return error_set_errno(error, ERROR_CONFIG, sys_errno, next, "%s: cannot open %s", key, path);
	(void)close(fd);
	return error_set(error, ERROR_CONFIG, next, "%s: %s is no regular file, or has more than %d bytes", key, path, TLS_CA_FILE_MAX_BYTES);
}

struct transport *tls_open(const struct tls_settings *settings, struct tls_report *report, struct error *error)
{
	if (settings->identity && settings->engine != TLS_MBEDTLS) {
		(void)error_set(error, ERROR_INTERNAL, NULL, "TLS: only mbedTLS shows a certificate of ours");
		return NULL;
	}
	return settings->engine == TLS_BEARSSL ? tls_bearssl_open(settings, report, error) : tls_mbedtls_open(settings, report, error);
}
