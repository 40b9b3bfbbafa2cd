#include "appliance/peering.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "watch/line.h"

enum {
	COLUMNS_MAX = 24,
	EVIDENCE_BYTES = 200, /* of a line that could not be read, in the error's sentence */
};

enum field { FIELD_ADDRESS, FIELD_OBJECT, FIELD_LINK, FIELD_PRIMARY, FIELD_PENDING, FIELD_OFFSET, FIELD_PRIORITY, FIELD_COUNT };

static const char *const required_headings[] = {"Address", "Configuration name", "Link status", "Primary"}; /* by field */

struct column {
	size_t start, end; /* bytes of the line, [start, end): where the dashes run */
};

struct layout {
	struct column columns[COLUMNS_MAX];
	unsigned count;
	int field_column[FIELD_COUNT]; /* -1: no such heading */
};

struct cell {
	const char *bytes;
	size_t length;
};

static bool equal_any_case(const char *bytes, size_t length_bytes, const char *string)
{
	return length_bytes == strlen(string) && strncasecmp(bytes, string, length_bytes) == 0;
}

static bool contains_any_case(const char *bytes, size_t length_bytes, const char *string)
{
	size_t wide = strlen(string);

	for (size_t i = 0; i + wide <= length_bytes; i++)
		if (strncasecmp(bytes + i, string, wide) == 0)
			return true;
	return false;
}

/* ---- layout */

/* A row of dashes: runs of '-' with blanks between. */
static bool read_dashes(const char *line, size_t length_bytes, struct layout *layout)
{
	layout->count = 0;
	for (size_t i = 0; i < length_bytes; i++) {
		bool begins = i == 0 || line[i - 1] != '-';

		if (line[i] == ' ')
			continue;
		if (line[i] != '-' || (begins && layout->count == COLUMNS_MAX))
			return false;
		if (begins)
			layout->columns[layout->count++].start = i;
		layout->columns[layout->count - 1].end = i + 1;
	}
	return layout->count > 0;
}

/* The bytes of LINE in a column, without the blanks behind them. */
static struct cell cell_at(const char *line, size_t length_bytes, const struct column *column)
{
	struct cell cell = {line, 0};
	size_t end = column->end < length_bytes ? column->end : length_bytes;

	if (column->start < end) {
		cell = (struct cell){line + column->start, end - column->start};
		while (cell.length > 0 && cell.bytes[cell.length - 1] == ' ')
			cell.length--;
	}
	return cell;
}

/* Whether LINE obeys the layout rule: printable, nothing between and behind the columns, each cell at the start of its column. */
static bool stands_in_columns(const char *line, size_t length_bytes, const struct layout *layout)
{
	unsigned at = 0;

	for (size_t i = 0; i < length_bytes; i++) {
		while (at < layout->count && i >= layout->columns[at].end)
			at++;
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			return false;
		if (line[i] != ' ' && (at == layout->count || i < layout->columns[at].start))
			return false;
	}
	for (at = 0; at < layout->count; at++) {
		struct cell cell = cell_at(line, length_bytes, &layout->columns[at]);

		if (cell.length > 0 && cell.bytes[0] == ' ')
			return false;
	}
	return true;
}

static enum field field_of(struct cell heading)
{
	static const char *const headings[] = {"Address", "Configuration name", "Link status", "Primary", "Pending updates", "Replication offset"};

	for (unsigned i = 0; i < sizeof headings / sizeof headings[0]; i++)
		if (equal_any_case(heading.bytes, heading.length, headings[i]))
			return (enum field)i;
	/* How newer firmware words this heading has not been seen, only that there is such a column. */
	return contains_any_case(heading.bytes, heading.length, "priority") ? FIELD_PRIORITY : FIELD_COUNT;
}

