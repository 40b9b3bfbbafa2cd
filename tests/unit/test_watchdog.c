#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/crc32.h"
#include "watchdog_world.h"

/* ---- the table */

static enum watchdog_state next_of(enum watchdog_state state, enum watchdog_event event)
{
	enum watchdog_state next = watchdog_row(state, event)->next;

	return next == WATCHDOG_STATE_COUNT ? state : next;
}

static void the_table_is_total(void **test)
{
	for (unsigned s = 0; s < WATCHDOG_STATE_COUNT; s++)
		for (unsigned e = 0; e < WATCHDOG_EVENT_COUNT; e++) {
			const struct watchdog_row *row = watchdog_row(s, e);

			assert_non_null(row);
			assert_true(row->sentence && row->sentence[0]);
			/* What wakes somebody has a name. */
			assert_true(row->name || !row->notify);
		}
}

static void no_row_is_hidden(void **test)
{
	unsigned count;
	const struct watchdog_row *rows = watchdog_rows(&count);

	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = 0; j < i; j++)
			assert_false(rows[i].state == rows[j].state && rows[i].event == rows[j].event);
		if (rows[i].state < WATCHDOG_STATE_COUNT)
			assert_ptr_equal(watchdog_row(rows[i].state, rows[i].event), &rows[i]);
	}
}

static void every_state_is_reached_and_left(void **test)
{
	bool reached[WATCHDOG_STATE_COUNT] = {[WATCHDOG_STEADY] = true};

	for (unsigned round = 0; round < WATCHDOG_STATE_COUNT; round++)
		for (unsigned s = 0; s < WATCHDOG_STATE_COUNT; s++)
			for (unsigned e = 0; reached[s] && e < WATCHDOG_EVENT_COUNT; e++)
				reached[next_of(s, e)] = true;
	for (unsigned s = 0; s < WATCHDOG_STATE_COUNT; s++) {
		assert_true(reached[s]);
		/* Time alone leads to a verdict, or to what it awaits; a restart to the begin, but not out of an action; all being well home. */
		if (s != WATCHDOG_STEADY && s != WATCHDOG_ACTING)
			assert_int_equal(next_of(s, WATCHDOG_EV_DEADLINE), WATCHDOG_VERDICT);
		assert_int_equal(next_of(s, WATCHDOG_EV_RESTARTED), s == WATCHDOG_ACTING ? WATCHDOG_ACTING : WATCHDOG_PEERING);
		assert_int_equal(next_of(s, WATCHDOG_EV_WHOLE), s == WATCHDOG_ACTING ? WATCHDOG_ACTING : WATCHDOG_STEADY);
		/* An action begins in one state only. */
		assert_int_equal(next_of(s, WATCHDOG_EV_BEGIN), s == WATCHDOG_VERDICT ? WATCHDOG_ACTING : s);
	}
}

static void all_have_names_and_sentences(void **test)
{
	for (unsigned i = 0; i < WATCHDOG_STATE_COUNT; i++)
		assert_true(watchdog_state_name(i)[0] && watchdog_state_action(i)[0]);
	for (unsigned i = 0; i < WATCHDOG_EVENT_COUNT; i++)
		assert_true(watchdog_event_name(i)[0]);
	for (unsigned i = 0; i < WATCHDOG_CAUSE_COUNT; i++)
		assert_true(watchdog_cause_name(i)[0] && watchdog_cause_sentence(i)[0]);
	for (unsigned i = 0; i < WATCHDOG_VERDICT_COUNT; i++)
		assert_true(watchdog_verdict_name(i)[0] && watchdog_verdict_sentence(i)[0] && strlen(watchdog_verdict_next(i)) < WATCHDOG_NEXT_BYTES);
	for (int i = -1; i < 11; i++)
		assert_true(watchdog_exit_next(i)[0]);
}

static void policies_act_on_the_last_five(void **test)
{
	for (unsigned v = 0; v < WATCHDOG_VERDICT_COUNT; v++) {
		bool acted_on = v >= WATCHDOG_WAITS;

		assert_false(watchdog_acts(WATCHDOG_OBSERVE, v));
		assert_int_equal(watchdog_acts(WATCHDOG_NUDGE, v), acted_on);
		assert_int_equal(watchdog_acts(WATCHDOG_RUN, v), acted_on);
		assert_int_equal(watchdog_acts(WATCHDOG_BOUNCE, v), acted_on && v != WATCHDOG_SERVER_SILENT);
	}
}

