/* journal.c - records as bytes and back.
 *
 * The reader takes exactly what journal_encode() writes and nothing else: after a record was decoded it is encoded again and must
 * give the same bytes. So there is one spelling of each record, and a flipped bit is noticed by the CRC, or, in the CRC's own digits, the
 * length or the blanks, by the spelling. */
#include "run/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32.h"
#include "base/text.h"

enum {
	HEAD_BYTES = sizeof "DRR1 LLLL CCCCCCCC " - 1,
	PAYLOAD_MAX_BYTES = JOURNAL_RECORD_MAX_BYTES - HEAD_BYTES - 1,
	TIME_BYTES = sizeof "2026-01-02T03:04:05.678Z", /* with its NUL */
	KEY_BYTES = 32,
};

#define DAY_MS INT64_C(86400000)
#define WALL_MAX_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static const char *const kind_names[JOURNAL_KIND_COUNT] = {"begin", "mark", "intent", "outcome", "step", "end", "grant", "release", "hold", "unhold"};
static const char *const step_names[JOURNAL_STEP_COUNT] = {"-", "precheck", "primary", "flush", "disable", "enable", "confirm", "await"};
static const char *const result_names[JOURNAL_RESULT_COUNT] = {"-", "done", "failed", "unknown", "skipped"};
static const char *const op_names[JOURNAL_OP_COUNT] = {"primary", "flush", "bounce", "confirm", "await"};

const char *journal_kind_name(enum journal_kind kind)
{
	return kind < JOURNAL_KIND_COUNT ? kind_names[kind] : "?";
}

const char *journal_step_name(enum journal_step step)
{
	return step < JOURNAL_STEP_COUNT ? step_names[step] : "?";
}

const char *journal_result_name(enum journal_result result)
{
	return result < JOURNAL_RESULT_COUNT ? result_names[result] : "?";
}

const char *journal_op_name(enum journal_op op)
{
	return op < JOURNAL_OP_COUNT ? op_names[op] : "?";
}

enum journal_op journal_op_by_name(const char *name)
{
	unsigned i = 0;

	while (i < JOURNAL_OP_COUNT && strcmp(op_names[i], name) != 0)
		i++;
	return (enum journal_op)i;
}

/* ---- the wall clock as text ---- */

/* Days since 1970-01-01 to year, month, day; and back. By counting years from March, so that the leap day is a year's last. */
static void date_of_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t shifted = days + 719468; /* since 0000-03-01 */
	int64_t era = shifted / 146097;  /* 400 years */
	int64_t in_era = shifted % 146097;
	int64_t year_in_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
	int64_t from_march = (5 * in_year + 2) / 153;

	*day = in_year - (153 * from_march + 2) / 5 + 1;
	*month = from_march < 10 ? from_march + 3 : from_march - 9;
	*year = year_in_era + era * 400 + (*month <= 2 ? 1 : 0);
}

static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
	int64_t from = month <= 2 ? year - 1 : year;
	int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return from * 365 + from / 4 - from / 100 + from / 400 + in_year - 719468;
}

static void add_time(struct buf *out, int64_t wall_ms)
{
	int64_t year, month, day, ms = wall_ms % DAY_MS;

	date_of_days(wall_ms / DAY_MS, &year, &month, &day);
	(void)buf_printf(out, "%04" PRId64 "-%02" PRId64 "-%02" PRId64 "T%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%03" PRId64 "Z", year,
			 month, day, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
}

/* The number in DIGITS of TEXT's places from FROM on; what is not a digit gives a number that the second encoding will not repeat. */
static int64_t number_at(const char *text, unsigned from, unsigned digits)
{
	int64_t number = 0;

	for (unsigned i = from; i < from + digits; i++)
		number = number * 10 + (text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : 0);
	return number;
}

static bool parse_time(const char *text, size_t length, int64_t *wall_ms)
{
	int64_t seconds;

	if (length != TIME_BYTES - 1)
		return false;
	seconds = number_at(text, 11, 2) * 3600 + number_at(text, 14, 2) * 60 + number_at(text, 17, 2);
	*wall_ms = days_of_date(number_at(text, 0, 4), number_at(text, 5, 2), number_at(text, 8, 2)) * DAY_MS + seconds * 1000 +
		   number_at(text, 20, 3);
	return *wall_ms >= 0 && *wall_ms <= WALL_MAX_MS;
}

/* ---- KEY=VALUE pairs ---- */

static bool is_plain(char c)
{
	return c > 0x20 && c < 0x7f && c != '%';
}

static bool is_key(const char *key, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!((key[i] >= 'a' && key[i] <= 'z') || key[i] == '_'))
			return false;
	return length > 0 && length < KEY_BYTES;
}

