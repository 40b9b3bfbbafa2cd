/* What becomes of a CLI session that is given up: over telnet, with an appliance in the same thread that reads lines and answers them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/cli_link.h"
#include "platform/clock.h"

enum { ROUNDS = 4000, LINE_BYTES = 200 };

static char folder[] = "/tmp/test_cli_link.XXXXXX";
static struct config config;
static struct cli_link link_to;
static struct appliance_facts facts;

/* ---- the appliance */

static int peer; /* -1 before it was called */
static char line[LINE_BYTES];
static size_t line_bytes;
static char last[LINE_BYTES];
static const char *deaf_to; /* the line that gets no answer */

static const char *prompt;

static void take_line(const char *words)
{
	static const char *const prompts[][2] = {
		{"admin", "Password: "},
		{"s3cret", "idg# "},
		{"switch domain apiconnect", "idg[apiconnect]# "},
		{"config", "idg[apiconnect](config)# "},
		{"apic-gw-service", "idg[apiconnect](config apic-gw-service default)# "},
	};

	for (size_t i = 0; i < sizeof prompts / sizeof prompts[0]; i++)
		if (strcmp(words, prompts[i][0]) == 0)
			prompt = prompts[i][1];
}

static void say(const char *text)
{
	assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void hear(char c)
{
	if (c == '\r')
		return;
	assert_true(line_bytes < sizeof line - 1);
	if (c != '\n') {
		line[line_bytes++] = c;
		return;
	}
	line[line_bytes] = '\0';
	line_bytes = 0;
	strcpy(last, line);
	take_line(last);
	if (strcmp(last, deaf_to) == 0)
		return;
	say(strncmp(last, "show", 4) == 0 ? "\r\nVersion: IDG.10.0.3.0\r\n\r\n" : "\r\n");
	say(prompt);
}

static void serve(int listener)
{
	char bytes[500];
	ssize_t count;

	if (peer < 0) {
		peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (peer >= 0)
			say("login: ");
		return;
	}
	count = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
	for (ssize_t i = 0; i < count; i++)
		hear(bytes[i]);
}

/* Goes on until the appliance has heard the line that it is deaf to. Time is made up: each round is 100 ms. */
static struct mono reach(int listener, enum appliance_op op, const char *deaf)
{
	struct mono now = clock_now();

	peer = -1;
	line_bytes = 0;
	last[0] = '\0';
	deaf_to = deaf;
	cli_link_start(&link_to, op, now);
	for (int i = 0; i < ROUNDS && strcmp(last, deaf) != 0; i++) {
		(void)usleep(100);
		if (cli_link_step(&link_to, now) != CLI_LINK_WAIT)
			fail_msg("%d: %s (after \"%s\")", link_to.status, link_to.error.what, last);
		serve(listener);
		now = mono_add_ms(now, 100);
	}
	assert_string_equal(last, deaf);
	return now;
}

/* What the appliance sees of the end. */
static void expect_end(bool reset)
{
	char byte;
	ssize_t count;

	for (int i = 0; i < ROUNDS && (count = recv(peer, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN; i++)
		(void)usleep(1000);
	assert_int_equal(count, reset ? -1 : 0);
	if (reset)
		assert_int_equal(errno, ECONNRESET);
	(void)close(peer);
}

static void a_command_that_is_given_up_is_torn_off(void **state)
{
	int listener = *(int *)*state;

	(void)reach(listener, APPLIANCE_DISABLE, "exit");
	cli_link_close(&link_to);
	assert_int_equal(link_to.effect, APPLIANCE_EFFECT_POSSIBLE);
	expect_end(true);

	(void)reach(listener, APPLIANCE_DISABLE, "admin-state disabled");
	assert_int_equal(cli_link_step(&link_to, mono_add_ms(clock_now(), 3600 * 1000)), CLI_LINK_FAILED); /* silence */
	assert_int_equal(link_to.error.code, ERROR_TIMEOUT);
	assert_int_equal(link_to.effect, APPLIANCE_EFFECT_POSSIBLE);
	expect_end(true);
}

static void a_question_that_is_given_up_ends_in_order(void **state)
{
	int listener = *(int *)*state;

	(void)reach(listener, APPLIANCE_ASK_SERVICE, "show apic-gw-service");
	cli_link_close(&link_to);
	assert_int_equal(link_to.effect, APPLIANCE_NO_EFFECT);
	expect_end(false);

	(void)reach(listener, APPLIANCE_DISABLE, "apic-gw-service"); /* nothing was said yet that changes anything */
	cli_link_close(&link_to);
	assert_int_equal(link_to.effect, APPLIANCE_NO_EFFECT);
	expect_end(false);
}

static int set_up(void **state)
{
	static struct appliance_wanted wanted;
	static int listener;
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	struct error error = {0};
	FILE *file;

	if (!mkdtemp(folder))
		return -1;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 5) || getsockname(listener, (struct sockaddr *)&address, &size))
		return -1;
	config.cli.transport = CONFIG_TELNET;
	config.cli.port = ntohs(address.sin_port);
	config.cli.connect_timeout_s = config.cli.command_timeout_s = 600;
	strcpy(config.cli.host, "127.0.0.1");
	strcpy(config.cli.user, "admin");
	strcpy(config.appliance.domain, "apiconnect");
	strcpy(config.agent.state_dir, folder);
	(void)snprintf(config.cli.password_file, sizeof config.cli.password_file, "%s/password", folder);
	file = fopen(config.cli.password_file, "w");
	if (!file || fputs("s3cret\n", file) < 0 || fclose(file) || chmod(config.cli.password_file, 0600))
		return -1;
	*state = &listener;
	return cli_link_init(&link_to, &config, &wanted, &facts, &error);
}

static int tear_down(void **state)
{
	cli_link_free(&link_to);
	(void)unlink(config.cli.password_file);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_that_is_given_up_is_torn_off),
		cmocka_unit_test(a_question_that_is_given_up_ends_in_order),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
