/* history.h - the story of one run, gathered from the members: their steps and the events that belong to it; as JSON, or as one HTML page with a time line. */
#ifndef DRR_GROUP_HISTORY_H
#define DRR_GROUP_HISTORY_H

#include <stdio.h>

#include "group/team.h"

enum { HISTORY_PAGE_EVENTS = 200, HISTORY_PAGES_MAX = 50 };

/* {"run","group","made","members":[{"name","error","steps":{"flush":STEP,...},"events":[EVENT,...]}]}: error is null, or why the member did not answer. After team_look(). NULL
 * and ERROR: the operator wants out, or ERROR_REFUSED: no member that answers knows of the run. The caller frees it. */
struct json *history_gather(struct team *team, const char *run, struct error *error);

/* The page, self-contained. OUT: a stdio stream; the caller checks it for errors. */
void history_write_html(const struct json *history, FILE *out);

#endif
