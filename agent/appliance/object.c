#include "appliance/object.h"

#include <string.h>

#include "base/text.h"
#include "watch/line.h"

static bool is_class_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static bool is_dashes(const char *line, size_t length_bytes)
{
	text_trim(&line, &length_bytes);
	for (size_t i = 0; i < length_bytes; i++)
		if (line[i] != '-')
			return false;
	return length_bytes > 0;
}

static bool is_log_line(const char *bytes, size_t length_bytes)
{
	struct line line;

	return line_parse(bytes, length_bytes, &line);
}

/* Takes "[STATE]" off the end of the slice. */
static void take_state(struct object_slice *rest, struct object_slice *state)
{
	size_t open;

	*state = (struct object_slice){rest->bytes + rest->length, 0};
	if (rest->length == 0 || rest->bytes[rest->length - 1] != ']')
		return;
	for (open = rest->length - 1; open > 0 && rest->bytes[open] != '['; open--)
		;
	if (rest->bytes[open] != '[')
		return;
	*state = (struct object_slice){rest->bytes + open + 1, rest->length - open - 2};
	rest->length = open;
	text_trim(&state->bytes, &state->length);
	text_trim(&rest->bytes, &rest->length);
}

/* How many bytes the class takes: one word, or several with one blank between them where a colon follows (`logging target: gwd-log`). */
static size_t class_width(const char *line, size_t length_bytes)
{
	size_t word = 0, wide;

	while (word < length_bytes && is_class_char(line[word]))
		word++;
	for (wide = word; word > 0 && wide + 1 < length_bytes && line[wide] == ' ' && is_class_char(line[wide + 1]);)
		for (wide++; wide < length_bytes && is_class_char(line[wide]);)
			wide++;
	return wide < length_bytes && line[wide] == ':' ? wide : word;
}

/* "CLASS: NAME [STATE] (modified)", or "CLASS [STATE]"; whether it is a header is decided by the dashes under it. */
static bool read_header(const char *line, size_t length_bytes, struct object_dump *dump)
{
	static const char modified[] = "(modified)";
	struct object_slice rest;
	size_t wide = 0;

	text_trim(&line, &length_bytes);
	wide = class_width(line, length_bytes);
	if (wide == 0 || wide == length_bytes)
		return false;
	dump->class_name = (struct object_slice){line, wide};
	rest = (struct object_slice){line + wide, length_bytes - wide};
	if (line[wide] == ':') {
		rest.bytes++;
		rest.length--;
	} else if (!text_starts(rest.bytes, rest.length, " [")) { /* there is one of its class: it has no name */
		return false;
	}
	text_trim(&rest.bytes, &rest.length);
	dump->modified = text_ends(rest.bytes, rest.length, modified);
	if (dump->modified)
		rest.length -= sizeof modified - 1;
	text_trim(&rest.bytes, &rest.length);
	take_state(&rest, &dump->state);
	dump->name = rest;
	return true;
}

/* The next header with its dashes row, from OFFSET on: *start where the header line begins, *body behind the dashes. Log lines may stand
 * between the two. */
static bool find_header(const char *text, size_t text_bytes, size_t offset, struct object_dump *dump, size_t *start, size_t *body)
{
	size_t from = offset, candidate_start = 0, length;
	bool have_candidate = false;
	struct object_dump candidate = {0};
	const char *line;

	while (text_next_line(text, text_bytes, &offset, &line, &length)) {
		if (have_candidate && is_dashes(line, length)) {
			*dump = candidate;
			*start = candidate_start;
			*body = offset;
			return true;
		}
		if (!is_log_line(line, length)) {
			have_candidate = read_header(line, length, &candidate);
			candidate_start = from;
		}
		from = offset;
	}
	return false;
}

bool object_next(const char *text, size_t text_bytes, size_t *offset, struct object_dump *dump)
{
	struct object_dump following;
	size_t start, body, next_start, next_body;

	if (!find_header(text, text_bytes, *offset, dump, &start, &body)) {
		*offset = text_bytes;
		return false;
	}
	if (!find_header(text, text_bytes, body, &following, &next_start, &next_body))
		next_start = text_bytes;
	dump->body = (struct object_slice){text + body, next_start - body};
	*offset = next_start;
	return true;
}

bool object_property(const struct object_dump *dump, const char *property, struct object_slice *value)
{
	size_t offset = 0, length, wide = strlen(property);
	const char *line;

	while (text_next_line(dump->body.bytes, dump->body.length, &offset, &line, &length)) {
		text_trim(&line, &length);
		if (!text_starts(line, length, property) || (length > wide && line[wide] != ' ' && line[wide] != '\t'))
			continue;
		*value = (struct object_slice){line + wide, length - wide};
		text_trim(&value->bytes, &value->length);
		return true;
	}
	return false;
}

struct object_slice object_reference_name(struct object_slice value)
{
	size_t wide = 0;

	text_trim(&value.bytes, &value.length);
	if (value.length > 0 && (value.bytes[0] == '[' || value.bytes[0] == '('))
		value.length = 0;
	while (wide < value.length && value.bytes[wide] != ' ' && value.bytes[wide] != '\t')
		wide++;
	value.length = wide;
	return value;
}
