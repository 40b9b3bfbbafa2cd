#include "base/der.h"

#include <string.h>

size_t der_open(struct buf *buf, unsigned char tag)
{
	const unsigned char head[2] = {tag, 0};

	(void)buf_add(buf, head, sizeof head);
	return buf->len;
}

/* The length is known now: the one byte that der_open() left, or two or three, for which the content moves. */
void der_close(struct buf *buf, size_t opened)
{
	size_t length = buf->len - opened, more = length < 0x80 ? 0 : length < 0x100 ? 1 : 2;
	unsigned char *at;

	if (buf->overflow || buf_add(buf, "\0\0", more) != 0)
		return;
	if (length > 0xffff) {
		buf->overflow = true;
		return;
	}
	at = (unsigned char *)buf->data + opened - 1;
	memmove(at + 1 + more, at + 1, length);
	if (more == 0) {
		at[0] = (unsigned char)length;
		return;
	}
	at[0] = (unsigned char)(0x80 | more);
	at[more] = (unsigned char)length;
	if (more == 2)
		at[1] = (unsigned char)(length >> 8);
}

void der_add(struct buf *buf, unsigned char tag, const void *bytes, size_t count_bytes)
{
	size_t opened = der_open(buf, tag);

	(void)buf_add(buf, bytes, count_bytes);
	der_close(buf, opened);
}
