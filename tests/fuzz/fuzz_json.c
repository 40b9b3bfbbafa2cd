/* Any bytes as JSON: what is taken can be walked without surprise, holds no key twice, and is taken again, as the same, when it is written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct json *json, unsigned depth)
{
	const struct json *child;
	int64_t number;
	bool flag;

	if (depth > JSON_DEPTH_MAX)
		abort();
	if (json_int(json, &number) && (number > INT64_C(9007199254740991) || number < -INT64_C(9007199254740991)))
		abort();
	if (json_string(json) && (json_is_object(json) || json_is_array(json) || json_int(json, &number) || json_bool(json, &flag)))
		abort();
	if (json_string(json))
		(void)clock_parse(json_string(json), &number);
	for (size_t i = 0; i < 64 && (child = json_at(json, i)); i++) {
		if (json_is_object(json) != (json_key(child) != NULL))
			abort();
		if (json_key(child) && json_get(json, json_key(child)) && json_get(json, json_key(child)) != child)
			abort(); /* another one of the same key */
		walk(child, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error = {0};
	struct json *json = json_parse((const char *)data, size, &error), *again;
	char *text, *second;

	if ((json == NULL) != (error.code != ERROR_NONE))
		abort();
	if (!json)
		return 0;
	walk(json, 0);
	text = json_text(json, false);
	again = json_parse(text, strlen(text), &error);
	if (!again)
		abort();
	second = json_text(again, false);
	if (strcmp(text, second) != 0)
		abort();
	free(text);
	free(second);
	json_free(json);
	json_free(again);
	return 0;
}
