/* supervisor/restarts.c in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/restarts.h"

#define ENGINE RESTARTS_ENGINE
#define FRONT RESTARTS_FRONT

enum { BY_SIGNAL = -1, ROUNDS = 20000, EVENTS = 60 };

static struct restarts restarts;
static struct mono now;

/* "start-engine start-front" and so on, in the order of doing; "" nothing. */
static const char *words(const struct restarts_todo *todo)
{
	static char out[256];

	out[0] = '\0';
#define WORD(is, word) ((is) ? (void)strcat(strcat(out, out[0] ? " " : ""), word) : (void)0)
	WORD(todo->kill[ENGINE], "kill-engine");
	WORD(todo->kill[FRONT], "kill-front");
	WORD(todo->begin_stop, "begin-stop");
	WORD(todo->stop[ENGINE], "stop-engine");
	WORD(todo->stop[FRONT], "stop-front");
	WORD(todo->start[ENGINE], "start-engine");
	WORD(todo->start[FRONT], "start-front");
	WORD(todo->say_ready, "say-ready");
	WORD(todo->over, "over");
#undef WORD
	return out;
}

#define assert_todo(call, expected) do { struct restarts_todo todo_ = call; assert_string_equal(words(&todo_), expected); } while (0)

static int begin(void **state)
{
	now.ms = 1000000;
	assert_todo(restarts_begin(&restarts, RESTARTS_START_LIMIT_MS, now), "start-engine");
	return 0;
}

static int begin_both(void **state)
{
	(void)begin(state);
	assert_todo(restarts_ready(&restarts, ENGINE, now), "start-front");
	return 0;
}

static int begin_ready(void **state)
{
	(void)begin_both(state);
	assert_todo(restarts_ready(&restarts, FRONT, now), "say-ready");
	return 0;
}

static void is_ready_once(void **state)
{
	assert_todo(restarts_ended(&restarts, ENGINE, BY_SIGNAL, now), "start-engine"); /* no front before there was an engine */
	assert_todo(restarts_ready(&restarts, ENGINE, now), "start-front");
	assert_todo(restarts_ready(&restarts, ENGINE, now), "");
	assert_todo(restarts_ended(&restarts, ENGINE, BY_SIGNAL, now), "start-engine");
	assert_todo(restarts_ready(&restarts, FRONT, now), "");
	assert_todo(restarts_ready(&restarts, FRONT, now), "");
	assert_false(restarts_all_ready(&restarts));
	assert_todo(restarts_ready(&restarts, ENGINE, now), "say-ready");
	assert_true(restarts_all_ready(&restarts));
	assert_todo(restarts_ready(&restarts, ENGINE, now), "");
	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "start-front");
	assert_false(restarts_all_ready(&restarts));
	assert_todo(restarts_ready(&restarts, FRONT, now), "");
	assert_true(restarts_all_ready(&restarts));
}

static void waits_for_nothing_when_ready(void **state)
{
	assert_int_equal(restarts_deadline(&restarts).ms, MONO_NEVER.ms);
	now.ms += INT64_C(1000) * 86400 * 365;
	assert_todo(restarts_due(&restarts, now), "");
	assert_todo(restarts_stop(&restarts, 0), "begin-stop stop-engine");
	assert_int_equal(restarts_deadline(&restarts).ms, MONO_NEVER.ms); /* the engine has all the time it takes */
	now.ms += INT64_C(1000) * 86400 * 365;
	assert_todo(restarts_due(&restarts, now), "");
}

static void kills_what_never_gets_ready(void **state)
{
	struct mono begun = now;

	assert_int_equal(restarts_deadline(&restarts).ms, begun.ms + RESTARTS_START_LIMIT_MS);
	assert_todo(restarts_ready(&restarts, ENGINE, now), "start-front");
	now.ms = begun.ms + RESTARTS_START_LIMIT_MS - 1;
	assert_todo(restarts_due(&restarts, now), "");
	now.ms++;
	assert_todo(restarts_due(&restarts, now), "kill-front");
	assert_todo(restarts_due(&restarts, now), "");
	assert_int_equal(restarts_deadline(&restarts).ms, MONO_NEVER.ms);
	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "start-front");
	assert_int_equal(restarts_deadline(&restarts).ms, now.ms + RESTARTS_START_LIMIT_MS);
}

