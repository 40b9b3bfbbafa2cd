/* kept.h - the watchdog's memory: state_dir/watchdog, written by the engine, read by it when it starts, and by `status`. */
#ifndef DRR_ENGINE_KEPT_H
#define DRR_ENGINE_KEPT_H

#include "config.h"
#include "watch/watchdog.h"

struct watchdog_settings kept_settings(const struct config *config);

/* All the clocks that a watchdog wants. */
void kept_now(struct watchdog_time *now);

/* A watchdog_tell for whom nobody listens to. */
void kept_tell_nobody(void *context, const struct watchdog_news *news);

/* watchdog_init(), and watchdog_restore() where something is kept. 1: it remembers; 0: nothing was kept yet; -1 and ERROR: what was kept cannot be read, and it
 * begins anew. */
int kept_read(const struct config *config, struct watchdog *w, bool runs, watchdog_tell *tell, void *context, struct error *error);

/* On disk when it returns 0. -1: what was kept before stays. */
int kept_write(const struct config *config, const struct watchdog *w, struct error *error);

#endif
