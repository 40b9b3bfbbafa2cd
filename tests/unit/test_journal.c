/* agent/run/journal: the golden files, every prefix, every flipped bit, and what is open after a crash at each point.
 *
 * tests/golden/journal/NAME.journal was not written by this code; NAME.txt is what it must read as: a line for each record, the verdict,
 * and the state. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "run/journal.h"

#ifndef DRR_TESTS_DIR
#error "DRR_TESTS_DIR must be the path of tests/"
#endif

#define GOLDEN DRR_TESTS_DIR "/golden/journal/"

enum { FILE_BYTES = 32768, RECORDS = 64 };

static char file[FILE_BYTES];
static size_t file_bytes;

static void slurp(const char *name)
{
	char path[512];
	FILE *stream;

	(void)snprintf(path, sizeof path, "%s%s", GOLDEN, name);
	stream = fopen(path, "rb");
	if (!stream)
		fail_msg("cannot open %s", path);
	file_bytes = fread(file, 1, sizeof file - 1, stream);
	file[file_bytes] = '\0';
	(void)fclose(stream);
}

/* ---- golden files ---- */

static void dump_state(const struct journal_state *s, struct buf *out)
{
	(void)buf_printf(out, "run=%s open=%d exit=%d last=%s/%s step_open=%s disable_open=%d/%s flush=%d%d%d primary=%d bounce=%d confirm=%d "
			      "await=%d mark=%d:%llu\n",
			 s->run, s->run_open, s->exit_code, journal_step_name(s->last_step), journal_result_name(s->last_result),
			 journal_step_name(s->step_open), s->disable_open, s->disable_run, s->flush_open, s->flush_done, s->flush_unknown,
			 s->primary_done, s->bounce_done, s->confirm_done, s->await_done, s->have_mark,
			 (unsigned long long)s->mark.offset);
}

/* Only where a grant, a hold or a step that was asked for by itself was ever there: foreign text is escaped. */
static void dump_standing(const struct journal_state *s, struct buf *out)
{
	const struct journal_standing *standing = &s->standing;
	char shown[4 * JOURNAL_PLAN_BYTES + 8], more[4 * JOURNAL_SENTENCE_BYTES + 8];

	if (standing->grant_run[0])
		(void)buf_printf(out, "granted=%d run=%s by=%s since=%lld released=%s\n  plan=%s\n", standing->granted, standing->grant_run,
				 text_escape(more, sizeof more, standing->grant_by, strlen(standing->grant_by)), (long long)standing->grant_wall_ms,
				 standing->released_run, text_escape(shown, sizeof shown, standing->plan, strlen(standing->plan)));
	if (standing->hold_wall_ms > 0)
		(void)buf_printf(out, "held=%d owner=%s since=%lld until=%lld\n  reason=%s\n", standing->held, standing->hold_owner, (long long)standing->hold_wall_ms,
				 (long long)standing->hold_until_ms, text_escape(shown, sizeof shown, standing->hold_reason, strlen(standing->hold_reason)));
	for (int i = 0; i < JOURNAL_OP_COUNT; i++) {
		const struct journal_op_state *op = &s->ops[i];

		if (op->attempts > 0)
			(void)buf_printf(out, "%s%s: attempts=%u ended=%d exit=%d began=%lld ended=%lld disabled_ms=%lld\n  sentence=%s\n  next=%s\n",
					 s->op_open == i ? "open " : "", journal_op_name((enum journal_op)i), op->attempts, op->ended, op->exit_code,
					 (long long)op->began_wall_ms, (long long)op->ended_wall_ms, (long long)op->disabled_ms,
					 text_escape(shown, sizeof shown, op->sentence, strlen(op->sentence)), text_escape(more, sizeof more, op->next, strlen(op->next)));
	}
}

