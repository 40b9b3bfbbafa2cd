/* The HTTPS server against https_peer.py (OpenSSL through Python) in the roles of good, bad, slow and many clients. */
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

#include <dirent.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/https_server.h"
#include "program.h"

enum { ARGUMENTS_MAX = 32, FILE_MAX_BYTES = 65536, BIG_BYTES = 1000000, NO_JAIL = 77 };

static char folder[] = "/tmp/test_https.XXXXXX";
static struct error error;

static const char *in_folder(const char *name)
{
	static char paths[4][300];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	(void)snprintf(path, sizeof *paths, "%s/%s", folder, name);
	return path;
}

/* --- the other side */

struct peer {
	pid_t pid;
	int to;
	FILE *from;
};

/* FORMAT: the words of https_peer.py. */
static struct peer peer_start(const char *format, ...)
{
	const char *arguments[ARGUMENTS_MAX] = {"/usr/bin/python3", "-Wignore", DRR_TESTS_DIR "/unit/https_peer.py"};
	char copy[512];
	int count = 3;
	struct peer peer = {0};
	va_list list;

	va_start(list, format);
	(void)vsnprintf(copy, sizeof copy, format, list);
	va_end(list);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		arguments[count++] = word;
	peer.pid = program_start(arguments, &peer.to, &peer.from);
	return peer;
}

static void peer_stop(struct peer *peer)
{
	(void)close(peer->to);
	(void)fclose(peer->from);
	(void)kill(peer->pid, SIGKILL);
	(void)waitpid(peer->pid, NULL, 0);
}

/* The next line is EXPECTED. */
static void says(struct peer *peer, const char *expected)
{
	char line[1200];

	if (!fgets(line, sizeof line, peer->from))
		fail_msg("the end, not: %s", expected);
	line[strcspn(line, "\n")] = '\0';
	assert_string_equal(line, expected);
}

static void tell(struct peer *peer, const char *line)
{
	assert_int_equal(write(peer->to, line, strlen(line)), (ssize_t)strlen(line));
}

/* It said all that it had to say. */
static void ends(struct peer *peer)
{
	char line[1200];

	if (fgets(line, sizeof line, peer->from))
		fail_msg("not the end, but: %s", line);
	peer_stop(peer);
}

/* --- our side */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int waiting;
static bool released;

static void wait_for(int count)
{
	(void)pthread_mutex_lock(&lock);
	while (waiting != count)
		(void)pthread_cond_wait(&changed, &lock);
	(void)pthread_mutex_unlock(&lock);
}

static void set_released(bool value)
{
	(void)pthread_mutex_lock(&lock);
	released = value;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
}

/* A handler that waits, where it may, until it is released. */
static void long_poll(const struct https_request *request, struct https_response *response)
{
	response->status = request->may_wait ? 200 : 429;
	if (!request->may_wait)
		return;
	(void)pthread_mutex_lock(&lock);
	waiting++;
	(void)pthread_cond_broadcast(&changed);
	while (!released)
		(void)pthread_cond_wait(&changed, &lock);
	waiting--;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
}

static void set_body(struct https_response *response, char *body, size_t count_bytes)
{
	response->status = 200;
	response->content_type = "text/plain";
	response->body = body;
	response->body_bytes = count_bytes;
	response->release = free;
}

/* What was asked, as one line. */
static void echo(const struct https_request *request, struct https_response *response)
{
	static const char *const kinds[] = {"cn", "dns", "uri"};
	char *body = NULL;
	size_t size = 0;
	FILE *text = open_memstream(&body, &size);

	(void)fprintf(text, "%s %s?%s %zu%s %s", request->method, request->path, request->query, request->body_bytes,
		      strlen(request->body) == request->body_bytes ? "" : "!", request->local ? "local" : "remote");
	if (!request->local)
		(void)fprintf(text, " %s %s", request->peer, request->tls);
	for (unsigned i = 0; i < request->name_count; i++)
		(void)fprintf(text, " %s=%s", kinds[request->names[i].kind], request->names[i].text);
	(void)fclose(text);
	set_body(response, body, size);
}

