/* mark.h - a place in a log: which one (identity) and how far (offset). Taken before a command, so that only what was logged
 * after it counts; kept in the journal, so that a restarted agent goes on from it. */
#ifndef DRR_WATCH_MARK_H
#define DRR_WATCH_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/line.h"

enum {
	MARK_FINGERPRINT_MAX_BYTES = 256, /* first bytes of the file that were there when the mark was taken */
	MARK_TAIL_MAX_BYTES = 256,        /* last bytes before the offset */
	MARK_TEXT_BYTES = 160,            /* the longest word is 3 + 3 * 21 + 2 * (4 + 9) bytes */
};

enum mark_kind {
	MARK_FILE = 0, /* watch/follow.h: a file on this host */
	MARK_SNAPSHOT, /* watch/snapshot.h: a text that is fetched as a whole, again and again */
	MARK_TIME,     /* a log that is only ever heard: the appliance's time of the last line */
};

struct mark {
	uint64_t device, inode;      /* MARK_SNAPSHOT: 0, and the CRC-32 of the text's name, so that it is not taken for another text's */
	uint64_t offset;             /* bytes of the file that were there already, up to the last complete line */
	uint32_t fingerprint_bytes;  /* how many of the file's first bytes the fingerprint covers, at most MARK_FINGERPRINT_MAX_BYTES and OFFSET */
	uint32_t fingerprint;        /* CRC-32 of them: tells a new file that got the same inode */
	uint32_t tail_bytes, tail;   /* CRC-32 of the last bytes before offset, at most MARK_TAIL_MAX_BYTES and OFFSET: tells truncate-and-regrow */
	enum mark_kind kind;         /* MARK_TIME uses the next two only, the others all but them */
	enum line_time_kind time_kind;
	int64_t time_ms;
};

/* All zero: when it was taken there was no file. What appears later is new from its first byte. */
bool mark_is_absence(const struct mark *mark);

/* One word for the journal, numbers decimal, CRCs as 8 hex digits. Returns OUT.
 *   v1:DEVICE:INODE:OFFSET:FINGERPRINT_BYTES:FINGERPRINT:TAIL_BYTES:TAIL
 *   x1:NAME:OFFSET:FINGERPRINT_BYTES:FINGERPRINT:TAIL_BYTES:TAIL
 *   t1:zulu|syslog|numeric:MS */
char *mark_format(const struct mark *mark, char out[MARK_TEXT_BYTES]);

/* The reverse, for TEXT_BYTES foreign bytes; exactly what mark_format() writes is taken (so no "+1", no "007", no byte after the word). -1 when it is not
 * such a word or breaks a limit above; *MARK is then unchanged. */
int mark_parse(const char *text, size_t text_bytes, struct mark *mark);

#endif
