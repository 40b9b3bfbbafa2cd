#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "engine/ours.h"
#include "engine/runner.h"

/* A phase is what shares one deadline: a command and the looks at what became of it. */
enum phase { PHASE_NONE, PHASE_PRIMARY, PHASE_FLUSH, PHASE_VERIFY, PHASE_DISABLE, PHASE_ENABLE, PHASE_RESCUE, PHASE_CONFIRM, PHASE_SECOND,
	     PHASE_TRIGGER, PHASE_AWAIT, PHASE_AFTER };

static const struct {
	enum phase phase;
	int op;      /* enum appliance_op to start when the state is entered; -1: none */
	bool look;   /* a look that is repeated every RUN_POLL_MS */
} plans[RUN_STATE_COUNT] = {
	[RUN_PRECHECK] = {PHASE_NONE, -1, false},
	[RUN_PRIMARY] = {PHASE_PRIMARY, APPLIANCE_SWITCH_PRIMARY, false},
	[RUN_PRIMARY_WAIT] = {PHASE_PRIMARY, APPLIANCE_ASK_PEERING, true},
	[RUN_FLUSH_CHECK] = {PHASE_FLUSH, APPLIANCE_ASK_PEERING, true},
	[RUN_FLUSH] = {PHASE_FLUSH, APPLIANCE_FLUSH, false},
	[RUN_FLUSH_VERIFY] = {PHASE_VERIFY, APPLIANCE_ASK_PEERING, true},
	[RUN_DISABLE] = {PHASE_DISABLE, APPLIANCE_DISABLE, false},
	[RUN_DISABLE_WAIT] = {PHASE_DISABLE, APPLIANCE_ASK_SERVICE, true},
	[RUN_ENABLE] = {PHASE_ENABLE, APPLIANCE_ENABLE, false},
	[RUN_ENABLE_WAIT] = {PHASE_ENABLE, APPLIANCE_ASK_SERVICE, true},
	[RUN_RESCUE] = {PHASE_RESCUE, APPLIANCE_ENABLE, false},
	[RUN_RESCUE_WAIT] = {PHASE_RESCUE, APPLIANCE_ASK_SERVICE, true},
	[RUN_CONFIRM] = {PHASE_CONFIRM, -1, false},
	[RUN_SECOND] = {PHASE_SECOND, APPLIANCE_ASK_STORE, false},
	[RUN_TRIGGER] = {PHASE_TRIGGER, -1, false},
	[RUN_AWAIT] = {PHASE_AWAIT, -1, false},
	[RUN_AFTER] = {PHASE_AFTER, APPLIANCE_ASK_PEERING, true},
	[RUN_OVER] = {PHASE_NONE, -1, false},
};

void runner_evidence(struct runner *r, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(r->evidence, sizeof r->evidence, format, arguments);
	va_end(arguments);
}

const char *runner_address(const struct runner *r)
{
	return r->config->appliance.address[0] ? r->config->appliance.address : r->link.facts.local_address;
}

bool runner_is_primary(const struct runner *r)
{
	struct peering_view view;

	peering_view_make(&r->link.facts.table, runner_address(r), &view);
	return view.own && view.own == view.primary && view.own->link_ok != PEERING_NO;
}

bool runner_watches_log(const struct runner *r)
{
	/* The line can come before "up" does: it is read then, and no further, so that what follows is still there for the states it belongs to. */
	if (r->state == RUN_ENABLE_WAIT)
		return !r->saw_waiting;
	return r->state == RUN_CONFIRM || r->state == RUN_SECOND || r->state == RUN_TRIGGER || r->state == RUN_AWAIT;
}

bool runner_drives_log(const struct runner *r)
{
	return r->source && (r->deciding || r->arming || runner_watches_log(r));
}

/* A stop, or a deadline, must not fall between a command and its answer: then nobody would know what became of it. */
bool runner_defers_stop(const struct runner *r)
{
	return r->running >= 0 && appliance_op_changes((enum appliance_op)r->running);
}