static void handle(void *context, const struct https_request *request, struct https_response *response)
{
	assert_ptr_equal(context, &error);
	if (strncmp(request->path, "/echo", 5) == 0) {
		echo(request, response);
	} else if (strcmp(request->path, "/wait") == 0) {
		long_poll(request, response);
	} else if (strcmp(request->path, "/big") == 0) {
		set_body(response, memset(malloc(BIG_BYTES), 'b', BIG_BYTES), BIG_BYTES);
	} else if (strcmp(request->path, "/toobig") == 0) {
		set_body(response, calloc(1, HTTPS_RESPONSE_MAX_BYTES + 1), HTTPS_RESPONSE_MAX_BYTES + 1);
	} else if (strcmp(request->path, "/empty") == 0) {
		response->status = 204;
	} else if (strcmp(request->path, "/extras") == 0) {
		*response = (struct https_response){.status = 202, .retry_after_s = 7, .location = "/v1/steps/1", .allow = "GET, HEAD", .content_type = "text/x",
						    .body = (char *)(uintptr_t)"static", .body_bytes = 6};
	} else if (strcmp(request->path, "/split") == 0) {
		*response = (struct https_response){.status = 201, .location = "/a\r\nEvil: yes"};
	} else if (strcmp(request->path, "/none") != 0) {
		response->status = 404;
	}
}

static struct texts {
	char bytes[3][FILE_MAX_BYTES];
	struct https_identity identity;
} texts;

static size_t slurp(const char *name, const char *suffix, char *to)
{
	char path[300];
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	got = read(fd, to, FILE_MAX_BYTES);
	assert_true(got >= 0);
	(void)close(fd);
	return (size_t)got;
}

static const struct https_identity *identity_of(const char *certificate, const char *key, const char *ca)
{
	texts.identity = (struct https_identity){
		texts.bytes[0], slurp(certificate, ".pem", texts.bytes[0]), texts.bytes[1], slurp(key, ".key", texts.bytes[1]),
		texts.bytes[2], slurp(ca, ".pem", texts.bytes[2]),
	};
	return &texts.identity;
}

static struct https_settings settings_new(void)
{
	return (struct https_settings){.listens = {"127.0.0.1:0"}, .listen_count = 1, .unix_gid = (gid_t)-1, .connections_max = 32, .handler = handle,
				       .context = &error};
}

static struct https_server *start_with(const struct https_settings *settings)
{
	struct https_server *server;

	error_clear(&error);
	set_released(false);
	server = https_server_start(settings, identity_of("server", "server", "cas"), &error);
	if (!server)
		fail_msg("%s", error.what);
	return server;
}

static struct https_server *start(void)
{
	struct https_settings settings = settings_new();

	return start_with(&settings);
}

static struct https_counts counts_of(struct https_server *server)
{
	struct https_counts counts;

	https_server_counts(server, &counts);
	return counts;
}

static struct peer call(const char *what, struct https_server *server, const char *arguments)
{
	return peer_start("%s %s %u %s", what, folder, https_server_port(server, 0), arguments);
}

/* --- cases */

static const char *const good_ones[] = {
	"good 1.2 200 GET /echo? 0 remote 127.0.0.1 1.2 cn=ops",
	"good 1.3 200 GET /echo? 0 remote 127.0.0.1 1.3 cn=ops",
	"rsa 1.2 200 GET /echo? 0 remote 127.0.0.1 1.2 cn=ops",
	"rsa 1.3 200 GET /echo? 0 remote 127.0.0.1 1.3 cn=ops",
	"alone 1.2 200 GET /echo? 0 remote 127.0.0.1 1.2 cn=alone",
	"alone 1.3 200 GET /echo? 0 remote 127.0.0.1 1.3 cn=alone",
	"old 1.2 200 GET /echo? 0 remote 127.0.0.1 1.2 cn=old",
	"old 1.3 200 GET /echo? 0 remote 127.0.0.1 1.3 cn=old",
	"names 1.2 200 GET /echo? 0 remote 127.0.0.1 1.2 cn=one cn=two dns=gw1.example uri=spiffe://drr/op",
	"names 1.3 200 GET /echo? 0 remote 127.0.0.1 1.3 cn=one cn=two dns=gw1.example uri=spiffe://drr/op",
	"hostile-names 1.2 200 GET /echo? 0 remote 127.0.0.1 1.2 cn=fine",
	"hostile-names 1.3 200 GET /echo? 0 remote 127.0.0.1 1.3 cn=fine",
};

