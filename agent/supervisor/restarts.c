#include "supervisor/restarts.h"

#include <string.h>

static void start(struct restarts *restarts, enum restarts_child child, struct mono now, struct restarts_todo *todo)
{
	restarts->children[child].phase = RESTARTS_STARTING;
	restarts->children[child].ready_by = mono_add_ms(now, restarts->start_limit_ms);
	restarts->children[child].killed = false;
	restarts->children[child].asked = restarts->children[child].lost = false;
	restarts->children[child].end_by = MONO_NEVER;
	if (child == RESTARTS_FRONT)
		restarts->front_again_at = MONO_NEVER;
	todo->start[child] = true;
}

/* The engine first; the front answers for it until then. */
static void stop_next(struct restarts *restarts, struct restarts_todo *todo)
{
	for (int child = 0; child < RESTARTS_CHILDREN; child++) {
		if (restarts->children[child].phase == RESTARTS_GONE)
			continue;
		todo->stop[child] = !restarts->children[child].asked;
		restarts->children[child].asked = true;
		return;
	}
	todo->over = true;
}

static void stop(struct restarts *restarts, int exit_code, struct restarts_todo *todo)
{
	if (restarts->stopping)
		return;
	restarts->stopping = true;
	restarts->exit_code = exit_code;
	restarts->front_again_at = MONO_NEVER;
	todo->begin_stop = true;
	stop_next(restarts, todo);
}

struct restarts_todo restarts_begin(struct restarts *restarts, int64_t start_limit_ms, struct mono now)
{
	struct restarts_todo todo = {0};

	memset(restarts, 0, sizeof *restarts);
	restarts->start_limit_ms = start_limit_ms;
	restarts->front_again_at = MONO_NEVER;
	start(restarts, RESTARTS_ENGINE, now, &todo);
	return todo;
}

bool restarts_all_ready(const struct restarts *restarts)
{
	for (int child = 0; child < RESTARTS_CHILDREN; child++)
		if (restarts->children[child].phase != RESTARTS_READY)
			return false;
	return !restarts->stopping;
}

struct restarts_todo restarts_ready(struct restarts *restarts, enum restarts_child child, struct mono now)
{
	struct restarts_todo todo = {0};

	if (restarts->children[child].phase == RESTARTS_STARTING)
		restarts->children[child].phase = RESTARTS_READY;
	if (restarts->children[RESTARTS_FRONT].phase == RESTARTS_GONE && !restarts->stopping) /* not started yet: one that ended is started again at once */
		start(restarts, RESTARTS_FRONT, now, &todo);
	if (!restarts->was_ready && restarts_all_ready(restarts))
		todo.say_ready = restarts->was_ready = true;
	return todo;
}

/* error_exit_code() of ERROR_USAGE and ERROR_CONFIG, ERROR_BUSY, ERROR_PERMISSION. */
static bool is_final(int exit_status)
{
	return exit_status == 2 || exit_status == 6 || exit_status == 7;
}

/* Takes one from the child's budget. */
static bool may_restart(struct restarts *restarts, enum restarts_child child, struct mono now)
{
	unsigned count = restarts->children[child].restart_count;
	struct mono *slot = &restarts->children[child].restarted[count % RESTARTS_MAX]; /* the oldest */

	if (count >= RESTARTS_MAX && mono_diff_ms(now, *slot) < RESTARTS_WINDOW_MS)
		return false;
	*slot = now;
	restarts->children[child].restart_count++;
	return true;
}

struct restarts_todo restarts_ended(struct restarts *restarts, enum restarts_child child, int exit_status, struct mono now)
{
	struct restarts_todo todo = {0};
	bool began = restarts->children[child].phase == RESTARTS_STARTING;

	restarts->children[child].phase = RESTARTS_GONE;
	if (restarts->stopping) {
		if (child == RESTARTS_ENGINE && restarts->exit_code == 0)
			restarts->exit_code = exit_status < 0 ? 1 : exit_status;
		stop_next(restarts, &todo);
	} else if (began && is_final(exit_status) && !(child == RESTARTS_FRONT && restarts->was_ready)) {
		stop(restarts, exit_status, &todo);
	} else if (may_restart(restarts, child, now)) {
		if (began && is_final(exit_status))
			restarts->front_again_at = mono_add_ms(now, RESTARTS_FRONT_PAUSE_MS);
		else
			start(restarts, child, now, &todo);
	} else {
		restarts->given_up = true;
		restarts->culprit = child;
		stop(restarts, 1, &todo);
	}
	return todo;
}

void restarts_lost(struct restarts *restarts, enum restarts_child child)
{
	restarts->children[child].lost = true;
}

struct restarts_todo restarts_stop(struct restarts *restarts, int exit_code)
{
	struct restarts_todo todo = {0};

	stop(restarts, exit_code, &todo);
	return todo;
}

static bool is_awaited(const struct restarts *restarts, int child)
{
	return restarts->children[child].phase == RESTARTS_STARTING && !restarts->children[child].killed;
}

/* Only the front: what an engine that does not end is doing may be worth more than our patience. */
static bool has_to_end(const struct restarts *restarts, int child)
{
	return child == RESTARTS_FRONT && restarts->children[child].phase != RESTARTS_GONE && (restarts->children[child].asked || restarts->children[child].lost) &&
	       !restarts->children[child].killed;
}

struct restarts_todo restarts_due(struct restarts *restarts, struct mono now)
{
	struct restarts_todo todo = {0};

	for (int child = 0; child < RESTARTS_CHILDREN; child++) {
		if (has_to_end(restarts, child) && restarts->children[child].end_by.ms == MONO_NEVER.ms)
			restarts->children[child].end_by = mono_add_ms(now, RESTARTS_FRONT_END_LIMIT_MS);
		if ((is_awaited(restarts, child) && mono_reached(restarts->children[child].ready_by, now)) ||
		    (has_to_end(restarts, child) && mono_reached(restarts->children[child].end_by, now)))
			todo.kill[child] = restarts->children[child].killed = true;
	}
	if (mono_reached(restarts->front_again_at, now))
		start(restarts, RESTARTS_FRONT, now, &todo);
	return todo;
}

struct mono restarts_deadline(const struct restarts *restarts)
{
	struct mono deadline = restarts->front_again_at;

	for (int child = 0; child < RESTARTS_CHILDREN; child++) {
		if (is_awaited(restarts, child))
			deadline = mono_earlier(deadline, restarts->children[child].ready_by);
		if (has_to_end(restarts, child))
			deadline = mono_earlier(deadline, restarts->children[child].end_by);
	}
	return deadline;
}
