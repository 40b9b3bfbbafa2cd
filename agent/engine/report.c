#include "engine/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "platform/clock.h"
#include "platform/json.h"

enum { SHOWN_BYTES = 2048, WAIT_TICK_MS = 1000 };

void report_init(struct report *report, bool json, const char *run, const char *member)
{
	const char *term = getenv("TERM");

	memset(report, 0, sizeof *report);
	report->json = json;
	report->terminal = !json && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
	report->run = run;
	report->member = member;
	report->shown_s = -1;
}

void report_set_sink(struct report *report, report_function *function, void *context)
{
	report->sink = function;
	report->sink_context = context;
	report->terminal = report->json = false;
}

static void clear_moving(struct report *report)
{
	if (report->moving)
		(void)fputs("\r\033[K", stderr);
	report->moving = false;
	report->shown_s = -1;
}

static const char *show(char out[SHOWN_BYTES], const char *text)
{
	return text_escape(out, SHOWN_BYTES, text, strlen(text));
}

static struct json *line_object(const struct report *report, const char *step, const char *state, const char *sentence)
{
	struct json *object = json_object();
	char when[CLOCK_TEXT_BYTES];

	json_set_string(object, "time", clock_text(when, clock_wall_ms()));
	json_set_string(object, "run", report->run);
	json_set_string(object, "member", report->member);
	json_set_string(object, "step", step);
	json_set_string(object, "state", state);
	json_set_string(object, "sentence", sentence);
	return object;
}

static void print_object(struct json *object)
{
	char *text = json_text(object, false);

	(void)puts(text);
	(void)fflush(stdout); /* a script reads along */
	free(text);
	json_free(object);
}

/* "04:05.678" would hide the hour; the date is in the journal. */
static void print_text(const struct report *report, const char *step, const char *state, const char *sentence, const char *evidence)
{
	char when[CLOCK_TEXT_BYTES], shown[SHOWN_BYTES];

	(void)clock_text(when, clock_wall_ms());
	(void)fprintf(stderr, "%.12s %s %-8s %-7s %s\n", when + 11, report->member, step, state, show(shown, sentence));
	if (evidence && evidence[0])
		(void)fprintf(stderr, "%*s %s\n", 12 + (int)strlen(report->member) + 18, "|", show(shown, evidence));
}

void report_line(struct report *report, const char *step, const char *state, const char *sentence, const char *evidence)
{
	clear_moving(report);
	if (report->sink) {
		report->sink(report->sink_context, &(struct report_entry){step, state, sentence, evidence, -1, ""});
	} else if (report->json) {
		struct json *object = line_object(report, step, state, sentence);

		if (evidence && evidence[0])
			json_set_string(object, "evidence", evidence);
		print_object(object);
	} else {
		print_text(report, step, state, sentence, evidence);
	}
}

void report_end(struct report *report, const char *state, int exit_code, const char *sentence, const char *next)
{
	clear_moving(report);
	if (report->sink) {
		report->sink(report->sink_context, &(struct report_entry){"run", state, sentence, NULL, exit_code, next});
	} else if (report->json) {
		struct json *object = line_object(report, "run", state, sentence);

		json_set_int(object, "exit", exit_code);
		if (next[0])
			json_set_string(object, "next", next);
		print_object(object);
	} else {
		print_text(report, "run", state, sentence, NULL);
		if (next[0])
			(void)fprintf(stderr, "next: %s\n", next);
	}
}

/* A line that wraps could not be taken back: one less than the terminal is wide. */
static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

void report_wait(struct report *report, const char *step, const char *what, int64_t elapsed_ms, int64_t limit_ms)
{
	int64_t elapsed_s = elapsed_ms / 1000;
	char line[512]; /* a member's name has at most 127 bytes */
	int length;

	if (!report->terminal || elapsed_s == report->shown_s)
		return;
	report->shown_s = elapsed_s;
	report->moving = true;
	length = snprintf(line, sizeof line, "%s %s %lld s", report->member, step, (long long)elapsed_s);
	if (limit_ms > 0)
		length += snprintf(line + length, sizeof line - (size_t)length, " of %lld s", (long long)(limit_ms / 1000));
	(void)snprintf(line + length, sizeof line - (size_t)length, ": %s", what);
	(void)fprintf(stderr, "\r\033[K%.*s", columns(), line);
	(void)fflush(stderr);
}

struct mono report_wait_again(const struct report *report, struct mono now)
{
	return report->terminal ? mono_add_ms(now, WAIT_TICK_MS) : MONO_NEVER;
}

int report_error(const struct error *error)
{
	char shown[SHOWN_BYTES];

	(void)fprintf(stderr, "drr-agent: %s\n", show(shown, error->what));
	if (error->next[0])
		(void)fprintf(stderr, "next: %s\n", show(shown, error->next));
	return error_exit_code(error->code);
}
