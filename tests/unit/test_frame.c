/* agent/base/frame: the bytes, the limits, and that nothing but a whole frame is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/frame.h"

#define REQUEST_BYTES "DF\x01\x01\x01\x02\x03\x04\x00\x00\x00\x00" \
		      "\x03\x00\x00\x00" "GET" "\x07\x00\x00\x00" "/livez?" "\x03\x00\x00\x00" "a\nb" "\x03\x00\x00\x00" "tls" "\x00\x00\x00\x00"
#define REPLY_BYTES "DF\x01\x02\x07\x00\x00\x00\xc8\x00\x00\x00" "\x01\x00\x00\x00" "t" "\x00\x00\x00\x00" "\x01\x00\x00\x00" "2" "\x02\x00\x00\x00" "{}"
#define STOP_BYTES "DF\x01\x06\x00\x00\x00\x00\x00\x00\x00\x00"

static void assert_encodes(struct frame frame, const char *bytes, size_t length)
{
	char out[FRAME_TEXT_MAX_BYTES];
	struct frame again;

	assert_int_equal(frame_encode(&frame, out, sizeof out), length);
	assert_memory_equal(out, bytes, length);
	for (size_t size = 0; size < length; size++)
		assert_int_equal(frame_encode(&frame, out, size), 0);
	assert_int_equal(frame_encode(&frame, out, length), length);
	assert_true(frame_decode(bytes, length, &again));
	assert_int_equal(again.kind, frame.kind);
	assert_int_equal(again.number, frame.number);
	assert_int_equal(again.status, frame.status);
	assert_int_equal(again.field_count, frame.field_count);
	for (unsigned i = 0; i < frame.field_count; i++) {
		assert_int_equal(again.fields[i].length, frame.fields[i].length);
		assert_memory_equal(again.fields[i].bytes, frame.fields[i].bytes, frame.fields[i].length);
	}
}

/* Both sides of the daemon are of one executable, yet the bytes are fixed: tests/system/frames.py speaks them too. */
static void has_fixed_bytes(void **state)
{
	(void)state;
	assert_encodes(frame_of_strings(FRAME_REQUEST, 0x04030201, 0, (const char *const[]){"GET", "/livez?", "a\nb", "tls", ""}), REQUEST_BYTES, sizeof REQUEST_BYTES - 1);
	assert_encodes(frame_of_strings(FRAME_REPLY, 7, 200, (const char *const[]){"t", "", "2", "{}"}), REPLY_BYTES, sizeof REPLY_BYTES - 1);
	assert_encodes(frame_of_strings(FRAME_STOP, 0, 0, NULL), STOP_BYTES, sizeof STOP_BYTES - 1);
}

/* In memory of exactly that size, so that a sanitizer sees a read beyond it. */
static bool decodes(const char *bytes, size_t length)
{
	char *copy = malloc(length + (length == 0));
	struct frame frame;
	bool taken;

	memcpy(copy, bytes, length);
	taken = frame_decode(copy, length, &frame);
	free(copy);
	return taken;
}

static void takes_whole_frames_only(void **state)
{
	char longer[sizeof REQUEST_BYTES] = REQUEST_BYTES;

	(void)state;
	for (size_t length = 0; length < sizeof REQUEST_BYTES - 1; length++)
		assert_false(decodes(REQUEST_BYTES, length));
	for (size_t length = 0; length < sizeof REPLY_BYTES - 1; length++)
		assert_false(decodes(REPLY_BYTES, length));
	assert_true(decodes(longer, sizeof longer - 1));
	assert_false(decodes(longer, sizeof longer)); /* one byte behind it */
}

static void refuses_other_heads(void **state)
{
	char bytes[sizeof STOP_BYTES] = STOP_BYTES;

	(void)state;
	for (size_t at = 0; at < 4; at++) {
		for (unsigned value = 0; value < 256; value++) {
			bool kind_without_fields = at == 3 && (value == FRAME_CHANNEL || value == FRAME_RELOAD || value == FRAME_STOP || value == FRAME_READY || value == FRAME_ALIVE);

			bytes[at] = (char)value;
			assert_int_equal(decodes(bytes, sizeof bytes - 1), bytes[at] == STOP_BYTES[at] || kind_without_fields);
		}
		bytes[at] = STOP_BYTES[at];
	}
}

