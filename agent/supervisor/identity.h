/* identity.h - certificate, key and accepted clients of the HTTPS endpoint, on their way from files to the front. */
#ifndef DRR_SUPERVISOR_IDENTITY_H
#define DRR_SUPERVISOR_IDENTITY_H

#include <stdbool.h>

#include "base/error.h"
#include "base/secret.h"
#include "config.h"

struct identity {
	struct secret certificate, key, client_ca; /* PEM text */
};

/* Whether CONFIG has an endpoint that needs one. */
bool identity_is_needed(const struct config *config);

/* Reads the three files of [https]; the key's under the rules for secrets. What they hold is the front's to judge. 0, or -1 and IDENTITY empty: ERROR_CONFIG. */
int identity_load(const struct config *config, struct identity *identity, struct error *error);

/* Sends it to the front over CONTROL. 0 or -1. */
int identity_send(const struct identity *identity, int control, struct error *error);

void identity_free(struct identity *identity); /* wipes; harmless on an empty one */

#endif
