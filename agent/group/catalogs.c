#include "group/catalogs.h"

#include <signal.h>
#include <stdio.h>

#include "platform/clock.h"

enum { TICK_MS = 1000 };

/* Its answer may be another one later. */
static bool may_pass(const struct nudge *nudge)
{
	enum error_code code = nudge->error.code;

	return code == ERROR_UNREACHABLE || code == ERROR_TIMEOUT || code == ERROR_LOST || (code == ERROR_ANSWER && nudge->client.http_status >= 500);
}

/* Until AT, or something happens. False: the operator wants out, or the loop failed. */
static bool wait_until(struct nudge *nudge, struct loop *loop, struct mono at)
{
	struct client *client = nudge_client(nudge);
	struct pollfd fd = {.fd = -1};
	struct error error = {0};
	int got;

	if (client) {
		fd = client_poll(client);
		at = mono_earlier(at, client_deadline(client));
	}
	got = loop_wait(loop, &fd, 1, at, &error);
	return got >= 0 && got != SIGINT && got != SIGTERM;
}

enum catalogs_end catalogs_wait(struct nudge *nudge, struct loop *loop, int64_t limit_ms, catalogs_tell_function *tell, void *context, char story[MANAGER_STORY_BYTES])
{
	struct mono begun = clock_now(), again_at = begun;

	story[0] = '\0';
	for (;;) {
		struct mono now = clock_now();
		int64_t elapsed_ms = mono_diff_ms(now, begun);

		if (!nudge_client(nudge) && mono_reached(again_at, now))
			nudge_look(nudge, now);
		if (nudge_step(nudge, now)) {
			again_at = mono_add_ms(now, NUDGE_RETRY_MS);
			if (nudge->error.code != ERROR_NONE && (!may_pass(nudge) || elapsed_ms >= limit_ms))
				return CATALOGS_UNKNOWN;
			(void)snprintf(story, MANAGER_STORY_BYTES, "%s", nudge->error.what);
			if (nudge->error.code == ERROR_NONE)
				(void)nudge_story(nudge, story);
			if (nudge->error.code == ERROR_NONE && nudge_is_current(nudge))
				return CATALOGS_CURRENT;
		}
		if (!nudge_client(nudge) && elapsed_ms >= limit_ms)
			return nudge->error.code == ERROR_NONE ? CATALOGS_LATE : CATALOGS_UNKNOWN;
		if (story[0])
			tell(context, story, elapsed_ms, limit_ms);
		if (!wait_until(nudge, loop, nudge_client(nudge) ? mono_add_ms(now, TICK_MS) : mono_earlier(again_at, mono_add_ms(now, TICK_MS))))
			return CATALOGS_STOPPED;
	}
}