/* ---- what is told */

static struct watchdog_news recovered;

static void hear_recovered(void *context, const struct watchdog_news *news)
{
	(void)context;
	if (strcmp(news->name, "recovered") == 0)
		recovered = *news;
}

/* A reboot after which all is back, and GRANT_RUN holds a grant all the time. */
static void play_reboot(const char *grant_run)
{
	static struct watchdog w;
	const struct watchdog_settings settings = {.policy = WATCHDOG_RUN, .heartbeat_s = 300, .slack_s = 120, .settle_s = 180, .await_s = 2400, .has_log = true};
	struct watchdog_standing standing = {.grant_by = "alice"};
	struct watchdog_look look = {.answered = true, .uptime_reload_s = 9000, .uptime_reboot_s = 9000, .primaries = WATCHDOG_ONE, .quorum = WATCHDOG_TRI_YES,
				     .enabled = WATCHDOG_TRI_YES, .up = WATCHDOG_TRI_YES, .collections = 4};
	struct watchdog_time now = {.boot_ms = 100000, .wall_ms = 1000000000000, .boot_id = "b"};

	(void)snprintf(standing.grant_run, sizeof standing.grant_run, "%s", grant_run);
	memset(&recovered, 0, sizeof recovered);
	watchdog_init(&w, &settings, "gw1", hear_recovered, NULL, &now);
	for (unsigned i = 0; i < 100; i++) {
		watchdog_take_look(&w, &look, &standing, &now);
		(void)watchdog_turn(&w, &standing, &now);
		look.uptime_reload_s = look.uptime_reboot_s = i == 10 ? 1 : look.uptime_reload_s + 10;
		now.boot_ms += 10000;
		now.wall_ms += 10000;
	}
	assert_int_equal(w.state, WATCHDOG_STEADY);
	assert_string_equal(recovered.name ? recovered.name : "", "recovered");
}

static void a_run_that_is_not_over_is_named_when_all_is_back(void **test)
{
	play_reboot("");
	assert_string_equal(recovered.next, "drr-agent status");
	play_reboot("r9");
	assert_string_equal(recovered.next, "drrctl resume r9");
}

/* ---- what is kept */

static struct world world;

static void assert_same_kept(const struct member *member)
{
	struct watchdog other;
	struct watchdog_settings settings = settings_of(&world);
	struct watchdog_time now = time_of(&world);
	char text[KEPT_BYTES], again[KEPT_BYTES];
	struct buf buf, buf_again;

	buf_init(&buf, text, sizeof text);
	assert_int_equal(watchdog_save(&member->w, &buf, &now), 0);
	watchdog_init(&other, &settings, "gw1", hear, &world.members[1], &now);
	assert_true(watchdog_restore(&other, buf.data, buf.len, true, &now));
	buf_init(&buf_again, again, sizeof again);
	/* But for the time that is left at least. */
	other.deadline_ms = member->w.deadline_ms;
	assert_int_equal(watchdog_save(&other, &buf_again, &now), 0);
	assert_string_equal(text, again);
}

/* In each minute of an episode with an action. */
static void what_is_saved_comes_back(void **test)
{
	world_init(&world, WATCHDOG_BOUNCE, true, 3);
	world_play(&world, "590 hides 1; 600 quick 1;", 600);
	for (unsigned i = 0; i < 200; i++) {
		world_play(&world, "", 10);
		assert_same_kept(&world.members[0]);
	}
	assert_int_equal(world.members[0].actions, 1);
}

/* Refused: W is as it was. Never taken: a text that is not exactly what was written. */
static void assert_refused(const char *text, size_t bytes)
{
	static struct watchdog w, before;
	struct watchdog_settings settings = settings_of(&world);
	struct watchdog_time now = time_of(&world);

	watchdog_init(&w, &settings, "gw1", hear, &world.members[1], &now);
	memcpy(&before, &w, sizeof w);
	assert_false(watchdog_restore(&w, text, bytes, false, &now));
	assert_memory_equal(&w, &before, sizeof w);
}

