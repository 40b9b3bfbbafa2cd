/* base64.h - RFC 4648, standard alphabet. Pure. */
#ifndef DRR_BASE_BASE64_H
#define DRR_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the text of COUNT bytes, with padding and NUL. */
#define BASE64_TEXT_BYTES(count) (((count) + 2) / 3 * 4 + 1)

/* OUT: BASE64_TEXT_BYTES(count_bytes). Returns OUT. */
char *base64_encode(char *out, const void *bytes, size_t count_bytes);

/* A decoder for text that comes in pieces; blanks, tabs and line ends are skipped. */
struct base64_decoder {
	uint32_t bits;
	unsigned count;  /* characters of the open group of four */
	unsigned padded; /* '=' seen in it; after a padded group nothing but white space may come */
	bool ended;
};

void base64_decoder_init(struct base64_decoder *decoder);

/* Decodes COUNT characters; OUT needs (COUNT + 3) / 4 * 3 bytes. Returns how many bytes were written, or -1: not base64. */
int64_t base64_decode(struct base64_decoder *decoder, const char *text, size_t count_bytes, void *out);

/* True when the text may end here: no group is open. */
bool base64_decoder_complete(const struct base64_decoder *decoder);

#endif
