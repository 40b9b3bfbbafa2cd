/* report_write.h - one run's account (report_model.h) written down: for scripts, for a terminal, and as a page for people. Every foreign text is escaped here. */
#ifndef DRR_GROUP_REPORT_WRITE_H
#define DRR_GROUP_REPORT_WRITE_H

#include <stdio.h>

#include "group/report_model.h"
#include "platform/json.h"

enum { REPORT_LACK_BYTES = VIEW_SENTENCE_BYTES + 2 * GROUP_NAME_BYTES };

/* The caller frees. */
struct json *report_json(const struct report_model *model);

/* Lines for a terminal; the commands to the appliances and their answers are left to the others. */
void report_text_write(const struct report_model *model, FILE *out);

/* One page of HTML that needs nothing else: no script, no request, readable in print. */
void report_html_write(const struct report_model *model, FILE *out);

/* "gw1 does not answer: ...", "... events before number 812 are gone": what this account lacks, one sentence for each I from 0; NULL: no more. */
const char *report_lack(const struct report_model *model, unsigned i, char out[REPORT_LACK_BYTES]);

/* Events of all members in the order of their times, as far as WANTED takes them: fills *OUT (freed by the caller) and returns how many. */
struct report_line {
	const struct report_member *member;
	const struct report_event *event;
};
unsigned report_lines(const struct report_model *model, bool (*wanted)(const struct report_event *), struct report_line **out);

/* "1.234 s", "-" for an unknown one. Returns OUT. */
char *report_seconds(char out[32], int64_t ms);

#endif