static void kills_what_is_not_ready_to_stop(void **state)
{
	assert_todo(restarts_ended(&restarts, ENGINE, BY_SIGNAL, now), "start-engine");
	assert_todo(restarts_stop(&restarts, 0), "begin-stop stop-engine");
	now.ms += RESTARTS_START_LIMIT_MS;
	assert_todo(restarts_due(&restarts, now), "kill-engine");
	assert_todo(restarts_ended(&restarts, ENGINE, BY_SIGNAL, now), "stop-front");
	assert_todo(restarts_ended(&restarts, FRONT, 0, now), "over");
	assert_int_equal(restarts.exit_code, 1);
}

static void stops_the_engine_first(void **state)
{
	assert_todo(restarts_stop(&restarts, 0), "begin-stop stop-engine");
	assert_todo(restarts_stop(&restarts, 0), ""); /* a second SIGTERM */
	assert_todo(restarts_ended(&restarts, ENGINE, 0, now), "stop-front");
	assert_todo(restarts_stop(&restarts, 0), "");
	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "over");
	assert_int_equal(restarts.exit_code, 0);
	assert_false(restarts.given_up);
}

/* A front that hangs must not make a stop last until systemd loses its patience. */
static void kills_a_front_that_does_not_end(void **state)
{
	assert_todo(restarts_stop(&restarts, 0), "begin-stop stop-engine");
	now.ms += 1000000;
	assert_todo(restarts_due(&restarts, now), "");
	assert_todo(restarts_ended(&restarts, ENGINE, 0, now), "stop-front");
	assert_todo(restarts_due(&restarts, now), "");
	assert_int_equal(restarts_deadline(&restarts).ms, now.ms + RESTARTS_FRONT_END_LIMIT_MS);
	now.ms += RESTARTS_FRONT_END_LIMIT_MS;
	assert_todo(restarts_due(&restarts, now), "kill-front");
	assert_todo(restarts_due(&restarts, now), "");
	assert_int_equal(restarts_deadline(&restarts).ms, MONO_NEVER.ms);
	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "over");
	assert_int_equal(restarts.exit_code, 0);
}

static void kills_a_front_that_does_not_listen(void **state)
{
	restarts_lost(&restarts, ENGINE); /* never an engine */
	assert_todo(restarts_due(&restarts, now), "");
	assert_int_equal(restarts_deadline(&restarts).ms, MONO_NEVER.ms);
	restarts_lost(&restarts, FRONT);
	assert_todo(restarts_due(&restarts, now), "");
	now.ms += RESTARTS_FRONT_END_LIMIT_MS;
	assert_todo(restarts_due(&restarts, now), "kill-front");
	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "start-front");
	assert_todo(restarts_ready(&restarts, FRONT, now), "");
	now.ms += RESTARTS_WINDOW_MS;
	assert_todo(restarts_due(&restarts, now), ""); /* the next one is not that one */
}

static void restarts_nobody_while_it_stops(void **state)
{
	assert_todo(restarts_stop(&restarts, 0), "begin-stop stop-engine");
	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "");
	assert_todo(restarts_ended(&restarts, ENGINE, 9, now), "over");
	assert_int_equal(restarts.exit_code, 9); /* the service may be disabled: not a good end */
}

static void stops_before_it_was_ready(void **state)
{
	assert_todo(restarts_stop(&restarts, 0), "begin-stop stop-engine");
	assert_todo(restarts_ready(&restarts, ENGINE, now), ""); /* no front any more */
	assert_false(restarts_all_ready(&restarts));
	assert_todo(restarts_ended(&restarts, ENGINE, 0, now), "over");
	assert_int_equal(restarts.exit_code, 0);
}

static void ends_with_what_doing_again_does_not_mend(void **state)
{
	static const int final[] = {2, 6, 7}, others[] = {0, 1, 3, 4, 5, 8, 9, 127, BY_SIGNAL};

	for (size_t i = 0; i < sizeof final / sizeof final[0]; i++) {
		(void)begin(state);
		assert_todo(restarts_ended(&restarts, ENGINE, final[i], now), "begin-stop over");
		assert_int_equal(restarts.exit_code, final[i]);
		assert_false(restarts.given_up);
		(void)begin_both(state);
		assert_todo(restarts_ended(&restarts, FRONT, final[i], now), "begin-stop stop-engine");
		assert_todo(restarts_ended(&restarts, ENGINE, 0, now), "over");
		assert_int_equal(restarts.exit_code, final[i]);
		(void)begin_ready(state); /* at work: an end like any other */
		assert_todo(restarts_ended(&restarts, ENGINE, final[i], now), "start-engine");
	}
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		(void)begin(state);
		assert_todo(restarts_ended(&restarts, ENGINE, others[i], now), "start-engine");
	}
}

