/* secret.h - a password or key on its way from a file to the one call that needs it. It has no formatter and is never copied
 * into an error, a journal or a log. platform/secretfile.h fills it in locked memory. */
#ifndef DRR_BASE_SECRET_H
#define DRR_BASE_SECRET_H

#include <stddef.h>

enum { SECRET_MAX_BYTES = 1024 };

struct secret {
	char *bytes;   /* NUL-terminated; NULL: none. Memory of platform/secretfile.c: locked, not in cores, wiped when freed */
	size_t length; /* bytes without the NUL */
};

#endif