/* With one exception: a disable that gets no answer must not hold up the enable. */
bool runner_defers_deadline(const struct runner *r)
{
	return r->running == APPLIANCE_SWITCH_PRIMARY || r->running == APPLIANCE_FLUSH;
}

/* ---- entering a state ----------------------------------------------------------------------------------------- */

static int64_t phase_limit_ms(const struct runner *r, enum phase phase)
{
	const struct config *config = r->config;

	switch (phase) {
	case PHASE_PRIMARY: return RUN_PRIMARY_LIMIT_MS;
	case PHASE_DISABLE:
	case PHASE_ENABLE: return (int64_t)config->limits.bounce_deadline_s * 1000;
	case PHASE_RESCUE: return RUN_RESCUE_LIMIT_MS;
	case PHASE_CONFIRM: return (int64_t)config->limits.confirm_timeout_s * 1000;
	case PHASE_TRIGGER: return ((int64_t)config->watchdog.heartbeat_s + config->watchdog.slack_s) * 1000;
	case PHASE_AWAIT: return (int64_t)config->limits.await_timeout_s * 1000;
	default: return RUN_LOOK_LIMIT_MS;
	}
}

static void write_record(struct runner *r, struct journal_record *record)
{
	struct error error = {0};

	if (logbook_write(&r->book, record, &error)) {
		(void)snprintf(r->journal_trouble, sizeof r->journal_trouble, "%s", error.what);
		/* In a rescue the enable goes out without it; the table says so. */
		if (r->state != RUN_RESCUE && r->state != RUN_RESCUE_WAIT)
			r->pending = RUN_EV_DISK;
	}
}

static void write_intent(struct runner *r, enum journal_step step)
{
	struct journal_record record = logbook_record(JOURNAL_INTENT, step, r->run);
	char deadline[24];

	(void)snprintf(deadline, sizeof deadline, "%u", r->config->limits.bounce_deadline_s);
	if (step == JOURNAL_DISABLE)
		(void)journal_add(&record, "enable_within_s", deadline);
	write_record(r, &record);
}

void runner_open_log(struct runner *r)
{
	struct error error = {0};

	if (r->source || r->config->log.source == CONFIG_LOG_NONE)
		return;
	r->source = source_open(r->config, NULL, &error);
	if (!r->source) {
		(void)snprintf(r->log_trouble, sizeof r->log_trouble, "%s", error.what);
		r->log.trouble = r->log_trouble;
		return;
	}
	source_set_active(r->source, true);
}

/* Reads on so that the source can get ready; what comes is older than the mark. */
static void drain_log(struct runner *r, struct mono now, struct error *error)
{
	const char *line;
	size_t length;

	while (source_next(r->source, now, &line, &length, error))
		;
}

bool runner_log_settled(struct runner *r, struct mono now)
{
	struct error error = {0}, ready = {0};

	if (!r->source || mono_reached(r->log_until, now))
		return true;
	drain_log(r, now, &error);
	return source_ready(r->source, &ready) || ready.code != ERROR_NONE;
}

/* The mark is taken once, right before the first disable: what the log shows behind it was caused by this bounce. A source that polls takes a look first, so that no
 * line that was logged before can pass for a new one. */
static void begin_mark(struct runner *r, struct mono now)
{
	if (!r->source || r->marked)
		return;
	source_look(r->source);
	r->arming = true;
	r->deadline = MONO_NEVER;
	r->log_until = mono_add_ms(now, RUNNER_LOG_LOOK_MS);
}

static void take_mark(struct runner *r, struct mono now)
{
	struct journal_record record = logbook_record(JOURNAL_MARK, JOURNAL_STEP_NONE, r->run);
	struct error error = {0};
	char text[MARK_TEXT_BYTES];
	struct mark mark;

	if (!r->source || r->marked)
		return;
	drain_log(r, now, &error); /* begun before the mark */
	r->gaps_told = source_counts(r->source)->gaps;
	r->marked = true;
	if (!source_ready(r->source, &error))
		report_line(&r->report, "bounce", "started", "the log could not be looked at right before the bounce: a line of the last seconds could be an older one",
			    error.what[0] ? error.what : NULL);
	if (!source_mark(r->source, &mark))
		memset(&mark, 0, sizeof mark); /* no log yet: it is read from its start when it appears. And an earlier bounce's mark must not stand for this one */
	(void)journal_add(&record, "mark", mark_format(&mark, text));
	write_record(r, &record);
}

