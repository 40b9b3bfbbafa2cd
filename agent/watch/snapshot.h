/* snapshot.h - finds what is new in a text that can only be fetched as a whole, again and again: a log file behind the XML management interface, or what a
 * command prints. Pure: it says which text to fetch next and takes its bytes as they come.
 *
 * The place up to which lines were handed out is known by content: the first bytes of the text and the bytes before the place. One fetch suffices while the text only grows.
 * Where it does not fit any more, the place is looked for in the rotated texts (TEXT.1 ... TEXT.3); each later text is then read from its start, the present one at
 * last, and the one that was left is looked at again: had it another number by then, a text may have been skipped. What cannot be found is
 * counted (lost_marks where there are rotated texts, truncations where there are none; both are gaps), and the present text is read from its start.
 *
 * Where TEXT is missing or empty at the first look, the place is the end of the newest rotated text. Where there is none of these either, everything that appears is new.
 * A place whose bytes hold no time may be a start that all texts share: then the next older text is looked at, too, and a gap is counted where it fits as well and is
 * not the one that was there before.
 *
 * A look:   snapshot_look(), then while snapshot_wanted() >= 0: fetch that text: snapshot_begin(), snapshot_input()..., snapshot_end().
 *           Between any two of these calls snapshot_next() hands out lines; it must be false before snapshot_begin(). */
#ifndef DRR_WATCH_SNAPSHOT_H
#define DRR_WATCH_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/mark.h"
#include "watch/split.h"

enum {
	SNAPSHOT_LINE_MAX_BYTES = 16384, /* a longer line is skipped and counted */
	SNAPSHOT_BUFFER_BYTES = 98304,   /* read and not handed out yet */
	SNAPSHOT_ROTATIONS_MAX = 3,      /* TEXT.1 ... TEXT.3: what an appliance keeps by default */
	SNAPSHOT_MOVE_MIN_BYTES = 32,    /* snapshot_move() needs this much to know the place by */
	SNAPSHOT_PASSES_MAX = 64,        /* fetches of one look; the next look goes on */
	SNAPSHOT_SIBLING_BYTES = 1024,   /* first bytes of the next older text that tell it from another one */
};

enum snapshot_end {
	SNAPSHOT_COMPLETE, /* all of the text was given, or snapshot_input() has said false */
	SNAPSHOT_MISSING,  /* there is no such text */
	SNAPSHOT_CUT,      /* the fetch failed in the middle; the look is over */
};

struct snapshot_counts {
	uint64_t bytes; /* of lines that were handed out, or skipped as too long */
	uint64_t rotations, truncations, lost_marks, gaps;
};

/* How far a text was read, and the bytes that prove which text it is. */
struct snapshot_place {
	uint64_t offset;
	uint32_t head_bytes, tail_bytes;
	unsigned char head[MARK_FINGERPRINT_MAX_BYTES]; /* the first bytes of the text, as far as they lie before OFFSET */
	unsigned char tail[MARK_TAIL_MAX_BYTES];        /* the last bytes before OFFSET */
};

/* First bytes of a text, up to SNAPSHOT_SIBLING_BYTES. */
struct snapshot_sibling {
	uint32_t bytes, crc;
	bool known;
};

struct snapshot {
	struct snapshot_counts counts;
	struct split split; /* split.long_lines counts */

	/* Private. */
	uint32_t name;
	unsigned rotations;
	bool known;              /* WANT is a place */
	struct mark want;        /* the place, while the pass has not got there */
	bool untouched;          /* ... before all texts: none had a byte yet */
	enum snapshot_stage { SNAPSHOT_SEARCH, SNAPSHOT_DOUBT, SNAPSHOT_ENTER, SNAPSHOT_VERIFY, SNAPSHOT_OVER } stage;
	enum { SNAPSHOT_ROTATED, SNAPSHOT_BEGUN, SNAPSHOT_TRUNCATED, SNAPSHOT_LOST } cause; /* of SNAPSHOT_ENTER */
	bool entering;           /* no line of the entered text was handed out yet */
	unsigned number;         /* of the text of this stage */
	unsigned passes;
	bool cut_short;          /* there were too many of them */
	bool rotated_there;      /* a rotated text exists */
	enum snapshot_pass { SNAPSHOT_SEEK, SNAPSHOT_GIVE, SNAPSHOT_SKIP, SNAPSHOT_OTHER, SNAPSHOT_SAME } pass;
	bool adopted;            /* the pass's place is the place */
	bool full;               /* the pass ended because there was no room */
	bool whole;              /* the pass got to the end of its text: what is unfinished there is so in the log as well */
	uint64_t seen;           /* bytes of this pass */
	uint64_t borrowed;       /* bytes at the front of SPLIT that belong to the text before */
	struct snapshot_place place; /* of the pass: what was skipped or handed out */
	unsigned entered_number;
	unsigned left_number;    /* the rotated text that was left for the one that is entered, and its first bytes */
	struct mark left;
	struct snapshot_place aside; /* of a pass of SNAPSHOT_DOUBT or SNAPSHOT_VERIFY, which leaves the place alone */
	bool weak;               /* the place that was found proves little; it is WEAK_AT */
	bool first;              /* ... and it is the one of a first look */
	struct mark weak_at;
	struct snapshot_sibling sibling, met; /* the text before the place's, as last met; the one of this pass */
	bool met_same;
	char memory[SNAPSHOT_BUFFER_BYTES];
};

/* NAME tells one text from another: a mark of another NAME is lost. ROTATIONS: up to which number rotated texts can be fetched, at most
 * SNAPSHOT_ROTATIONS_MAX. MARK NULL, or lost: what is there at the first look is old. */
void snapshot_init(struct snapshot *snapshot, const char *name, unsigned rotations, const struct mark *mark);

/* Begins a look; one that is under way is given up. */
void snapshot_look(struct snapshot *snapshot);

/* The number of the text to fetch: 0 for the text itself, 1 for TEXT.1, ...; -1: the look is over. */
int snapshot_wanted(const struct snapshot *snapshot);

void snapshot_begin(struct snapshot *snapshot);

/* How many bytes the next snapshot_input() can take for certain. */
size_t snapshot_room(struct snapshot *snapshot);

/* False: enough. It is clear that this is not the text, or there is no more room (then the look goes on with another fetch once the lines were
 * taken): the rest need not be read; say snapshot_end(). */
bool snapshot_input(struct snapshot *snapshot, const char *bytes, size_t count_bytes);

void snapshot_end(struct snapshot *snapshot, enum snapshot_end how);

/* As split_next(). */
bool snapshot_next(struct snapshot *snapshot, const char **line, size_t *length_bytes);

/* The place up to which lines were handed out; an unfinished line there is dropped, as by follow_mark(). False before the first look is over. */
bool snapshot_mark(struct snapshot *snapshot, struct mark *mark);

/* How much of its text lies before the place, whichever number that text has now. */
uint64_t snapshot_offset(const struct snapshot *snapshot);

/* Whether the look that is over ended only because of SNAPSHOT_PASSES_MAX. */
bool snapshot_is_cut_short(const struct snapshot *snapshot);

/* For a text that loses lines at its start while it gets new ones at its end: whether the look has just found out that TEXT is not the one of the place. */
bool snapshot_is_lost(const struct snapshot *snapshot);

/* Then: looks for the bytes before the place anywhere in TEXT, all of it. True: there they are, and the look begins anew. False: not there. */
bool snapshot_move(struct snapshot *snapshot, const char *text, size_t text_bytes);

/* Then: gives the place up; the look begins anew, as a first one. */
void snapshot_forget(struct snapshot *snapshot);

#endif
