/* platform/x509: what it makes is read by OpenSSL's command, by mbedTLS and by both of our TLS engines; what it reads was made by OpenSSL. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mbedtls/x509_crt.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "platform/x509.h"

static char folder[] = "/tmp/drr-x509-XXXXXX";
static struct error error;
static char memory[X509_PEM_BYTES];
static struct buf pem;
static char said[65536]; /* by the last command */

/* --- tools --- */

static const char *at(const char *name)
{
	static char paths[4][200];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	(void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

/* Runs COMMAND with the shell, in the folder; its exit status. */
static int shell(const char *command)
{
	char line[2048];
	FILE *pipe;
	size_t got;
	int status;

	(void)snprintf(line, sizeof line, "cd %s && { %s; } 2>&1", folder, command);
	pipe = popen(line, "re");
	assert_non_null(pipe);
	got = fread(said, 1, sizeof said - 1, pipe);
	said[got] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void assert_shell(const char *command)
{
	if (shell(command) != 0)
		fail_msg("%s\n%s", command, said);
}

static void assert_refused(const char *command, const char *word)
{
	if (shell(command) == 0 || !strstr(said, word))
		fail_msg("%s\nshould fail with: %s\n%s", command, word, said);
}

static void assert_says(const char *word)
{
	if (!strstr(said, word))
		fail_msg("%s is missing in:\n%s", word, said);
}

static struct x509_key *new_key(const char *file)
{
	struct x509_key *key;

	error_clear(&error);
	key = x509_key_make(&error);
	assert_non_null(key);
	buf_init(&pem, memory, sizeof memory);
	assert_int_equal(x509_key_write(key, &pem, &error), 0);
	assert_true(pem.len < X509_KEY_PEM_BYTES);
	write_file(file, pem.data);
	return key;
}

static struct x509_subject subject_of(const char *name, bool server)
{
	struct x509_subject subject = {.server = server};

	(void)snprintf(subject.name, sizeof subject.name, "%s", name);
	return subject;
}

static void add(struct x509_subject *subject, const char *name)
{
	(void)snprintf(subject->alternatives[subject->alternative_count++], X509_ALTERNATIVE_BYTES, "%s", name);
}

static void sign(struct x509_key *key, const struct x509_subject *subject, int64_t now_s, const char *file)
{
	buf_init(&pem, memory, sizeof memory);
	assert_int_equal(x509_sign(key, subject, now_s, &pem, &error), 0);
	write_file(file, pem.data);
}

static struct x509_facts read_one(const char *file)
{
	struct x509_facts facts[2];
	unsigned count;

	error_clear(&error);
	if (x509_read(at(file), facts, 2, &count, &error) != 0)
		fail_msg("%s: %s", file, error.what);
	assert_int_equal(count, 1);
	return facts[0];
}

/* gw.key and gw.pem, an endpoint's; c.key and c.pem, a client's. */
static int setup(void **state)
{
	struct x509_subject gw = subject_of("gw1", true), c = subject_of("drrctl", false);
	struct x509_key *key;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	add(&gw, "gw1.example.org");
	add(&gw, "127.0.0.1");
	add(&gw, "2001:db8::1");
	key = new_key("gw.key");
	sign(key, &gw, time(NULL), "gw.pem");
	x509_key_free(key);
	key = new_key("c.key");
	sign(key, &c, time(NULL), "c.pem");
	x509_key_free(key);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return shell("rm -rf \"$PWD\"");
}

/* --- cases --- */

static void keys(void **state)
{
	struct x509_key *key = new_key("k.key"), *again;
	char pin[TLS_PIN_BYTES], other[TLS_PIN_BYTES];

	(void)state;
	assert_int_equal(x509_key_pin(key, pin, &error), 0);
	assert_true(tls_is_pin(pin));
	assert_shell("openssl ec -in k.key -check -noout");
	assert_shell("openssl pkey -in k.key -noout -text");
	assert_says("NIST CURVE: P-256");
	assert_shell("openssl pkey -in k.key -pubout -outform der | openssl dgst -sha256 -binary | base64");
	said[strcspn(said, "\n")] = '\0';
	assert_string_equal(pin + strlen("sha256//"), said);
	again = x509_key_load(at("k.key"), &error);
	assert_non_null(again);
	assert_int_equal(x509_key_pin(again, other, &error), 0);
	assert_string_equal(pin, other);
	x509_key_free(again);
	x509_key_free(key);
	key = new_key("k2.key");
	assert_int_equal(x509_key_pin(key, other, &error), 0);
	assert_string_not_equal(pin, other);
	x509_key_free(key);
	x509_key_free(NULL);
	assert_shell("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p8.key");
	key = x509_key_load(at("p8.key"), &error);
	assert_non_null(key);
	x509_key_free(key);
}

static void expect_no_key(const char *file, const char *word)
{
	error_clear(&error);
	assert_null(x509_key_load(at(file), &error));
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, word));
	assert_true(error.next[0] != '\0');
}

static void foreign_keys(void **state)
{
	(void)state;
	assert_shell("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key && openssl genrsa -out rsa.key 2048 && "
		     "openssl ec -in gw.key -aes128 -passout pass:x -out locked.key && echo no >garbage.key");
	expect_no_key("p384.key", "not ECDSA on P-256");
	expect_no_key("rsa.key", "not ECDSA on P-256");
	expect_no_key("locked.key", "cannot be read");
	expect_no_key("garbage.key", "cannot be read");
	expect_no_key("gw.pem", "cannot be read");
	expect_no_key("none.key", "No such file");
}

static void certificate_for_openssl(void **state)
{
	(void)state;
	assert_shell("openssl x509 -in gw.pem -noout -text");
	assert_says("Version: 3");
	assert_says("Signature Algorithm: ecdsa-with-SHA256");
	assert_says("Issuer: CN = gw1");
	assert_says("Subject: CN = gw1");
	assert_says("X509v3 Basic Constraints: critical\n                CA:FALSE");
	assert_says("TLS Web Server Authentication, TLS Web Client Authentication");
	assert_says("DNS:gw1.example.org, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1");
	assert_null(strstr(said, "Key Usage:\n                Digital")); /* none: OpenSSL 1.1 would not take it for self-signed without keyCertSign */
	assert_shell("openssl verify -x509_strict -purpose sslserver -CAfile gw.pem gw.pem");
	assert_shell("openssl verify -x509_strict -purpose sslserver -verify_hostname gw1.example.org -CAfile gw.pem gw.pem");
	assert_shell("openssl verify -x509_strict -purpose sslserver -verify_ip 2001:db8::1 -CAfile gw.pem gw.pem");
	assert_refused("openssl verify -verify_ip 127.0.0.2 -CAfile gw.pem gw.pem", "IP address mismatch");
	assert_shell("openssl verify -x509_strict -purpose sslclient -CAfile c.pem c.pem");
	assert_refused("openssl verify -purpose sslserver -CAfile c.pem c.pem", "unsuitable certificate purpose");
	assert_refused("openssl verify -CAfile c.pem gw.pem", "self");
	assert_shell("cat c.pem gw.pem >both.pem && openssl verify -x509_strict -CAfile both.pem gw.pem && openssl verify -x509_strict -CAfile both.pem c.pem");
}

/* Whoever has a client's key must not be able to make another client. */
static void is_no_authority(void **state)
{
	mbedtls_x509_crt forged, anchor;
	uint32_t flags = 0;

	(void)state;
	assert_shell("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=operator -keyout f.key -out f.csr && "
		     "openssl x509 -req -in f.csr -CA c.pem -CAkey c.key -CAcreateserial -days 2 -out f.pem");
	assert_refused("openssl verify -CAfile c.pem f.pem", "error");
	mbedtls_x509_crt_init(&forged);
	mbedtls_x509_crt_init(&anchor);
	assert_int_equal(mbedtls_x509_crt_parse_file(&forged, at("f.pem")), 0);
	assert_int_equal(mbedtls_x509_crt_parse_file(&anchor, at("both.pem")), 0);
	assert_int_not_equal(mbedtls_x509_crt_verify(&forged, &anchor, NULL, NULL, &flags, NULL, NULL), 0);
	assert_int_not_equal(flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED, 0);
	mbedtls_x509_crt_free(&forged);
	assert_int_equal(mbedtls_x509_crt_parse_file(&forged, at("c.pem")), 0); /* the list's own certificate is taken */
	assert_int_equal(mbedtls_x509_crt_verify(&forged, &anchor, NULL, NULL, &flags, NULL, NULL), 0);
	mbedtls_x509_crt_free(&forged);
	mbedtls_x509_crt_free(&anchor);
}

static void dates_and_serials(void **state)
{
	static const struct {
		int64_t now_s;
		const char *start, *end, *form;
	} cases[] = {
		{1767323045, "notBefore=Jan  2 02:04:05 2026 GMT", "notAfter=Apr  6 02:04:04 2028 GMT", "UTCTIME"},
		{2493000000, "notBefore=Dec 31 03:00:00 2048 GMT", "notAfter=Apr  5 02:59:59 2051 GMT", "GENERALIZEDTIME"},
	};
	struct x509_subject subject = subject_of("t", false);
	struct x509_key *key = new_key("t.key");
	char serial[2][64];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		sign(key, &subject, cases[i].now_s, "t.pem");
		assert_shell("openssl x509 -in t.pem -noout -dates");
		assert_says(cases[i].start);
		assert_says(cases[i].end);
		assert_int_equal(read_one("t.pem").not_before_s, cases[i].now_s - 3600);
		assert_int_equal(read_one("t.pem").not_after_s, cases[i].now_s - 3600 + INT64_C(825) * 86400 - 1);
		assert_shell("openssl asn1parse -in t.pem");
		assert_says(cases[i].form);
		assert_shell("openssl x509 -in t.pem -noout -serial");
		assert_int_equal(strcspn(said, "\n"), strlen("serial=") + 32);
		(void)snprintf(serial[i], sizeof serial[i], "%.40s", said);
	}
	assert_string_not_equal(serial[0], serial[1]);
	x509_key_free(key);
}

