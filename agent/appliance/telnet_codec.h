/* telnet_codec.h - telnet (RFC 854, 855) as a pure filter: bytes in, data and answers out. Any split of the input gives the same. */
#ifndef DRR_APPLIANCE_TELNET_CODEC_H
#define DRR_APPLIANCE_TELNET_CODEC_H

#include "base/buf.h"

struct telnet_codec {
	int state;             /* private: where in a command the last byte left us */
	unsigned char command; /* private: WILL, WONT, DO or DONT of the negotiation in progress */
	/* private: what was answered already, so that no negotiation loops (RFC 854) */
	unsigned char answered_do[32], answered_will[32];
};

void telnet_codec_init(struct telnet_codec *codec);

/* Takes COUNT foreign bytes. Data goes to DATA (CR NUL becomes CR; IAC IAC a byte 255), what must be sent back to ANSWERS. We agree to WILL ECHO and to WILL/DO SUPPRESS-GO-AHEAD,
 * and refuse everything else. 0, or -1 when a buffer is full (what was taken until then is lost: the caller sizes DATA
 * at least COUNT and ANSWERS at least 3 * COUNT). */
int telnet_codec_input(struct telnet_codec *codec, const void *bytes, size_t count_bytes, struct buf *data, struct buf *answers);

/* Bytes to send for COUNT bytes of ours: IAC doubled, LF as CR LF (network virtual terminal). WIRE at least 2 * COUNT. */
int telnet_codec_output(const void *bytes, size_t count_bytes, struct buf *wire);

#endif
