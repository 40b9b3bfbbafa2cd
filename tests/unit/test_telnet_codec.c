/* agent/appliance/telnet_codec.c: pure, so every split of the input is tried; and platform/telnet.c against a socket. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appliance/telnet_codec.h"
#include "platform/clock.h"
#include "platform/telnet.h"

#define BYTES(literal) literal, sizeof(literal) - 1

/* A server's opening, a prompt, commands in the middle of data, a subnegotiation, doubled IACs, and CR in all its forms. */
static const char opening[] = "\xff\xfd\x18\xff\xfd\x20\xff\xfb\x03\xff\xfb\x01\xff\xfd\x1f\xff\xfb\x03" /* DO TERMINAL-TYPE, TERMINAL-SPEED, WILL SGA, ECHO, DO NAWS, SGA again */
			      "\r\nlogin: \xff\xfa\x18\x01\xff\xff\xf0\xff\xf0" "a\r\0b\rc\xff\xff" "d\r\r\0\0\xff\xf1\xff\xfd\x03\xff\xfb\x05\xff\xf9"
			      "e\xff\xfc\x01\xff\xfc\x05\xff\xfe\x18\xff\xfb\x01\xff\xfe\x03\xff\xfd\x03 idg# ";
static const char opening_data[] = "\r\nlogin: a\rb\rc\xff" "d\r\r\0e idg# ";
static const char opening_answers[] = "\xff\xfc\x18\xff\xfc\x20\xff\xfd\x03\xff\xfd\x01\xff\xfc\x1f" /* WONT, WONT, DO SGA, DO ECHO, WONT NAWS */
				      "\xff\xfb\x03\xff\xfe\x05"                                     /* WILL SGA, DONT STATUS */
				      "\xff\xfe\x01\xff\xfd\x01\xff\xfc\x03\xff\xfb\x03"; /* ECHO off and on, SGA off and on */

struct result {
	struct telnet_codec codec;
	struct buf data, answers;
	char data_memory[1024], answers_memory[4096];
};

static void result_init(struct result *r)
{
	telnet_codec_init(&r->codec);
	buf_init(&r->data, r->data_memory, sizeof r->data_memory);
	buf_init(&r->answers, r->answers_memory, sizeof r->answers_memory);
}

static void feed(struct result *r, const char *bytes, size_t count)
{
	size_t data = r->data.len, answers = r->answers.len;

	assert_int_equal(telnet_codec_input(&r->codec, bytes, count, &r->data, &r->answers), 0);
	assert_true(r->data.len - data <= count);
	assert_true(r->answers.len - answers <= 3 * count);
}

static void expect_opening(const struct result *r)
{
	assert_int_equal(r->data.len, sizeof opening_data - 1);
	assert_memory_equal(r->data.data, opening_data, sizeof opening_data - 1);
	assert_int_equal(r->answers.len, sizeof opening_answers - 1);
	assert_memory_equal(r->answers.data, opening_answers, sizeof opening_answers - 1);
}

static void test_all_splits(void **state)
{
	static struct result r;
	size_t length = sizeof opening - 1;

	for (size_t first = 0; first <= length; first++)
		for (size_t second = first; second <= length; second++) {
			result_init(&r);
			feed(&r, opening, first);
			feed(&r, opening + first, second - first);
			feed(&r, opening + second, length - second);
			expect_opening(&r);
		}
}

static void test_byte_by_byte(void **state)
{
	static struct result r;

	result_init(&r);
	for (size_t i = 0; i < sizeof opening - 1; i++)
		feed(&r, opening + i, 1);
	expect_opening(&r);
}

static void expect(const char *bytes, size_t count, const char *data, size_t data_count, const char *answers, size_t answers_count)
{
	static struct result r;

	result_init(&r);
	feed(&r, bytes, count);
	assert_int_equal(r.data.len, data_count);
	assert_memory_equal(r.data.data, data, data_count);
	assert_int_equal(r.answers.len, answers_count);
	assert_memory_equal(r.answers.data, answers, answers_count);
}

