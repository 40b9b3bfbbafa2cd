#include "appliance/soma.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* ---- requests -------------------------------------------------------------------------------------------------- */

void soma_add_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<': (void)buf_add_string(out, "&lt;"); break;
		case '>': (void)buf_add_string(out, "&gt;"); break;
		case '&': (void)buf_add_string(out, "&amp;"); break;
		case '"': (void)buf_add_string(out, "&quot;"); break;
		case '\'': (void)buf_add_string(out, "&apos;"); break;
		default:
			if ((unsigned char)*text < ' ' || *text == 0x7f)
				out->overflow = true; /* no name or value of an appliance has one */
			else
				(void)buf_add(out, text, 1);
		}
	}
}

void soma_request_begin(struct buf *out, const char *domain)
{
	(void)buf_add_string(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
				  "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Body>"
				  "<dp:request xmlns:dp=\"http://www.datapower.com/schemas/management\" domain=\"");
	soma_add_text(out, domain);
	(void)buf_add_string(out, "\">");
}

void soma_request_end(struct buf *out)
{
	(void)buf_add_string(out, "</dp:request></env:Body></env:Envelope>\n");
}

void soma_add_property(struct buf *out, const char *name, const char *value)
{
	(void)buf_printf(out, "<%s>", name);
	soma_add_text(out, value);
	(void)buf_printf(out, "</%s>", name);
}

/* A request that is one empty element with one attribute. */
static void one_element(struct buf *out, const char *domain, const char *element, const char *attribute, const char *value)
{
	soma_request_begin(out, domain);
	(void)buf_printf(out, "<dp:%s %s=\"", element, attribute);
	soma_add_text(out, value);
	(void)buf_add_string(out, "\"/>");
	soma_request_end(out);
}

void soma_get_status(struct buf *out, const char *domain, const char *class_name)
{
	one_element(out, domain, "get-status", "class", class_name);
}

void soma_get_config(struct buf *out, const char *domain, const char *class_name)
{
	one_element(out, domain, "get-config", "class", class_name);
}

void soma_get_file(struct buf *out, const char *domain, const char *file)
{
	one_element(out, domain, "get-file", "name", file);
}

void soma_get_filestore(struct buf *out, const char *domain, const char *location)
{
	one_element(out, domain, "get-filestore", "location", location);
}

void soma_do_action(struct buf *out, const char *domain, const char *action, const char *class_name, const char *object)
{
	soma_request_begin(out, domain);
	(void)buf_printf(out, "<dp:do-action><%s><ObjectName class=\"%s\">", action, class_name);
	soma_add_text(out, object);
	(void)buf_printf(out, "</ObjectName></%s></dp:do-action>", action);
	soma_request_end(out);
}

void soma_config_begin(struct buf *out, const char *domain, const char *verb, const char *class_name, const char *object)
{
	soma_request_begin(out, domain);
	(void)buf_printf(out, "<dp:%s><%s name=\"", verb, class_name);
	soma_add_text(out, object);
	(void)buf_add_string(out, "\">");
}

void soma_config_end(struct buf *out, const char *verb, const char *class_name)
{
	(void)buf_printf(out, "</%s></dp:%s>", class_name, verb);
	soma_request_end(out);
}

/* ---- what can be looked up in a row ---------------------------------------------------------------------------- */

const char *soma_nested(const struct soma_row *row, unsigned parent, const char *name)
{
	for (unsigned i = 0; i < row->count; i++)
		if (row->properties[i].parent == parent + 1 && strcmp(row->properties[i].name, name) == 0)
			return row->properties[i].value;
	return NULL;
}

const char *soma_value(const struct soma_row *row, const char *name)
{
	for (unsigned i = 0; i < row->count; i++)
		if (row->properties[i].parent == 0 && strcmp(row->properties[i].name, name) == 0)
			return row->properties[i].value;
	return NULL;
}

int soma_path(char *out, size_t size_bytes, const char *name)
{
	const char *colon = strchr(name, ':');
	size_t head = colon ? (size_t)(colon - name) + 1 : 0;
	const char *rest = name + head;

	out[0] = '\0';
	while (*rest == '/')
		rest++;
	if (head + strlen(rest) >= size_bytes)
		return -1;
	memcpy(out, name, head);
	memcpy(out + head, rest, strlen(rest) + 1);
	return 0;
}

