#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void buf_init(struct buf *buf, char *memory, size_t size_bytes)
{
	assert(size_bytes > 0);
	buf->data = memory;
	buf->size = size_bytes;
	buf_reset(buf);
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->overflow = false;
	buf->data[0] = '\0';
}

int buf_add(struct buf *buf, const void *bytes, size_t count_bytes)
{
	if (count_bytes > buf->size - 1 - buf->len) {
		buf->overflow = true;
		return -1;
	}
	if (count_bytes > 0)
		memcpy(buf->data + buf->len, bytes, count_bytes);
	buf->len += count_bytes;
	buf->data[buf->len] = '\0';
	return 0;
}

int buf_add_string(struct buf *buf, const char *string)
{
	return buf_add(buf, string, strlen(string));
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	size_t room = buf->size - buf->len;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(buf->data + buf->len, room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= room) {
		buf->data[buf->len] = '\0';
		buf->overflow = true;
		return -1;
	}
	buf->len += (size_t)length;
	return 0;
}

void buf_drop(struct buf *buf, size_t count_bytes)
{
	assert(count_bytes <= buf->len);
	memmove(buf->data, buf->data + count_bytes, buf->len - count_bytes);
	buf->len -= count_bytes;
	buf->data[buf->len] = '\0';
}
