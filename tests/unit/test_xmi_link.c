/* The XMI link against tls_peer.py, an XML management interface of which each path behaves in its own way. Once with each TLS engine. Time is real while bytes
 * move, and made up where something is waited for. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/xmi_link.h"
#include "platform/clock.h"
#include "program.h"

enum { TIMEOUT_S = 600, POLL_MS = 20000, DRIP_STEP_MS = 100 * 1000 };

static char folder[] = "/tmp/test_xmi_link.XXXXXX";
static char pin[TLS_PIN_BYTES];
static struct config config;
static struct appliance_wanted wanted;
static struct appliance_facts facts;
static struct xmi_link link_to;
static int64_t later_ms; /* made-up time that has passed */

/* ---- the other side */

static struct {
	pid_t pid;
	int to;
	FILE *from;
	char told[8192];
} peer;

static void peer_start(const char *const *arguments)
{
	peer.pid = program_start(arguments, &peer.to, &peer.from);
	peer.told[0] = '\0';
}

static void peer_stop(void)
{
	(void)close(peer.to);
	(void)fclose(peer.from);
	(void)kill(peer.pid, SIGKILL);
	(void)waitpid(peer.pid, NULL, 0);
}

/* Waits until it has told LINE (or has before); alarm() is the limit. */
static void wait_told(const char *line)
{
	char whole[100];

	(void)snprintf(whole, sizeof whole, "\n%s\n", line);
	while (!strstr(peer.told, whole)) {
		size_t used = strlen(peer.told);

		if (used == 0) {
			peer.told[used++] = '\n';
			peer.told[used] = '\0';
		}
		assert_true(used + 200 < sizeof peer.told);
		if (!fgets(peer.told + used, 200, peer.from))
			fail_msg("no \"%s\" in:%s", line, peer.told);
	}
}

static unsigned count_told(const char *words)
{
	unsigned count = 0;

	for (const char *at = peer.told; (at = strstr(at, words)) != NULL; at += strlen(words))
		count++;
	return count;
}

/* ---- our side */

static void write_password(const char *text)
{
	FILE *file = fopen(config.xmi.password_file, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(config.xmi.password_file, 0600), 0);
}

static void go_to(const char *path)
{
	strcpy(config.xmi.url.path, path);
}

static int set_up(void **state)
{
	char certificate[100], line[100];
	const char *const arguments[] = {"/usr/bin/python3", "-Wignore", DRR_TESTS_DIR "/unit/tls_peer.py", "xmi", "--certificate", certificate, NULL};
	struct error error = {0};

	(void)snprintf(certificate, sizeof certificate, "%s/ec", folder);
	peer_start(arguments);
	assert_non_null(fgets(line, sizeof line, peer.from));
	memset(&config, 0, sizeof config);
	config.xmi.url.port = (unsigned)atoi(line);
	assert_true(config.xmi.url.port > 0);
	strcpy(config.xmi.url.host, "127.0.0.1");
	(void)snprintf(config.xmi.url.text, sizeof config.xmi.url.text, "https://127.0.0.1:%u/", config.xmi.url.port);
	strcpy(config.appliance.domain, "apiconnect");
	strcpy(config.agent.state_dir, folder);
	strcpy(config.xmi.user, "agent");
	strcpy(config.xmi.pins[0], pin);
	config.xmi.pin_count = 1;
	config.xmi.tls = *(const enum config_tls *)*state;
	config.xmi.timeout_s = TIMEOUT_S;
	(void)snprintf(config.xmi.password_file, sizeof config.xmi.password_file, "%s/password", folder);
	write_password("s3cret\n");
	later_ms = 0;
	memset(&facts, 0, sizeof facts);
	assert_int_equal(xmi_link_init(&link_to, &config, &wanted, &facts, &error), 0);
	return 0;
}

static int tear_down(void **state)
{
	xmi_link_free(&link_to);
	peer_stop();
	return 0;
}

static struct mono now(void)
{
	return mono_add_ms(clock_now(), later_ms);
}