/* ---- responses ------------------------------------------------------------------------------------------------- */

/* Where an open element stands in a response. */
enum place {
	DOCUMENT, SKIPPED, ENVELOPE, BODY, RESPONSE, RESULT, ERRORS, WORDS, FAULT, FAULT_CODE, FAULT_REASON, CODE, TIMESTAMP,
	STATUS, CONFIG, ROW, PROPERTY, NESTED, FILE_CONTENT, LISTING, FOLDER, ENTRY, SIZE, MODIFIED,
};

/* What is known inside of what; a NULL is any name. All else is skipped. */
static const struct {
	unsigned char parent;
	const char *name;
	unsigned char place;
} grammar[] = {
	{DOCUMENT, "Envelope", ENVELOPE},
	{ENVELOPE, "Body", BODY},
	{BODY, "response", RESPONSE},
	{RESPONSE, "timestamp", TIMESTAMP},
	{RESPONSE, "result", RESULT},
	{RESPONSE, "error-log", ERRORS},
	{RESULT, "error-log", ERRORS},
	{ERRORS, "log-event", WORDS},
	{RESULT, "log-event", WORDS},
	{BODY, "Fault", FAULT},
	{FAULT, "faultcode", CODE},
	{FAULT, "faultstring", WORDS},
	{FAULT, "Code", FAULT_CODE}, /* SOAP 1.2 */
	{FAULT_CODE, "Value", CODE},
	{FAULT, "Reason", FAULT_REASON},
	{FAULT_REASON, "Text", WORDS},
	{RESPONSE, "status", STATUS},
	{RESPONSE, "config", CONFIG},
	{STATUS, NULL, ROW},
	{CONFIG, NULL, ROW},
	{ROW, NULL, PROPERTY},
	{PROPERTY, NULL, NESTED},
	{RESPONSE, "file", FILE_CONTENT},
	{RESPONSE, "filestore", LISTING},
	{LISTING, "location", FOLDER},
	{FOLDER, "directory", FOLDER},
	{FOLDER, "file", ENTRY},
	{ENTRY, "size", SIZE},
	{ENTRY, "modified", MODIFIED},
};

static const char next_step[] = "try again; when it stays so, send the same request by hand (curl) and look at the answer";

static enum place place_of(enum place parent, const char *name)
{
	for (size_t i = 0; i < sizeof grammar / sizeof grammar[0]; i++)
		if (grammar[i].parent == parent && (!grammar[i].name || strcmp(grammar[i].name, name) == 0))
			return (enum place)grammar[i].place;
	return SKIPPED;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int too_much(struct soma_reader *reader, const char *what, unsigned long long max)
{
	return error_set(reader->error, ERROR_ANSWER, next_step, "the answer has %s than the limit of %llu", what, max);
}

/* ---- text in the arena: strings one behind the other, each with its NUL */

static int arena_add(struct soma_reader *reader, const char *bytes, size_t count)
{
	if (count > sizeof reader->text - reader->text_bytes)
		return too_much(reader, "a row or path with more bytes", SOMA_ROW_MAX_BYTES);
	memcpy(reader->text + reader->text_bytes, bytes, count);
	reader->text_bytes += count;
	return 0;
}

/* A whole string; NULL: does not fit. */
static const char *arena_string(struct soma_reader *reader, const char *string)
{
	const char *copy = reader->text + reader->text_bytes;

	return arena_add(reader, string, strlen(string) + 1) ? NULL : copy;
}

static void value_begin(struct soma_reader *reader)
{
	reader->value_at = reader->text_bytes;
	reader->value_open = true;
}

/* Half of a value must not be taken for all of it. */
static int mixed(struct soma_reader *reader)
{
	return error_set(reader->error, ERROR_ANSWER, next_step, "the answer has text beside elements, where only one of both is known");
}

static int value_add(struct soma_reader *reader, const char *bytes, size_t count)
{
	while (count > 0 && !reader->value_open) { /* behind an element */
		if (!is_blank(*bytes))
			return mixed(reader);
		bytes++;
		count--;
	}
	while (count > 0 && reader->text_bytes == reader->value_at && is_blank(*bytes)) {
		bytes++;
		count--;
	}
	return arena_add(reader, bytes, count);
}

/* Ends the value under way; NULL: does not fit. */
static const char *value_end(struct soma_reader *reader)
{
	while (reader->text_bytes > reader->value_at && is_blank(reader->text[reader->text_bytes - 1]))
		reader->text_bytes--;
	reader->value_open = false;
	return arena_add(reader, "", 1) ? NULL : reader->text + reader->value_at;
}

/* ---- what the appliance says */

/* Adds text with runs of white space as one blank, none in front; what does not fit is dropped. */
static void add_said(struct buf *buf, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_blank(bytes[i]))
			(void)buf_add(buf, &bytes[i], 1);
		else if (buf->len > 0 && buf->data[buf->len - 1] != ' ')
			(void)buf_add(buf, " ", 1);
	}
}