static void requests(void **state)
{
	struct x509_subject subject = subject_of("gw \xc3\xa9", true);
	struct x509_key *key = x509_key_load(at("gw.key"), &error);
	struct x509_facts facts;
	char pin[TLS_PIN_BYTES];

	(void)state;
	assert_non_null(key);
	add(&subject, "gw1");
	add(&subject, "10.0.0.1");
	buf_init(&pem, memory, sizeof memory);
	assert_int_equal(x509_request(key, &subject, &pem, &error), 0);
	write_file("r.csr", pem.data);
	assert_shell("openssl req -in r.csr -verify -noout -text -nameopt utf8");
	assert_says("CN=gw \xc3\xa9");
	assert_says("DNS:gw1, IP Address:10.0.0.1");
	assert_says("TLS Web Server Authentication, TLS Web Client Authentication");
	assert_shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/C=DE/O=Example/CN=the CA' -days 2 -keyout ca.key -out ca.pem && "
		     "openssl x509 -req -in r.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copyall -out r.pem && "
		     "openssl verify -purpose sslserver -verify_hostname gw1 -CAfile ca.pem r.pem");
	facts = read_one("r.pem");
	assert_int_equal(x509_key_pin(key, pin, &error), 0);
	assert_string_equal(facts.pin, pin);
	assert_string_equal(facts.name, "gw \xc3\xa9");
	assert_string_equal(facts.subject, "CN=gw \xc3\xa9");
	assert_string_equal(facts.issuer, "C=DE, O=Example, CN=the CA");
	assert_string_equal(facts.alternatives[0], "DNS:gw1");
	assert_string_equal(facts.alternatives[1], "IP:10.0.0.1");
	assert_false(facts.self_issued);
	assert_false(facts.authority);
	assert_true(facts.for_server && facts.for_client);
	facts = read_one("ca.pem");
	assert_true(facts.authority);
	assert_true(facts.self_issued);
	x509_key_free(key);
}

