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

/* ---- reading ---- */

static const cJSON *read_node(const struct json *json)
{
	return (const cJSON *)(const void *)json;
}

static const struct json *read_wrap(const cJSON *node)
{
	return (const struct json *)(const void *)node;
}

/* cJSON has a limit of a thousand, and recurses. Counts brackets outside strings; false: too deep. */
static bool is_shallow(const char *text, size_t count)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < count; i++) {
		char c = text[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
			return false;
		else if (!in_string && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return true;
}

/* A text that cJSON takes and we do not: a key twice, a string that is no UTF-8. NULL: all is well. */
static const char *find_fault(const cJSON *node)
{
	const cJSON *child, *other;
	unsigned keys = 0;

	if (node->valuestring && !is_clean(node->valuestring))
		return "a string that is not UTF-8 or holds control characters";
	cJSON_ArrayForEach(child, node) {
		const char *fault;

		if (child->string && ++keys > JSON_KEYS_MAX) /* each is compared with all others */
			return "an object of too many keys";
		if (child->string && !is_clean(child->string))
			return "a key that is not UTF-8";
		for (other = child->next; other && child->string; other = other->next)
			if (other->string && strcmp(other->string, child->string) == 0)
				return "a key that is there twice";
		fault = find_fault(child);
		if (fault)
			return fault;
	}
	return NULL;
}

/* "\u0000" would end a C string early. Behind an even number of backslashes it is one; "\\u0000" is a backslash and five letters. */
static bool has_nul(const char *text, size_t count)
{
	if (memchr(text, '\0', count))
		return true;
	for (size_t i = 0; i + 6 <= count; i++) {
		if (text[i] != '\\')
			continue;
		if (memcmp(text + i, "\\u0000", 6) == 0)
			return true;
		i++; /* what it escapes */
	}
	return false;
}

struct json *json_parse(const char *text, size_t count_bytes, struct error *error)
{
	const char *end = text, *fault;
	cJSON *node;

	if (count_bytes == 0 || !is_shallow(text, count_bytes) || has_nul(text, count_bytes)) {
		(void)error_set(error, ERROR_ANSWER, NULL, count_bytes == 0 ? "there is no JSON text" : "this JSON text holds a NUL, or is more than %d deep", JSON_DEPTH_MAX);
		return NULL;
	}
	node = cJSON_ParseWithLengthOpts(text, count_bytes, &end, false);
	while (node && end < text + count_bytes && strchr(" \t\r\n", *end))
		end++;
	if (!node || end != text + count_bytes) {
		(void)error_set(error, ERROR_ANSWER, NULL, "this is no JSON text, from byte %zu on", end >= text && end <= text + count_bytes ? (size_t)(end - text) : 0);
		cJSON_Delete(node);
		return NULL;
	}
	fault = find_fault(node);
	if (fault) {
		(void)error_set(error, ERROR_ANSWER, NULL, "this JSON text holds %s", fault);
		cJSON_Delete(node);
		return NULL;
	}
	return wrap(node);
}

const struct json *json_get(const struct json *object, const char *key)
{
	const cJSON *child = cJSON_IsObject(read_node(object)) ? cJSON_GetObjectItemCaseSensitive(read_node(object), key) : NULL;

	return child && !cJSON_IsNull(child) ? read_wrap(child) : NULL;
}

const struct json *json_at(const struct json *container, size_t index)
{
	const cJSON *child = container ? read_node(container)->child : NULL;

	while (child && index-- > 0)
		child = child->next;
	return read_wrap(child);
}

const char *json_key(const struct json *child)
{
	return child ? read_node(child)->string : NULL;
}

bool json_is_object(const struct json *json)
{
	return cJSON_IsObject(read_node(json));
}

bool json_is_array(const struct json *json)
{
	return cJSON_IsArray(read_node(json));
}

const char *json_string(const struct json *json)
{
	return cJSON_GetStringValue(read_node(json));
}

bool json_int(const struct json *json, int64_t *value)
{
	double number;

	if (!cJSON_IsNumber(read_node(json)))
		return false;
	number = read_node(json)->valuedouble;
	if (!(number > -9007199254740992.0 && number < 9007199254740992.0)) /* 2^53 + 1 would be read as 2^53 */
		return false;
	*value = (int64_t)number;
	return (double)*value >= number && (double)*value <= number;
}

bool json_bool(const struct json *json, bool *value)
{
	*value = cJSON_IsTrue(read_node(json));
	return cJSON_IsBool(read_node(json));
}

struct json *json_copy(const struct json *json)
{
	return wrap(json ? cJSON_Duplicate(read_node(json), true) : cJSON_CreateNull());
}