static void trim_said(struct buf *buf)
{
	while (buf->len > 0 && buf->data[buf->len - 1] == ' ')
		buf->data[--buf->len] = '\0';
}

/* Another piece of the appliance's words begins. */
static void next_said(struct soma_reader *reader)
{
	trim_said(&reader->said);
	if (reader->said.len > 0)
		(void)buf_add_string(&reader->said, "; ");
}

/* Adds text without white space; what does not fit is dropped. */
static void add_plain(char *out, size_t size, const char *bytes, size_t count)
{
	size_t used = strlen(out);

	for (size_t i = 0; i < count && used + 1 < size; i++)
		if (!is_blank(bytes[i]))
			out[used++] = bytes[i];
	out[used] = '\0';
}

/* ---- rows */

static const char *attribute(const char *const *attributes, const char *name)
{
	for (; attributes[0]; attributes += 2)
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	return "";
}

static int row_begin(struct soma_reader *reader, const char *name, const char *const *attributes)
{
	reader->text_bytes = 0;
	reader->count = reader->open_parent = 0;
	reader->class_name = arena_string(reader, name);
	reader->name = reader->class_name ? arena_string(reader, attribute(attributes, "name")) : NULL;
	return reader->name ? 0 : -1;
}

static bool is_wanted(const struct soma_reader *reader, const char *name)
{
	const char *const *wanted = reader->functions->wanted;

	if (!reader->functions->row)
		return false;
	for (; wanted && *wanted; wanted++)
		if (strcmp(*wanted, name) == 0)
			return true;
	return !reader->functions->wanted;
}

/* Ends the value of the property that was opened last. */
static int property_close(struct soma_reader *reader)
{
	const char *value;

	if (!reader->value_open)
		return 0;
	value = value_end(reader);
	reader->properties[reader->count - 1].value = value;
	return value ? 0 : -1;
}

static int property_begin(struct soma_reader *reader, const char *name, unsigned parent)
{
	if (property_close(reader))
		return -1;
	if (parent > 0 && reader->properties[parent - 1].value[0])
		return mixed(reader);
	if (reader->count == SOMA_PROPERTIES_MAX)
		return too_much(reader, "a row with more properties", SOMA_PROPERTIES_MAX);
	name = arena_string(reader, name);
	if (!name)
		return -1;
	reader->properties[reader->count++] = (struct soma_property){name, "", parent};
	value_begin(reader);
	return 0;
}

static int row_end(struct soma_reader *reader)
{
	struct soma_row row = {reader->class_name, reader->name, reader->properties, reader->count};

	reader->rows++;
	return reader->functions->row ? reader->functions->row(reader->context, &row, reader->error) : 0;
}

/* ---- files */

static int file_begin(struct soma_reader *reader)
{
	if (reader->have_file)
		return error_set(reader->error, ERROR_ANSWER, next_step, "the answer has more than one file");
	reader->have_file = reader->have_data = true;
	base64_decoder_init(&reader->decoder);
	return 0;
}

static int no_base64(struct soma_reader *reader)
{
	return error_set(reader->error, ERROR_ANSWER, next_step, "a file in the answer is no base64, behind its byte %llu",
			 (unsigned long long)reader->file_bytes);
}

