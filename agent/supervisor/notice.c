#include "supervisor/notice.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "group/client.h"
#include "platform/clock.h"
#include "platform/jail.h"
#include "platform/loop.h"

enum { NAME_SERVER_PORT = 53, NUMBER_BYTES = 16 };

static struct notice {
	const struct config *config;
	struct group_door door;
	struct tls_identity *identity;
	struct client client;
	struct loop loop;
	struct mono end;
	bool over; /* END is reached, or it was told to end */
	char body[NOTICE_MAX_BYTES + 1];
} the_notice;

/* ---- getting ready ---------------------------------------------------------------------------------------------- */

/* Its text is what messages show: the path may hold a token, and is not shown. */
static void fill_door(struct notice *notice)
{
	const struct config *config = notice->config;
	struct group_door *door = &notice->door;

	_Static_assert((int)GROUP_PINS_MAX == (int)CONFIG_PINS_MAX, "as many pins");
	door->url = config->watchdog.notify_url;
	(void)snprintf(door->url.text, sizeof door->url.text, "%.400s port %u", door->url.host, door->url.port);
	memcpy(door->pins, config->watchdog.notify_pins, sizeof door->pins);
	door->pin_count = config->watchdog.notify_pin_count;
	memcpy(door->ca_file, config->watchdog.notify_ca_file, sizeof door->ca_file);
	door->prefix = "notify_";
}

static int confine(const struct notice *notice, struct error *error)
{
	/* what name resolution reads, and tls_open(): an empty path is left out */
	const struct jail_path paths[] = {{"/etc/resolv.conf", JAIL_READ}, {"/etc/hosts", JAIL_READ}, {"/etc/services", JAIL_READ}, {notice->door.ca_file, JAIL_READ}};
	const struct jail_port ports[] = {{notice->door.url.port, JAIL_CONNECT}, {NAME_SERVER_PORT, JAIL_CONNECT}};
	const struct jail_settings settings = {
		.role = JAIL_CLIENT, .paths = paths, .path_count = sizeof paths / sizeof paths[0], .ports = ports, .port_count = sizeof ports / sizeof ports[0],
	};
	struct jail_report report;

	return jail_enter(&settings, &report, error);
}

/* The key of [https] may be root's. */
static int prepare(struct notice *notice, struct error *error)
{
	const struct config *config = notice->config;
	const struct client_limits limits = {NOTICE_CONNECT_LIMIT_MS, NOTICE_ANSWER_LIMIT_MS};

	if (config->watchdog.notify_url.text[0] == '\0')
		return error_set(error, ERROR_CONFIG, "set notify_url in [watchdog]", "%s: [watchdog] notify_url is not set: there is nobody to notify", config->path);
	fill_door(notice);
	if (config->https.listen_count > 0 && !(notice->identity = tls_identity_load(config->https.certificate, config->https.key, error)))
		return -1;
	if (jail_drop_user(config->agent.user, error) || loop_open(&notice->loop, error) ||
	    client_init(&notice->client, &notice->door, notice->identity, limits, "[watchdog]", config->path, error))
		return -1;
	return confine(notice, error);
}

/* Waits for DESCRIPTOR, but no longer than DEADLINE and the end of all. 0, or -1: told to end, or a limit is reached. */
static int wait_for(struct notice *notice, struct pollfd descriptor, struct mono deadline, struct error *error)
{
	int got = loop_wait(&notice->loop, &descriptor, 1, mono_earlier(deadline, notice->end), error);

	if (got < 0)
		return -1;
	notice->over = got == SIGTERM || got == SIGINT || mono_reached(notice->end, clock_now());
	if (!notice->over)
		return 0;
	if (got != 0)
		return error_set(error, ERROR_UNREACHABLE, NULL, "told to end before the notification was taken");
	return error_set(error, ERROR_TIMEOUT, NULL, "not taken within %d s", NOTICE_LIMIT_MS / 1000);
}