/* Fills field_column from the heading line; how many of the required ones were found. */
static unsigned read_heading(const char *line, size_t length_bytes, struct layout *layout)
{
	unsigned found = 0;

	for (unsigned i = 0; i < FIELD_COUNT; i++)
		layout->field_column[i] = -1;
	if (!stands_in_columns(line, length_bytes, layout))
		return 0;
	for (unsigned i = 0; i < layout->count; i++) {
		enum field field = field_of(cell_at(line, length_bytes, &layout->columns[i]));

		if (field == FIELD_COUNT || layout->field_column[field] >= 0)
			continue;
		layout->field_column[field] = (int)i;
		found += field <= FIELD_PRIMARY;
	}
	return found;
}

/* A copy whose blanks at the very beginning were stripped has a heading one byte left of its dashes. */
static unsigned read_heading_or_stripped(const char *line, size_t length_bytes, struct layout *layout)
{
	struct layout moved = *layout;
	unsigned found = read_heading(line, length_bytes, layout);

	if (found > 0 || layout->columns[0].start != 1 || length_bytes == 0 || line[0] == ' ')
		return found;
	for (unsigned i = 0; i < moved.count; i++) {
		moved.columns[i].start--;
		moved.columns[i].end--;
	}
	found = read_heading(line, length_bytes, &moved);
	memcpy(layout->field_column, moved.field_column, sizeof moved.field_column);
	return found;
}

static bool is_log_line(const char *bytes, size_t length_bytes)
{
	struct line line;

	return line_parse(bytes, length_bytes, &line);
}

/* Finds the first heading with its dashes row from *OFFSET on and moves *OFFSET behind it. *BEST: the most required headings that any candidate had. */
static bool find_table(const char *text, size_t text_bytes, size_t *offset, struct layout *layout, unsigned *best)
{
	const char *line, *before = NULL;
	size_t length, before_length = 0;

	*best = 0;
	while (text_next_line(text, text_bytes, offset, &line, &length)) {
		/* Dashes without a line end may be cut, and the columns with them. */
		if (before && text[*offset - 1] == '\n' && read_dashes(line, length, layout)) {
			unsigned found = read_heading_or_stripped(before, before_length, layout);

			*best = found > *best ? found : *best;
			if (found == FIELD_PRIMARY + 1)
				return true;
		}
		if (!is_log_line(line, length)) {
			before = line;
			before_length = length;
		}
	}
	return false;
}

/* ---- rows */

static struct cell field_cell(const char *line, size_t length_bytes, const struct layout *layout, enum field field)
{
	int at = layout->field_column[field];

	return at < 0 ? (struct cell){line, 0} : cell_at(line, length_bytes, &layout->columns[at]);
}

static enum peering_flag flag_of(struct cell cell, const char *yes, const char *no)
{
	if (equal_any_case(cell.bytes, cell.length, yes))
		return PEERING_YES;
	return equal_any_case(cell.bytes, cell.length, no) ? PEERING_NO : PEERING_UNKNOWN;
}

static bool count_of(struct cell cell, uint64_t *value)
{
	unsigned long long number;

	if (!text_to_unsigned(cell.bytes, cell.length, UINT64_MAX, &number))
		return false;
	*value = number;
	return true;
}

static bool priority_of(struct cell cell, int64_t *value)
{
	bool minus = cell.length > 0 && cell.bytes[0] == '-';
	unsigned long long number;

	if (!text_to_unsigned(cell.bytes + minus, cell.length - minus, INT64_MAX, &number))
		return false;
	*value = minus ? -(int64_t)number : (int64_t)number;
	return true;
}

/* False when the line is not a row of this layout. */
static bool read_row(const char *line, size_t length_bytes, const struct layout *layout, struct peering_row *row)
{
	struct cell address, object;

	if (!stands_in_columns(line, length_bytes, layout))
		return false;
	address = field_cell(line, length_bytes, layout, FIELD_ADDRESS);
	object = field_cell(line, length_bytes, layout, FIELD_OBJECT);
	if (object.length == 0 || text_copy(row->address, sizeof row->address, address.bytes, address.length) ||
	    text_copy(row->object, sizeof row->object, object.bytes, object.length))
		return false;
	row->link_ok = flag_of(field_cell(line, length_bytes, layout, FIELD_LINK), "ok", "down");
	row->primary = flag_of(field_cell(line, length_bytes, layout, FIELD_PRIMARY), "yes", "no");
	row->pending_known = count_of(field_cell(line, length_bytes, layout, FIELD_PENDING), &row->pending_updates);
	row->offset_known = count_of(field_cell(line, length_bytes, layout, FIELD_OFFSET), &row->replication_offset);
	row->priority_known = priority_of(field_cell(line, length_bytes, layout, FIELD_PRIORITY), &row->priority);
	return true;
}