/* Every field at its limit, and one byte beyond; both ways. */
static void holds_its_limits(void **state)
{
	static const struct {
		enum frame_kind kind;
		unsigned fields;
		size_t max_bytes[FRAME_FIELDS_MAX];
	} kinds[] = {
		{FRAME_REQUEST, 5, {8, FRAME_TARGET_MAX_BYTES, FRAME_NAMES_MAX_BYTES, 8, FRAME_BODY_MAX_BYTES}},
		{FRAME_REPLY, 4, {128, FRAME_TARGET_MAX_BYTES, 8, FRAME_REPLY_MAX_BYTES}},
		{FRAME_IDENTITY, 3, {FRAME_PEM_MAX_BYTES, FRAME_PEM_MAX_BYTES, FRAME_PEM_MAX_BYTES}},
		{FRAME_TAKEN, 2, {FRAME_TEXT_MAX_BYTES, FRAME_TEXT_MAX_BYTES}},
		{FRAME_STATUS, 1, {FRAME_TEXT_MAX_BYTES}},
	};
	char *filler = calloc(1, FRAME_MAX_BYTES), *out = malloc(FRAME_MAX_BYTES);

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct frame frame = {.kind = kinds[i].kind, .field_count = kinds[i].fields}, again;
		size_t length;

		for (unsigned field = 0; field < kinds[i].fields; field++)
			frame.fields[field] = (struct frame_field){filler, kinds[i].max_bytes[field]};
		length = frame_encode(&frame, out, FRAME_MAX_BYTES); /* all of them at once fit */
		assert_true(length > 0);
		assert_true(frame_decode(out, length, &again));
		for (unsigned field = 0; field < kinds[i].fields; field++) {
			frame.fields[field].length++;
			assert_int_equal(frame_encode(&frame, out, FRAME_MAX_BYTES), 0);
			frame.fields[field].length--;
		}
		frame.field_count--;
		assert_int_equal(frame_encode(&frame, out, FRAME_MAX_BYTES), 0);
	}
	free(filler);
	free(out);
}

/* A field of a length that its kind does not allow, although the bytes are there. */
static void refuses_long_fields(void **state)
{
	char bytes[12 + 4 + FRAME_TEXT_MAX_BYTES + 1] = "DF\x01\x0a\0\0\0\0\0\0\0\0\x01\x04";

	(void)state;
	assert_false(decodes(bytes, sizeof bytes));
	bytes[12] = 0;
	assert_true(decodes(bytes, sizeof bytes - 1));
	memset(bytes + 12, 0xff, 4); /* 4 GiB */
	assert_false(decodes(bytes, sizeof bytes));
}

static void compares_and_copies(void **state)
{
	struct frame frame = frame_of_strings(FRAME_TAKEN, 0, 1, (const char *const[]){"abc", ""});
	char out[4];

	(void)state;
	assert_true(frame_field_is(&frame, 0, "abc"));
	assert_false(frame_field_is(&frame, 0, "ab"));
	assert_false(frame_field_is(&frame, 0, "abcd"));
	assert_true(frame_field_is(&frame, 1, ""));
	assert_false(frame_field_is(&frame, 2, ""));
	assert_true(frame_field_copy(&frame, 0, out, sizeof out));
	assert_string_equal(out, "abc");
	assert_false(frame_field_copy(&frame, 0, out, 3));
	assert_string_equal(out, "");
	frame.fields[0] = (struct frame_field){"a\0c", 3};
	assert_false(frame_field_copy(&frame, 0, out, sizeof out));
	assert_false(frame_field_copy(&frame, 2, out, sizeof out));
	assert_string_equal(frame_name(FRAME_STATUS), "status");
	assert_string_equal(frame_name(FRAME_KIND_COUNT), "?");
	assert_string_equal(frame_name(0), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_fixed_bytes), cmocka_unit_test(takes_whole_frames_only), cmocka_unit_test(refuses_other_heads), cmocka_unit_test(holds_its_limits),
		cmocka_unit_test(refuses_long_fields), cmocka_unit_test(compares_and_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
