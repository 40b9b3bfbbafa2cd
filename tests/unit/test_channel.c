/* platform/channel: frames and a descriptor between two ends; a reader that sleeps, one that is gone, and one that is sent something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/channel.h"

static int ends[2];
static char memory[FRAME_MAX_BYTES];

static int open_pair(void **state)
{
	struct error error = {0};

	(void)state;
	return channel_pair(ends, &error);
}

static int close_pair(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		if (ends[i] >= 0)
			(void)close(ends[i]);
	return 0;
}

static const struct frame status = {.kind = FRAME_STATUS, .number = 5, .field_count = 1, .fields = {{"at work", 7}}};

static void sends_and_receives(void **state)
{
	struct error error = {0};
	struct frame frame;
	int passed = 77;

	(void)state;
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_NOTHING);
	assert_int_equal(passed, -1);
	assert_int_equal(channel_send(ends[0], &status, -1, &error), 0);
	assert_int_equal(channel_send(ends[0], &status, -1, &error), 0);
	for (unsigned i = 0; i < 2; i++) { /* two datagrams, never one */
		assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_FRAME);
		assert_int_equal(frame.kind, FRAME_STATUS);
		assert_int_equal(frame.number, 5);
		assert_true(frame_field_is(&frame, 0, "at work"));
		assert_int_equal(passed, -1);
	}
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_NOTHING);
}

static void passes_a_descriptor(void **state)
{
	struct frame channel = {.kind = FRAME_CHANNEL}, frame;
	struct error error = {0};
	int pipe_ends[2], passed;
	char byte = 0;

	(void)state;
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	assert_int_equal(channel_send(ends[0], &channel, pipe_ends[1], &error), 0);
	assert_int_equal(close(pipe_ends[1]), 0);
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_FRAME);
	assert_int_equal(frame.kind, FRAME_CHANNEL);
	assert_true(passed >= 0);
	assert_int_equal(fcntl(passed, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(passed, "x", 1), 1);
	assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	(void)close(passed);
	(void)close(pipe_ends[0]);
}

static void holds_the_largest(void **state)
{
	static char body[FRAME_REPLY_MAX_BYTES];
	struct frame reply = {.kind = FRAME_REPLY, .number = 1, .status = 200, .field_count = 4, .fields = {{"t", 1}, {"", 0}, {"", 0}, {body, sizeof body}}}, frame;
	struct error error = {0};
	int passed;

	(void)state;
	memset(body, 'b', sizeof body);
	assert_int_equal(channel_send(ends[0], &reply, -1, &error), 0);
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_FRAME);
	assert_int_equal(frame.fields[3].length, sizeof body);
	assert_memory_equal(frame.fields[3].bytes, body, sizeof body);
	reply.fields[0].length = 4096; /* more than the kind allows: our mistake, told, nothing sent */
	assert_int_equal(channel_send(ends[0], &reply, -1, &error), -1);
	assert_string_equal(error.what, "a reply frame is too large or malformed");
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_NOTHING);
}

static void says_when_nobody_reads(void **state)
{
	struct error error = {0};
	unsigned sent = 0;
	struct frame frame;
	int result, passed;

	(void)state;
	while ((result = channel_send(ends[0], &status, -1, &error)) == 0)
		assert_true(++sent < 1000000);
	assert_int_equal(result, 1);
	assert_int_equal(error.code, ERROR_NONE);
	for (unsigned i = 0; i < sent; i++)
		assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_FRAME);
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_NOTHING); /* the one that did not fit was not sent in part */
	assert_int_equal(channel_send(ends[0], &status, -1, &error), 0);
}

static void says_when_it_is_gone(void **state)
{
	struct error error = {0};
	struct frame frame;
	int passed;

	(void)state;
	assert_int_equal(channel_send(ends[0], &status, -1, &error), 0);
	(void)close(ends[0]);
	ends[0] = -1;
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_FRAME); /* what was sent before is still there */
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_CLOSED);
	assert_int_equal(channel_send(ends[1], &status, -1, &error), -1);
	assert_non_null(strstr(error.what, "does not take a status frame"));
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Something else than a frame, with a descriptor that nobody asked for: refused, and closed. */
static void refuses_what_is_no_frame(void **state)
{
	static char too_long[FRAME_MAX_BYTES + 1];
	struct iovec part = {.iov_base = "hello", .iov_len = 5};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	unsigned before = open_descriptors();
	struct frame frame;
	int passed = STDIN_FILENO;

	(void)state;
	memcpy(CMSG_DATA(&control.head), &ends[0], sizeof ends[0]);
	assert_int_equal(sendmsg(ends[0], &message, 0), 5);
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_BAD);
	assert_int_equal(passed, -1);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(send(ends[0], too_long, sizeof too_long, 0), sizeof too_long);
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_BAD);
	assert_int_equal(channel_send(ends[0], &status, -1, &(struct error){0}), 0);
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_FRAME); /* the next one is not hurt */
}

/* Two descriptors in one message: only one is asked for, and none may stay behind. Who sends many such frames would else leave no descriptor for anything. */
static void keeps_no_second_descriptor(void **state)
{
	const int two[2] = {STDIN_FILENO, STDOUT_FILENO};
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof two)];
	} control = {.head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof two)}};
	char bytes[64];
	struct iovec part = {.iov_base = bytes, .iov_len = frame_encode(&status, bytes, sizeof bytes)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
	unsigned before = open_descriptors();
	struct frame frame;
	int passed = STDIN_FILENO;

	(void)state;
	memcpy(CMSG_DATA(&control.head), two, sizeof two);
	assert_true(sendmsg(ends[0], &message, 0) > 0);
	assert_int_equal(channel_receive(ends[1], memory, &frame, &passed), CHANNEL_BAD);
	assert_int_equal(passed, -1);
	assert_int_equal(open_descriptors(), before);
}

#define IN_A_PAIR(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_A_PAIR(sends_and_receives), IN_A_PAIR(passes_a_descriptor), IN_A_PAIR(holds_the_largest), IN_A_PAIR(says_when_nobody_reads),
		IN_A_PAIR(says_when_it_is_gone), IN_A_PAIR(refuses_what_is_no_frame), IN_A_PAIR(keeps_no_second_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
