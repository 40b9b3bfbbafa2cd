/* json.c - struct json is cJSON's node under another name; it is never completed, only cast. */
#include "platform/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Out of memory, or our own misuse (a NULL child): both end here. Returns NODE. */
static cJSON *need(cJSON *node)
{
	if (!node) {
		(void)fputs("drr-agent: internal error: no memory for a JSON text\n", stderr);
		exit(1);
	}
	return node;
}

static struct json *wrap(cJSON *node)
{
	return (struct json *)(void *)need(node);
}

static cJSON *node_of(struct json *json)
{
	return (cJSON *)(void *)json;
}

/* How many bytes the character at P takes (RFC 3629); 0 when it is not UTF-8 or is a control character of the C1 range. */
static size_t utf8_bytes(const unsigned char *p)
{
	size_t wide;
	unsigned long point;

	if (p[0] < 0x80)
		return p[0] == 0x7f ? 0 : 1;
	wide = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	point = p[0] & (0xffUL >> (wide + 1));
	for (size_t i = 1; i < wide; i++) { /* the NUL at the string's end is no continuation byte: never read beyond */
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (p[i] & 0x3fU);
	}
	if (p[0] < 0xc2 || p[0] > 0xf4 || point < 0xa0 || (wide == 3 && point < 0x800) || (wide == 4 && point < 0x10000) ||
	    (point >= 0xd800 && point <= 0xdfff) || point > 0x10ffff)
		return 0;
	return wide;
}

static bool is_clean(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		size_t wide = utf8_bytes(p);

		if (wide == 0)
			return false;
		p += wide;
	}
	return true;
}

static cJSON *new_string(const char *value)
{
	size_t length, size;
	cJSON *node;
	char *shown;

	if (!value)
		return need(cJSON_CreateNull());
	if (is_clean(value))
		return need(cJSON_CreateString(value));
	length = strlen(value);
	size = 4 * length + 8; /* \xHH for every byte, and room so that nothing is cut */
	shown = malloc(size);
	node = shown ? cJSON_CreateString(text_escape(shown, size, value, length)) : NULL;
	free(shown);
	return need(node);
}

static void put(struct json *object, const char *key, cJSON *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(node_of(object), key);
	if (!cJSON_AddItemToObject(node_of(object), key, value))
		(void)need(NULL);
}

struct json *json_object(void)
{
	return wrap(cJSON_CreateObject());
}

struct json *json_array(void)
{
	return wrap(cJSON_CreateArray());
}

void json_free(struct json *json)
{
	cJSON_Delete(node_of(json));
}

void json_set_string(struct json *object, const char *key, const char *value)
{
	put(object, key, new_string(value));
}

void json_set_int(struct json *object, const char *key, int64_t value)
{
	char digits[24];

	/* cJSON's numbers are doubles: offsets and counters above 2^53 would change. */
	(void)snprintf(digits, sizeof digits, "%" PRId64, value);
	put(object, key, need(cJSON_CreateRaw(digits)));
}

void json_set_bool(struct json *object, const char *key, bool value)
{
	put(object, key, need(cJSON_CreateBool(value)));
}

void json_set_null(struct json *object, const char *key)
{
	put(object, key, need(cJSON_CreateNull()));
}

void json_set(struct json *object, const char *key, struct json *child)
{
	put(object, key, need(node_of(child)));
}

void json_add(struct json *array, struct json *child)
{
	if (!cJSON_AddItemToArray(node_of(array), need(node_of(child))))
		(void)need(NULL);
}

void json_add_string(struct json *array, const char *value)
{
	if (!cJSON_AddItemToArray(node_of(array), new_string(value)))
		(void)need(NULL);
}

char *json_text(const struct json *json, bool indented)
{
	const cJSON *node = (const cJSON *)(const void *)json;
	char *text = indented ? cJSON_Print(node) : cJSON_PrintUnformatted(node);

	if (!text)
		(void)need(NULL);
	return text;
}
