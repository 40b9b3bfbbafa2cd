/* ask.h - the verbs that only look: status, check, journal. */
#ifndef DRR_ENGINE_ASK_H
#define DRR_ENGINE_ASK_H

#include <stdbool.h>

#include "config.h"

/* Each returns the exit code and has told everything. */
int ask_status(const struct config *config, bool json, bool verbose);
int ask_check(const struct config *config, bool connect, bool verbose);
int ask_journal(const struct config *config, bool json);

#endif
