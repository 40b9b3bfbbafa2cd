/* follow.h - follows the appliance's log file on a host path, across rotation and truncation, and hands out complete lines.
 *
 * An owner-side module (it does I/O through platform/logfile.h and platform/watchfile.h); the splitting of bytes into lines is the pure part, watch/split.h.
 *
 * What it holds to:
 * - a line is handed out once, in the order of writing, also when the file is renamed (FILE.1 ... FILE.9) or copied and truncated several times between two looks;
 * - the file is known by device, inode and content (its first bytes and the bytes before the offset), so that a new file with an old inode and a
 *   file that was truncated and has grown past the old offset are seen;
 * - the watch is armed before a file is read to its end, so nothing can come in between unseen.
 */
#ifndef DRR_WATCH_FOLLOW_H
#define DRR_WATCH_FOLLOW_H

#include <stdbool.h>

#include "base/error.h"
#include "base/mono.h"
#include "watch/mark.h"

enum {
	FOLLOW_LINE_MAX_BYTES = 16384,  /* a longer line is skipped up to its end, counted, and the next one read normally */
	FOLLOW_BUFFER_BYTES = 65536,    /* read at once */
	FOLLOW_ROTATIONS_MAX = 9,       /* FILE.1 ... FILE.9 are looked at for the rest of a rotated file */
	FOLLOW_PARTIAL_WAIT_MS = 2000,  /* an unfinished last line that says already what it is (line_parse) is handed out after this long */
	FOLLOW_ROTATED_WAIT_MS = 2000,  /* a rotated file is left when the new one has data, or is empty for this long */
};

enum follow_watch {
	FOLLOW_WATCH_EVENTS, /* inotify; where there is none, or it may not be used here, polling */
	FOLLOW_WATCH_POLL,   /* polling only: network and FUSE file systems report nothing that another host writes */
};

struct follow_counts {
	uint64_t lines, bytes, long_lines, rotations, truncations, lost_marks;
};

struct follow; /* one per log; allocated once (about 70 KiB) */

/* PATH must outlive it. Where it starts:
 * - MARK NULL: at the end of the file; a file that does not exist yet is read from its start when it appears;
 * - MARK: at that place, found again by identity or, for a copied or a restored file, by content, also in FILE.1...; when
 *   the marked file was truncated since, at its start, because all of that is newer;
 * - MARK, and it is nowhere: lost_marks is counted; at the end of the present file, because what of it is newer cannot be told; when there is no
 *   file, the one that appears is read from its start.
 * After a start in the middle of a line, the rest of that line is not handed out: it was begun before.
 * POLL_MS: how often to look where events cannot be relied on, and while follow_set_active(). NULL on error. */
struct follow *follow_open(const char *path, const struct mark *mark, enum follow_watch watch, int64_t poll_ms, struct error *error);
void follow_close(struct follow *follow); /* NULL is fine */

/* While ACTIVE (a run waits for a line) it is also polled every poll_ms, whatever events say. Idle, with working events, there is no wake-up. */
void follow_set_active(struct follow *follow, bool active);

/* The place up to which lines were handed out. Taken before a trigger, after follow_next() was false: then it is the end of the file. An unfinished line
 * that is there at this moment was begun before the mark, so it is dropped, by this follower as by one that starts from
 * the mark. (Taken while follow_next() would still give lines, it is the start of the next of them.) False while no file is open. */
bool follow_mark(struct follow *follow, struct mark *mark);

/* The next line (without its line end; foreign bytes), valid until the next call. True: LINE set. False: nothing more now; wait for follow_fd() to be readable or
 * follow_deadline(), whichever is first. Errors of the file system that may pass (ENOENT, EACCES: see follow_missing) are not errors; others: false and
 * ERROR set; calling again tries again. */
bool follow_next(struct follow *follow, struct mono now, const char **line, size_t *length_bytes, struct error *error);

/* inotify descriptor, -1 where there is none. */
int follow_fd(const struct follow *follow);
/* MONO_NEVER when only an event can bring anything. */
struct mono follow_deadline(const struct follow *follow);

/* 0 while there is a file at PATH that is being read; else why there is none: ENOENT, EACCES, ... For doctor and metrics. */
int follow_missing(const struct follow *follow);

const struct follow_counts *follow_counts(const struct follow *follow);

/* The complete lines among the last LIMIT_BYTES of the log are given to FUNCTION, oldest first; FILE.1 and older continue FILE where that is shorter. How
 * the precheck learns whether a DRR is under way. MODIFIED_AGE_MS: how long ago the file was last written (host clock). Uses
 * 64 KiB of the heap. 0; or -1: ERROR_UNREACHABLE (no file), ERROR_PERMISSION, ERROR_INTERNAL. */
typedef void follow_line_function(void *context, const char *line, size_t length_bytes);
int follow_history(const char *path, size_t limit_bytes, follow_line_function *function, void *context, int64_t *modified_age_ms,
		   struct error *error);

#endif
