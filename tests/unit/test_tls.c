/* Both TLS engines against tls_peer.py (OpenSSL through Python), against sockets that are no TLS server, and against our own server side. Each case
 * runs once for each engine. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/tls.h"
#include "program.h"

enum { LIMIT_MS = 20000, ARGUMENTS_MAX = 24, MUCH_BYTES = 1024 * 1024, KEYS_MAX = 40 };

static char folder[] = "/tmp/test_tls.XXXXXX";
static const char wrong_pin[] = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/* --- the other side --- */

static const char *in_folder(const char *name)
{
	static char paths[4][300];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	(void)snprintf(path, sizeof *paths, "%s/%s", folder, name);
	return path;
}

static struct {
	char name[32], pin[TLS_PIN_BYTES];
} keys[KEYS_MAX];
static unsigned key_count;

static const char *pin_of(const char *name)
{
	for (unsigned i = 0; i < key_count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return keys[i].pin;
	fail_msg("no key %s", name);
	return NULL;
}

struct server {
	pid_t pid;
	int to;
	FILE *from;
	unsigned port;
};

/* FORMAT: options of tls_peer.py, split at blanks. */
static struct server peer_start(const char *options)
{
	const char *arguments[ARGUMENTS_MAX] = {"/usr/bin/python3", "-Wignore", DRR_TESTS_DIR "/unit/tls_peer.py"};
	char copy[512];
	int count = 3;
	struct server server = {0};

	(void)snprintf(copy, sizeof copy, "%s", options);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		arguments[count++] = word;
	server.pid = program_start(arguments, &server.to, &server.from);
	return server;
}

static struct server server_of(const char *verb, const char *certificate, const char *options)
{
	char all[512], line[100];
	struct server server;

	(void)snprintf(all, sizeof all, "%s --certificate %s %s", verb, in_folder(certificate), options);
	server = peer_start(all);
	assert_non_null(fgets(line, sizeof line, server.from));
	assert_int_equal(sscanf(line, "%u", &server.port), 1);
	return server;
}

static struct server server_start(const char *certificate, const char *options)
{
	return server_of("serve", certificate, options);
}

static void server_stop(struct server *server)
{
	(void)close(server->to);
	(void)fclose(server->from);
	(void)kill(server->pid, SIGKILL);
	(void)waitpid(server->pid, NULL, 0);
}

/* A listener on 127.0.0.1. */
static int listen_local(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* --- driving a transport --- */

static struct tls_report report;
static struct error error;

static enum tls_engine engine_of(void **state)
{
	return *(const enum tls_engine *)*state;
}

static void wait_for(struct transport *t, struct mono limit, short more)
{
	struct pollfd fd = {.fd = transport_fd(t), .events = (short)(transport_events(t) | more)};
	int64_t left = mono_diff_ms(limit, clock_now());

	assert_true(left > 0);
	assert_true(fd.fd >= 0);
	assert_true(fd.events != 0);
	assert_true(poll(&fd, 1, (int)left) >= 0);
}

/* WAIT: not through after so long. */
static enum transport_step handshake(struct transport *t, int limit_ms)
{
	struct mono limit = mono_add_ms(clock_now(), limit_ms);
	enum transport_step step = transport_connect(t, &error);

	while (step == TRANSPORT_WAIT && mono_diff_ms(limit, clock_now()) > 0) {
		wait_for(t, limit, 0);
		step = transport_connect(t, &error);
	}
	return step;
}

static struct tls_settings settings_for(void **state, unsigned port)
{
	return (struct tls_settings){.host = "localhost", .port = port, .engine = engine_of(state), .trust = TLS_TRUST_REPORT};
}

static struct tls_settings pinned(void **state, const struct server *server, const char *key)
{
	struct tls_settings settings = settings_for(state, server->port);

	settings.trust = TLS_TRUST_PINS;
	settings.pins[0] = pin_of(key);
	settings.pin_count = 1;
	return settings;
}

static struct tls_settings with_ca(void **state, const struct server *server, const char *ca)
{
	struct tls_settings settings = settings_for(state, server->port);

	settings.trust = TLS_TRUST_CA;
	settings.ca_file = in_folder(ca);
	return settings;
}

static struct transport *open_tls(const struct tls_settings *settings)
{
	struct transport *t;

	error_clear(&error);
	t = tls_open(settings, &report, &error);
	if (!t)
		(void)fprintf(stderr, "# %s | %s\n", error.what, error.next);
	assert_non_null(t);
	return t;
}

static struct transport *expect_open(const struct tls_settings *settings)
{
	struct transport *t = open_tls(settings);
	enum transport_step step = handshake(t, LIMIT_MS);

	if (step != TRANSPORT_DONE)
		(void)fprintf(stderr, "# %s | %s\n", error.what, error.next);
	assert_int_equal(step, TRANSPORT_DONE);
	assert_true(tls_is_pin(report.pin));
	assert_int_equal(report.version[0], '1');
	assert_false(report.ended_cleanly);
	return t;
}

static void told(void)
{
	if (getenv("DRR_TEST_VERBOSE"))
		(void)fprintf(stderr, "# %s: %s | %s\n", error_name(error.code), error.what, error.next);
	assert_true(error.what[0] != '\0');
}

/* The handshake fails so, and the sentence or the next step says WORDS. */
static void expect_failure(const struct tls_settings *settings, enum error_code code, const char *words)
{
	struct transport *t = open_tls(settings);

	assert_int_equal(handshake(t, LIMIT_MS), TRANSPORT_FAILED);
	transport_close(t);
	told();
	assert_string_equal(error_name(error.code), error_name(code));
	if (words && !strstr(error.what, words) && !strstr(error.next, words))
		fail_msg("\"%s\" is not in: %s | %s", words, error.what, error.next);
	assert_string_equal(report.version, "");
}

static void expect_no_start(const struct tls_settings *settings, const char *words)
{
	error_clear(&error);
	assert_null(tls_open(settings, &report, &error));
	told();
	assert_string_equal(error_name(error.code), "config");
	assert_non_null(strstr(error.what, words));
}

static void send_text(struct transport *t, const char *text)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
	size_t left = strlen(text), taken;

	while (left > 0) {
		assert_int_equal(transport_write(t, text, left, &taken, &error), 0);
		text += taken;
		left -= taken;
		if (left > 0)
			wait_for(t, limit, POLLOUT);
	}
}

/* Reads what comes until the session ends (-1) or COUNT bytes are there (0). */
static int receive(struct transport *t, char *out, size_t count, size_t *length)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
	size_t got;

	*length = 0;
	while (*length < count) {
		/* odd sizes, so that records are taken in parts */
		size_t room = count - *length < 7777 ? count - *length : 7777;

		if (transport_read(t, out + *length, room, &got, &error) != 0)
			return -1;
		*length += got;
		if (got == 0)
			wait_for(t, limit, 0);
	}
	return 0;
}