/* Whether the words of a line that stands in no columns look like a (damaged) row: a link state or a yes/no among them. */
static bool has_row_words(const char *line, size_t length_bytes)
{
	static const char *const words[] = {"ok", "down", "yes", "no"};
	size_t at = 0;

	while (at < length_bytes) {
		size_t from = at;

		while (at < length_bytes && line[at] != ' ' && line[at] != '\t')
			at++;
		for (unsigned i = 0; i < 4; i++)
			if (equal_any_case(line + from, at - from, words[i]))
				return true;
		at++;
	}
	return false;
}

enum kind { KIND_SKIP, KIND_ROW, KIND_END, KIND_UNREADABLE };

/* What a line under the dashes is. WHOLE: it has a line end. AFTER_BLANK: a blank line stood before it. */
static enum kind classify(const char *line, size_t length_bytes, const struct layout *layout, bool whole, bool after_blank,
			  struct peering_row *row)
{
	struct layout again = *layout;
	size_t trimmed_length = length_bytes;
	const char *trimmed = line;

	text_trim(&trimmed, &trimmed_length);
	if (trimmed_length == 0 || is_log_line(line, length_bytes))
		return KIND_SKIP;
	if (read_heading_or_stripped(line, length_bytes, &again) == FIELD_PRIMARY + 1)
		return KIND_END;
	if (!whole && length_bytes < layout->columns[layout->count - 1].end)
		return KIND_UNREADABLE;
	if (read_row(line, length_bytes, layout, row))
		return KIND_ROW;
	return after_blank && !has_row_words(line, length_bytes) ? KIND_END : KIND_UNREADABLE;
}

static int no_table(unsigned best, const char *text, size_t text_bytes, struct error *error)
{
	char evidence[EVIDENCE_BYTES];

	text_trim(&text, &text_bytes);
	text_escape(evidence, sizeof evidence, text, text_bytes);
	if (best == 0)
		return error_set(error, ERROR_ANSWER, NULL, "the answer to show gateway-peering-status has no table: \"%s\"", evidence);
	return error_set(error, ERROR_ANSWER, NULL,
			 "the table of show gateway-peering-status lacks one of the headings %s, %s, %s, %s: \"%s\"", required_headings[0],
			 required_headings[1], required_headings[2], required_headings[3], evidence);
}

static int keep_row(const struct peering_row *row, const char *object, struct peering_table *table, struct error *error)
{
	if (object && strcmp(row->object, object) != 0) {
		table->other_rows++;
		return 0;
	}
	if (table->count == PEERING_ROWS_MAX)
		return error_set(error, ERROR_ANSWER, NULL, "show gateway-peering-status lists more than %d members", PEERING_ROWS_MAX);
	table->rows[table->count++] = *row;
	return 0;
}

static int read_rows(const char *text, size_t text_bytes, size_t offset, const struct layout *layout, const char *object,
		     struct peering_table *table, struct error *error)
{
	char evidence[EVIDENCE_BYTES];
	bool after_blank = false;
	const char *line;
	size_t length;

	while (text_next_line(text, text_bytes, &offset, &line, &length)) {
		bool whole = text[offset - 1] == '\n';
		struct peering_row row = {0};

		switch (classify(line, length, layout, whole, after_blank, &row)) {
		case KIND_SKIP:
			after_blank = after_blank || !is_log_line(line, length);
			break;
		case KIND_ROW:
			if (keep_row(&row, object, table, error))
				return -1;
			break;
		case KIND_END:
			return 0;
		case KIND_UNREADABLE:
			return error_set(error, ERROR_ANSWER, NULL, "a row of show gateway-peering-status cannot be read%s: \"%s\"",
					 whole ? "" : " (it may be cut)", text_escape(evidence, sizeof evidence, line, length));
		}
	}
	return 0;
}

