/* watchfile.h - inotify on a file that comes, goes and is replaced: on the file, on its folder, and, while the folder does not
 * exist, on the nearest folder above it that does. */
#ifndef DRR_PLATFORM_WATCHFILE_H
#define DRR_PLATFORM_WATCHFILE_H

#include <stdbool.h>

struct watchfile {
	const char *path; /* the caller's, must outlive this */
	int fd;           /* inotify; -1: none to be had */
	int folder_wd;    /* -1: not watched */
	int file_wd;      /* the file at PATH, when it was armed last */
	int old_wd;       /* the file that was at PATH before: still written to for a while */
};

enum watchfile_news {
	WATCHFILE_QUIET = 0,
	WATCHFILE_WRITTEN = 1, /* one of the watched files was written to or truncated */
	WATCHFILE_MOVED = 2,   /* something was created, moved or removed, or events were lost: arm again, then look at everything */
};

/* False when there is no inotify (then every call is harmless and nothing is ever reported). */
bool watchfile_open(struct watchfile *watch, const char *path);
void watchfile_close(struct watchfile *watch);

/* Watches what is there now. Call before looking at the file, so that what happens after the look is reported. True: every change
 * from now on will be reported; false: some will not (no inotify, no permission): the caller must poll. */
bool watchfile_arm(struct watchfile *watch);

/* The file that was at PATH before is of no interest any more. */
void watchfile_forget_old(struct watchfile *watch);

/* Takes all events that are there; never blocks. A set of enum watchfile_news. */
int watchfile_take(struct watchfile *watch);

#endif