/* Without a bounce in this process the mark comes from the journal: an earlier process of this run took it. */
static void resume_mark(struct runner *r)
{
	struct error error = {0};

	if (r->marked || r->config->log.source == CONFIG_LOG_NONE || !r->book.state.have_mark)
		return;
	source_close(r->source);
	r->marked = true;
	r->source = source_open(r->config, &r->book.state.mark, &error);
	if (!r->source)
		report_line(&r->report, run_state_step(r->state), "started", error.what, error.next[0] ? error.next : NULL);
	else {
		source_allow_changes(r->source);
		source_set_active(r->source, true);
	}
}

static void enter_log_state(struct runner *r, struct mono now)
{
	resume_mark(r);
	if (!r->source) {
		runner_evidence(r, "no log is watched");
		r->pending = RUN_EV_COMPLAINT; /* nothing can come: no use waiting */
		return;
	}
	if (r->state == RUN_CONFIRM && r->saw_waiting) {
		runner_evidence(r, "%s", r->waiting_line);
		r->pending = RUN_EV_LINE_WAITING;
	}
	if (r->state == RUN_TRIGGER && r->accepted_early) /* while we still looked for the waiting line, which never came */
		r->pending = RUN_EV_LINE_ACCEPTED;
	r->session_until = mono_add_ms(now, RUNNER_SESSION_KEPT_MS);
}

static void write_disable_intent(struct runner *r, struct mono now)
{
	take_mark(r, now);
	if (r->pending < 0)
		write_intent(r, JOURNAL_DISABLE);
	if (r->pending == RUN_EV_DISK && !r->book.state.disable_open)
		r->pending = RUN_EV_REFUSED; /* nothing was sent, so there is nothing of ours to enable */
	if (r->disabled_at.ms == 0)
		r->disabled_at = now;
}

void runner_arm(struct runner *r, struct mono now)
{
	r->arming = false;
	r->deadline = mono_add_ms(now, phase_limit_ms(r, PHASE_DISABLE)); /* the wait for the log was none of the bounce's */
	write_disable_intent(r, now);
	if (r->pending >= 0)
		r->wanted = -1;
}

static void write_state_intent(struct runner *r, struct mono now)
{
	switch (r->state) {
	case RUN_PRIMARY:
		write_intent(r, JOURNAL_PRIMARY);
		break;
	case RUN_FLUSH:
		write_intent(r, JOURNAL_FLUSH);
		break;
	case RUN_DISABLE:
		begin_mark(r, now);
		if (!r->arming)
			write_disable_intent(r, now);
		break;
	case RUN_ENABLE:
	case RUN_RESCUE:
		r->seen_enabled = false;
		write_intent(r, JOURNAL_ENABLE);
		break;
	default:
		break;
	}
}

/* A step that was not asked for, or is not needed. */
static bool skips(struct runner *r)
{
	if (!run_state_wanted(r->state, r->request->steps))
		return true;
	if (r->state != RUN_PRIMARY || !runner_is_primary(r))
		return false;
	runner_evidence(r, "%s is primary already", runner_address(r));
	return true;
}

