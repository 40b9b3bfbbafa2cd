/* The follower as a state machine over one open file, the "place". A look goes on until there is nothing more to read:
 *
 *   read -> bytes                           split them, go on
 *        -> the bytes before are not ours   truncated: go on in a copy that has the rest, else at the start
 *        -> the end; PATH is this file      wait
 *                    PATH is missing        rotated, or removed: keep the file, it may still be written to, until there is a next one
 *                    PATH is another file   rotated: when the next file has data (or a while is over), read this one to its
 *                                           end once more, then leave it for the next one in order
 *
 * The next one in order is FILE.(K-1) where this file is FILE.K now, so several rotations between two looks lose nothing.
 */
#include "watch/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "platform/logfile.h"
#include "platform/watchfile.h"
#include "watch/line.h"
#include "watch/split.h"

enum {
	CHUNKS_MAX = 64,         /* reads of one call (4 MiB): a writer that never ends a line can not hold the caller for ever */
	COPY_HEAD_MIN_BYTES = 64, /* a file is taken for a copy only on this much evidence */
};

/* A file, how far it was read, and the bytes that prove it is still the same. */
struct place {
	int fd; /* -1: none */
	struct logfile_info info;
	uint64_t offset;                           /* of the next byte to read */
	unsigned char head[MARK_FINGERPRINT_MAX_BYTES]; /* the first bytes of the file, as far as they lie before OFFSET */
	unsigned char tail[MARK_TAIL_MAX_BYTES];   /* the last bytes before OFFSET */
	uint32_t head_bytes, tail_bytes;           /* both the lesser of 256 and OFFSET */
};

/* A rotated file as it was when the place was opened: older than the place. */
struct older {
	bool there;
	struct logfile_info info;
	uint32_t head_bytes, head;
};

struct follow {
	const char *path;
	int64_t poll_ms;
	bool active, armed; /* armed: events tell everything */
	bool rearm;         /* arm before the next look goes on */
	bool looking;       /* a look has begun and did not come to its end */
	bool seen_absent;   /* there was no file at PATH at the first look: the one that appears is new */
	bool have_want, drained, failed;
	int missing_errno;
	struct mono looked_at, partial_due, rotated_due;
	uint64_t partial_at; /* the offset for which partial_due was set */
	struct mark want;    /* to be found before anything is read */
	struct place place;
	struct older older[FOLLOW_ROTATIONS_MAX + 1]; /* by number; 0 is not used */
	struct watchfile watch;
	struct follow_counts counts;
	struct split split;
	char buffer[FOLLOW_BUFFER_BYTES];
};

enum step {
	STEP_MORE, /* go on */
	STEP_LINE, /* a line came out of it */
	STEP_IDLE, /* nothing more now */
	STEP_ERROR
};

static bool may_pass(int sys_errno)
{
	return sys_errno == ENOENT || sys_errno == EACCES || sys_errno == EPERM || sys_errno == ENOTDIR || sys_errno == ELOOP ||
	       sys_errno == ESTALE;
}

/* No file at PATH: idle where that may pass, else an error. */
static enum step missing(struct follow *follow, int sys_errno, struct error *error)
{
	follow->missing_errno = sys_errno;
	if (may_pass(sys_errno))
		return STEP_IDLE;
	if (sys_errno == EINVAL)
		(void)error_set(error, ERROR_CONFIG, "name the log file itself in the configuration", "log file %s: not a regular file",
				follow->path);
	else
		(void)error_set_errno(error, ERROR_INTERNAL, sys_errno, NULL, "log file %s", follow->path);
	return STEP_ERROR;
}

/* ---- the place */

