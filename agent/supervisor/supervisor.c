/* supervisor.c - carries out what restarts.c says, and passes on what the children say.
 *
 * Each child has a control channel to here. Between engine and front lies one more pair, made here whenever one of them starts: one end goes to the new child as
 * descriptor 4, the other one to the other child by FRAME_CHANNEL, or, where that has not been started yet, it waits here for its start.
 *
 * A reload goes step by step, so that a refusal leaves as much as possible as it was: the file, the three files of [https], the front, the engine. */
#include "supervisor/supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "platform/channel.h"
#include "platform/clock.h"
#include "platform/jail.h"
#include "platform/loop.h"
#include "platform/notify.h"
#include "platform/process.h"
#include "supervisor/identity.h"

enum {
	FRAMES_AT_ONCE = 16, /* of one child, before the others' turn */
	ALIVE_PART = 2,      /* signs of life come twice as often as systemd wants them */
	WORD_BYTES = 32,
};

struct child {
	pid_t pid;   /* 0: none */
	int control; /* -1: none, or the child closed it */
	unsigned unanswered; /* FRAME_IDENTITY or FRAME_RELOAD sent; FRAME_TAKEN comes for each, in their order */
	int peer;    /* an end of a pair whose other end the other child has already; waits for this one's start. -1: none */
};

enum reload { RELOAD_NONE, RELOAD_FRONT, RELOAD_ENGINE }; /* whose FRAME_TAKEN is awaited */

struct supervisor {
	const struct supervisor_settings *settings;
	const struct config *config; /* in force */
	struct config *next;         /* of a reload: being taken */
	struct restarts restarts;
	struct child children[RESTARTS_CHILDREN];
	struct workers workers;
	struct notify notify;
	struct loop loop;
	enum reload reload;
	bool reload_wanted; /* asked for while one was under way, or a child not at work */
	bool status_known;  /* the engine has said what it does */
	bool over;
	char *memory; /* FRAME_MAX_BYTES, for the frame that is being read */
};

static struct config loaded[2]; /* by reloads: the one in force, and the one being taken */

static const char *const names[RESTARTS_CHILDREN] = {[RESTARTS_ENGINE] = "engine", [RESTARTS_FRONT] = "front"};

static enum restarts_child other_than(enum restarts_child which)
{
	return which == RESTARTS_ENGINE ? RESTARTS_FRONT : RESTARTS_ENGINE;
}

static void log_error(const struct error *error)
{
	log_line(LOG_LEVEL_ERROR, error->what, "next", error->next[0] ? error->next : NULL, NULL);
}