void runner_enter(struct runner *r, struct mono now)
{
	bool again = r->previous == r->state;
	bool same_phase = r->previous < RUN_STATE_COUNT && plans[r->previous].phase == plans[r->state].phase &&
			  plans[r->state].phase != PHASE_NONE;

	if (r->source && r->state != RUN_PRECHECK && r->state != RUN_OVER)
		source_allow_changes(r->source); /* it was decided to act */
	r->pending = r->wanted = -1;
	r->deciding = r->arming = false;
	r->start_at = now;
	r->stop_told = r->stop_told && again;
	if (!again)
		r->state_since = now;
	if (!same_phase)
		r->deadline = plans[r->state].phase == PHASE_NONE ? MONO_NEVER : mono_add_ms(now, phase_limit_ms(r, plans[r->state].phase));
	if (r->state == RUN_PRECHECK) {
		runner_open_history(r);
		r->wanted = runner_next_question(r);
	} else if (r->state == RUN_CONFIRM && r->have_book && r->book.broken) {
		runner_evidence(r, "%s", r->journal_trouble); /* it was the record that the service was seen enabled */
		r->pending = RUN_EV_DISK;
	} else if (r->state != RUN_OVER && !again && skips(r))
		r->pending = RUN_EV_SKIP;
	else if (r->state == RUN_CONFIRM || r->state == RUN_TRIGGER || r->state == RUN_AWAIT)
		enter_log_state(r, now);
	else
		r->wanted = plans[r->state].op;
	if (r->pending < 0)
		write_state_intent(r, now);
	if (r->pending >= 0)
		r->wanted = -1;
	if (plans[r->state].look && again)
		r->start_at = mono_add_ms(now, RUN_POLL_MS);
	if (r->pause_ms > 0)
		r->start_at = mono_add_ms(now, r->pause_ms);
}

/* ---- judging an answer ---------------------------------------------------------------------------------------- */

/* A command that has no effect is sent again: soon where its answer was lost, after LOOKS where it was accepted. Both are idempotent. */
static bool sends_again(struct runner *r, unsigned looks)
{
	return ++r->looks >= (r->outcome_unknown ? (unsigned)RUNNER_LOOKS_BEFORE_AGAIN : looks);
}

/* After a switch the old primary can be gone for a moment, and come back as a second one: members that were active before must be so again. */
static bool is_settled(const struct runner *r)
{
	struct peering_view view;

	peering_view_make(&r->link.facts.table, runner_address(r), &view);
	return r->state != RUN_PRIMARY_WAIT || view.active >= r->precheck.view.active;
}

static int judge_primary(struct runner *r)
{
	char table[RUNNER_EVIDENCE_BYTES];

	runner_evidence(r, "%s", peering_table_describe(&r->link.facts.table, table, sizeof table));
	if (runner_is_primary(r))
		return is_settled(r) ? RUN_EV_DONE : RUN_EV_NOT_YET;
	return r->state == RUN_PRIMARY_WAIT && sends_again(r, RUNNER_LOOKS_SWITCH) ? RUN_EV_UNKNOWN : RUN_EV_NOT_PRIMARY;
}

/* "up", "pendingdown": it has not stopped yet, and an enable now might restart nothing. Any other word is no reason to wait. */
static bool has_stopped(const char *op_state)
{
	return strcasecmp(op_state, "up") != 0 && strncasecmp(op_state, "pending", 7) != 0;
}

static int judge_disabled(struct runner *r)
{
	const struct appliance_facts *facts = &r->link.facts;

	runner_evidence(r, "admin-state %s, %s", facts->admin_state == APPLIANCE_ADMIN_DISABLED ? "disabled" : "enabled", facts->op_state);
	if (facts->admin_state == APPLIANCE_ADMIN_DISABLED)
		return has_stopped(facts->op_state) ? RUN_EV_DONE : RUN_EV_NOT_YET;
	if (r->outcome_unknown && ++r->looks >= RUNNER_LOOKS_BEFORE_AGAIN)
		return RUN_EV_UNKNOWN;
	return RUN_EV_NOT_YET;
}

/* It counts as brought back from here on: the log decides about the rest, and "up" has a limit of its own. */
static void seen_enabled(struct runner *r, struct mono now)
{
	struct journal_record record = logbook_record(JOURNAL_OUTCOME, JOURNAL_ENABLE, r->run);
	int64_t outage_ms = r->disabled_at.ms ? mono_diff_ms(now, r->disabled_at) : 0;

	if (!r->seen_enabled) {
		r->seen_enabled = true;
		r->outage_ms = outage_ms;
		if (r->state == RUN_ENABLE_WAIT)
			r->deadline = mono_add_ms(now, RUN_UP_LIMIT_MS);
		(void)journal_add(&record, "result", "done");
		if (r->book.state.disable_open)
			write_record(r, &record);
	}
	runner_evidence(r, "admin-state enabled, %s; disabled for at most %lld.%lld s", r->link.facts.op_state, (long long)r->outage_ms / 1000,
			(long long)r->outage_ms % 1000 / 100);
}

