/* buf.h - a byte buffer of fixed size over memory of the caller's. It never grows and never cuts in silence:
 * what does not fit is refused as a whole and remembered in `overflow`. */
#ifndef DRR_BASE_BUF_H
#define DRR_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;      /* the caller's memory; always NUL-terminated after the last byte */
	size_t len;      /* bytes in use, without the NUL */
	size_t size;     /* bytes of memory, at least 1 */
	bool overflow;   /* something was refused since the last reset */
};

void buf_init(struct buf *buf, char *memory, size_t size_bytes);
void buf_reset(struct buf *buf);

/* 0, or -1 (nothing added, overflow set). */
int buf_add(struct buf *buf, const void *bytes, size_t count_bytes);
int buf_add_string(struct buf *buf, const char *string);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first COUNT bytes (at most len). */
void buf_drop(struct buf *buf, size_t count_bytes);

#endif