static void gives_up_at_the_sixth(void **state)
{
	for (int child = ENGINE; child <= FRONT; child++) {
		(void)begin_ready(state);
		for (int i = 0; i < RESTARTS_MAX; i++) {
			now.ms += 1000;
			assert_todo(restarts_ended(&restarts, (enum restarts_child)child, BY_SIGNAL, now), child == FRONT ? "start-front" : "start-engine");
		}
		now.ms += 1000;
		assert_todo(restarts_ended(&restarts, (enum restarts_child)child, 1, now), child == FRONT ? "begin-stop stop-engine" : "begin-stop stop-front");
		assert_true(restarts.given_up);
		assert_int_equal(restarts.culprit, child);
		assert_todo(restarts_stop(&restarts, 0), "");
		assert_todo(restarts_ended(&restarts, child == FRONT ? ENGINE : FRONT, 0, now), "over");
		assert_int_equal(restarts.exit_code, 1);
	}
}

/* Whoever can make the front end has not used up what the engine has. */
static void counts_each_by_itself(void **state)
{
	for (int i = 0; i < RESTARTS_MAX; i++) {
		assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "start-front");
		assert_todo(restarts_ended(&restarts, ENGINE, BY_SIGNAL, now), "start-engine");
	}
	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "begin-stop stop-engine");
}

/* Its certificate became a bad one while it was at work, and then it ended: the engine does not pay for that. */
static void tries_a_front_again_behind_a_pause(void **state)
{
	struct mono first = now;

	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "start-front");
	for (int i = 1; i < RESTARTS_MAX; i++) {
		assert_todo(restarts_ended(&restarts, FRONT, 2, now), "");
		assert_int_equal(restarts_deadline(&restarts).ms, now.ms + RESTARTS_FRONT_PAUSE_MS);
		now.ms += RESTARTS_FRONT_PAUSE_MS - 1;
		assert_todo(restarts_due(&restarts, now), "");
		now.ms++;
		assert_todo(restarts_due(&restarts, now), "start-front");
		assert_todo(restarts_due(&restarts, now), "");
	}
	assert_true(mono_diff_ms(now, first) < RESTARTS_WINDOW_MS);
	assert_todo(restarts_ended(&restarts, FRONT, 2, now), "begin-stop stop-engine");
	assert_int_equal(restarts_deadline(&restarts).ms, MONO_NEVER.ms);
	assert_todo(restarts_ended(&restarts, ENGINE, 0, now), "over");
	assert_int_equal(restarts.exit_code, 1);
}

static void ends_in_a_pause(void **state)
{
	assert_todo(restarts_ended(&restarts, FRONT, BY_SIGNAL, now), "start-front");
	assert_todo(restarts_ended(&restarts, FRONT, 2, now), "");
	assert_todo(restarts_stop(&restarts, 0), "begin-stop stop-engine");
	now.ms += RESTARTS_FRONT_PAUSE_MS;
	assert_todo(restarts_due(&restarts, now), "");
	assert_todo(restarts_ended(&restarts, ENGINE, 0, now), "over");
	assert_int_equal(restarts.exit_code, 0);
}

static void forgets_what_is_long_ago(void **state)
{
	for (int i = 0; i < 4 * RESTARTS_MAX; i++) {
		assert_todo(restarts_ended(&restarts, ENGINE, BY_SIGNAL, now), "start-engine");
		now.ms += RESTARTS_WINDOW_MS / RESTARTS_MAX;
	}
	now.ms -= 1; /* the fifth before this one was 299.999 s ago */
	assert_todo(restarts_ended(&restarts, ENGINE, BY_SIGNAL, now), "begin-stop stop-front");
}

