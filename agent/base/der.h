/* der.h - writes DER (X.690) into a buffer, front to back: an element is opened, filled and closed. Pure.
 *
 * What does not fit sets buf->overflow and leaves something useless behind, so look at it once, at the end. Elements of up to 65535 bytes. */
#ifndef DRR_BASE_DER_H
#define DRR_BASE_DER_H

#include <stddef.h>

#include "base/buf.h"

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_UTF8_STRING = 0x0c,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80,      /* or a number, for [number] in its primitive form */
	DER_CONTEXT_HOLDER = 0xa0, /* the same around other elements */
};

/* Begins an element; what it returns goes to der_close(), in reverse order of the opening. */
size_t der_open(struct buf *buf, unsigned char tag);
void der_close(struct buf *buf, size_t opened);

/* A whole element with these COUNT bytes in it. */
void der_add(struct buf *buf, unsigned char tag, const void *bytes, size_t count_bytes);

#endif
