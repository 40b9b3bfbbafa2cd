/* front.c - from the start of the process to its end. In this order: the key comes from the supervisor, the process gives up all but sockets, the server opens its
 * doors and starts its threads, the process gives up new sockets and threads as well.
 *
 * The server accepts as soon as its doors are open: the moments to the last step it spends in the first jail, which opens nothing and connects to nothing either. */
#include "front/front.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "front/handler.h"
#include "platform/channel.h"
#include "platform/clock.h"
#include "platform/jail.h"

struct front {
	const struct config *config;
	char *memory; /* of the frame that is being read: FRAME_MAX_BYTES */
	struct handler handler;
	struct https_server *server;
	char unix_path[CONFIG_TEXT_BYTES + sizeof FRONT_SOCKET_NAME + 1];
	bool ended, told; /* no more to do; told: by FRAME_STOP */
	struct mono orphan_by; /* no engine: when it ends, for the supervisor to start both sides' channel anew; MONO_NEVER: there is one */
};

static void log_error(const char *sentence, const struct error *error)
{
	log_line(LOG_LEVEL_ERROR, sentence, "why", error->what, "next", error->next[0] ? error->next : NULL, NULL);
}

/* Answers a FRAME_IDENTITY: taken, or why not. */
static void say_taken(const struct error *error)
{
	const char *const texts[] = {error->what, error->next};
	struct frame frame = frame_of_strings(FRAME_TAKEN, 0, error->code != ERROR_NONE, texts);
	struct error ignored = {0};

	(void)channel_send(FRONT_CONTROL_FD, &frame, -1, &ignored); /* when it cannot be told, nobody is there to be told */
}

static struct https_identity identity_of(const struct frame *frame)
{
	return (struct https_identity){
		.certificate_pem = frame->fields[0].bytes, .certificate_bytes = frame->fields[0].length,
		.key_pem = frame->fields[1].bytes, .key_bytes = frame->fields[1].length,
		.client_ca_pem = frame->fields[2].bytes, .client_ca_bytes = frame->fields[2].length,
	};
}

/* The first one was taken when the server was started. */
static void take_identity(struct front *front, const struct frame *frame)
{
	struct https_identity identity = identity_of(frame);
	struct error error = {0};

	if (front->config->https.listen_count == 0)
		(void)error_set(&error, ERROR_CONFIG, "systemctl restart drr-agent", "the front was started without [https], and cannot open a listener any more");
	else
		(void)https_server_set_identity(front->server, &identity, &error);
	if (error.code == ERROR_NONE)
		log_line(LOG_LEVEL_INFO, "certificate, key and clients' certificates were taken", NULL);
	else
		log_error("the new certificate, key or clients' certificates were not taken; the old ones hold", &error);
	say_taken(&error);
}

/* PASSED belongs to this function. */
static void take_engine(struct front *front, int passed)
{
	if (passed < 0) {
		log_line(LOG_LEVEL_ERROR, "the supervisor announced an engine and sent no channel to it", NULL);
		return;
	}
	exchange_replace_engine(front->handler.exchange, passed);
	front->orphan_by = MONO_NEVER;
	log_line(LOG_LEVEL_INFO, "there is a new engine", NULL);
}

/* One frame of the supervisor's, other than an identity at the start. PASSED belongs to this function. */
static void obey(struct front *front, const struct frame *frame, int passed)
{
	switch (frame->kind) {
	case FRAME_CHANNEL:
		take_engine(front, passed);
		return;
	case FRAME_IDENTITY: take_identity(front, frame); break;
	case FRAME_STOP: front->ended = front->told = true; break;
	default: log_line(LOG_LEVEL_ERROR, "the supervisor sent something that is not for the front", "frame", frame_name(frame->kind), NULL); break;
	}
	if (passed >= 0)
		(void)close(passed);
}

/* A certificate's key was in FRAME, perhaps. Only what came is wiped, as the rest of the memory was never touched; what was no frame may have been anything. */
static void forget(struct front *front, enum channel_read got, const struct frame *frame)
{
	size_t count_bytes = got == CHANNEL_BAD ? FRAME_MAX_BYTES : 0;

	if (got == CHANNEL_FRAME && frame->field_count > 0)
		count_bytes = (size_t)(frame->fields[frame->field_count - 1].bytes - front->memory) + frame->fields[frame->field_count - 1].length;
	explicit_bzero(front->memory, count_bytes);
}

