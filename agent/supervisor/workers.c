#include "supervisor/workers.h"

#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "platform/channel.h"
#include "platform/clock.h"
#include "platform/process.h"

enum { NAME_BYTES = 32, NUMBER_BYTES = 32, COMMAND_WORDS_MAX = 24, BY_SIGNAL = 128 };

void workers_begin(struct workers *workers, const struct workers_settings *settings, const struct config *config)
{
	*workers = (struct workers){.settings = settings, .may_drrctl = config->watchdog.group_file[0] != '\0'};
	jobs_begin(&workers->jobs, settings->end_limit_ms);
}

/* What happens all the time is not worth a line. */
static enum log_level level_of(enum job job)
{
	return job == JOB_STATUS ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

/* As channel_send(); -1 also without a channel. */
static int say_finished(int control, uint32_t number, uint32_t status, const char *name, const char *sentence)
{
	const struct frame frame = frame_of_strings(FRAME_FINISHED, number, status, (const char *const[]){name, sentence});
	struct error error = {0};

	return control < 0 ? -1 : channel_send(control, &frame, -1, &error);
}

static void refuse(const struct frame *start, const char *name, const char *why, const char *next, int control)
{
	log_line(LOG_LEVEL_WARNING, "a job is not started", "job", name, "why", why, "next", next, NULL);
	if (say_finished(control, start->number, FRAME_NOT_STARTED, name, why) != 0)
		log_line(LOG_LEVEL_WARNING, "the engine does not read that its job was not started", "job", name, NULL);
}

/* The whole command line in OUT; what executes it. */
static const char *make_command(const struct workers *workers, enum job job, const struct config *config, const char *argument, const char *out[COMMAND_WORDS_MAX])
{
	const char *words[JOBS_WORDS_MAX];
	enum jobs_program program = jobs_command(job, config, argument, words);
	const char *const *own = workers->settings->programs[program].words;
	unsigned count = 0;

	while (*own && count < COMMAND_WORDS_MAX - JOBS_WORDS_MAX)
		out[count++] = *own++;
	for (unsigned i = 0; i < JOBS_WORDS_MAX && words[i]; i++)
		out[count++] = words[i];
	out[count] = NULL;
	return workers->settings->programs[program].exe;
}

/* What it gets of our environment: what drrctl finds its files and its credentials by. The last two are for development builds. */
static pid_t start_process(const struct workers *workers, enum job job, const struct config *config, const char *argument, int fd, struct error *error)
{
	static const char *const names[] = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "CREDENTIALS_DIRECTORY", "ASAN_OPTIONS", "UBSAN_OPTIONS", NULL};
	const char *environment[PROCESS_ENVIRONMENT_MAX], *words[COMMAND_WORDS_MAX];
	struct process_plan plan = {.arguments = words, .environment = environment, .fds = {fd, fd}, .standard = true};

	plan.exe = make_command(workers, job, config, argument, words);
	if (job != JOB_NOTIFY) /* that one becomes it by itself, when it has read the key of [https] */
		plan.user = config->agent.user;
	return process_environment(names, (const char *const[]){NULL}, environment, error) ? -1 : process_start(&plan, error);
}

void workers_start(struct workers *workers, const struct config *config, const struct frame *start, int fd, int control)
{
	char name[NAME_BYTES], argument[FRAME_ARGUMENT_MAX_BYTES + 1] = "", pid[NUMBER_BYTES];
	bool whole = frame_field_copy(start, 0, name, sizeof name) && frame_field_copy(start, 1, argument, sizeof argument) && fd >= 0;
	enum job job = jobs_find(name);
	const char *refusal = whole ? jobs_refusal(&workers->jobs, job, argument, config) : "the order is not complete";
	struct error error = {0};

	if (refusal) {
		refuse(start, name, refusal, NULL, control);
		return;
	}
	if (job != JOB_NOTIFY && !workers->may_drrctl) {
		refuse(start, name, "[watchdog] group_file was not set when the daemon was started", "systemctl restart drr-agent", control);
		return;
	}
	workers->pids[job] = start_process(workers, job, config, argument, fd, &error);
	if (workers->pids[job] <= 0) {
		workers->pids[job] = 0;
		refuse(start, name, error.what, job == JOB_NOTIFY ? NULL : "install drrctl beside drr-agent; when that was done: systemctl restart drr-agent",
		       control);
		return;
	}
	jobs_started(&workers->jobs, job, start->number, clock_now());
	(void)snprintf(pid, sizeof pid, "%ld", (long)workers->pids[job]);
	log_line(level_of(job), "job started", "job", name, "run", argument[0] ? argument : NULL, "pid", pid, NULL);
}

void workers_reap(struct workers *workers)
{
	for (enum job job = JOB_STATUS; job < JOB_COUNT; job++) {
		struct process_end end;
		char how[PROCESS_END_BYTES];

		if (workers->pids[job] == 0 || !process_ended(workers->pids[job], &end))
			continue;
		workers->pids[job] = 0;
		jobs_ended(&workers->jobs, job, (uint32_t)(end.by_signal ? BY_SIGNAL + end.number : end.number));
		log_line(end.by_signal || end.number != 0 ? LOG_LEVEL_WARNING : level_of(job), "job ended", "job", jobs_name(job), "how", process_end_text(how, &end), NULL);
	}
}

static void describe(const struct job_slot *slot, char out[FRAME_TEXT_MAX_BYTES])
{
	const struct process_end end = {slot->status > BY_SIGNAL, (int)(slot->status > BY_SIGNAL ? slot->status - BY_SIGNAL : slot->status)};
	char how[PROCESS_END_BYTES];

	(void)snprintf(out, FRAME_TEXT_MAX_BYTES, "%s%s", process_end_text(how, &end), slot->late ? "; it took longer than it may" : "");
}

void workers_tell(struct workers *workers, int control)
{
	for (enum job job = JOB_STATUS; job < JOB_COUNT; job++) {
		const struct job_slot *slot = &workers->jobs.slots[job];
		char how[FRAME_TEXT_MAX_BYTES];
		int result;

		if (slot->phase != JOB_ENDED)
			continue;
		describe(slot, how);
		result = say_finished(control, slot->number, slot->status, jobs_name(job), how);
		jobs_told(&workers->jobs, job, result == 0, result == 1, clock_now());
	}
}

void workers_perform(struct workers *workers, struct jobs_todo todo)
{
	for (enum job job = JOB_STATUS; job < JOB_COUNT; job++) {
		const char *sentence = workers->jobs.slots[job].late ? "job takes longer than it may, and is asked to end" : "job is asked to end";

		if (!todo.terminate[job] && !todo.kill[job])
			continue;
		log_line(LOG_LEVEL_WARNING, todo.kill[job] ? "job did not end when it was asked to, and is killed" : sentence, "job", jobs_name(job), NULL);
		if (workers->pids[job] > 0)
			(void)kill(workers->pids[job], todo.kill[job] ? SIGKILL : SIGTERM);
	}
}