/* Until there is something to do, and that. */
static enum xmi_link_status wait_and_step(void)
{
	struct pollfd fd = xmi_link_poll(&link_to);

	if (fd.fd >= 0 && xmi_link_deadline(&link_to).ms > 0)
		assert_int_equal(poll(&fd, 1, POLL_MS), 1);
	return xmi_link_step(&link_to, now());
}

static enum xmi_link_status run(enum appliance_op op)
{
	enum xmi_link_status status;

	xmi_link_start(&link_to, op, now());
	status = xmi_link_step(&link_to, now());
	while (status == XMI_LINK_WAIT)
		status = wait_and_step();
	return status;
}

static void expect_done(enum appliance_op op)
{
	if (run(op) != XMI_LINK_DONE)
		fail_msg("%s: %s", error_name(link_to.error.code), link_to.error.what);
}

static void expect_failure(enum appliance_op op, enum error_code code)
{
	assert_int_equal(run(op), XMI_LINK_FAILED);
	assert_string_equal(error_name(link_to.error.code), error_name(code));
	assert_null(strstr(link_to.error.what, "s3cret"));
}

/* Begins OP and stays in it until the appliance has the request. */
static void reach(enum appliance_op op)
{
	xmi_link_start(&link_to, op, now());
	(void)xmi_link_step(&link_to, now());
	while (link_to.status == XMI_LINK_WAIT && !link_to.xmi.awaited)
		(void)wait_and_step();
	assert_int_equal(link_to.status, XMI_LINK_WAIT);
	wait_told("1 request /silent agent:s3cret");
}

/* ---- cases */

static void a_connection_is_kept_for_a_while(void **state)
{
	go_to("/keep");
	expect_done(APPLIANCE_ASK_PEERING);
	assert_true(facts.have_table);
	expect_done(APPLIANCE_DISABLE);
	assert_int_equal(link_to.effect, APPLIANCE_EFFECT_DONE);
	later_ms += XMI_LINK_KEEP_MS + 1;
	expect_done(APPLIANCE_ASK_PEERING);
	wait_told("2 request /keep agent:s3cret");
	wait_told("1 end");
	assert_int_equal(count_told("1 request"), 2);
	assert_int_equal(count_told("connect"), 2);
	xmi_link_close(&link_to);
	wait_told("2 end");
}

static void a_connection_ends_when_the_appliance_says_so(void **state)
{
	go_to("/close");
	expect_done(APPLIANCE_ASK_PEERING);
	expect_done(APPLIANCE_ENABLE);
	wait_told("1 end");
	wait_told("2 end");
	assert_int_equal(count_told("connect"), 2);
	assert_int_equal(count_told("request"), 2);
}

/* It was closed, or talks without being asked: a new one, without a word. */
static void a_stale_kept_connection_is_left(void **state)
{
	static const char *const paths[] = {"/drop", "/chatter"};

	for (int i = 0; i < 2; i++) {
		char line[60];
		struct pollfd fd = {.events = POLLIN};

		go_to(paths[i]);
		expect_done(APPLIANCE_ASK_PEERING);
		if (link_to.transport) { /* what it says behind the answer may have come with it: then it is not kept */
			fd.fd = transport_fd(link_to.transport);
			assert_int_equal(poll(&fd, 1, POLL_MS), 1);
		}
		expect_done(APPLIANCE_DISABLE);
		assert_int_equal(link_to.effect, APPLIANCE_EFFECT_DONE);
		(void)snprintf(line, sizeof line, "%d request %s agent:s3cret", 2 * i + 2, paths[i]);
		wait_told(line);
		assert_int_equal(count_told("connect"), 2 * (unsigned)i + 2);
		assert_int_equal(count_told("request"), 2 * (unsigned)i + 2);
		xmi_link_close(&link_to);
	}
}