/* All that the supervisor has sent. */
static void hear_supervisor(struct front *front)
{
	enum channel_read got = CHANNEL_FRAME;
	struct frame frame;
	int passed;

	while (!front->ended && got != CHANNEL_NOTHING) {
		got = channel_receive(FRONT_CONTROL_FD, front->memory, &frame, &passed);
		if (got == CHANNEL_FRAME)
			obey(front, &frame, passed);
		else if (got == CHANNEL_CLOSED)
			front->ended = true;
		else if (got == CHANNEL_BAD)
			log_line(LOG_LEVEL_ERROR, "the supervisor sent something that is no frame", NULL);
		forget(front, got, &frame);
	}
}

static void hear_engine(struct front *front)
{
	struct exchange *exchange = front->handler.exchange;
	enum channel_read got;
	struct frame frame;
	int passed;

	while ((got = channel_receive(exchange_engine(exchange), front->memory, &frame, &passed)) != CHANNEL_NOTHING) {
		if (passed >= 0)
			(void)close(passed);
		if (got == CHANNEL_CLOSED) {
			exchange_replace_engine(exchange, -1);
			front->orphan_by = mono_add_ms(clock_now(), FRONT_ORPHAN_MS);
			log_line(LOG_LEVEL_WARNING, "the engine is gone; until there is another one, requests are answered with engine-restarting", NULL);
			return;
		}
		if (got == CHANNEL_BAD || frame.kind != FRAME_REPLY)
			log_line(LOG_LEVEL_ERROR, "the engine sent something that is no reply", NULL);
		else if (!exchange_deliver(exchange, &frame))
			log_line(LOG_LEVEL_WARNING, "the engine sent a reply that nobody waits for, or that is not a proper one", NULL);
	}
}

/* 1: FRAME is the identity; 0: told to end, or nobody is there; -1: it did not come. Whatever else comes is obeyed. */
static int await_identity(struct front *front, struct frame *frame, struct error *error)
{
	struct mono deadline = mono_add_ms(clock_now(), FRONT_IDENTITY_MS);
	int64_t left_ms;

	while (!front->ended && (left_ms = mono_diff_ms(deadline, clock_now())) > 0) {
		struct pollfd fd = {.fd = FRONT_CONTROL_FD, .events = POLLIN};
		enum channel_read got;
		int passed;

		(void)poll(&fd, 1, (int)left_ms);
		got = channel_receive(FRONT_CONTROL_FD, front->memory, frame, &passed);
		if (got == CHANNEL_FRAME && frame->kind == FRAME_IDENTITY) {
			if (passed >= 0)
				(void)close(passed);
			return 1;
		}
		if (got == CHANNEL_FRAME)
			obey(front, frame, passed);
		front->ended = front->ended || got == CHANNEL_CLOSED;
	}
	return front->ended ? 0 : error_set(error, ERROR_INTERNAL, NULL, "the supervisor sent no certificate within %d s", FRONT_IDENTITY_MS / 1000);
}

/* JAIL_FRONT_START, then JAIL_FRONT. */
static int give_up(const struct front *front, enum jail_role role, struct error *error)
{
	const struct jail_path state_dir = {front->config->agent.state_dir, JAIL_WRITE};
	const struct jail_settings settings = {.role = role, .paths = &state_dir, .path_count = role == JAIL_FRONT_START ? 1 : 0};
	struct jail_report report;

	if (jail_enter(&settings, &report, error))
		return -1;
	if (role == JAIL_FRONT)
		log_line(report.seccomp && report.landlock ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "the front is locked in", "seccomp", report.seccomp ? "yes" : "no", "landlock",
			 report.landlock ? "yes" : "no", NULL);
	return 0;
}

static int start_server(struct front *front, const struct https_identity *identity, struct error *error)
{
	const struct config *config = front->config;
	struct https_settings settings = {
		.listen_count = config->https.listen_count, .unix_path = front->unix_path, .unix_gid = (gid_t)-1, .connections_max = FRONT_CONNECTIONS_MAX,
		.handler = handler_answer, .refusal = handler_refuse,
		.refused = handler_refused, .context = &front->handler,
	};

	for (unsigned i = 0; i < config->https.listen_count; i++)
		settings.listens[i] = config->https.listen[i].text;
	if (unlink(front->unix_path) != 0 && errno != ENOENT)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "%.200s of an earlier process cannot be removed", front->unix_path);
	front->server = https_server_start(&settings, identity, error);
	if (!front->server)
		return -1;
	atomic_store(&front->handler.server, front->server);
	return 0;
}

