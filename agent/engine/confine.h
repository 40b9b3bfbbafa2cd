/* confine.h - the engine's jail (platform/jail.h) as the configuration wants it: its files, its state_dir, its ports, and what name resolution reads. */
#ifndef DRR_ENGINE_CONFINE_H
#define DRR_ENGINE_CONFINE_H

#include "config.h"

enum { CONFINE_CONFIGS_MAX = 8 };

/* Before the first foreign byte is read. CONFIGS: what this process works with, 1 ... CONFINE_CONFIGS_MAX. Files stay readable when others take their names: their
 * folders are given, not they. VERBOSE: a line on standard error about what the kernel had. 0, or -1: ERROR_INTERNAL. */
int confine_enter(const struct config *const *configs, unsigned count, bool verbose, struct error *error);

#endif
