/* run.c - a run, or a recovery, in the foreground: the journal's lock, the loop, the exit code. */
#include "engine/run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "engine/runner.h"
#include "engine/situation.h"
#include "platform/clock.h"

static struct runner the_runner; /* large; one run a process */

static int execute(struct runner *r, struct error *error)
{
	struct mono until;

	while (!runner_turn(r)) {
		struct pollfd fds[RUNNER_FDS_MAX];
		unsigned count = runner_poll(r, fds, &until);
		int signal_number = loop_wait(&r->loop, fds, count, until, error);

		if (signal_number < 0)
			return -1;
		if (signal_number == SIGINT || signal_number == SIGTERM)
			runner_stop(r, signal_number == SIGINT ? "interrupted (SIGINT)" : "told to end (SIGTERM)");
		runner_woke(r, until, clock_now());
	}
	return 0;
}

/* ---- begin and end -------------------------------------------------------------------------------------------- */

static void trace_command(void *context, const char *command, const char *answer, size_t answer_bytes)
{
	struct runner *r = context;
	char shown[RUNNER_EVIDENCE_BYTES], line[64 + sizeof shown];

	(void)snprintf(line, sizeof line, "> %s < %s", command, text_escape(shown, sizeof shown, answer, answer_bytes));
	report_line(&r->report, run_state_step(r->state), "started", line, NULL);
}

static void reset(struct runner *r, const struct config *config, const struct run_request *request)
{
	r->config = config;
	runner_reset(r, request);
	r->loop.timer_fd = r->loop.signal_fd = -1;
}

/* All that it takes to speak with the appliance. */
static int prepare(struct runner *r, struct error *error)
{
	if (link_init(&r->link, r->config, error) || loop_open(&r->loop, error))
		return -1;
	if (r->request->verbose)
		link_set_trace(&r->link, trace_command, r);
	return 0;
}

static void clean_up(struct runner *r)
{
	source_close(r->source);
	r->source = NULL;
	link_free(&r->link);
	loop_close(&r->loop);
	if (r->have_book)
		logbook_close(&r->book);
	r->have_book = false;
}

static int fail(struct runner *r, const struct error *error)
{
	int exit_code = error_exit_code(error->code);

	if (r->book.state.disable_open && r->have_book)
		r->verdict = RUN_ACT_NOW, exit_code = 9;
	report_end(&r->report, error->code == ERROR_REFUSED || error->code == ERROR_BUSY ? "refused" : "failed", exit_code, error->what, error->next);
	clean_up(r);
	return exit_code;
}

/* ---- recover -------------------------------------------------------------------------------------------------- */

/* With the service disabled a bad disk is the smaller evil: what can be read says what to enable. 0, or -1 and ERROR. */
static int take_book(struct runner *r, struct error *error)
{
	if (logbook_open(&r->book, r->config->agent.state_dir, error)) {
		if (!r->book.state.disable_open) {
			logbook_close(&r->book);
			return -1;
		}
		report_line(&r->report, "recover", "started", "the journal cannot be written: enabling without it", error->what);
	}
	r->have_book = true;
	return 0;
}

/* With the book open: finishes what it holds open. Returns the exit code, or -1 and ERROR. */
static int recover_open(struct runner *r, struct error *error)
{
	if (runner_begin_recovery(r) && execute(r, error))
		return -1;
	return runner_end_recovery(r);
}

int run_recover(const struct config *config, bool json, bool verbose)
{
	static const struct run_request request_template = {.steps = RUN_STEPS_ALL};
	struct run_request request = request_template;
	struct runner *r = &the_runner;
	struct error error = {0};
	int exit_code;

	request.json = json;
	request.verbose = verbose;
	reset(r, config, &request);
	if (take_book(r, &error)) /* first: mostly there is nothing to do, and a password that cannot be read is no reason to fail then */
		return fail(r, &error);
	if (r->book.torn)
		report_line(&r->report, "recover", "started", "the journal's last record was unfinished (power cut?) and was cut off", NULL);
	if (!r->book.state.run_open && !r->book.state.disable_open) {
		report_end(&r->report, "done", 0, "the journal holds nothing open", "");
		clean_up(r);
		return 0;
	}
	exit_code = prepare(r, &error) ? -1 : recover_open(r, &error);
	if (exit_code < 0)
		return fail(r, &error);
	clean_up(r);
	return exit_code;
}