static char *number(char out[WORD_BYTES], long value)
{
	(void)snprintf(out, WORD_BYTES, "%ld", value);
	return out;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Nothing can be said to it any more. It sees that, and there is the signal that means FRAME_STOP as well; mostly it is ending already. */
static void lose_control(struct supervisor *s, enum restarts_child which)
{
	close_fd(&s->children[which].control);
	restarts_lost(&s->restarts, which);
	if (s->children[which].pid > 0)
		(void)kill(s->children[which].pid, SIGTERM);
}

/* ---- starting a child ------------------------------------------------------------------------------------------- */

struct own_variables {
	char alive[WORD_BYTES], jobs[JOBS_LIST_BYTES];
};

/* What a child gets of our environment: the engine what it or the operator's [cli] command needs, the front nothing but the time zone. The last two are for
 * development builds. */
static int child_environment(const struct supervisor *s, enum restarts_child which, struct own_variables *own, const char *out[PROCESS_ENVIRONMENT_MAX],
			     struct error *error)
{
	static const char *const of_engine[] = {"PATH",          "HOME",        "USER",       "LOGNAME",      "LANG",          "TZ", "CREDENTIALS_DIRECTORY",
						"DOCKER_HOST", "KUBECONFIG", "ASAN_OPTIONS", "UBSAN_OPTIONS", NULL};
	static const char *const of_front[] = {"TZ", "ASAN_OPTIONS", "UBSAN_OPTIONS", NULL};
	const char *extra[] = {NULL, NULL, NULL}, **last = extra;

	if (which == RESTARTS_ENGINE && s->notify.watchdog_ms > 0) {
		unsigned often_ms = s->notify.watchdog_ms / ALIVE_PART;

		(void)snprintf(own->alive, sizeof own->alive, "DRR_ALIVE_MS=%u", often_ms > 0 ? often_ms : 1);
		*last++ = own->alive;
	}
	if (which == RESTARTS_ENGINE && jobs_list(&s->workers.jobs, own->jobs))
		*last = own->jobs;
	return process_environment(which == RESTARTS_ENGINE ? of_engine : of_front, extra, out, error);
}

/* END is WHICH's from now on: sent when it lives, kept for its start otherwise. */
static void give_peer(struct supervisor *s, enum restarts_child which, int end)
{
	struct child *child = &s->children[which];
	const struct frame frame = frame_of_strings(FRAME_CHANNEL, 0, 0, NULL);
	struct error error = {0};

	close_fd(&child->peer);
	if (child->pid == 0) {
		child->peer = end;
		return;
	}
	/* one that has closed its control channel is about to end */
	if (child->control >= 0 && channel_send(child->control, &frame, end, &error) != 0)
		log_line(LOG_LEVEL_WARNING, "a child does not take its new channel to the other one", "child", names[which], "why", error.what[0] ? error.what : NULL, NULL);
	(void)close(end);
}

/* The pair between engine and front, where none waits for WHICH. */
static int make_peers(struct supervisor *s, enum restarts_child which, struct error *error)
{
	int ends[2];

	if (s->children[which].peer >= 0)
		return 0;
	if (channel_pair(ends, error))
		return -1;
	s->children[which].peer = ends[0];
	give_peer(s, other_than(which), ends[1]);
	return 0;
}

static int start_process(struct supervisor *s, enum restarts_child which, struct error *error)
{
	struct child *child = &s->children[which];
	const char *environment[PROCESS_ENVIRONMENT_MAX];
	struct own_variables own;
	int control[2];
	struct process_plan plan = {.exe = s->settings->exe, .arguments = s->settings->arguments[which], .environment = environment};

	if (child_environment(s, which, &own, environment, error) || make_peers(s, which, error) || channel_pair(control, error))
		return -1;
	plan.fds[0] = control[1];
	plan.fds[1] = child->peer;
	child->pid = process_start(&plan, error);
	(void)close(control[1]);
	close_fd(&child->peer);
	child->control = control[0];
	child->unanswered = 0;
	if (child->pid > 0)
		return 0;
	child->pid = 0;
	close_fd(&child->control);
	close_fd(&s->children[other_than(which)].peer); /* nobody is at its other end */
	return -1;
}

/* 0; -1: it could not be started; or the exit code of what cannot be mended by trying again. */
static int start_child(struct supervisor *s, enum restarts_child which)
{
	bool with_identity = which == RESTARTS_FRONT && identity_is_needed(s->config);
	struct identity identity = {0};
	struct error error = {0};
	char pid[WORD_BYTES];
	int result = 0;

	if (with_identity && identity_load(s->config, &identity, &error))
		result = error_exit_code(error.code);
	else if (start_process(s, which, &error))
		result = -1;
	else if (with_identity && identity_send(&identity, s->children[which].control, &error))
		lose_control(s, which); /* its end will be told like any other */
	else
		s->children[which].unanswered = with_identity ? 1 : 0;
	identity_free(&identity);
	if (error.code != ERROR_NONE)
		log_error(&error);
	if (result)
		return result;
	log_line(LOG_LEVEL_INFO, "child started", "child", names[which], "pid", number(pid, s->children[which].pid), NULL);
	if (which == RESTARTS_ENGINE)
		(void)notify_alive(&s->notify); /* it gets a whole period; the budget limits how often */
	return 0;
}

/* ---- what restarts.c says --------------------------------------------------------------------------------------- */

static void say_where(const struct supervisor *s)
{
	char listen[CONFIG_LISTEN_MAX * (CONFIG_LISTEN_BYTES + 9)] = "", socket[CONFIG_TEXT_BYTES + 16];
	size_t used = 0;

	for (unsigned i = 0; i < s->config->https.listen_count; i++)
		used += (size_t)snprintf(listen + used, sizeof listen - used, "%shttps://%s", i ? " " : "", s->config->https.listen[i].text);
	(void)snprintf(socket, sizeof socket, "%s/api.sock", s->config->agent.state_dir);
	log_line(LOG_LEVEL_INFO, "at work", "member", s->config->agent.name, "socket", socket, "https", listen[0] ? listen : NULL, NULL);
}

static void say_stopping(const struct supervisor *s)
{
	char sentence[256] = "stops: the engine finishes what is open";

	if (s->restarts.given_up) {
		(void)snprintf(sentence, sizeof sentence, "given up: engine and front ended more than %d times in %d s", RESTARTS_MAX, RESTARTS_WINDOW_MS / 1000);
		log_line(LOG_LEVEL_ERROR, sentence, NULL);
	}
	(void)notify_stopping(&s->notify, sentence);
}

/* The last line. What ends with 2, 6 or 7 has said itself what to do; otherwise something may be open. */
static void say_over(const struct supervisor *s)
{
	bool bad = s->restarts.given_up || s->restarts.exit_code == 1 || error_exit_code(ERROR_DISABLED) == s->restarts.exit_code;
	char next[CONFIG_TEXT_BYTES + 64], code[WORD_BYTES];

	(void)snprintf(next, sizeof next, "drr-agent recover -c %s; journalctl -u drr-agent", s->config->path);
	log_line(s->restarts.exit_code ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "the daemon has ended", "exit", number(code, s->restarts.exit_code), "next",
		 bad ? next : NULL, NULL);
}

static void stop_child(struct supervisor *s, enum restarts_child which)
{
	const struct frame frame = frame_of_strings(FRAME_STOP, 0, 0, NULL);
	struct child *child = &s->children[which];
	struct error error = {0};

	log_line(LOG_LEVEL_INFO, "child is asked to finish and end", "child", names[which], NULL);
	if (child->control < 0 || channel_send(child->control, &frame, -1, &error) != 0)
		lose_control(s, which);
}

static void kill_child(struct supervisor *s, enum restarts_child which)
{
	bool ends = s->restarts.children[which].end_by.ms != MONO_NEVER.ms;
	char limit[WORD_BYTES];

	log_line(LOG_LEVEL_ERROR, ends ? "child did not end in time, and is killed" : "child was not at work in time, and is killed", "child", names[which], "limit_ms",
		 number(limit, ends ? (long)RESTARTS_FRONT_END_LIMIT_MS : (long)s->settings->start_limit_ms), NULL);
	if (s->children[which].pid > 0)
		(void)kill(s->children[which].pid, SIGKILL);
}

/* Calls itself when a child cannot be started: at most as often as the budget allows, and once more. */
static void perform(struct supervisor *s, struct restarts_todo todo)
{
	int failed[RESTARTS_CHILDREN] = {0};

	for (int which = 0; which < RESTARTS_CHILDREN; which++)
		if (todo.kill[which])
			kill_child(s, (enum restarts_child)which);
	if (todo.begin_stop) {
		say_stopping(s);
		workers_perform(&s->workers, jobs_stop(&s->workers.jobs, clock_now()));
	}
	for (int which = 0; which < RESTARTS_CHILDREN; which++)
		if (todo.stop[which])
			stop_child(s, (enum restarts_child)which);
	for (int which = 0; which < RESTARTS_CHILDREN; which++)
		if (todo.start[which])
			failed[which] = start_child(s, (enum restarts_child)which);
	if (todo.say_ready) {
		say_where(s);
		(void)notify_ready(&s->notify, s->status_known ? NULL : "at work");
	}
	s->over = s->over || todo.over;
	for (int which = 0; which < RESTARTS_CHILDREN; which++)
		if (failed[which])
			perform(s, restarts_ended(&s->restarts, (enum restarts_child)which, failed[which], clock_now()));
}

/* ---- reload ----------------------------------------------------------------------------------------------------- */

static void reload_end(struct supervisor *s)
{
	s->reload = RELOAD_NONE;
	(void)notify_ready(&s->notify, NULL); /* whichever configuration it is */
}

static void reload_refuse(struct supervisor *s, const char *who, const struct error *error)
{
	log_line(LOG_LEVEL_ERROR, "the new configuration is not taken; the old one stays", "by", who, "why", error->what, "next",
		 error->next[0] ? error->next : NULL, NULL);
	reload_end(s);
}

/* A child has ended, or does so: what it would have answered is not known, and the other one may be a step further. */
static void reload_later(struct supervisor *s)
{
	log_line(LOG_LEVEL_WARNING, "a child ended meanwhile: the configuration is read again when both are at work", NULL);
	reload_end(s);
	s->reload_wanted = true;
}

static bool same_listeners(const struct config *a, const struct config *b)
{
	if (a->https.listen_count != b->https.listen_count)
		return false;
	for (unsigned i = 0; i < a->https.listen_count; i++)
		if (strcmp(a->https.listen[i].text, b->https.listen[i].text) != 0)
			return false;
	return true;
}

/* What a process that runs does not take over. */
static void say_what_needs_a_restart(const struct config *old, const struct config *new)
{
	static const char sentence[] = "changed, but only taken when the daemon is started again", next[] = "systemctl restart drr-agent";

	if (strcmp(old->agent.user, new->agent.user) != 0)
		log_line(LOG_LEVEL_WARNING, sentence, "key", "[agent] user", "next", next, NULL);
	if (strcmp(old->agent.state_dir, new->agent.state_dir) != 0)
		log_line(LOG_LEVEL_WARNING, sentence, "key", "[agent] state_dir", "next", next, NULL);
	if ((old->cli.transport == CONFIG_EXEC) != (new->cli.transport == CONFIG_EXEC)) /* it decides how the processes are locked in */
		log_line(LOG_LEVEL_WARNING, sentence, "key", "[cli] transport", "next", next, NULL);
	if (!old->watchdog.group_file[0] && new->watchdog.group_file[0]) /* and this too: what they may execute */
		log_line(LOG_LEVEL_WARNING, sentence, "key", "[watchdog] group_file", "next", next, NULL);
	if (!same_listeners(old, new))
		log_line(LOG_LEVEL_WARNING, sentence, "key", "[https] listen", "next", next, NULL);
}

static void reload_ask_engine(struct supervisor *s)
{
	const struct frame frame = frame_of_strings(FRAME_RELOAD, 0, 0, NULL);
	struct error error = {0};

	s->reload = RELOAD_ENGINE;
	if (channel_send(s->children[RESTARTS_ENGINE].control, &frame, -1, &error) != 0)
		reload_later(s);
	else
		s->children[RESTARTS_ENGINE].unanswered++;
}

/* A front without TLS listeners has no use for an identity, and does not get listeners by a reload. */
static void reload_ask_front(struct supervisor *s)
{
	struct identity identity;
	struct error error = {0};

	if (!identity_is_needed(s->config) || !identity_is_needed(s->next)) {
		reload_ask_engine(s);
		return;
	}
	if (identity_load(s->next, &identity, &error)) {
		reload_refuse(s, "supervisor", &error);
		return;
	}
	s->reload = RELOAD_FRONT;
	if (identity_send(&identity, s->children[RESTARTS_FRONT].control, &error))
		reload_later(s);
	else
		s->children[RESTARTS_FRONT].unanswered++;
	identity_free(&identity);
}

static void reload(struct supervisor *s)
{
	bool known = s->reload_wanted; /* and said */
	struct error error = {0};

	if (s->restarts.stopping)
		return;
	s->reload_wanted = s->reload != RELOAD_NONE || !restarts_all_ready(&s->restarts);
	for (int i = 0; i < RESTARTS_CHILDREN; i++) /* an answer that is still due must not be taken for that of this reload */
		s->reload_wanted = s->reload_wanted || s->children[i].pid == 0 || s->children[i].control < 0 || s->children[i].unanswered > 0;
	if (s->reload_wanted && !known)
		log_line(LOG_LEVEL_INFO, "configuration will be read again when both children are at work and have answered what they were asked", NULL);
	if (s->reload_wanted)
		return; /* when that is over */
	(void)notify_reloading(&s->notify);
	log_line(LOG_LEVEL_INFO, "configuration is read again", "file", s->config->path, NULL);
	if (config_load(s->config->path, s->next, &error) || config_require_host_key(s->next, &error))
		reload_refuse(s, "supervisor", &error);
	else
		reload_ask_front(s);
}

static void open_log(const struct config *config)
{
	_Static_assert((int)CONFIG_LEVEL_ERROR == (int)LOG_LEVEL_ERROR && (int)CONFIG_LEVEL_DEBUG == (int)LOG_LEVEL_DEBUG, "the same levels");
	log_open("supervisor", (enum log_level)config->agent.log_level, config->agent.log_format == CONFIG_FORMAT_JSON);
}

static void reload_done(struct supervisor *s)
{
	say_what_needs_a_restart(s->config, s->next);
	s->config = s->next;
	s->next = s->next == &loaded[0] ? &loaded[1] : &loaded[0];
	open_log(s->config);
	log_line(LOG_LEVEL_INFO, "configuration taken", NULL);
	reload_end(s);
}

static void error_of_frame(const struct frame *frame, struct error *error)
{
	char what[FRAME_TEXT_MAX_BYTES + 1], next[FRAME_TEXT_MAX_BYTES + 1];

	(void)frame_field_copy(frame, 0, what, sizeof what);
	(void)frame_field_copy(frame, 1, next, sizeof next);
	(void)error_set(error, ERROR_CONFIG, next, "%s", what);
}

/* FRAME_TAKEN: of a reload, or of the identity that the front got when it was started. */
static void take_taken(struct supervisor *s, enum restarts_child which, const struct frame *frame)
{
	struct error error = {0};

	if (frame->status != 0)
		error_of_frame(frame, &error);
	s->children[which].unanswered--;
	if (s->reload == (which == RESTARTS_FRONT ? RELOAD_FRONT : RELOAD_ENGINE)) {
		if (frame->status != 0)
			reload_refuse(s, names[which], &error);
		else if (which == RESTARTS_FRONT)
			reload_ask_engine(s);
		else
			reload_done(s);
	} else if (frame->status != 0) {
		log_error(&error);
		if (s->restarts.children[which].phase == RESTARTS_STARTING)
			perform(s, restarts_stop(&s->restarts, error_exit_code(error.code)));
	}
	if (s->reload_wanted)
		reload(s);
}

/* ---- what the children say -------------------------------------------------------------------------------------- */

/* What an engine ordered with its last words nobody waits for. */
static void start_job(struct supervisor *s, const struct frame *frame, int passed)
{
	const struct child *engine = &s->children[RESTARTS_ENGINE];

	if (engine->pid > 0)
		workers_start(&s->workers, s->config, frame, passed, engine->control);
	else
		log_line(LOG_LEVEL_WARNING, "a job is not started: the engine that ordered it has ended", NULL);
}

/* False: nothing that this child may say. The front's word is not taken for the engine's. PASSED: the descriptor that came along, or -1. */
static bool take_frame(struct supervisor *s, enum restarts_child which, const struct frame *frame, int passed)
{
	char sentence[FRAME_TEXT_MAX_BYTES + 1];

	switch (frame->kind) {
	case FRAME_READY:
		log_line(LOG_LEVEL_INFO, "child is at work", "child", names[which], NULL);
		perform(s, restarts_ready(&s->restarts, which, clock_now()));
		if (s->reload_wanted)
			reload(s);
		return true;
	case FRAME_ALIVE:
		if (which == RESTARTS_ENGINE)
			(void)notify_alive(&s->notify);
		return which == RESTARTS_ENGINE;
	case FRAME_STATUS:
		if (which == RESTARTS_ENGINE && frame_field_copy(frame, 0, sentence, sizeof sentence))
			s->status_known = notify_status(&s->notify, sentence);
		return which == RESTARTS_ENGINE;
	case FRAME_TAKEN:
		if (s->children[which].unanswered == 0)
			return false;
		take_taken(s, which, frame);
		return true;
	case FRAME_START:
		if (which == RESTARTS_ENGINE)
			start_job(s, frame, passed);
		return which == RESTARTS_ENGINE;
	default:
		return false;
	}
}

static void read_frames(struct supervisor *s, enum restarts_child which, int at_most)
{
	struct child *child = &s->children[which];

	for (int i = 0; i < at_most && child->control >= 0; i++) {
		struct frame frame;
		int passed;
		enum channel_read result = channel_receive(child->control, s->memory, &frame, &passed);
		bool taken;

		if (result == CHANNEL_NOTHING)
			return;
		taken = result == CHANNEL_FRAME && take_frame(s, which, &frame, passed);
		close_fd(&passed);
		if (taken)
			continue;
		if (result != CHANNEL_CLOSED)
			log_line(LOG_LEVEL_ERROR, "child sent what it must not send", "child", names[which], "frame",
				 result == CHANNEL_FRAME ? frame_name(frame.kind) : "malformed", NULL);
		lose_control(s, which);
	}
}

static void say_ended(const struct supervisor *s, enum restarts_child which, const struct process_end *end)
{
	bool well = s->restarts.stopping && !end->by_signal && end->number == 0;
	char how[PROCESS_END_BYTES];

	log_line(well ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "child ended", "child", names[which], "how", process_end_text(how, end), NULL);
}

static void reap(struct supervisor *s)
{
	for (int i = 0; i < RESTARTS_CHILDREN; i++) {
		enum restarts_child which = (enum restarts_child)i;
		struct child *child = &s->children[which];
		struct process_end end;

		if (child->pid == 0 || !process_ended(child->pid, &end))
			continue;
		child->pid = 0; /* its last words must not make us signal it */
		read_frames(s, which, INT32_MAX);
		close_fd(&child->control);
		close_fd(&s->children[other_than(which)].peer); /* that pair's other end is gone */
		say_ended(s, which, &end);
		if (s->reload != RELOAD_NONE && !s->restarts.stopping) /* its answer may never come */
			reload_later(s);
		perform(s, restarts_ended(&s->restarts, which, end.by_signal ? -1 : end.number, clock_now()));
	}
}

/* ---- the loop --------------------------------------------------------------------------------------------------- */

static void take_signal(struct supervisor *s, int number_of_signal)
{
	switch (number_of_signal) {
	case SIGTERM:
	case SIGINT:
		log_line(LOG_LEVEL_INFO, s->restarts.stopping ? "asked to end again: the engine is still finishing what is open, and is not interrupted" : "asked to end", NULL);
		perform(s, restarts_stop(&s->restarts, 0));
		return;
	case SIGHUP:
		reload(s);
		return;
	case SIGCHLD:
		workers_reap(&s->workers); /* first: an engine that is started by reap() is told of them */
		reap(s);
		return;
	default:
		return;
	}
}

static int watch(struct supervisor *s, struct error *error)
{
	perform(s, restarts_begin(&s->restarts, s->settings->start_limit_ms, clock_now()));
	while (!s->over || !jobs_over(&s->workers.jobs)) {
		struct mono deadline = mono_earlier(restarts_deadline(&s->restarts), jobs_deadline(&s->workers.jobs));
		struct pollfd fds[RESTARTS_CHILDREN];
		int got;

		for (int i = 0; i < RESTARTS_CHILDREN; i++)
			fds[i] = (struct pollfd){.fd = s->children[i].control, .events = POLLIN};
		got = loop_wait(&s->loop, fds, RESTARTS_CHILDREN, deadline, error);
		if (got < 0)
			return -1;
		for (int i = 0; i < RESTARTS_CHILDREN; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				read_frames(s, (enum restarts_child)i, FRAMES_AT_ONCE);
		take_signal(s, got);
		perform(s, restarts_due(&s->restarts, clock_now()));
		workers_perform(&s->workers, jobs_due(&s->workers.jobs, clock_now()));
		workers_tell(&s->workers, s->children[RESTARTS_ENGINE].control);
	}
	return 0;
}

/* The children inherit it and go further: so it holds what any of them needs. Files are read for them in many places, written in one. */
static int give_up(const struct supervisor *s, struct error *error)
{
	const char *exe = s->settings->exe ? s->settings->exe : "/proc/self/exe";
	const char *drrctl = s->settings->jobs.programs[JOBS_DRRCTL].exe;
	const struct jail_path paths[] = {{"/", JAIL_READ}, {s->config->agent.state_dir, JAIL_READ | JAIL_WRITE}, {exe, JAIL_EXECUTE}, {drrctl, JAIL_EXECUTE}};
	const struct jail_settings settings = {
		.role = JAIL_SUPERVISOR,
		.paths = paths,
		.path_count = sizeof paths / sizeof paths[0] - !s->workers.may_drrctl,
		.may_execute = s->config->cli.transport == CONFIG_EXEC,
	};
	struct jail_report report;

	if (jail_enter(&settings, &report, error))
		return -1;
	log_line(LOG_LEVEL_INFO, "the supervisor is locked in", "seccomp", report.seccomp ? "yes" : "no", "landlock", report.landlock ? "yes" : "no", NULL);
	return 0;
}

/* What is wrong with the files is said before anything is started. */
static int check_identity(const struct config *config, struct error *error)
{
	struct identity identity;
	int result = identity_is_needed(config) ? identity_load(config, &identity, error) : 0;

	if (result == 0 && identity_is_needed(config))
		identity_free(&identity);
	return result;
}

static int prepare(struct supervisor *s, struct error *error)
{
	struct error untold = {0};

	if (notify_open(&s->notify, &untold))
		log_line(LOG_LEVEL_WARNING, "systemd is not told how the daemon is", "why", untold.what, NULL);
	(void)notify_status(&s->notify, "starts");
	if (check_identity(s->config, error) || loop_open(&s->loop, error) || loop_watch_children(&s->loop, error))
		return -1;
	s->memory = malloc(FRAME_MAX_BYTES);
	return s->memory ? give_up(s, error) : error_set(error, ERROR_INTERNAL, NULL, "no memory for a frame");
}

int supervise_with(const struct config *config, const struct supervisor_settings *settings)
{
	struct supervisor s = {.settings = settings, .config = config, .next = &loaded[0], .loop = {-1, -1}, .notify = {.fd = -1}};
	struct error error = {0};
	int exit_code;

	for (int i = 0; i < RESTARTS_CHILDREN; i++)
		s.children[i] = (struct child){.pid = 0, .control = -1, .peer = -1};
	workers_begin(&s.workers, &settings->jobs, config);
	open_log(config);
	if (prepare(&s, &error) || watch(&s, &error)) {
		log_error(&error);
		exit_code = error_exit_code(error.code);
	} else {
		exit_code = s.restarts.exit_code;
		say_over(&s);
	}
	for (int i = 0; i < RESTARTS_CHILDREN; i++) { /* after an error of ours they live: they see this, and end by themselves */
		close_fd(&s.children[i].control);
		close_fd(&s.children[i].peer);
	}
	workers_perform(&s.workers, jobs_stop(&s.workers.jobs, clock_now()));
	loop_close(&s.loop);
	notify_close(&s.notify);
	free(s.memory);
	return exit_code;
}

int supervise(const struct config *config)
{
	const char *const engine[] = {"drr-agent", "engine", "-c", config->path, NULL};
	const char *const front[] = {"drr-agent", "front", "-c", config->path, NULL};
	const char *const agent[] = {"drr-agent", NULL}, *const drrctl[] = {"drrctl", NULL};
	char path[PROCESS_PATH_BYTES];
	const struct supervisor_settings settings = {
		.arguments = {[RESTARTS_ENGINE] = engine, [RESTARTS_FRONT] = front},
		.start_limit_ms = RESTARTS_START_LIMIT_MS,
		.jobs = {.programs = {[JOBS_AGENT] = {NULL, agent}, [JOBS_DRRCTL] = {process_beside("drrctl", path), drrctl}}, .end_limit_ms = JOBS_END_LIMIT_MS},
	};

	return supervise_with(config, &settings);
}
