/* log.h - the daemon's log: lines on standard error, for owners of a process only (everyone else returns a struct error).
 *
 *   2026-01-02T03:04:05.678Z info front request answered method=GET path=/v1/state status=200
 *   {"time":"2026-01-02T03:04:05.678Z","level":"info","process":"front","message":"request answered","method":"GET","path":"/v1/state","status":"200"}
 *
 * Values may be foreign: text_escape() makes them harmless, and in a text line those that hold more than letters, digits and common punctuation stand in quotation
 * marks, a quotation mark within as \". Never give it a header, a body or a secret. */
#ifndef DRR_BASE_LOG_H
#define DRR_BASE_LOG_H

#include <stdbool.h>

enum {
	LOG_LINE_MAX_BYTES = 4096,  /* with its line end: what a pipe takes in one piece (PIPE_BUF). Pairs that do not fit are left out, and "cut" says so */
	LOG_VALUE_MAX_BYTES = 1024, /* of the message and of each value, escaped; longer ones end in "..." */
	LOG_NAME_MAX_BYTES = 15,    /* of the process */
};

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* From now on: who writes, how much, and in which form. PROCESS is copied. Not while another thread logs. Before it is called: "drr-agent", info, text. */
void log_open(const char *process, enum log_level level, bool json);

/* Whether a line of LEVEL would be written: for what is costly to say. */
bool log_is_on(enum log_level level);

/* One line, in one write(2): SENTENCE, then pairs of key (ours: a-z and _) and value, and a NULL behind the last. A pair whose value is NULL is left out. From any
 * thread. What standard error does not take (gone; full and non-blocking) is lost. */
void log_line(enum log_level level, const char *sentence, ...) __attribute__((sentinel));

#endif