/* ---- run ------------------------------------------------------------------------------------------------------ */

void run_tell_plan(struct report *report, unsigned steps, bool is_primary)
{
	static const enum run_state plan[] = {RUN_PRIMARY, RUN_FLUSH_CHECK, RUN_DISABLE, RUN_CONFIRM, RUN_TRIGGER};
	static const char *const would[] = {"would make this member primary", "would flush the peering object here",
					    "would disable and enable apic-gw-service", "would wait for the waiting line",
					    "would wait for the management server and the re-synchronisation"};

	for (unsigned i = 0; i < sizeof plan / sizeof plan[0]; i++) {
		bool wanted = run_state_wanted(plan[i], steps);
		bool primary = plan[i] == RUN_PRIMARY && is_primary;

		report_line(report, run_state_step(plan[i]), "skipped", !wanted ? "not asked for" : primary ? "not needed: this member is primary already" : would[i], NULL);
	}
	report_end(report, "done", 0, "dry run: nothing was changed", "");
}

/* The lock, the journal, what an earlier process left open. 1: go on; 2: that was finished, begin afresh; 0: it could not be: *exit_code; -1: ERROR. */
static int open_book(struct runner *r, int *exit_code, struct error *error)
{
	if (take_book(r, error))
		return -1;
	if (r->book.state.run_open || r->book.state.disable_open) {
		report_line(&r->report, "recover", "started", "an earlier run was interrupted: finishing what it left open first", r->book.state.run);
		r->before_run = true;
		*exit_code = recover_open(r, error);
		if (*exit_code < 0)
			return -1;
		if (r->book.state.disable_open)
			return 0;
		return 2;
	}
	return logbook_rotate(&r->book, error) ? -1 : 1;
}

static int execute_prepared(struct runner *r)
{
	struct error error = {0};

	runner_begin(r);
	if (execute(r, &error))
		return fail(r, &error);
	if (r->state != RUN_OVER) { /* a dry run ends behind the precheck */
		run_tell_plan(&r->report, r->request->steps, runner_is_primary(r));
		return 0;
	}
	return runner_finish(r);
}

int run_refuse_grant(const char *run, const char *by, struct error *error)
{
	char next[ERROR_NEXT_MAX_BYTES];

	(void)snprintf(next, sizeof next, "drrctl resume %.63s; or, after a look at it: drrctl release %.63s; or take part in it: --run %.63s", run, run, run);
	return error_set(error, ERROR_BUSY, next, "run %.63s of the group holds the grant of this member (asked for by %s)", run, by);
}

int run_refuse_hold(const char *owner, const char *reason, struct error *error)
{
	return error_set(error, ERROR_BUSY, "ask its owner; then: drrctl unhold", "a hold is set on this member by %s: %s", owner, reason);
}

/* Grants and holds of the daemon's interface stand in the journal, and count when no daemon runs, too. */
static int check_standing(struct runner *r, struct error *error)
{
	const struct journal_standing *standing = &r->book.state.standing;

	if (standing->granted && strcmp(standing->grant_run, r->run) != 0)
		return run_refuse_grant(standing->grant_run, standing->grant_by, error);
	return situation_is_held(standing) ? run_refuse_hold(standing->hold_owner, standing->hold_reason, error) : 0;
}

int run_execute(const struct config *config, const struct run_request *request)
{
	struct runner *r = &the_runner;
	struct error error = {0};
	int exit_code = 0, opened = 1;

	do { /* once more behind a recovery, with everything fresh */
		if (opened == 2)
			clean_up(r);
		reset(r, config, request);
		if (prepare(r, &error))
			return fail(r, &error);
		opened = request->dry_run ? 1 : open_book(r, &exit_code, &error);
		if (opened < 0)
			return fail(r, &error);
	} while (opened == 2);
	if (opened == 1) {
		runner_adopt(r);
		if (!request->dry_run && (check_standing(r, &error) || runner_check_request(r, &error)))
			return fail(r, &error);
		exit_code = execute_prepared(r);
	}
	clean_up(r);
	return exit_code;
}
