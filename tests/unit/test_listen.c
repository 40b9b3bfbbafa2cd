/* The listeners with real sockets: who is heard, who is not, and what is told about lost connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/listen.h"

enum { WAIT_MS = 5000, BURST = 20000 };

static struct listen *listener;
static struct listen_news news;

static void open_doors(const char *host, const char *peer)
{
	struct listen_settings settings = {.door_count = 2, .peer_count = 1, .peers = {peer}};
	struct error error = {0};

	settings.doors[0] = (struct listen_door){LISTEN_UDP, "udp://", host, 0};
	settings.doors[1] = (struct listen_door){LISTEN_TCP, "tcp://", host, 0};
	listener = listen_open(&settings, &error);
	assert_non_null(listener);
}

static int tear_down(void **state)
{
	(void)state;
	listen_close(listener);
	listener = NULL;
	return 0;
}

/* The next event, waited for. */
static enum listen_event next(void)
{
	struct mono until = mono_add_ms(clock_now(), WAIT_MS);
	struct pollfd fds[LISTEN_FDS_MAX];

	while (listen_next(listener, clock_now(), &news) == LISTEN_NOTHING && !mono_reached(until, clock_now()))
		(void)poll(fds, listen_poll(listener, fds), 50);
	return news.event;
}

static struct sockaddr_in address(const char *host, unsigned port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	assert_int_equal(inet_pton(AF_INET, host, &v4.sin_addr), 1);
	return v4;
}

/* A socket of FROM, connected to a door at 127.0.0.1. */
static int caller(const char *from, unsigned door)
{
	struct sockaddr_in own = address(from, 0), to = address("127.0.0.1", listen_port(listener, door));
	int fd = socket(AF_INET, door == 0 ? SOCK_DGRAM : SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void assert_bytes(const char *text)
{
	assert_int_equal(news.count_bytes, strlen(text));
	assert_memory_equal(news.bytes, text, strlen(text));
}

static void datagrams(void **state)
{
	int fd, other;

	(void)state;
	open_doors("127.0.0.1", "127.0.0.1");
	assert_int_equal(listen_next(listener, clock_now(), &news), LISTEN_NOTHING);
	fd = caller("127.0.0.1", 0);
	other = caller("127.0.0.2", 0);
	say(fd, "one");
	assert_int_equal(next(), LISTEN_DATAGRAM);
	assert_bytes("one");
	say(other, "forged");
	say(fd, "two");
	assert_int_equal(next(), LISTEN_FOREIGN);
	assert_int_equal(next(), LISTEN_DATAGRAM);
	assert_bytes("two");
	assert_int_equal(send(fd, "", 0, 0), 0);
	assert_int_equal(next(), LISTEN_FOREIGN);
	assert_int_equal(listen_next(listener, clock_now(), &news), LISTEN_NOTHING);
	close(fd);
	close(other);
}

/* More than the kernel keeps: what is missing is told, once it can be known. */
static void dropped_datagrams(void **state)
{
	static char text[2000];
	unsigned heard = 0, dropped = 0;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	bool told = setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) == 0;

	(void)state;
	close(fd);
	if (!told)
		skip(); /* qemu-user does not know the option, and nobody else tells */
	open_doors("127.0.0.1", "127.0.0.1");
	memset(text, 'x', sizeof text - 1);
	fd = caller("127.0.0.1", 0);
	for (unsigned i = 0; i < BURST; i++)
		(void)send(fd, text, sizeof text - 1, MSG_NOSIGNAL);
	while (listen_next(listener, clock_now(), &news) != LISTEN_NOTHING)
		heard += news.event == LISTEN_DATAGRAM;
	assert_in_range(heard, 1, BURST - 1);
	say(fd, "after");
	while (next() != LISTEN_DATAGRAM)
		dropped += news.event == LISTEN_DROPPED;
	assert_int_equal(dropped, 1);
	assert_bytes("after");
	close(fd);
}

static void connections(void **state)
{
	int fd, other;
	char byte;

	(void)state;
	open_doors("127.0.0.1", "127.0.0.1");
	fd = caller("127.0.0.1", 1);
	assert_int_equal(next(), LISTEN_OPENED);
	say(fd, "one\n");
	assert_int_equal(next(), LISTEN_BYTES);
	assert_bytes("one\n");
	other = caller("127.0.0.2", 1);
	assert_int_equal(next(), LISTEN_FOREIGN);
	assert_true(recv(other, &byte, 1, 0) <= 0);
	say(fd, "rest");
	close(fd);
	assert_int_equal(next(), LISTEN_BYTES);
	assert_int_equal(next(), LISTEN_ENDED);
	fd = caller("127.0.0.1", 1); /* it comes back */
	assert_int_equal(next(), LISTEN_OPENED);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
	close(fd);
	assert_int_equal(next(), LISTEN_BROKEN);
	close(other);
}

/* A peer that vanishes without a word leaves its connection: the one that was silent for longest makes room. */
static void one_connection_too_many(void **state)
{
	int fds[LISTEN_CONNECTIONS_MAX + 1];

	(void)state;
	open_doors("127.0.0.1", "127.0.0.1");
	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++) {
		fds[i] = caller("127.0.0.1", 1);
		assert_int_equal(next(), LISTEN_OPENED);
		assert_int_equal(news.connection, i);
		usleep(3000);
	}
	say(fds[0], "x");
	assert_int_equal(next(), LISTEN_BYTES);
	fds[LISTEN_CONNECTIONS_MAX] = caller("127.0.0.1", 1);
	assert_int_equal(next(), LISTEN_BROKEN);
	assert_int_equal(news.connection, 1);
	assert_int_equal(next(), LISTEN_OPENED);
	assert_int_equal(news.connection, 1);
	for (unsigned i = 0; i <= LISTEN_CONNECTIONS_MAX; i++)
		close(fds[i]);
}

