#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "watchdog_world.h"

/* What happens to gw1, and what must be said (the names of the news) and done then, for each policy. */
struct story {
	const char *name, *script;
	int64_t last_s;
	bool polls; /* the log does not come by itself */
	const char *said[4], *done[4]; /* of observe, nudge, bounce, run; NULL: as the one before. "": nothing */
};

static const struct story stories[] = {
#include "watchdog_stories.h"
};

enum { STORIES = sizeof stories / sizeof stories[0] };

static void tell_story(const struct story *story, enum watchdog_policy policy, struct world *world)
{
	world_init(world, policy, !story->polls, 7);
	world->verbose = getenv("WATCHDOG_VERBOSE") && strcmp(getenv("WATCHDOG_VERBOSE"), story->name) == 0;
	world_play(world, story->script, story->last_s);
}

static void the_stories(void **test)
{
	static struct world world;
	unsigned wrong = 0;

	for (unsigned i = 0; i < STORIES; i++) {
		const char *said = NULL, *done = NULL;

		for (unsigned policy = 0; policy < 4; policy++) {
			struct member *gw1 = &world.members[0];
			char end[64];
			bool right;

			said = stories[i].said[policy] ? stories[i].said[policy] : said;
			done = stories[i].done[policy] ? stories[i].done[policy] : done;
			if (getenv("DRR_TEST_SHORT") && i % 16 != 4 * policy) /* on an emulated machine, which is 20 times as slow */
				continue;
			tell_story(&stories[i], policy, &world);
			snprintf(end, sizeof end, "%s", watchdog_state_name(gw1->w.state));
			add_word(gw1->said, sizeof gw1->said, "/ %s", end);
			right = said && done && strcmp(said, gw1->said) == 0 && strcmp(done, gw1->done) == 0;
			fprintf(stderr, "# %-44s %-8s %s | %s | %s\n", policy == 0 ? stories[i].name : "", watchdog_policy_name(policy), right ? "ok" : "WRONG", gw1->said, gw1->done);
			wrong += !right;
		}
	}
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_stories)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
