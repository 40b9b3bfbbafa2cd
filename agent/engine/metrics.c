/* metrics.c - OpenMetrics 1.0 text, written line by line into one buffer. States are one-hot. What is not known has no sample. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "engine/daemon.h"
#include "engine/kept.h"
#include "platform/clock.h"

enum { METRICS_BYTES = 32 * 1024 };

/* HELP and TYPE of a family; its samples follow. */
static void family(struct buf *out, const char *name, const char *type, const char *unit, const char *help)
{
	(void)buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
	if (unit)
		(void)buf_printf(out, "# UNIT %s %s\n", name, unit);
}

static void gauge(struct buf *out, const char *name, const char *unit, const char *help, int64_t value)
{
	family(out, name, "gauge", unit, help);
	(void)buf_printf(out, "%s %lld\n", name, (long long)value);
}

static void gauge_ms(struct buf *out, const char *name, const char *help, int64_t ms)
{
	uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;

	family(out, name, "gauge", "seconds", help);
	(void)buf_printf(out, "%s %s%" PRIu64 ".%03" PRIu64 "\n", name, ms < 0 ? "-" : "", size / 1000, size % 1000);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	family(out, name, "counter", NULL, help);
	(void)buf_printf(out, "%s_total %llu\n", name, (unsigned long long)value);
}

/* A label's value: foreign bytes shown as text_escape() does (one that is no UTF-8 costs the whole text), then backslash and quotation mark escaped. */
static void label(struct buf *out, const char *key, const char *value)
{
	char shown[4 * CONFIG_NAME_BYTES + 8];

	(void)buf_printf(out, "%s=\"", key);
	for (const char *p = text_escape(shown, sizeof shown, value, strlen(value)); *p; p++)
		(void)(*p == '"' || *p == '\\' ? buf_printf(out, "\\%c", *p) : buf_add(out, p, 1));
	(void)buf_add_string(out, "\"");
}

static void one_hot(struct buf *out, const char *name, const char *help, const char *const *states, unsigned count, unsigned present)
{
	family(out, name, "stateset", NULL, help);
	for (unsigned i = 0; i < count; i++)
		(void)buf_printf(out, "%s{%s=\"%s\"} %d\n", name, name, states[i], i == present);
}

static void identity(struct daemon *d, struct buf *out)
{
	family(out, "drr_build", "info", NULL, "What runs here.");
	(void)buf_printf(out, "drr_build_info{version=\"%s\",target=\"%s\"} 1\n", DRR_VERSION, DRR_TARGET);
	family(out, "drr_member", "info", NULL, "Whom it serves.");
	(void)buf_add_string(out, "drr_member_info{");
	label(out, "name", d->config->agent.name);
	(void)buf_add_string(out, ",");
	label(out, "domain", d->config->appliance.domain);
	(void)buf_add_string(out, ",");
	label(out, "object", d->runner.link.facts.object);
	(void)buf_add_string(out, ",");
	label(out, "firmware", d->runner.link.facts.firmware);
	(void)buf_add_string(out, "} 1\n");
	gauge_ms(out, "drr_start_time_seconds", "When this engine started, since the epoch.", d->started_ms);
}