/* 0: at work, or told to end already. */
static int start(struct front *front, struct error *error)
{
	const struct exchange_settings settings = {.limit_ms = EXCHANGE_LIMIT_MS, .waiters_max = HTTPS_WAITERS_MAX};
	bool tls = front->config->https.listen_count > 0;
	struct frame frame = {0}, ready = {.kind = FRAME_READY};
	struct https_identity identity;
	int result;

	front->memory = malloc(FRAME_MAX_BYTES);
	if (!front->memory)
		return error_set(error, ERROR_INTERNAL, NULL, "no memory for a frame");
	front->handler.exchange = exchange_open(FRONT_ENGINE_FD, &settings, error);
	if (!front->handler.exchange)
		return -1;
	(void)snprintf(front->unix_path, sizeof front->unix_path, "%s/" FRONT_SOCKET_NAME, front->config->agent.state_dir);
	result = tls ? await_identity(front, &frame, error) : 1;
	if (result <= 0)
		return result;
	identity = identity_of(&frame);
	result = give_up(front, JAIL_FRONT_START, error) || start_server(front, tls ? &identity : NULL, error) ? -1 : 0;
	if (tls) {
		forget(front, CHANNEL_FRAME, &frame);
		say_taken(error);
	}
	if (result || give_up(front, JAIL_FRONT, error))
		return -1;
	if (channel_send(FRONT_CONTROL_FD, &ready, -1, error))
		return error_set(error, ERROR_INTERNAL, NULL, "the supervisor does not listen");
	log_line(LOG_LEVEL_INFO, "the front listens", "socket", front->unix_path, "https", tls ? front->config->https.listen[0].text : NULL, NULL);
	return 0;
}

/* How long to sleep at most: -1 for ever. */
static int sleep_ms(const struct front *front)
{
	int64_t left_ms = mono_diff_ms(front->orphan_by, clock_now());

	if (front->orphan_by.ms == MONO_NEVER.ms)
		return -1;
	return left_ms > 0 ? (int)left_ms : 0;
}

/* 0: told to end, or nobody is there; -1: left alone by the engine. A new engine comes with a new channel, at once; an engine that lives and has closed its end (it
 * took us for hanging, or did not like a frame) would never get another one. */
static int serve(struct front *front, struct error *error)
{
	while (!front->ended) {
		struct pollfd fds[2] = {{.fd = FRONT_CONTROL_FD, .events = POLLIN}, {.fd = exchange_engine(front->handler.exchange), .events = POLLIN}};
		int got = poll(fds, 2, sleep_ms(front));

		if (got > 0 && fds[0].revents)
			hear_supervisor(front); /* may bring another engine: what came of the old one is asked for below only if it is still there */
		if (got > 0 && fds[1].revents && fds[1].fd == exchange_engine(front->handler.exchange) && !front->ended)
			hear_engine(front);
		if (!front->ended && mono_reached(front->orphan_by, clock_now()))
			return error_set(error, ERROR_INTERNAL, NULL, "no engine was there for %d s: the supervisor starts the front again, with a new channel to it",
					 FRONT_ORPHAN_MS / 1000);
	}
	return 0;
}

/* Gives those who wait the time to hear that it ends. */
static void say_farewell(struct front *front)
{
	const struct timespec moment = {.tv_nsec = 20000000};
	struct mono deadline = mono_add_ms(clock_now(), FRONT_FAREWELL_MS);
	bool were_busy = atomic_load(&front->handler.busy) > 0;

	while (atomic_load(&front->handler.busy) > 0 && !mono_reached(deadline, clock_now()))
		(void)nanosleep(&moment, NULL);
	for (unsigned i = 0; were_busy && i < 5; i++) /* the server has their answers now, and sends them */
		(void)nanosleep(&moment, NULL);
}

int front_main(const struct config *config)
{
	static struct front front;
	struct error error = {0};

	log_open("front", (enum log_level)config->agent.log_level, config->agent.log_format == CONFIG_FORMAT_JSON);
	front.config = config;
	front.orphan_by = MONO_NEVER;
	for (size_t i = 0; i < 4; i++) /* it ends when the supervisor says so, or is gone: a terminal's Ctrl-C reaches both */
		(void)signal((const int[]){SIGINT, SIGTERM, SIGHUP, SIGPIPE}[i], SIG_IGN);
	if (start(&front, &error)) {
		log_error("the front cannot start", &error);
	} else if (serve(&front, &error)) {
		log_error("the front ends", &error);
	} else {
		log_line(LOG_LEVEL_INFO, front.told ? "the front ends, as told" : "the front ends, as the supervisor is gone", NULL);
	}
	if (front.handler.exchange)
		exchange_end(front.handler.exchange);
	if (front.told && front.server)
		say_farewell(&front);
	https_server_stop(front.server);
	exchange_close(front.handler.exchange);
	free(front.memory);
	return error_exit_code(error.code);
}
