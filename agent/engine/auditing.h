/* auditing.h - what an audit asks of one member, and what it makes of the answers: the same for the verb audit and for GET /v1/audit. */
#ifndef DRR_ENGINE_AUDITING_H
#define DRR_ENGINE_AUDITING_H

#include "audit/audit.h"
#include "engine/link.h"
#include "engine/probe.h"
#include "platform/json.h"

enum { AUDITING_QUESTIONS = 8, AUDITING_DOORS = 2 };

/* The operations, in their order. */
extern const enum appliance_op auditing_questions[AUDITING_QUESTIONS];

/* Question I was answered with LINK's error. True: the audit goes on without the answer, as some firmware, some user or some way cannot tell it; what was known of it is
 * forgotten, so that nothing is said of it. */
bool auditing_does_without(unsigned i, struct link *link);

/* MEMBER as audit.h wants it, its doors not asked yet. Points into the others, which outlive it. XMI_ERROR: link's. */
void auditing_fill(struct audit_member *member, const struct config *config, const struct appliance_facts *facts, const struct error *xmi_error, const char *address);

/* Begins to ask door I of the gateway (probe.h). 1: begun; 0: none is configured; -1: this end is at fault. */
int auditing_knock(const struct config *config, unsigned i, struct probe *probe, struct error *error);
/* What came of it. */
void auditing_take(const struct config *config, unsigned i, const struct probe *probe, struct audit_member *member);

/* The findings, as `audit --json` and GET /v1/audit tell them. The caller frees. */
struct json *auditing_json(const struct audit *audit, const struct audit_member *members);

#endif