static void test_certificates_good(void **state)
{
	struct https_server *server = start();
	struct peer peer = call("matrix", server, "good rsa alone old names hostile-names many-names");
	char line[1200];
	unsigned names = 0;

	for (size_t i = 0; i < sizeof good_ones / sizeof *good_ones; i++)
		says(&peer, good_ones[i]);
	for (int i = 0; i < 2; i++) {
		assert_non_null(fgets(line, sizeof line, peer.from));
		assert_non_null(strstr(line, "cn=n15\n"));
	}
	for (const char *at = line; (at = strstr(at, "cn=")) != NULL; at++)
		names++;
	assert_int_equal(names, HTTPS_NAMES_MAX);
	ends(&peer);
	assert_int_equal(counts_of(server).verified, 14);
	assert_int_equal(counts_of(server).requests, 14);
	assert_int_equal(counts_of(server).refused_bad_certificate + counts_of(server).refused_handshake, 0);
	https_server_stop(server);
}

static char refusals[2000];

static void hear_refused(void *context, const char *peer, const char *why)
{
	size_t used = strlen(refusals);

	(void)context;
	assert_string_equal(peer, "127.0.0.1");
	(void)snprintf(refusals + used, sizeof refusals - used, "%s\n", why);
}

static unsigned times(const char *word)
{
	unsigned count = 0;

	for (const char *at = refusals; (at = strstr(at, word)) != NULL; at++)
		count++;
	return count;
}

static void test_certificates_bad(void **state)
{
	static const char *const names[] = {"none", "for-servers", "expired", "future", "foreign", "pretender", "foreign-alone", "by-leaf", "by-old", "stolen"};
	struct https_settings settings = settings_new();
	struct https_server *server;
	struct peer peer;
	char line[300], expected[100];

	settings.refused = hear_refused;
	server = start_with(&settings);
	peer = call("matrix", server, "none for-servers expired future foreign pretender foreign-alone by-leaf by-old stolen");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		for (int version = 2; version <= 3; version++) {
			assert_non_null(fgets(line, sizeof line, peer.from));
			(void)snprintf(expected, sizeof expected, "%s 1.%d refused", names[i], version);
			if (strncmp(line, expected, strlen(expected)) != 0)
				fail_msg("%s", line);
		}
	ends(&peer);
	assert_int_equal(counts_of(server).verified, 0);
	assert_int_equal(counts_of(server).requests, 0);
	assert_int_equal(counts_of(server).refused_no_certificate, 2);
	assert_int_equal(counts_of(server).refused_bad_certificate, 16);
	assert_int_equal(counts_of(server).refused_handshake, 2); /* a signature that does not fit */
	https_server_stop(server);
	assert_int_equal(times("showed no certificate\n"), 2);
	assert_int_equal(times("not one for clients\n"), 2);
	assert_int_equal(times("has expired"), 2);
	assert_int_equal(times("not valid yet"), 2);
	assert_int_equal(times("nothing in client_ca"), 10); /* foreign, pretender, foreign-alone, by-leaf, by-old */
}

static void test_versions(void **state)
{
	struct https_server *server = start();
	struct peer peer = call("versions", server, "");
	char line[300];

	assert_non_null(fgets(line, sizeof line, peer.from));
	assert_memory_equal(line, "1.1 refused", 11);
	says(&peer, "ECDHE-ECDSA-AES128-SHA256 refused");
	says(&peer, "AES128-GCM-SHA256 refused");
	says(&peer, "ECDHE-ECDSA-AES256-SHA refused");
	says(&peer, "DHE-RSA-AES128-GCM-SHA256 refused");
	says(&peer, "ECDHE-ECDSA-AES128-CCM refused");
	says(&peer, "ECDHE-ECDSA-AES256-GCM-SHA384"); /* the server's order */
	says(&peer, "1.2 200 not resumed");
	says(&peer, "1.3 200 not resumed");
	ends(&peer);
	https_server_stop(server);
}

