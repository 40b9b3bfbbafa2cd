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

static void check_text(const char *text, size_t size)
{
	if (!memchr(text, '\0', size))
		abort();
}

static void check_state(const struct journal_state *state)
{
	const struct journal_standing *standing = &state->standing;

	if (state->disable_open != (state->disable_run[0] != '\0') || (state->run_open && state->exit_code != -1))
		abort();
	if (state->op_open >= 0 && (!state->run_open || state->op_open >= JOURNAL_OP_COUNT || state->ops[state->op_open].attempts == 0 || state->ops[state->op_open].ended))
		abort();
	if ((standing->granted && !standing->grant_run[0]) || standing->hold_until_ms < 0)
		abort();
	check_text(standing->plan, sizeof standing->plan);
	check_text(standing->grant_by, sizeof standing->grant_by);
	check_text(standing->hold_owner, sizeof standing->hold_owner);
	check_text(standing->hold_reason, sizeof standing->hold_reason);
	for (int i = 0; i < JOURNAL_OP_COUNT; i++) {
		const struct journal_op_state *op = &state->ops[i];

		if ((op->ended && op->attempts == 0) || op->exit_code < -1 || op->exit_code > 255 || op->disabled_ms < -1)
			abort();
		check_text(op->sentence, sizeof op->sentence);
		check_text(op->next, sizeof op->next);
	}
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
	check_state(&state);
	return 0;
}