/* The kept connection ends instead of an answer: a question is asked once more, a command that may have been done is not. */
static void what_was_cut_off_is_repeated_only_without_effect(void **state)
{
	go_to("/cut");
	expect_done(APPLIANCE_ASK_PEERING);
	expect_done(APPLIANCE_ASK_PEERING);
	wait_told("2 request /cut agent:s3cret");
	assert_int_equal(count_told("1 request"), 2);
	expect_failure(APPLIANCE_DISABLE, ERROR_LOST);
	assert_int_equal(link_to.effect, APPLIANCE_EFFECT_POSSIBLE);
	expect_done(APPLIANCE_ASK_PEERING);
	wait_told("3 request /cut agent:s3cret");
	assert_int_equal(count_told("2 request"), 2);
	assert_int_equal(count_told("3 request"), 1);
}

static void refused_credentials_are_sent_once(void **state)
{
	go_to("/deny");
	expect_failure(APPLIANCE_ASK_PEERING, ERROR_AUTH);
	assert_non_null(strstr(link_to.error.what, "there is no such domain"));
	xmi_link_close(&link_to);
	for (int i = 0; i < 2; i++) {
		expect_failure(APPLIANCE_DISABLE, ERROR_AUTH);
		assert_non_null(strstr(link_to.error.what, "the same is not tried again"));
		assert_int_equal(link_to.effect, APPLIANCE_NO_EFFECT);
	}
	write_password("s3cret again\n"); /* it is read at the start only, but this says that somebody has looked after it */
	go_to("/keep");
	expect_done(APPLIANCE_ASK_PEERING);
	wait_told("2 request /keep agent:s3cret");
	assert_int_equal(count_told("connect"), 2);
	assert_int_equal(count_told("request"), 2);
}

/* state_dir is gone: the process itself remembers, and says that only it does. */
static void refused_credentials_are_sent_once_without_a_disk(void **state)
{
	(void)snprintf(config.agent.state_dir, sizeof config.agent.state_dir, "%s/missing", folder);
	go_to("/deny");
	expect_failure(APPLIANCE_ASK_PEERING, ERROR_AUTH);
	assert_non_null(strstr(link_to.error.what, "only this process knows"));
	xmi_link_close(&link_to);
	go_to("/keep");
	expect_failure(APPLIANCE_ASK_PEERING, ERROR_AUTH);
	assert_non_null(strstr(link_to.error.what, "the same is not tried again"));
	write_password("s3cret again\n");
	expect_done(APPLIANCE_ASK_PEERING);
	wait_told("2 request /keep agent:s3cret");
	assert_int_equal(count_told("connect"), 2);
}

/* Another key than the pinned one: not a byte of the password. */
static void a_stranger_gets_no_password(void **state)
{
	struct error error = {0};

	xmi_link_free(&link_to);
	config.xmi.pins[0][10] = config.xmi.pins[0][10] == 'A' ? 'B' : 'A';
	assert_int_equal(xmi_link_init(&link_to, &config, &wanted, &facts, &error), 0);
	go_to("/keep");
	expect_failure(APPLIANCE_ASK_PEERING, ERROR_HOST_KEY);
	xmi_link_free(&link_to);
	config.xmi.pin_count = 0;
	assert_int_equal(xmi_link_init(&link_to, &config, &wanted, &facts, &error), 0);
	expect_failure(APPLIANCE_ASK_PEERING, ERROR_HOST_KEY);
	assert_non_null(strstr(link_to.error.what, pin));
	wait_told("2 connect");
	assert_int_equal(count_told("request"), 0);
}

static void silence_is_a_failure(void **state)
{
	go_to("/silent");
	reach(APPLIANCE_ASK_PEERING);
	assert_int_equal(xmi_link_step(&link_to, mono_add_ms(now(), (TIMEOUT_S - 10) * 1000)), XMI_LINK_WAIT);
	assert_int_equal(xmi_link_step(&link_to, mono_add_ms(now(), TIMEOUT_S * 1000)), XMI_LINK_FAILED);
	assert_int_equal(link_to.error.code, ERROR_TIMEOUT);
	assert_int_equal(link_to.effect, APPLIANCE_NO_EFFECT);
	wait_told("1 end"); /* a question is ended in order */
}