static int file_add(struct soma_reader *reader, const char *bytes, size_t count)
{
	enum { PIECE_BYTES = 4096 };
	char decoded[(PIECE_BYTES + 3) / 4 * 3];

	while (count > 0) {
		size_t piece = count < PIECE_BYTES ? count : PIECE_BYTES;
		int64_t got = base64_decode(&reader->decoder, bytes, piece, decoded);

		if (got < 0)
			return no_base64(reader);
		if (reader->functions->file && (uint64_t)got > reader->functions->file_max_bytes - reader->file_bytes)
			return too_much(reader, "a file with more bytes", reader->functions->file_max_bytes);
		reader->file_bytes += (uint64_t)got;
		if (got > 0 && reader->functions->file && reader->functions->file(reader->context, decoded, (size_t)got, reader->error))
			return -1;
		bytes += piece;
		count -= piece;
	}
	return 0;
}

/* ---- listings */

/* The path of what NAME is inside of the folder around it. A name with a colon is a whole path. */
static int path_begin(struct soma_reader *reader, const char *name)
{
	bool inside = reader->place[reader->depth - 1] == FOLDER;
	const char *around = inside ? reader->text + reader->path_at[reader->depth - 1] : "";
	char whole[SOMA_ROW_MAX_BYTES / 4];
	size_t wide = strlen(around);

	if (!inside)
		reader->text_bytes = 0;
	reader->path_at[reader->depth] = reader->text_bytes;
	if (soma_path(whole, sizeof whole, name))
		return too_much(reader, "a path with more bytes", sizeof whole - 1);
	if (strchr(whole, ':'))
		return arena_add(reader, whole, strlen(whole) + 1);
	if (arena_add(reader, around, wide) || (wide > 0 && around[wide - 1] != ':' && arena_add(reader, "/", 1)))
		return -1;
	return arena_add(reader, whole, strlen(whole) + 1);
}

static int entry_begin(struct soma_reader *reader, const char *const *attributes)
{
	reader->size = reader->modified = "";
	return path_begin(reader, attribute(attributes, "name"));
}

static int entry_end(struct soma_reader *reader)
{
	struct soma_entry entry = {reader->text + reader->path_at[reader->depth], reader->size, reader->modified};

	reader->text_bytes = reader->path_at[reader->depth];
	return reader->functions->entry ? reader->functions->entry(reader->context, &entry, reader->error) : 0;
}

/* ---- the document */

/* An element that is not known, where text is. */
static int skipped_begin(struct soma_reader *reader)
{
	switch (reader->place[reader->depth - 1]) {
	case NESTED:
		if (property_close(reader))
			return -1;
		return reader->properties[reader->count - 1].value[0] ? mixed(reader) : 0;
	case FILE_CONTENT:
	case SIZE:
	case MODIFIED: return mixed(reader);
	case RESULT: /* neither OK alone, nor nothing */
		reader->place[reader->depth] = WORDS;
		reader->result.overflow = true;
		next_said(reader);
		return 0;
	default: return 0;
	}
}

static enum place enter(struct soma_reader *reader, const char *name)
{
	enum place place = place_of((enum place)reader->place[reader->depth], name);

	if (place == PROPERTY && !is_wanted(reader, name))
		place = SKIPPED;
	reader->place[++reader->depth] = (unsigned char)place;
	return place;
}

static int on_start(void *context, const char *name, const char *const *attributes)
{
	struct soma_reader *reader = context;

	assert(reader->depth < XML_DEPTH_MAX); /* platform/xml.h */
	switch (enter(reader, name)) {
	case SKIPPED: return skipped_begin(reader);
	case RESPONSE: reader->have_response = true; return 0;
	case RESULT: reader->have_result = true; return 0;
	case ERRORS: reader->have_events = true; return 0;
	case WORDS:
		reader->have_events = reader->have_events || !reader->have_fault;
		next_said(reader);
		return 0;
	case FAULT: reader->have_fault = true; return 0;
	case STATUS: reader->have_status = reader->have_data = true; return 0;
	case CONFIG: reader->have_config = reader->have_data = true; return 0;
	case ROW: return row_begin(reader, name, attributes);
	case PROPERTY:
		reader->open_parent = reader->count + 1;
		return property_begin(reader, name, 0);
	case NESTED: return property_begin(reader, name, reader->open_parent);
	case FILE_CONTENT: return file_begin(reader);
	case LISTING: reader->have_listing = reader->have_data = true; return 0;
	case FOLDER: return path_begin(reader, attribute(attributes, "name"));
	case ENTRY: return entry_begin(reader, attributes);
	case SIZE:
	case MODIFIED: value_begin(reader); return 0;
	default: return 0;
	}
}

