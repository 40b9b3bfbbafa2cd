/* ini.h - reads an INI text line by line (inih behind it).
 *
 * The dialect is narrow, and the same however inih was compiled: sections, KEY = VALUE (or KEY: VALUE), blank lines, and comments, which
 * start with ; or # and have a line of their own. No continuation lines, no quotes, no escapes. A comment behind a value is an error and not a
 * part of the value. */
#ifndef DRR_PLATFORM_INI_H
#define DRR_PLATFORM_INI_H

#include <stddef.h>

enum { INI_LINE_MAX_BYTES = 1000 }; /* without its line end; inih must be compiled with INI_MAX_LINE=1024 to reach it */

/* Called for each key: SECTION is "" before the first one. LINE counts from 1. KEY and VALUE are NULL where a section begins (its
 * [SECTION] line). Return 0 to go on, -1 to stop. */
typedef int ini_key_function(void *context, const char *section, const char *key, const char *value, unsigned line);

/* 0; or -1 and *bad_line set: the first line that is no section, key or comment (or is too long, or holds a NUL), or where the function
 * said stop. */
int ini_read(const char *text, size_t text_bytes, ini_key_function *function, void *context, unsigned *bad_line);

#endif