/* All of standard input. */
static int read_body(struct notice *notice, struct error *error)
{
	struct mono limit = mono_add_ms(clock_now(), NOTICE_READ_LIMIT_MS);
	size_t bytes = 0;

	for (;;) {
		ssize_t got;

		if (wait_for(notice, (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, limit, error))
			return -1;
		if (mono_reached(limit, clock_now()))
			return error_set(error, ERROR_USAGE, NULL, "the notification did not come to its end on standard input within %d s", NOTICE_READ_LIMIT_MS / 1000);
		got = read(STDIN_FILENO, notice->body + bytes, NOTICE_MAX_BYTES + 1 - bytes);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot read the notification from standard input");
		bytes += (size_t)got;
		if (bytes > NOTICE_MAX_BYTES)
			return error_set(error, ERROR_USAGE, NULL, "the notification on standard input has more than %d bytes", NOTICE_MAX_BYTES);
		if (got == 0)
			break;
	}
	notice->body[bytes] = '\0';
	return bytes > 0 && strlen(notice->body) == bytes ? 0 : error_set(error, ERROR_USAGE, NULL, "standard input holds no notification (JSON)");
}

/* ---- sending ---------------------------------------------------------------------------------------------------- */

/* One request and its answer. 0: it was taken. */
static int send_once(struct notice *notice, struct error *error)
{
	struct client *client = &notice->client;

	client_start(client, "POST", notice->door.url.path, notice->body, NULL, 0, clock_now());
	while (client_step(client, clock_now()) == CLIENT_WAIT)
		if (wait_for(notice, client_poll(client), client_deadline(client), error)) {
			client_close(client);
			return -1;
		}
	if (client->http_status >= 200 && client->http_status <= 299) /* whatever became of the rest of the answer */
		return 0;
	if (client->http_status == 0) {
		*error = client->error;
		return -1;
	}
	return error_set(error, ERROR_ANSWER, NULL, "%s answered with HTTP status %d", notice->door.url.text, client->http_status);
}

/* No other attempt would end otherwise. */
static bool is_final(const struct client *client, const struct error *error)
{
	int status = client->http_status;

	if (error->code == ERROR_ANSWER && status != 0)
		return status < 500 && status != 408 && status != 425 && status != 429;
	return error->code == ERROR_HOST_KEY || error->code == ERROR_CONFIG || error->code == ERROR_INTERNAL || error->code == ERROR_PERMISSION;
}

static void say_failed(const struct error *error, int attempt, int64_t wait_ms)
{
	char count[NUMBER_BYTES], wait[NUMBER_BYTES];

	(void)snprintf(count, sizeof count, "%d", attempt);
	(void)snprintf(wait, sizeof wait, "%lld", (long long)wait_ms);
	log_line(wait_ms > 0 ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, wait_ms > 0 ? "notification not taken; tried again" : "notification not taken", "attempt",
		 count, "wait_ms", wait_ms > 0 ? wait : NULL, "why", error->what, "next", error->next[0] ? error->next : NULL, NULL);
}

static bool rest(struct notice *notice, int64_t wait_ms, struct error *error)
{
	struct mono until = mono_add_ms(clock_now(), wait_ms);

	while (!mono_reached(until, clock_now()))
		if (wait_for(notice, (struct pollfd){.fd = -1}, until, error))
			return false;
	return true;
}

/* The exit code. */
static int deliver(struct notice *notice)
{
	int64_t wait_ms = NOTICE_FIRST_WAIT_MS;

	for (int attempt = 1;; attempt++, wait_ms *= 2) {
		struct error error = {0};
		bool final, again;

		if (send_once(notice, &error) == 0) {
			log_line(LOG_LEVEL_DEBUG, "notification taken", NULL);
			return 0;
		}
		final = !notice->over && is_final(&notice->client, &error);
		again = !notice->over && !final && attempt < NOTICE_ATTEMPTS && !mono_reached(notice->end, mono_add_ms(clock_now(), wait_ms));
		say_failed(&error, attempt, again ? wait_ms : 0);
		if (final)
			return error_exit_code(error.code == ERROR_ANSWER ? ERROR_FAILED : error.code);
		error_clear(&error);
		if (again && rest(notice, wait_ms, &error))
			continue;
		if (again)
			say_failed(&error, attempt, 0);
		return error_exit_code(ERROR_UNREACHABLE);
	}
}

int notice_main(const struct config *config)
{
	struct notice *notice = &the_notice;
	struct error error = {0};
	int exit_code;

	log_open("notify", (enum log_level)config->agent.log_level, config->agent.log_format == CONFIG_FORMAT_JSON);
	notice->config = config;
	notice->loop = (struct loop){-1, -1};
	notice->end = mono_add_ms(clock_now(), NOTICE_LIMIT_MS);
	if (prepare(notice, &error) || read_body(notice, &error)) {
		log_line(LOG_LEVEL_ERROR, "notification not sent", "why", error.what, "next", error.next[0] ? error.next : NULL, NULL);
		exit_code = error_exit_code(error.code);
	} else {
		exit_code = deliver(notice);
	}
	client_free(&notice->client);
	tls_identity_free(notice->identity);
	loop_close(&notice->loop);
	return exit_code;
}