struct pair {
	const char *key, *value; /* into the record's data; the value still encoded */
	size_t key_bytes, value_bytes;
};

/* The next pair of DATA at *OFFSET (0 first). False at the end. */
static bool next_pair(const char *data, size_t *offset, struct pair *pair)
{
	const char *start = data + *offset;
	size_t length = strcspn(start, " ");

	if (length == 0)
		return false;
	pair->key = start;
	pair->key_bytes = strcspn(start, "= ");
	pair->value = start + pair->key_bytes + (pair->key_bytes < length ? 1 : 0);
	pair->value_bytes = length - (size_t)(pair->value - start);
	*offset += length + (start[length] == ' ' ? 1 : 0);
	return true;
}

static bool find_pair(const struct journal_record *record, const char *key, struct pair *pair)
{
	size_t offset = 0;

	while (next_pair(record->data, &offset, pair))
		if (text_equal(pair->key, pair->key_bytes, key))
			return true;
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that starts at *AT of a value, -1 when it is not as add_encoded() would write it; moves *AT. */
static int decode_one(const char *value, size_t length, size_t *at)
{
	int high, low;

	if (value[*at] != '%') {
		char c = value[(*at)++];

		return is_plain(c) ? c : -1;
	}
	if (length - *at < 3)
		return -1;
	high = hex_digit(value[*at + 1]);
	low = hex_digit(value[*at + 2]);
	*at += 3;
	if (high < 0 || low < 0 || is_plain((char)(high * 16 + low)))
		return -1;
	return high * 16 + low;
}

/* Appends the encoded value; -1 and overflow when it does not fit. */
static int add_encoded(struct buf *out, const char *value)
{
	for (const char *p = value; *p; p++)
		if ((is_plain(*p) ? buf_add(out, p, 1) : buf_printf(out, "%%%02X", (unsigned char)*p)) != 0)
			return -1;
	return 0;
}

static void data_as_buf(struct journal_record *record, struct buf *out)
{
	*out = (struct buf){.data = record->data, .len = strlen(record->data), .size = sizeof record->data};
}

int journal_add(struct journal_record *record, const char *key, const char *value)
{
	struct buf data;
	struct pair there;
	size_t before;

	data_as_buf(record, &data);
	before = data.len;
	if (!is_key(key, strlen(key)) || find_pair(record, key, &there))
		return -1;
	if (buf_printf(&data, "%s%s=", before > 0 ? " " : "", key) == 0 && add_encoded(&data, value) == 0)
		return 0;
	record->data[before] = '\0';
	return -1;
}

/* How many bytes of SENTENCE fit encoded into ROOM bytes; never a part of a UTF-8 character. */
static size_t fitting_bytes(const char *sentence, size_t room)
{
	size_t used = 0, fitting = 0;

	for (size_t i = 0; sentence[i] && used <= room; i++) {
		if (((unsigned char)sentence[i] & 0xc0) != 0x80)
			fitting = i;
		used += is_plain(sentence[i]) ? 1 : 3;
	}
	return fitting;
}

void journal_add_sentence(struct journal_record *record, const char *sentence)
{
	char cut[JOURNAL_DATA_BYTES];
	size_t taken = strlen(record->data) + strlen(" sentence=...") + 1;
	size_t length;

	if (journal_add(record, "sentence", sentence) == 0 || taken >= sizeof record->data)
		return;
	length = fitting_bytes(sentence, sizeof record->data - taken);
	memcpy(cut, sentence, length);
	memcpy(cut + length, "...", 4);
	(void)journal_add(record, "sentence", cut);
}

static bool decode(const struct pair *pair, char *out, size_t size_bytes)
{
	size_t used = 0;

	for (size_t at = 0; at < pair->value_bytes;) {
		int byte = decode_one(pair->value, pair->value_bytes, &at);

		if (byte <= 0 || used + 1 >= size_bytes) {
			out[0] = '\0';
			return false;
		}
		out[used++] = (char)byte;
	}
	out[used] = '\0';
	return true;
}

bool journal_get(const struct journal_record *record, const char *key, char *out, size_t size_bytes)
{
	struct pair pair;

	out[0] = '\0';
	return find_pair(record, key, &pair) && decode(&pair, out, size_bytes);
}

enum journal_result journal_result(const struct journal_record *record)
{
	struct pair pair;

	if (!find_pair(record, "result", &pair))
		return JOURNAL_RESULT_NONE;
	for (int i = JOURNAL_DONE; i < JOURNAL_RESULT_COUNT; i++)
		if (text_equal(pair.value, pair.value_bytes, result_names[i]))
			return (enum journal_result)i;
	return JOURNAL_RESULT_NONE;
}

/* ---- one record ---- */

bool journal_run_is_valid(const char *run)
{
	size_t length = strspn(run, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

	return length > 0 && length < JOURNAL_RUN_BYTES && run[length] == '\0';
}

static bool is_data(const char *data)
{
	size_t offset = 0, length = strlen(data);
	struct pair pair;

	while (next_pair(data, &offset, &pair)) {
		if (!is_key(pair.key, pair.key_bytes) || pair.key[pair.key_bytes] != '=')
			return false;
		for (size_t at = 0; at < pair.value_bytes;)
			if (decode_one(pair.value, pair.value_bytes, &at) < 0)
				return false;
	}
	return offset == length && (length == 0 || data[length - 1] != ' ');
}

static bool is_encodable(const struct journal_record *record)
{
	return record->seq > 0 && record->wall_ms >= 0 && record->wall_ms <= WALL_MAX_MS && record->kind < JOURNAL_KIND_COUNT &&
	       record->step < JOURNAL_STEP_COUNT && journal_run_is_valid(record->run) && is_data(record->data);
}

int journal_encode(const struct journal_record *record, struct buf *out)
{
	char memory[PAYLOAD_MAX_BYTES + 1];
	struct buf payload;

	if (!is_encodable(record))
		return -1;
	buf_init(&payload, memory, sizeof memory);
	(void)buf_printf(&payload, "%" PRIu64 " ", record->seq);
	add_time(&payload, record->wall_ms);
	(void)buf_printf(&payload, " %s %s %s%s%s", kind_names[record->kind], record->run, step_names[record->step],
			 record->data[0] ? " " : "", record->data);
	if (payload.overflow)
		return -1;
	return buf_printf(out, "DRR1 %04zu %08" PRIx32 " %s\n", payload.len, crc32_of(payload.data, payload.len), payload.data);
}

/* The length of the whole, well-formed line at BYTES: head, CRC and line end are right. 0: it is none. */
static size_t framed_length(const char *bytes, size_t left)
{
	char head[HEAD_BYTES + 1];
	unsigned long long payload_bytes;

	if (left < HEAD_BYTES + 1 || memcmp(bytes, "DRR1 ", 5) != 0)
		return 0;
	if (!text_to_unsigned(bytes + 5, 4, PAYLOAD_MAX_BYTES, &payload_bytes) || payload_bytes == 0 ||
	    payload_bytes > left - HEAD_BYTES - 1 || bytes[HEAD_BYTES + payload_bytes] != '\n')
		return 0;
	(void)snprintf(head, sizeof head, "DRR1 %04u %08" PRIx32 " ", (unsigned)payload_bytes,
		       crc32_of(bytes + HEAD_BYTES, (size_t)payload_bytes));
	return memcmp(head, bytes, HEAD_BYTES) == 0 ? HEAD_BYTES + (size_t)payload_bytes + 1 : 0;
}

/* The next word of a line that ends at END; false when there is none. */
static bool next_word(const char **at, const char *end, const char **word, size_t *length)
{
	const char *blank = memchr(*at, ' ', (size_t)(end - *at));

	*word = *at;
	*length = (size_t)((blank ? blank : end) - *at);
	*at = blank ? blank + 1 : end;
	return *length > 0;
}

static int find_name(const char *const *names, int count, const char *word, size_t length)
{
	for (int i = 0; i < count; i++)
		if (text_equal(word, length, names[i]))
			return i;
	return -1;
}

/* Splits a payload. What this lets through wrongly, the comparison in decode_record() finds. */
static bool split_payload(const char *payload, size_t length, struct journal_record *record)
{
	const char *at = payload, *end = payload + length, *word;
	unsigned long long seq;
	int kind, step;
	size_t wide;

	if (!next_word(&at, end, &word, &wide) || !text_to_unsigned(word, wide, UINT64_MAX, &seq))
		return false;
	record->seq = seq;
	if (!next_word(&at, end, &word, &wide) || !parse_time(word, wide, &record->wall_ms))
		return false;
	if (!next_word(&at, end, &word, &wide) || (kind = find_name(kind_names, JOURNAL_KIND_COUNT, word, wide)) < 0)
		return false;
	if (!next_word(&at, end, &word, &wide) || text_copy(record->run, sizeof record->run, word, wide) != 0)
		return false;
	if (!next_word(&at, end, &word, &wide) || (step = find_name(step_names, JOURNAL_STEP_COUNT, word, wide)) < 0)
		return false;
	record->kind = (enum journal_kind)kind;
	record->step = (enum journal_step)step;
	return text_copy(record->data, sizeof record->data, at, (size_t)(end - at)) == 0;
}

static bool decode_record(const char *line, size_t length, struct journal_record *record)
{
	char memory[JOURNAL_RECORD_MAX_BYTES + 1];
	struct buf again;

	memset(record, 0, sizeof *record);
	buf_init(&again, memory, sizeof memory);
	return split_payload(line + HEAD_BYTES, length - HEAD_BYTES - 1, record) && journal_encode(record, &again) == 0 &&
	       again.len == length && memcmp(again.data, line, length) == 0;
}

/* ---- the file ---- */

void journal_reader_init(struct journal_reader *reader, const char *bytes, size_t length_bytes)
{
	*reader = (struct journal_reader){.bytes = bytes, .length = length_bytes};
}

static enum journal_read damaged(const struct journal_reader *reader, const char *why, struct error *error)
{
	unsigned line = 1;

	for (size_t i = 0; i < reader->offset; i++)
		line += reader->bytes[i] == '\n';
	(void)error_set(error, ERROR_INTERNAL,
			"see on the appliance that the service is enabled (show apic-gw-service), then keep the journal under another "
			"name (mv journal journal.damaged in state_dir)",
			"the journal is damaged at byte %zu, line %u: %s", reader->offset, line, why);
	return JOURNAL_DAMAGED;
}

/* Whether a well-formed record starts anywhere in LENGTH bytes. */
static bool holds_record(const char *bytes, size_t length)
{
	for (size_t at = 0; length - at > HEAD_BYTES; at++) {
		const char *found = memmem(bytes + at, length - at, "DRR1 ", 5);

		if (!found)
			return false;
		at = (size_t)(found - bytes);
		if (framed_length(found, length - at) > 0)
			return true;
	}
	return false;
}

/* No record starts at the reader's offset: how bad is it? */
static enum journal_read judge_rest(const struct journal_reader *reader, struct error *error)
{
	const char *rest = reader->bytes + reader->offset;
	size_t left = reader->length - reader->offset;
	size_t used = left;

	while (used > 0 && rest[used - 1] == '\0')
		used--;
	if (holds_record(rest, left))
		return damaged(reader, "it is no record, but good records follow", error);
	if (used > JOURNAL_RECORD_MAX_BYTES)
		return damaged(reader, "what follows is no record and longer than one that was cut off can be", error);
	/* The line end is the last byte of a record: where it is there, all was written, unless sectors before it were lost, which
	 * leaves a run of NULs. So this was a record once, maybe the intent to disable, and must not be cut off in silence. */
	if (memchr(rest, '\n', used) && !memmem(rest, used, "\0", 2))
		return damaged(reader, "the last record was written whole and has been changed since", error);
	return JOURNAL_TORN;
}

enum journal_read journal_reader_next(struct journal_reader *reader, struct journal_record *record, struct error *error)
{
	const char *line = reader->bytes + reader->offset;
	size_t left = reader->length - reader->offset;
	size_t length;

	if (left == 0)
		return JOURNAL_CLEAN_END;
	length = framed_length(line, left);
	if (length == 0)
		return judge_rest(reader, error);
	if (!decode_record(line, length, record))
		return damaged(reader, "a whole record, but not one that this version writes", error);
	if (record->seq != reader->last_seq + 1)
		return damaged(reader, "its number does not follow the one before: records are missing", error);
	reader->last_seq = record->seq;
	reader->offset += length;
	return JOURNAL_RECORD;
}

bool journal_run_flushed(const char *bytes, size_t length_bytes, const char *run)
{
	struct journal_reader reader;
	struct journal_record record;
	struct error error = {0};
	enum journal_read read;
	bool flushed = false;

	journal_reader_init(&reader, bytes, length_bytes);
	while ((read = journal_reader_next(&reader, &record, &error)) == JOURNAL_RECORD) {
		if (record.step != JOURNAL_FLUSH || strcmp(record.run, run) != 0)
			continue;
		if (record.kind == JOURNAL_INTENT)
			flushed = true;
		else if (record.kind == JOURNAL_OUTCOME && journal_result(&record) == JOURNAL_FAILED)
			flushed = false; /* it did not leave, or was refused */
	}
	return flushed || read == JOURNAL_DAMAGED;
}

/* ---- what is open ---- */

void journal_state_init(struct journal_state *state)
{
	memset(state, 0, sizeof *state);
	state->exit_code = -1;
	state->op_open = -1;
}

static int64_t get_number(const struct journal_record *record, const char *key, int64_t otherwise)
{
	char text[24];
	unsigned long long number;

	if (journal_get(record, key, text, sizeof text) && text_to_unsigned(text, strlen(text), INT64_MAX, &number))
		return (int64_t)number;
	return otherwise;
}

/* A step that was asked for by itself begins. */
static void begin_op(struct journal_state *state, const struct journal_record *record)
{
	char name[16];
	enum journal_op op;

	state->op_open = -1;
	if (!journal_get(record, "op", name, sizeof name) || (op = journal_op_by_name(name)) == JOURNAL_OP_COUNT)
		return;
	state->op_open = (int)op;
	state->ops[op] = (struct journal_op_state){.attempts = state->ops[op].attempts + 1, .began_wall_ms = record->wall_ms, .disabled_ms = -1};
}

static void apply_begin(struct journal_state *state, const struct journal_record *record)
{
	struct journal_state fresh;

	journal_state_init(&fresh);
	fresh.standing = state->standing;
	fresh.disable_open = state->disable_open; /* this outlives its run as well */
	fresh.disable_wall_ms = state->disable_wall_ms;
	memcpy(fresh.disable_run, state->disable_run, sizeof fresh.disable_run);
	if (strcmp(state->run, record->run) == 0) {
		fresh = *state; /* the same run goes on, with other steps: what it did counts */
		fresh.exit_code = -1;
	}
	memcpy(fresh.run, record->run, sizeof fresh.run);
	fresh.run_open = true;
	fresh.run_began_wall_ms = record->wall_ms;
	*state = fresh;
	begin_op(state, record);
}

static void apply_mark(struct journal_state *state, const struct journal_record *record)
{
	char text[MARK_TEXT_BYTES];

	state->have_mark = journal_get(record, "mark", text, sizeof text) && mark_parse(text, strlen(text), &state->mark) == 0;
}

/* Of any run: once a disable may have left us, only an enable that was seen done closes it. */
static void apply_disable_open(struct journal_state *state, const struct journal_record *record)
{
	if (record->kind == JOURNAL_INTENT && record->step == JOURNAL_DISABLE && !state->disable_open) {
		state->disable_open = true;
		state->disable_wall_ms = record->wall_ms;
		memcpy(state->disable_run, record->run, sizeof state->disable_run);
	}
	if (record->kind == JOURNAL_OUTCOME && record->step == JOURNAL_ENABLE && journal_result(record) == JOURNAL_DONE) {
		state->disable_open = false;
		state->disable_wall_ms = 0;
		state->disable_run[0] = '\0';
	}
}

static void apply_intent(struct journal_state *state, const struct journal_record *record)
{
	state->step_open = record->step;
	if (record->step == JOURNAL_FLUSH) {
		state->flush_open = true;
		state->flush_done = state->flush_unknown = false;
		state->flush_wall_ms = record->wall_ms;
	}
	if (record->step == JOURNAL_FLUSH || record->step == JOURNAL_DISABLE) {
		/* What was confirmed before says nothing about the service that starts after this. */
		state->disable_done = state->bounce_done = false;
		state->confirm_done = state->await_done = false;
	}
}

static void apply_outcome(struct journal_state *state, const struct journal_record *record)
{
	enum journal_result result = journal_result(record);
	bool done = result == JOURNAL_DONE;

	if (state->step_open == record->step)
		state->step_open = JOURNAL_STEP_NONE;
	switch (record->step) {
	case JOURNAL_PRIMARY: state->primary_done = done; break;
	case JOURNAL_DISABLE: state->disable_done = done; break;
	case JOURNAL_ENABLE: state->bounce_done = done && state->disable_done; break;
	case JOURNAL_CONFIRM: state->confirm_done = done; break;
	case JOURNAL_AWAIT: state->await_done = done; break;
	case JOURNAL_FLUSH:
		state->flush_open = false;
		state->flush_done = done;
		state->flush_unknown = result == JOURNAL_UNKNOWN || result == JOURNAL_RESULT_NONE;
		break;
	default: break;
	}
}

/* A sentence for whoever is on call; a long one is cut. */
static void keep_text(const struct journal_record *record, const char *key, char kept[JOURNAL_SENTENCE_BYTES])
{
	char whole[JOURNAL_DATA_BYTES];
	size_t length;

	if (!journal_get(record, key, whole, sizeof whole))
		return;
	length = strlen(whole);
	if (length >= JOURNAL_SENTENCE_BYTES) {
		length = JOURNAL_SENTENCE_BYTES - 4;
		while (length > 0 && ((unsigned char)whole[length] & 0xc0) == 0x80)
			length--;
		memcpy(whole + length, "...", 4);
		length += 3;
	}
	(void)text_copy(kept, JOURNAL_SENTENCE_BYTES, whole, length);
}

static void apply_end(struct journal_state *state, const struct journal_record *record)
{
	char text[16];
	unsigned long long code;

	state->run_open = false;
	if (journal_get(record, "exit", text, sizeof text) && text_to_unsigned(text, strlen(text), 255, &code))
		state->exit_code = (int)code;
	if (state->op_open >= 0) {
		struct journal_op_state *op = &state->ops[state->op_open];

		op->ended = true;
		op->exit_code = state->exit_code;
		op->ended_wall_ms = record->wall_ms;
		op->disabled_ms = get_number(record, "disabled_ms", -1);
		keep_text(record, "sentence", op->sentence);
		keep_text(record, "next", op->next);
	}
	state->op_open = -1;
}

static void apply_to_run(struct journal_state *state, const struct journal_record *record)
{
	if (record->kind == JOURNAL_MARK) {
		apply_mark(state, record);
		return;
	}
	keep_text(record, "sentence", state->last_sentence);
	if (record->kind == JOURNAL_END) {
		apply_end(state, record);
		return;
	}
	state->last_step = record->step;
	state->last_result = JOURNAL_RESULT_NONE;
	if (record->kind == JOURNAL_INTENT) {
		apply_intent(state, record);
		return;
	}
	state->last_result = journal_result(record);
	apply_outcome(state, record);
}

/* True: it was about grants and holds, not about what a run did. */
static bool apply_standing(struct journal_standing *standing, const struct journal_record *record)
{
	switch (record->kind) {
	case JOURNAL_GRANT:
		standing->granted = true;
		standing->grant_wall_ms = record->wall_ms;
		memcpy(standing->grant_run, record->run, sizeof standing->grant_run);
		(void)journal_get(record, "by", standing->grant_by, sizeof standing->grant_by);
		(void)journal_get(record, "plan", standing->plan, sizeof standing->plan);
		return true;
	case JOURNAL_RELEASE:
		if (standing->granted && strcmp(standing->grant_run, record->run) != 0)
			return true; /* nobody gives back what another one holds */
		standing->granted = false;
		memcpy(standing->released_run, record->run, sizeof standing->released_run);
		return true;
	case JOURNAL_HOLD:
		standing->held = true;
		standing->hold_wall_ms = record->wall_ms;
		standing->hold_until_ms = get_number(record, "until", INT64_MAX);
		(void)journal_get(record, "owner", standing->hold_owner, sizeof standing->hold_owner);
		(void)journal_get(record, "reason", standing->hold_reason, sizeof standing->hold_reason);
		return true;
	case JOURNAL_UNHOLD:
		standing->held = false;
		return true;
	default:
		return false;
	}
}

void journal_state_apply(struct journal_state *state, const struct journal_record *record)
{
	if (apply_standing(&state->standing, record)) {
		state->last_seq = record->seq;
		state->last_wall_ms = record->wall_ms;
		return;
	}
	if (record->kind == JOURNAL_BEGIN)
		apply_begin(state, record);
	else if (strcmp(record->run, state->run) == 0)
		apply_to_run(state, record);
	apply_disable_open(state, record);
	state->last_seq = record->seq;
	state->last_wall_ms = record->wall_ms;
}

/* ---- for people ---- */

static void print_value(struct buf *out, const struct pair *pair)
{
	char plain[JOURNAL_DATA_BYTES], shown[4 * JOURNAL_DATA_BYTES + 8];

	if (decode(pair, plain, sizeof plain))
		(void)buf_add_string(out, text_escape(shown, sizeof shown, plain, strlen(plain)));
	else
		(void)buf_add(out, pair->value, pair->value_bytes); /* holds a %00: printable as it stands */
}

static void print_head(struct buf *out, const struct journal_record *record)
{
	const char *step = step_names[record->step];
	struct pair pair;

	switch (record->kind) {
	case JOURNAL_BEGIN: (void)buf_add_string(out, "run begins"); break;
	case JOURNAL_MARK: (void)buf_add_string(out, "log mark taken"); break;
	case JOURNAL_INTENT: (void)buf_printf(out, "%s: about to be sent", step); break;
	case JOURNAL_GRANT: (void)buf_add_string(out, "granted"); break;
	case JOURNAL_RELEASE: (void)buf_add_string(out, "grant given back"); break;
	case JOURNAL_HOLD: (void)buf_add_string(out, "hold set"); break;
	case JOURNAL_UNHOLD: (void)buf_add_string(out, "hold lifted"); break;
	case JOURNAL_END:
		(void)buf_add_string(out, "run ends, exit ");
		if (find_pair(record, "exit", &pair))
			print_value(out, &pair);
		else
			(void)buf_add_string(out, "not recorded");
		break;
	default: (void)buf_printf(out, "%s: %s", step, result_names[journal_result(record)]); break;
	}
}

/* Whether print_head() or the sentence told this pair already. */
static bool is_told(const struct journal_record *record, const struct pair *pair)
{
	if (text_equal(pair->key, pair->key_bytes, "sentence"))
		return true;
	if (text_equal(pair->key, pair->key_bytes, "exit"))
		return record->kind == JOURNAL_END;
	return text_equal(pair->key, pair->key_bytes, "result") && journal_result(record) != JOURNAL_RESULT_NONE &&
	       (record->kind == JOURNAL_OUTCOME || record->kind == JOURNAL_STEP);
}

int journal_print(const struct journal_record *record, struct buf *out)
{
	size_t before = out->len, offset = 0;
	struct pair pair;

	(void)buf_printf(out, "%4" PRIu64 "  ", record->seq);
	add_time(out, record->wall_ms);
	(void)buf_printf(out, "  %s  ", record->run);
	print_head(out, record);
	if (find_pair(record, "sentence", &pair)) {
		(void)buf_add_string(out, " - ");
		print_value(out, &pair);
	}
	while (next_pair(record->data, &offset, &pair)) {
		if (is_told(record, &pair))
			continue;
		(void)buf_printf(out, "  %.*s=", (int)pair.key_bytes, pair.key);
		print_value(out, &pair);
	}
	if (!out->overflow && buf_add(out, "\n", 1) == 0)
		return 0;
	out->len = before;
	out->data[before] = '\0';
	return -1;
}