/* All names at their longest: it still fits, and OpenSSL reads all of them. */
static void longest_names(void **state)
{
	struct x509_subject subject = {.server = true};
	struct x509_key *key = x509_key_load(at("gw.key"), &error);

	(void)state;
	memset(subject.name, 'n', sizeof subject.name - 1);
	for (unsigned i = 0; i < X509_ALTERNATIVES_MAX; i++) {
		memset(subject.alternatives[i], 'a' + (int)i, X509_ALTERNATIVE_BYTES - 1);
		subject.alternative_count++;
	}
	sign(key, &subject, time(NULL), "long.pem");
	assert_shell("openssl verify -x509_strict -CAfile long.pem long.pem && openssl x509 -in long.pem -noout -ext subjectAltName");
	for (unsigned i = 0; i < X509_ALTERNATIVES_MAX; i++)
		assert_says(subject.alternatives[i]);
	assert_int_equal(read_one("long.pem").alternative_count, X509_ALTERNATIVES_MAX);
	buf_init(&pem, memory, sizeof memory);
	assert_int_equal(x509_request(key, &subject, &pem, &error), 0);
	buf_init(&pem, memory, 100);
	assert_int_equal(x509_request(key, &subject, &pem, &error), -1);
	x509_key_free(key);
}

static void reads(void **state)
{
	struct x509_facts facts[3];
	unsigned count;

	(void)state;
	assert_int_equal(x509_read(at("both.pem"), facts, 3, &count, &error), 0);
	assert_int_equal(count, 2);
	assert_string_equal(facts[0].name, "drrctl");
	assert_false(facts[0].for_server);
	assert_true(facts[0].for_client);
	assert_int_equal(facts[0].alternative_count, 0);
	assert_string_equal(facts[1].subject, "CN=gw1");
	assert_string_equal(facts[1].alternatives[2], "IP:2001:db8::1");
	assert_int_equal(x509_read(at("both.pem"), facts, 1, &count, &error), 0);
	assert_int_equal(count, 1);
	/* A name that would rule the terminal, more kinds of alternatives, and no CN. */
	assert_shell("openssl req -x509 -newkey rsa:2048 -nodes -subj \"/CN=$(printf 'a\\033[31m')\" -addext 'subjectAltName=email:a@b,DNS:x,URI:http://y' "
		     "-addext keyUsage=keyEncipherment -days 1 -keyout e.key -out e.pem && "
		     "openssl req -x509 -newkey rsa:2048 -nodes -subj /O=only -days 1 -keyout o.key -out o.pem");
	facts[0] = read_one("e.pem");
	assert_string_equal(facts[0].name, "a\\x1b[31m");
	assert_int_equal(facts[0].alternative_count, 1);
	assert_string_equal(facts[0].alternatives[0], "DNS:x");
	assert_false(facts[0].for_server || facts[0].for_client);
	facts[0] = read_one("o.pem");
	assert_string_equal(facts[0].name, "");
	assert_string_equal(facts[0].subject, "O=only");
}

