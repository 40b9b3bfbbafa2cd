/* audit.h - what is wrong, or unwise, with a group of gateways: one table of rules over what was read from its members. Pure.
 *
 * A rule speaks only of what is known: a fact that nobody could read makes no finding. With one member the rules about the group use what that member
 * shows of the others; with several they also compare. The healthy group of three has no finding. */
#ifndef DRR_AUDIT_AUDIT_H
#define DRR_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appliance/appliance.h"

enum {
	AUDIT_MEMBERS_MAX = 8,
	AUDIT_FINDINGS_MAX = 96,
	AUDIT_EVIDENCE_BYTES = 768,
	AUDIT_FIX_LINES_MAX = 4,
	AUDIT_FIX_LINE_BYTES = 768,
	AUDIT_HEALTH_BYTES = 1024,
	AUDIT_SUBJECT_BYTES = 2 * APPLIANCE_WORD_BYTES,

	AUDIT_PRODUCTION_MEMBERS = 3,      /* IBM: three gateways or more in production */
	AUDIT_LOG_SIZE_MIN_KB = 5000,      /* of a file with debug: the appliance's default of 500 KB holds minutes of a re-synchronisation that takes 35 */
	AUDIT_LOG_SIZE_ADVISED_KB = 50000, /* the largest; usual in IBM's instructions */
	AUDIT_CLOCK_SKEW_MAX_MS = 5000,    /* NTP keeps milliseconds; a second or two is the write of a log line on a busy machine */
};

#define AUDIT_CLOCK_UNKNOWN INT64_MIN

enum audit_severity { AUDIT_CRITICAL, AUDIT_WARNING, AUDIT_INFO, AUDIT_SEVERITY_COUNT };

/* What an address of the gateway answered. */
struct audit_probe {
	bool asked, good;      /* not asked: nothing is known */
	char evidence[512];    /* what was asked and what came back; foreign */
};

/* One member, as the caller read it. The strings and facts are the caller's. */
struct audit_member {
	const char *name;        /* [agent] name */
	const char *config_path; /* for commands */
	const char *domain;
	const char *address;     /* its own in the peering table; "" unknown */
	const struct appliance_facts *facts;
	const char *xmi_error;   /* why the configured XML management interface does not answer; NULL: it does, or is not configured */
	const char *xmi_next;    /* what to do about that, where it is not to enable it; NULL otherwise */
	struct audit_probe health, init_check;
	int64_t appliance_clock_ms, asked_wall_ms; /* the appliance's wall clock, and this host's at the same moment; AUDIT_CLOCK_UNKNOWN */
};

struct audit_finding {
	const char *id;          /* "no-primary"; stays the same for ever */
	enum audit_severity severity;
	unsigned member;         /* whose; where it is the group's: the first one that shows it */
	const char *why;
	bool changes;            /* its commands change the running configuration: audit_note */
	char subject[AUDIT_SUBJECT_BYTES]; /* what it is about, where a rule can find several; foreign */
	char evidence[AUDIT_EVIDENCE_BYTES]; /* foreign */
	unsigned fix_count;
	char fix[AUDIT_FIX_LINES_MAX][AUDIT_FIX_LINE_BYTES]; /* commands, in their order */
};

struct audit {
	unsigned count;
	bool left_out;           /* there are more than AUDIT_FINDINGS_MAX */
	struct audit_finding findings[AUDIT_FINDINGS_MAX]; /* by severity, then in the order of the rules, then of the members */

	/* Private. */
	const struct audit_member *members;
	unsigned member_count, member;
	bool production;
	unsigned rule;
	struct audit_finding spare; /* takes what is not kept */
};

/* What holds for every finding whose commands change the running configuration. */
extern const char audit_note[];

/* Judges COUNT (1..AUDIT_MEMBERS_MAX) MEMBERS of one group. Not PRODUCTION: fewer than three gateways, and two without persistence, are no finding.
 * AUDIT is large: static memory. It holds pointers into MEMBERS only while this runs. */
void audit_run(struct audit *audit, const struct audit_member *members, unsigned count, bool production);

/* "critical", "warning", "info". */
const char *audit_severity_name(enum audit_severity severity);

/* The INDEXth rule's id and severity; NULL behind the last one. For documentation and tests. */
const char *audit_rule(size_t index, enum audit_severity *severity, const char **why);

/* The line that sets the persistence of the peering object by hand: "top; configure; switch domain apiconnect; gateway-peering gwd; persistence local; exit". */
void audit_persistence_command(const char *domain, const char *object, const struct appliance_wanted *wanted, char out[AUDIT_FIX_LINE_BYTES]);

/* Is it the {"status":"ok"} of /health? Blanks and other keys do not matter; longer than AUDIT_HEALTH_BYTES is not. */
bool audit_health_is_ok(const char *body, size_t length_bytes);

#endif