static void test_requests(void **state)
{
	struct https_server *server = start();
	struct peer peer = call("requests", server, "");

#define ECHOED " remote 127.0.0.1 1.3 cn=ops"
	says(&peer, "200 GET /echo/a%20b?x=%20y 0" ECHOED);
	says(&peer, "200 GET /echo/b? 0" ECHOED);
	says(&peer, "200 POST /echo? 16384" ECHOED);
	says(&peer, "200 PUT /echo? 3" ECHOED);
	says(&peer, "200 DELETE /echo? 0" ECHOED);
	says(&peer, "200 41");
	says(&peer, "204 None");
	says(&peer, "500");
	says(&peer, "202 static 7 /v1/steps/1 GET, HEAD text/x");
	says(&peer, "201 None None");
	says(&peer, "cache-control connection content-length x-content-type-options"); /* no server, no version */
	says(&peer, "1000004");
	says(&peer, "500");
	says(&peer, "200 GET /echo/1? 0" ECHOED);
	says(&peer, "200 POST /echo/2? 2" ECHOED);
	says(&peer, "200 GET /echo/3? 0" ECHOED);
	says(&peer, "200 POST /echo? 3" ECHOED);
	says(&peer, "100");
	says(&peer, "200 POST /echo? 3" ECHOED);
	says(&peer, "200 GET /echo? 0" ECHOED " closed");
	says(&peer, "200 GET /echo? 0" ECHOED " closed");
	ends(&peer);
	assert_int_equal(counts_of(server).verified, 2);
	https_server_stop(server);
}

static void test_bad_requests(void **state)
{
	static const char *const lines[] = {
		"head of 8192: 200 GET /echo? 0" ECHOED, "head of 8193: 431 Request Header Fields Too Large", "endless head: 431 Request Header Fields Too Large",
		"endless line: 431 Request Header Fields Too Large", "body of 16385: 413 Content Too Large", "body of 9 EB: 413 Content Too Large",
		"chunks: 411 Length Required", "folded chunks: 400 Bad Request",
		"folded length: 400 Bad Request", "blank before colon: 400 Bad Request", "no name: 400 Bad Request", "two lengths: 400 Bad Request", "length -1: 400 Bad Request",
		"length +1: 400 Bad Request",
		"length 1,1: 400 Bad Request", "length empty: 400 Bad Request", "expects more: 417 Expectation Failed", "a NUL: 400 Bad Request",
		"HTTP/2.0: 505 HTTP Version Not Supported", "HTTP/0.9: 400 Bad Request", "no method: 400 Bad Request", "other method: 400 Bad Request",
		"asterisk: 400 Bad Request", "no slash: 400 Bad Request", "absolute: 400 Bad Request", "above the root: 404",
		"upgrade: 200 GET /echo? 0" ECHOED, "200 fields: 431 Request Header Fields Too Large",
	};
	struct https_server *server = start();
	struct peer peer = call("bad_requests", server, "");

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		says(&peer, lines[i]);
	ends(&peer);
	assert_int_equal(counts_of(server).requests, 3);
	assert_int_equal(counts_of(server).refused_oversize, 6);
	assert_int_equal(counts_of(server).refused_bad_request, 19);
	https_server_stop(server);
}

static void test_slow(void **state)
{
	struct https_settings settings = settings_new();
	struct https_server *server;
	struct peer peer;

	settings.idle_ms = 1000;
	server = start_with(&settings);
	peer = call("slow", server, "");
	says(&peer, "after a request: closed");
	says(&peer, "half a hello: closed");
	says(&peer, "no body: 408 Request Timeout");
	says(&peer, "no end of head: 408 Request Timeout");
	says(&peer, "no request: closed");
	says(&peer, "silent: closed");
	says(&peer, "slow body: 408 Request Timeout");
	says(&peer, "slow head: 408 Request Timeout");
	says(&peer, "slow hello: closed");
	says(&peer, "takes nothing: cut");
	ends(&peer);
	assert_int_equal(counts_of(server).refused_timeout, 3);
	assert_int_equal(counts_of(server).refused_slow, 5);
	https_server_stop(server);
}

