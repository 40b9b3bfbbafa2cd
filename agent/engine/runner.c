/* runner.c - one run, without a loop of its own: look for what is due, look up its row, journal it, tell it, enter the next state. What a state does and how an answer
 * becomes an event is in run_act.c; what comes next is in run/table.c. The loop is run.c's (foreground) or daemon.c's. */
#include "engine/runner.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/text.h"
#include "platform/clock.h"

/* ---- waiting -------------------------------------------------------------------------------------------------- */

static void abandon(struct runner *r)
{
	if (r->running == APPLIANCE_DISABLE)
		runner_expect_late(r, clock_now());
	if (r->running >= 0)
		link_close(&r->link);
	r->running = r->wanted = -1;
}

/* What is due now, or -1. The log comes before the deadline: after a standstill what was logged in time still counts. */
static int due_event(struct runner *r, struct mono now)
{
	if (r->pending >= 0)
		return r->pending;
	if (r->state == RUN_ENABLE_WAIT && r->seen_enabled && (r->stop_wanted || mono_reached(r->deadline, now))) {
		abandon(r);
		return RUN_EV_SKIP; /* "up" is worth a wait, not more */
	}
	if (r->stop_wanted && !r->stop_told && !runner_defers_stop(r)) {
		bool before = r->arming; /* nothing was sent: there is nothing of ours to enable */

		r->stop_told = true;
		abandon(r);
		runner_evidence(r, "%s", r->stop_reason);
		return before ? RUN_EV_REFUSED : RUN_EV_STOP;
	}
	if (r->running >= 0 && link_step(&r->link, now) != LINK_WAIT) {
		int event = runner_judge(r, now);

		if (event >= 0)
			return event;
	}
	if (r->deciding && runner_log_settled(r, now)) {
		r->deciding = false;
		return (int)runner_decide(r);
	}
	if (runner_watches_log(r) && r->source) {
		int event = runner_read_log(r, now);

		if (event >= 0)
			return event;
	}
	if (r->state == RUN_AWAIT && !r->work_open && mono_reached(r->quiet_at, now))
		return RUN_EV_QUIET;
	if (mono_reached(r->deadline, now) && !runner_defers_deadline(r)) {
		abandon(r);
		return RUN_EV_DEADLINE;
	}
	return -1;
}

/* True when an operation was started: it has something to do at once. */
static bool start_wanted(struct runner *r, struct mono now)
{
	if (r->arming && runner_log_settled(r, now))
		runner_arm(r, now);
	if (r->arming || r->pending >= 0)
		return r->pending >= 0;
	if (r->wanted < 0 || r->running >= 0 || !mono_reached(r->start_at, now))
		return false;
	r->running = r->wanted;
	r->wanted = -1;
	link_start(&r->link, (enum appliance_op)r->running, now);
	return true;
}

static struct mono next_deadline(const struct runner *r, struct mono now)
{
	struct mono at = mono_earlier(r->deadline, report_wait_again(&r->report, now));

	if (runner_defers_deadline(r))
		at = report_wait_again(&r->report, now);
	if (r->running >= 0)
		at = mono_earlier(at, link_deadline(&r->link));
	else if (r->wanted >= 0)
		at = mono_earlier(at, r->start_at);
	if (runner_drives_log(r))
		at = mono_earlier(at, source_deadline(r->source));
	if (r->deciding || r->arming)
		at = mono_earlier(at, r->log_until);
	if (runner_watches_log(r) && r->running < 0)
		at = mono_earlier(at, r->session_until);
	if (r->state == RUN_AWAIT && !r->work_open)
		at = mono_earlier(at, r->quiet_at);
	return at;
}

static void show_wait(struct runner *r, struct mono now)
{
	int64_t limit = r->deadline.ms == INT64_MAX ? 0 : mono_diff_ms(r->deadline, r->step_since);

	report_wait(&r->report, run_state_step(r->state), run_state_action(r->state), mono_diff_ms(now, r->step_since), limit);
}

void runner_stop(struct runner *r, const char *reason)
{
	r->stop_wanted = true;
	r->stop_reason = reason;
}

/* A machine that stood still finishes what is open and starts nothing new. Watching a log is nothing new. */
void runner_woke(struct runner *r, struct mono expected, struct mono now)
{
	if (expected.ms != INT64_MAX && mono_diff_ms(now, expected) > RUNNER_STUNNED_MS && r->state < RUN_CONFIRM)
		runner_stop(r, "this machine stood still for a while");
	r->awake_at = now;
}

