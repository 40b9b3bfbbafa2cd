/* plan.h - what a run will do to the group: written on every member with the grant, so that any number of coordinators can drive one run. Pure.
 *
 * As text, for the journal and for comparing: "primary=gw2;order=gw1,gw2,gw3;max_unavailable=1". One spelling for each plan. */
#ifndef DRR_RUN_PLAN_H
#define DRR_RUN_PLAN_H

#include <stdbool.h>

#include "base/error.h"

enum {
	PLAN_MEMBERS_MAX = 32,
	PLAN_NAME_BYTES = 64,  /* a member's name with its NUL: printable ASCII without blank , ; = and % (three bytes in a record) */
	PLAN_TEXT_BYTES = 800, /* of the text with its NUL: what a journal record has room for */
};

struct plan {
	char primary[PLAN_NAME_BYTES];                 /* the member that flushes */
	char order[PLAN_MEMBERS_MAX][PLAN_NAME_BYTES]; /* every member, in the order of the bounces */
	unsigned count, max_unavailable;               /* members disabled at once, 1 to COUNT */
};

bool plan_name_is_valid(const char *name);

/* Whether PLAN can be carried out with member OWN in it. 0, or -1: ERROR_REFUSED says what is wrong. */
int plan_check(const struct plan *plan, const char *own, struct error *error);

/* -1: it does not fit. */
int plan_format(const struct plan *plan, char out[PLAN_TEXT_BYTES]);

/* Takes exactly what plan_format() writes. 0 or -1. */
int plan_parse(const char *text, struct plan *plan);

#endif
