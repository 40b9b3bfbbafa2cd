#include <stdio.h>
#include <string.h>

#include "engine/ours.h"
#include "engine/runner.h"
#include "platform/clock.h"

/* The precheck asks these, in this order. */
static const enum appliance_op questions[] = {APPLIANCE_ASK_IDENTITY, APPLIANCE_ASK_OBJECT, APPLIANCE_ASK_PEERING, APPLIANCE_ASK_DIAG};

int runner_next_question(const struct runner *r)
{
	unsigned stage = r->precheck_stage;

	if (stage == 3 && !(r->request->steps & RUN_STEP_FLUSH))
		return -1; /* who does not flush needs no diag */
	return stage < sizeof questions / sizeof questions[0] ? (int)questions[stage] : -1;
}

static void take_history_line(void *context, const char *line, size_t length)
{
	struct runner *r = context;
	struct line parsed;

	if (line_parse(line, length, &parsed) && ours_is(r->config, &parsed))
		precheck_log_line(&r->log, line, length);
}

static void read_history(struct runner *r)
{
	struct error error = {0};

	if (r->source)
		source_set_clock(r->source, &r->link.facts.clock);
	r->log.readable = r->source && source_history_age(r->source, &r->log.modified_age_ms, &error) == 0;
	if (!r->log.readable && error.code != ERROR_NONE) {
		(void)snprintf(r->log_trouble, sizeof r->log_trouble, "%s", error.what);
		r->log.trouble = r->log_trouble;
	}
	if (r->log.readable && r->config->log.source == CONFIG_LOG_SYSLOG)
		report_line(&r->report, "precheck", "started",
			    "source = syslog knows no past: whether a DRR is under way cannot be told from the log", NULL);
}

void runner_open_history(struct runner *r)
{
	precheck_log_init(&r->log);
	runner_open_log(r);
	if (r->source)
		source_set_history(r->source, take_history_line, r, RUNNER_HISTORY_BYTES);
	r->log_until = mono_add_ms(clock_now(), RUNNER_LOG_READY_MS);
}

/* A run that goes on where it flushed finds the service waiting for its registration because of its own bounce. */
static void forgive_own_wait(struct runner *r)
{
	if (!r->flushed || !r->request->run || r->log.last != LINE_WAITING)
		return;
	report_line(&r->report, "precheck", "started", "the service waits for its registration since this run flushed: that is no other DRR", NULL);
	r->log.last = LINE_OTHER;
}

static void tell_refusals(struct runner *r, unsigned set, const char *state)
{
	char evidence[PRECHECK_SENTENCE_BYTES], sentence[2 * PRECHECK_SENTENCE_BYTES];

	for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT; i++) {
		if (!(set & 1u << i))
			continue;
		(void)precheck_evidence((enum precheck_refusal)i, &r->precheck, &r->link.facts, &r->log, runner_address(r), evidence);
		(void)snprintf(sentence, sizeof sentence, "%s%s: %s", state[0] == 's' ? "overridden: " : "",
			       precheck_name((enum precheck_refusal)i), precheck_why((enum precheck_refusal)i));
		report_line(&r->report, "precheck", state, sentence, evidence);
	}
}

/* What is no reason to decline any more once the group was flushed: every member must be bounced then. */
static const unsigned forward_set = 1u << PRECHECK_NO_PRIMARY | 1u << PRECHECK_SEVERAL_PRIMARIES | 1u << PRECHECK_NO_QUORUM | 1u << PRECHECK_NOT_IN_TABLE |
				    1u << PRECHECK_PEERING_DOWN | 1u << PRECHECK_DRR_UNDER_WAY;

enum run_event runner_decide(struct runner *r)
{
	const struct appliance_facts *facts = &r->link.facts;
	struct precheck_limits limits = {
		.waiting_fresh_ms = ((int64_t)r->config->watchdog.heartbeat_s + r->config->watchdog.slack_s) * 1000,
		.accepted_fresh_ms = (int64_t)r->config->limits.await_timeout_s * 1000,
	};
	char table[RUNNER_EVIDENCE_BYTES / 2];

	read_history(r);
	if (r->source)
		source_set_history(r->source, NULL, NULL, 0);
	forgive_own_wait(r);
	precheck_decide(facts, &r->log, &limits, runner_address(r), r->request->steps, r->request->overrides | (r->request->forward ? forward_set : 0), &r->precheck);
	r->precheck.overridden &= r->request->overrides;
	tell_refusals(r, r->precheck.overridden, "started");
	tell_refusals(r, r->precheck.refused, "refused");
	runner_evidence(r, "%s, domain %s, object %s (%s): %s; service %s, %s", facts->firmware[0] ? facts->firmware : "firmware unknown",
			r->config->appliance.domain, facts->object, facts->object_source,
			peering_table_describe(&facts->table, table, sizeof table),
			facts->admin_state == APPLIANCE_ADMIN_ENABLED ? "enabled" : "disabled",
			facts->op_state[0] ? facts->op_state : "state unknown");
	return r->precheck.refused ? RUN_EV_REFUSED : RUN_EV_DONE;
}
