/* run.h - executes this member's part of a DRR in the foreground, and finishes what a killed run left open. */
#ifndef DRR_ENGINE_RUN_H
#define DRR_ENGINE_RUN_H

#include <stdbool.h>

#include "base/error.h"
#include "config.h"
#include "engine/report.h"

struct run_request {
	unsigned steps;     /* enum run_steps */
	unsigned overrides; /* set of 1 << enum precheck_refusal */
	const char *run;    /* run id, or NULL for a new one */
	bool dry_run, json, verbose;
	const char *op;     /* the daemon: this step alone, by its name in the journal; NULL otherwise */
	bool forward;       /* the run has flushed, here or on another member: there is no way back, so a DRR under way or an unfit group is no reason to decline */
};

/* Returns the exit code; everything worth telling has been told. */
int run_execute(const struct config *config, const struct run_request *request);

/* `drr-agent recover`: looks whether the journal holds something open, enables the service where it must, closes the journal. */
int run_recover(const struct config *config, bool json, bool verbose);

/* What a run by the daemon (order.c) says in the same words. The refusals are ERROR_BUSY, and -1 always. */
int run_refuse_grant(const char *run, const char *by, struct error *error);
int run_refuse_hold(const char *owner, const char *reason, struct error *error);
/* The end of a dry run of STEPS (enum run_steps). IS_PRIMARY: this member. */
void run_tell_plan(struct report *report, unsigned steps, bool is_primary);

#endif
