/* refused.h - remembers, in state_dir or else in the process, that the appliance refused the configured credentials: accounts get locked by agents that try again. */
#ifndef DRR_ENGINE_REFUSED_H
#define DRR_ENGINE_REFUSED_H

#include "base/error.h"
#include "config.h"

enum refused_way { REFUSED_CLI, REFUSED_XMI }; /* each has credentials of its own */

/* Each account (host and user) has a record of its own. -1 and ERROR_AUTH when exactly this configuration (host, user, and the files of configuration, password and key, by identity, size and time)
 * was refused before. Anything changed: the memory is dropped, 0. */
int refused_check(const struct config *config, enum refused_way way, struct error *error);

/* Where state_dir cannot be written, this process alone remembers it, and that is added to the sentence of REFUSAL, the error that is to be told. Holds
 * no secret. */
void refused_remember(const struct config *config, enum refused_way way, struct error *refusal);

#endif
