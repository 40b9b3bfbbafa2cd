/* error.h - what went wrong, told once by whoever saw it first.
 *
 * One struct travels up unchanged: a code from a closed list (it is also the exit code's source), one sentence
 * for the operator, the exact next command, and the system's errno where there was one. The first error sticks.
 */
#ifndef DRR_BASE_ERROR_H
#define DRR_BASE_ERROR_H

enum {
	ERROR_WHAT_MAX_BYTES = 640, /* one sentence, with names and a short piece of evidence in it */
	ERROR_NEXT_MAX_BYTES = 384, /* one command or one instruction */
};

enum error_code {
	ERROR_NONE = 0,
	ERROR_INTERNAL,    /* our own mistake, or a resource of this host is gone */
	ERROR_USAGE,       /* the command line */
	ERROR_CONFIG,      /* the configuration file, or a file that it names */
	ERROR_REFUSED,     /* we declined; nothing was changed */
	ERROR_FAILED,      /* tried, did not work, nothing lasting changed */
	ERROR_INCOMPLETE,  /* flushed, but not every member done */
	ERROR_BUSY,        /* another run, or a hold */
	ERROR_AUTH,        /* the appliance refused the credentials (or they may not be tried again) */
	ERROR_PERMISSION,  /* logged in, but this user lacks a command or a domain; or a local file is not ours to read */
	ERROR_HOST_KEY,    /* the appliance's key is not a pinned one */
	ERROR_UNREACHABLE, /* no connection */
	ERROR_TIMEOUT,     /* connected, but silent for longer than the limit */
	ERROR_LOST,        /* the session ended in the middle of something */
	ERROR_ANSWER,      /* the appliance answered, with an error or with something we cannot read */
	ERROR_DISABLED,    /* a member may be disabled: act now */
	ERROR_CODE_COUNT
};

struct error {
	enum error_code code; /* ERROR_NONE: nothing happened */
	int sys_errno;        /* 0 where the system was not the cause */
	char what[ERROR_WHAT_MAX_BYTES];
	char next[ERROR_NEXT_MAX_BYTES]; /* empty: nothing to do */
};

/* Fills ERROR unless it is filled already (the first one sticks). NEXT: the exact next command or instruction, may
 * be NULL. FORMAT: the sentence, without a full stop at the end; cut at ERROR_WHAT_MAX_BYTES. Returns -1 always, so that
 * `return error_set(...)` reads well. ERROR must not be NULL. */
int error_set(struct error *error, enum error_code code, const char *next, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The same, with errno's text appended to the sentence ("...: No such file or directory"). */
int error_set_errno(struct error *error, enum error_code code, int sys_errno, const char *next, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

void error_clear(struct error *error);

/* The code as a stable word for JSON and metrics: "host-key", "unreachable", ... Never NULL. */
const char *error_name(enum error_code code);

/* The exit code of contract.md: 0 done .. 9 a member may be disabled. */
int error_exit_code(enum error_code code);

#endif