static void expect_line(struct transport *t, const char *line)
{
	char out[100] = "";
	size_t length;

	assert_int_equal(receive(t, out, strlen(line), &length), 0);
	assert_string_equal(out, line);
}

static void expect_end(struct transport *t, bool cleanly)
{
	char out[10];
	size_t length, taken;

	error_clear(&error);
	assert_int_equal(receive(t, out, sizeof out, &length), -1);
	assert_int_equal(length, 0);
	told();
	assert_string_equal(error_name(error.code), "lost");
	assert_int_equal(report.ended_cleanly, cleanly);
	error_clear(&error);
	assert_int_equal(transport_read(t, out, sizeof out, &length, &error), -1); /* and again */
	assert_string_equal(error_name(error.code), "lost");
	error_clear(&error);
	assert_int_equal(transport_write(t, "x", 1, &taken, &error), -1);
	assert_string_equal(error_name(error.code), "lost");
}

static char pattern_byte(size_t at)
{
	char number[32];

	(void)snprintf(number, sizeof number, "%07zu\n", at / 8);
	return number[at % 8];
}

static void check_pattern(const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i] != pattern_byte(i))
			fail_msg("byte %zu differs", i);
}

static char *make_pattern(size_t count)
{
	char *bytes = malloc(count);

	assert_non_null(bytes);
	for (size_t i = 0; i < count; i++)
		bytes[i] = pattern_byte(i);
	return bytes;
}

/* --- cases: pins --- */

