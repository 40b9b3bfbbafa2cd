/* survey_run.h - the verb audit of drrctl: asks all members at once, prints what the survey (survey.h) makes of it. */
#ifndef DRR_GROUP_SURVEY_RUN_H
#define DRR_GROUP_SURVEY_RUN_H

#include "group/team.h"

/* TEAM is open. Not PRODUCTION: fewer than three gateways, and two without persistence, are no finding. The exit code: 0 no finding, or of severity info only; 4 one of severity warning
 * or critical; 6, 7, 8 a member is busy with a run, does not let us look, does not answer: what the others told is printed all the same. Or -1 and ERROR: nothing was printed. */
int survey_run(struct team *team, bool production, bool json, struct error *error);

#endif
