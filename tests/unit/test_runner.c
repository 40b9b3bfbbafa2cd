/* agent/engine/runner: one run driven from outside, without a loop of its own: what it wants to be waited for, and what stands in the journal when it is over.
 * The appliance is a command that says nothing, or ends at once. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/runner.h"
#include "platform/clock.h"

static char folder[64];
static struct config config;
static struct runner runner;
static struct run_request request;
static struct error error;
static unsigned lines;
static int last_exit;
static char last_sentence[1024], first_steps[256];

static void take_report(void *context, const struct report_entry *entry)
{
	(void)context;
	lines++;
	assert_non_null(entry->sentence);
	if (entry->exit_code >= 0) {
		last_exit = entry->exit_code;
		(void)snprintf(last_sentence, sizeof last_sentence, "%s", entry->sentence);
	} else if (strlen(first_steps) + strlen(entry->step) + 2 < sizeof first_steps) {
		(void)strcat(strcat(first_steps, entry->step), " ");
	}
}

static int open_all(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/drr-runner-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	memset(&config, 0, sizeof config);
	memset(&runner, 0, sizeof runner);
	error_clear(&error);
	(void)snprintf(config.path, sizeof config.path, "/etc/drr-agent.conf");
	(void)snprintf(config.agent.name, sizeof config.agent.name, "gw1");
	(void)snprintf(config.agent.state_dir, sizeof config.agent.state_dir, "%s", folder);
	(void)snprintf(config.appliance.domain, sizeof config.appliance.domain, "apiconnect");
	config.cli.transport = CONFIG_EXEC;
	(void)snprintf(config.cli.command, sizeof config.cli.command, "/bin/false");
	(void)snprintf(config.cli.user, sizeof config.cli.user, "admin");
	config.cli.connect_timeout_s = config.cli.command_timeout_s = 30;
	config.limits.bounce_deadline_s = 120;
	runner.config = &config;
	runner.running = -1;
	lines = 0;
	last_exit = -1;
	last_sentence[0] = first_steps[0] = '\0';
	if (link_init(&runner.link, &config, &error) || logbook_open(&runner.book, folder, &error))
		return -1;
	runner.have_book = true;
	return 0;
}

static int close_all(void **state)
{
	static const char *const names[] = {"journal", "lock"};
	char path[128];

	(void)state;
	link_close(&runner.link);
	link_free(&runner.link);
	logbook_close(&runner.book);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

static void prepare(const char *run, const char *op, unsigned steps)
{
	request = (struct run_request){.steps = steps, .run = run, .op = op};
	runner_reset(&runner, &request);
	report_set_sink(&runner.report, take_report, NULL);
	runner_adopt(&runner);
}

static void put(enum journal_kind kind, enum journal_step step, const char *run, const char *key, const char *value)
{
	struct journal_record record = logbook_record(kind, step, run);

	if (key)
		assert_int_equal(journal_add(&record, key, value), 0);
	assert_int_equal(logbook_write(&runner.book, &record, &error), 0);
}

/* Turns until it is over, waiting for exactly what it says; never without anything to wait for. */
static void drive(void)
{
	unsigned turns = 0;

	while (!runner_turn(&runner)) {
		struct pollfd fds[RUNNER_FDS_MAX];
		struct mono until, now = clock_now();
		unsigned count = runner_poll(&runner, fds, &until), live = 0;
		int64_t wait_ms;

		assert_in_range(count, 1, RUNNER_FDS_MAX);
		for (unsigned i = 0; i < count; i++)
			live += fds[i].fd >= 0;
		assert_true(live > 0 || until.ms != INT64_MAX);
		assert_true(until.ms >= now.ms); /* what is due is now, not in the past: that would look like a standstill */
		wait_ms = until.ms - now.ms;
		(void)poll(fds, count, wait_ms > 1000 ? 1000 : (int)wait_ms);
		assert_in_range(turns++, 0, 10000);
	}
}