static void test_negotiation(void **state)
{
	expect(BYTES("\xff\xfb\x01"), BYTES(""), BYTES("\xff\xfd\x01"));
	expect(BYTES("\xff\xfd\x01"), BYTES(""), BYTES("\xff\xfc\x01")); /* we do not echo */
	expect(BYTES("\xff\xfb\x22\xff\xfb\x22\xff\xfb\x22"), BYTES(""), BYTES("\xff\xfe\x22"));
	expect(BYTES("\xff\xfc\x01\xff\xfe\x03"), BYTES(""), BYTES("")); /* was never on */
	expect(BYTES("\xff\xfb\xff"), BYTES(""), BYTES("\xff\xfe\xff")); /* option 255 is an option */
	expect(BYTES("\xff\xfa\x18\xff\xfb\x01x"), BYTES("x"), BYTES("\xff\xfd\x01")); /* a subnegotiation without an end */
	expect(BYTES("\xff\xf0x\xff\xefy"), BYTES("xy"), BYTES(""));
}

/* Two of our codecs against each other: answers to answers must die out. */
static void test_no_loop(void **state)
{
	static struct result a, b;
	char wire[4096];
	size_t count = 3 * 256 * 2, turns = 0;

	result_init(&a);
	result_init(&b);
	for (unsigned i = 0; i < 256; i++) {
		memcpy(wire + 6 * (size_t)i, "\xff\xfb?\xff\xfd?", 6);
		wire[6 * (size_t)i + 2] = wire[6 * (size_t)i + 5] = (char)i;
	}
	for (struct result *r = &a; count > 0; r = r == &a ? &b : &a) {
		assert_true(turns++ < 6);
		buf_reset(&r->answers);
		feed(r, wire, count);
		count = r->answers.len;
		memcpy(wire, r->answers.data, count);
	}
}

static void test_full_buffers(void **state)
{
	struct telnet_codec codec;
	char data_memory[3], answers_memory[3];
	struct buf data, answers;

	telnet_codec_init(&codec);
	buf_init(&data, data_memory, sizeof data_memory);
	buf_init(&answers, answers_memory, sizeof answers_memory);
	assert_int_equal(telnet_codec_input(&codec, "abc", 3, &data, &answers), -1);
	assert_int_equal(telnet_codec_input(&codec, "\xff\xfb\x01", 3, &data, &answers), -1);
}

static void test_output(void **state)
{
	char memory[64], small[4];
	struct buf wire;

	buf_init(&wire, memory, sizeof memory);
	assert_int_equal(telnet_codec_output(BYTES("a\nb\xff\n"), &wire), 0);
	assert_string_equal(wire.data, "a\r\nb\xff\xff\r\n");
	buf_init(&wire, small, sizeof small);
	assert_int_equal(telnet_codec_output("\n\n", 2, &wire), -1);
}

/* --- platform/telnet.c --- */

static struct transport *connect_to(int listener, int *peer, struct error *error)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;
	enum transport_step step;
	struct transport *t;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	t = telnet_open("127.0.0.1", ntohs(address.sin_port), false, error);
	assert_non_null(t);
	while ((step = transport_connect(t, error)) == TRANSPORT_WAIT)
		assert_int_equal(poll(&(struct pollfd){.fd = transport_fd(t), .events = transport_events(t)}, 1, 5000), 1);
	assert_int_equal(step, TRANSPORT_DONE);
	*peer = accept(listener, NULL, NULL);
	assert_true(*peer >= 0);
	return t;
}

static int listen_local(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void wait_readable(int fd)
{
	assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5000), 1);
}

