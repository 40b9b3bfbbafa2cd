#include "run/precheck.h"

#include <stdio.h>
#include <string.h>

#include "run/table.h"

static const struct {
	const char *name, *why, *next;
} refusals[PRECHECK_REFUSAL_COUNT] = {
	[PRECHECK_NO_PRIMARY] = {"no-primary", "without a primary a flush reaches nobody",
				 "wait for the fail-over to end and look again: drr-agent status"},
	[PRECHECK_SEVERAL_PRIMARIES] = {"several-primaries",
					"a fail-over is not over (then wait), or this is a cluster-mode group, which has no single primary and needs another procedure",
					"wait a minute and look again: drr-agent status"},
	[PRECHECK_NO_QUORUM] = {"no-quorum", "without a majority of active members the group cannot hold or replicate a change",
				"bring the members that are down or stale back, then look again: drr-agent status"},
	[PRECHECK_NOT_IN_TABLE] = {"not-in-table", "this member cannot be told from the others, so nobody knows whether it is primary",
				   "set address in [appliance] to this member's entry in the peering table"},
	[PRECHECK_PEERING_DOWN] = {"peering-down", "this member's own link to the group is down or stale",
				   "bring its peering object up (show gateway-peering), then look again: drr-agent status"},
	[PRECHECK_SERVICE_DISABLED] = {"service-disabled", "somebody disabled apic-gw-service; only what our own journal says we disabled is enabled by us",
				       "ask who disabled it and why; then enable it: config; apic-gw-service; admin-state enabled; exit"},
	[PRECHECK_NO_DIAG] = {"no-diag", "the flush is a diag command, which only the account admin has",
			      "use the account named admin in [cli] user, or leave the flush to another member: --steps bounce,confirm,await"},
	[PRECHECK_DRR_UNDER_WAY] = {"drr-under-way", "the service waits for its registration, or works on an event: a restart now can corrupt it",
				    "wait until it completes: drr-agent status; a service that waits for longer than heartbeat and slack is no longer refused"},
	[PRECHECK_NO_LOG] = {"no-log", "without the log nobody sees whether the service waits for its registration, or gets it",
			     "set a source in [log], or mend the one that is set; check with: drr-agent check --connect"},
};

const char *precheck_name(enum precheck_refusal refusal)
{
	return refusals[refusal].name;
}

enum precheck_refusal precheck_by_name(const char *name)
{
	unsigned i = 0;

	while (i < PRECHECK_REFUSAL_COUNT && strcmp(refusals[i].name, name) != 0)
		i++;
	return (enum precheck_refusal)i;
}

const char *precheck_why(enum precheck_refusal refusal)
{
	return refusals[refusal].why;
}

const char *precheck_next(enum precheck_refusal refusal)
{
	return refusals[refusal].next;
}

void precheck_log_init(struct precheck_log *log)
{
	memset(log, 0, sizeof *log);
	log->last = LINE_OTHER;
}

void precheck_log_line(struct precheck_log *log, const char *bytes, size_t length)
{
	struct line line;
	enum line_event event;

	if (!line_parse(bytes, length, &line))
		return;
	log->newest_time_ms = line.time_ms;
	log->newest_kind = line.time_kind;
	event = line_event(&line);
	if (event == LINE_COMPLETED) {
		log->last = LINE_OTHER;
	} else if (event == LINE_WAITING || event == LINE_ACCEPTED || event == LINE_QUEUED || (event == LINE_WORKING && log->last != LINE_OTHER)) {
		log->last = event;
		log->last_time_ms = line.time_ms;
		log->time_kind = line.time_kind;
	}
}

/* How long ago the open line was logged: from it to the newest line on the appliance's clock, and from the last write to now on ours.
 * Where the log's clock went back (a year's end in syslog times) or changed its format, only ours counts. */
static int64_t open_age_ms(const struct precheck_log *log)
{
	int64_t within = log->newest_kind == log->time_kind ? log->newest_time_ms - log->last_time_ms : 0;

	return (within > 0 ? within : 0) + (log->modified_age_ms > 0 ? log->modified_age_ms : 0);
}

static bool drr_under_way(const struct precheck_log *log, const struct precheck_limits *limits, int64_t *age_ms)
{
	if (!log->readable || log->last == LINE_OTHER)
		return false;
	*age_ms = open_age_ms(log);
	return *age_ms < (log->last == LINE_WAITING ? limits->waiting_fresh_ms : limits->accepted_fresh_ms);
}