static void damaged_memory_is_refused(void **test)
{
	char text[KEPT_BYTES];
	struct member *gw1 = &world.members[0];

	world_init(&world, WATCHDOG_RUN, true, 3);
	world_play(&world, "590 hides 1; 600 quick 1;", 1080);
	assert_int_equal(gw1->w.state, WATCHDOG_ACTING);
	agent_keep(gw1);
	for (size_t bytes = 0; bytes < gw1->kept_bytes; bytes++)
		assert_refused(gw1->kept, bytes);
	for (size_t at = 0; at < gw1->kept_bytes; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(text, gw1->kept, gw1->kept_bytes);
			text[at] = (char)(text[at] ^ 1 << bit);
			assert_refused(text, gw1->kept_bytes);
		}
	memcpy(text, gw1->kept, gw1->kept_bytes);
	memcpy(text + gw1->kept_bytes, "x", 2);
	assert_refused(text, gw1->kept_bytes + 1);
}

/* Right check sums, wrong contents. */
static void impossible_memory_is_refused(void **test)
{
	static const struct { const char *what, *instead; } cases[] = {
		{"\nstate 7\n", "\nstate 9\n"}, {"\nstate 7\n", "\nstate 0\n"}, {"\nstate 7\n", "\nstate 07\n"}, {"\nverdict 8\n", "\nverdict 0\n"}, {"\nverdict 8\n", "\nverdict 12\n"},
		{"\ncause 2\n", "\ncause 0\n"}, {"\nacted 1\n", "\nacted 2\n"}, {"\nacted 1\n", "\nacted -0\n"}, {"\ntries 0\n", "\ntries 4\n"}, {"\nbefore 12\n", "\nbefore -2\n"},
		{"\nbefore 12\n", "\nbefore 9007199254740993\n"}, {"\nprimary 10.0.0.11\n", "\nprimary 10.0.0.11\033[2J\n"}, {"\nmemory 1\n", "\n"}, {"\naction_exit -1\n", "\naction_exit 256\n"},
		{"\nup 2\n", "\nup 3\n"}, {"\nup 2\n", "\nup 1 \n"},
	};
	char body[KEPT_BYTES], text[KEPT_BYTES + 64];
	struct member *gw1 = &world.members[0];
	const char *first, *place;

	world_init(&world, WATCHDOG_RUN, true, 3);
	world_play(&world, "590 hides 1; 600 quick 1;", 1080);
	agent_keep(gw1);
	first = strchr(gw1->kept, '\n') + 1;
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		place = strstr(first - 1, cases[i].what);
		if (!place)
			fail_msg("%s is not in:\n%s", cases[i].what, gw1->kept);
		snprintf(body, sizeof body, "%.*s%s%s", (int)(place - first), first, cases[i].instead, place + strlen(cases[i].what));
		snprintf(text, sizeof text, "drr-watchdog 1 %08" PRIx32 "\n%s", crc32_of(body, strlen(body)), body);
		assert_refused(text, strlen(text));
	}
}

/* The longest that can be. */
static void what_is_saved_is_bounded(void **test)
{
	struct watchdog w;
	struct watchdog_settings settings = {0};
	struct watchdog_time now = {INT64_C(1) << 53, INT64_C(1) << 53, "123456789012345678901234567890123456789"};
	char text[WATCHDOG_KEPT_MAX_BYTES + 1], *texts[] = {w.sentence, w.next, w.action_run, w.last.primary, w.own.other_run, w.own.other_by, w.last_at.boot_id};
	size_t sizes[] = {sizeof w.sentence, sizeof w.next, sizeof w.action_run, sizeof w.last.primary, sizeof w.own.other_run, sizeof w.own.other_by, sizeof w.last_at.boot_id};
	int64_t *numbers[] = {&w.since.boot_ms, &w.since.wall_ms, &w.episode.boot_ms, &w.episode.wall_ms, &w.own.deadlines_ms[WATCHDOG_PEERING], &w.own.deadlines_ms[WATCHDOG_SERVICE],
		&w.own.deadlines_ms[WATCHDOG_EVENT], &w.own.deadlines_ms[WATCHDOG_CONFIG], &w.own.waited_ms, &w.own.accepted_ms, &w.own.retry_ms, &w.restart_wall_ms, &w.action_wall_ms,
		&w.collections_before, &w.last_at.boot_ms, &w.last_at.wall_ms, &w.last.uptime_reload_s, &w.last.uptime_reboot_s, &w.last.collections, (int64_t *)&w.restarts,
		(int64_t *)&w.actions, (int64_t *)&w.verdicts};
	struct buf buf;

	watchdog_init(&w, &settings, "m", hear, NULL, &now);
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		memset(texts[i], 'x', sizes[i] - 1);
		texts[i][sizes[i] - 1] = '\0';
	}
	for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		*numbers[i] = (INT64_C(1) << 53) - 1;
	w.deadline_ms = INT64_MAX;
	w.state = WATCHDOG_VERDICT;
	w.verdict = w.own.told = WATCHDOG_NOT_BACK;
	w.cause = WATCHDOG_CAUSE_FOUND;
	buf_init(&buf, text, sizeof text);
	assert_int_equal(watchdog_save(&w, &buf, &now), 0);
	assert_true(buf.len <= WATCHDOG_KEPT_MAX_BYTES);
	assert_true(watchdog_restore(&w, text, buf.len, false, &now));
	/* Too small a place: nothing is cut. */
	buf_init(&buf, text, 100);
	assert_int_equal(watchdog_save(&w, &buf, &now), -1);
}