static int judge_enabled(struct runner *r, struct mono now)
{
	const struct appliance_facts *facts = &r->link.facts;
	bool up = strcmp(facts->op_state, "up") == 0;

	runner_evidence(r, "admin-state %s, %s", facts->admin_state == APPLIANCE_ADMIN_DISABLED ? "disabled" : "enabled", facts->op_state);
	if (facts->admin_state != APPLIANCE_ADMIN_ENABLED && r->seen_enabled)
		return RUN_EV_ENABLED; /* who disabled it after that is not us */
	if (facts->admin_state != APPLIANCE_ADMIN_ENABLED)
		return sends_again(r, RUNNER_LOOKS_ENABLE) ? RUN_EV_UNKNOWN : RUN_EV_NOT_YET;
	if (!mono_reached(r->late_until, now))
		return RUN_EV_NOT_YET; /* a disable that got no answer may still arrive: nothing is closed before */
	seen_enabled(r, now);
	if (up)
		return RUN_EV_DONE;
	return r->state == RUN_ENABLE_WAIT && r->saw_waiting ? RUN_EV_SKIP : RUN_EV_ENABLED;
}

/* The last look asks twice: the table, then the service. */
static int judge_after(struct runner *r)
{
	const struct appliance_facts *facts = &r->link.facts;
	struct peering_view view;

	if (r->running == APPLIANCE_ASK_PEERING) {
		peering_view_make(&facts->table, runner_address(r), &view);
		if (!view.primary)
			return RUN_EV_NOT_PRIMARY;
		r->wanted = APPLIANCE_ASK_SERVICE;
		return RUNNER_GO_ON;
	}
	runner_evidence(r, "admin-state %s, %s; %u transactions", facts->admin_state == APPLIANCE_ADMIN_ENABLED ? "enabled" : "disabled",
			facts->op_state, r->transactions);
	return facts->admin_state == APPLIANCE_ADMIN_ENABLED && strcmp(facts->op_state, "up") == 0 ? RUN_EV_DONE : RUN_EV_NOT_YET;
}

static int judge_precheck(struct runner *r)
{
	r->precheck_stage++;
	r->precheck_retries = 0;
	r->wanted = runner_next_question(r);
	r->deciding = r->wanted < 0;
	return RUNNER_GO_ON;
}

static int judge_done(struct runner *r, struct mono now)
{
	switch (r->state) {
	case RUN_PRECHECK:
		return judge_precheck(r);
	case RUN_PRIMARY_WAIT:
	case RUN_FLUSH_CHECK:
	case RUN_FLUSH_VERIFY:
		return judge_primary(r);
	case RUN_DISABLE_WAIT:
		return judge_disabled(r);
	case RUN_ENABLE_WAIT:
	case RUN_RESCUE_WAIT:
		return judge_enabled(r, now);
	case RUN_SECOND:
		runner_evidence(r, r->link.facts.store_keys < 0 ? "this firmware does not show the store" : "%lld keys in the peering store",
				(long long)r->link.facts.store_keys);
		return r->link.facts.store_keys == 0 ? RUN_EV_DONE : RUN_EV_NOT_YET;
	case RUN_AFTER:
		return judge_after(r);
	default:
		runner_evidence(r, r->running == APPLIANCE_FLUSH && r->link.cli.dialogue.confirmed ? "its confirmation was answered with y" : "%s", "");
		return RUN_EV_DONE;
	}
}

