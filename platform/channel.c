#include "platform/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SEND_BUFFER_BYTES = 4 * FRAME_MAX_BYTES };

int channel_pair(int ends[2], struct error *error)
{
	int room = SEND_BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "a pair of sockets between two processes cannot be made");
	for (unsigned i = 0; i < 2; i++)
		(void)setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room); /* the system's default holds one large frame as well */
	return 0;
}

/* A control message with one descriptor. */
union control {
	struct cmsghdr head; /* for its alignment */
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void attach(struct msghdr *message, union control *control, int passed)
{
	memset(control, 0, sizeof *control);
	message->msg_control = control->bytes;
	message->msg_controllen = sizeof control->bytes;
	control->head.cmsg_level = SOL_SOCKET;
	control->head.cmsg_type = SCM_RIGHTS;
	control->head.cmsg_len = CMSG_LEN(sizeof passed);
	memcpy(CMSG_DATA(&control->head), &passed, sizeof passed);
}

int channel_send(int fd, const struct frame *frame, int passed, struct error *error)
{
	char *memory = malloc(FRAME_MAX_BYTES); /* several threads of the front send at once, and their stacks are small */
	struct iovec part = {.iov_base = memory};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	union control control;
	ssize_t sent;
	int cause;

	if (!memory)
		return error_set(error, ERROR_INTERNAL, NULL, "no memory for a frame");
	part.iov_len = frame_encode(frame, memory, FRAME_MAX_BYTES);
	if (part.iov_len == 0) {
		free(memory);
		return error_set(error, ERROR_INTERNAL, NULL, "a %s frame is too large or malformed", frame_name(frame->kind));
	}
	if (passed >= 0)
		attach(&message, &control, passed);
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	cause = errno;
	explicit_bzero(memory, part.iov_len); /* it may have been a key */
	free(memory);
	if (sent >= 0)
		return 0;
	if (cause == EAGAIN || cause == ENOBUFS)
		return 1;
	return error_set_errno(error, ERROR_INTERNAL, cause, NULL, "the other process of this daemon does not take a %s frame", frame_name(frame->kind));
}

/* The descriptor that came along. There is room for one: a message with more of them is cut by the kernel, which drops the others, and is refused. */
static int take_passed(const struct msghdr *message, const union control *control)
{
	int taken = -1;

	if (message->msg_controllen >= sizeof control->head && control->head.cmsg_level == SOL_SOCKET && control->head.cmsg_type == SCM_RIGHTS)
		memcpy(&taken, CMSG_DATA(&control->head), sizeof taken);
	return taken;
}

enum channel_read channel_receive(int fd, char *memory, struct frame *frame, int *passed)
{
	struct iovec part = {.iov_base = memory, .iov_len = FRAME_MAX_BYTES};
	union control control;
	/* not CMSG_SPACE(): its padding holds a second descriptor, which nobody would close */
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t got;

	*passed = -1;
	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? CHANNEL_NOTHING : CHANNEL_CLOSED;
	if (got == 0)
		return CHANNEL_CLOSED; /* no frame is empty */
	*passed = take_passed(&message, &control);
	if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && frame_decode(memory, (size_t)got, frame))
		return CHANNEL_FRAME;
	if (*passed >= 0)
		(void)close(*passed);
	*passed = -1;
	return CHANNEL_BAD;
}