/* What cannot be an identity is refused, and named. */
static void test_identity_bad(void **state)
{
	static const struct {
		const char *certificate, *key, *ca, *words;
	} cases[] = {
		{"empty", "server", "ca", "certificate: it is empty"},
		{"garbage", "server", "ca", "certificate: it cannot be read as certificates"},
		{"long", "good", "ca", "certificate: it has"},
		{"server", "alone", "ca", "key: it is not the one of the certificate"},
		{"server", "rsa", "ca", "key: it is not the one of the certificate"},
		{"server", "server", "empty", "client_ca: it is empty"},
		{"server", "server", "garbage", "client_ca: it cannot be read as certificates"},
		{"server", "server", "costly", "client_ca: 1 of its certificates cannot be read"}, /* an exponent that makes each signature slow */
		{"server", "server", "half", "client_ca: 1 of its certificates cannot be read"},
	};
	struct https_server *server = start();
	struct https_identity identity;
	struct peer peer = call("keep", server, "");
	int64_t ends_s;

	tell(&peer, "\n");
	says(&peer, "200 ec");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		error_clear(&error);
		assert_int_equal(https_server_set_identity(server, identity_of(cases[i].certificate, cases[i].key, cases[i].ca), &error), -1);
		assert_int_equal(error.code, ERROR_CONFIG);
		if (!strstr(error.what, cases[i].words))
			fail_msg("%s", error.what);
	}
	identity = *identity_of("server", "server", "ca");
	identity.key_pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
	identity.key_bytes = strlen(identity.key_pem);
	error_clear(&error);
	assert_int_equal(https_identity_check(&identity, &ends_s, &error), -1);
	assert_non_null(strstr(error.what, "key: it cannot be read"));
	error_clear(&error);
	assert_int_equal(https_identity_check(identity_of("server", "server", "ca"), &ends_s, &error), 0);
	assert_int_equal(ends_s, 1898596801); /* 2030-03-01T12:00:01Z */
	assert_int_equal(counts_of(server).not_after_s, 1898596801);
	tell(&peer, "new\n");
	says(&peer, "200 ec");
	peer_stop(&peer);
	https_server_stop(server);
}

static void test_reload(void **state)
{
	struct https_server *server = start();
	struct peer peer = call("keep", server, ""), gone = call("keep", server, "");

	tell(&peer, "\n");
	says(&peer, "200 ec");
	tell(&gone, "\n");
	says(&gone, "200 ec");
	/* Another certificate of ours: who is there stays, who comes sees it. */
	assert_int_equal(https_server_set_identity(server, identity_of("server-rsa", "server-rsa", "ca"), &error), 0);
	assert_true(counts_of(server).not_after_s != 1898596801);
	tell(&peer, "\n");
	says(&peer, "200 ec");
	tell(&peer, "new\n");
	says(&peer, "200 rsa");
	assert_int_equal(counts_of(server).verified, 3);
	/* Other clients: nobody of before has a place, in a new connection or an old one. */
	assert_int_equal(https_server_set_identity(server, identity_of("server", "server", "other-ca"), &error), 0);
	tell(&gone, "\n");
	says(&gone, "refused");
	tell(&peer, "new\n");
	says(&peer, "refused");
	peer_stop(&peer);
	peer_stop(&gone);
	peer = call("matrix", server, "good other-good");
	says(&peer, "good 1.2 refused TLSV1_ALERT_UNKNOWN_CA");
	says(&peer, "good 1.3 refused TLSV1_ALERT_UNKNOWN_CA");
	says(&peer, "other-good 1.2 200 GET /echo? 0 remote 127.0.0.1 1.2 cn=ops");
	says(&peer, "other-good 1.3 200 GET /echo? 0 remote 127.0.0.1 1.3 cn=ops");
	ends(&peer);
	/* Two at once, then the first again. */
	assert_int_equal(https_server_set_identity(server, identity_of("server", "server", "ca"), &error), 0);
	assert_int_equal(https_server_set_identity(server, identity_of("server", "server", "other-ca"), &error), 0);
	assert_int_equal(https_server_set_identity(server, identity_of("server", "server", "ca"), &error), 0);
	peer = call("matrix", server, "good");
	says(&peer, good_ones[0]);
	says(&peer, good_ones[1]);
	ends(&peer);
	https_server_stop(server);
}