/* Some failures of the precheck are not its end: then *EVENT says what they are. */
static bool forgive_precheck(struct runner *r, int *event)
{
	enum error_code code = r->link.error.code;

	if (code == ERROR_PERMISSION && r->running == APPLIANCE_ASK_DIAG && r->link.facts.diag == PEERING_NO) {
		*event = judge_precheck(r); /* a finding, which the decision names */
		return true;
	}
	/* Closed without a word behind the password: perhaps a refusal. Nothing is at stake yet, so it is not sent again by itself. */
	if (code == ERROR_LOST && r->link.way == APPLIANCE_WAY_CLI && r->link.cli.dialogue.password_sent && r->link.cli.dialogue.probes == 0)
		return false;
	if ((code == ERROR_LOST || code == ERROR_TIMEOUT) && r->precheck_retries++ == 0) {
		r->wanted = r->running; /* cut while we only looked: worth a second session */
		*event = RUNNER_GO_ON;
		return true;
	}
	return false;
}

static int judge_failed(struct runner *r)
{
	const struct error *error = &r->link.error;
	int event;

	runner_evidence(r, "%s", error->what);
	if (r->state == RUN_PRECHECK && forgive_precheck(r, &event))
		return event;
	if (r->link.effect == APPLIANCE_EFFECT_DONE)
		return RUN_EV_DONE;
	if (r->link.effect == APPLIANCE_EFFECT_POSSIBLE)
		return RUN_EV_UNKNOWN;
	switch (error->code) {
	case ERROR_AUTH:
	case ERROR_HOST_KEY:
	case ERROR_PERMISSION:
	case ERROR_CONFIG:
		return RUN_EV_DENIED;
	case ERROR_ANSWER:
	case ERROR_INTERNAL:
		return RUN_EV_COMPLAINT;
	default:
		return RUN_EV_NOT_SENT;
	}
}

static void lengthen_pause(struct runner *r, bool lost)
{
	if (!lost)
		r->pause_ms = 0;
	else if (r->pause_ms == 0)
		r->pause_ms = RUN_RECONNECT_MIN_MS;
	else if (r->pause_ms < RUN_RECONNECT_MAX_MS)
		r->pause_ms *= 2;
}

void runner_expect_late(struct runner *r, struct mono now)
{
	int64_t command_ms = (int64_t)r->config->cli.command_timeout_s * 1000;
	int64_t half_bounce_ms = (int64_t)r->config->limits.bounce_deadline_s * 500; /* the enable has the other half */
	int64_t window_ms = command_ms < RUNNER_LATE_MS ? command_ms : RUNNER_LATE_MS;

	r->late_until = mono_add_ms(now, window_ms < half_bounce_ms ? window_ms : half_bounce_ms);
}

/* Once for each time that XMI is given up, so that nobody wonders why a run became slow or asks another way. */
static void tell_xmi(struct runner *r)
{
	struct link *link = &r->link;

	if (link->xmi_error.code == ERROR_NONE || link->xmi_told)
		return;
	link->xmi_told = true;
	report_line(&r->report, run_state_step(r->state), "started", "the XML management interface is not used for now, the command line is asked instead",
		    link->xmi_error.what);
}

int runner_judge(struct runner *r, struct mono now)
{
	bool done = r->link.status == LINK_DONE;
	int event = done ? judge_done(r, now) : judge_failed(r);

	tell_xmi(r);
	lengthen_pause(r, !done && event != RUN_EV_DONE && r->state != RUN_PRECHECK);
	if (appliance_op_changes((enum appliance_op)r->running)) {
		r->outcome_unknown = event == RUN_EV_UNKNOWN;
		r->looks = 0;
	}
	if (r->running == APPLIANCE_DISABLE && event == RUN_EV_UNKNOWN)
		runner_expect_late(r, now);
	if (r->running == APPLIANCE_FLUSH && (event == RUN_EV_DONE || event == RUN_EV_UNKNOWN)) {
		r->flushed = true;
		r->flush_unknown = event == RUN_EV_UNKNOWN;
	}
	r->running = -1;
	return event;
}

/* ---- the log -------------------------------------------------------------------------------------------------- */