static void an_operation_has_its_own_limit(void **state)
{
	int64_t most_ms = XMI_LINK_OPERATION_TIMEOUTS * TIMEOUT_S * INT64_C(1000);

	go_to("/drip");
	xmi_link_start(&link_to, APPLIANCE_ASK_PEERING, now());
	(void)xmi_link_step(&link_to, now());
	while (link_to.status == XMI_LINK_WAIT && link_to.http.body_bytes == 0)
		(void)wait_and_step();
	while (wait_and_step() == XMI_LINK_WAIT) {
		assert_true(later_ms <= most_ms);
		later_ms += DRIP_STEP_MS; /* bytes come again and again: it is never silent for so long as timeout_s */
	}
	assert_int_equal(link_to.error.code, ERROR_TIMEOUT);
	assert_true(later_ms >= most_ms - DRIP_STEP_MS);
}

static void a_command_that_is_given_up_is_torn_off(void **state)
{
	go_to("/silent");
	reach(APPLIANCE_DISABLE);
	if (*(const enum config_tls *)*state == CONFIG_TLS_BEARSSL) { /* given up, or given up because of silence */
		xmi_link_close(&link_to);
		assert_int_equal(link_to.status, XMI_LINK_IDLE);
	} else {
		assert_int_equal(xmi_link_step(&link_to, mono_add_ms(now(), TIMEOUT_S * 1000)), XMI_LINK_FAILED);
	}
	assert_int_equal(link_to.effect, APPLIANCE_EFFECT_POSSIBLE);
	wait_told("1 reset");
}

static void a_question_that_is_given_up_ends_in_order(void **state)
{
	go_to("/silent");
	reach(APPLIANCE_ASK_PEERING);
	xmi_link_close(&link_to);
	assert_int_equal(link_to.effect, APPLIANCE_NO_EFFECT);
	wait_told("1 end");
}

static void nobody_is_there(void **state)
{
	peer_stop();
	peer_start((const char *const[]){"/bin/cat", NULL}); /* for tear_down() */
	go_to("/keep");
	expect_failure(APPLIANCE_DISABLE, ERROR_UNREACHABLE);
	assert_int_equal(link_to.effect, APPLIANCE_NO_EFFECT);
}

/* ---- */

static int make_keys(void **state)
{
	const char *const arguments[] = {"/usr/bin/python3", "-Wignore", DRR_TESTS_DIR "/unit/tls_peer.py", "make", folder, NULL};
	char line[200], name[32], value[TLS_PIN_BYTES];

	(void)alarm(200);
	if (!mkdtemp(folder))
		return -1;
	peer_start(arguments);
	while (fgets(line, sizeof line, peer.from))
		if (sscanf(line, "%31s %52s", name, value) == 2 && strcmp(name, "ec") == 0)
			memcpy(pin, value, sizeof pin);
	peer_stop();
	return pin[0] ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[100];

	(void)snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

static enum config_tls bearssl = CONFIG_TLS_BEARSSL, mbedtls = CONFIG_TLS_MBEDTLS;

#define BOTH(function) {#function "_bearssl", function, set_up, tear_down, &bearssl}, {#function "_mbedtls", function, set_up, tear_down, &mbedtls}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_connection_is_kept_for_a_while),
		BOTH(a_connection_ends_when_the_appliance_says_so),
		BOTH(a_stale_kept_connection_is_left),
		BOTH(what_was_cut_off_is_repeated_only_without_effect),
		BOTH(refused_credentials_are_sent_once),
		BOTH(refused_credentials_are_sent_once_without_a_disk),
		BOTH(a_stranger_gets_no_password),
		BOTH(silence_is_a_failure),
		BOTH(an_operation_has_its_own_limit),
		BOTH(a_command_that_is_given_up_is_torn_off),
		BOTH(a_question_that_is_given_up_ends_in_order),
		BOTH(nobody_is_there),
	};

	(void)signal(SIGPIPE, SIG_DFL);
	if (getenv("DRR_TEST_FILTER"))
		cmocka_set_test_filter(getenv("DRR_TEST_FILTER"));
	return cmocka_run_group_tests(tests, make_keys, remove_folder);
}