/* ... but not for somebody who is not allowed. */
static void a_stranger_makes_nobody_leave(void **state)
{
	int fds[LISTEN_CONNECTIONS_MAX], other;

	(void)state;
	open_doors("127.0.0.1", "127.0.0.1");
	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++) {
		fds[i] = caller("127.0.0.1", 1);
		assert_int_equal(next(), LISTEN_OPENED);
	}
	other = caller("127.0.0.2", 1);
	assert_int_equal(next(), LISTEN_FOREIGN);
	for (unsigned i = 0; i < LISTEN_CONNECTIONS_MAX; i++) {
		say(fds[i], "x");
		assert_int_equal(next(), LISTEN_BYTES);
		assert_int_equal(news.connection, i);
		close(fds[i]);
	}
	close(other);
}

/* Without a descriptor to be had, whoever waits at the door is not told of again and again; datagrams are heard meanwhile, and the door is tried again. */
static void without_descriptors(void **state)
{
	struct rlimit limit, none;
	struct pollfd fds[LISTEN_FDS_MAX];
	struct mono now = clock_now();
	int fd, datagrams_from;

	(void)state;
	open_doors("127.0.0.1", "127.0.0.1");
	datagrams_from = caller("127.0.0.1", 0);
	fd = caller("127.0.0.1", 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max}; /* no new one; those that there are stay */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(listen_next(listener, now, &news), LISTEN_NOTHING);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(listen_poll(listener, fds), 1);
	assert_int_equal(listen_deadline(listener).ms, now.ms + LISTEN_REST_MS);
	say(datagrams_from, "one");
	while (listen_next(listener, now, &news) != LISTEN_DATAGRAM)
		;
	now = mono_add_ms(now, LISTEN_REST_MS);
	assert_int_equal(listen_next(listener, now, &news), LISTEN_OPENED);
	assert_int_equal(listen_poll(listener, fds), 3);
	close(fd);
	close(datagrams_from);
}

/* All addresses: IPv4 callers arrive mapped into IPv6, and are compared as what they are. */
static void mapped_addresses(void **state)
{
	int fd, other;

	(void)state;
	open_doors("", "127.0.0.1");
	fd = caller("127.0.0.1", 0);
	other = caller("127.0.0.2", 0);
	say(other, "forged");
	say(fd, "one");
	assert_int_equal(next(), LISTEN_FOREIGN);
	assert_int_equal(next(), LISTEN_DATAGRAM);
	close(fd);
	close(other);
	fd = caller("127.0.0.1", 1);
	assert_int_equal(next(), LISTEN_OPENED);
	close(fd);
}

static struct error refused(const char *host, unsigned port, const char *peer)
{
	struct listen_settings settings = {.door_count = 1, .peer_count = 1, .peers = {peer}};
	struct error error = {0};

	settings.doors[0] = (struct listen_door){LISTEN_TCP, "tcp://HERE", host, port};
	assert_null(listen_open(&settings, &error));
	return error;
}

static void doors_that_cannot_be_opened(void **state)
{
	struct error error;

	(void)state;
	open_doors("127.0.0.1", "127.0.0.1");
	error = refused("127.0.0.1", listen_port(listener, 1), "127.0.0.1");
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, "tcp://HERE"));
	assert_non_null(strstr(error.next, "another program"));
	error = refused("192.0.2.1", 5514, "127.0.0.1");
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.next, "no such address"));
	error = refused("127.0.0.1", 0, "no.such.name.invalid");
	assert_int_equal(error.code, ERROR_UNREACHABLE);
	assert_non_null(strstr(error.next, "from in [log]"));
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(datagrams), CASE(dropped_datagrams), CASE(connections), CASE(one_connection_too_many), CASE(a_stranger_makes_nobody_leave), CASE(without_descriptors),
		CASE(mapped_addresses),
		CASE(doors_that_cannot_be_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
