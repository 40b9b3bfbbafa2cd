/* json.h - building and reading JSON (cJSON behind it). Values that are not known are null, never invented. */
#ifndef DRR_PLATFORM_JSON_H
#define DRR_PLATFORM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Of what is read. */
enum {
	JSON_DEPTH_MAX = 32, /* objects and arrays within each other */
	JSON_KEYS_MAX = 256, /* of one object */
};

struct json; /* an object or an array; memory running out ends the process with a message (nothing sensible is left to do) */

struct json *json_object(void);
struct json *json_array(void);
void json_free(struct json *json); /* NULL is fine */

/* Setters copy KEY and VALUE; a KEY that is there already gets the new value. A NULL string becomes null. Strings that are not UTF-8,
 * or hold a control character that a terminal may obey (DEL, U+0080..9F), are escaped as text_escape() does. Numbers are printed exactly,
 * also above 2^53. */
void json_set_string(struct json *object, const char *key, const char *value);
void json_set_int(struct json *object, const char *key, int64_t value);
void json_set_bool(struct json *object, const char *key, bool value);
void json_set_null(struct json *object, const char *key);
/* CHILD belongs to OBJECT (to ARRAY) afterwards; it must not be NULL. */
void json_set(struct json *object, const char *key, struct json *child);
void json_add(struct json *array, struct json *child);
void json_add_string(struct json *array, const char *value);

/* One line without blanks, or an indented page; no line end behind it. The caller frees with free(). Never NULL. */
char *json_text(const struct json *json, bool indented);

/* ---- reading ---- */

/* One JSON text of COUNT bytes and nothing behind it, UTF-8, no key twice in an object, within the limits above. NULL and ERROR_ANSWER otherwise. The caller frees it. */
struct json *json_parse(const char *text, size_t count_bytes, struct error *error);

/* What follows gives pieces of JSON, borrowed; each takes NULL and says "not there". */
const struct json *json_get(const struct json *object, const char *key); /* NULL: no such key, or no object; JSON null counts as not there */
const struct json *json_at(const struct json *container, size_t index);  /* of an object or an array; NULL behind the last */
const char *json_key(const struct json *child);                          /* of a child of an object; NULL */
bool json_is_object(const struct json *json);
bool json_is_array(const struct json *json);
const char *json_string(const struct json *json);          /* NULL: no string. Never holds a NUL (such a text is refused as a whole) */
bool json_int(const struct json *json, int64_t *value);    /* a whole number between -2^53 and 2^53, both left out: exact in a double */
bool json_bool(const struct json *json, bool *value);
/* A copy (of nothing: null), to be freed by the caller or given to json_set() or json_add(). */
struct json *json_copy(const struct json *json);

#endif