/* ---- sentences that must be true */

static void the_others_say_who_did_it(void **test)
{
	unsigned ran = 0, stood_back = 0;

	world_init(&world, WATCHDOG_RUN, true, 7);
	world_play(&world, "590 lazy 1; 600 reboot 1; 600 reboot 2; 601 reboot 3;", 7200);
	assert_int_equal(world.flushes, 1);
	for (unsigned i = 0; i < MEMBERS; i++) {
		const struct member *member = &world.members[i];

		assert_int_equal(member->w.state, WATCHDOG_STEADY);
		assert_int_equal(member->collections, COLLECTIONS);
		assert_true(member->actions <= 1);
		ran += strstr(member->w.sentence, "after this watchdog's run, run wd-gw") != NULL;
		stood_back += strstr(member->w.sentence, "after run wd-gw") != NULL && strstr(member->w.sentence, " of gw") != NULL && strstr(member->said, "standback") != NULL;
	}
	assert_int_equal(ran, 1);
	assert_int_equal(stood_back, 2);
}

static void a_peering_in_memory_that_restarts_alone(void **test)
{
	world_init(&world, WATCHDOG_RUN, true, 7);
	world_play(&world, "600 peering 1;", 1200);
	assert_non_null(strstr(world.members[0].w.sentence, "a loss of the store would show only at its next restart"));
	world_init(&world, WATCHDOG_RUN, true, 7);
	world_play(&world, "590 local 1; 600 peering 1;", 1200);
	assert_null(strstr(world.members[0].w.sentence, "loss of the store"));
}

static void standing_back_says_for_whom_and_what_helps(void **test)
{
	struct member *gw1 = &world.members[0];

	world_init(&world, WATCHDOG_RUN, true, 7);
	world_play(&world, "590 hides 1; 600 quick 1; 900 grant 1;", 1400);
	assert_int_equal(gw1->w.state, WATCHDOG_STANDBACK);
	assert_non_null(strstr(gw1->w.sentence, "run run-77 of ann holds the grant"));
	assert_non_null(strstr(gw1->w.next, "drrctl resume run-77"));
	assert_int_equal(gw1->actions, 0);
	world_init(&world, WATCHDOG_BOUNCE, true, 7);
	world_play(&world, "580 hides 1; 590 hold 1; 600 quick 1;", 1400);
	assert_int_equal(gw1->w.state, WATCHDOG_STANDBACK);
	assert_non_null(strstr(gw1->w.sentence, "bob has set a hold"));
}

static void the_intent_is_saved_and_never_repeated(void **test)
{
	struct member *gw1 = &world.members[0];

	for (unsigned policy = WATCHDOG_NUDGE; policy <= WATCHDOG_RUN; policy++) {
		world_init(&world, policy, true, 7);
		world_play(&world, "590 hides 1; 592 exit 4; 595 kill-in-action 1; 600 quick 1; 3600 start-agent 1;", 10800);
		assert_int_equal(gw1->actions, 1);
		assert_int_equal(gw1->w.actions, 1);
		assert_true(gw1->w.acted);
		assert_non_null(strstr(gw1->said, "action action-ended"));
	}
}

/* The lines of a boot begin its episode; the look that finds the restart goes on with it. */
static void an_episode_begins_with_its_first_sign(void **test)
{
	struct member *gw1 = &world.members[0];

	world_init(&world, WATCHDOG_OBSERVE, true, 7);
	world_play(&world, "600 quick 1;", 640);
	assert_int_equal(gw1->w.restarts, 1);
	assert_int_equal(gw1->w.cause, WATCHDOG_CAUSE_RELOAD);
	assert_true(gw1->w.episode.boot_ms <= gw1->peers_ms - 5000 + 800);
	/* One that comes later is another. */
	world_play(&world, "10 quick 1;", 60);
	assert_int_equal(gw1->w.restarts, 2);
	assert_true(gw1->w.episode.boot_ms > gw1->reloaded_ms);
}

