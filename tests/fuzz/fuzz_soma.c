#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appliance/xmi.h"
#include "base/crc32.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the reader alone: the same for every split */

struct seen {
	int result;
	enum soma_outcome outcome;
	uint32_t crc;
	uint64_t rows, bytes;
};

static void add(struct seen *seen, const char *string)
{
	seen->crc = crc32_update(seen->crc, string, strlen(string) + 1);
}

static int on_row(void *context, const struct soma_row *row, struct error *error)
{
	struct seen *seen = context;

	(void)error;
	add(seen, row->class_name);
	add(seen, row->name);
	if (row->count > SOMA_PROPERTIES_MAX)
		abort();
	for (unsigned i = 0; i < row->count; i++) {
		if (row->properties[i].parent > i)
			abort();
		add(seen, row->properties[i].name);
		add(seen, row->properties[i].value);
	}
	seen->rows++;
	return 0;
}

static int on_file(void *context, const char *bytes, size_t count, struct error *error)
{
	struct seen *seen = context;

	(void)error;
	seen->bytes += count;
	seen->crc = crc32_update(seen->crc, bytes, count);
	return 0;
}

static int on_entry(void *context, const struct soma_entry *entry, struct error *error)
{
	(void)error;
	add(context, entry->path);
	add(context, entry->size);
	add(context, entry->modified);
	return 0;
}

static const struct soma_functions functions = {.row = on_row, .file = on_file, .file_max_bytes = 4096, .entry = on_entry};

static void read_document(const char *text, size_t size, bool split, struct seen *seen)
{
	static struct soma_reader reader;
	struct error error = {0};

	memset(seen, 0, sizeof *seen);
	soma_reader_init(&reader, &functions, seen);
	while (size > 0 && seen->result == 0) {
		size_t piece = split ? 1 + ((unsigned char)*text & 31) : size;

		piece = piece < size ? piece : size;
		seen->result = soma_reader_input(&reader, text, piece, &error);
		text += piece;
		size -= piece;
	}
	if (seen->result == 0)
		seen->result = soma_reader_end(&reader, &error);
	if (seen->result == 0) {
		seen->outcome = soma_reader_outcome(&reader);
		if (reader.rows != seen->rows || reader.file_bytes != seen->bytes || reader.words_bytes > SOMA_WORDS_MAX_BYTES)
			abort();
		add(seen, reader.words);
		add(seen, reader.code);
	} else if (error.code != ERROR_ANSWER || !error.what[0] || !error.next[0]) {
		abort();
	}
	soma_reader_free(&reader);
}

/* ---- every operation, with the input as the answer to each of its requests */

static struct xmi xmi;
static struct appliance_facts facts;

static int take_file(void *context, const char *bytes, size_t count)
{
	(void)context;
	return count > 1000 || (count > 0 && bytes[0] == '!');
}

static void converse(const char *text, size_t size, int status)
{
	size_t length;

	while (xmi_request(&xmi, &length)) {
		xmi_sent(&xmi);
		(void)xmi_input(&xmi, text, size / 2);
		(void)xmi_input(&xmi, text + size / 2, size - size / 2);
		(void)xmi_response(&xmi, status);
	}
	if (xmi.status != XMI_DONE && xmi.status != XMI_FAILED)
		abort();
	if ((xmi.status == XMI_FAILED) != (xmi.error.code != ERROR_NONE) || (xmi.status == XMI_FAILED && !xmi.error.next[0]))
		abort();
	if (xmi.status == XMI_DONE && xmi.effect == APPLIANCE_EFFECT_POSSIBLE)
		abort();
	if (facts.table.count > PEERING_ROWS_MAX || facts.peering_count > APPLIANCE_PEERINGS_MAX || facts.log_target_count > APPLIANCE_LOG_TARGETS_MAX)
		abort();
}

static void run_operations(const char *text, size_t size)
{
	static const int statuses[] = {200, 200, 200, 401, 404, 500};
	static const struct appliance_wanted wanted = {.persistence = "local", .log_target = "drr-agent", .log_file = "logtemp:///x"};
	const struct xmi_settings settings = {"apiconnect", size % 3 ? "" : "gwd", &wanted};
	int status = statuses[size % 6];

	memset(&facts, 0, sizeof facts);
	memcpy(facts.object, "gwd", 4);
	xmi_init(&xmi, &settings, &facts);
	for (int op = 0; op < APPLIANCE_OP_COUNT; op++) {
		if (!xmi_can((enum appliance_op)op))
			continue;
		xmi_start(&xmi, (enum appliance_op)op);
		converse(text, size, status);
	}
	xmi_start_file(&xmi, "logtemp:///gwd-log.log", take_file, NULL);
	converse(text, size, status);
	xmi_start_list(&xmi, "logtemp:///gwd-log.log");
	converse(text, size, status);
	xmi_free(&xmi);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1);
	struct seen whole, split;

	if (!text)
		return 0;
	memcpy(text, data, size);
	read_document(text, size, false, &whole);
	read_document(text, size, true, &split);
	if (whole.result != split.result || (whole.result == 0 && (whole.outcome != split.outcome || whole.crc != split.crc)))
		abort();
	run_operations(text, size);
	free(text);
	return 0;
}
