/* Any bytes as a journal: no crash, records are printable and encode to the bytes they came from, and what is called torn has no record
 * behind it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "run/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(const struct journal_record *record, const char *bytes, size_t length)
{
	char line[JOURNAL_RECORD_MAX_BYTES + 1], shown[JOURNAL_LINE_BYTES], value[JOURNAL_DATA_BYTES];
	struct buf out;

	buf_init(&out, line, sizeof line);
	if (journal_encode(record, &out) != 0 || out.len != length || memcmp(out.data, bytes, length) != 0)
		abort();
	buf_init(&out, shown, sizeof shown);
	if (journal_print(record, &out) != 0 || strchr(out.data, '\n') != out.data + out.len - 1)
		abort();
	(void)journal_get(record, "sentence", value, sizeof value);
}

/* Any bytes as data of a record that we write: what is added must come back. */
static void check_add(const uint8_t *data, size_t size)
{
	struct journal_record record = {.seq = 1, .run = "r"};
	char value[JOURNAL_DATA_BYTES], back[JOURNAL_DATA_BYTES];

	if (size >= sizeof value)
		return;
	memcpy(value, data, size);
	value[size] = '\0';
	if (journal_add(&record, "a", value) != 0)
		return;
	if (!journal_get(&record, "a", back, sizeof back) || strcmp(back, value) != 0)
		abort();
	journal_add_sentence(&record, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_reader reader;
	struct journal_record record;
	struct journal_state state;
	struct error error = {0};
	enum journal_read read;
	size_t before = 0;

	check_add(data, size);
	journal_reader_init(&reader, (const char *)data, size);
	journal_state_init(&state);
	while ((read = journal_reader_next(&reader, &record, &error)) == JOURNAL_RECORD) {
		check_record(&record, (const char *)data + before, reader.offset - before);
		journal_state_apply(&state, &record);
		before = reader.offset;
	}
	if (reader.offset != before || (read == JOURNAL_CLEAN_END) != (before == size) || (read == JOURNAL_DAMAGED) != (error.code != ERROR_NONE))
		abort();
	if (state.disable_open != (state.disable_run[0] != '\0') || (state.run_open && state.exit_code != -1))
		abort();
	return 0;
}
