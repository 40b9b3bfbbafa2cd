/* mono.h - points in time that only move forward, in a type that cannot be added to a number by mistake.
 * The clock behind it is CLOCK_BOOTTIME (platform/clock.h): it goes on while the machine sleeps or is stunned. */
#ifndef DRR_BASE_MONO_H
#define DRR_BASE_MONO_H

#include <stdbool.h>
#include <stdint.h>

struct mono {
	int64_t ms; /* milliseconds since boot; MONO_NEVER for "no deadline" */
};

#define MONO_NEVER ((struct mono){INT64_MAX})

static inline struct mono mono_add_ms(struct mono t, int64_t delta_ms)
{
	return t.ms == INT64_MAX ? t : (struct mono){t.ms + delta_ms};
}

/* LATER minus EARLIER. */
static inline int64_t mono_diff_ms(struct mono later, struct mono earlier)
{
	return later.ms - earlier.ms;
}

static inline bool mono_reached(struct mono deadline, struct mono now)
{
	return deadline.ms != INT64_MAX && now.ms >= deadline.ms;
}

static inline struct mono mono_earlier(struct mono a, struct mono b)
{
	return a.ms < b.ms ? a : b;
}

#endif
