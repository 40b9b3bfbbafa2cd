/* json.h - building JSON (cJSON behind it). Values that are not known are null, never invented. */
#ifndef DRR_PLATFORM_JSON_H
#define DRR_PLATFORM_JSON_H

#include <stdbool.h>
#include <stdint.h>

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

#endif
