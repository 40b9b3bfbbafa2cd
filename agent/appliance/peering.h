/* peering.h - `show gateway-peering-status`: the table, and what it says about one peering object.
 * Source of the layout: IBM's transcripts; newer firmware adds columns, so cells are found by heading and by the row of dashes.
 * Pure; takes any bytes. */
#ifndef DRR_APPLIANCE_PEERING_H
#define DRR_APPLIANCE_PEERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	PEERING_ROWS_MAX = 64,       /* members of one peering object; IBM recommends 3 */
	PEERING_ADDRESS_BYTES = 128, /* an address or a host alias, with its NUL */
	PEERING_OBJECT_BYTES = 128,
};

enum peering_flag { PEERING_UNKNOWN = 0, PEERING_NO, PEERING_YES };

struct peering_row {
	char address[PEERING_ADDRESS_BYTES]; /* may be empty; no control characters */
	char object[PEERING_OBJECT_BYTES];   /* never empty; no control characters */
	enum peering_flag link_ok;  /* `ok` is YES, `down` is NO, anything else UNKNOWN */
	enum peering_flag primary;  /* `yes`, `no`, anything else UNKNOWN */
	bool pending_known, offset_known, priority_known; /* false: no such column, or an empty or unreadable cell */
	uint64_t pending_updates;
	uint64_t replication_offset;
	int64_t priority; /* -1: a stale member */
};

struct peering_table {
	struct peering_row rows[PEERING_ROWS_MAX];
	unsigned count;
	unsigned other_rows; /* rows of other peering objects: counted, not kept */
};

/* Reads the answer to `show gateway-peering-status`. Keeps the rows of OBJECT only (all when OBJECT is NULL). Lines before the heading, blank
 * lines and log lines (watch/line.h) between rows are skipped. The table ends at a second heading, at the end of the text, or at text behind a
 * blank line that has nothing of a row. A table without rows is fine (count 0).
 *
 * -1 and ERROR_ANSWER, with count 0, when there is no heading at all, a heading without Address, Configuration name, Link status and
 * Primary, more rows than PEERING_ROWS_MAX, or a row that does not stand in its columns (a byte in a gap, a cell that does not begin where its column
 * begins, a control character, no object name, a name that does not fit): a shifted row must not be misread. So is a last row without a line end that does
 * not fill its columns: it may be cut. A text that is cut between two rows cannot be told from a shorter table; the caller passes
 * only answers that a prompt has followed. */
int peering_table_parse(const char *text, size_t text_bytes, const char *object, struct peering_table *table, struct error *error);

/* What the rows of one object say. A member that is missing from the table altogether is missing here, too: how many there should be
 * is the caller's knowledge. */
struct peering_view {
	unsigned members;        /* rows */
	unsigned active;         /* link ok, not stale */
	unsigned primaries;      /* rows that call themselves primary */
	const struct peering_row *primary; /* the only one; NULL when none or several */
	const struct peering_row *own;     /* the row of the local address; NULL when there is none */
	bool quorum;             /* as IBM says: the (only) primary is up and active >= members / 2 + 1 */
};

/* ADDRESS: the local member's, compared as text and, where both sides are IP addresses, by value (inet_pton: pure; an IPv4-mapped IPv6 address is its
 * IPv4 address). May be NULL. VIEW points into TABLE. */
void peering_view_make(const struct peering_table *table, const char *address, struct peering_view *view);

/* "172.16.52.71 ok primary, 172.16.53.39 down, 172.16.54.1 ok stale" for sentences; "no members" for an empty table; foreign bytes escaped; cut with "..."
 * at SIZE (at least 8). Returns OUT. */
char *peering_table_describe(const struct peering_table *table, char *out, size_t size_bytes);

#endif
