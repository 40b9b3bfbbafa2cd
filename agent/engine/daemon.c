#include "engine/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/engine.h"
#include "platform/channel.h"
#include "platform/clock.h"

static struct daemon the_daemon;             /* large; one a process */
static char frame_memory[FRAME_MAX_BYTES];

/* ---- answers -------------------------------------------------------------------------------------------------- */

void daemon_reply(struct daemon *d, uint32_t number, int status, const char *type, const char *location, unsigned retry_s, const char *body)
{
	char retry[12] = "";
	const char *fields[] = {type, location ? location : "", retry, body ? body : ""};
	struct error error = {0};
	struct frame frame;

	if (number == DAEMON_OWN_REQUEST) {
		over_take_reply(d, status, body);
		return;
	}
	if (retry_s > 0)
		(void)snprintf(retry, sizeof retry, "%u", retry_s);
	frame = frame_of_strings(FRAME_REPLY, number, (uint32_t)status, fields);
	if (d->front_fd < 0 || channel_send(d->front_fd, &frame, -1, &error) == 0)
		return;
	log_line(LOG_LEVEL_ERROR, "an answer did not reach the front; it is not listened to any more", "why", error.what[0] ? error.what : "it does not read", NULL);
	(void)shutdown(d->front_fd, SHUT_RDWR); /* noticed when it is read next */
}

void daemon_reply_json(struct daemon *d, uint32_t number, int status, struct json *top)
{
	char *text = json_text(top, false);

	daemon_reply(d, number, status, "application/json", NULL, status == 503 ? 1 : 0, text);
	free(text);
	json_free(top);
}

void daemon_reply_problem(struct daemon *d, uint32_t number, enum problem_type type, const char *next, const char *format, ...)
{
	char detail[ERROR_WHAT_MAX_BYTES], *text;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(detail, sizeof detail, format, arguments);
	va_end(arguments);
	text = problem_text(type, detail, next);
	daemon_reply(d, number, problem_status(type), PROBLEM_CONTENT_TYPE, NULL, problem_retry_after_s(type), text);
	free(text);
}

static const char *or_null(const char *text)
{
	return text && text[0] ? text : NULL;
}

void daemon_tell(struct daemon *d, const struct event *event)
{
	enum log_level level = strcmp(event->name, "command") == 0 ? LOG_LEVEL_DEBUG : event->warns ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;
	struct error error = {0};

	log_line(level, event->sentence, "kind", event->kind, "event", event->name, "run", or_null(event->run), "next", or_null(event->next), "evidence", or_null(event->evidence), NULL);
	if (events_add(&d->events, event, &error) && d->events.lost == 1)
		log_line(LOG_LEVEL_ERROR, "events cannot be stored", "why", error.what, NULL);
}

/* ---- the supervisor ------------------------------------------------------------------------------------------- */

static void tell_supervisor(struct daemon *d, enum frame_kind kind, uint32_t status, const char *first, const char *second)
{
	const char *fields[] = {first, second};
	struct frame frame = frame_of_strings(kind, 0, status, fields);
	struct error error = {0};

	if (d->control_fd >= 0)
		(void)channel_send(d->control_fd, &frame, -1, &error);
}

static bool is_idle(const struct daemon *d)
{
	return d->job == DAEMON_IDLE || d->job == DAEMON_LOOK;
}

/* Which appliance, and what of it: a run that is not over belongs to this one. */
static bool is_elsewhere(const struct config *old, const struct config *new)
{
	return strcmp(old->cli.host, new->cli.host) != 0 || strcmp(old->xmi.url.text, new->xmi.url.text) != 0 ||
	       strcmp(old->appliance.domain, new->appliance.domain) != 0 || strcmp(old->appliance.peering_object, new->appliance.peering_object) != 0;
}

/* What cannot change while we run. 0, or -1 and ERROR. */
static int check_same(const struct config *old, const struct config *new, const struct journal_state *state, struct error *error)
{
	if ((state->run_open || state->disable_open || state->standing.granted) && is_elsewhere(old, new))
		return error_set(error, ERROR_CONFIG, "finish or release the run first: GET /v1/state says which", "a run is not over: the appliance, its domain and its peering object stay what they are");
	if (strcmp(old->agent.state_dir, new->agent.state_dir) != 0 || strcmp(old->agent.user, new->agent.user) != 0 || strcmp(old->agent.name, new->agent.name) != 0)
		return error_set(error, ERROR_CONFIG, "systemctl restart drr-agent", "name, state_dir and user change with a restart only");
	/* The jail was built for these. */
	if (old->cli.transport != new->cli.transport || old->cli.port != new->cli.port || old->xmi.url.port != new->xmi.url.port ||
	    strcmp(old->log.file, new->log.file) != 0 || memcmp(old->log.listen, new->log.listen, sizeof old->log.listen) != 0)
		return error_set(error, ERROR_CONFIG, "systemctl restart drr-agent", "transport, ports, [log] file and [log] listen change with a restart only");
	return 0;
}