/* Settings that call for an action on what was seen a while ago: first a look, and perhaps there is nothing to do any more. */
static void only_what_is_so_now_is_acted_on(void **test)
{
	struct member *gw1 = &world.members[0];
	struct watchdog_settings settings;

	world_init(&world, WATCHDOG_OBSERVE, true, 7);
	world_play(&world, "590 hides 1; 600 quick 1;", 1200);
	assert_int_equal(gw1->w.state, WATCHDOG_VERDICT);
	while (gw1->look_ms != 0 || time_of(&world).boot_ms - gw1->w.own.looked_ms < 20000)
		world_tick(&world);
	world.policy = WATCHDOG_RUN;
	settings = settings_of(&world);
	watchdog_set(&gw1->w, &settings);
	gw1->waits = false;
	gw1->collections = COLLECTIONS;
	say_line(gw1, LINE_COMPLETED, false);
	gw1->lines[gw1->line_count - 1].at_ms += 5000;
	agent_turn(gw1);
	assert_int_equal(gw1->actions, 0);
	world_play(&world, "", 120);
	assert_int_equal(gw1->actions, 0);
	assert_int_equal(gw1->w.state, WATCHDOG_STEADY);
}

/* A name is cut and cleaned, not the time behind it. */
static void run_ids_are_ids(void **test)
{
	struct member *gw1 = &world.members[0];
	const char *run = gw1->w.action_run;

	world_init(&world, WATCHDOG_NUDGE, true, 7);
	strcpy(gw1->w.member, "gate way/eins.mit-einem-sehr-langen-namen-der-nicht-passt");
	world_play(&world, "590 hides 1; 600 quick 1;", 1500);
	assert_int_equal(gw1->actions, 1);
	assert_int_equal(strspn(run, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_."), strlen(run));
	assert_int_equal(strncmp(run, "wd-gate-way-eins.mit-", 21), 0);
	assert_int_equal(run[strlen(run) - 1], 'Z');
	assert_int_equal(run[strlen(run) - 8], 'T');
}

static void one_look_at_a_time(void **test)
{
	struct watchdog w;
	struct watchdog_settings settings = {.heartbeat_s = 300, .slack_s = 120, .settle_s = 180, .await_s = 2400, .has_log = true};
	struct watchdog_standing standing = {0};
	struct watchdog_time now = {1000, 1000, "b"};

	world_init(&world, WATCHDOG_NUDGE, true, 7);
	watchdog_init(&w, &settings, "gw1", hear, &world.members[0], &now);
	assert_false(watchdog_turn(&w, &standing, &now).look);
	now.boot_ms = watchdog_deadline(&w);
	assert_int_equal(now.boot_ms, 1000 + WATCHDOG_FIRST_LOOK_MS);
	assert_true(watchdog_turn(&w, &standing, &now).look);
	assert_false(watchdog_turn(&w, &standing, &now).look);
	/* One that is lost is asked for again. */
	now.boot_ms += WATCHDOG_LOOK_LOST_MS;
	assert_int_equal(watchdog_deadline(&w), now.boot_ms);
	assert_true(watchdog_turn(&w, &standing, &now).look);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_total),
		cmocka_unit_test(no_row_is_hidden),
		cmocka_unit_test(every_state_is_reached_and_left),
		cmocka_unit_test(all_have_names_and_sentences),
		cmocka_unit_test(policies_act_on_the_last_five),
		cmocka_unit_test(a_run_that_is_not_over_is_named_when_all_is_back),
		cmocka_unit_test(what_is_saved_comes_back),
		cmocka_unit_test(damaged_memory_is_refused),
		cmocka_unit_test(impossible_memory_is_refused),
		cmocka_unit_test(what_is_saved_is_bounded),
		cmocka_unit_test(the_others_say_who_did_it),
		cmocka_unit_test(a_peering_in_memory_that_restarts_alone),
		cmocka_unit_test(standing_back_says_for_whom_and_what_helps),
		cmocka_unit_test(the_intent_is_saved_and_never_repeated),
		cmocka_unit_test(an_episode_begins_with_its_first_sign),
		cmocka_unit_test(only_what_is_so_now_is_acted_on),
		cmocka_unit_test(run_ids_are_ids),
		cmocka_unit_test(one_look_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