static int event_of_line(struct runner *r, enum line_event event, struct mono now)
{
	switch (event) {
	case LINE_WAITING: /* also behind a completed transaction: a service that waits again is not quiet */
		r->saw_waiting = true;
		r->accepted_early = r->work_open = false;
		r->quiet_at = MONO_NEVER;
		return RUN_EV_LINE_WAITING;
	case LINE_ACCEPTED:
	case LINE_QUEUED:
		r->accepted_early = event == LINE_ACCEPTED || r->accepted_early;
		r->work_open = true;
		r->quiet_at = MONO_NEVER;
		return event == LINE_ACCEPTED ? RUN_EV_LINE_ACCEPTED : RUN_EV_LINE_WORKING;
	case LINE_WORKING:
		if (r->quiet_at.ms != INT64_MAX)
			r->quiet_at = mono_add_ms(now, (int64_t)r->config->limits.quiet_s * 1000);
		return RUN_EV_LINE_WORKING;
	case LINE_COMPLETED:
		r->work_open = false;
		r->transactions++;
		r->quiet_at = mono_add_ms(now, (int64_t)r->config->limits.quiet_s * 1000);
		return RUN_EV_LINE_COMPLETED;
	case LINE_SETBACK:
		r->quiet_at = MONO_NEVER;
		return RUN_EV_LINE_SETBACK;
	default:
		return -1;
	}
}

/* A source that cannot be read now may be readable again a moment later: that is told once, and the wait goes on to its limit. The file of this host is another
 * thing: what is wrong with it does not pass. */
static int note_log_trouble(struct runner *r, const struct error *error)
{
	if (error->code == ERROR_NONE) {
		struct error lasting = {0}; /* of a source that polls: until a look succeeds */

		(void)source_ready(r->source, &lasting);
		r->log_trouble_told = r->log_trouble_told && lasting.code != ERROR_NONE;
		return -1;
	}
	runner_evidence(r, "%s", error->what);
	if (r->config->log.source == CONFIG_LOG_FILE)
		return RUN_EV_COMPLAINT;
	if (!r->log_trouble_told)
		report_line(&r->report, run_state_step(r->state), "started", "the log cannot be read at the moment", error->what);
	r->log_trouble_told = true;
	return -1;
}

/* What may be missing is said, and the wait goes on: the line may come yet, and there is a second kind of evidence. */
static void tell_gaps(struct runner *r)
{
	uint64_t gaps = source_counts(r->source)->gaps;

	if (gaps > r->gaps_told)
		report_line(&r->report, run_state_step(r->state), "started", "lines of the log may have been lost (rotated away, a broken connection, a new log)", NULL);
	r->gaps_told = gaps;
}

/* Why the line may never be seen: what comes is not believed to be the appliance's log. */
static void tell_foreign(struct runner *r)
{
	char text[96];

	if (r->foreign_told || r->config->log.source != CONFIG_LOG_SYSLOG || source_counts(r->source)->foreign == 0)
		return;
	(void)snprintf(text, sizeof text, "%llu until now", (unsigned long long)source_counts(r->source)->foreign);
	report_line(&r->report, run_state_step(r->state), "started",
		    "syslog: messages came that are no log lines of the appliance, or from somebody who is not in [log] from; they are not heard", text);
	r->foreign_told = true;
}

int runner_read_log(struct runner *r, struct mono now)
{
	struct error error = {0};
	struct line parsed;
	const char *line;
	size_t length;

	while (source_next(r->source, now, &line, &length, &error)) {
		enum line_event what = line_event_of(line, length, &parsed);
		int event;

		if (r->on_line)
			r->on_line(r->on_line_context, line, length);
		event = what != LINE_OTHER && ours_is(r->config, &parsed) ? event_of_line(r, what, now) : -1;

		if (event < 0)
			continue;
		(void)text_escape(r->evidence, sizeof r->evidence, line, length);
		if (event == RUN_EV_LINE_WAITING)
			(void)snprintf(r->waiting_line, sizeof r->waiting_line, "%s", r->evidence);
		return event;
	}
	tell_gaps(r);
	tell_foreign(r);
	return note_log_trouble(r, &error);
}