static void appliance(struct daemon *d, struct buf *out)
{
	static const char *const admin[] = {"unknown", "enabled", "disabled"}, *const op[] = {"unknown", "up", "down", "other"};
	const struct appliance_facts *facts = &d->runner.link.facts;
	const char *address = d->config->appliance.address[0] ? d->config->appliance.address : facts->local_address;
	int64_t age_ms = situation_age_ms(&d->runner.link);
	unsigned op_now = !facts->op_state[0] ? 0 : strcmp(facts->op_state, "up") == 0 ? 1 : strcmp(facts->op_state, "down") == 0 ? 2 : 3;
	struct peering_view view;

	gauge(out, "drr_appliance_answers", NULL, "Whether the last look at the appliance was answered.", d->look_error.code == ERROR_NONE && age_ms >= 0);
	one_hot(out, "drr_service_admin_state", "The admin-state of apic-gw-service, as last seen.", admin, 3, (unsigned)facts->admin_state);
	one_hot(out, "drr_service_op_state", "The operational state of apic-gw-service, as last seen.", op, 4, op_now);
	if (facts->collections >= 0)
		gauge(out, "drr_api_collections", NULL, "API collections that the gateway has.", facts->collections);
	if (age_ms < 0)
		return;
	peering_view_make(&facts->table, address, &view);
	gauge_ms(out, "drr_facts_age_seconds", "Age of the oldest of the facts about the appliance.", age_ms);
	gauge(out, "drr_peering_primary", NULL, "Whether this member is the primary, as last seen.", view.own && view.own == view.primary);
	gauge(out, "drr_peering_primaries", NULL, "Members that call themselves primary; 1 is right.", view.primaries);
	gauge(out, "drr_peering_quorum", NULL, "Whether a majority of the members is active.", view.quorum);
	gauge(out, "drr_peering_members", NULL, "Members in the peering table.", view.members);
	gauge(out, "drr_peering_members_active", NULL, "Members whose link is up.", view.active);
	if (facts->uptime_reload_s >= 0)
		gauge(out, "drr_appliance_uptime_seconds", "seconds", "Since the appliance's last reload, as last seen.", facts->uptime_reload_s);
}

static void state(struct daemon *d, struct buf *out)
{
	static const char *const jobs[] = {"idle", "looking", "step", "recovery"};
	const struct journal_state *journal = &d->runner.book.state;

	one_hot(out, "drr_engine_state", "What the engine does now.", jobs, 4, d->job);
	gauge(out, "drr_journal_open", NULL, "Whether a run is not finished on this member.", journal_is_open(d));
	gauge(out, "drr_service_maybe_disabled", NULL, "Whether this agent may have left the service disabled: act when it stays 1.", journal->disable_open);
	gauge(out, "drr_journal_broken", NULL, "Whether the journal cannot be written.", d->runner.book.broken);
	gauge(out, "drr_grant_held", NULL, "Whether a run holds the grant.", journal->standing.granted);
	gauge(out, "drr_hold_set", NULL, "Whether a hold is set.", situation_is_held(&journal->standing));
	counter(out, "drr_looks", "Looks at the appliance.", d->counts.looks);
	counter(out, "drr_looks_failed", "Looks that were not answered.", d->counts.looks_failed);
	counter(out, "drr_recoveries", "Times that something left open had to be closed.", d->counts.recoveries);
	gauge(out, "drr_events_newest", NULL, "Number of the newest event.", (int64_t)d->events.newest);
	counter(out, "drr_events_lost", "Events that could not be stored.", d->events.lost_ever);
}

static void steps(struct daemon *d, struct buf *out)
{
	static const char *const results[] = {"done", "refused", "failed"};

	family(out, "drr_steps", "counter", NULL, "Steps that ended, by what they were and how.");
	for (int op = 0; op <= STEP_PRECHECK; op++)
		for (unsigned i = 0; i < 3; i++)
			(void)buf_printf(out, "drr_steps_total{op=\"%s\",result=\"%s\"} %llu\n", step_op_name(op), results[i], (unsigned long long)d->counts.steps[op][i]);
	family(out, "drr_step_duration_seconds", "gauge", "seconds", "How long the last step of its kind took.");
	for (int op = 0; op <= STEP_PRECHECK; op++)
		if (d->counts.last_ms[op] > 0)
			(void)buf_printf(out, "drr_step_duration_seconds{op=\"%s\"} %lld.%03lld\n", step_op_name(op), (long long)d->counts.last_ms[op] / 1000,
					 (long long)d->counts.last_ms[op] % 1000);
	if (d->counts.last_disabled_ms >= 0)
		gauge_ms(out, "drr_service_disabled_seconds", "How long the last bounce left the service disabled, at most.", d->counts.last_disabled_ms);
}

