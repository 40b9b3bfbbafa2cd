/* supervisor/jobs.c in virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/jobs.h"

enum { ROUNDS = 20000, EVENTS = 60, SEED = 7 };

static struct jobs jobs;
static struct config config;
static struct mono now;

/* "terminate-run kill-status" and so on; "" nothing. */
static const char *words(const struct jobs_todo *todo)
{
	static char out[256];

	out[0] = '\0';
	for (enum job job = JOB_STATUS; job < JOB_COUNT; job++) {
		if (todo->terminate[job])
			(void)snprintf(out + strlen(out), sizeof out - strlen(out), "%sterminate-%s", out[0] ? " " : "", jobs_name(job));
		if (todo->kill[job])
			(void)snprintf(out + strlen(out), sizeof out - strlen(out), "%skill-%s", out[0] ? " " : "", jobs_name(job));
	}
	return out;
}

#define assert_todo(call, expected) do { struct jobs_todo todo_ = call; assert_string_equal(words(&todo_), expected); } while (0)

static int begin(void **state)
{
	(void)state;
	now.ms = 1000000;
	memset(&config, 0, sizeof config);
	strcpy(config.path, "/etc/drr-agent/agent.conf");
	strcpy(config.watchdog.group_file, "/etc/drr-agent/group.conf");
	strcpy(config.watchdog.notify_url.text, "https://h/");
	jobs_begin(&jobs, JOBS_END_LIMIT_MS);
	return 0;
}

static void start(enum job job)
{
	assert_null(jobs_refusal(&jobs, job, job == JOB_RUN ? "wd-gw1-1" : "", &config));
	jobs_started(&jobs, job, 7, now);
}

static void pass(int64_t ms)
{
	now = mono_add_ms(now, ms);
}

static void knows_its_names(void **state)
{
	static const char *const names[] = {"status", "nudge", "run", "notify"};
	static const char *const others[] = {"", "statu", "status ", "Run", "engine", "../drrctl", "resume"};

	(void)state;
	for (enum job job = JOB_STATUS; job < JOB_COUNT; job++) {
		assert_int_equal(jobs_find(names[job]), job);
		assert_string_equal(jobs_name(job), names[job]);
	}
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_int_equal(jobs_find(others[i]), JOB_COUNT);
}

