/* journal.h - what this member was about to do and what became of it, as records in one append-only text file.
 *
 * Intent first, then the act, then the outcome; nothing is answered before its record is on disk (the owner does that with
 * platform/durable.h). This module is pure: bytes to records, records to bytes, records to "what is open".
 *
 * A record is one line:   DRR1 LLLL CCCCCCCC SEQ TIME KIND RUN STEP KEY=VALUE ...\n
 * LLLL: decimal length, four digits, of what follows the CRC and its blank, without the line end; CCCCCCCC: CRC-32 (IEEE 802.3, lower-case hex) of
 * those bytes; SEQ counts from 1 without gaps, in each file; TIME is the wall clock (UTC, ISO 8601 with milliseconds); values are percent-encoded
 * (blanks, %, and all that is not printable ASCII).
 */
#ifndef DRR_RUN_JOURNAL_H
#define DRR_RUN_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "watch/mark.h"

enum {
	JOURNAL_RECORD_MAX_BYTES = 2048,  /* a whole line with its line end */
	JOURNAL_FILE_MAX_BYTES = 1 << 20, /* a closed journal larger than half of this is set aside as journal.1 when the next run begins */
	JOURNAL_RUN_BYTES = 64,           /* run id with its NUL: letters, digits, - _ . */
	JOURNAL_DATA_BYTES = 1024,
	JOURNAL_SENTENCE_BYTES = 256,     /* of a sentence kept in struct journal_state */
	JOURNAL_LINE_BYTES = 8192,        /* enough for journal_print() of any record */
	JOURNAL_PLAN_BYTES = 800,         /* of a plan as text (plan.h), with its NUL */
	JOURNAL_NAME_BYTES = 64,          /* of who asked for a grant or a hold, with its NUL */
	JOURNAL_REASON_BYTES = 200,       /* of a hold's reason, with its NUL */
};

enum journal_kind {
	JOURNAL_BEGIN,   /* a run starts, or a step of one (op=): steps=, object=, domain=, version=, overrides= */
	JOURNAL_MARK,    /* the log mark taken before the bounce: mark= */
	JOURNAL_INTENT,  /* STEP is about to be sent: primary, flush, disable, enable */
	JOURNAL_OUTCOME, /* STEP ended: result=done|failed|unknown, sentence= */
	JOURNAL_STEP,    /* a step without effect on the appliance ended: precheck, confirm, await; result=done|failed|skipped, sentence= */
	JOURNAL_END,     /* the run, or the step of it that began, is over: exit=, sentence=, disabled_ms=, next= */
	JOURNAL_GRANT,   /* RUN, and no other, may act here: plan=, by= */
	JOURNAL_RELEASE, /* RUN's grant is given back: by= */
	JOURNAL_HOLD,    /* no run may begin: owner=, reason=, until= (wall clock, ms). Its run is "hold" */
	JOURNAL_UNHOLD,  /* by= */
	JOURNAL_KIND_COUNT
};

enum journal_step { /* also the words in the file */
	JOURNAL_STEP_NONE, /* "-" */
	JOURNAL_PRECHECK, JOURNAL_PRIMARY, JOURNAL_FLUSH, JOURNAL_DISABLE, JOURNAL_ENABLE, JOURNAL_CONFIRM, JOURNAL_AWAIT,
	JOURNAL_STEP_COUNT
};

enum journal_result { /* the words of result= */
	JOURNAL_RESULT_NONE, /* not given, or a word we do not know */
	JOURNAL_DONE, JOURNAL_FAILED, JOURNAL_UNKNOWN, JOURNAL_SKIPPED,
	JOURNAL_RESULT_COUNT
};

/* Steps that are asked for one by one, over the daemon's interface. */
enum journal_op { JOURNAL_OP_PRIMARY, JOURNAL_OP_FLUSH, JOURNAL_OP_BOUNCE, JOURNAL_OP_CONFIRM, JOURNAL_OP_AWAIT, JOURNAL_OP_COUNT };

struct journal_record {
	uint64_t seq;    /* filled by journal_encode() callers: last seq + 1 */
	int64_t wall_ms; /* years 1970 to 9999 */
	enum journal_kind kind;
	enum journal_step step;
	char run[JOURNAL_RUN_BYTES];
	char data[JOURNAL_DATA_BYTES]; /* KEY=VALUE pairs, one blank between, values percent-encoded (journal_add) */
};

/* Appends KEY=VALUE (VALUE percent-encoded; KEY of a-z and _) to RECORD's data. Never cuts: what does not fit, a bad KEY or one that is there already is
 * -1 and changes nothing. */
int journal_add(struct journal_record *record, const char *key, const char *value);
/* The same for a sentence for people, whose end may be given up rather than the record: what does not fit ends in "...". */
void journal_add_sentence(struct journal_record *record, const char *sentence);
/* The decoded value of KEY; false (OUT empty) when there is none, or it does not fit, or it holds a NUL. */
bool journal_get(const struct journal_record *record, const char *key, char *out, size_t size_bytes);
/* What result= says. */
enum journal_result journal_result(const struct journal_record *record);

/* Appends the record's line to OUT; -1 (nothing added) when it does not fit or RECORD breaks a rule (seq 0, time, run id's characters, data). */
int journal_encode(const struct journal_record *record, struct buf *out);

