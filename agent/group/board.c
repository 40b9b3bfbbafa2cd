#include "group/board.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "platform/clock.h"

enum { TICK_MS = 1000, LINE_BYTES = 512, CELL = 8, COLUMNS_USUAL = 80 };

static const enum view_op shown_ops[] = {VIEW_PRECHECK, VIEW_PRIMARY, VIEW_FLUSH, VIEW_BOUNCE, VIEW_CONFIRM, VIEW_AWAIT};

static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : COLUMNS_USUAL - 1;
}

static const char *cell(const struct team *team, unsigned i, enum view_op op)
{
	const struct phases_member *m = &team->phases.members[i];

	if ((op == VIEW_PRIMARY || op == VIEW_FLUSH) && i != team->phases.primary)
		return "";
	switch (m->steps[op].state) {
	case VIEW_STEP_RUNNING: return "...";
	case VIEW_STEP_DONE: return "done";
	case VIEW_STEP_REFUSED: return "REFUSED";
	case VIEW_STEP_FAILED: return "FAILED";
	default: return "-";
	}
}

static const char *remark(const struct team *team, unsigned i)
{
	const struct phases_member *m = &team->phases.members[i];

	if (phases_may_be_disabled(&team->phases, i))
		return "may be disabled";
	if (m->given_up)
		return "given up";
	if (m->silent)
		return m->trouble;
	return m->released ? "released" : m->grant == PHASES_GRANT_OURS ? "granted" : "";
}

static void put(struct team *team, const char *line)
{
	char shown[LINE_BYTES];

	(void)fprintf(stderr, "%.*s\033[K\n", columns(), text_escape(shown, sizeof shown, line, strlen(line)));
	team->board_lines++;
}

static void show_member(struct team *team, unsigned i)
{
	char memory[LINE_BYTES];
	struct buf line;

	buf_init(&line, memory, sizeof memory);
	(void)buf_printf(&line, "%-16.63s", team->settings.plan.order[i]);
	for (unsigned k = 0; k < sizeof shown_ops / sizeof shown_ops[0]; k++)
		(void)buf_printf(&line, " %-*s", CELL, cell(team, i, shown_ops[k]));
	(void)buf_printf(&line, " %.200s", remark(team, i));
	put(team, memory);
}

void board_clear(struct team *team)
{
	if (team->board_lines > 0)
		(void)fprintf(stderr, "\033[%uA\r\033[J", team->board_lines);
	team->board_lines = 0;
}

void board_show(struct team *team)
{
	char memory[LINE_BYTES];
	struct buf line;

	if (!team->report.terminal)
		return;
	board_clear(team);
	buf_init(&line, memory, sizeof memory);
	(void)buf_printf(&line, "%-16.63s", team->settings.run);
	for (unsigned k = 0; k < sizeof shown_ops / sizeof shown_ops[0]; k++)
		(void)buf_printf(&line, " %-*s", CELL, view_op_name(shown_ops[k]));
	(void)buf_printf(&line, " %lld s", (long long)(mono_diff_ms(clock_now(), team->begun) / 1000));
	put(team, memory);
	for (unsigned i = 0; i < team->phases.count; i++)
		show_member(team, i);
	if (team->note)
		put(team, team->note);
	(void)fflush(stderr);
}

struct mono board_again(const struct team *team)
{
	return team->report.terminal ? mono_add_ms(clock_now(), TICK_MS) : MONO_NEVER;
}
