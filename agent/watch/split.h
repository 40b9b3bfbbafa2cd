/* split.h - bytes of a log into lines, in one buffer of the caller's. Pure: no file, no clock.
 *
 * The loop: split_next() until it is false, then read at most *room bytes to split_room() and tell split_added(). Lines are handed out where they lie, without
 * a copy; only an unfinished line is moved to the front before the next read.
 */
#ifndef DRR_WATCH_SPLIT_H
#define DRR_WATCH_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum split_mode {
	SPLIT_LINES,   /* the next byte belongs to a line that will be handed out */
	SPLIT_DROPPING /* everything up to and including the next line end is dropped */
};

struct split {
	char *data;          /* the caller's memory */
	size_t size;
	size_t line_max;     /* longer lines are dropped and counted; less than SIZE */
	size_t begin, end;   /* bytes not handed out yet: data[begin, end) */
	size_t scanned;      /* how many of them are known to hold no line end */
	enum split_mode mode;
	uint64_t long_lines; /* dropped because they were longer than line_max */
};

/* SIZE_BYTES must be greater than LINE_MAX_BYTES. */
void split_init(struct split *split, char *memory, size_t size_bytes, size_t line_max_bytes);

/* Forgets the bytes (the count of long lines stays); the next byte begins a line. */
void split_reset(struct split *split);

/* Where the next bytes go, and how many fit: at least SIZE - LINE_MAX when split_next() has just been false. Ends the validity of handed out lines. */
char *split_room(struct split *split, size_t *room_bytes);
void split_added(struct split *split, size_t count_bytes);

/* The next complete line without LF and CRs before it; valid until split_room(). NUL bytes at the start of a line are left out (a writer that goes on
 * at its old offset after a truncation leaves a run of them, of any length). False: no complete line there. */
bool split_next(struct split *split, const char **line, size_t *length_bytes);

/* The unfinished line as far as it is there; it stays. False when there is none. Call after split_next() was false. */
bool split_peek(const struct split *split, const char **line, size_t *length_bytes);

/* The unfinished line as the last one: nothing more of it will come. The next byte begins a line. False when there was none. */
bool split_rest(struct split *split, const char **line, size_t *length_bytes);

/* Drops what is there and everything up to the next line end: the bytes before were handed out, or were never ours. */
void split_drop_line(struct split *split);

/* Bytes that are there and not handed out. */
size_t split_pending(const struct split *split);

#endif
