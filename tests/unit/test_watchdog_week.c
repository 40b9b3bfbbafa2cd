/* A week in which nothing is wrong, for each policy, with a log that comes by itself and one that is polled: deployments that add and remove APIs, short gaps, moments without
 * quorum, stunned appliances, restarts of the agent, steps of the clock, runs of others. Nobody is woken, nothing is done, nothing grows, and looks stay within what is declared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "watchdog_world.h"

enum { DAY_S = 86400, GAP_LOOKS = 24 };

struct week {
	unsigned transactions, gaps, runs, starts;
	int64_t change_ms, end_ms, join_ms, quorum_ms, release_ms; /* what is under way */
	int change;
};

static struct world world;

/* Short on an emulated machine, which is 20 times as slow. */
static unsigned days(void)
{
	return getenv("DRR_TEST_SHORT") ? 2 : 7;
}

/* Something happens now and then. */
static void make_noise(struct week *week)
{
	struct member *gw1 = &world.members[0];

	if (week->change_ms == 0 && dice(&world, 3600) == 0) {
		week->transactions++;
		say_line(gw1, LINE_ACCEPTED, false);
		week->change = gw1->collections > 8 && dice(&world, 2) ? -1 - (int)dice(&world, 3) : 1;
		week->change_ms = world.now_ms + dice(&world, 5) * 1000;
		week->end_ms = week->change_ms + 500 + dice(&world, 90) * 1000;
	}
	if (week->join_ms == 0 && world.now_ms > gw1->stunned_until_ms + 120000 && dice(&world, 7200) == 0) {
		week->gaps++;
		gw1->cut = true;
		week->join_ms = world.now_ms + 1000 + dice(&world, 40) * 1000;
	}
	if (week->quorum_ms == 0 && dice(&world, 14400) == 0) {
		week->gaps++;
		world.no_quorum = true;
		week->quorum_ms = world.now_ms + 1000 + dice(&world, 100) * 1000;
	}
	if (!world.grant_run[0] && dice(&world, 28800) == 0) {
		week->runs++;
		world_do(&world, "grant", 1);
		week->release_ms = world.now_ms + 60000;
	}
	if (week->join_ms == 0 && dice(&world, 43200) == 0) {
		week->gaps++;
		world_do(&world, "stun", 10 + dice(&world, 40));
	}
	if (dice(&world, 43200) == 0)
		world_do(&world, "clock", (long)dice(&world, 200000) - 100000);
	if (dice(&world, 43200) == 0)
		say_line(gw1, LINE_SETBACK, false);
	if (dice(&world, 43200) == 0) {
		week->starts++;
		agent_stop(gw1);
		agent_start(gw1);
	}
}

static void end_noise(struct week *week)
{
	struct member *gw1 = &world.members[0];

	if (week->change != 0 && world.now_ms >= week->change_ms) {
		gw1->collections += week->change;
		week->change = 0;
	}
	if (week->change_ms > 0 && world.now_ms >= week->end_ms) {
		say_line(gw1, LINE_COMPLETED, false);
		week->change_ms = 0;
	}
	if (week->join_ms > 0 && world.now_ms >= week->join_ms) {
		gw1->cut = false;
		week->join_ms = 0;
	}
	if (week->quorum_ms > 0 && world.now_ms >= week->quorum_ms) {
		world.no_quorum = false;
		week->quorum_ms = 0;
	}
	if (world.grant_run[0] && world.now_ms >= week->release_ms)
		world.grant_run[0] = '\0';
}

static void live_a_week(enum watchdog_policy policy, bool pushes)
{
	struct week week = {0};
	struct member *gw1 = &world.members[0];
	size_t first_day = 0;
	unsigned bound, alarms = 0;

	world_init(&world, policy, pushes, 11 + policy);
	for (unsigned second = 0; second < days() * DAY_S; second++) {
		world_tick(&world);
		make_noise(&week);
		world_tick(&world);
		end_noise(&week);
		if (gw1->alarms > alarms)
			fprintf(stderr, "# second %u: %s\n", second, gw1->w.sentence);
		alarms = gw1->alarms;
		/* What was said is counted, and its text put aside. */
		gw1->said[0] = '\0';
		if (second == DAY_S)
			first_day = gw1->kept_most;
	}
	/* Where the log comes by itself a gap is seen only when a look falls into it. */
	bound = 1 + week.starts + week.transactions + week.runs + GAP_LOOKS * (pushes ? gw1->heard : week.gaps) + (pushes ? 0 : days() * DAY_S * 1000 / WATCHDOG_LOOK_STEADY_MS);
	fprintf(stderr, "# %-7s %-6s %u transactions, %u gaps, %u runs of others, %u starts: %u looks (at most %u), %u news, %u of them wake, %u actions, kept %zu bytes at most\n",
		watchdog_policy_name(policy), pushes ? "pushed" : "polled", week.transactions, week.gaps, week.runs, week.starts, gw1->looks, bound, gw1->heard, gw1->alarms, gw1->actions,
		gw1->kept_most);
	assert_int_equal(gw1->alarms, 0);
	assert_int_equal(gw1->actions, 0);
	assert_int_equal(gw1->w.restarts, 0);
	assert_int_equal(gw1->w.verdicts, 0);
	assert_true(gw1->looks <= bound);
	/* But for digits of counters and the longest sentence. */
	assert_true(gw1->kept_most <= first_day + 256);
	assert_true(week.transactions > 14 * days() && week.gaps > 7 * days());
}

static void nobody_is_woken(void **test)
{
	for (unsigned policy = WATCHDOG_OBSERVE; policy <= WATCHDOG_RUN; policy++) {
		for (unsigned pushes = 0; pushes < 2; pushes++)
			if (days() == 7 || policy % 2 == pushes)
				live_a_week(policy, pushes);
	}
}

/* Not one look where the log comes by itself and nothing happens. */
static void a_quiet_week_costs_nothing(void **test)
{
	world_init(&world, WATCHDOG_RUN, true, 1);
	world_play(&world, "", days() * DAY_S);
	assert_int_equal(world.members[0].looks, 1);
	assert_int_equal(world.members[0].heard, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_is_woken), cmocka_unit_test(a_quiet_week_costs_nothing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