static void use_config(struct daemon *d, struct config *config)
{
	d->config = config;
	d->run_config = *config;
	if (config->log.source == CONFIG_LOG_SYSLOG) { /* runs read what the watcher keeps (watcher.c) */
		d->run_config.log.source = CONFIG_LOG_FILE;
		(void)snprintf(d->run_config.log.file, sizeof d->run_config.log.file, "%.480s/syslog.log", config->agent.state_dir);
	}
}

/* The whole configuration and its files are read before the old one is let go. */
static int reload(struct daemon *d, struct error *error)
{
	struct config *fresh = d->config == &d->configs[0] ? &d->configs[1] : &d->configs[0];
	struct config *old = d->config;
	struct error ignored = {0};

	if (config_load(old->path, fresh, error) || config_require_host_key(fresh, error) || check_same(old, fresh, &d->runner.book.state, error))
		return -1;
	watcher_close(d);
	link_close(&d->runner.link);
	link_free(&d->runner.link);
	use_config(d, fresh);
	if (link_init(&d->runner.link, &d->run_config, error)) {
		use_config(d, old);
		(void)link_init(&d->runner.link, &d->run_config, &ignored); /* it was good a moment ago; if not, the next look says so */
		watcher_open(d);
		return -1;
	}
	d->over.wants_look = d->over.wants_look || d->job == DAEMON_LOOK; /* that one was given up */
	d->job = DAEMON_IDLE;
	over_reload(d);
	log_open("engine", (enum log_level)fresh->agent.log_level, fresh->agent.log_format == CONFIG_FORMAT_JSON);
	watcher_open(d);
	return 0;
}

static void reload_now(struct daemon *d)
{
	struct error error = {0};
	bool bad = reload(d, &error) != 0;

	d->reload_wanted = false;
	log_line(bad ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, bad ? error.what : "the configuration was read again", "next", error.next[0] ? error.next : NULL, NULL);
	tell_supervisor(d, FRAME_TAKEN, bad, bad ? error.what : "the engine took the configuration", error.next);
}

/* ---- frames --------------------------------------------------------------------------------------------------- */

static void begin_stop(struct daemon *d, const char *reason)
{
	if (!d->stopping)
		log_line(LOG_LEVEL_INFO, "ending: what is open is finished first", "why", reason, NULL);
	d->stopping = true;
	if (d->job == DAEMON_STEP || d->job == DAEMON_RECOVERY)
		runner_stop(&d->runner, reason);
}

static void drop_front(struct daemon *d)
{
	if (d->front_fd >= 0)
		(void)close(d->front_fd);
	d->front_fd = -1;
	memset(d->waiters, 0, sizeof d->waiters);
}

static void take_control(struct daemon *d, const struct frame *frame, int passed)
{
	switch (frame->kind) {
	case FRAME_STOP:
		begin_stop(d, "the supervisor wants it");
		break;
	case FRAME_RELOAD:
		d->reload_wanted = true;
		if (!is_idle(d))
			log_line(LOG_LEVEL_INFO, "the configuration will be read again when what is under way is over", NULL);
		break;
	case FRAME_CHANNEL:
		drop_front(d);
		d->front_fd = passed;
		passed = -1;
		break;
	case FRAME_FINISHED:
		job_finished(d, frame);
		break;
	default:
		log_line(LOG_LEVEL_WARNING, "the supervisor sent a frame that is none for an engine", "kind", frame_name(frame->kind), NULL);
		break;
	}
	if (passed >= 0)
		(void)close(passed);
}

static void read_control(struct daemon *d)
{
	struct frame frame;
	int passed;

	for (unsigned i = 0; i < DAEMON_FRAMES_A_TURN && d->control_fd >= 0; i++) {
		enum channel_read got = channel_receive(d->control_fd, frame_memory, &frame, &passed);

		if (got == CHANNEL_NOTHING)
			return;
		if (got == CHANNEL_FRAME) {
			take_control(d, &frame, passed);
		} else if (got == CHANNEL_CLOSED) {
			(void)close(d->control_fd);
			d->control_fd = -1;
			begin_stop(d, "the supervisor is gone");
		} else { /* perhaps a channel for which no descriptor was left */
			log_line(LOG_LEVEL_ERROR, "what the supervisor sent could not be taken", NULL);
		}
	}
}