static void does_not_read(void **state)
{
	static const char *const files[] = {"none.pem", "garbage.pem", "half.pem", "gw.key"};
	struct x509_facts facts;
	unsigned count;

	(void)state;
	assert_shell("echo garbage >garbage.pem && { cat gw.pem; sed 5d c.pem; } >half.pem");
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		error_clear(&error);
		assert_int_equal(x509_read(at(files[i]), &facts, 1, &count, &error), -1);
		assert_int_equal(error.code, ERROR_CONFIG);
		assert_non_null(strstr(error.what, files[i]));
		assert_true(error.next[0] != '\0');
	}
}

/* Our own engines: the endpoint with its certificate, the other side with a copy as ca_file, or with the pin. */
static void serves_our_engines(void **state)
{
	struct tls_identity *identity = tls_identity_load(at("gw.pem"), at("gw.key"), &error);
	struct x509_facts facts = read_one("gw.pem");
	char ca_file[200];

	(void)state;
	assert_non_null(identity);
	(void)snprintf(ca_file, sizeof ca_file, "%s", at("gw.pem"));
	for (unsigned i = 0; i < 6; i++) { /* both engines, with: the certificate, the pin, another certificate */
		struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
		struct tls_settings settings = {.host = "127.0.0.1", .engine = i % 2 ? TLS_MBEDTLS : TLS_BEARSSL};
		struct tls_report report = {0};
		struct transport *client, *server;
		enum transport_step a, b = TRANSPORT_WAIT;
		int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		socklen_t length = sizeof address;

		error_clear(&error);
		assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
		assert_int_equal(listen(listener, 1), 0);
		assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
		settings.port = ntohs(address.sin_port);
		settings.trust = i / 2 == 1 ? TLS_TRUST_PINS : TLS_TRUST_CA;
		settings.pins[0] = facts.pin;
		settings.pin_count = 1;
		settings.ca_file = i / 2 == 2 ? at("c.pem") : ca_file;
		client = tls_open(&settings, &report, &error);
		assert_non_null(client);
		(void)transport_connect(client, &error);
		server = tls_accept(identity, accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), NULL, &error);
		do {
			struct error unheard = {0};
			struct pollfd fds[] = {{.fd = transport_fd(client), .events = transport_events(client)}, {.fd = transport_fd(server), .events = POLLIN}};

			assert_true(poll(fds, 2, 10) >= 0);
			a = transport_connect(client, &error);
			if (b == TRANSPORT_WAIT)
				b = transport_connect(server, &unheard);
		} while (a == TRANSPORT_WAIT || (a == TRANSPORT_DONE && b == TRANSPORT_WAIT));
		if (i / 2 == 2) {
			assert_int_equal(a, TRANSPORT_FAILED);
			assert_int_equal(error.code, ERROR_HOST_KEY);
		} else {
			if (a != TRANSPORT_DONE)
				fail_msg("%u: %s", i, error.what);
			assert_int_equal(b, TRANSPORT_DONE);
			assert_string_equal(report.version, i % 2 ? "1.3" : "1.2");
			assert_string_equal(report.pin, facts.pin);
		}
		transport_close(client);
		transport_close(server);
		(void)close(listener);
	}
	tls_identity_free(identity);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys), cmocka_unit_test(foreign_keys), cmocka_unit_test(certificate_for_openssl), cmocka_unit_test(is_no_authority),
		cmocka_unit_test(dates_and_serials), cmocka_unit_test(requests), cmocka_unit_test(longest_names), cmocka_unit_test(reads),
		cmocka_unit_test(does_not_read), cmocka_unit_test(serves_our_engines),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
