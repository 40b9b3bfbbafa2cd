#include "platform/telnet.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "appliance/telnet_codec.h"
#include "platform/dial.h"

enum {
	CHUNK_BYTES = 1024,                 /* read from the socket at once */
	WIRE_BYTES = 4 * CHUNK_BYTES,       /* answers (at most 3 for 1) and our own lines on their way out */
	ANSWERS_ROOM_BYTES = 3 * CHUNK_BYTES, /* must be free before more is read */
};

struct telnet {
	struct transport base; /* first: the functions cast */
	struct dial dial;
	bool connected;
	struct telnet_codec codec;
	struct buf wire;
	char wire_memory[WIRE_BYTES + 1];
};

static struct telnet *of(struct transport *t)
{
	return (struct telnet *)(void *)t;
}

static int lost(const struct telnet *telnet, int sys_errno, struct error *error)
{
	if (sys_errno != 0)
		return error_set_errno(error, ERROR_LOST, sys_errno, NULL, "the telnet connection to %s port %u broke", telnet->dial.host,
				       telnet->dial.port);
	return error_set(error, ERROR_LOST, NULL, "%s port %u closed the telnet connection", telnet->dial.host, telnet->dial.port);
}

static enum transport_step telnet_connect(struct transport *t, struct error *error)
{
	struct telnet *telnet = of(t);
	enum transport_step step;

	if (telnet->connected)
		return TRANSPORT_DONE;
	step = dial_step(&telnet->dial, error);
	t->fd = telnet->dial.fd;
	telnet->connected = step == TRANSPORT_DONE;
	return step;
}

/* Sends what waits in wire: 0 (perhaps not all), or why it failed. A password may be in it: what is sent is wiped. */
static int flush(struct telnet *telnet)
{
	struct buf *wire = &telnet->wire;
	size_t before = wire->len;
	int sys_errno = 0;

	while (wire->len > 0 && sys_errno == 0) {
		ssize_t sent = send(telnet->base.fd, wire->data, wire->len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0)
			buf_drop(wire, (size_t)sent);
		else if (errno != EINTR)
			sys_errno = errno;
	}
	explicit_bzero(telnet->wire_memory + wire->len, before - wire->len + 1);
	return sys_errno == EAGAIN || sys_errno == EWOULDBLOCK ? 0 : sys_errno;
}

/* One read from the socket: 1 when bytes came (perhaps only commands, then *got is 0), 0 when there are none yet. */
static int read_chunk(struct telnet *telnet, void *bytes, size_t size_bytes, size_t *got_bytes, struct error *error)
{
	char raw[CHUNK_BYTES], decoded[CHUNK_BYTES + 1];
	struct buf data;
	ssize_t count;

	buf_init(&data, decoded, sizeof decoded);
	do {
		count = recv(telnet->base.fd, raw, size_bytes < sizeof raw ? size_bytes : sizeof raw, MSG_DONTWAIT);
	} while (count < 0 && errno == EINTR);
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (count <= 0)
		return lost(telnet, count < 0 ? errno : 0, error);
	if (telnet_codec_input(&telnet->codec, raw, (size_t)count, &data, &telnet->wire) != 0)
		return error_set(error, ERROR_INTERNAL, NULL, "telnet: no room for decoded bytes");
	memcpy(bytes, decoded, data.len);
	*got_bytes = data.len;
	return 1;
}

static int telnet_read(struct transport *t, void *bytes, size_t size_bytes, size_t *got_bytes, struct error *error)
{
	struct telnet *telnet = of(t);
	int rc = 1;

	*got_bytes = 0;
	(void)flush(telnet); /* a broken connection shows in recv(), behind the bytes that came before */
	/* no reading while answers pile up: a peer that only asks and never listens gets no memory of ours */
	while (rc == 1 && *got_bytes == 0 && WIRE_BYTES - telnet->wire.len >= ANSWERS_ROOM_BYTES) {
		rc = read_chunk(telnet, bytes, size_bytes, got_bytes, error);
		(void)flush(telnet);
	}
	return rc < 0 ? -1 : 0;
}

static int telnet_write(struct transport *t, const void *bytes, size_t count_bytes, size_t *taken_bytes, struct error *error)
{
	struct telnet *telnet = of(t);
	int sys_errno = flush(telnet);
	size_t room = (WIRE_BYTES - telnet->wire.len) / 2; /* every byte may become two */

	*taken_bytes = 0;
	if (sys_errno != 0)
		return lost(telnet, sys_errno, error);
	if (count_bytes > room)
		count_bytes = room;
	if (telnet_codec_output(bytes, count_bytes, &telnet->wire) != 0)
		return error_set(error, ERROR_INTERNAL, NULL, "telnet: no room for bytes to send");
	*taken_bytes = count_bytes;
	(void)flush(telnet);
	return 0;
}

static short telnet_events(const struct transport *t)
{
	const struct telnet *telnet = (const struct telnet *)(const void *)t;

	if (!telnet->connected)
		return POLLOUT;
	if (telnet->wire.len == 0)
		return POLLIN;
	return WIRE_BYTES - telnet->wire.len >= ANSWERS_ROOM_BYTES ? POLLIN | POLLOUT : POLLOUT;
}

static void telnet_close(struct transport *t)
{
	struct telnet *telnet = of(t);

	dial_close(&telnet->dial);
	explicit_bzero(telnet, sizeof *telnet);
	free(telnet);
}

struct transport *telnet_open(const char *host, unsigned port, bool allow_remote, struct error *error)
{
	static const struct transport_ops ops = {telnet_connect, telnet_read, telnet_write, telnet_events, telnet_close};
	struct telnet *telnet = calloc(1, sizeof *telnet);

	if (!telnet) {
		(void)error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "telnet");
		return NULL;
	}
	telnet->base.ops = &ops;
	telnet->base.fd = -1;
	dial_init(&telnet->dial, host, port, !allow_remote);
	telnet_codec_init(&telnet->codec);
	buf_init(&telnet->wire, telnet->wire_memory, sizeof telnet->wire_memory);
	return &telnet->base;
}
