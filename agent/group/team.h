/* team.h - the members' clients, in one loop: one question to all, or a run (phases.h) driven to its end. */
#ifndef DRR_GROUP_TEAM_H
#define DRR_GROUP_TEAM_H

#include "engine/report.h"
#include "group/client.h"
#include "group/phases.h"
#include "group/accord.h"
#include "platform/loop.h"

enum { TEAM_OVERRIDES_MAX = 16, TEAM_TARGET_BYTES = 96 };

struct team_member {
	struct client client;
	struct phases_request request; /* of a run, under way */
	bool busy;
	bool wanted;                   /* for team_ask(): whether this member is asked */
	char target[TEAM_TARGET_BYTES]; /* ... and what, where it is not the same for all */
	struct view_state state;       /* after team_look() */
	bool seen;
	char trouble[VIEW_SENTENCE_BYTES];
	bool forbidden;
	struct view_problem problem;
};

struct team {
	const struct group_config *config;
	struct tls_identity *identity;
	struct loop loop;
	int64_t wait_ms; /* for team_ask(): how long the members may think about it, beyond the usual */
	struct team_member members[GROUP_MEMBERS_MAX]; /* as in the configuration */
	/* A run. */
	struct phases phases;
	struct phases_settings settings;
	unsigned place[GROUP_MEMBERS_MAX]; /* of each member of the plan: its index in the configuration */
	struct report report;
	const char *overrides[TEAM_OVERRIDES_MAX]; /* of the members' prechecks */
	unsigned override_count;
	struct mono begun;
	const char *note;     /* a line below the table; NULL */
	unsigned board_lines; /* that stand on the terminal (board.h) */
};

/* Once for each TEAM, which is static memory: megabytes of zeros, of which a small group touches little. 0 or -1. */
int team_open(struct team *team, const struct group_config *config, struct error *error);
void team_close(struct team *team);

/* Asks every member (ONLY_WANTED: those with `wanted`) the same (TARGET NULL: each its own), all at the same time, and waits for the last answer: client.status is CLIENT_DONE or CLIENT_FAILED then.
 * 0; or -1: ERROR_INTERNAL, or the operator wants out (ERROR_FAILED). */
int team_ask(struct team *team, bool only_wanted, const char *method, const char *target, const char *body, struct error *error);

/* Their states, read now: seen and state, or trouble, forbidden. */
int team_look(struct team *team, struct error *error);

/* What accord.h wants to know, out of team_look(). */
void team_fill_input(const struct team *team, struct accord_input *input);

/* Drives the run of team->settings to its end; its exit code. team_look() has been there; the plan's members are all in the configuration. */
int team_run(struct team *team, struct error *error);

#endif