static void test_is_pin(void **state)
{
	assert_true(tls_is_pin(wrong_pin));
	assert_true(tls_is_pin(pin_of("rsa")));
	assert_false(tls_is_pin(""));
	assert_false(tls_is_pin("sha256//"));
	assert_false(tls_is_pin(wrong_pin + 1));
	assert_false(tls_is_pin("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));  /* 33 bytes */
	assert_false(tls_is_pin("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="));  /* 31 */
	assert_false(tls_is_pin("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ")); /* a blank */
	assert_false(tls_is_pin("sha256// AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
	assert_false(tls_is_pin("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=")); /* bits behind the last byte */
	assert_false(tls_is_pin("sha1//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
}

static void test_pins(void **state)
{
	static const char *const certificates[] = {"ec", "ec384", "rsa", "self", "long", "expired", "elsewhere"};

	for (size_t i = 0; i < sizeof certificates / sizeof *certificates; i++) {
		struct server server = server_start(certificates[i], "");
		struct tls_settings settings = pinned(state, &server, certificates[i]);
		struct transport *t = expect_open(&settings);

		assert_string_equal(report.pin, pin_of(certificates[i]));
		assert_string_equal(report.version, engine_of(state) == TLS_BEARSSL ? "1.2" : "1.3");
		send_text(t, "sni\n");
		expect_line(t, "localhost\n");
		expect_end(t, true);
		transport_close(t);
		server_stop(&server);
	}
}

static void test_several_pins(void **state)
{
	struct server server = server_start("rsa", "");
	struct tls_settings settings = pinned(state, &server, "ec");

	settings.pins[1] = wrong_pin;
	settings.pins[2] = pin_of("rsa");
	settings.pin_count = 3;
	transport_close(expect_open(&settings));
	settings.pin_count = 2;
	expect_failure(&settings, ERROR_HOST_KEY, wrong_pin);
	server_stop(&server);
}

static void test_wrong_pin(void **state)
{
	static const char *const versions[] = {"--max 1.2", "--min 1.3"};

	for (int i = engine_of(state) == TLS_BEARSSL ? 0 : 1; i >= 0; i--) {
		struct server server = server_start("ec", versions[i]);
		struct tls_settings settings = pinned(state, &server, "rsa");

		expect_failure(&settings, ERROR_HOST_KEY, pin_of("ec"));
		assert_non_null(strstr(error.next, pin_of("ec")));
		assert_string_equal(report.pin, pin_of("ec"));
		settings.pin_count = 0;
		expect_failure(&settings, ERROR_HOST_KEY, "none");
		server_stop(&server);
	}
}

/* Whoever shows the pinned certificate must also have its key. */
static void test_stolen_certificate(void **state)
{
	static const char *const versions[] = {"--max 1.2", "--min 1.3"};

	for (int i = engine_of(state) == TLS_BEARSSL ? 0 : 1; i >= 0; i--) {
		struct server server = server_start("stolen", versions[i]);
		struct tls_settings settings = pinned(state, &server, "ec");

		expect_failure(&settings, ERROR_ANSWER, "failed");
		assert_string_equal(report.pin, pin_of("ec"));
		settings = with_ca(state, &server, "ca.pem");
		expect_failure(&settings, ERROR_ANSWER, "failed");
		settings.trust = TLS_TRUST_REPORT;
		expect_failure(&settings, ERROR_ANSWER, "failed");
		server_stop(&server);
	}
}

static void test_report(void **state)
{
	struct server server = server_start("self", "");
	struct tls_settings settings = settings_for(state, server.port);
	struct transport *t = expect_open(&settings);

	assert_string_equal(report.pin, pin_of("self"));
	transport_close(t);
	server_stop(&server);
}

static void test_bad_settings(void **state)
{
	struct tls_settings settings = settings_for(state, 1);
	char host[300];

	settings.trust = TLS_TRUST_PINS;
	settings.pins[0] = wrong_pin;
	settings.pins[1] = "sha256//short";
	settings.pin_count = 2;
	expect_no_start(&settings, "pin 2");
	settings.pin_count = 0;
	memset(host, 'a', sizeof host - 1);
	host[sizeof host - 1] = '\0';
	settings.host = host;
	expect_no_start(&settings, "host name");
	settings.host = "";
	expect_no_start(&settings, "host name");
	settings.host = "localhost";
	settings.trust = TLS_TRUST_CA;
	settings.ca_file = in_folder("missing.pem");
	expect_no_start(&settings, "missing.pem");
	settings.ca_file = folder;
	expect_no_start(&settings, "regular file");
	settings.ca_file = in_folder("garbage.pem");
	expect_no_start(&settings, "cannot be read");
	settings.ca_file = in_folder("empty.pem");
	expect_no_start(&settings, "cannot be read");
	settings.ca_file = in_folder("ec.key");
	expect_no_start(&settings, "cannot be read");
	settings.ca_file = in_folder("nul-ca.pem"); /* what stands behind the NUL must not be dropped in silence */
	expect_no_start(&settings, "cannot be read");
	settings.ca_file = in_folder("many-cas.pem");
	expect_no_start(&settings, "more than 16");
}

/* --- cases: ca_file --- */

static void expect_by_ca(void **state, const char *certificate, const char *ca, const char *host, enum error_code code, const char *words)
{
	struct server server = server_start(certificate, strchr(host, ':') ? "--host ::1" : "");
	struct tls_settings settings = with_ca(state, &server, ca);

	settings.host = host;
	if (code == ERROR_NONE) {
		struct transport *t = expect_open(&settings);

		send_text(t, "sni\n");
		expect_line(t, strcmp(host, "localhost") == 0 ? "localhost\n" : "-\n");
		transport_close(t);
	} else {
		expect_failure(&settings, code, words);
	}
	assert_string_equal(report.pin, pin_of(certificate));
	server_stop(&server);
}

static void test_ca(void **state)
{
	expect_by_ca(state, "ec", "ca.pem", "localhost", ERROR_NONE, NULL);
	expect_by_ca(state, "ec384", "ca.pem", "localhost", ERROR_NONE, NULL);
	expect_by_ca(state, "sha384", "ca.pem", "localhost", ERROR_NONE, NULL); /* a hash longer than the key */
	expect_by_ca(state, "sha512", "ca.pem", "localhost", ERROR_NONE, NULL);
	expect_by_ca(state, "rsa", "ca.pem", "localhost", ERROR_NONE, NULL); /* through an intermediate CA */
	expect_by_ca(state, "ec", "two-cas.pem", "localhost", ERROR_NONE, NULL);
	expect_by_ca(state, "own", "own.pem", "localhost", ERROR_NONE, NULL); /* self-signed, the very certificate */
}

static void test_ca_refused(void **state)
{
	expect_by_ca(state, "ec", "other-ca.pem", "localhost", ERROR_HOST_KEY, "other-ca.pem");
	expect_by_ca(state, "own", "ca.pem", "localhost", ERROR_HOST_KEY, "does not end");
	expect_by_ca(state, "forged", "ca.pem", "localhost", ERROR_HOST_KEY, "does not end"); /* one bit of the CA's signature */
	expect_by_ca(state, "expired", "ca.pem", "localhost", ERROR_HOST_KEY, "not valid at");
	expect_by_ca(state, "future", "ca.pem", "localhost", ERROR_HOST_KEY, "not valid at");
	expect_by_ca(state, "elsewhere", "ca.pem", "localhost", ERROR_HOST_KEY, "made out");
	expect_by_ca(state, "by-leaf", "ca.pem", "localhost", ERROR_HOST_KEY, "does not end");
}

static void test_ca_address(void **state)
{
	expect_by_ca(state, "ec", "ca.pem", "127.0.0.1", ERROR_NONE, NULL);
	expect_by_ca(state, "nameless", "ca.pem", "127.0.0.1", ERROR_HOST_KEY, "made out to 127.0.0.1");
	expect_by_ca(state, "elsewhere", "ca.pem", "127.0.0.1", ERROR_HOST_KEY, "made out to 127.0.0.1");
	expect_by_ca(state, "six", "ca.pem", "127.0.0.1", ERROR_HOST_KEY, "made out to 127.0.0.1");
	expect_by_ca(state, "six", "ca.pem", "::1", ERROR_NONE, NULL);
	expect_by_ca(state, "ec", "ca.pem", "::1", ERROR_HOST_KEY, "made out to ::1");
}

/* A name with a NUL in it is that name, not what stands before the NUL. */
static void test_ca_nul_in_name(void **state)
{
	expect_by_ca(state, "nul-name", "ca.pem", "localhost", ERROR_HOST_KEY, "made out to localhost");
}

/* A CA whose time is over, or has not come, signs nothing; beside its successor it does not disturb. */
static void test_ca_expired(void **state)
{
	expect_by_ca(state, "ec", "old-ca.pem", "localhost", ERROR_HOST_KEY, "not valid at");
	expect_by_ca(state, "ec", "future-ca.pem", "localhost", ERROR_HOST_KEY, "not valid at");
	expect_by_ca(state, "ec", "old-and-ca.pem", "localhost", ERROR_NONE, NULL);
}

static void test_ca_use(void **state)
{
	expect_by_ca(state, "for-clients", "ca.pem", "localhost", ERROR_HOST_KEY, "not meant for this use");
	expect_by_ca(state, "for-both", "ca.pem", "localhost", ERROR_NONE, NULL);
	expect_by_ca(state, "for-any", "ca.pem", "localhost", ERROR_NONE, NULL);
}

/* --- cases: versions and algorithms --- */

static void test_versions(void **state)
{
	struct server server = server_start("rsa", "--max 1.2");
	struct tls_settings settings = pinned(state, &server, "rsa");

	transport_close(expect_open(&settings));
	assert_string_equal(report.version, "1.2");
	server_stop(&server);

	server = server_start("rsa", "--min 1.3");
	settings = pinned(state, &server, "rsa");
	if (engine_of(state) == TLS_BEARSSL) {
		expect_failure(&settings, ERROR_ANSWER, "tls = mbedtls");
	} else {
		transport_close(expect_open(&settings));
		assert_string_equal(report.version, "1.3");
	}
	server_stop(&server);

	server = server_start("rsa", "--min 1.1 --max 1.1 --ciphers ALL");
	settings = pinned(state, &server, "rsa");
	expect_failure(&settings, ERROR_ANSWER, "version");
	server_stop(&server);
}

static void test_ciphers(void **state)
{
	static const char *const ciphers[] = {
		"ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
	};
	struct tls_settings settings;
	struct server server;

	for (size_t i = 0; i < sizeof ciphers / sizeof *ciphers; i++) {
		char options[100];
		struct transport *t;

		(void)snprintf(options, sizeof options, "--max 1.2 --ciphers %s", ciphers[i]);
		server = server_start("rsa", options);
		settings = pinned(state, &server, "rsa");
		t = expect_open(&settings);
		send_text(t, "sni\n");
		expect_line(t, "localhost\n");
		expect_end(t, true);
		transport_close(t);
		server_stop(&server);
	}
	server = server_start("rsa", "--max 1.2 --ciphers AES128-SHA"); /* no forward secrecy */
	settings = pinned(state, &server, "rsa");
	expect_failure(&settings, ERROR_ANSWER, "alert 40");
	server_stop(&server);
}

static void test_client_certificate_asked(void **state)
{
	struct server server = server_start("rsa", "--want-client");
	struct tls_settings settings = pinned(state, &server, "rsa");
	struct transport *t = expect_open(&settings);

	send_text(t, "sni\n");
	expect_line(t, "localhost\n");
	transport_close(t);
	server_stop(&server);
}

static void test_large_certificate(void **state)
{
	struct server server = server_start("longer", "");
	struct tls_settings settings = pinned(state, &server, "longer");

	expect_failure(&settings, ERROR_ANSWER, NULL);
	server_stop(&server);
}

/* --- cases: broken peers --- */

static void test_refused(void **state)
{
	unsigned port;
	int fd = listen_local(&port);
	struct tls_settings settings = settings_for(state, port);

	(void)close(fd);
	settings.host = "127.0.0.1";
	expect_failure(&settings, ERROR_UNREACHABLE, "access list");
	assert_non_null(strstr(error.what, "disabled"));
	assert_int_equal(error.sys_errno, ECONNREFUSED);
	settings.host = "name.invalid";
	expect_failure(&settings, ERROR_UNREACHABLE, "resol");
}

/* What a server without TLS says, and then closes or not. */
static void test_no_tls(void **state)
{
	static const char *const greetings[] = {"220 mail.example ready\r\n", "SSH-2.0-x\r\n", "HTTP/1.0 400 Bad Request\r\n\r\n\x1b[2Jthis is no TLS", "x"};

	for (size_t i = 0; i < 8; i++) {
		const char *greeting = greetings[i / 2];
		unsigned port;
		int listener = listen_local(&port), fd;
		struct tls_settings settings = settings_for(state, port);
		struct transport *t;

		settings.host = "127.0.0.1";
		t = open_tls(&settings);
		(void)transport_connect(t, &error);
		fd = accept(listener, NULL, NULL);
		assert_int_equal(write(fd, greeting, strlen(greeting)), (ssize_t)strlen(greeting));
		if (i % 2 == 1 || greeting[1] == '\0') /* of one byte nothing can be said before the end */
			(void)shutdown(fd, SHUT_WR);
		assert_int_equal(handshake(t, LIMIT_MS), TRANSPORT_FAILED);
		transport_close(t);
		told();
		assert_string_equal(error_name(error.code), "answer");
		assert_non_null(strstr(error.what, "does not speak TLS"));
		assert_null(strchr(error.what, '\x1b'));
		(void)close(fd);
		(void)close(listener);
	}
}

/* The server goes away behind so many bytes: in the handshake that is a failure, behind it the session's end. */
static void cut_everywhere(void **state, const char *version)
{
	static const int positions[] = {0, 1, 4, 5, 6, 40, 90, 200, 500, 800, 1000, 1200, 1500, 2500, 6000};
	unsigned failed = 0, opened = 0;

	for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
		char options[100];
		struct server server;
		struct tls_settings settings;
		struct transport *t;
		enum transport_step step;

		(void)snprintf(options, sizeof options, "--bytes %d %s", positions[i], version);
		server = server_start("ec", options);
		settings = pinned(state, &server, "ec");
		t = open_tls(&settings);
		step = handshake(t, LIMIT_MS);
		if (step == TRANSPORT_DONE) {
			opened++;
			send_text(t, "send 100000\n");
			while (step != TRANSPORT_FAILED) {
				char out[1000];
				size_t length;

				if (receive(t, out, sizeof out, &length) != 0)
					step = TRANSPORT_FAILED;
			}
			assert_string_equal(error_name(error.code), "lost");
		} else {
			assert_int_equal(step, TRANSPORT_FAILED);
			assert_int_equal(opened, 0);
			failed++;
			assert_string_equal(error_name(error.code), positions[i] == 0 ? "unreachable" : "lost");
		}
		told();
		assert_false(report.ended_cleanly);
		transport_close(t);
		server_stop(&server);
	}
	assert_true(failed > 5);
	assert_true(opened > 0);
}

static void test_cut(void **state)
{
	cut_everywhere(state, "--max 1.2");
	if (engine_of(state) == TLS_MBEDTLS)
		cut_everywhere(state, "--min 1.3");
}

/* One bit of what the server sends differs: the handshake fails, or the session breaks. */
static void test_flipped(void **state)
{
	unsigned failed = 0;

	for (int at = 9; at < 800; at += 61) {
		char options[100], out[5000];
		struct server server;
		struct tls_settings settings;
		struct transport *t;
		size_t length;

		(void)snprintf(options, sizeof options, "--flip %d --max 1.2", at);
		server = server_start("ec", options);
		settings = pinned(state, &server, "ec");
		settings.trust = TLS_TRUST_REPORT; /* else most of it were the pin's merit */
		t = open_tls(&settings);
		if (handshake(t, 400) == TRANSPORT_DONE) { /* else failed; or a length has grown, and it waits */
			send_text(t, "send 5000\n");
			if (receive(t, out, sizeof out, &length) == 0)
				fail_msg("all went well with another bit in byte %d", at);
		} else {
			failed++;
		}
		transport_close(t);
		server_stop(&server);
	}
	assert_true(failed > 7);
}

/* A bit of a record differs: nothing of it is handed out. */
static void test_damaged(void **state)
{
	struct server server = server_start("ec", "--flip 5000 --max 1.2");
	struct tls_settings settings = pinned(state, &server, "ec");
	struct transport *t = expect_open(&settings);
	static char out[100000];
	size_t length;

	send_text(t, "send 100000\n");
	assert_int_equal(receive(t, out, sizeof out, &length), -1);
	told();
	assert_string_equal(error_name(error.code), "lost");
	check_pattern(out, length);
	assert_true(length < 5000);
	assert_false(report.ended_cleanly);
	transport_close(t);
	server_stop(&server);
}

/* Nobody answers: the caller keeps its clock. */
static void test_stall(void **state)
{
	unsigned port;
	int fd = listen_local(&port);
	struct tls_settings settings = settings_for(state, port);
	struct transport *t;
	struct server server;

	settings.host = "127.0.0.1";
	t = open_tls(&settings);
	assert_int_equal(transport_events(t), POLLOUT);
	assert_int_equal(handshake(t, 200), TRANSPORT_WAIT);
	assert_int_equal(transport_events(t), POLLIN);
	transport_close(t);
	(void)close(fd);
	server = server_start("ec", "--bytes 300 --hold");
	settings = pinned(state, &server, "ec");
	t = open_tls(&settings);
	assert_int_equal(handshake(t, 500), TRANSPORT_WAIT);
	transport_close(t);
	server_stop(&server);
}

/* --- cases: sessions --- */

static void test_ends(void **state)
{
	static const char *const versions[] = {"--max 1.2", "--min 1.3"};

	for (int i = engine_of(state) == TLS_BEARSSL ? 0 : 1; i >= 0; i--) {
		struct server server = server_start("ec", versions[i]);
		struct tls_settings settings = pinned(state, &server, "ec");
		char out[20000];
		size_t length;

		for (int clean = 0; clean < 2; clean++) {
			struct transport *t = expect_open(&settings);

			send_text(t, clean ? "send 20000\n" : "cut 20000\n");
			assert_int_equal(receive(t, out, sizeof out, &length), 0);
			check_pattern(out, length);
			expect_end(t, clean == 1);
			transport_close(t);
		}
		server_stop(&server);
	}
}

/* Another handshake in a session, as the server wishes: it is refused, and OpenSSL does not go on without. */
static void test_renegotiation(void **state)
{
	struct server server = server_of("renegotiate", "ec", "");
	struct tls_settings settings = pinned(state, &server, "ec");
	struct transport *t = expect_open(&settings);
	char out[10];
	size_t length;

	assert_string_equal(report.version, "1.2");
	assert_int_equal(write(server.to, "hello\n", 6), 6); /* what does not begin with a letter of its commands is sent */
	expect_line(t, "hello\n");
	assert_int_equal(write(server.to, "R\n", 2), 2);
	assert_int_equal(receive(t, out, sizeof out, &length), -1);
	told();
	assert_int_equal(length, 0);
	assert_string_equal(error_name(error.code), "lost");
	assert_non_null(strstr(error.what, "alert 40"));
	transport_close(t);
	server_stop(&server);
}

/* The end comes together with the end of the handshake: a session all the same. */
static void test_ends_at_once(void **state)
{
	struct server server = server_start("ec", "--hangup --max 1.2");
	struct tls_settings settings = pinned(state, &server, "ec");

	for (int i = 0; i < 5; i++) {
		struct transport *t = expect_open(&settings);

		expect_end(t, true);
		transport_close(t);
	}
	server_stop(&server);
}

/* A session through us: *FD sees what we send, *TOWARD is the server's. */
static struct transport *expect_open_between(struct tls_settings settings, int *fd_out, int *toward_out)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)settings.port)};
	int listener = listen_local(&settings.port), fd, toward, small = 4096;
	unsigned char bytes[4096];
	struct transport *t;
	ssize_t count;

	settings.host = "127.0.0.1";
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
	t = open_tls(&settings);
	(void)transport_connect(t, &error);
	fd = accept(listener, NULL, NULL);
	toward = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(toward, (struct sockaddr *)&address, sizeof address), 0);
	for (enum transport_step step = TRANSPORT_WAIT; step != TRANSPORT_DONE; step = transport_connect(t, &error)) {
		struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = toward, .events = POLLIN}};

		assert_int_not_equal(step, TRANSPORT_FAILED);
		assert_true(poll(fds, 2, 200) >= 0);
		for (int i = 0; i < 2; i++) {
			count = recv(fds[i].fd, bytes, sizeof bytes, MSG_DONTWAIT);
			if (count > 0)
				assert_int_equal(write(fds[1 - i].fd, bytes, (size_t)count), count);
		}
	}
	while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
	(void)close(listener);
	*fd_out = fd;
	*toward_out = toward;
	return t;
}