/* A wait for the log may take half an hour: no session is held all that time. */
static void give_up_session(struct runner *r, struct mono now)
{
	if (!runner_watches_log(r) || r->running >= 0 || !mono_reached(r->session_until, now))
		return;
	link_close(&r->link);
	r->session_until = MONO_NEVER;
}

/* ---- transitions ---------------------------------------------------------------------------------------------- */

static const char *end_word(enum run_verdict verdict)
{
	return verdict == RUN_DONE ? "done" : verdict == RUN_REFUSED ? "refused" : "failed";
}

static void tell(struct runner *r, enum run_state next, enum run_event event, const struct run_row *row)
{
	const char *step = run_state_step(r->state);
	bool leaves = next == RUN_OVER || strcmp(step, run_state_step(next)) != 0;
	bool asked = run_state_wanted(r->state, r->request->steps);

	if (row->quiet_row || (event == RUN_EV_SKIP && !asked))
		return;
	if (row->verdict != RUN_GOES_ON)
		report_line(&r->report, step, end_word(row->verdict), row->sentence, r->evidence);
	else if (leaves)
		report_line(&r->report, step, event == RUN_EV_SKIP && r->state == RUN_PRIMARY ? "skipped" : "done", row->sentence, r->evidence);
	else
		report_line(&r->report, step, "started", row->sentence, r->evidence);
}

static void tell_entry(struct runner *r, enum run_state before, struct mono now)
{
	if (before < RUN_STATE_COUNT && strcmp(run_state_step(before), run_state_step(r->state)) == 0)
		return;
	r->step_since = now;
	if (r->state != RUN_OVER && r->pending != RUN_EV_SKIP)
		report_line(&r->report, run_state_step(r->state), "started", run_state_action(r->state), NULL);
}

static void transition(struct runner *r, enum run_event event)
{
	const struct run_row *row = run_row(r->state, event);
	enum run_state before = r->state, next;
	struct mono now = clock_now();

	if (runner_record(r, r->state, event, row)) {
		event = RUN_EV_DISK;
		row = run_row(r->state, event);
		runner_evidence(r, "%s", r->journal_trouble);
	}
	if (row->next == RUN_STATE_COUNT) {
		if (r->pending == (int)event)
			r->pending = -1;
		return; /* noted, nothing changes */
	}
	next = row->next;
	tell(r, next, event, row);
	if (r->state == RUN_ENABLE_WAIT && next == RUN_CONFIRM)
		r->bounced = true;
	if (row->verdict != RUN_GOES_ON) {
		r->verdict = row->verdict;
		r->sentence = row->sentence;
	}
	if (next != before)
		abandon(r); /* a log line can decide while a question is still out */
	r->previous = before;
	r->state = next;
	if (next != RUN_OVER)
		r->evidence[0] = '\0';
	runner_enter(r, now);
	tell_entry(r, before, now);
}

/* The next event, or -1: nothing is due, and all that can be started is under way. */
static int next_event(struct runner *r)
{
	for (;;) {
		struct mono now = clock_now();
		int event;

		runner_woke(r, r->awake_at, now);
		event = due_event(r, now);
		give_up_session(r, now);
		r->awake_at = clock_now();
		if (event >= 0)
			return event;
		if (!start_wanted(r, now))
			return -1;
	}
}

bool runner_turn(struct runner *r)
{
	while (r->state != RUN_OVER) {
		int event = next_event(r);

		if (event < 0) {
			show_wait(r, clock_now());
			return false;
		}
		if (r->request->dry_run && r->state == RUN_PRECHECK && event == RUN_EV_DONE) {
			report_line(&r->report, "precheck", "done", run_row(RUN_PRECHECK, RUN_EV_DONE)->sentence, r->evidence);
			return true;
		}
		transition(r, (enum run_event)event);
	}
	return true;
}

unsigned runner_poll(const struct runner *r, struct pollfd *fds, struct mono *until)
{
	struct mono now = clock_now();
	unsigned count = 1;

	*until = next_deadline(r, now);
	if (r->state < RUN_CONFIRM)
		*until = mono_earlier(*until, mono_add_ms(now, RUNNER_TICK_MS));
	if (until->ms < now.ms) /* due already: no standstill */
		*until = now;
	fds[0] = r->running >= 0 ? link_poll(&r->link) : (struct pollfd){.fd = -1};
	if (runner_drives_log(r))
		count += source_poll(r->source, fds + 1);
	return count;
}

