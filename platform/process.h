/* process.h - starts a child as a program of its own (fork and exec), and learns of its end. */
#ifndef DRR_PLATFORM_PROCESS_H
#define DRR_PLATFORM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

enum {
	PROCESS_FD_FIRST = 3,
	PROCESS_FDS = 2,             /* descriptors 3 and 4 */
	PROCESS_ENVIRONMENT_MAX = 32, /* entries, with the NULL at the end */
	PROCESS_END_BYTES = 80,
	PROCESS_PATH_BYTES = 1024,
};

struct process_plan {
	const char *exe;                 /* NULL: /proc/self/exe, this very program, also when its file was replaced meanwhile */
	const char *const *arguments;    /* argv, NULL at the end */
	const char *const *environment;  /* all of it ("NAME=value"), NULL at the end; nothing is inherited */
	int fds[PROCESS_FDS];            /* become 3 and 4; -1: closed there. Still the caller's */
	bool standard;                   /* they (both not -1) become 0 and 1 instead, and there is no 3 and 4 */
	const char *user;                /* whom the child becomes first (jail_drop_user()); NULL: nobody else */
};

struct process_end {
	bool by_signal;
	int number; /* exit status, or the signal's number */
};

/* The child's process id, or -1: ERROR_INTERNAL, also when the program cannot be executed. The child begins with 0, 1 and 2 as they are here, but for those of PLAN, and
 * no other descriptor, no blocked and no ignored signal, in a session of its own: what a terminal sends (Ctrl-C) reaches its parent only. It does not die with its
 * parent. Call it from a process with one thread. */
pid_t process_start(const struct process_plan *plan, struct error *error);

/* The path of NAME in the folder of this program. "" when that is not known. Returns OUT. */
char *process_beside(const char *name, char out[PROCESS_PATH_BYTES]);

/* What ps and top call this process (15 bytes at most): /proc/self/exe would make it "exe". */
void process_set_name(const char *name);

/* Whether PID, a child of ours, has ended; END (not NULL) then says how, and PID is free again. */
bool process_ended(pid_t pid, struct process_end *end);

/* "exit status 3", "signal 11 (Segmentation fault)". Returns OUT. */
char *process_end_text(char out[PROCESS_END_BYTES], const struct process_end *end);

/* Fills OUT with those of NAMES (NULL at the end) that this process's environment holds, then EXTRA ("NAME=value"; NULL at the end), then NULL. The strings stay
 * where they are. -1: ERROR_INTERNAL, more than PROCESS_ENVIRONMENT_MAX. */
int process_environment(const char *const *names, const char *const *extra, const char *out[PROCESS_ENVIRONMENT_MAX], struct error *error);

#endif