static void read_front(struct daemon *d)
{
	struct frame frame;
	int passed;

	for (unsigned i = 0; i < DAEMON_FRAMES_A_TURN && d->front_fd >= 0; i++) {
		enum channel_read got = channel_receive(d->front_fd, frame_memory, &frame, &passed);

		if (passed >= 0)
			(void)close(passed); /* nobody asked for one */
		if (got == CHANNEL_NOTHING)
			return;
		if (got == CHANNEL_CLOSED)
			drop_front(d);
		else if (got == CHANNEL_FRAME && frame.kind == FRAME_REQUEST && frame.number != DAEMON_OWN_REQUEST)
			api_request(d, &frame);
		else {
			log_line(LOG_LEVEL_ERROR, "the front sent something that is no request; it is not listened to any more", NULL);
			drop_front(d); /* the supervisor gives us another one when that one has ended */
		}
	}
}

/* ---- the loop ------------------------------------------------------------------------------------------------- */

static void ping(struct daemon *d, struct mono now)
{
	if (d->alive_every_ms == 0 || !mono_reached(d->alive_at, now))
		return;
	d->alive_at = mono_add_ms(now, d->alive_every_ms);
	tell_supervisor(d, FRAME_ALIVE, 0, "", "");
}

static void turn(struct daemon *d)
{
	struct mono now = clock_now();

	ping(d, now);
	read_control(d);
	read_front(d);
	if (d->job == DAEMON_LOOK)
		look_turn(d);
	watcher_turn(d, now);
	if (d->job == DAEMON_STEP || d->job == DAEMON_RECOVERY)
		step_turn(d);
	if (is_idle(d) && mono_reached(d->recover_at, clock_now()) && !(d->stopping && d->control_fd < 0))
		step_begin_recovery(d);
	over_turn(d);
	if (d->job == DAEMON_LOOK)
		look_turn(d);
	if (d->job == DAEMON_IDLE && mono_reached(d->link_idle_at, now)) {
		link_close(&d->runner.link);
		d->link_idle_at = MONO_NEVER;
	}
	if (d->reload_wanted && is_idle(d))
		reload_now(d);
	api_serve_waiters(d);
}

/* True: something can be done at once. */
static bool is_due(const struct daemon *d)
{
	return d->over.fed || (d->reload_wanted && is_idle(d));
}

static unsigned gather(struct daemon *d, struct pollfd *fds, struct mono *until)
{
	struct mono runner_until = MONO_NEVER;
	unsigned count = 2;

	fds[0] = (struct pollfd){.fd = d->control_fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = d->front_fd, .events = POLLIN};
	*until = mono_earlier(mono_earlier(api_deadline(d), watcher_deadline(d)), over_deadline(d));
	if (d->alive_every_ms > 0)
		*until = mono_earlier(*until, d->alive_at);
	count += watcher_poll(d, fds + count);
	count += job_poll(d, fds + count);
	if (d->job == DAEMON_LOOK) {
		fds[count++] = link_poll(&d->runner.link);
		*until = mono_earlier(*until, link_deadline(&d->runner.link));
	} else if (!is_idle(d)) {
		count += runner_poll(&d->runner, fds + count, &runner_until);
		*until = mono_earlier(*until, runner_until);
	}
	if (d->job == DAEMON_IDLE)
		*until = mono_earlier(*until, d->link_idle_at);
	if (is_idle(d))
		*until = mono_earlier(*until, d->recover_at);
	return count;
}

/* 0, or -1: the loop itself failed. */
static int wait_for_more(struct daemon *d, struct error *error)
{
	struct pollfd fds[LOOP_FDS_MAX];
	struct mono until;
	unsigned count = gather(d, fds, &until);
	int number;

	if (is_due(d) || mono_reached(until, clock_now())) /* due already: no standstill */
		until = clock_now();
	number = loop_wait(&d->loop, fds, count, until, error);
	if (number < 0)
		return -1;
	if (number == SIGTERM || number == SIGINT)
		begin_stop(d, "told to end by a signal");
	if (!is_idle(d))
		runner_woke(&d->runner, until, clock_now());
	return 0;
}

