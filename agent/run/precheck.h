/* precheck.h - may this run start? Pure rules over what was read; each refusal has a name, a sentence, a next step and a flag of its own. */
#ifndef DRR_RUN_PRECHECK_H
#define DRR_RUN_PRECHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "appliance/appliance.h"
#include "watch/line.h"

/* In the order in which they are told. */
enum precheck_refusal {
	PRECHECK_NO_PRIMARY,
	PRECHECK_SEVERAL_PRIMARIES,
	PRECHECK_NO_QUORUM,
	PRECHECK_NOT_IN_TABLE,
	PRECHECK_PEERING_DOWN,
	PRECHECK_SERVICE_DISABLED,
	PRECHECK_NO_DIAG,
	PRECHECK_DRR_UNDER_WAY,
	PRECHECK_NO_LOG,
	PRECHECK_REFUSAL_COUNT
};

/* What the log told about re-registrations, line by line (precheck_log_line). */
struct precheck_log {
	bool readable;            /* false: no log, or none configured */
	const char *trouble;      /* why, for the evidence; the caller's; NULL: none is configured */
	enum line_event last;     /* LINE_WAITING, LINE_ACCEPTED, LINE_QUEUED or LINE_WORKING when one stands open; LINE_OTHER otherwise */
	int64_t last_time_ms;     /* the log's clock */
	enum line_time_kind time_kind;
	int64_t newest_time_ms;   /* of the last line of any meaning */
	enum line_time_kind newest_kind;
	int64_t modified_age_ms;  /* since the file was last written; this host's clock */
};

struct precheck_limits {
	int64_t waiting_fresh_ms; /* a waiting line younger than this may still be answered: heartbeat and slack */
	int64_t accepted_fresh_ms; /* an accepted event younger than this may still be worked on: the await timeout */
};

struct precheck_result {
	unsigned refused; /* set of 1 << enum precheck_refusal, without the overridden ones */
	unsigned overridden;
	struct peering_view view;
	int64_t open_age_ms; /* of what stands open in the log; -1: nothing, or not known */
};

enum { PRECHECK_SENTENCE_BYTES = 512 };

void precheck_log_init(struct precheck_log *log);
void precheck_log_line(struct precheck_log *log, const char *bytes, size_t length_bytes);

/* STEPS: enum run_steps. ADDRESS: this member's in the table. OVERRIDES: set of 1 << enum precheck_refusal. */
void precheck_decide(const struct appliance_facts *facts, const struct precheck_log *log, const struct precheck_limits *limits,
		     const char *address, unsigned steps, unsigned overrides, struct precheck_result *result);

/* "no-primary"; the flag is "--override-no-primary". */
const char *precheck_name(enum precheck_refusal refusal);
/* The refusal for a flag's name without "--override-"; PRECHECK_REFUSAL_COUNT when there is none. */
enum precheck_refusal precheck_by_name(const char *name);
/* Why it is refused, in general; for `explain` and manuals. */
const char *precheck_why(enum precheck_refusal refusal);
/* What to do about it. */
const char *precheck_next(enum precheck_refusal refusal);
/* What was seen, for this case. Returns OUT. */
char *precheck_evidence(enum precheck_refusal refusal, const struct precheck_result *result, const struct appliance_facts *facts,
			const struct precheck_log *log, const char *address, char out[PRECHECK_SENTENCE_BYTES]);

#endif