static void an_appliance_that_is_not_there(void **state)
{
	(void)state;
	prepare("r1", "bounce", RUN_STEP_BOUNCE);
	assert_string_equal(runner.run, "r1");
	assert_int_equal(runner_check_request(&runner, &error), 0);
	runner_begin(&runner);
	assert_int_equal(runner.state, RUN_PRECHECK);
	drive();
	assert_int_equal(runner.state, RUN_OVER);
	assert_int_equal(runner_finish(&runner), 8);
	assert_int_equal(last_exit, 8);
	assert_false(runner.book.state.disable_open || runner.book.state.run_open || runner.book.broken);
	assert_null(strstr(first_steps, "flush"));
	assert_true(runner_turn(&runner)); /* over is over */
}

static void a_stop_while_nothing_was_done(void **state)
{
	struct pollfd fds[RUNNER_FDS_MAX];
	struct mono until;

	(void)state;
	(void)snprintf(config.cli.command, sizeof config.cli.command, "/bin/sleep 600");
	prepare("r1", "bounce", RUN_STEP_BOUNCE);
	runner_begin(&runner);
	assert_false(runner_turn(&runner));
	assert_int_equal(runner_poll(&runner, fds, &until), 1);
	assert_true(fds[0].fd >= 0 && until.ms != INT64_MAX); /* it waits for the appliance, and not for ever */
	assert_false(runner_turn(&runner));
	runner_stop(&runner, "a test wants it");
	assert_true(runner_turn(&runner));
	assert_true(runner_finish(&runner) != 0);
	assert_true(runner.running == -1 && runner.wanted == -1);
	assert_false(runner.book.state.disable_open || runner.book.state.run_open);
}

/* The machine stood still: nothing new is started. What is only watched goes on. */
static void a_standstill_stops(void **state)
{
	struct mono now = {1000000};

	(void)state;
	prepare("r1", "bounce", RUN_STEP_BOUNCE);
	runner_woke(&runner, now, mono_add_ms(now, RUNNER_STUNNED_MS));
	assert_false(runner.stop_wanted);
	runner_woke(&runner, MONO_NEVER, now);
	assert_false(runner.stop_wanted);
	runner.state = RUN_AWAIT;
	runner_woke(&runner, now, mono_add_ms(now, 10 * RUNNER_STUNNED_MS));
	assert_false(runner.stop_wanted);
	runner.state = RUN_FLUSH_CHECK;
	runner_woke(&runner, now, mono_add_ms(now, RUNNER_STUNNED_MS + 1));
	assert_true(runner.stop_wanted);
	assert_true(runner.awake_at.ms == now.ms + RUNNER_STUNNED_MS + 1);
}

/* Whatever is waited for, and for however long: the end of a standstill must not look like a slow answer. */
static void a_standstill_is_seen_in_any_wait(void **state)
{
	struct pollfd fds[RUNNER_FDS_MAX];
	struct mono until, far = mono_add_ms(clock_now(), 60000);

	(void)state;
	prepare("r1", "bounce", RUN_STEP_BOUNCE);
	runner.running = runner.wanted = -1;
	runner.quiet_at = runner.session_until = MONO_NEVER;
	for (int at = 0; at < RUN_OVER; at++) {
		runner.state = (enum run_state)at;
		runner.deadline = far;
		(void)runner_poll(&runner, fds, &until);
		assert_true(at >= RUN_CONFIRM || mono_diff_ms(until, clock_now()) <= RUNNER_TICK_MS);
		if (at == RUN_AWAIT) /* nothing is done there, and nobody is woken up for nothing */
			assert_true(mono_diff_ms(until, clock_now()) > 10 * RUNNER_TICK_MS);
	}
}

