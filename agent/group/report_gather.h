/* report_gather.h - asks every member for what it knows of a run (its state, all its events, page by page) and makes the account of it. Changes nothing. */
#ifndef DRR_GROUP_REPORT_GATHER_H
#define DRR_GROUP_REPORT_GATHER_H

#include "group/report_model.h"
#include "group/team.h"

/* TEAM is open. Members that do not answer are in MODEL with their trouble. 0; or -1 as team_ask(). The caller frees MODEL with report_model_free() in any case. */
int report_gather(struct team *team, const char *run, struct report_model *model, struct error *error);

/* The verb: gathers, writes the page HTML (a path, "-" for standard output; NULL: none), prints JSON, or text where neither is wanted. Returns the exit code: 8 (7: it may not look) when
 * a member did not tell everything, 3 when nobody knows RUN. */
int report_make(struct team *team, const char *run, bool json, const char *html);

#endif