static void dump(struct buf *out)
{
	struct journal_reader reader;
	struct journal_record record;
	struct journal_state s;
	struct error error = {0};
	enum journal_read read;

	journal_reader_init(&reader, file, file_bytes);
	journal_state_init(&s);
	while ((read = journal_reader_next(&reader, &record, &error)) == JOURNAL_RECORD) {
		assert_int_equal(journal_print(&record, out), 0);
		journal_state_apply(&s, &record);
	}
	if (read == JOURNAL_DAMAGED)
		(void)buf_printf(out, "%s\n", error.what);
	else
		(void)buf_printf(out, "%s at %zu of %zu\n", read == JOURNAL_TORN ? "torn" : "clean end", reader.offset, file_bytes);
	dump_state(&s, out);
	dump_standing(&s, out);
}

static void check_golden(const char *name)
{
	static char memory[FILE_BYTES];
	char text[256];
	struct buf out;

	slurp(name);
	buf_init(&out, memory, sizeof memory);
	dump(&out);
	assert_false(out.overflow);
	(void)snprintf(text, sizeof text, "%.*s.txt", (int)(strrchr(name, '.') - name), name);
	if (getenv("DRR_GOLDEN_UPDATE")) { /* then read the diff */
		char path[512];
		FILE *stream;

		(void)snprintf(path, sizeof path, "%s%s", GOLDEN, text);
		stream = fopen(path, "wb");
		assert_true(stream && fwrite(out.data, 1, out.len, stream) == out.len && fclose(stream) == 0);
	}
	slurp(text);
	if (strcmp(file, out.data) != 0)
		fail_msg("%s\n--- expected\n%s--- got\n%s", name, file, out.data);
}

static void matches_golden_files(void **state)
{
	DIR *folder = opendir(GOLDEN);
	struct dirent *entry;
	unsigned count = 0;

	(void)state;
	assert_non_null(folder);
	while ((entry = readdir(folder)))
		if (text_ends(entry->d_name, strlen(entry->d_name), ".journal")) {
			check_golden(entry->d_name);
			count++;
		}
	(void)closedir(folder);
	assert_true(count >= 22);
}

/* ---- broken files ---- */

static struct journal_record good[RECORDS];
static size_t good_ends[RECORDS];
static unsigned good_count;

static void read_good(void)
{
	struct journal_reader reader;
	struct error error = {0};

	slurp("recovered.journal");
	journal_reader_init(&reader, file, file_bytes);
	for (good_count = 0; journal_reader_next(&reader, &good[good_count], &error) == JOURNAL_RECORD; good_count++)
		good_ends[good_count] = reader.offset;
	assert_int_equal(good_count, 13);
	assert_int_equal(reader.offset, file_bytes);
}

/* Reads BYTES; each record must be the one of the good file. Returns the verdict, *count the records. */
static enum journal_read read_like_good(const char *bytes, size_t length, unsigned *count, size_t *offset)
{
	struct journal_reader reader;
	struct journal_record record;
	struct error error = {0};
	enum journal_read read;

	journal_reader_init(&reader, bytes, length);
	for (*count = 0; (read = journal_reader_next(&reader, &record, &error)) == JOURNAL_RECORD; (*count)++) {
		assert_in_range(*count, 0, good_count - 1);
		assert_memory_equal(&record, &good[*count], sizeof record);
	}
	*offset = reader.offset;
	assert_int_equal(error.code != ERROR_NONE, read == JOURNAL_DAMAGED);
	return read;
}

static void every_prefix_is_clean_or_torn(void **state)
{
	unsigned whole = 0;

	(void)state;
	read_good();
	for (size_t length = 0; length <= file_bytes; length++) {
		unsigned count;
		size_t offset;
		char *exact = malloc(length + 1); /* so that the address sanitizer sees a byte read too far */
		enum journal_read read;

		memcpy(exact, file, length);
		if (whole < good_count && length == good_ends[whole])
			whole++;
		exact = realloc(exact, length > 0 ? length : 1);
		read = read_like_good(exact, length, &count, &offset);
		assert_int_equal(count, whole);
		assert_int_equal(offset, whole > 0 ? good_ends[whole - 1] : 0);
		assert_int_equal(read, length == offset ? JOURNAL_CLEAN_END : JOURNAL_TORN);
		free(exact);
	}
}

static void every_prefix_with_nuls_is_torn(void **state)
{
	static char padded[FILE_BYTES + 4096];

	(void)state;
	read_good();
	for (size_t length = 0; length < file_bytes; length += 7) {
		unsigned count;
		size_t offset;

		memset(padded, 0, sizeof padded);
		memcpy(padded, file, length);
		assert_int_equal(read_like_good(padded, length + 4096, &count, &offset), JOURNAL_TORN);
	}
}