static void a_run_never_flushes_twice(void **state)
{
	(void)state;
	put(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r1", "op", "flush");
	put(JOURNAL_INTENT, JOURNAL_FLUSH, "r1", NULL, NULL);
	put(JOURNAL_OUTCOME, JOURNAL_FLUSH, "r1", "result", "unknown");
	put(JOURNAL_END, JOURNAL_STEP_NONE, "r1", "exit", "5");
	prepare("r1", "flush", RUN_STEP_FLUSH);
	assert_int_equal(runner_check_request(&runner, &error), -1);
	assert_int_equal(error.code, ERROR_REFUSED);
	assert_true(runner.flushed && runner.flush_unknown);
	prepare("r1", "confirm", RUN_STEP_CONFIRM); /* nor is there a bounce to be confirmed */
	error_clear(&error);
	assert_int_equal(runner_check_request(&runner, &error), -1);
	prepare("r1", "bounce", RUN_STEP_BOUNCE);
	error_clear(&error);
	assert_int_equal(runner_check_request(&runner, &error), 0);
	prepare("r2", "flush", RUN_STEP_FLUSH);
	assert_int_equal(runner_check_request(&runner, &error), 0);
	assert_false(runner.flushed);
	prepare("r2", "confirm", RUN_STEP_CONFIRM);
	assert_int_equal(runner_check_request(&runner, &error), -1);
}

/* The process ended between the flush and its answer: it is closed as unknown, and nothing is sent. */
static void recovery_of_an_open_flush(void **state)
{
	(void)state;
	put(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r1", "op", "flush");
	put(JOURNAL_INTENT, JOURNAL_FLUSH, "r1", NULL, NULL);
	logbook_close(&runner.book);
	assert_int_equal(logbook_open(&runner.book, folder, &error), 0);
	assert_int_equal(runner.book.state.op_open, JOURNAL_OP_FLUSH);
	request = (struct run_request){.steps = RUN_STEPS_ALL};
	runner_reset(&runner, &request);
	report_set_sink(&runner.report, take_report, NULL);
	assert_false(runner_begin_recovery(&runner)); /* nothing can be disabled: no appliance is asked */
	assert_int_equal(runner_end_recovery(&runner), 5);
	assert_int_equal(last_exit, 5);
	assert_true(runner.book.state.flush_unknown && !runner.book.state.flush_open && !runner.book.state.run_open);
	assert_int_equal(runner.book.state.op_open, -1);
	assert_true(runner.book.state.ops[JOURNAL_OP_FLUSH].ended);
	assert_int_equal(runner.book.state.ops[JOURNAL_OP_FLUSH].exit_code, 5);
	assert_true(runner.book.state.ops[JOURNAL_OP_FLUSH].next[0] != '\0');
}

/* A disable without an enable: the appliance is asked, again and again, and the journal stays open when it cannot be reached. */
static void recovery_asks_the_appliance(void **state)
{
	struct pollfd fds[RUNNER_FDS_MAX];
	struct mono until;

	(void)state;
	put(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r1", "op", "bounce");
	put(JOURNAL_INTENT, JOURNAL_DISABLE, "r1", NULL, NULL);
	(void)snprintf(config.cli.command, sizeof config.cli.command, "/bin/sleep 600");
	request = (struct run_request){.steps = RUN_STEPS_ALL};
	runner_reset(&runner, &request);
	report_set_sink(&runner.report, take_report, NULL);
	assert_true(runner_begin_recovery(&runner));
	assert_string_equal(runner.run, "r1");
	assert_true(runner.state == RUN_RESCUE_WAIT || runner.state == RUN_RESCUE);
	assert_false(runner_turn(&runner));
	(void)runner_poll(&runner, fds, &until);
	assert_true(until.ms != INT64_MAX);
	runner_stop(&runner, "a test wants it"); /* a rescue is what is left to do: it goes on */
	assert_false(runner_turn(&runner));
	assert_true(runner.book.state.disable_open && runner.book.state.run_open);
}

/* Without --run, confirm and await belong to the last run; all else begins a new one. */
static void adopts_the_last_run(void **state)
{
	(void)state;
	prepare(NULL, NULL, RUN_STEP_CONFIRM);
	assert_true(journal_run_is_valid(runner.run));
	put(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "old.run", NULL, NULL);
	put(JOURNAL_END, JOURNAL_STEP_NONE, "old.run", "exit", "0");
	prepare(NULL, NULL, RUN_STEP_CONFIRM | RUN_STEP_AWAIT);
	assert_string_equal(runner.run, "old.run");
	prepare(NULL, NULL, RUN_STEPS_ALL);
	assert_true(journal_run_is_valid(runner.run));
	assert_string_not_equal(runner.run, "old.run");
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, open_all, close_all)
	const struct CMUnitTest tests[] = {
		CASE(an_appliance_that_is_not_there), CASE(a_stop_while_nothing_was_done), CASE(a_standstill_stops), CASE(a_standstill_is_seen_in_any_wait), CASE(a_run_never_flushes_twice),
		CASE(recovery_of_an_open_flush), CASE(recovery_asks_the_appliance), CASE(adopts_the_last_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
