/* clock.h - the two clocks: CLOCK_BOOTTIME for every deadline, the wall clock only to be shown. */
#ifndef DRR_PLATFORM_CLOCK_H
#define DRR_PLATFORM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mono.h"

enum {
	CLOCK_TEXT_BYTES = sizeof "2026-01-02T03:04:05.678Z",
	CLOCK_BOOT_BYTES = 40, /* a boot id, 36 characters, and its NUL */
};

/* Where Linux tells which boot this is. */
#define CLOCK_BOOT_PATH "/proc/sys/kernel/random/boot_id"

struct mono clock_now(void); /* CLOCK_BOOTTIME */

/* Milliseconds since the epoch (UTC). Never used to decide when something is due. */
int64_t clock_wall_ms(void);

/* "2026-01-02T03:04:05.678Z". Returns OUT. */
char *clock_text(char out[CLOCK_TEXT_BYTES], int64_t wall_ms);

/* Another one after each boot of this host; "" where it cannot be read. Returns OUT. */
char *clock_boot_id(char out[CLOCK_BOOT_BYTES]);

/* The reverse, for RFC 3339 in UTC: with or without milliseconds, with Z. False: it is no such time. */
bool clock_parse(const char *text, int64_t *wall_ms);

#endif
