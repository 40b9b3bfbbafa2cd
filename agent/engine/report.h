/* report.h - what a run tells while it happens: lines for people, objects for scripts, and on a terminal one line that moves. */
#ifndef DRR_ENGINE_REPORT_H
#define DRR_ENGINE_REPORT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/mono.h"

/* One line, for whoever wants it instead of the terminal. */
struct report_entry {
	const char *step, *state, *sentence;
	const char *evidence; /* NULL: none */
	int exit_code;        /* of the last line of a run; -1 in all others */
	const char *next;     /* of the last line; "" */
};
typedef void report_function(void *context, const struct report_entry *entry);

struct report {
	report_function *sink; /* NULL: it is printed */
	void *sink_context;
	bool json;       /* one object a line on standard output */
	bool terminal;   /* standard error is one, and json is off: the moving line may be used */
	const char *run; /* run id and member's name, the caller's */
	const char *member;
	bool moving; /* the moving line stands on the terminal */
	int64_t shown_s; /* what it shows */
};

void report_init(struct report *report, bool json, const char *run, const char *member);

/* From now on all lines go to FUNCTION and nothing is printed. */
void report_set_sink(struct report *report, report_function *function, void *context);

/* STEP: precheck, primary, flush, bounce, confirm, trigger, await, recover, run. STATE: started, done, refused, failed, skipped.
 * SENTENCE and EVIDENCE (NULL: none) may hold foreign text: it is escaped here. */
void report_line(struct report *report, const char *step, const char *state, const char *sentence, const char *evidence);

/* The last line of a run: step "run", with the exit code and the next command (may be ""). */
void report_end(struct report *report, const char *state, int exit_code, const char *sentence, const char *next);

/* What is being waited for, at most once a second, on a terminal only. LIMIT_MS 0: no limit. */
void report_wait(struct report *report, const char *step, const char *what, int64_t elapsed_ms, int64_t limit_ms);

/* When report_wait() wants to be called again; MONO_NEVER where there is no terminal. */
struct mono report_wait_again(const struct report *report, struct mono now);

/* "drr-agent: WHAT" and "next: NEXT" on standard error. Returns the exit code of the error. */
int report_error(const struct error *error);

#endif
