/* platform/notify.c against a socket of ours in systemd's place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "platform/notify.h"

static char folder[64], path[100];
static int server = -1;
static struct notify notify;
static struct error error;

static int prepare(void **state)
{
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	error_clear(&error);
	(void)snprintf(folder, sizeof folder, "/tmp/drr-notify-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof path, "%s/notify", folder);
	return 0;
}

static int clean_up(void **state)
{
	notify_close(&notify);
	if (server >= 0)
		(void)close(server);
	server = -1;
	(void)unlink(path);
	return rmdir(folder);
}

/* Listens at NAME ("@..." abstract), and says so in the environment. */
static void serve(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] == '/' ? 1 : 0));

	if (server >= 0)
		(void)close(server);
	(void)unlink(path);
	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(server >= 0);
	assert_int_equal(bind(server, (struct sockaddr *)(void *)&address, length), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

/* The next datagram; NULL: there is none. A datagram is there when sendto() has returned. */
static const char *heard(void)
{
	static char message[NOTIFY_MESSAGE_MAX_BYTES + 1];
	ssize_t got = recv(server, message, sizeof message - 1, 0);

	if (got < 0)
		return NULL;
	message[got] = '\0';
	return message;
}

static void tells_nobody(void **state)
{
	assert_int_equal(notify_open(&notify, &error), 0);
	assert_int_equal(notify.fd, -1);
	assert_false(notify_ready(&notify, "at work"));
	assert_false(notify_alive(&notify));
	notify_close(&notify);
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	assert_int_equal(notify_open(&notify, &error), 0);
	assert_int_equal(notify.fd, -1);
}

static void tells_at(const char *name)
{
	unsigned long long usec, now_usec;
	struct timespec now;
	const char *message;

	serve(name);
	assert_int_equal(notify_open(&notify, &error), 0);
	assert_true(notify_ready(&notify, "at work"));
	assert_string_equal(heard(), "READY=1\nSTATUS=at work");
	assert_true(notify_ready(&notify, NULL));
	assert_string_equal(heard(), "READY=1");
	assert_true(notify_status(&notify, "waits for the trigger"));
	assert_string_equal(heard(), "STATUS=waits for the trigger");
	assert_true(notify_stopping(&notify, "stops"));
	assert_string_equal(heard(), "STOPPING=1\nSTATUS=stops");
	assert_true(notify_reloading(&notify));
	message = heard();
	assert_non_null(message);
	assert_int_equal(sscanf(message, "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	now_usec = (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
	assert_true(usec > 0 && usec <= now_usec);
	assert_null(heard());
	notify_close(&notify);
}

static void tells_at_a_path(void **state)
{
	tells_at(path);
}

static void tells_at_an_abstract_name(void **state)
{
	char name[80];

	(void)snprintf(name, sizeof name, "@drr-notify-%ld", (long)getpid());
	tells_at(name);
}

static void shows_one_line(void **state)
{
	char large[4 * NOTIFY_STATUS_MAX_BYTES];
	const char *message;

	serve(path);
	assert_int_equal(notify_open(&notify, &error), 0);
	assert_true(notify_status(&notify, "a\nWATCHDOG=trigger\x1b"));
	assert_string_equal(heard(), "STATUS=a\\nWATCHDOG=trigger\\x1b");
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	assert_true(notify_status(&notify, large));
	message = heard();
	assert_non_null(message);
	assert_int_equal(strlen(message), strlen("STATUS=") + NOTIFY_STATUS_MAX_BYTES - 1);
}

static void outlives_its_listener(void **state)
{
	serve(path);
	assert_int_equal(notify_open(&notify, &error), 0);
	(void)close(server);
	server = -1;
	assert_false(notify_status(&notify, "nobody is there"));
	serve(path); /* another socket of that name */
	assert_true(notify_status(&notify, "there again"));
	assert_string_equal(heard(), "STATUS=there again");
}

static void refuses_addresses(void **state)
{
	static const char *const bad[] = {"notify", "vsock:2:1234", "/", "@"};
	char large[200];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		error_clear(&error);
		assert_int_equal(setenv("NOTIFY_SOCKET", bad[i], 1), 0);
		assert_int_equal(notify_open(&notify, &error), -1);
		assert_int_equal(error.code, ERROR_CONFIG);
		assert_false(notify_ready(&notify, "at work"));
	}
	memset(large, 'x', sizeof large);
	large[0] = '/';
	large[sizeof large - 1] = '\0';
	error_clear(&error);
	assert_int_equal(setenv("NOTIFY_SOCKET", large, 1), 0);
	assert_int_equal(notify_open(&notify, &error), -1);
}

static unsigned watchdog(const char *usec, const char *pid)
{
	assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
	if (pid)
		assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
	else
		(void)unsetenv("WATCHDOG_PID");
	notify_close(&notify);
	assert_int_equal(notify_open(&notify, &error), 0);
	return notify.watchdog_ms;
}

static void knows_the_watchdog(void **state)
{
	char own[32], other[32];

	(void)snprintf(own, sizeof own, "%ld", (long)getpid());
	(void)snprintf(other, sizeof other, "%ld", (long)getpid() + 1);
	serve(path);
	assert_int_equal(watchdog("30000000", NULL), 30000);
	assert_true(notify_alive(&notify));
	assert_string_equal(heard(), "WATCHDOG=1");
	assert_int_equal(watchdog("30000000", own), 30000);
	assert_int_equal(watchdog("1", own), 1);
	assert_int_equal(watchdog("30000000", other), 0);
	assert_int_equal(watchdog("30000000", "x"), 0);
	assert_int_equal(watchdog("0", NULL), 0);
	assert_int_equal(watchdog("18446744073709551615", NULL), 0);
	assert_int_equal(watchdog("soon", NULL), 0);
	assert_false(notify_alive(&notify));
	assert_null(heard());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_nobody, prepare, clean_up),
		cmocka_unit_test_setup_teardown(tells_at_a_path, prepare, clean_up),
		cmocka_unit_test_setup_teardown(tells_at_an_abstract_name, prepare, clean_up),
		cmocka_unit_test_setup_teardown(shows_one_line, prepare, clean_up),
		cmocka_unit_test_setup_teardown(outlives_its_listener, prepare, clean_up),
		cmocka_unit_test_setup_teardown(refuses_addresses, prepare, clean_up),
		cmocka_unit_test_setup_teardown(knows_the_watchdog, prepare, clean_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