static int on_text(void *context, const char *bytes, size_t count)
{
	struct soma_reader *reader = context;

	switch (reader->place[reader->depth]) {
	case RESULT:
		add_said(&reader->result, bytes, count);
		add_said(&reader->said, bytes, count);
		return 0;
	case WORDS: add_said(&reader->said, bytes, count); return 0;
	case CODE: add_plain(reader->code, sizeof reader->code, bytes, count); return 0;
	case TIMESTAMP: add_plain(reader->timestamp, sizeof reader->timestamp, bytes, count); return 0;
	case PROPERTY:
	case NESTED:
	case SIZE:
	case MODIFIED: return value_add(reader, bytes, count);
	case FILE_CONTENT: return file_add(reader, bytes, count);
	default: return 0;
	}
}

static int leave(struct soma_reader *reader, enum place place)
{
	switch (place) {
	case PROPERTY:
	case NESTED: return property_close(reader);
	case ROW: return row_end(reader);
	case FILE_CONTENT: return base64_decoder_complete(&reader->decoder) ? 0 : no_base64(reader);
	case SIZE: reader->size = value_end(reader); return reader->size ? 0 : -1;
	case MODIFIED: reader->modified = value_end(reader); return reader->modified ? 0 : -1;
	case ENTRY: return entry_end(reader);
	case FOLDER: reader->text_bytes = reader->path_at[reader->depth]; return 0;
	default: return 0;
	}
}

static int on_end(void *context, const char *name)
{
	struct soma_reader *reader = context;
	int status = leave(reader, (enum place)reader->place[reader->depth]);

	(void)name;
	reader->depth--;
	return status;
}

/* ---- interface */

static const struct xml_functions on = {on_start, on_text, on_end};

void soma_reader_init(struct soma_reader *reader, const struct soma_functions *functions, void *context)
{
	memset(reader, 0, offsetof(struct soma_reader, properties));
	reader->functions = functions;
	reader->context = context;
	reader->place[0] = DOCUMENT;
	buf_init(&reader->result, reader->result_text, sizeof reader->result_text);
	buf_init(&reader->said, reader->words, sizeof reader->words);
	reader->xml = xml_open(&on, reader);
}

void soma_reader_free(struct soma_reader *reader)
{
	xml_close(reader->xml);
	reader->xml = NULL;
}

static int feed(struct soma_reader *reader, const char *bytes, size_t count, int last, struct error *error)
{
	int status;

	if (!reader->xml)
		return error_set(error, ERROR_INTERNAL, "free memory on this machine, and try again", "there is no memory to read an answer");
	reader->error = error;
	status = xml_input(reader->xml, bytes, count, last, error);
	reader->error = NULL;
	return status;
}

int soma_reader_input(struct soma_reader *reader, const char *bytes, size_t count_bytes, struct error *error)
{
	/* White space before the document would make its first line an error. */
	while (!reader->begun && count_bytes > 0 && is_blank(*bytes)) {
		bytes++;
		count_bytes--;
	}
	if (count_bytes == 0)
		return 0;
	reader->begun = true;
	return feed(reader, bytes, count_bytes, 0, error);
}

int soma_reader_end(struct soma_reader *reader, struct error *error)
{
	if (feed(reader, "", 0, 1, error))
		return -1;
	trim_said(&reader->result);
	trim_said(&reader->said);
	reader->words_bytes = reader->said.len;
	return 0;
}

enum soma_outcome soma_reader_outcome(const struct soma_reader *reader)
{
	const struct buf *result = &reader->result;

	if (reader->have_fault)
		return SOMA_FAULT;
	if (!reader->have_response)
		return SOMA_STRANGE;
	if (reader->have_events)
		return SOMA_COMPLAINT;
	if (!result->overflow && text_equal(result->data, result->len, "OK"))
		return SOMA_OK;
	/* However it is spelled or goes on: to take a refusal for something else would mean to send the password again. */
	if (result->len >= strlen("authentication fail") && strncasecmp(result->data, "authentication fail", strlen("authentication fail")) == 0)
		return SOMA_DENIED;
	if (result->len > 0 || result->overflow)
		return SOMA_COMPLAINT;
	return reader->have_data ? SOMA_DATA : SOMA_NOTHING;
}