/* Our own close is one that the other side can tell from a cut. */
static void test_farewell(void **state)
{
	struct server server = server_start("ec", "");
	struct tls_settings settings = pinned(state, &server, "ec");
	unsigned char bytes[4096], last = 0;
	int fd, toward;
	struct transport *t = expect_open_between(settings, &fd, &toward);
	ssize_t count;

	transport_close(t);
	count = recv(fd, bytes, sizeof bytes, MSG_WAITALL);
	assert_true(count > 5);
	last = bytes[0];
	assert_true(last == 21 || last == 23); /* an alert; TLS 1.3 hides the type */
	assert_true(count < 64);
	(void)close(fd);
	(void)close(toward);
	server_stop(&server);
}

/* What was given up does not arrive later: a reset, no farewell, and what the peer's window had no room for is gone. */
static void test_abort(void **state)
{
	struct server server = server_start("ec", "");
	struct tls_settings settings = pinned(state, &server, "ec");
	char *bytes = make_pattern(MUCH_BYTES);
	size_t arrived[2] = {0, 0};

	for (int abort = 0; abort < 2; abort++) {
		int fd, toward, small = 4096;
		struct transport *t = expect_open_between(settings, &fd, &toward);
		struct pollfd end = {.fd = fd, .events = POLLIN};
		size_t taken;
		ssize_t count;

		assert_int_equal(setsockopt(transport_fd(t), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
		do /* until nothing more fits anywhere */
			assert_int_equal(transport_write(t, bytes, MUCH_BYTES, &taken, &error), 0);
		while (taken > 0);
		if (abort)
			transport_abort(t);
		else
			transport_close(t);
		while (poll(&end, 1, LIMIT_MS) == 1 && (count = recv(fd, bytes, MUCH_BYTES, 0)) > 0)
			arrived[abort] += (size_t)count;
		assert_int_equal(count, abort ? -1 : 0);
		if (abort)
			assert_int_equal(errno, ECONNRESET);
		(void)close(fd);
		(void)close(toward);
	}
	assert_true(arrived[1] > 0 && arrived[1] < arrived[0]);
	free(bytes);
	server_stop(&server);
}

/* A mebibyte there and back at the same time, through small socket buffers, read in odd sizes. */
static void test_much(void **state)
{
	static const char *const versions[] = {"--buffer 8000 --max 1.2", "--buffer 8000 --min 1.3"};
	char *bytes = make_pattern(MUCH_BYTES), *out = malloc(MUCH_BYTES);

	for (int i = engine_of(state) == TLS_BEARSSL ? 0 : 1; i >= 0; i--) {
		struct server server = server_start("rsa", versions[i]);
		struct tls_settings settings = pinned(state, &server, "rsa");
		struct transport *t = expect_open(&settings);
		struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
		size_t sent = 0, received = 0, blocked = 0;
		int small = 4096;

		assert_int_equal(setsockopt(transport_fd(t), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
		send_text(t, "echo\n");
		while (received < MUCH_BYTES) {
			size_t taken = 0, got;

			if (sent < MUCH_BYTES)
				assert_int_equal(transport_write(t, bytes + sent, MUCH_BYTES - sent, &taken, &error), 0);
			sent += taken;
			blocked += sent < MUCH_BYTES && taken == 0;
			assert_int_equal(transport_read(t, out + received, MUCH_BYTES - received, &got, &error), 0);
			received += got;
			if (got == 0)
				wait_for(t, limit, sent < MUCH_BYTES && taken > 0 ? POLLOUT : 0);
		}
		assert_memory_equal(bytes, out, MUCH_BYTES);
		assert_true(blocked > 0);
		transport_close(t);
		server_stop(&server);
	}
	free(bytes);
	free(out);
}

/* The peer takes nothing: writes stop being taken, and what is offered next time may be other bytes than the refused ones. */
static void test_blocked(void **state)
{
	struct server server = server_start("ec", "--buffer 8000");
	struct tls_settings settings = pinned(state, &server, "ec");
	struct transport *t = expect_open(&settings);
	char *bytes = make_pattern(MUCH_BYTES), line[40];
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
	int small = 4096;
	size_t sent = 0, taken;

	assert_int_equal(setsockopt(transport_fd(t), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	(void)snprintf(line, sizeof line, "take %d\n", MUCH_BYTES);
	send_text(t, line);
	(void)kill(server.pid, SIGSTOP);
	do { /* until it is full */
		assert_int_equal(transport_write(t, bytes + sent, MUCH_BYTES - sent, &taken, &error), 0);
		sent += taken;
	} while (taken > 0);
	assert_true(sent < MUCH_BYTES);
	assert_int_equal(transport_write(t, "other bytes that nobody takes", 20, &taken, &error), 0);
	assert_int_equal(taken, 0);
	assert_true((transport_events(t) & POLLOUT) != 0);
	(void)kill(server.pid, SIGCONT);
	while (sent < MUCH_BYTES) {
		size_t piece = MUCH_BYTES - sent < 5003 ? MUCH_BYTES - sent : 5003;

		assert_int_equal(transport_write(t, bytes + sent, piece, &taken, &error), 0);
		sent += taken;
		if (taken == 0)
			wait_for(t, limit, 0);
	}
	expect_line(t, "good\n");
	transport_close(t);
	free(bytes);
	server_stop(&server);
}

/* Closing while the socket is full neither waits nor leaks. */
static void test_close_blocked(void **state)
{
	struct server server = server_start("ec", "--buffer 8000");
	struct tls_settings settings = pinned(state, &server, "ec");
	struct transport *t = expect_open(&settings);
	char *bytes = make_pattern(MUCH_BYTES);
	struct mono start;
	size_t taken;

	send_text(t, "take 10000000\n"); /* so that it does not hang up before it is stopped */
	(void)kill(server.pid, SIGSTOP);
	do
		assert_int_equal(transport_write(t, bytes, MUCH_BYTES, &taken, &error), 0);
	while (taken > 0);
	start = clock_now();
	transport_close(t);
	assert_true(mono_diff_ms(clock_now(), start) < 1000);
	free(bytes);
	server_stop(&server);
}

/* The server's bytes come in pieces of a few. */
static void test_dribble(void **state)
{
	struct server server = server_start("rsa", "--dribble");
	struct tls_settings settings = pinned(state, &server, "rsa");
	struct transport *t = expect_open(&settings);
	char out[5000];
	size_t length;

	send_text(t, "send 5000\n");
	assert_int_equal(receive(t, out, sizeof out, &length), 0);
	check_pattern(out, length);
	expect_end(t, true);
	transport_close(t);
	server_stop(&server);
}

/* --- cases: the server side --- */

static struct tls_identity *load_identity(const char *name)
{
	char certificate[100], key[100];
	struct tls_identity *identity;

	(void)snprintf(certificate, sizeof certificate, "%s/%s.pem", folder, name);
	(void)snprintf(key, sizeof key, "%s/%s.key", folder, name);
	error_clear(&error);
	identity = tls_identity_load(certificate, key, &error);
	if (!identity)
		(void)fprintf(stderr, "# %s | %s\n", error.what, error.next);
	assert_non_null(identity);
	return identity;
}

static void expect_no_identity(const char *certificate, const char *key, const char *words)
{
	error_clear(&error);
	assert_null(tls_identity_load(in_folder(certificate), in_folder(key), &error));
	told();
	assert_string_equal(error_name(error.code), "config");
	assert_non_null(strstr(error.what, words));
}

static void test_identity(void **state)
{
	tls_identity_free(load_identity("rsa"));
	tls_identity_free(load_identity("ec"));
	tls_identity_free(NULL);
	expect_no_identity("missing.pem", "ec.key", "cannot open");
	expect_no_identity("ec.pem", "missing.key", "cannot open");
	expect_no_identity("garbage.pem", "ec.key", "cannot be read");
	assert_int_equal(chmod(in_folder("empty.pem"), 0600), 0);
	expect_no_identity("ec.pem", "empty.pem", "cannot be read");
	expect_no_identity("ec.pem", "rsa.key", "is not the one");
	expect_no_identity("long.pem", "long.key", "can be sent");
	assert_int_equal(chmod(in_folder("future.key"), 0644), 0);
	expect_no_identity("future.pem", "future.key", "open to other users");
	assert_int_equal(chmod(in_folder("future.key"), 0600), 0);
}

static int accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* One of our engines as the client, in the same thread. */
static void test_accept_ours(void **state)
{
	static const char *const names[] = {"ec", "rsa"};

	for (int i = 0; i < 2; i++) {
		struct tls_identity *identity = load_identity(names[i]);
		unsigned port;
		int listener = listen_local(&port);
		struct tls_settings settings = settings_for(state, port);
		struct transport *client, *server;
		enum transport_step a, b;
		char *bytes = make_pattern(MUCH_BYTES), *out = malloc(MUCH_BYTES);
		size_t sent = 0, received = 0, taken, got;

		settings.host = "127.0.0.1";
		settings.trust = TLS_TRUST_PINS;
		settings.pins[0] = pin_of(names[i]);
		settings.pin_count = 1;
		client = open_tls(&settings);
		(void)transport_connect(client, &error);
		server = tls_accept(identity, accept_one(listener), NULL, &error);
		assert_non_null(server);
		do {
			struct pollfd fds[] = {{.fd = transport_fd(client), .events = transport_events(client)}, {.fd = transport_fd(server), .events = POLLIN}};

			assert_true(poll(fds, 2, 10) >= 0);
			a = transport_connect(client, &error);
			b = transport_connect(server, &error);
		} while ((a == TRANSPORT_WAIT || b == TRANSPORT_WAIT) && a != TRANSPORT_FAILED && b != TRANSPORT_FAILED);
		if (a != TRANSPORT_DONE || b != TRANSPORT_DONE)
			(void)fprintf(stderr, "# %d %d %s | %s\n", a, b, error.what, error.next);
		assert_int_equal(a, TRANSPORT_DONE);
		assert_int_equal(b, TRANSPORT_DONE);
		assert_string_equal(report.version, engine_of(state) == TLS_BEARSSL ? "1.2" : "1.3");
		while (received < MUCH_BYTES) {
			taken = 0;
			if (sent < MUCH_BYTES)
				assert_int_equal(transport_write(client, bytes + sent, MUCH_BYTES - sent, &taken, &error), 0);
			sent += taken;
			assert_int_equal(transport_read(server, out + received, MUCH_BYTES - received, &got, &error), 0);
			received += got;
			assert_int_equal(transport_read(client, out, 0, &got, &error), 0); /* lets it send what waits */
		}
		assert_memory_equal(bytes, out, MUCH_BYTES);
		send_text(server, "answer\n");
		expect_line(client, "answer\n");
		transport_close(server);
		expect_end(client, true);
		transport_close(client);
		tls_identity_free(identity);
		(void)close(listener);
		free(bytes);
		free(out);
	}
}

static void test_accept_python(void **state)
{
	static const char *const versions[] = {"1.2", "1.3"};
	struct tls_identity *identity = load_identity("rsa");
	unsigned port;
	int listener = listen_local(&port);

	for (int i = 0; i < 2; i++) {
		char options[100], line[200], *got_line = malloc(101000);
		size_t length;
		struct server python;
		struct transport *t;

		(void)snprintf(options, sizeof options, "connect --port %u --min %s --max %s", port, versions[i], versions[i]);
		python = peer_start(options);
		error_clear(&error);
		t = tls_accept(identity, accept_one(listener), NULL, &error);
		assert_non_null(t);
		assert_int_equal(handshake(t, LIMIT_MS), TRANSPORT_DONE);
		assert_int_equal(receive(t, got_line, 6 + 100000 + 1, &length), 0);
		assert_memory_equal(got_line, "hello ", 6);
		assert_int_equal(got_line[6 + 100000], '\n');
		send_text(t, "welcome\n");
		assert_non_null(fgets(line, sizeof line, python.from));
		assert_string_equal(line, i == 0 ? "TLSv1.2 welcome\n" : "TLSv1.3 welcome\n");
		assert_int_equal(receive(t, got_line, 1, &length), -1);
		assert_non_null(strstr(error.what, "ended the TLS session"));
		assert_non_null(strstr(error.what, "127.0.0.1"));
		transport_close(t);
		server_stop(&python);
		free(got_line);
	}
	(void)close(listener);
	tls_identity_free(identity);
}

/* Clients without TLS, with TLS 1.1, or that go away. */
static void test_accept_strangers(void **state)
{
	static const char *const says[] = {"<14>1 a syslog line without TLS\n", "", "\x16\x03\x01"};
	static const char *const words[] = {"does not speak TLS", "closed the connection", "closed the connection"};
	struct tls_identity *identity = load_identity("ec");
	char options[100];
	struct server python;
	struct transport *t;
	unsigned port;
	int listener = listen_local(&port);

	for (size_t i = 0; i < 3; i++) {
		struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
		assert_int_equal(write(fd, says[i], strlen(says[i])), (ssize_t)strlen(says[i]));
		(void)shutdown(fd, SHUT_WR);
		error_clear(&error);
		t = tls_accept(identity, accept_one(listener), NULL, &error);
		assert_int_equal(handshake(t, LIMIT_MS), TRANSPORT_FAILED);
		told();
		assert_non_null(strstr(error.what, words[i]));
		transport_close(t);
		(void)close(fd);
	}
	(void)snprintf(options, sizeof options, "connect --port %u --min 1.1 --max 1.1 --ciphers ALL", port); /* says its version and waits */
	python = peer_start(options);
	error_clear(&error);
	t = tls_accept(identity, accept_one(listener), NULL, &error);
	assert_int_equal(handshake(t, LIMIT_MS), TRANSPORT_FAILED);
	told();
	assert_non_null(strstr(error.what, "version"));
	transport_close(t);
	server_stop(&python);
	(void)close(listener);
	tls_identity_free(identity);
}

/* --- */

static int setup(void **state)
{
	struct server maker;
	char options[100], line[200];

	(void)alarm(280);
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(options, sizeof options, "make %s", folder);
	maker = peer_start(options);
	while (key_count < KEYS_MAX && fgets(line, sizeof line, maker.from)) {
		assert_int_equal(sscanf(line, "%31s %52s", keys[key_count].name, keys[key_count].pin), 2);
		key_count++;
	}
	server_stop(&maker);
	return key_count > 5 ? 0 : -1;
}

static int teardown(void **state)
{
	struct dirent *entry;
	DIR *directory = opendir(folder);

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			(void)unlink(in_folder(entry->d_name));
	if (directory)
		(void)closedir(directory);
	return rmdir(folder);
}

static enum tls_engine bearssl = TLS_BEARSSL, mbedtls = TLS_MBEDTLS;

#define BOTH(function) {#function "_bearssl", function, NULL, NULL, &bearssl}, {#function "_mbedtls", function, NULL, NULL, &mbedtls}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_pin),
		BOTH(test_pins),
		BOTH(test_several_pins),
		BOTH(test_wrong_pin),
		BOTH(test_stolen_certificate),
		BOTH(test_report),
		BOTH(test_bad_settings),
		BOTH(test_ca),
		BOTH(test_ca_refused),
		BOTH(test_ca_address),
		BOTH(test_ca_nul_in_name),
		BOTH(test_ca_expired),
		BOTH(test_ca_use),
		BOTH(test_versions),
		BOTH(test_ciphers),
		BOTH(test_client_certificate_asked),
		BOTH(test_large_certificate),
		BOTH(test_refused),
		BOTH(test_no_tls),
		BOTH(test_cut),
		BOTH(test_flipped),
		BOTH(test_damaged),
		BOTH(test_stall),
		BOTH(test_ends),
		BOTH(test_renegotiation),
		BOTH(test_ends_at_once),
		BOTH(test_farewell),
		BOTH(test_abort),
		BOTH(test_much),
		BOTH(test_blocked),
		BOTH(test_close_blocked),
		BOTH(test_dribble),
		cmocka_unit_test(test_identity),
		BOTH(test_accept_ours),
		cmocka_unit_test(test_accept_python),
		cmocka_unit_test(test_accept_strangers),
	};

	(void)signal(SIGPIPE, SIG_DFL);
	if (getenv("DRR_TEST_FILTER"))
		cmocka_set_test_filter(getenv("DRR_TEST_FILTER"));
	return cmocka_run_group_tests(tests, setup, teardown);
}
