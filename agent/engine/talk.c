#include "engine/talk.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "front/front.h"
#include "group/view.h"
#include "platform/clock.h"

/* ---- reading answers ------------------------------------------------------------------------------------------ */

const struct json *talk_at(const struct json *json, const char *path)
{
	char key[32];

	while (json && path[0]) {
		size_t length = strcspn(path, ".");

		(void)snprintf(key, sizeof key, "%.*s", (int)length, path);
		json = json_get(json, key);
		path += length + (path[length] == '.');
	}
	return json;
}

const char *talk_string(const struct json *json, const char *path)
{
	return json_string(talk_at(json, path));
}

bool talk_bool(const struct json *json, const char *path)
{
	bool value;

	return json_bool(talk_at(json, path), &value) && value;
}

/* ---- waiting -------------------------------------------------------------------------------------------------- */

/* Until UNTIL, something of the client's, or a signal. */
static int wait_until(struct talk *talk, struct mono until, struct error *error)
{
	struct pollfd fd = client_poll(&talk->client);
	struct mono now = clock_now();
	int got;

	if (talk->report) {
		report_wait(talk->report, talk->step, talk->what, mono_diff_ms(now, talk->since), 0);
		until = mono_earlier(until, report_wait_again(talk->report, now));
	}
	got = loop_wait(&talk->loop, &fd, 1, until, error);
	talk->interrupted = got == SIGINT || got == SIGTERM;
	if (talk->interrupted)
		return error_set(error, ERROR_FAILED, NULL, "%s", got == SIGINT ? "interrupted (SIGINT)" : "told to end (SIGTERM)");
	return got < 0 ? -1 : 0;
}

int talk_rest(struct talk *talk, int64_t ms, struct error *error)
{
	struct mono until = mono_add_ms(clock_now(), ms);

	while (!mono_reached(until, clock_now()))
		if (wait_until(talk, until, error))
			return -1;
	return 0;
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

static int ask_once(struct talk *talk, const char *method, const char *target, const char *body, unsigned wait_s, struct error *error)
{
	struct client *client = &talk->client;

	client_start(client, method, target, body, NULL, (int64_t)wait_s * 1000, clock_now());
	while (client_step(client, clock_now()) == CLIENT_WAIT)
		if (wait_until(talk, client_deadline(client), error)) {
			client_close(client);
			return -1;
		}
	return 0;
}

/* By itself, and soon. */
static bool passes(const struct client *client)
{
	struct view_problem problem;

	if (client->status == CLIENT_FAILED)
		return true;
	if (client->http_status < 400)
		return false;
	view_read_problem(client->answer, client->http_status, &problem);
	return client->http_status == 429 || client->http_status > 500 || problem.type == PROBLEM_STEP_RUNNING || problem.type == PROBLEM_JOURNAL_OPEN;
}

int talk_ask(struct talk *talk, const char *method, const char *target, const char *body, unsigned wait_s, struct error *error)
{
	struct mono until = mono_add_ms(clock_now(), TALK_PATIENCE_MS);

	for (;;) {
		if (ask_once(talk, method, target, body, wait_s, error))
			return -1;
		if (!passes(&talk->client) || mono_reached(until, clock_now()))
			break;
		if (talk_rest(talk, TALK_RETRY_MS, error))
			return -1;
	}
	if (talk->client.status == CLIENT_DONE)
		return 0;
	*error = talk->client.error;
	return -1;
}

static int refuse(const struct talk *talk, struct error *error)
{
	const struct json *answer = talk->client.answer;
	struct view_problem problem;
	const char *by = talk_string(answer, "holder.by"), *owner = talk_string(answer, "hold.owner"), *reason = talk_string(answer, "hold.reason");

	view_read_problem(answer, talk->client.http_status, &problem);
	if (owner && reason)
		return error_set(error, ERROR_BUSY, problem.next, "a hold is set on this member by %s: %s", owner, reason);
	return error_set(error, problem_error(problem.type), problem.next, "%.400s%s%.100s%s", problem.sentence, by ? " (asked for by " : "", by ? by : "", by ? ")" : "");
}

int talk_need(struct talk *talk, const char *method, const char *target, const char *body, unsigned wait_s, struct error *error)
{
	if (talk_ask(talk, method, target, body, wait_s, error))
		return -1;
	return talk->client.http_status < 400 ? 0 : refuse(talk, error);
}

/* ---- finding it ----------------------------------------------------------------------------------------------- */

static enum talk_found deny(const struct talk *talk, struct error *error)
{
	const struct group *group = NULL;
	const char *name = "of state_dir";
	char next[ERROR_NEXT_MAX_BYTES];
	struct stat status;

	if (stat(talk->door.url.path, &status) == 0 || stat(talk->config->agent.state_dir, &status) == 0)
		group = getgrgid(status.st_gid);
	if (group)
		name = group->gr_name;
	(void)snprintf(next, sizeof next, "do it as root; or: usermod -a -G %.64s USER, and log in again", name);
	(void)error_set(error, ERROR_PERMISSION, next, "the daemon is at work, and this user may not ask it: %.200s is for root and the group %.64s", talk->door.url.path, name);
	return TALK_FAILED;
}

/* Also at a socket's file that was left over, and where no socket can have such a long path (ERROR_CONFIG). */
static bool is_nobody(const struct client *client)
{
	int sys_errno = client->error.sys_errno;

	return client->error.code == ERROR_CONFIG || (client->error.code == ERROR_UNREACHABLE && (sys_errno == ECONNREFUSED || sys_errno == ENOENT || sys_errno == ENOTDIR));
}

/* Behind the first question. A front whose daemon is gone says that the engine is being restarted, and is gone itself a moment later. */
static enum talk_found judge(struct talk *talk, const char *target, struct error *error)
{
	struct mono until = mono_add_ms(clock_now(), TALK_PATIENCE_MS);
	const struct client *client = &talk->client;

	while (passes(client) && (client->status == CLIENT_DONE || client->error.code == ERROR_LOST) && !mono_reached(until, clock_now()))
		if (talk_rest(talk, TALK_RETRY_MS, error) || ask_once(talk, "GET", target, NULL, 0, error))
			return TALK_FAILED;
	if (client->status == CLIENT_DONE)
		return client->http_status >= 400 && client->http_status != 404 && refuse(talk, error) ? TALK_FAILED : TALK_ANSWERED;
	if (client->error.code == ERROR_PERMISSION)
		return deny(talk, error);
	if (is_nobody(client))
		return TALK_NOBODY;
	*error = client->error;
	return TALK_FAILED;
}

enum talk_found talk_open(struct talk *talk, const struct config *config, const char *target, struct error *error)
{
	static const struct client_limits limits = {TALK_CONNECT_MS, TALK_ANSWER_MS};
	enum talk_found found = TALK_FAILED;

	memset(talk, 0, sizeof *talk);
	talk->config = config;
	talk->loop.timer_fd = talk->loop.signal_fd = -1;
	(void)snprintf(talk->door.url.text, sizeof talk->door.url.text, "the daemon");
	(void)snprintf(talk->door.url.path, sizeof talk->door.url.path, "%.480s/" FRONT_SOCKET_NAME, config->agent.state_dir);
	if (client_init(&talk->client, &talk->door, NULL, limits, "the daemon", config->path, error) == 0 && loop_open(&talk->loop, error) == 0 &&
	    ask_once(talk, "GET", target, NULL, 0, error) == 0)
		found = judge(talk, target, error);
	if (found != TALK_ANSWERED)
		talk_close(talk);
	return found;
}

void talk_close(struct talk *talk)
{
	client_free(&talk->client);
	loop_close(&talk->loop);
}
