#include "base/base64.h"

#include <string.h>

char *base64_encode(char *out, const void *bytes, size_t count_bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = bytes;
	char *to = out;

	while (count_bytes > 0) {
		size_t taken = count_bytes < 3 ? count_bytes : 3;
		uint32_t bits = (uint32_t)in[0] << 16 | (taken > 1 ? (uint32_t)in[1] << 8 : 0) | (taken > 2 ? in[2] : 0u);

		*to++ = digits[bits >> 18];
		*to++ = digits[bits >> 12 & 63];
		*to++ = taken > 1 ? digits[bits >> 6 & 63] : '=';
		*to++ = taken > 2 ? digits[bits & 63] : '=';
		in += taken;
		count_bytes -= taken;
	}
	*to = '\0';
	return out;
}

void base64_decoder_init(struct base64_decoder *decoder)
{
	memset(decoder, 0, sizeof *decoder);
}

/* The six bits of a digit, or -1. */
static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Adds one character to the open group; 0 or -1. */
static int take(struct base64_decoder *decoder, char c)
{
	int value = digit_value(c);

	if (decoder->ended)
		return -1;
	if (c == '=') {
		if (decoder->count < 2)
			return -1;
		decoder->padded++;
		value = 0;
	} else if (value < 0 || decoder->padded > 0) {
		return -1;
	}
	decoder->bits = decoder->bits << 6 | (uint32_t)value;
	decoder->count++;
	return 0;
}

/* Writes the bytes of a full group; -1 when bits are set behind its last byte, as no encoder leaves them. */
static int close_group(struct base64_decoder *decoder, unsigned char *out)
{
	unsigned bytes = 3 - decoder->padded;

	if (decoder->padded > 0 && (decoder->bits & ((1u << 8 * decoder->padded) - 1)) != 0)
		return -1;
	for (unsigned i = 0; i < bytes; i++)
		out[i] = (unsigned char)(decoder->bits >> (16 - 8 * i));
	decoder->ended = decoder->padded > 0;
	decoder->bits = 0;
	decoder->count = 0;
	decoder->padded = 0;
	return (int)bytes;
}

int64_t base64_decode(struct base64_decoder *decoder, const char *text, size_t count_bytes, void *out)
{
	unsigned char *to = out;

	for (size_t i = 0; i < count_bytes; i++) {
		int bytes = 0;

		if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n')
			continue;
		if (take(decoder, text[i]) != 0)
			return -1;
		if (decoder->count == 4)
			bytes = close_group(decoder, to);
		if (bytes < 0)
			return -1;
		to += bytes;
	}
	return to - (unsigned char *)out;
}

bool base64_decoder_complete(const struct base64_decoder *decoder)
{
	return decoder->count == 0;
}