static void every_flipped_bit_is_seen(void **state)
{
	(void)state;
	read_good();
	for (size_t bit = 0; bit < 8 * file_bytes; bit++) {
		unsigned count;
		size_t offset;
		enum journal_read read;
		bool is_last_line_end = bit / 8 == file_bytes - 1;

		file[bit / 8] = (char)(file[bit / 8] ^ 1 << bit % 8);
		read = read_like_good(file, file_bytes, &count, &offset);
		file[bit / 8] = (char)(file[bit / 8] ^ 1 << bit % 8);
		assert_int_equal(read, is_last_line_end ? JOURNAL_TORN : JOURNAL_DAMAGED);
		assert_in_range(count, 0, good_count - 1);
		assert_int_equal(good_ends[count] > bit / 8, 1); /* no good record before the bit is lost, none behind is taken */
	}
}

/* Sectors of the last record that never reached the disk, with later ones that did. */
static void lost_sectors_are_torn(void **state)
{
	size_t last = 0;

	(void)state;
	read_good();
	last = good_ends[good_count - 2];
	for (size_t from = last; from + 8 < file_bytes; from++) {
		unsigned count;
		size_t offset;

		slurp("recovered.journal");
		memset(file + from, 0, 8);
		assert_int_equal(read_like_good(file, file_bytes, &count, &offset), JOURNAL_TORN);
		assert_int_equal(offset, last);
	}
}

static void lost_middles_are_damage(void **state)
{
	static char cut[FILE_BYTES];

	(void)state;
	read_good();
	for (size_t from = 0; from < good_ends[good_count - 2]; from += 3)
		for (size_t lost = 1; from + lost <= good_ends[good_count - 2]; lost += 17) {
			unsigned count;
			size_t offset;

			memcpy(cut, file, from);
			memcpy(cut + from, file + from + lost, file_bytes - from - lost);
			assert_int_equal(read_like_good(cut, file_bytes - lost, &count, &offset), JOURNAL_DAMAGED);
		}
}

/* ---- records ---- */

static struct journal_record make(enum journal_kind kind, enum journal_step step, const char *run)
{
	struct journal_record record;

	memset(&record, 0, sizeof record);
	record.seq = 1;
	record.wall_ms = INT64_C(1767323045678);
	record.kind = kind;
	record.step = step;
	(void)text_copy(record.run, sizeof record.run, run, strlen(run));
	return record;
}

static void round_trips(void **state)
{
	struct journal_record record = make(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "a"), back;
	char memory[JOURNAL_RECORD_MAX_BYTES + 1], all[256], value[256];
	struct journal_reader reader;
	struct error error = {0};
	struct buf out;

	(void)state;
	for (unsigned i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = '\0';
	assert_int_equal(journal_add(&record, "all", all), 0);
	assert_int_equal(journal_add(&record, "empty", ""), 0);
	assert_int_equal(journal_add(&record, "all", "again"), -1);
	assert_int_equal(journal_add(&record, "Bad", "x"), -1);
	assert_int_equal(journal_add(&record, "", "x"), -1);
	buf_init(&out, memory, sizeof memory);
	assert_int_equal(journal_encode(&record, &out), 0);
	journal_reader_init(&reader, out.data, out.len);
	assert_int_equal(journal_reader_next(&reader, &back, &error), JOURNAL_RECORD);
	assert_memory_equal(&record, &back, sizeof record);
	assert_true(journal_get(&back, "all", value, sizeof value));
	assert_string_equal(value, all);
	assert_false(journal_get(&back, "all", value, 255));
	assert_true(journal_get(&back, "empty", value, 1));
	assert_false(journal_get(&back, "al", value, sizeof value));
	assert_int_equal(journal_reader_next(&reader, &back, &error), JOURNAL_CLEAN_END);
}

static void times_round_trip(void **state)
{
	static const struct { int64_t ms; const char *text; } times[] = {
		{0, " 1970-01-01T00:00:00.000Z "}, {INT64_C(951782399999), " 2000-02-28T23:59:59.999Z "},
		{INT64_C(951782400000), " 2000-02-29T00:00:00.000Z "}, {INT64_C(4107542400000), " 2100-03-01T00:00:00.000Z "},
		{INT64_C(1735689599001), " 2024-12-31T23:59:59.001Z "}, {INT64_C(253402300799999), " 9999-12-31T23:59:59.999Z "},
	};
	char memory[JOURNAL_RECORD_MAX_BYTES];
	struct buf out;

	(void)state;
	buf_init(&out, memory, sizeof memory);
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct journal_record record = make(JOURNAL_END, JOURNAL_STEP_NONE, "a");
		struct journal_reader reader;
		struct error error = {0};

		record.wall_ms = times[i].ms;
		buf_reset(&out);
		assert_int_equal(journal_encode(&record, &out), 0);
		assert_non_null(strstr(out.data, times[i].text));
		journal_reader_init(&reader, out.data, out.len);
		assert_int_equal(journal_reader_next(&reader, &record, &error), JOURNAL_RECORD);
		assert_true(record.wall_ms == times[i].ms);
	}
}