static bool is_out(const struct peering_row *row)
{
	return row->link_ok == PEERING_NO || (row->priority_known && row->priority < 0);
}

void precheck_decide(const struct appliance_facts *facts, const struct precheck_log *log, const struct precheck_limits *limits,
		     const char *address, unsigned steps, unsigned overrides, struct precheck_result *result)
{
	struct peering_view *view = &result->view;
	bool group = steps & (RUN_STEP_PRIMARY | RUN_STEP_FLUSH | RUN_STEP_BOUNCE);
	unsigned found = 0;

	memset(result, 0, sizeof *result);
	result->open_age_ms = -1;
	peering_view_make(&facts->table, address, view);
	if (group) {
		found |= (unsigned)(view->primaries == 0) << PRECHECK_NO_PRIMARY;
		found |= (unsigned)(view->primaries > 1) << PRECHECK_SEVERAL_PRIMARIES;
		/* Told beside the two above, too: overriding one must not override the other in silence. */
		found |= (unsigned)(view->active < view->members / 2 + 1 || (view->primaries == 1 && !view->quorum)) << PRECHECK_NO_QUORUM;
		found |= (unsigned)!view->own << PRECHECK_NOT_IN_TABLE;
		found |= (unsigned)(view->own && is_out(view->own)) << PRECHECK_PEERING_DOWN;
		found |= (unsigned)(facts->admin_state == APPLIANCE_ADMIN_DISABLED) << PRECHECK_SERVICE_DISABLED;
		found |= (unsigned)drr_under_way(log, limits, &result->open_age_ms) << PRECHECK_DRR_UNDER_WAY;
	}
	if (steps & RUN_STEP_FLUSH)
		found |= (unsigned)(facts->diag == PEERING_NO) << PRECHECK_NO_DIAG;
	if (steps & (RUN_STEP_CONFIRM | RUN_STEP_AWAIT))
		found |= (unsigned)!log->readable << PRECHECK_NO_LOG;
	result->refused = found & ~overrides;
	result->overridden = found & overrides;
}

char *precheck_evidence(enum precheck_refusal refusal, const struct precheck_result *result, const struct appliance_facts *facts,
			const struct precheck_log *log, const char *address, char out[PRECHECK_SENTENCE_BYTES])
{
	const struct peering_view *view = &result->view;
	char table[320];

	(void)peering_table_describe(&facts->table, table, sizeof table);
	switch (refusal) {
	case PRECHECK_NO_PRIMARY:
	case PRECHECK_SEVERAL_PRIMARIES:
		(void)snprintf(out, PRECHECK_SENTENCE_BYTES, "%u of %u members of %s call themselves primary: %s", view->primaries,
			       view->members, facts->object, table);
		break;
	case PRECHECK_NO_QUORUM:
	case PRECHECK_PEERING_DOWN:
		(void)snprintf(out, PRECHECK_SENTENCE_BYTES, "%u of %u members of %s are active: %s", view->active, view->members,
			       facts->object, table);
		break;
	case PRECHECK_NOT_IN_TABLE:
		(void)snprintf(out, PRECHECK_SENTENCE_BYTES, "address %s of this member is not in the table of %s: %s",
			       address[0] ? address : "(unknown)", facts->object, table);
		break;
	case PRECHECK_SERVICE_DISABLED:
		(void)snprintf(out, PRECHECK_SENTENCE_BYTES, "apic-gw-service has admin-state disabled");
		break;
	case PRECHECK_NO_DIAG:
		(void)snprintf(out, PRECHECK_SENTENCE_BYTES, "the appliance does not know the command diag for this user");
		break;
	case PRECHECK_DRR_UNDER_WAY:
		(void)snprintf(out, PRECHECK_SENTENCE_BYTES, "the log shows %s %lld s ago, and no completed transaction since",
			       log->last == LINE_WAITING ? "the waiting line" : "an accepted event", (long long)result->open_age_ms / 1000);
		break;
	default:
		(void)snprintf(out, PRECHECK_SENTENCE_BYTES, "no log can be read: %s", log->trouble ? log->trouble : "[log] source = none");
		break;
	}
	return out;
}
