#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "run/table.h"

static enum run_state next_of(enum run_state state, enum run_event event)
{
	enum run_state next = run_row(state, event)->next;

	return next == RUN_STATE_COUNT ? state : next;
}

static void the_table_is_total(void **test)
{
	for (unsigned s = 0; s < RUN_OVER; s++)
		for (unsigned e = 0; e < RUN_EVENT_COUNT; e++) {
			const struct run_row *row = run_row(s, e);

			assert_non_null(row);
			assert_true(row->sentence && row->sentence[0]);
			assert_int_equal(row->verdict != RUN_GOES_ON, row->next == RUN_OVER);
		}
}

/* A second row for the same state and event would never be used. */
static void no_row_is_hidden(void **test)
{
	unsigned count;
	const struct run_row *rows = run_rows(&count);

	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < i; j++)
			assert_false(rows[i].state == rows[j].state && rows[i].event == rows[j].event);
	for (unsigned i = 0; i < count; i++)
		if (rows[i].state < RUN_STATE_COUNT)
			assert_ptr_equal(run_row(rows[i].state, rows[i].event), &rows[i]);
}

static void every_state_is_reached_and_left(void **test)
{
	bool reached[RUN_STATE_COUNT] = {[RUN_PRECHECK] = true};

	for (unsigned round = 0; round < RUN_STATE_COUNT; round++)
		for (unsigned s = 0; s < RUN_OVER; s++)
			for (unsigned e = 0; reached[s] && e < RUN_EVENT_COUNT; e++)
				reached[next_of(s, e)] = true;
	for (unsigned s = 0; s < RUN_STATE_COUNT; s++)
		assert_true(reached[s]);
	/* Time alone brings every run to its end: DEADLINE leads on, and never in a circle. */
	for (unsigned s = 0; s < RUN_OVER; s++) {
		unsigned at = s, steps = 0;

		for (; at != RUN_OVER && steps <= RUN_STATE_COUNT; steps++) {
			assert_int_not_equal(next_of(at, RUN_EV_DEADLINE), at);
			at = next_of(at, RUN_EV_DEADLINE);
		}
		assert_int_equal(at, RUN_OVER);
	}
}

/* Every path of the table, as states with what has happened on the way. */
struct path {
	enum run_state state;
	bool maybe_disabled; /* a disable may have left, and the service was not seen enabled since */
	unsigned flushes;
	enum run_state before;
	enum run_event by;
};

static bool seen[RUN_STATE_COUNT][2][3][RUN_STATE_COUNT][RUN_EVENT_COUNT];

static void walk(struct path path)
{
	bool *mark = &seen[path.state][path.maybe_disabled][path.flushes][path.before][path.by];

	if (*mark)
		return;
	*mark = true;
	if (path.state == RUN_FLUSH) {
		assert_int_equal(path.before, RUN_FLUSH_CHECK);
		assert_int_equal(path.by, RUN_EV_DONE);
		assert_int_equal(path.flushes, 0);
	}
	for (unsigned e = 0; path.state != RUN_OVER && e < RUN_EVENT_COUNT; e++) {
		const struct run_row *row = run_row(path.state, e);
		struct path next = path;

		/* What was entered because it is wanted is not skipped when it is entered again. */
		if (row->next == RUN_STATE_COUNT || (path.state == RUN_DISABLE && e == RUN_EV_SKIP && path.maybe_disabled))
			continue;
		next.state = row->next;
		next.before = path.state;
		next.by = e;
		/* REFUSED means that no intent is on disk: the engine raises it only while the journal holds no disable (run_act.c). */
		if (path.state == RUN_DISABLE && e == RUN_EV_REFUSED && path.maybe_disabled)
			continue;
		/* Any other event but SKIP: even a failure to write the outcome stands for one that was had. */
		if (path.state == RUN_DISABLE && e != RUN_EV_SKIP && e != RUN_EV_REFUSED)
			next.maybe_disabled = true;
		if ((path.state == RUN_ENABLE_WAIT || path.state == RUN_RESCUE_WAIT) &&
		    (e == RUN_EV_DONE || e == RUN_EV_ENABLED || e == RUN_EV_SKIP))
			next.maybe_disabled = false;
		if (path.state == RUN_FLUSH && (e == RUN_EV_DONE || e == RUN_EV_UNKNOWN))
			next.flushes++;
		assert_true(next.flushes <= 1);
		if (next.state == RUN_OVER && next.maybe_disabled)
			assert_int_equal(row->verdict, RUN_ACT_NOW);
		if (next.state > RUN_RESCUE_WAIT && next.state != RUN_OVER)
			assert_false(next.maybe_disabled);
		if (next.state == RUN_OVER && row->verdict == RUN_REFUSED)
			assert_int_equal(path.state, RUN_PRECHECK);
		if (row->verdict == RUN_DONE)
			assert_true(path.state == RUN_AFTER || path.state == RUN_TRIGGER);
		walk(next);
	}
}