static void encode_keeps_its_rules(void **state)
{
	struct journal_record record = make(JOURNAL_END, JOURNAL_STEP_NONE, "a");
	char memory[JOURNAL_RECORD_MAX_BYTES];
	static const char *const bad_data[] = {" a=b", "a=b ", "a=b  c=d", "a", "=b", "a=b\n", "a=%0", "a=%41", "a=%zz", "a=\x01"};
	struct buf out;

	(void)state;
	buf_init(&out, memory, sizeof memory);
	record.seq = 0;
	assert_int_equal(journal_encode(&record, &out), -1);
	record.seq = 1;
	record.wall_ms = -1;
	assert_int_equal(journal_encode(&record, &out), -1);
	record.wall_ms = 0;
	for (size_t i = 0; i < sizeof bad_data / sizeof bad_data[0]; i++) {
		(void)strcpy(record.data, bad_data[i]);
		assert_int_equal(journal_encode(&record, &out), -1);
	}
	(void)strcpy(record.data, "a=b");
	(void)strcpy(record.run, "a b");
	assert_int_equal(journal_encode(&record, &out), -1);
	record.run[0] = '\0';
	assert_int_equal(journal_encode(&record, &out), -1);
	assert_int_equal(out.len, 0);
	(void)strcpy(record.run, "A-z_0.9");
	assert_int_equal(journal_encode(&record, &out), 0);
	buf_init(&out, memory, out.len); /* one byte too small */
	assert_int_equal(journal_encode(&record, &out), -1);
	assert_int_equal(out.len, 0);
}

static void fullest_record_fits(void **state)
{
	struct journal_record record = make(JOURNAL_OUTCOME, JOURNAL_PRECHECK, "123456789012345678901234567890123456789012345678901234567890123");
	char memory[JOURNAL_RECORD_MAX_BYTES + 1], shown[JOURNAL_LINE_BYTES], value[JOURNAL_DATA_BYTES];
	struct buf out;

	(void)state;
	memset(value, '\xff', sizeof value);
	value[341] = '\0';
	assert_int_equal(journal_add(&record, "a", value), -1);
	assert_string_equal(record.data, "");
	value[340] = '\0';
	assert_int_equal(journal_add(&record, "a", value), 0);
	record.seq = UINT64_MAX;
	buf_init(&out, memory, sizeof memory);
	assert_int_equal(journal_encode(&record, &out), 0);
	buf_init(&out, shown, sizeof shown);
	assert_int_equal(journal_print(&record, &out), 0);
}