static void has_fixed_command_lines(void **state)
{
	static const struct {
		enum job job;
		enum jobs_program program;
		const char *words;
	} expected[] = {
		{JOB_STATUS, JOBS_DRRCTL, "status --json -g /etc/drr-agent/group.conf"},
		{JOB_NUDGE, JOBS_DRRCTL, "nudge -g /etc/drr-agent/group.conf"},
		{JOB_RUN, JOBS_DRRCTL, "run --json --run wd-gw1-1 -g /etc/drr-agent/group.conf"},
		{JOB_NOTIFY, JOBS_AGENT, "notify -c /etc/drr-agent/agent.conf"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		const char *line[JOBS_WORDS_MAX];
		char joined[256] = "";

		assert_int_equal(jobs_command(expected[i].job, &config, "wd-gw1-1", line), expected[i].program);
		for (unsigned w = 0; line[w]; w++)
			(void)snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", w ? " " : "", line[w]);
		assert_string_equal(joined, expected[i].words);
	}
}

static void refuses_what_it_must(void **state)
{
	static const char *const bad[] = {"", "a b", "a/b", "a;b", "\n", "0123456789012345678901234567890123456789012345678901234567890123"};

	(void)state;
	assert_string_equal(jobs_refusal(&jobs, JOB_COUNT, "", &config), "there is no job of that name");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_string_equal(jobs_refusal(&jobs, JOB_RUN, bad[i], &config), "its argument is no run id");
	assert_null(jobs_refusal(&jobs, JOB_RUN, "wd-gw1.a_b-20261123T170000Z", &config));
	assert_string_equal(jobs_refusal(&jobs, JOB_STATUS, "x", &config), "it takes no argument");
	start(JOB_STATUS);
	assert_string_equal(jobs_refusal(&jobs, JOB_STATUS, "", &config), "the one before it still runs");
	assert_null(jobs_refusal(&jobs, JOB_NUDGE, "", &config)); /* another one may */
	config.watchdog.group_file[0] = '\0';
	assert_string_equal(jobs_refusal(&jobs, JOB_NUDGE, "", &config), "[watchdog] group_file is not set");
	assert_string_equal(jobs_refusal(&jobs, JOB_RUN, "r", &config), "[watchdog] group_file is not set");
	assert_null(jobs_refusal(&jobs, JOB_NOTIFY, "", &config));
	config.watchdog.notify_url.text[0] = '\0';
	assert_string_equal(jobs_refusal(&jobs, JOB_NOTIFY, "", &config), "[watchdog] notify_url is not set");
	(void)jobs_stop(&jobs, now);
	assert_string_equal(jobs_refusal(&jobs, JOB_NOTIFY, "", &config), "the daemon is stopping");
}

static void waits_for_nothing_when_idle(void **state)
{
	(void)state;
	assert_int_equal(jobs_deadline(&jobs).ms, MONO_NEVER.ms);
	assert_true(jobs_over(&jobs));
	pass(INT64_C(1000) * 86400 * 365);
	assert_todo(jobs_due(&jobs, now), "");
	assert_todo(jobs_stop(&jobs, now), "");
	assert_true(jobs_over(&jobs));
}

/* Each one's limit, then ten seconds, then SIGKILL; then nothing but its end is awaited. */
static void limits_each(void **state)
{
	static const int64_t limits_ms[JOB_COUNT] = {[JOB_STATUS] = 60000, [JOB_NUDGE] = 900000, [JOB_RUN] = 4 * 3600 * 1000, [JOB_NOTIFY] = 150000};
	char expected[64];

	for (enum job job = JOB_STATUS; job < JOB_COUNT; job++) {
		(void)begin(state);
		start(job);
		assert_int_equal(jobs_deadline(&jobs).ms, now.ms + limits_ms[job]);
		pass(limits_ms[job] - 1);
		assert_todo(jobs_due(&jobs, now), "");
		pass(1);
		(void)snprintf(expected, sizeof expected, "terminate-%s", jobs_name(job));
		assert_todo(jobs_due(&jobs, now), expected);
		assert_todo(jobs_due(&jobs, now), "");
		assert_int_equal(jobs_deadline(&jobs).ms, now.ms + JOBS_END_LIMIT_MS);
		pass(JOBS_END_LIMIT_MS - 1);
		assert_todo(jobs_due(&jobs, now), "");
		pass(1);
		(void)snprintf(expected, sizeof expected, "kill-%s", jobs_name(job));
		assert_todo(jobs_due(&jobs, now), expected);
		assert_todo(jobs_due(&jobs, now), "");
		assert_int_equal(jobs_deadline(&jobs).ms, MONO_NEVER.ms);
		assert_false(jobs_over(&jobs));
		jobs_ended(&jobs, job, 128 + 9);
		assert_true(jobs_over(&jobs));
		assert_true(jobs.slots[job].late);
	}
}

static void stops_all(void **state)
{
	(void)state;
	start(JOB_RUN);
	start(JOB_NOTIFY);
	pass(5);
	assert_todo(jobs_stop(&jobs, now), "terminate-run terminate-notify");
	assert_todo(jobs_stop(&jobs, now), "");
	assert_false(jobs.slots[JOB_RUN].late);
	jobs_ended(&jobs, JOB_NOTIFY, 8);
	assert_false(jobs_over(&jobs));
	jobs_told(&jobs, JOB_NOTIFY, true, true, now);
	pass(JOBS_END_LIMIT_MS);
	assert_todo(jobs_due(&jobs, now), "kill-run");
	jobs_ended(&jobs, JOB_RUN, 137);
	assert_true(jobs_over(&jobs)); /* also when there is no engine left to be told */
}

/* An end is not forgotten before an engine knows it, and there is no second one of that name meanwhile. */
static void tells_an_end_until_it_is_heard(void **state)
{
	char list[JOBS_LIST_BYTES];

	(void)state;
	assert_false(jobs_list(&jobs, list));
	start(JOB_STATUS);
	start(JOB_RUN);
	assert_true(jobs_list(&jobs, list));
	assert_string_equal(list, "DRR_JOBS=status,run");
	jobs_ended(&jobs, JOB_RUN, 5);
	assert_true(mono_reached(jobs_deadline(&jobs), now)); /* at once */
	jobs_told(&jobs, JOB_RUN, false, true, now);
	assert_int_equal(jobs_deadline(&jobs).ms, now.ms + JOBS_AGAIN_MS);
	assert_todo(jobs_due(&jobs, mono_add_ms(now, JOBS_AGAIN_MS)), "");
	jobs_told(&jobs, JOB_RUN, false, false, now);
	assert_int_equal(jobs_deadline(&jobs).ms, now.ms + 60000); /* that of status; no engine, no hurry */
	assert_non_null(jobs_refusal(&jobs, JOB_RUN, "r2", &config));
	assert_true(jobs_list(&jobs, list));
	assert_string_equal(list, "DRR_JOBS=status,run");
	assert_int_equal(jobs.slots[JOB_RUN].number, 7);
	assert_int_equal(jobs.slots[JOB_RUN].status, 5);
	jobs_told(&jobs, JOB_RUN, true, true, now);
	assert_null(jobs_refusal(&jobs, JOB_RUN, "r2", &config));
	assert_true(jobs_list(&jobs, list));
	assert_string_equal(list, "DRR_JOBS=status");
}

static void list_has_room_for_all(void **state)
{
	char list[JOBS_LIST_BYTES];

	(void)state;
	for (enum job job = JOB_STATUS; job < JOB_COUNT; job++)
		start(job);
	assert_true(jobs_list(&jobs, list));
	assert_string_equal(list, "DRR_JOBS=status,nudge,run,notify");
}

/* Whatever happens in whatever order: none is signalled that does not run, none twice the same, SIGKILL only behind SIGTERM, and all end. */
static void keeps_its_promises(void **state)
{
	bool terminated[JOB_COUNT] = {false}, killed[JOB_COUNT] = {false};

	srand(SEED);
	for (int round = 0; round < ROUNDS; round++) {
		(void)begin(state);
		memset(terminated, 0, sizeof terminated);
		memset(killed, 0, sizeof killed);
		for (int event = 0; event < EVENTS; event++) {
			enum job job = (enum job)(rand() % JOB_COUNT);
			struct jobs_todo todo = {0};

			pass(rand() % 3000000);
			switch (rand() % 4) {
			case 0:
				if (!jobs_refusal(&jobs, job, job == JOB_RUN ? "r" : "", &config)) {
					jobs_started(&jobs, job, 1, now);
					terminated[job] = killed[job] = false;
				}
				break;
			case 1:
				if (jobs.slots[job].phase != JOB_IDLE && jobs.slots[job].phase != JOB_ENDED) {
					jobs_ended(&jobs, job, 0);
					jobs_told(&jobs, job, rand() % 2, rand() % 2, now);
				}
				break;
			case 2: todo = jobs_due(&jobs, now); break;
			default: todo = rand() % 20 ? todo : jobs_stop(&jobs, now); break;
			}
			for (job = JOB_STATUS; job < JOB_COUNT; job++) {
				assert_false(todo.terminate[job] && (terminated[job] || jobs.slots[job].phase != JOB_TERMINATED));
				assert_false(todo.kill[job] && (!terminated[job] || killed[job] || jobs.slots[job].phase != JOB_KILLED));
				terminated[job] |= todo.terminate[job];
				killed[job] |= todo.kill[job];
			}
		}
		(void)jobs_stop(&jobs, now);
		pass(JOBS_END_LIMIT_MS);
		(void)jobs_due(&jobs, now);
		for (enum job job = JOB_STATUS; job < JOB_COUNT; job++)
			assert_true(jobs.slots[job].phase == JOB_IDLE || jobs.slots[job].phase == JOB_ENDED || jobs.slots[job].phase == JOB_KILLED);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(knows_its_names), TEST(has_fixed_command_lines), TEST(refuses_what_it_must), TEST(waits_for_nothing_when_idle), TEST(limits_each), TEST(stops_all),
		TEST(tells_an_end_until_it_is_heard), TEST(list_has_room_for_all), TEST(keeps_its_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