static void no_path_leaves_the_service_disabled_or_flushes_twice(void **test)
{
	walk((struct path){.state = RUN_PRECHECK});
}

/* A sentence that says "nothing was ..." must be true on every path. */
static void sentences_do_not_claim_too_much(void **test)
{
	for (unsigned s = 0; s < RUN_OVER; s++)
		for (unsigned e = 0; e < RUN_EVENT_COUNT; e++) {
			const char *sentence = run_row(s, e)->sentence;

			if (strstr(sentence, "nothing was changed"))
				assert_int_equal(s, RUN_PRECHECK);
			if (strstr(sentence, "nothing was flushed"))
				assert_true(s <= RUN_FLUSH && s != RUN_PRECHECK);
			if (strstr(sentence, "nothing was disabled"))
				assert_true(s == RUN_DISABLE && e == RUN_EV_REFUSED);
		}
}

static void stop_never_ends_a_run_while_the_service_may_be_disabled(void **test)
{
	for (unsigned s = RUN_DISABLE; s <= RUN_RESCUE_WAIT; s++)
		assert_int_not_equal(next_of(s, RUN_EV_STOP), RUN_OVER);
}

static void exit_codes_are_those_of_the_contract(void **test)
{
	static const int codes[RUN_VERDICT_COUNT][2] = {{1, 1}, {0, 0}, {3, 3}, {4, 5}, {7, 5}, {8, 5}, {5, 5}, {9, 9}};

	for (unsigned v = 0; v < RUN_VERDICT_COUNT; v++) {
		assert_int_equal(run_exit_code(v, false), codes[v][0]);
		assert_int_equal(run_exit_code(v, true), codes[v][1]);
	}
}

static void names_are_there_and_differ(void **test)
{
	for (unsigned s = 0; s < RUN_STATE_COUNT; s++) {
		assert_true(run_state_name(s)[0] && run_state_step(s)[0] && run_state_action(s)[0]);
		for (unsigned other = 0; other < s; other++)
			assert_string_not_equal(run_state_name(s), run_state_name(other));
	}
	assert_string_equal(run_state_name(RUN_STATE_COUNT), "any");
	for (unsigned e = 0; e < RUN_EVENT_COUNT; e++)
		for (unsigned other = 0; other < e; other++)
			assert_string_not_equal(run_event_name(e), run_event_name(other));
	assert_string_equal(run_event_name(RUN_EV_QUIET), "quiet");
	for (unsigned v = 0; v < RUN_VERDICT_COUNT; v++)
		assert_true(run_verdict_name(v)[0]);
}

static void step_lists_go_there_and_back(void **test)
{
	static const char *const bad[] = {"", ",", "flush,", ",flush", "flush,flush", "flush, bounce", "Flush", "flus", "flushx", "all", "flush,,bounce"};
	char text[40];

	for (unsigned steps = 1; steps <= RUN_STEPS_ALL; steps++)
		assert_int_equal(run_steps_parse(run_steps_format(steps, text)), steps);
	assert_int_equal(run_steps_parse("await,primary"), RUN_STEP_AWAIT | RUN_STEP_PRIMARY);
	assert_string_equal(run_steps_format(RUN_STEPS_ALL, text), "primary,flush,bounce,confirm,await");
	assert_string_equal(run_steps_format(0, text), "");
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(run_steps_parse(bad[i]), 0);
}

/* Whatever set of steps is asked for, skipping the others comes to the end. */
static void every_set_of_steps_comes_to_its_end(void **test)
{
	for (unsigned steps = 1; steps <= RUN_STEPS_ALL; steps++) {
		enum run_state state = RUN_PRECHECK;
		unsigned moves = 0;

		while (state != RUN_OVER && moves++ < RUN_STATE_COUNT)
			state = next_of(state, !run_state_wanted(state, steps) ? RUN_EV_SKIP :
					       state == RUN_TRIGGER            ? RUN_EV_LINE_ACCEPTED :
					       state == RUN_AWAIT              ? RUN_EV_QUIET : RUN_EV_DONE);
		assert_int_equal(state, RUN_OVER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_total),
		cmocka_unit_test(no_row_is_hidden),
		cmocka_unit_test(every_state_is_reached_and_left),
		cmocka_unit_test(no_path_leaves_the_service_disabled_or_flushes_twice),
		cmocka_unit_test(sentences_do_not_claim_too_much),
		cmocka_unit_test(stop_never_ends_a_run_while_the_service_may_be_disabled),
		cmocka_unit_test(exit_codes_are_those_of_the_contract),
		cmocka_unit_test(names_are_there_and_differ),
		cmocka_unit_test(step_lists_go_there_and_back),
		cmocka_unit_test(every_set_of_steps_comes_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