static void log_watch(struct daemon *d, struct buf *out)
{
	const struct watcher *w = &d->watcher;

	if (d->config->log.source == CONFIG_LOG_NONE)
		return;
	gauge(out, "drr_log_readable", NULL, "Whether the log can be read.", w->last.error.code == ERROR_NONE);
	counter(out, "drr_log_lines", "Lines read.", w->lines);
	counter(out, "drr_log_gaps", "Times that lines of the log may have been lost.", w->gaps + (w->source ? source_counts(w->source)->gaps : 0));
	if (w->last.found)
		gauge_ms(out, "drr_log_last_event_age_seconds", "Since the last event of the gateway service was read.", mono_diff_ms(clock_now(), w->last_line_at));
	if (w->source)
		gauge_ms(out, "drr_log_lag_seconds", "How long there has been something in the log that was not read.", watcher_lag_ms(d));
}

/* Since when, by the clock that goes on while this host sleeps; across a boot of it, by the wall clock. */
static int64_t age_ms(const struct watchdog_time *then)
{
	struct watchdog_time now;

	kept_now(&now);
	return strcmp(now.boot_id, then->boot_id) == 0 ? now.boot_ms - then->boot_ms : now.wall_ms - then->wall_ms;
}

static void watchdog(struct daemon *d, struct buf *out)
{
	static const char *const results[] = {"sent", "failed", "dropped"};
	const struct over *o = &d->over;
	const uint64_t notes[] = {o->notes_sent, o->notes_failed, o->notes_dropped};
	const char *states[WATCHDOG_STATE_COUNT], *verdicts[WATCHDOG_VERDICT_COUNT];

	for (int i = 0; i < WATCHDOG_STATE_COUNT; i++)
		states[i] = watchdog_state_name((enum watchdog_state)i);
	for (int i = 0; i < WATCHDOG_VERDICT_COUNT; i++)
		verdicts[i] = watchdog_verdict_name((enum watchdog_verdict)i);
	one_hot(out, "drr_watchdog_state", "Where the watchdog stands; steady is right.", states, WATCHDOG_STATE_COUNT, o->dog.state);
	one_hot(out, "drr_watchdog_verdict", "Why the configuration is not back; none is right.", verdicts, WATCHDOG_VERDICT_COUNT, o->dog.verdict);
	counter(out, "drr_watchdog_restarts", "Restarts of the appliance or of its peering that were noticed, ever.", o->dog.restarts);
	counter(out, "drr_watchdog_actions", "Actions of the watchdog, ever.", o->dog.actions);
	counter(out, "drr_watchdog_verdicts", "Verdicts of the watchdog, ever.", o->dog.verdicts);
	gauge_ms(out, "drr_watchdog_episode_seconds", "Since the watchdog noticed that something is wrong; 0 when nothing is.",
		 o->dog.state == WATCHDOG_STEADY ? 0 : age_ms(&o->dog.episode));
	if (o->dog.restart_wall_ms > 0)
		gauge_ms(out, "drr_watchdog_last_restart_time_seconds", "When the appliance last started, as far as it was seen, since the epoch.", o->dog.restart_wall_ms);
	family(out, "drr_watchdog_notifications", "counter", NULL, "Notifications, by what became of them.");
	for (unsigned i = 0; i < 3; i++)
		(void)buf_printf(out, "drr_watchdog_notifications_total{result=\"%s\"} %llu\n", results[i], (unsigned long long)notes[i]);
	if (o->dog.collections_before >= 0)
		gauge(out, "drr_watchdog_collections_before", NULL, "API collections when all was well.", o->dog.collections_before);
}

char *metrics_text(struct daemon *d)
{
	char *memory = malloc(METRICS_BYTES);
	struct buf out;

	if (!memory)
		return NULL;
	buf_init(&out, memory, METRICS_BYTES);
	identity(d, &out);
	appliance(d, &out);
	state(d, &out);
	steps(d, &out);
	log_watch(d, &out);
	watchdog(d, &out);
	return memory;
}
