/* engine.h - the daemon's second process: it alone speaks with the appliance and writes state_dir. */
#ifndef DRR_ENGINE_ENGINE_H
#define DRR_ENGINE_ENGINE_H

#include "config.h"

enum { ENGINE_CONTROL_FD = 3, ENGINE_FRONT_FD = 4 };

/* The hidden verb `engine`: works until its supervisor says FRAME_STOP, a signal comes, or the supervisor is gone; then it finishes what is open. Returns the
 * exit code. */
int engine_main(const struct config *config);

#endif