static void test_connections_max(void **state)
{
	struct https_settings settings = settings_new();
	struct https_server *server;
	struct peer peer;

	settings.connections_max = 2;
	server = start_with(&settings);
	peer = call("full", server, "");
	says(&peer, "200 200");
	says(&peer, "200 200");
	says(&peer, "True"); /* the one that was idle for longest made room */
	says(&peer, "waiting");
	wait_for(2);
	tell(&peer, "\n");
	says(&peer, "503 5");
	says(&peer, "full");
	set_released(true);
	tell(&peer, "\n");
	says(&peer, "200 200");
	ends(&peer);
	assert_int_equal(counts_of(server).refused_too_many, 1);
	https_server_stop(server);
}

static void test_waiters(void **state)
{
	struct https_server *server = start();
	struct peer peer = call("waiters", server, "");

	says(&peer, "waiting");
	wait_for(HTTPS_WAITERS_MAX);
	tell(&peer, "\n");
	says(&peer, "429 200");
	set_released(true);
	tell(&peer, "\n");
	says(&peer, "200 200 200 200");
	ends(&peer);
	https_server_stop(server);
}

static void test_flood(void **state)
{
	struct https_server *server = start();
	struct peer peer = call("flood", server, "");
	struct https_counts counts;

	says(&peer, "many most 20");
	ends(&peer);
	counts = counts_of(server);
	assert_true(counts.refused_handshake > 0);
	assert_true(counts.refused_bad_certificate > 0);
	assert_true(counts.pending_now <= HTTPS_PENDING_MAX);
	https_server_stop(server);
}

static void test_strangers(void **state)
{
	struct https_server *server = start();
	struct peer peer = call("strangers", server, "");

	says(&peer, "plain closed");
	says(&peer, "noise closed");
	says(&peer, "record closed");
	ends(&peer);
	assert_int_equal(counts_of(server).refused_handshake, 3);
	https_server_stop(server);
}

static void test_unix(void **state)
{
	struct https_settings settings = settings_new();
	struct https_server *server;
	struct stat status;
	struct peer peer;

	settings.unix_path = in_folder("socket");
	settings.unix_gid = getgid();
	for (int with = 1; with >= 0; with--) { /* with and without an endpoint beside it */
		error_clear(&error);
		settings.listen_count = (unsigned)with;
		server = https_server_start(&settings, with ? identity_of("server", "server", "ca") : NULL, &error);
		assert_non_null(server);
		assert_int_equal(lstat(settings.unix_path, &status), 0);
		assert_true(S_ISSOCK(status.st_mode));
		assert_int_equal(status.st_mode & 07777, 0660);
		peer = peer_start("unix %s %s", folder, settings.unix_path);
		says(&peer, "200 GET /echo? 0 local");
		says(&peer, "200 POST /echo? 3 local");
		says(&peer, "1000004");
		ends(&peer);
		assert_int_equal(counts_of(server).verified, 1);
		error_clear(&error);
		assert_null(https_server_start(&settings, with ? identity_of("server", "server", "ca") : NULL, &error)); /* the file is there */
		assert_int_equal(error.code, ERROR_CONFIG);
		assert_non_null(strstr(error.what, "in use"));
		https_server_stop(server);
		assert_int_equal(unlink(settings.unix_path), 0);
	}
}

static void test_listens_bad(void **state)
{
	static const char *const bad[] = {"127.0.0.1", "::1:80", "[::1]", "[::1:80", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", ":80", "localhost:0",
					  "192.0.2.1:0", "*:"};
	struct https_settings settings = settings_new();
	struct https_server *server = start(), *other;
	char taken[32];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		settings.listens[0] = bad[i];
		error_clear(&error);
		assert_null(https_server_start(&settings, identity_of("server", "server", "ca"), &error));
		assert_int_equal(error.code, ERROR_CONFIG);
		assert_non_null(strstr(error.what, bad[i]));
	}
	(void)snprintf(taken, sizeof taken, "127.0.0.1:%u", https_server_port(server, 0));
	settings.listens[0] = "127.0.0.1:0";
	settings.listens[1] = taken;
	settings.listen_count = 2;
	error_clear(&error);
	assert_null(https_server_start(&settings, identity_of("server", "server", "ca"), &error));
	assert_non_null(strstr(error.what, "in use"));
	settings.listens[1] = "*:0";
	error_clear(&error);
	other = https_server_start(&settings, identity_of("server", "server", "ca"), &error); /* two servers in one process */
	assert_non_null(other);
	assert_true(https_server_port(other, 0) != https_server_port(other, 1));
	https_server_stop(server);
	https_server_stop(other);
}

