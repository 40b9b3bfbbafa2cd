#include "base/frame.h"

#include <string.h>

enum { HEAD_BYTES = 12, LENGTH_BYTES = 4, VERSION = 1 };

static const struct {
	const char *name;
	unsigned field_count;
	size_t max_bytes[FRAME_FIELDS_MAX];
} kinds[FRAME_KIND_COUNT] = {
	[FRAME_REQUEST] = {"request", 5, {8, FRAME_TARGET_MAX_BYTES, FRAME_NAMES_MAX_BYTES, 8, FRAME_BODY_MAX_BYTES}},
	[FRAME_REPLY] = {"reply", 4, {128, FRAME_TARGET_MAX_BYTES, 8, FRAME_REPLY_MAX_BYTES}},
	[FRAME_CHANNEL] = {"channel", 0, {0}},
	[FRAME_IDENTITY] = {"identity", 3, {FRAME_PEM_MAX_BYTES, FRAME_PEM_MAX_BYTES, FRAME_PEM_MAX_BYTES}},
	[FRAME_RELOAD] = {"reload", 0, {0}},
	[FRAME_STOP] = {"stop", 0, {0}},
	[FRAME_READY] = {"ready", 0, {0}},
	[FRAME_ALIVE] = {"alive", 0, {0}},
	[FRAME_TAKEN] = {"taken", 2, {FRAME_TEXT_MAX_BYTES, FRAME_TEXT_MAX_BYTES}},
	[FRAME_STATUS] = {"status", 1, {FRAME_TEXT_MAX_BYTES}},
	[FRAME_START] = {"start", 2, {16, FRAME_ARGUMENT_MAX_BYTES}},
	[FRAME_FINISHED] = {"finished", 2, {16, FRAME_TEXT_MAX_BYTES}},
};

static bool is_kind(unsigned kind)
{
	return kind > 0 && kind < FRAME_KIND_COUNT;
}

const char *frame_name(enum frame_kind kind)
{
	return is_kind(kind) ? kinds[kind].name : "?";
}

static void put_number(char *out, size_t number)
{
	for (unsigned i = 0; i < LENGTH_BYTES; i++)
		out[i] = (char)(number >> (8 * i) & 0xff);
}

static uint32_t get_number(const char *bytes)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < LENGTH_BYTES; i++)
		number |= (uint32_t)(unsigned char)bytes[i] << (8 * i);
	return number;
}

size_t frame_encode(const struct frame *frame, char *out, size_t size)
{
	size_t at = HEAD_BYTES;

	if (!is_kind(frame->kind) || frame->field_count != kinds[frame->kind].field_count || size < HEAD_BYTES)
		return 0;
	memcpy(out, "DF", 2);
	out[2] = VERSION;
	out[3] = (char)frame->kind;
	put_number(out + 4, frame->number);
	put_number(out + 8, frame->status);
	for (unsigned i = 0; i < frame->field_count; i++) {
		const struct frame_field *field = &frame->fields[i];

		if (field->length > kinds[frame->kind].max_bytes[i] || size - at < LENGTH_BYTES || size - at - LENGTH_BYTES < field->length)
			return 0;
		put_number(out + at, field->length);
		if (field->length > 0)
			memcpy(out + at + LENGTH_BYTES, field->bytes, field->length);
		at += LENGTH_BYTES + field->length;
	}
	return at;
}

bool frame_decode(const char *bytes, size_t length, struct frame *frame)
{
	size_t at = HEAD_BYTES;

	memset(frame, 0, sizeof *frame);
	if (length < HEAD_BYTES || memcmp(bytes, "DF", 2) != 0 || bytes[2] != VERSION || !is_kind((unsigned char)bytes[3]))
		return false;
	frame->kind = (enum frame_kind)(unsigned char)bytes[3];
	frame->number = get_number(bytes + 4);
	frame->status = get_number(bytes + 8);
	frame->field_count = kinds[frame->kind].field_count;
	for (unsigned i = 0; i < frame->field_count; i++) {
		size_t field_bytes;

		if (length - at < LENGTH_BYTES)
			return false;
		field_bytes = get_number(bytes + at);
		at += LENGTH_BYTES;
		if (field_bytes > kinds[frame->kind].max_bytes[i] || field_bytes > length - at)
			return false;
		frame->fields[i] = (struct frame_field){bytes + at, field_bytes};
		at += field_bytes;
	}
	return at == length;
}

struct frame frame_of_strings(enum frame_kind kind, uint32_t number, uint32_t status, const char *const *strings)
{
	struct frame frame = {.kind = kind, .number = number, .status = status, .field_count = is_kind(kind) ? kinds[kind].field_count : 0};

	for (unsigned i = 0; i < frame.field_count; i++)
		frame.fields[i] = (struct frame_field){strings[i], strlen(strings[i])};
	return frame;
}

bool frame_field_is(const struct frame *frame, unsigned index, const char *string)
{
	size_t length = strlen(string);

	return index < frame->field_count && frame->fields[index].length == length && memcmp(frame->fields[index].bytes, string, length) == 0;
}

bool frame_field_copy(const struct frame *frame, unsigned index, char *out, size_t size)
{
	const struct frame_field *field = &frame->fields[index];

	out[0] = '\0';
	if (index >= frame->field_count || field->length >= size || (field->length > 0 && memchr(field->bytes, '\0', field->length)))
		return false;
	if (field->length > 0)
		memcpy(out, field->bytes, field->length);
	out[field->length] = '\0';
	return true;
}