static uint32_t least(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

/* Makes PLACE the file FD, read up to OFFSET. False when the bytes before OFFSET are not there. Closes nothing. */
static bool place_load(struct place *place, int fd, const struct logfile_info *info, uint64_t offset)
{
	place->fd = fd;
	place->info = *info;
	place->offset = offset;
	place->head_bytes = least(offset, sizeof place->head);
	place->tail_bytes = least(offset, sizeof place->tail);
	return logfile_read(fd, 0, place->head, place->head_bytes) == place->head_bytes &&
	       logfile_read(fd, offset - place->tail_bytes, place->tail, place->tail_bytes) == place->tail_bytes;
}

/* COUNT bytes were read at the offset: moves it, and head and tail with it. */
static void place_advance(struct place *place, const char *bytes, size_t count_bytes)
{
	size_t added = count_bytes < sizeof place->tail ? count_bytes : sizeof place->tail;
	size_t kept = sizeof place->tail - added;
	size_t more = sizeof place->head - place->head_bytes;

	more = more < count_bytes ? more : count_bytes;
	memcpy(place->head + place->head_bytes, bytes, more);
	place->head_bytes += (uint32_t)more;

	kept = kept < place->tail_bytes ? kept : place->tail_bytes;
	memmove(place->tail, place->tail + place->tail_bytes - kept, kept);
	memcpy(place->tail + kept, bytes + count_bytes - added, added);
	place->tail_bytes = (uint32_t)(kept + added);
	place->offset += count_bytes;
}

static void place_to_mark(const struct place *place, struct mark *mark)
{
	*mark = (struct mark){
		.device = place->info.device,
		.inode = place->info.inode,
		.offset = place->offset,
		.fingerprint_bytes = place->head_bytes,
		.fingerprint = crc32_of(place->head, place->head_bytes),
		.tail_bytes = place->tail_bytes,
		.tail = crc32_of(place->tail, place->tail_bytes),
	};
}

/* ---- finding a mark again */

struct found {
	int fd; /* -1: none */
	struct logfile_info info;
	enum { FOUND_NOTHING, FOUND_TRUNCATED, FOUND_COPY, FOUND_EXACT } how;
};

static bool has_bytes(int fd, uint64_t offset, uint32_t count_bytes, uint32_t crc)
{
	unsigned char bytes[MARK_FINGERPRINT_MAX_BYTES];

	return count_bytes <= sizeof bytes && logfile_read(fd, offset, bytes, count_bytes) == count_bytes &&
	       crc32_of(bytes, count_bytes) == crc;
}

/* What the open file FD is to MARK. */
static int compare_mark(int fd, const struct logfile_info *info, const struct mark *mark)
{
	bool same_file = info->device == mark->device && info->inode == mark->inode;
	bool same_bytes = info->size >= mark->offset && mark->tail_bytes <= mark->offset &&
			  has_bytes(fd, 0, mark->fingerprint_bytes, mark->fingerprint) &&
			  has_bytes(fd, mark->offset - mark->tail_bytes, mark->tail_bytes, mark->tail);

	if (same_file)
		return same_bytes ? FOUND_EXACT : FOUND_TRUNCATED;
	return same_bytes && mark->fingerprint_bytes >= COPY_HEAD_MIN_BYTES ? FOUND_COPY : FOUND_NOTHING;
}

/* Looks for MARK in FILE (from number FIRST on) and its rotations; the best find stays open in FOUND. */
static void find_mark(const char *path, unsigned first, const struct mark *mark, struct found *found)
{
	*found = (struct found){.fd = -1, .how = FOUND_NOTHING};
	for (unsigned number = first; number <= FOLLOW_ROTATIONS_MAX && found->how != FOUND_EXACT; number++) {
		struct logfile_info info;
		int fd = logfile_open(path, number, &info);
		int how = fd < 0 ? FOUND_NOTHING : compare_mark(fd, &info, mark);

		if (how <= (int)found->how) {
			logfile_close(fd);
			continue;
		}
		logfile_close(found->fd);
		found->fd = fd;
		found->info = info;
		found->how = how == FOUND_EXACT ? FOUND_EXACT : how == FOUND_COPY ? FOUND_COPY : FOUND_TRUNCATED;
	}
}

/* ---- opening */

/* Notes which rotated files are there: all older than the place, so never its successors. */
static void remember_older(struct follow *follow)
{
	for (unsigned number = 1; number <= FOLLOW_ROTATIONS_MAX; number++) {
		struct older *older = &follow->older[number];
		unsigned char head[MARK_FINGERPRINT_MAX_BYTES];
		int fd = logfile_open(follow->path, number, &older->info);
		int64_t got = fd < 0 ? -1 : logfile_read(fd, 0, head, sizeof head);

		older->there = got >= 0;
		older->head_bytes = got < 0 ? 0 : (uint32_t)got;
		older->head = crc32_of(head, older->head_bytes);
		logfile_close(fd);
	}
}

static bool is_older(const struct follow *follow, int fd, const struct logfile_info *info)
{
	for (unsigned number = 1; number <= FOLLOW_ROTATIONS_MAX; number++) {
		const struct older *older = &follow->older[number];

		/* The bytes as well: the inode of a dropped rotation is the first to be used again. */
		if (older->there && logfile_same(&older->info, info) && has_bytes(fd, 0, older->head_bytes, older->head))
			return true;
	}
	return false;
}

/* Goes on at OFFSET of FD. KEEP: the bytes in the split continue there. */
static void enter(struct follow *follow, int fd, const struct logfile_info *info, uint64_t offset, bool keep)
{
	logfile_close(follow->place.fd);
	if (!place_load(&follow->place, fd, info, offset)) {
		/* It shrank this very moment: then all that it will hold is new. */
		(void)place_load(&follow->place, fd, info, 0);
		follow->counts.truncations++;
		keep = false;
	}
	if (!keep) {
		split_reset(&follow->split);
		if (follow->place.offset > 0 && follow->place.tail[follow->place.tail_bytes - 1] != '\n')
			split_drop_line(&follow->split);
	}
	remember_older(follow);
	follow->missing_errno = 0;
	follow->drained = false;
	follow->rotated_due = MONO_NEVER;
	follow->rearm = true;
}

/* There is no place: find the mark, or take the file at PATH. */
static enum step open_place(struct follow *follow, struct error *error)
{
	struct logfile_info info;
	struct found found;
	int fd;

	if (follow->have_want) {
		find_mark(follow->path, 0, &follow->want, &found);
		if (found.how != FOUND_NOTHING) {
			follow->have_want = false;
			follow->counts.truncations += found.how == FOUND_TRUNCATED;
			enter(follow, found.fd, &found.info, found.how == FOUND_TRUNCATED ? 0 : follow->want.offset, false);
			return STEP_MORE;
		}
	}
	fd = logfile_open(follow->path, 0, &info);
	if (fd < 0) {
		/* One that only may not be read now is not new when it may. */
		follow->seen_absent = follow->seen_absent || fd == -ENOENT || fd == -ENOTDIR;
		return missing(follow, -fd, error);
	}
	follow->counts.lost_marks += follow->have_want;
	follow->have_want = false;
	enter(follow, fd, &info, follow->seen_absent ? 0 : info.size, false);
	return STEP_MORE;
}

/* ---- rotation and truncation */

/* The file was cut below the offset, or has other bytes before it. Where it was copied first (copytruncate), the rest of the
 * lines is in the copy. */
static enum step truncated(struct follow *follow, const char **line, size_t *length_bytes)
{
	struct place *place = &follow->place;
	struct found found;
	struct mark mark;

	follow->counts.truncations++;
	place_to_mark(place, &mark);
	find_mark(follow->path, 1, &mark, &found);
	if (found.how == FOUND_COPY) {
		enter(follow, found.fd, &found.info, place->offset, true);
		return STEP_MORE;
	}
	logfile_close(found.fd);

	place->offset = 0;
	place->head_bytes = place->tail_bytes = 0;
	return split_rest(&follow->split, line, length_bytes) ? STEP_LINE : STEP_MORE;
}

/* The number under which the place is found now, or -1. */
static int present_number(const struct follow *follow)
{
	for (unsigned number = 0; number <= FOLLOW_ROTATIONS_MAX; number++) {
		struct logfile_info info;

		if (logfile_look(follow->path, number, &info) == 0 && logfile_same(&info, &follow->place.info))
			return (int)number;
	}
	return -1;
}

/* Opens what was written after the place: the descriptor (its number to *NUMBER), or -1 when it cannot be told at this moment. */
static int open_successor(const struct follow *follow, struct logfile_info *info, unsigned *number)
{
	int present = present_number(follow);
	unsigned from = present < 0 ? FOLLOW_ROTATIONS_MAX + 1 : (unsigned)present;

	while (from-- > 0) {
		int fd = logfile_open(follow->path, from, info);

		if (fd < 0)
			continue;
		/* Gone from all names: everything that is not known to be older is newer. */
		if (present < 0 && from > 0 && is_older(follow, fd, info)) {
			logfile_close(fd);
			continue;
		}
		/* Rotated while we looked: the numbers mean other files now. */
		if (present_number(follow) != present || logfile_same(info, &follow->place.info)) {
			logfile_close(fd);
			return -1;
		}
		*number = from;
		return fd;
	}
	return -1;
}

/* PATH is another file than the place or none, and the place was read to its end. */
static enum step rotated(struct follow *follow, struct mono now, const char **line, size_t *length_bytes)
{
	struct logfile_info info;
	unsigned number;
	bool ended;
	int fd = open_successor(follow, &info, &number);

	if (fd < 0)
		return STEP_IDLE;
	if (number == 0 && info.size == 0) {
		if (follow->rotated_due.ms == MONO_NEVER.ms)
			follow->rotated_due = mono_add_ms(now, FOLLOW_ROTATED_WAIT_MS);
		if (!mono_reached(follow->rotated_due, now)) {
			logfile_close(fd);
			return STEP_IDLE;
		}
	}
	if (!follow->drained) {
		/* What was written to the old file before the new one had data is there now: one more read finds it. */
		follow->drained = true;
		logfile_close(fd);
		return STEP_MORE;
	}
	follow->counts.rotations++;
	/* The unfinished line of the old file ends here. Its bytes stay where they are until the next read. */
	ended = split_rest(&follow->split, line, length_bytes);
	enter(follow, fd, &info, 0, true);
	return ended ? STEP_LINE : STEP_MORE;
}

/* The place was read to its end. */
static enum step at_end(struct follow *follow, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	struct place *place = &follow->place;
	unsigned char head[MARK_FINGERPRINT_MAX_BYTES];
	struct logfile_info info;
	int rc = logfile_look(follow->path, 0, &info);

	if (rc && missing(follow, -rc, error) == STEP_ERROR)
		return STEP_ERROR;
	if (rc || !logfile_same(&info, &place->info))
		return rotated(follow, now, line, length_bytes);
	follow->missing_errno = 0;
	follow->rotated_due = MONO_NEVER;
	watchfile_forget_old(&follow->watch);
	if (logfile_read(place->fd, 0, head, place->head_bytes) != place->head_bytes || memcmp(head, place->head, place->head_bytes) != 0)
		return truncated(follow, line, length_bytes);
	return STEP_IDLE;
}

/* ---- reading */

/* A descriptor that went stale (a network file system) is given up; the place is found again like a mark. */
static enum step read_failed(struct follow *follow, int sys_errno, struct error *error)
{
	if (sys_errno != ESTALE)
		return missing(follow, sys_errno, error);
	place_to_mark(&follow->place, &follow->want);
	follow->have_want = true;
	logfile_close(follow->place.fd);
	follow->place.fd = -1;
	return missing(follow, sys_errno, error);
}

static enum step read_place(struct follow *follow, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	struct place *place = &follow->place;
	unsigned char tail[MARK_TAIL_MAX_BYTES];
	size_t room;
	char *bytes = split_room(&follow->split, &room);
	bool shrunk;
	int64_t got = logfile_read_behind(place->fd, place->offset, tail, place->tail_bytes, bytes, room, &shrunk);

	if (got < 0)
		return read_failed(follow, (int)-got, error);
	if (shrunk || memcmp(tail, place->tail, place->tail_bytes) != 0)
		return truncated(follow, line, length_bytes);
	if (got == 0)
		return at_end(follow, now, line, length_bytes, error);
	place_advance(place, bytes, (size_t)got);
	split_added(&follow->split, (size_t)got);
	follow->counts.bytes += (uint64_t)got;
	follow->drained = false;
	return STEP_MORE;
}

static enum step step(struct follow *follow, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	if (follow->rearm) {
		follow->rearm = false;
		follow->armed = watchfile_arm(&follow->watch);
	}
	if (follow->place.fd < 0)
		return open_place(follow, error);
	return read_place(follow, now, line, length_bytes, error);
}

/* ---- one look after the other */

static bool must_poll(const struct follow *follow)
{
	return follow->active || follow->failed || !follow->armed;
}

static struct mono poll_due(const struct follow *follow)
{
	return must_poll(follow) ? mono_add_ms(follow->looked_at, follow->poll_ms) : MONO_NEVER;
}

/* Whether there is a reason to look now. */
static bool look_is_due(struct follow *follow, struct mono now)
{
	int news = watchfile_take(&follow->watch);

	if (news & WATCHFILE_MOVED)
		follow->rearm = true;
	return news != WATCHFILE_QUIET || mono_reached(poll_due(follow), now) || mono_reached(follow->rotated_due, now) ||
	       mono_reached(follow->partial_due, now);
}

/* At the end of a look: an unfinished line that does not grow is handed out once it says what it is; its rest is dropped then, so that no line counts twice.
 * One that says nothing yet has to wait for its rest. */
static bool take_partial(struct follow *follow, struct mono now, const char **line, size_t *length_bytes)
{
	struct line parsed;

	if (!split_peek(&follow->split, line, length_bytes)) {
		follow->partial_due = MONO_NEVER;
		return false;
	}
	if (follow->partial_at != follow->place.offset) {
		follow->partial_at = follow->place.offset;
		follow->partial_due = mono_add_ms(now, FOLLOW_PARTIAL_WAIT_MS);
	}
	if (!mono_reached(follow->partial_due, now))
		return false;
	follow->partial_due = MONO_NEVER;
	if (!line_parse(*line, *length_bytes, &parsed))
		return false;
	split_drop_line(&follow->split);
	return true;
}

static void end_look(struct follow *follow, struct mono now, bool failed)
{
	follow->looking = false;
	follow->looked_at = now;
	follow->failed = failed;
	/* Not armed: permission or folder may be there the next time. */
	follow->rearm = follow->rearm || !follow->armed;
}

/* There is no line in what was read. */
static bool look_for_line(struct follow *follow, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	bool got = false;

	if (!follow->looking)
		follow->looking = look_is_due(follow, now);
	for (unsigned i = 0; !got && follow->looking && i < CHUNKS_MAX; i++) {
		switch (step(follow, now, line, length_bytes, error)) {
		case STEP_MORE: got = split_next(&follow->split, line, length_bytes); break;
		case STEP_LINE: got = true; break;
		case STEP_IDLE:
			end_look(follow, now, false);
			got = take_partial(follow, now, line, length_bytes);
			break;
		case STEP_ERROR: end_look(follow, now, true); return false;
		}
	}
	return got;
}

bool follow_next(struct follow *follow, struct mono now, const char **line, size_t *length_bytes, struct error *error)
{
	bool got = split_next(&follow->split, line, length_bytes) || look_for_line(follow, now, line, length_bytes, error);

	follow->counts.lines += got;
	follow->counts.long_lines = follow->split.long_lines;
	return got;
}

struct mono follow_deadline(const struct follow *follow)
{
	if (follow->looking)
		return (struct mono){0};
	return mono_earlier(poll_due(follow), mono_earlier(follow->partial_due, follow->rotated_due));
}

/* ---- the rest of the interface */

struct follow *follow_open(const char *path, const struct mark *mark, enum follow_watch watch, int64_t poll_ms, struct error *error)
{
	struct follow *follow = calloc(1, sizeof *follow);

	if (!follow) {
		(void)error_set_errno(error, ERROR_INTERNAL, ENOMEM, NULL, "log file %s", path);
		return NULL;
	}
	follow->path = path;
	follow->poll_ms = poll_ms;
	follow->place.fd = -1;
	follow->partial_due = follow->rotated_due = MONO_NEVER;
	follow->looking = follow->rearm = true;
	split_init(&follow->split, follow->buffer, sizeof follow->buffer, FOLLOW_LINE_MAX_BYTES);
	follow->watch.fd = -1;
	if (watch == FOLLOW_WATCH_EVENTS)
		(void)watchfile_open(&follow->watch, path);
	if (mark) {
		follow->want = *mark;
		follow->seen_absent = mark_is_absence(mark);
		follow->have_want = !follow->seen_absent;
	}
	/* The end of the file is the end now, not at the first look. */
	follow->armed = watchfile_arm(&follow->watch);
	if (open_place(follow, error) == STEP_ERROR) {
		follow_close(follow);
		return NULL;
	}
	return follow;
}

void follow_close(struct follow *follow)
{
	if (!follow)
		return;
	logfile_close(follow->place.fd);
	watchfile_close(&follow->watch);
	free(follow);
}

void follow_set_active(struct follow *follow, bool active)
{
	follow->active = active;
}

bool follow_mark(struct follow *follow, struct mark *mark)
{
	const struct place *place = &follow->place;
	const char *line;
	size_t length;
	struct place earlier;

	if (place->fd < 0)
		return false;
	if (!memchr(follow->split.data + follow->split.begin, '\n', split_pending(&follow->split))) {
		if (split_peek(&follow->split, &line, &length))
			split_drop_line(&follow->split);
		place_to_mark(place, mark);
		return true;
	}
	if (!place_load(&earlier, place->fd, &place->info, place->offset - split_pending(&follow->split)))
		return false;
	place_to_mark(&earlier, mark);
	return true;
}

int follow_fd(const struct follow *follow)
{
	return follow->watch.fd;
}

int follow_missing(const struct follow *follow)
{
	return follow->missing_errno;
}

const struct follow_counts *follow_counts(const struct follow *follow)
{
	return &follow->counts;
}