static void *stop(void *server)
{
	https_server_stop(server);
	return NULL;
}

/* Stopping ends idle connections at once and lets a handler finish. */
static void test_stop(void **state)
{
	struct https_server *server = start();
	struct peer peer = call("wait", server, "");
	pthread_t thread;

	says(&peer, "waiting");
	wait_for(1);
	assert_int_equal(pthread_create(&thread, NULL, stop, server), 0);
	says(&peer, "closed");
	says(&peer, "closed");
	set_released(true);
	(void)pthread_join(thread, NULL);
	ends(&peer);
	for (int i = 0; i < 20; i++)
		https_server_stop(start());
	https_server_stop(NULL);
}

/* Started, and then nothing but what the header says may be needed. */
static void jailed(int to)
{
	static const int allowed[] = {
		SYS_accept4, SYS_ppoll, SYS_read, SYS_recvfrom, SYS_sendto, SYS_shutdown, SYS_close, SYS_setsockopt, SYS_getsockopt,
		SYS_getpeername, SYS_futex,
		SYS_clock_gettime, SYS_getrandom, SYS_getpid, SYS_nanosleep, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect,
		SYS_clock_nanosleep, SYS_write, SYS_rt_sigprocmask,
		SYS_exit, SYS_exit_group, SYS_restart_syscall, SYS_getsockname,
#ifdef SYS_poll
		SYS_poll,
#endif
#ifdef __GLIBC__
		SYS_openat, /* its malloc() counts processors */
#endif
	};
	enum { COUNT = sizeof allowed / sizeof *allowed };
	struct sock_filter filter[COUNT + 4];
	struct sock_fprog program = {.len = COUNT + 3, .filter = filter};
	struct https_server *server = start();
	const struct https_identity *identity = identity_of("server", "server", "ca");
	unsigned port = https_server_port(server, 0);
	char order;

	filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < COUNT; i++)
		filter[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed[i], (unsigned char)(COUNT - i), 0);
	filter[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	filter[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		_exit(NO_JAIL);
	if (write(to, &port, sizeof port) != sizeof port || read(to, &order, 1) != 1)
		_exit(4);
	if (https_server_set_identity(server, identity, &error) != 0 || write(to, &port, sizeof port) != sizeof port || read(to, &order, 1) != 1)
		_exit(5);
	https_server_stop(server);
	_exit(0);
}

static void test_jail(void **state)
{
	int pair[2], status;
	struct peer peer;
	unsigned port;
	pid_t pid;

#ifdef __SANITIZE_ADDRESS__
	skip(); /* the sanitizer reads files when it likes */
#endif
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		jailed(pair[1]);
	(void)close(pair[1]);
	for (int i = 0; i < 2; i++) { /* before and after a reload */
		if (read(pair[0], &port, sizeof port) != sizeof port) {
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_int_equal(WEXITSTATUS(status), NO_JAIL);
			skip(); /* an emulator */
		}
		peer = peer_start("requests %s %u", folder, port);
		says(&peer, "200 GET /echo/a%20b?x=%20y 0" ECHOED);
		while (fgetc(peer.from) != EOF)
			;
		ends(&peer);
		peer = peer_start("matrix %s %u none good", folder, port);
		while (fgetc(peer.from) != EOF)
			;
		ends(&peer);
		assert_int_equal(write(pair[0], "", 1), 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(pair[0]);
}

/* --- */

static int setup(void **state)
{
	struct peer maker;

	(void)alarm(280);
	if (!mkdtemp(folder))
		return -1;
	maker = peer_start("make %s", folder);
	ends(&maker);
	return 0;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates_good),
		cmocka_unit_test(test_certificates_bad),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_identity_bad),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_connections_max),
		cmocka_unit_test(test_waiters),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_listens_bad),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_jail),
	};

	if (getenv("DRR_TEST_FILTER"))
		cmocka_set_test_filter(getenv("DRR_TEST_FILTER"));
	return cmocka_run_group_tests(tests, setup, teardown);
}