/* A service that may be disabled is worth staying for: what RUN_RESCUE_LIMIT_MS did not bring back is left to the next start, or to recover. */
static bool may_end(const struct daemon *d)
{
	return d->stopping && is_idle(d);
}

/* ---- begin and end -------------------------------------------------------------------------------------------- */

static int64_t alive_every_ms(void)
{
	const char *text = getenv("DRR_ALIVE_MS");
	long long ms = text ? strtoll(text, NULL, 10) : 0;

	return ms > 0 && ms <= INT32_MAX ? ms : 0;
}

static int start(struct daemon *d, struct error *error)
{
	struct runner *r = &d->runner;

	d->started_ms = clock_wall_ms();
	d->alive_every_ms = alive_every_ms();
	d->alive_at = clock_now();
	d->link_idle_at = d->recover_at = MONO_NEVER;
	d->counts.last_disabled_ms = -1;
	d->watcher.spool_fd = d->events.fd = -1;
	d->loop.timer_fd = d->loop.signal_fd = r->loop.timer_fd = r->loop.signal_fd = -1;
	r->config = &d->run_config;
	r->running = -1;
	if (!plan_name_is_valid(d->config->agent.name))
		return error_set(error, ERROR_CONFIG, "set name in [agent] to a short word, and restart", "[agent] name is \"%s\": as a member of a group it must be 1 to %d "
				 "printable characters without blanks, commas, semicolons, = and %%", d->config->agent.name, PLAN_NAME_BYTES - 1);
	if (loop_open(&d->loop, error) || link_init(&r->link, &d->run_config, error))
		return -1;
	if (logbook_open(&r->book, d->config->agent.state_dir, error)) {
		if (!r->book.state.disable_open)
			return -1;
		log_line(LOG_LEVEL_ERROR, "the journal cannot be written: enabling the service without it", "why", error->what, NULL);
		error_clear(error);
	}
	r->have_book = true;
	if (events_open(&d->events, d->config->agent.state_dir, error)) { /* worth less than the service; each event tries again */
		log_line(LOG_LEVEL_ERROR, error->what, "next", error->next[0] ? error->next : NULL, NULL);
		error_clear(error);
	}
	return 0;
}

static void clean_up(struct daemon *d)
{
	over_close(d);
	watcher_close(d);
	source_close(d->runner.source);
	link_close(&d->runner.link);
	link_free(&d->runner.link);
	events_close(&d->events);
	if (d->runner.have_book)
		logbook_close(&d->runner.book);
	loop_close(&d->loop);
}

static int work(struct daemon *d, struct error *error)
{
	const struct journal_state *state = &d->runner.book.state;

	if (d->runner.book.torn)
		log_line(LOG_LEVEL_WARNING, "the journal's last record was unfinished (power cut?) and was cut off", NULL);
	daemon_tell(d, &(struct event){.kind = "agent", .name = "started", .sentence = "the engine is at work", .evidence = DRR_VERSION});
	over_open(d);
	if (state->run_open || state->disable_open)
		step_begin_recovery(d);
	watcher_open(d);
	tell_supervisor(d, FRAME_READY, 0, "", "");
	while (!may_end(d)) {
		turn(d);
		if (may_end(d))
			break;
		if (wait_for_more(d, error))
			return -1;
	}
	daemon_tell(d, &(struct event){.kind = "agent", .name = "ended",
				       .sentence = d->unwritten            ? "the service is enabled again, but the journal could not be told: drr-agent recover"
						   : state->disable_open ? "THE SERVICE MAY BE DISABLED: drr-agent recover"
									 : "the engine ends; nothing is left disabled by it"});
	return 0;
}

int engine_main(const struct config *config)
{
	struct daemon *d = &the_daemon;
	struct error error = {0};
	int exit_code;

	d->configs[0] = *config;
	use_config(d, &d->configs[0]);
	job_open_all(d);
	d->control_fd = ENGINE_CONTROL_FD;
	d->front_fd = ENGINE_FRONT_FD;
	log_open("engine", (enum log_level)config->agent.log_level, config->agent.log_format == CONFIG_FORMAT_JSON);
	if (start(d, &error) || work(d, &error)) {
		log_line(LOG_LEVEL_ERROR, error.what, "next", error.next[0] ? error.next : NULL, NULL);
		exit_code = error_exit_code(error.code);
	} else {
		exit_code = d->unwritten ? error_exit_code(ERROR_INTERNAL) : d->runner.book.state.disable_open ? 9 : 0;
	}
	clean_up(d);
	return exit_code;
}
