/* engine/talk.c against a daemon that is a thread with a Unix socket and a list of answers. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/talk.h"

static const char busy_problem[] = "{\"type\":\"urn:drr:problem:grant-held\",\"detail\":\"run r1 holds the grant of this member\",\"next\":\"drrctl release r1\","
				   "\"holder\":{\"run\":\"r1\",\"by\":\"alice\"}}";
static const char hold_problem[] = "{\"type\":\"urn:drr:problem:hold\",\"detail\":\"a hold\",\"next\":\"ask\",\"hold\":{\"owner\":\"bob\",\"reason\":\"change 4711\"}}";
static const char restarting_problem[] = "{\"type\":\"urn:drr:problem:engine-restarting\",\"detail\":\"soon\"}";

static struct config config;
static struct talk talk;
static struct error error;
static char folder[64], asked[4096];
static int listener = -1;
static pthread_t thread;

struct answer {
	int status; /* 0: closes the connection without a word; -1: says nothing */
	const char *body;
};
static const struct answer *answers;
static bool last_words; /* behind the last answer nobody listens */

static void answer(int fd, const struct answer *a)
{
	char text[1024];

	(void)snprintf(text, sizeof text, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", a->status, strlen(a->body), a->body);
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* One connection for each answer. */
static void *serve(void *unused)
{
	for (const struct answer *a = answers; a->body; a++) {
		char request[2048];
		int fd = accept(listener, NULL, NULL);
		ssize_t got = fd < 0 ? -1 : recv(fd, request, sizeof request - 1, 0);

		if (got > 0) {
			request[got] = '\0';
			request[strcspn(request, "\r")] = '\0';
			(void)snprintf(asked + strlen(asked), sizeof asked - strlen(asked), "%s\n", request);
		}
		if (a->status > 0)
			answer(fd, a);
		else if (a->status < 0)
			(void)kill(getpid(), SIGTERM);
		if (a->status < 0)
			(void)recv(fd, request, sizeof request, 0);
		(void)close(fd);
	}
	if (last_words) {
		(void)close(listener);
		listener = -1;
	}
	return NULL;
}

static void bind_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s/api.sock", folder);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
}

static void answers_are(const struct answer *list)
{
	answers = list;
	bind_socket();
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

static void over(void)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
	talk_close(&talk);
}

static int prepare(void **state)
{
	static int number;

	(void)snprintf(folder, sizeof folder, "/tmp/test_talk.%ld.%d", (long)getpid(), number++);
	asked[0] = '\0';
	last_words = false;
	memset(&error, 0, sizeof error);
	(void)snprintf(config.agent.state_dir, sizeof config.agent.state_dir, "%s", folder);
	return mkdir(folder, 0700);
}

static int clean_up(void **state)
{
	char path[128];

	(void)snprintf(path, sizeof path, "%s/api.sock", folder);
	(void)unlink(path);
	if (listener >= 0)
		(void)close(listener);
	listener = -1;
	return rmdir(folder);
}

static void finds_nobody(void **state)
{
	assert_int_equal(talk_open(&talk, &config, "/x", &error), TALK_NOBODY);
	bind_socket(); /* a file that a dead daemon has left: nobody listens */
	assert_int_equal(talk_open(&talk, &config, "/x", &error), TALK_NOBODY);
	(void)snprintf(config.agent.state_dir, sizeof config.agent.state_dir, "%s/none", folder);
	assert_int_equal(talk_open(&talk, &config, "/x", &error), TALK_NOBODY);
	memset(config.agent.state_dir, 'x', 200); /* no socket can be there */
	assert_int_equal(talk_open(&talk, &config, "/x", &error), TALK_NOBODY);
	assert_int_equal(error.code, ERROR_NONE);
}

static void is_denied(void **state)
{
	if (geteuid() == 0) {
		assert_int_equal(chmod(folder, 0), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	(void)chmod(folder, 0);
	assert_int_equal(talk_open(&talk, &config, "/x", &error), TALK_FAILED);
	assert_int_equal(error_exit_code(error.code), 7);
	assert_non_null(strstr(error.what, "the group "));
	assert_non_null(strstr(error.next, "usermod -a -G "));
	(void)seteuid(0);
	(void)chmod(folder, 0700);
}

static void asks_again_while_it_is_restarted(void **state)
{
	static const struct answer list[] = {{503, restarting_problem}, {200, "{\"a\":{\"b\":\"c\",\"d\":true}}"}, {0, ""}, {200, "{}"}, {0, NULL}};

	answers_are(list);
	assert_int_equal(talk_open(&talk, &config, "/v1/state", &error), TALK_ANSWERED);
	assert_string_equal(talk_string(talk.client.answer, "a.b"), "c");
	assert_true(talk_bool(talk.client.answer, "a.d"));
	assert_false(talk_bool(talk.client.answer, "a.b"));
	assert_null(talk_string(talk.client.answer, "a.b.c"));
	assert_int_equal(talk_need(&talk, "PUT", "/v1/x", "{}", 0, &error), 0); /* the connection broke first */
	over();
	assert_string_equal(asked, "GET /v1/state HTTP/1.1\nGET /v1/state HTTP/1.1\nPUT /v1/x HTTP/1.1\nPUT /v1/x HTTP/1.1\n");
}

/* Its engine and its supervisor were killed; the front sees that and ends. */
static void finds_nobody_behind_a_dying_front(void **state)
{
	static const struct answer list[] = {{503, restarting_problem}, {0, NULL}};

	answers_are(list);
	last_words = true;
	assert_int_equal(talk_open(&talk, &config, "/v1/state", &error), TALK_NOBODY);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(error.code, ERROR_NONE);
}

static void names_who_is_in_the_way(void **state)
{
	static const struct answer list[] = {{200, "{}"}, {409, busy_problem}, {409, hold_problem}, {404, "{}"}, {0, NULL}};

	answers_are(list);
	assert_int_equal(talk_open(&talk, &config, "/v1/state", &error), TALK_ANSWERED);
	assert_int_equal(talk_need(&talk, "PUT", "/g", "{}", 0, &error), -1);
	assert_int_equal(error.code, ERROR_BUSY);
	assert_string_equal(error.what, "run r1 holds the grant of this member (asked for by alice)");
	assert_string_equal(error.next, "drrctl release r1");
	error_clear(&error);
	assert_int_equal(talk_need(&talk, "PUT", "/g", "{}", 0, &error), -1);
	assert_int_equal(error.code, ERROR_BUSY);
	assert_string_equal(error.what, "a hold is set on this member by bob: change 4711");
	error_clear(&error);
	assert_int_equal(talk_ask(&talk, "GET", "/v1/audit", NULL, 0, &error), 0);
	assert_int_equal(talk.client.http_status, 404);
	over();
}

static void lets_the_caller_look_at_404_and_refuses_the_rest(void **state)
{
	static const struct answer list[] = {{404, "{}"}, {403, "{\"type\":\"urn:drr:problem:forbidden\",\"detail\":\"no\"}"}, {0, NULL}};

	answers_are(list);
	assert_int_equal(talk_open(&talk, &config, "/v1/audit", &error), TALK_ANSWERED);
	talk_close(&talk);
	assert_int_equal(talk_open(&talk, &config, "/v1/state", &error), TALK_FAILED);
	assert_int_equal(error.code, ERROR_PERMISSION);
	over();
}

static void ends_a_wait_by_a_signal(void **state)
{
	static const struct answer list[] = {{200, "{}"}, {-1, ""}, {0, NULL}};

	answers_are(list);
	assert_int_equal(talk_open(&talk, &config, "/v1/state", &error), TALK_ANSWERED);
	assert_int_equal(talk_ask(&talk, "GET", "/v1/events", NULL, 60, &error), -1);
	assert_int_equal(error.code, ERROR_FAILED);
	assert_true(talk.interrupted);
	assert_non_null(strstr(error.what, "SIGTERM"));
	over();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, clean_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_nobody),
		TEST(is_denied),
		TEST(asks_again_while_it_is_restarted),
		TEST(finds_nobody_behind_a_dying_front),
		TEST(names_who_is_in_the_way),
		TEST(lets_the_caller_look_at_404_and_refuses_the_rest),
		TEST(ends_a_wait_by_a_signal),
	};
	sigset_t set;

	(void)sigemptyset(&set); /* blocked in the serving thread, too: the loop reads it */
	(void)sigaddset(&set, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
