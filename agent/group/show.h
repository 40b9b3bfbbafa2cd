/* show.h - what drrctl prints besides a run's lines: the members' states, a plan, refusals. */
#ifndef DRR_GROUP_SHOW_H
#define DRR_GROUP_SHOW_H

#include "group/team.h"

/* The table of members, and in which points they do not agree; or one JSON object. After team_look(). */
void show_status(struct team *team, bool json); /* JSON: takes the members' answers */

/* Each refusal of RESULT: sentence, evidence, next step; as lines of a run. */
void show_refusals(struct team *team, const struct accord_input *input, const struct accord_result *result);

/* What a run would do, in sentences (not JSON). */
void show_plan(const struct team *team, const struct accord_result *result);

enum { SHOW_COMMAND_BYTES = 2048 };

/* NEXT with "-g PATH" in each command of drrctl, unless PATH is the usual one: so it can be pasted. Returns OUT. */
const char *show_command(const char *path, const char *next, char out[SHOW_COMMAND_BYTES]);

/* "drrctl: WHAT", "next: NEXT" on standard error; the exit code of the error. PATH: of group.conf, as given. */
int show_error(const char *path, const struct error *error);

#endif
