/* entropy.h - random numbers from the kernel alone, by getentropy(3): no file is opened, so none has to exist in a jail. */
#ifndef DRR_PLATFORM_ENTROPY_H
#define DRR_PLATFORM_ENTROPY_H

#include <stddef.h>

#include "base/error.h"

enum { ENTROPY_MAX_BYTES = 256 }; /* at a time */

/* 0, or -1 and ERROR_INTERNAL. PURPOSE: who needs them, for the sentence. Waits only where the kernel has none yet, early at its start. Whoever starts mbedTLS
 * asks here first: the library's source of entropy is in this object, and not all of it says when there is none. */
int entropy_get(void *out, size_t size_bytes, const char *purpose, struct error *error);

#endif