/* One random event; what must always hold is asserted. */
static struct restarts_todo random_event(bool alive[RESTARTS_CHILDREN])
{
	static const int statuses[] = {BY_SIGNAL, BY_SIGNAL, 0, 1, 2, 6, 9};
	enum restarts_child child = rand() % 2 ? RESTARTS_ENGINE : RESTARTS_FRONT;

	switch (rand() % 8) {
	case 0: return restarts_stop(&restarts, 0);
	case 1: return restarts_due(&restarts, now);
	case 2: now.ms += rand() % RESTARTS_WINDOW_MS; return restarts_due(&restarts, now);
	case 3:
	case 4:
		if (!alive[child])
			break;
		alive[child] = false;
		return restarts_ended(&restarts, child, statuses[(size_t)rand() % (sizeof statuses / sizeof statuses[0])], now);
	default:
		if (alive[child])
			return restarts_ready(&restarts, child, now);
	}
	return (struct restarts_todo){0};
}

static bool pauses(void)
{
	return restarts.front_again_at.ms != MONO_NEVER.ms;
}

static void holds_whatever_happens(void **state)
{
	srand(20260102);
	for (int round = 0; round < ROUNDS; round++) {
		bool alive[RESTARTS_CHILDREN] = {true, false}, over = false, had_front = false, stopped = false;
		int64_t starts[RESTARTS_CHILDREN][EVENTS];
		unsigned counts[RESTARTS_CHILDREN] = {0};

		(void)begin(state);
		for (int i = 0; i < EVENTS && !over; i++) {
			bool was_ready[RESTARTS_CHILDREN], paused = pauses();
			struct restarts_todo todo;

			for (int c = 0; c < RESTARTS_CHILDREN; c++)
				was_ready[c] = restarts.children[c].phase == RESTARTS_READY;
			todo = random_event(alive);
			stopped = stopped || todo.begin_stop;
			for (int c = 0; c < RESTARTS_CHILDREN; c++) {
				assert_false(todo.kill[c] && ((was_ready[c] && !(c == FRONT && stopped && !alive[ENGINE])) || !alive[c]));
				assert_false(todo.start[c] && (alive[c] || stopped));
				assert_false(todo.stop[c] && !(alive[c] && stopped));
				alive[c] = alive[c] || todo.start[c];
				if (todo.start[c] && c == FRONT && !had_front)
					continue; /* its first one is no restart */
				if ((c == FRONT && paused) || !(todo.start[c] || (c == FRONT && pauses())))
					continue; /* a start behind a pause was counted before it */
				starts[c][counts[c]++] = now.ms;
				assert_false(counts[c] > RESTARTS_MAX && now.ms - starts[c][counts[c] - 1 - RESTARTS_MAX] < RESTARTS_WINDOW_MS);
			}
			assert_false(todo.stop[FRONT] && alive[ENGINE]);
			over = todo.over;
			assert_int_equal(over, !alive[ENGINE] && !alive[FRONT]);
			had_front = had_front || alive[FRONT];
			assert_true(stopped || (alive[ENGINE] && alive[FRONT] == had_front) || pauses());
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(is_ready_once, begin),
		cmocka_unit_test_setup(waits_for_nothing_when_ready, begin_ready),
		cmocka_unit_test_setup(kills_what_never_gets_ready, begin),
		cmocka_unit_test_setup(kills_what_is_not_ready_to_stop, begin_ready),
		cmocka_unit_test_setup(stops_the_engine_first, begin_ready),
		cmocka_unit_test_setup(kills_a_front_that_does_not_end, begin_ready),
		cmocka_unit_test_setup(kills_a_front_that_does_not_listen, begin_ready),
		cmocka_unit_test_setup(restarts_nobody_while_it_stops, begin_ready),
		cmocka_unit_test_setup(stops_before_it_was_ready, begin),
		cmocka_unit_test(ends_with_what_doing_again_does_not_mend),
		cmocka_unit_test(gives_up_at_the_sixth),
		cmocka_unit_test_setup(counts_each_by_itself, begin_ready),
		cmocka_unit_test_setup(tries_a_front_again_behind_a_pause, begin_ready),
		cmocka_unit_test_setup(ends_in_a_pause, begin_ready),
		cmocka_unit_test_setup(forgets_what_is_long_ago, begin_ready),
		cmocka_unit_test(holds_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
