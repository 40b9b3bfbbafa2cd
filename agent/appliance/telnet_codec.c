#include "appliance/telnet_codec.h"

#include <stdbool.h>
#include <string.h>

/* RFC 854 (commands), 857 (ECHO), 858 (SUPPRESS-GO-AHEAD) */
enum {
	TELNET_SE = 240,
	TELNET_SB = 250,
	TELNET_WILL = 251,
	TELNET_WONT = 252,
	TELNET_DO = 253,
	TELNET_DONT = 254,
	TELNET_IAC = 255,
	OPTION_ECHO = 1,
	OPTION_SUPPRESS_GO_AHEAD = 3,
};

enum {
	STATE_DATA = 0,
	STATE_CR,     /* data, and the last byte was CR: a NUL that follows is only its padding */
	STATE_IAC,    /* the next byte is a command */
	STATE_OPTION, /* WILL, WONT, DO or DONT came: the next byte is the option */
	STATE_SB,     /* in a subnegotiation, which is skipped: we never agreed to one */
	STATE_SB_IAC,
};

void telnet_codec_init(struct telnet_codec *codec)
{
	memset(codec, 0, sizeof *codec);
}

static bool bit_get(const unsigned char *bits, unsigned char index)
{
	return (bits[index / 8] >> (index % 8) & 1) != 0;
}

static void bit_put(unsigned char *bits, unsigned char index, bool on)
{
	unsigned char mask = (unsigned char)(1U << (index % 8));

	if (on)
		bits[index / 8] = (unsigned char)(bits[index / 8] | mask);
	else
		bits[index / 8] = (unsigned char)(bits[index / 8] & ~mask);
}

/* One request of the peer. YES and NO are our possible answers to an offer, ANSWERED the offers that stand answered. An offer is answered
 * once; its withdrawal is confirmed only if we had agreed: so no exchange of answers can go on for ever. */
static int answer(struct buf *answers, unsigned char *answered, unsigned char option, bool offer, bool agree, unsigned char yes,
		  unsigned char no)
{
	unsigned char bytes[3] = {TELNET_IAC, no, option};

	if (bit_get(answered, option) == offer || (!offer && !agree))
		return 0;
	bit_put(answered, option, offer);
	if (offer && agree)
		bytes[1] = yes;
	return buf_add(answers, bytes, sizeof bytes);
}

static int negotiate(struct telnet_codec *codec, unsigned char option, struct buf *answers)
{
	bool go_ahead = option == OPTION_SUPPRESS_GO_AHEAD;

	if (codec->command == TELNET_WILL || codec->command == TELNET_WONT)
		return answer(answers, codec->answered_will, option, codec->command == TELNET_WILL, go_ahead || option == OPTION_ECHO,
			      TELNET_DO, TELNET_DONT);
	return answer(answers, codec->answered_do, option, codec->command == TELNET_DO, go_ahead, TELNET_WILL, TELNET_WONT);
}

/* The byte behind an IAC. Commands without an option (NOP, GA, ...) are dropped. */
static int take_command(struct telnet_codec *codec, unsigned char byte, struct buf *data)
{
	codec->state = STATE_DATA;
	if (byte == TELNET_IAC)
		return buf_add(data, &byte, 1);
	if (byte == TELNET_SB)
		codec->state = STATE_SB;
	if (byte >= TELNET_WILL && byte <= TELNET_DONT) {
		codec->command = byte;
		codec->state = STATE_OPTION;
	}
	return 0;
}

static int take_data(struct telnet_codec *codec, unsigned char byte, struct buf *data)
{
	bool padding = codec->state == STATE_CR && byte == '\0';

	codec->state = byte == '\r' ? STATE_CR : STATE_DATA;
	return padding ? 0 : buf_add(data, &byte, 1);
}

static int take(struct telnet_codec *codec, unsigned char byte, struct buf *data, struct buf *answers)
{
	switch (codec->state) {
	case STATE_IAC:
		return take_command(codec, byte, data);
	case STATE_OPTION:
		codec->state = STATE_DATA;
		return negotiate(codec, byte, answers);
	case STATE_SB:
		if (byte == TELNET_IAC)
			codec->state = STATE_SB_IAC;
		return 0;
	case STATE_SB_IAC:
		codec->state = STATE_SB;
		if (byte == TELNET_SE)
			codec->state = STATE_DATA;
		else if (byte != TELNET_IAC) /* not allowed there: the peer forgot the end; better that than silence for ever */
			return take_command(codec, byte, data);
		return 0;
	default:
		if (byte != TELNET_IAC)
			return take_data(codec, byte, data);
		codec->state = STATE_IAC;
		return 0;
	}
}

int telnet_codec_input(struct telnet_codec *codec, const void *bytes, size_t count_bytes, struct buf *data, struct buf *answers)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < count_bytes; i++)
		if (take(codec, p[i], data, answers) != 0)
			return -1;
	return 0;
}

int telnet_codec_output(const void *bytes, size_t count_bytes, struct buf *wire)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < count_bytes; i++) {
		int rc;

		if (p[i] == TELNET_IAC)
			rc = buf_add(wire, "\xff\xff", 2);
		else if (p[i] == '\n')
			rc = buf_add(wire, "\r\n", 2);
		else
			rc = buf_add(wire, &p[i], 1);
		if (rc != 0)
			return -1;
	}
	return 0;
}