static void test_transport(void **state)
{
	int listener = listen_local(), peer;
	struct error error = {0};
	struct transport *t = connect_to(listener, &peer, &error);
	char bytes[64];
	size_t count;

	assert_int_equal(transport_read(t, bytes, sizeof bytes, &count, &error), 0);
	assert_int_equal(count, 0);
	assert_int_equal(write(peer, "\xff\xfb\x01\xff\xfd\x18", 6), 6);
	wait_readable(transport_fd(t));
	assert_int_equal(transport_read(t, bytes, sizeof bytes, &count, &error), 0); /* answers only */
	assert_int_equal(count, 0);
	assert_int_equal(recv(peer, bytes, sizeof bytes, 0), 6);
	assert_memory_equal(bytes, "\xff\xfd\x01\xff\xfc\x18", 6);
	assert_int_equal(transport_write(t, "show\n", 5, &count, &error), 0);
	assert_int_equal(count, 5);
	assert_int_equal(recv(peer, bytes, sizeof bytes, 0), 6);
	assert_memory_equal(bytes, "show\r\n", 6);
	assert_int_equal(write(peer, "bye\r\n", 5), 5);
	(void)close(peer);
	wait_readable(transport_fd(t));
	assert_int_equal(transport_read(t, bytes, 2, &count, &error), 0);
	assert_int_equal(count, 2);
	assert_int_equal(transport_read(t, bytes, sizeof bytes, &count, &error), 0);
	assert_int_equal(count, 3);
	assert_int_equal(transport_read(t, bytes, sizeof bytes, &count, &error), -1);
	assert_string_equal(error_name(error.code), "lost");
	transport_close(t);
	(void)close(listener);
}

/* A peer that asks and never reads: writes and answers stop, the reader neither grows nor hangs, and all is well once the peer reads. */
static void test_transport_flood(void **state)
{
	int listener = listen_local(), peer, small = 4096;
	struct error error = {0};
	struct transport *t = connect_to(listener, &peer, &error);
	char bytes[1024], asks[3 * 1000];
	size_t count, asked = 0, answered = 0;
	ssize_t n = 0;

	(void)setsockopt(transport_fd(t), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	for (size_t at = 0; at < sizeof asks; at += 3) /* WILL ECHO, WONT ECHO: each is worth an answer */
		memcpy(asks + at, (at / 3) % 2 ? "\xff\xfc\x01" : "\xff\xfb\x01", 3);
	for (int i = 0; i < 10000 && !(n < 0 && (transport_events(t) & POLLOUT)); i++) {
		size_t from = asked % sizeof asks; /* a cut ask goes on where it was cut */

		n = send(peer, asks + from, sizeof asks - from, MSG_DONTWAIT);
		asked += n > 0 ? (size_t)n : 0;
		assert_int_equal(transport_read(t, bytes, sizeof bytes, &count, &error), 0);
		assert_int_equal(count, 0);
		if (n < 0)
			(void)usleep(1000);
	}
	assert_int_equal(transport_events(t) & POLLOUT, POLLOUT);
	for (int idle = 0; idle < 4000 && answered < asked - asked % 3;) {
		assert_int_equal(transport_read(t, bytes, sizeof bytes, &count, &error), 0);
		n = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT);
		answered += n > 0 ? (size_t)n : 0;
		if (n <= 0) {
			idle++;
			(void)usleep(5000);
		}
	}
	assert_int_equal(answered, asked - asked % 3);
	transport_close(t);
	(void)close(peer);
	(void)close(listener);
}

static void test_transport_refusals(void **state)
{
	struct error error = {0};
	struct transport *t = telnet_open("192.0.2.1", 2200, false, &error);

	assert_int_equal(transport_connect(t, &error), TRANSPORT_FAILED);
	assert_string_equal(error_name(error.code), "config");
	assert_non_null(strstr(error.what, "cleartext"));
	transport_close(t);
	transport_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_splits),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_no_loop),
		cmocka_unit_test(test_full_buffers),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_transport),
		cmocka_unit_test(test_transport_flood),
		cmocka_unit_test(test_transport_refusals),
	};

	(void)alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