/* ---- the journal ---------------------------------------------------------------------------------------------- */

static void record_result(struct runner *r, enum journal_kind kind, enum journal_step step, const char *result, const char *sentence)
{
	struct journal_record record = logbook_record(kind, step, r->run);

	(void)journal_add(&record, "result", result);
	journal_add_sentence(&record, sentence);
	if (r->evidence[0] && journal_add(&record, "evidence", r->evidence))
		(void)journal_add(&record, "evidence", "(too long)");
	write_record(r, &record);
}

static void record_begin(struct runner *r)
{
	struct journal_record record = logbook_record(JOURNAL_BEGIN, JOURNAL_STEP_NONE, r->run);
	char text[256];
	struct buf names;

	if (r->request->op)
		(void)journal_add(&record, "op", r->request->op);
	(void)journal_add(&record, "steps", run_steps_format(r->request->steps, text));
	(void)journal_add(&record, "domain", r->config->appliance.domain);
	(void)journal_add(&record, "object", r->link.facts.object);
	(void)journal_add(&record, "version", DRR_VERSION);
	buf_init(&names, text, sizeof text);
	for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT; i++)
		if (r->precheck.overridden & 1u << i)
			(void)buf_printf(&names, "%s%s", names.len ? "," : "", precheck_name((enum precheck_refusal)i));
	if (names.len > 0)
		(void)journal_add(&record, "overrides", text);
	write_record(r, &record);
}

static const char *result_of(enum run_event event)
{
	switch (event) {
	case RUN_EV_DONE:
		return "done";
	case RUN_EV_UNKNOWN:
		return "unknown";
	default:
		return "failed";
	}
}

static void record_command(struct runner *r, enum run_state state, enum run_event event, const struct run_row *row)
{
	switch (state) {
	case RUN_PRIMARY:
		if (event != RUN_EV_SKIP && event != RUN_EV_STOP && event != RUN_EV_DEADLINE)
			record_result(r, JOURNAL_OUTCOME, JOURNAL_PRIMARY, result_of(event), row->sentence);
		break;
	case RUN_FLUSH:
		record_result(r, JOURNAL_OUTCOME, JOURNAL_FLUSH, result_of(event), row->sentence);
		break;
	case RUN_DISABLE:
		if (event != RUN_EV_SKIP && event != RUN_EV_DONE && !r->arming)
			record_result(r, JOURNAL_OUTCOME, JOURNAL_DISABLE, result_of(event), row->sentence);
		break;
	case RUN_DISABLE_WAIT:
		if (event == RUN_EV_DONE)
			record_result(r, JOURNAL_OUTCOME, JOURNAL_DISABLE, "done", row->sentence);
		break;
	default:
		break;
	}
}

static void record_step(struct runner *r, enum run_state state, enum run_event event, const struct run_row *row)
{
	bool leaves = row->next != state && row->next != RUN_STATE_COUNT;

	if (state == RUN_PRECHECK && event == RUN_EV_DONE && !r->recovering) {
		record_begin(r);
		record_result(r, JOURNAL_STEP, JOURNAL_PRECHECK, "done", row->sentence);
	} else if (state == RUN_CONFIRM && event == RUN_EV_LINE_WAITING) {
		record_result(r, JOURNAL_STEP, JOURNAL_CONFIRM, "done", row->sentence);
	} else if (state == RUN_SECOND && leaves) {
		record_result(r, JOURNAL_STEP, JOURNAL_CONFIRM, row->next == RUN_TRIGGER ? "done" : "failed", row->sentence);
	} else if (state == RUN_AWAIT && event == RUN_EV_QUIET) {
		record_result(r, JOURNAL_STEP, JOURNAL_AWAIT, "done", row->sentence);
	}
}

int runner_record(struct runner *r, enum run_state state, enum run_event event, const struct run_row *row)
{
	bool broken = r->book.broken;

	if (!r->have_book || event == RUN_EV_DISK)
		return 0;
	record_command(r, state, event, row);
	record_step(r, state, event, row);
	return r->book.broken && !broken ? -1 : 0;
}