static void sentences_are_cut_rather_than_lost(void **state)
{
	struct journal_record record = make(JOURNAL_OUTCOME, JOURNAL_FLUSH, "a");
	char sentence[900], back[900];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof sentence; i += 2)
		memcpy(sentence + i, "\xc3\xbc", 3);
	assert_int_equal(journal_add(&record, "result", "failed"), 0);
	journal_add_sentence(&record, sentence);
	assert_true(journal_get(&record, "sentence", back, sizeof back));
	assert_true(text_ends(back, strlen(back), "\xbc..."));
	assert_memory_equal(back, sentence, strlen(back) - 3);
	assert_true(strlen(record.data) > sizeof record.data - 8);
	assert_int_equal(journal_result(&record), JOURNAL_FAILED);
	for (size_t taken = 960; taken < sizeof record.data; taken++) { /* however little room there is */
		memset(&record, 0, sizeof record);
		memset(record.data, 'x', taken);
		memcpy(record.data, "a=", 2);
		journal_add_sentence(&record, sentence);
		assert_true(memchr(record.data, '\0', sizeof record.data) != NULL);
	}
}

/* ---- what is open ---- */

#define YES true
#define NO false

static const struct crash {
	enum journal_kind kind;
	enum journal_step step;
	const char *result;
	bool run_open, disable_open, flush_open, flush_done, bounce_done, confirm_done; /* when this was the last record */
} crashes[] = {
	{JOURNAL_BEGIN, JOURNAL_STEP_NONE, NULL, YES, NO, NO, NO, NO, NO},
	{JOURNAL_STEP, JOURNAL_PRECHECK, "done", YES, NO, NO, NO, NO, NO},
	{JOURNAL_INTENT, JOURNAL_PRIMARY, NULL, YES, NO, NO, NO, NO, NO},
	{JOURNAL_OUTCOME, JOURNAL_PRIMARY, "done", YES, NO, NO, NO, NO, NO},
	{JOURNAL_INTENT, JOURNAL_FLUSH, NULL, YES, NO, YES, NO, NO, NO},
	{JOURNAL_OUTCOME, JOURNAL_FLUSH, "done", YES, NO, NO, YES, NO, NO},
	{JOURNAL_INTENT, JOURNAL_DISABLE, NULL, YES, YES, NO, YES, NO, NO},
	{JOURNAL_OUTCOME, JOURNAL_DISABLE, "done", YES, YES, NO, YES, NO, NO},
	{JOURNAL_INTENT, JOURNAL_ENABLE, NULL, YES, YES, NO, YES, NO, NO},
	{JOURNAL_OUTCOME, JOURNAL_ENABLE, "done", YES, NO, NO, YES, YES, NO},
	{JOURNAL_STEP, JOURNAL_CONFIRM, "done", YES, NO, NO, YES, YES, YES},
	{JOURNAL_STEP, JOURNAL_AWAIT, "done", YES, NO, NO, YES, YES, YES},
	{JOURNAL_END, JOURNAL_STEP_NONE, NULL, NO, NO, NO, YES, YES, YES},
};

static void apply(struct journal_state *s, enum journal_kind kind, enum journal_step step, const char *run, const char *result)
{
	struct journal_record record = make(kind, step, run);

	record.seq = s->last_seq + 1;
	if (result)
		assert_int_equal(journal_add(&record, kind == JOURNAL_END ? "exit" : "result", result), 0);
	journal_state_apply(s, &record);
}

static void knows_each_crash_point(void **state)
{
	struct journal_state s;

	(void)state;
	journal_state_init(&s);
	assert_int_equal(s.exit_code, -1);
	for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
		const struct crash *c = &crashes[i];

		apply(&s, c->kind, c->step, "r", c->kind == JOURNAL_END ? "0" : c->result);
		assert_int_equal(s.run_open, c->run_open);
		assert_int_equal(s.disable_open, c->disable_open);
		assert_int_equal(s.flush_open, c->flush_open);
		assert_int_equal(s.flush_done, c->flush_done);
		assert_int_equal(s.bounce_done, c->bounce_done);
		assert_int_equal(s.confirm_done, c->confirm_done);
		assert_int_equal(s.step_open, c->kind == JOURNAL_INTENT ? c->step : JOURNAL_STEP_NONE);
	}
	assert_int_equal(s.exit_code, 0);
	assert_int_equal(s.last_seq, sizeof crashes / sizeof crashes[0]);
}