/* The words in the file. Never NULL. */
const char *journal_kind_name(enum journal_kind kind);
const char *journal_step_name(enum journal_step step);
const char *journal_result_name(enum journal_result result); /* "-" for none */
const char *journal_op_name(enum journal_op op);
/* JOURNAL_OP_COUNT: no such name. */
enum journal_op journal_op_by_name(const char *name);

bool journal_run_is_valid(const char *run);

/* Adds the record to OUT as one readable line with its line end; foreign bytes escaped. -1 when it does not fit (JOURNAL_LINE_BYTES of room
 * suffices). */
int journal_print(const struct journal_record *record, struct buf *out);

/* Reads records from the file's bytes, one a call. */
struct journal_reader {
	const char *bytes;
	size_t length, offset; /* offset: behind the last good record */
	uint64_t last_seq;
};

enum journal_read {
	JOURNAL_RECORD, /* *record filled */
	JOURNAL_CLEAN_END,
	JOURNAL_TORN,   /* the last record is unfinished (power cut): cut the file at reader->offset and go on */
	JOURNAL_DAMAGED /* anything else that is not right, a gap in SEQ too: refuse to start; ERROR says where (offset, line) */
};

/* Torn is only what a power cut leaves of one record: at most JOURNAL_RECORD_MAX_BYTES, then nothing or NULs (a file system that wrote the
 * length first) up to the end, no good record anywhere in them, and no line end, but for one behind a run of NULs (lost sectors). All else is
 * damage: also a last line that is whole but has a wrong CRC, and a record whose CRC is right but whose content we do not know (a newer version's). */
void journal_reader_init(struct journal_reader *reader, const char *bytes, size_t length_bytes);
enum journal_read journal_reader_next(struct journal_reader *reader, struct journal_record *record, struct error *error);

struct journal_op_state {
	unsigned attempts;         /* 0: never begun */
	bool ended;                /* the last attempt */
	int exit_code;             /* of it, when it ended */
	int64_t began_wall_ms, ended_wall_ms;
	int64_t disabled_ms;       /* bounce: how long the service was disabled at most; -1 not known */
	char sentence[JOURNAL_SENTENCE_BYTES], next[JOURNAL_SENTENCE_BYTES]; /* decoded: escape before showing */
};

/* What outlives a run. */
struct journal_standing {
	bool granted;
	char grant_run[JOURNAL_RUN_BYTES], grant_by[JOURNAL_NAME_BYTES], plan[JOURNAL_PLAN_BYTES];
	int64_t grant_wall_ms;
	char released_run[JOURNAL_RUN_BYTES]; /* the last one that gave its grant back; "" none */
	bool held;
	char hold_owner[JOURNAL_NAME_BYTES], hold_reason[JOURNAL_REASON_BYTES];
	int64_t hold_wall_ms, hold_until_ms;  /* wall clock */
};

/* What the records add up to. "The last run" is the one that began last. */
struct journal_state {
	struct journal_standing standing;
	struct journal_op_state ops[JOURNAL_OP_COUNT]; /* of the last run */
	int op_open;                   /* enum journal_op of the step that began and did not end; -1: none */
	uint64_t last_seq;
	int64_t last_wall_ms;          /* of the last record, 0: none */
	bool run_open;                 /* a run began and did not end */
	char run[JOURNAL_RUN_BYTES];   /* the last run, open or not; "" when there never was one */
	int64_t run_began_wall_ms;
	int exit_code;                 /* of the last run when it ended; -1 otherwise */

	/* Of any run: a disable was intended and no enable ended as done since (whatever the disable's own outcome was): the service may be
	 * disabled, by us. */
	bool disable_open;
	char disable_run[JOURNAL_RUN_BYTES]; /* whose, and since when: of the first such disable; "" and 0 while disable_open is false */
	int64_t disable_wall_ms;

	bool flush_open;               /* of the last run: a flush was intended, no outcome: unknown, never repeated by itself */
	bool flush_done;               /* of the last run: accepted */
	bool flush_unknown;            /* of the last run: outcome recorded as unknown */
	int64_t flush_wall_ms;         /* of the last run: when it was intended; 0: never */
	bool primary_done;             /* of the last run: made primary, or was it */
	bool bounce_done;              /* of the last run: disable and enable both done (after the flush where there was one) */
	bool confirm_done, await_done; /* of the last run, and since its last flush or disable */
	bool have_mark;                /* of the last run */
	struct mark mark;

	enum journal_step last_step;     /* of the last run: the step of its last INTENT, OUTCOME or STEP */
	enum journal_step step_open;     /* of the last run: an INTENT without OUTCOME; JOURNAL_STEP_NONE: none */
	enum journal_result last_result; /* of last_step; none while that is open */
	char last_sentence[JOURNAL_SENTENCE_BYTES]; /* of its last OUTCOME, STEP or END; cut with "..."; decoded: escape it before it is shown */

	bool disable_done; /* inner: of the last run, the disable since the last flush was seen done */
};

void journal_state_init(struct journal_state *state);
void journal_state_apply(struct journal_state *state, const struct journal_record *record);

/* Whether RUN flushed, or may have, by these bytes (any run, not only the last): never flush twice for one run. An outcome `failed` (not sent, or
 * refused) says that it did not. True also when they are damaged: when in doubt it was. */
bool journal_run_flushed(const char *bytes, size_t length_bytes, const char *run);

#endif
