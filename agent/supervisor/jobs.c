#include "supervisor/jobs.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "run/journal.h"

/* Words that stand for something else. */
static const char group_file[] = "GROUP_FILE", argument_word[] = "ARGUMENT", config_file[] = "FILE";

static const struct row {
	const char *name;
	enum jobs_program program;
	int64_t limit_ms;
	const char *words[JOBS_WORDS_MAX];
} rows[JOB_COUNT] = {
	[JOB_STATUS] = {"status", JOBS_DRRCTL, 60 * 1000, {"status", "--json", "-g", group_file}},
	[JOB_NUDGE] = {"nudge", JOBS_DRRCTL, 900 * 1000, {"nudge", "-g", group_file}},
	[JOB_RUN] = {"run", JOBS_DRRCTL, 4 * 3600 * 1000, {"run", "--json", "--run", argument_word, "-g", group_file}},
	[JOB_NOTIFY] = {"notify", JOBS_AGENT, 150 * 1000, {"notify", "-c", config_file}},
};

static bool runs(const struct job_slot *slot)
{
	return slot->phase == JOB_RUNNING || slot->phase == JOB_TERMINATED || slot->phase == JOB_KILLED;
}

void jobs_begin(struct jobs *jobs, int64_t end_limit_ms)
{
	memset(jobs, 0, sizeof *jobs);
	jobs->end_limit_ms = end_limit_ms;
}

enum job jobs_find(const char *name)
{
	enum job job = JOB_STATUS;

	while (job < JOB_COUNT && strcmp(rows[job].name, name) != 0)
		job++;
	return job;
}

const char *jobs_name(enum job job)
{
	return rows[job].name;
}

const char *jobs_refusal(const struct jobs *jobs, enum job job, const char *argument, const struct config *config)
{
	if (job == JOB_COUNT)
		return "there is no job of that name";
	if (jobs->stopping)
		return "the daemon is stopping";
	if (jobs->slots[job].phase != JOB_IDLE)
		return "the one before it still runs";
	if (rows[job].program == JOBS_DRRCTL && config->watchdog.group_file[0] == '\0')
		return "[watchdog] group_file is not set";
	if (job == JOB_NOTIFY && config->watchdog.notify_url.text[0] == '\0')
		return "[watchdog] notify_url is not set";
	if (job == JOB_RUN)
		return journal_run_is_valid(argument) ? NULL : "its argument is no run id";
	return argument[0] == '\0' ? NULL : "it takes no argument";
}

enum jobs_program jobs_command(enum job job, const struct config *config, const char *argument, const char *words[JOBS_WORDS_MAX])
{
	for (unsigned i = 0; i < JOBS_WORDS_MAX; i++) {
		const char *word = rows[job].words[i];

		if (word == group_file)
			word = config->watchdog.group_file;
		else if (word == argument_word)
			word = argument;
		else if (word == config_file)
			word = config->path;
		words[i] = word;
	}
	return rows[job].program;
}

void jobs_started(struct jobs *jobs, enum job job, uint32_t number, struct mono now)
{
	assert(jobs->slots[job].phase == JOB_IDLE);
	jobs->slots[job] = (struct job_slot){.phase = JOB_RUNNING, .number = number, .until = mono_add_ms(now, rows[job].limit_ms)};
}

void jobs_ended(struct jobs *jobs, enum job job, uint32_t status)
{
	assert(runs(&jobs->slots[job]));
	jobs->slots[job].phase = JOB_ENDED;
	jobs->slots[job].status = status;
	jobs->slots[job].until = (struct mono){0}; /* at once */
}

void jobs_told(struct jobs *jobs, enum job job, bool told, bool is_there, struct mono now)
{
	assert(jobs->slots[job].phase == JOB_ENDED);
	if (told)
		jobs->slots[job] = (struct job_slot){.phase = JOB_IDLE};
	else
		jobs->slots[job].until = is_there ? mono_add_ms(now, JOBS_AGAIN_MS) : MONO_NEVER;
}

static void terminate(struct jobs *jobs, int job, struct mono now, struct jobs_todo *todo)
{
	jobs->slots[job].phase = JOB_TERMINATED;
	jobs->slots[job].until = mono_add_ms(now, jobs->end_limit_ms);
	todo->terminate[job] = true;
}

struct jobs_todo jobs_stop(struct jobs *jobs, struct mono now)
{
	struct jobs_todo todo = {0};

	jobs->stopping = true;
	for (int job = 0; job < JOB_COUNT; job++)
		if (jobs->slots[job].phase == JOB_RUNNING)
			terminate(jobs, job, now, &todo);
	return todo;
}

struct jobs_todo jobs_due(struct jobs *jobs, struct mono now)
{
	struct jobs_todo todo = {0};

	for (int job = 0; job < JOB_COUNT; job++) {
		struct job_slot *slot = &jobs->slots[job];

		if (!runs(slot) || !mono_reached(slot->until, now))
			continue;
		if (slot->phase == JOB_RUNNING) {
			slot->late = true;
			terminate(jobs, job, now, &todo);
		} else {
			slot->phase = JOB_KILLED;
			slot->until = MONO_NEVER;
			todo.kill[job] = true;
		}
	}
	return todo;
}

struct mono jobs_deadline(const struct jobs *jobs)
{
	struct mono deadline = MONO_NEVER;

	for (int job = 0; job < JOB_COUNT; job++)
		if (jobs->slots[job].phase != JOB_IDLE)
			deadline = mono_earlier(deadline, jobs->slots[job].until);
	return deadline;
}

bool jobs_over(const struct jobs *jobs)
{
	for (int job = 0; job < JOB_COUNT; job++)
		if (runs(&jobs->slots[job]))
			return false;
	return true;
}

bool jobs_list(const struct jobs *jobs, char out[JOBS_LIST_BYTES])
{
	bool any = false;
	struct buf list;

	buf_init(&list, out, JOBS_LIST_BYTES);
	(void)buf_add_string(&list, "DRR_JOBS=");
	for (int job = 0; job < JOB_COUNT; job++) {
		if (jobs->slots[job].phase == JOB_IDLE)
			continue;
		(void)buf_printf(&list, "%s%s", any ? "," : "", rows[job].name);
		any = true;
	}
	return any;
}