static void disable_stays_open(void **state)
{
	static const char *const results[] = {"done", "failed", "unknown", "new-word"};
	struct journal_state s;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		journal_state_init(&s);
		apply(&s, JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r1", NULL);
		apply(&s, JOURNAL_INTENT, JOURNAL_DISABLE, "r1", NULL);
		apply(&s, JOURNAL_OUTCOME, JOURNAL_DISABLE, "r1", results[i]);
		apply(&s, JOURNAL_INTENT, JOURNAL_ENABLE, "r1", NULL);
		apply(&s, JOURNAL_OUTCOME, JOURNAL_ENABLE, "r1", i == 0 ? "unknown" : "failed");
		apply(&s, JOURNAL_END, JOURNAL_STEP_NONE, "r1", "9");
		assert_true(s.disable_open); /* the run is over, the service may be down all the same */
		apply(&s, JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r2", NULL);
		assert_true(s.disable_open);
		assert_string_equal(s.disable_run, "r1");
		assert_string_equal(s.run, "r2");
		apply(&s, JOURNAL_INTENT, JOURNAL_ENABLE, "r1", NULL);
		assert_true(s.disable_open);
		apply(&s, JOURNAL_OUTCOME, JOURNAL_ENABLE, "r1", "done");
		assert_false(s.disable_open);
		assert_string_equal(s.disable_run, "");
		assert_false(s.bounce_done); /* another run's */
	}
}

static void bounce_counts_only_after_the_flush(void **state)
{
	struct journal_state s;

	(void)state;
	journal_state_init(&s);
	apply(&s, JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r", NULL);
	apply(&s, JOURNAL_INTENT, JOURNAL_DISABLE, "r", NULL);
	apply(&s, JOURNAL_OUTCOME, JOURNAL_DISABLE, "r", "done");
	apply(&s, JOURNAL_INTENT, JOURNAL_ENABLE, "r", NULL);
	apply(&s, JOURNAL_OUTCOME, JOURNAL_ENABLE, "r", "done");
	assert_true(s.bounce_done);
	apply(&s, JOURNAL_INTENT, JOURNAL_FLUSH, "r", NULL);
	assert_false(s.bounce_done);
	apply(&s, JOURNAL_OUTCOME, JOURNAL_FLUSH, "r", "unknown");
	assert_true(s.flush_unknown && !s.flush_open && !s.flush_done);
	apply(&s, JOURNAL_INTENT, JOURNAL_DISABLE, "r", NULL);
	apply(&s, JOURNAL_OUTCOME, JOURNAL_DISABLE, "r", "unknown");
	apply(&s, JOURNAL_OUTCOME, JOURNAL_ENABLE, "r", "done");
	assert_false(s.bounce_done); /* it was never seen disabled */
	assert_false(s.disable_open);
}

static void remembers_flushes_of_all_runs(void **state)
{
	(void)state;
	slurp("second-run.journal");
	assert_true(journal_run_flushed(file, file_bytes, "20260102-030405-gw1"));
	assert_false(journal_run_flushed(file, file_bytes, "second.run"));
	assert_false(journal_run_flushed(file, file_bytes - 1, "second.run"));
	assert_false(journal_run_flushed(file, 0, "second.run"));
	slurp("flipped.journal");
	assert_true(journal_run_flushed(file, file_bytes, "second.run")); /* damaged: when in doubt */
}

/* A flush that was refused, or never left, leaves the run id free; one without an outcome does not. */
static void a_flush_that_did_not_happen_is_none(void **state)
{
	static const struct {
		const char *result; /* NULL: no outcome */
		bool flushed;
	} cases[] = {{"failed", false}, {"done", true}, {"unknown", true}, {"new-word", true}, {NULL, true}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct journal_record intent = make(JOURNAL_INTENT, JOURNAL_FLUSH, "r1");
		struct journal_record outcome = make(JOURNAL_OUTCOME, JOURNAL_FLUSH, "r1");
		char memory[4096];
		struct buf out;

		buf_init(&out, memory, sizeof memory);
		intent.seq = 1;
		outcome.seq = 2;
		assert_int_equal(journal_encode(&intent, &out), 0);
		if (cases[i].result) {
			assert_int_equal(journal_add(&outcome, "result", cases[i].result), 0);
			assert_int_equal(journal_encode(&outcome, &out), 0);
		}
		assert_int_equal(journal_run_flushed(out.data, out.len, "r1"), cases[i].flushed);
	}
}

/* A grant and a hold are there until they are given back, whoever runs in between; what steps did counts for their run only. */
static void standing_outlives_runs(void **state)
{
	struct journal_state s;

	(void)state;
	journal_state_init(&s);
	assert_int_equal(s.op_open, -1);
	apply(&s, JOURNAL_GRANT, JOURNAL_STEP_NONE, "r1", NULL);
	apply(&s, JOURNAL_HOLD, JOURNAL_STEP_NONE, "hold", NULL);
	assert_true(s.standing.hold_until_ms == INT64_MAX); /* without a time: for ever, rather than not at all */
	assert_string_equal(s.run, "");
	assert_int_equal(s.last_seq, 2);
	for (unsigned attempt = 1; attempt <= 3; attempt++) {
		struct journal_record begin = make(JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r1");

		assert_int_equal(journal_add(&begin, "op", "confirm"), 0);
		journal_state_apply(&s, &begin);
		assert_int_equal(s.op_open, JOURNAL_OP_CONFIRM);
		assert_true(s.run_open && s.ops[JOURNAL_OP_CONFIRM].attempts == attempt && !s.ops[JOURNAL_OP_CONFIRM].ended);
		apply(&s, JOURNAL_END, JOURNAL_STEP_NONE, "r1", "5");
		assert_true(s.op_open == -1 && !s.run_open && s.ops[JOURNAL_OP_CONFIRM].ended && s.ops[JOURNAL_OP_CONFIRM].exit_code == 5);
		assert_true(s.ops[JOURNAL_OP_CONFIRM].disabled_ms == -1);
	}
	apply(&s, JOURNAL_BEGIN, JOURNAL_STEP_NONE, "r2", NULL); /* in the foreground: no step of the daemon's */
	assert_int_equal(s.op_open, -1);
	assert_int_equal(s.ops[JOURNAL_OP_CONFIRM].attempts, 0);
	apply(&s, JOURNAL_END, JOURNAL_STEP_NONE, "r2", "0");
	assert_true(s.standing.granted && s.standing.held);
	assert_string_equal(s.standing.grant_run, "r1");
	apply(&s, JOURNAL_RELEASE, JOURNAL_STEP_NONE, "r2", NULL);
	assert_true(s.standing.granted); /* not its own */
	apply(&s, JOURNAL_RELEASE, JOURNAL_STEP_NONE, "r1", NULL);
	apply(&s, JOURNAL_UNHOLD, JOURNAL_STEP_NONE, "hold", NULL);
	assert_false(s.standing.granted || s.standing.held);
	assert_string_equal(s.standing.released_run, "r1");
}

static void names_of_steps(void **state)
{
	(void)state;
	for (int i = 0; i < JOURNAL_OP_COUNT; i++)
		assert_int_equal(journal_op_by_name(journal_op_name((enum journal_op)i)), i);
	assert_int_equal(journal_op_by_name("precheck"), JOURNAL_OP_COUNT);
	assert_int_equal(journal_op_by_name(""), JOURNAL_OP_COUNT);
	assert_string_equal(journal_op_name(JOURNAL_OP_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_golden_files), cmocka_unit_test(every_prefix_is_clean_or_torn),
		cmocka_unit_test(every_prefix_with_nuls_is_torn), cmocka_unit_test(every_flipped_bit_is_seen),
		cmocka_unit_test(lost_middles_are_damage), cmocka_unit_test(lost_sectors_are_torn), cmocka_unit_test(round_trips), cmocka_unit_test(times_round_trip),
		cmocka_unit_test(encode_keeps_its_rules), cmocka_unit_test(fullest_record_fits),
		cmocka_unit_test(sentences_are_cut_rather_than_lost), cmocka_unit_test(knows_each_crash_point),
		cmocka_unit_test(disable_stays_open), cmocka_unit_test(bounce_counts_only_after_the_flush),
		cmocka_unit_test(remembers_flushes_of_all_runs), cmocka_unit_test(a_flush_that_did_not_happen_is_none),
		cmocka_unit_test(standing_outlives_runs), cmocka_unit_test(names_of_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
