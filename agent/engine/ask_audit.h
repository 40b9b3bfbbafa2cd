/* ask_audit.h - the verb audit: asks the members of a group, judges (audit/audit.h), prints; and the one change that it may make. */
#ifndef DRR_ENGINE_ASK_AUDIT_H
#define DRR_ENGINE_ASK_AUDIT_H

#include <stdbool.h>

#include "audit/audit.h"

struct audit_request {
	const char *paths[AUDIT_MEMBERS_MAX]; /* configuration files, one for each member */
	unsigned path_count;
	bool json, verbose;
	bool not_production;    /* fewer than three gateways are as intended */
	bool fix_persistence;
	const char *persistence; /* to what: local (NULL) or raid */
	bool yes;               /* do not ask */
};

/* 0: no finding, or of severity info only. 4: there are findings of severity warning or critical. Any other code as always, also when only one of several
 * members could not be asked: what the others showed is told all the same. With fix_persistence: 0 done, 3 refused, 4 failed. */
int ask_audit(const struct audit_request *request);

#endif