void runner_begin(struct runner *r)
{
	r->pending = r->wanted = r->running = -1;
	r->quiet_at = r->deadline = r->session_until = MONO_NEVER;
	r->awake_at = clock_now();
	r->previous = RUN_STATE_COUNT;
	runner_enter(r, clock_now());
	tell_entry(r, RUN_STATE_COUNT, clock_now());
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

enum { NEXT_BYTES = 4 * CONFIG_TEXT_BYTES };

/* The exact next command for whoever reads the last line. */
static void say_next(const struct runner *r, int exit_code, char next[NEXT_BYTES])
{
	const char *file = r->config->path, *domain = r->config->appliance.domain;

	next[0] = '\0';
	if (r->verdict == RUN_ACT_NOW)
		(void)snprintf(next, NEXT_BYTES,
			       "on the appliance: switch domain %s; config; apic-gw-service; admin-state enabled; exit; exit -- then: drr-agent recover -c %s",
			       domain, file);
	else if (r->verdict == RUN_REFUSED)
		for (unsigned i = 0; i < PRECHECK_REFUSAL_COUNT && !next[0]; i++) {
			const char *name = precheck_name((enum precheck_refusal)i);

			if (r->precheck.refused & 1u << i)
				(void)snprintf(next, NEXT_BYTES, "%s (or, if you know better: --override-%s)",
					       precheck_next((enum precheck_refusal)i), name);
		}
	else if (exit_code != 0 && r->have_book && r->book.broken)
		(void)snprintf(next, NEXT_BYTES, "make state_dir %s writable again (df -h, df -i, dmesg); then: drr-agent recover -c %s",
			       r->config->agent.state_dir, file);
	else if (exit_code == 5 && r->bounced && r->previous >= RUN_TRIGGER && !r->source)
		(void)snprintf(next, NEXT_BYTES, "look at API Manager: the gateway service's state and its outstanding events; then: drr-agent status -c %s", file);
	else if (exit_code == 5 && r->bounced && r->previous >= RUN_TRIGGER)
		(void)snprintf(next, NEXT_BYTES, "drr-agent run -c %s --run %s --steps await", file, r->run);
	else if (exit_code == 5 && r->flush_unknown)
		(void)snprintf(next, NEXT_BYTES, "drr-agent status -c %s; then a new run: drr-agent run -c %s", file, file);
	else if (exit_code == 5 && r->previous == RUN_FLUSH_VERIFY && r->verdict == RUN_INCOMPLETE && !r->stop_wanted)
		(void)snprintf(next, NEXT_BYTES, "drr-agent status -c %s; then a new run: drr-agent run -c %s", file, file);
	else if (exit_code == 5)
		(void)snprintf(next, NEXT_BYTES, "drr-agent run -c %s --run %s --steps %s", file, r->run,
			       r->bounced ? "confirm,await" : "bounce,confirm,await");
	else if (exit_code != 0 && r->link.error.code != ERROR_NONE && r->link.error.next[0])
		(void)snprintf(next, NEXT_BYTES, "%s", r->link.error.next);
	else if (exit_code != 0)
		(void)snprintf(next, NEXT_BYTES, "drr-agent status -c %s; then: drr-agent run -c %s", file, file);
}

/* A run that holds the grant is driven by a coordinator, or by hand through the daemon; order.c names the command for that itself. */
static bool has_coordinator(const struct runner *r)
{
	return r->have_book && r->book.state.standing.granted && strcmp(r->book.state.standing.grant_run, r->run) == 0;
}

/* Of what say_next() said, for whoever drives a run by the daemon. */
static void say_next_coordinated(const struct runner *r, char next[NEXT_BYTES])
{
	bool watched = r->previous == RUN_SECOND || r->previous >= RUN_TRIGGER;

	if (!has_coordinator(r) || (!strstr(next, "drr-agent run") && !strstr(next, "drr-agent recover")))
		return;
	if (r->verdict == RUN_ACT_NOW)
		(void)snprintf(next, NEXT_BYTES, "on the appliance: switch domain %s; config; apic-gw-service; admin-state enabled; exit; exit -- the agent goes on trying, too",
			       r->config->appliance.domain);
	else if (r->flush_unknown && watched)
		(void)snprintf(next, NEXT_BYTES, "drrctl status; then: drrctl release %s, and a new run", r->run);
	else
		(void)snprintf(next, NEXT_BYTES, "drrctl resume %s", r->run);
}

/* What a script that reads only the last line needs besides: which refusals, or why nobody was reached. */
static void say_why(const struct runner *r, char *out, size_t size)
{
	struct buf why;

	buf_init(&why, out, size);
	for (unsigned i = 0; r->verdict == RUN_REFUSED && i < PRECHECK_REFUSAL_COUNT; i++)
		if (r->precheck.refused & 1u << i)
			(void)buf_printf(&why, "%s%s", why.len ? ", " : " (", precheck_name((enum precheck_refusal)i));
	if (why.len > 0)
		(void)buf_add_string(&why, ")");
	if ((r->verdict == RUN_DENIED || r->verdict == RUN_UNREACHABLE) && r->link.error.code != ERROR_NONE)
		(void)buf_printf(&why, ": %s", r->link.error.what);
}

static void say_sentence(const struct runner *r, char *out, size_t size)
{
	const char *more = "";
	char why[ERROR_WHAT_MAX_BYTES + 8];

	if (r->flush_unknown && r->verdict == RUN_DONE && (r->saw_waiting || r->transactions > 0))
		more = "; the flush had no clear answer, but the service waited for its registration and got it";
	else if (r->flush_unknown)
		more = "; the flush had no clear answer: it may or may not have happened";
	else if (r->flushed && r->verdict != RUN_DONE)
		more = "; the flush was accepted";
	say_why(r, why, sizeof why);
	(void)snprintf(out, size, "%s%s%s", r->sentence, why, more);
}

/* -1: the journal cannot be written, and stays open. */
static int record_end(struct runner *r, int exit_code, const char *sentence, const char *next)
{
	struct journal_record record = logbook_record(JOURNAL_END, JOURNAL_STEP_NONE, r->run);
	struct error error = {0};
	char code[24];

	/* What may be disabled stays open in the journal, for recover. A run that never began has nothing to end. */
	if (!r->have_book || r->book.broken || !r->book.state.run_open || r->book.state.disable_open)
		return 0;
	(void)snprintf(code, sizeof code, "%d", exit_code);
	(void)journal_add(&record, "exit", code);
	if (r->bounced && r->outage_ms > 0) {
		(void)snprintf(code, sizeof code, "%lld", (long long)r->outage_ms);
		(void)journal_add(&record, "disabled_ms", code);
	}
	if (next[0])
		(void)journal_add(&record, "next", next);
	journal_add_sentence(&record, sentence);
	return logbook_write(&r->book, &record, &error);
}

int runner_finish(struct runner *r)
{
	int exit_code = run_exit_code(r->verdict, r->flushed);
	char next[NEXT_BYTES], whole[2 * ERROR_WHAT_MAX_BYTES];

	say_sentence(r, whole, sizeof whole);
	say_next(r, exit_code, next);
	say_next_coordinated(r, next);
	if (record_end(r, exit_code, whole, next) && r->verdict == RUN_DONE) {
		r->verdict = RUN_FAILED;
		r->sentence = "all steps asked for are done, but the journal cannot be written and stays open";
		exit_code = run_exit_code(r->verdict, r->flushed);
		say_sentence(r, whole, sizeof whole);
		say_next(r, exit_code, next);
		say_next_coordinated(r, next);
	}
	report_end(&r->report, end_word(r->verdict), exit_code, whole, next);
	return exit_code;
}

/* ---- begin ---------------------------------------------------------------------------------------------------- */

void runner_make_id(char run[JOURNAL_RUN_BYTES])
{
	unsigned char random[2] = {0};
	char when[CLOCK_TEXT_BYTES];

	(void)getrandom(random, sizeof random, GRND_NONBLOCK);
	(void)clock_text(when, clock_wall_ms()); /* 2026-01-02T03:04:05.678Z */
	(void)snprintf(run, JOURNAL_RUN_BYTES, "r%.4s%.2s%.2sT%.2s%.2s%.2s-%02x%02x", when, when + 5, when + 8, when + 11, when + 14, when + 17,
		       random[0], random[1]);
}

void runner_reset(struct runner *r, const struct run_request *request)
{
	/* All but what outlives a run (link, journal): these are large, and pages that nobody touches cost nothing. */
	memset(r, 0, offsetof(struct runner, config));
	r->request = request;
	if (request->run)
		(void)snprintf(r->run, sizeof r->run, "%s", request->run);
	else
		runner_make_id(r->run);
	report_init(&r->report, request->json, r->run, r->config->agent.name);
}

/* ---- a run's beginning ---------------------------------------------------------------------------------------- */

static bool same_run_flushed(const struct journal_state *state, const char *run)
{
	return strcmp(state->run, run) == 0 && (state->flush_done || state->flush_unknown || state->flush_open);
}

int runner_check_request(struct runner *r, struct error *error)
{
	const struct journal_state *state = &r->book.state;
	bool needs_mark = (r->request->steps & (RUN_STEP_CONFIRM | RUN_STEP_AWAIT)) && !(r->request->steps & RUN_STEP_BOUNCE);

	if (r->request->run && (r->request->steps & RUN_STEP_FLUSH) && logbook_run_flushed(&r->book, r->run))
		return error_set(error, ERROR_REFUSED, "leave the flush out: --steps bounce,confirm,await; or start a new run without --run",
				 "run %s flushed already; a run never flushes twice", r->run);
	if (needs_mark && !(state->have_mark && (!r->request->run || strcmp(state->run, r->run) == 0)))
		return error_set(error, ERROR_REFUSED, "include the bounce: --steps bounce,confirm,await",
				 "there is no bounce of this run in the journal whose effect could be watched for");
	return 0;
}

/* Without --run, confirm and await belong to the last run. */
void runner_adopt(struct runner *r)
{
	const struct journal_state *state = &r->book.state;

	if (!r->request->run && !(r->request->steps & (RUN_STEP_PRIMARY | RUN_STEP_FLUSH | RUN_STEP_BOUNCE)) && state->run[0])
		(void)snprintf(r->run, sizeof r->run, "%s", state->run);
	r->flushed = same_run_flushed(state, r->run) || (r->request->run && r->have_book && logbook_run_flushed(&r->book, r->run));
	r->flush_unknown = r->flushed && !(strcmp(state->run, r->run) == 0 && state->flush_done);
	r->bounced = strcmp(state->run, r->run) == 0 && state->bounce_done;
}

/* ---- what an earlier process left open ------------------------------------------------------------------------ */

static void close_flush(struct runner *r)
{
	struct journal_record record = logbook_record(JOURNAL_OUTCOME, JOURNAL_FLUSH, r->run);
	struct error error = {0};

	if (!r->book.state.flush_open)
		return;
	(void)journal_add(&record, "result", "unknown");
	journal_add_sentence(&record, "the agent ended between the flush and its answer: it may have happened; it is not sent again");
	(void)logbook_write(&r->book, &record, &error);
	r->flush_unknown = true;
}

/* Enables what we may have disabled. The journal's run id is used, so that its records belong together. */
static void begin_rescue(struct runner *r)
{
	const struct journal_state *state = &r->book.state;

	report_line(&r->report, "recover", "started", "the journal holds a disable without an enable: looking at the service", state->disable_run);
	r->recovering = true;
	r->state = RUN_RESCUE_WAIT;
	r->outcome_unknown = true;
	r->looks = RUNNER_LOOKS_BEFORE_AGAIN; /* one look suffices */
	if (state->step_open == JOURNAL_DISABLE)
		runner_expect_late(r, clock_now());
	runner_begin(r);
}

bool runner_begin_recovery(struct runner *r)
{
	struct journal_state *state = &r->book.state;

	(void)snprintf(r->run, sizeof r->run, "%s", state->disable_open ? state->disable_run : state->run);
	if (state->run_open)
		close_flush(r);
	if (!state->disable_open)
		return false;
	begin_rescue(r);
	return true;
}

static int close_open_run(struct runner *r)
{
	const char *sentence = "nothing is open any more; the service is enabled as far as this agent changed it";
	char next[NEXT_BYTES] = "";
	int exit_code;

	r->flushed = same_run_flushed(&r->book.state, r->run);
	exit_code = r->flushed && !r->book.state.await_done ? 5 : 0;
	r->bounced = r->book.state.bounce_done;
	if (exit_code == 5)
		sentence = "the service is enabled as far as this agent changed it; the interrupted run flushed, or may have, and is not complete";
	if (exit_code == 5)
		(void)snprintf(next, sizeof next, "drr-agent run -c %s --run %s --steps %s", r->config->path, r->run,
			       r->bounced ? "confirm,await" : "bounce,confirm,await");
	say_next_coordinated(r, next);
	if (record_end(r, exit_code || r->flushed ? exit_code : 4, sentence, next)) { /* flushed and 0: the configuration was back */
		sentence = "the service is enabled as far as this agent changed it, but the journal cannot be written and stays open";
		exit_code = exit_code ? exit_code : 4;
		say_next(r, exit_code, next);
	}
	if (r->before_run)
		report_line(&r->report, "recover", exit_code ? "failed" : "done", sentence, next[0] ? next : NULL);
	else
		report_end(&r->report, exit_code ? "failed" : "done", exit_code, sentence, next);
	return exit_code;
}

int runner_end_recovery(struct runner *r)
{
	return r->verdict == RUN_ACT_NOW ? runner_finish(r) : close_open_run(r);
}