int peering_table_parse(const char *text, size_t text_bytes, const char *object, struct peering_table *table, struct error *error)
{
	struct layout layout;
	size_t offset = 0;
	unsigned best;

	table->count = table->other_rows = 0;
	if (!find_table(text, text_bytes, &offset, &layout, &best))
		return no_table(best, text, text_bytes, error);
	if (read_rows(text, text_bytes, offset, &layout, object, table, error)) {
		table->count = table->other_rows = 0;
		return -1;
	}
	assert(table->count <= PEERING_ROWS_MAX);
	return 0;
}

/* ---- view */

/* Sixteen bytes for an address of either family; IPv4 as ::ffff:a.b.c.d, so that both ways to write it are equal. */
static bool address_value(const char *text, unsigned char value[16])
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (inet_pton(AF_INET6, text, value) == 1)
		return true;
	memcpy(value, mapped, sizeof mapped);
	return inet_pton(AF_INET, text, value + sizeof mapped) == 1;
}

static bool same_address(const char *a, const char *b)
{
	unsigned char a_value[16], b_value[16];

	if (strcmp(a, b) == 0)
		return true;
	return address_value(a, a_value) && address_value(b, b_value) && memcmp(a_value, b_value, sizeof a_value) == 0;
}

static bool is_stale(const struct peering_row *row)
{
	return row->priority_known && row->priority < 0;
}

static bool is_active(const struct peering_row *row)
{
	return row->link_ok == PEERING_YES && !is_stale(row);
}

void peering_view_make(const struct peering_table *table, const char *address, struct peering_view *view)
{
	*view = (struct peering_view){.members = table->count};
	for (unsigned i = 0; i < table->count; i++) {
		const struct peering_row *row = &table->rows[i];

		view->active += is_active(row);
		if (row->primary == PEERING_YES) {
			view->primaries++;
			view->primary = row;
		}
		if (!view->own && address && same_address(row->address, address))
			view->own = row;
	}
	if (view->primaries != 1)
		view->primary = NULL;
	view->quorum = view->primary && is_active(view->primary) && view->active >= view->members / 2 + 1;
}

/* Adds TEXT at *USED; false, "..." at the end, when it does not fit. Keeps room for the dots. */
static bool add_piece(char *out, size_t size_bytes, size_t *used, const char *piece)
{
	size_t wide = strlen(piece);

	if (*used + wide + sizeof "..." > size_bytes) {
		memcpy(out + *used, "...", sizeof "...");
		return false;
	}
	memcpy(out + *used, piece, wide + 1);
	*used += wide;
	return true;
}

char *peering_table_describe(const struct peering_table *table, char *out, size_t size_bytes)
{
	static const char *const link[] = {[PEERING_UNKNOWN] = "link unknown", [PEERING_NO] = "down", [PEERING_YES] = "ok"};
	size_t used = 0;

	out[0] = '\0';
	if (table->count == 0)
		(void)add_piece(out, size_bytes, &used, "no members");
	for (unsigned i = 0; i < table->count; i++) {
		const struct peering_row *row = &table->rows[i];
		char address[2 * PEERING_ADDRESS_BYTES], piece[2 * PEERING_ADDRESS_BYTES + 64];

		text_escape(address, sizeof address, row->address, strlen(row->address));
		(void)snprintf(piece, sizeof piece, "%s%s %s%s%s", i > 0 ? ", " : "", address[0] ? address : "(no address)",
			       link[row->link_ok], is_stale(row) ? " stale" : "", row->primary == PEERING_YES ? " primary" : "");
		if (!add_piece(out, size_bytes, &used, piece))
			break;
	}
	return out;
}
