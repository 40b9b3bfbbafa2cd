#include "front/routes.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

enum parameter { MAX_AGE_MS = 1, AFTER = 2, LIMIT = 4, WAIT_S = 8, VERBOSE = 16, NON_PRODUCTION = 32 };

enum { PARAMETER_COUNT = 6, WORD_MAX_BYTES = 32, SHOWN_BYTES = 96 };

static const struct {
	const char *key;
	int64_t min, max; /* 0, 1: a flag, which may stand without a value */
} parameters[PARAMETER_COUNT] = {
	{"max_age_ms", 0, ROUTE_NUMBER_MAX}, {"after", 0, ROUTE_NUMBER_MAX}, {"limit", 1, ROUTE_LIMIT_MAX}, {"wait_s", 0, ROUTE_WAIT_MAX_S}, {"verbose", 0, 1},
	{"non_production", 0, 1},
};

static const struct {
	const char *path;   /* a slash at its end: a name follows */
	unsigned methods, parameters;
	size_t id_max_bytes;
	const char *allow;
} routes[ROUTE_COUNT] = {
	[ROUTE_STATE] = {"/v1/state", ROUTE_GET, MAX_AGE_MS, 0, "GET, HEAD"},
	[ROUTE_AUDIT] = {"/v1/audit", ROUTE_GET, NON_PRODUCTION, 0, "GET, HEAD"},
	[ROUTE_GRANT] = {"/v1/grant/", ROUTE_PUT | ROUTE_DELETE, 0, ROUTE_RUN_MAX_BYTES, "PUT, DELETE"},
	[ROUTE_STEPS] = {"/v1/steps", ROUTE_POST, 0, 0, "POST"},
	[ROUTE_STEP] = {"/v1/steps/", ROUTE_GET, WAIT_S, ROUTE_ID_MAX_BYTES, "GET, HEAD"},
	[ROUTE_HOLD] = {"/v1/hold", ROUTE_PUT | ROUTE_DELETE, 0, 0, "PUT, DELETE"},
	[ROUTE_EVENTS] = {"/v1/events", ROUTE_GET, AFTER | LIMIT | WAIT_S, 0, "GET, HEAD"},
	[ROUTE_METRICS] = {"/metrics", ROUTE_GET, 0, 0, "GET, HEAD"},
	[ROUTE_LIVEZ] = {"/livez", ROUTE_GET, VERBOSE, 0, "GET, HEAD"},
	[ROUTE_READYZ] = {"/readyz", ROUTE_GET, VERBOSE, 0, "GET, HEAD"},
	[ROUTE_OPENAPI] = {"/v1/openapi.json", ROUTE_GET, 0, 0, "GET, HEAD"},
};

static bool refuse(struct route_refusal *refusal, enum problem_type type, const char *before, const char *foreign, size_t foreign_bytes, const char *after)
{
	char shown[SHOWN_BYTES];

	refusal->type = type;
	(void)snprintf(refusal->detail, sizeof refusal->detail, "%s%s%s", before, text_escape(shown, sizeof shown, foreign, foreign_bytes), after);
	return false;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Resolves percent signs. False: it does not fit, is no text, or "%" stands for nothing. */
static bool decode(const char *bytes, size_t count, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		int value = (unsigned char)bytes[i];

		if (bytes[i] == '%') {
			if (count - i < 3 || hex_value(bytes[i + 1]) < 0 || hex_value(bytes[i + 2]) < 0)
				return false;
			value = hex_value(bytes[i + 1]) * 16 + hex_value(bytes[i + 2]);
			i += 2;
		}
		if (value <= ' ' || value > '~' || used + 1 >= size)
			return false;
		out[used++] = (char)value;
	}
	out[used] = '\0';
	return true;
}

static bool is_name(const char *text, size_t max_bytes)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t length = strlen(text);

	return length > 0 && length <= max_bytes && strspn(text, allowed) == length;
}

static bool has_name(enum route_name name)
{
	return routes[name].id_max_bytes > 0;
}

/* Which row PATH belongs to; ROUTE_COUNT: none. What follows the slash of a row with a name must not hold another one. */
static enum route_name find(const char *path)
{
	for (enum route_name name = 0; name < ROUTE_COUNT; name++) {
		size_t length = strlen(routes[name].path);

		if (has_name(name) ? strncmp(path, routes[name].path, length) == 0 && path[length] && !strchr(path + length, '/') : strcmp(path, routes[name].path) == 0)
			return name;
	}
	return ROUTE_COUNT;
}

/* 0: none of ours. */
static unsigned method_of(const char *method)
{
	static const struct {
		const char *name;
		unsigned method;
	} methods[] = {{"GET", ROUTE_GET}, {"HEAD", ROUTE_GET}, {"PUT", ROUTE_PUT}, {"POST", ROUTE_POST}, {"DELETE", ROUTE_DELETE}};

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(methods[i].name, method) == 0)
			return methods[i].method;
	return 0;
}

static void take(struct route *route, unsigned index, int64_t value)
{
	switch (1U << index) {
	case MAX_AGE_MS: route->max_age_ms = value; break;
	case AFTER: route->after = value; break;
	case LIMIT: route->limit = (unsigned)value; break;
	case WAIT_S: route->wait_s = (unsigned)value; break;
	case VERBOSE: route->verbose = value != 0; break;
	default: route->non_production = value != 0; break;
	}
}

/* VALUE of parameter INDEX. */
static bool read_value(struct route *route, unsigned index, const char *value, struct route_refusal *refusal)
{
	unsigned long long number = 1;
	char limits[80];

	if (!(value[0] == '\0' && parameters[index].max == 1) &&
	    (!text_to_unsigned(value, strlen(value), (unsigned long long)parameters[index].max, &number) || (int64_t)number < parameters[index].min)) {
		(void)snprintf(limits, sizeof limits, " is not a number from %" PRId64 " to %" PRId64, parameters[index].min, parameters[index].max);
		return refuse(refusal, PROBLEM_BAD_REQUEST, parameters[index].key, "", 0, limits);
	}
	take(route, index, (int64_t)number);
	return true;
}

/* One KEY=VALUE of the query. SEEN holds what was there before. */
static bool read_pair(struct route *route, const char *pair, size_t length, unsigned *seen, struct route_refusal *refusal)
{
	const char *equals = memchr(pair, '=', length);
	size_t key_bytes = equals ? (size_t)(equals - pair) : length;
	char key[WORD_MAX_BYTES], value[WORD_MAX_BYTES];

	if (!decode(pair, key_bytes, key, sizeof key) || !decode(pair + key_bytes + (equals ? 1 : 0), length - key_bytes - (equals ? 1 : 0), value, sizeof value))
		return refuse(refusal, PROBLEM_BAD_REQUEST, "cannot read this parameter: ", pair, length, "");
	for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
		if (!(routes[route->name].parameters & 1U << i) || strcmp(parameters[i].key, key) != 0)
			continue;
		if (*seen & 1U << i)
			return refuse(refusal, PROBLEM_BAD_REQUEST, key, "", 0, " is there twice");
		*seen |= 1U << i;
		return read_value(route, i, value, refusal);
	}
	return refuse(refusal, PROBLEM_BAD_REQUEST, "there is no such parameter here: ", key, strlen(key), "");
}

static bool read_query(struct route *route, const char *query, struct route_refusal *refusal)
{
	unsigned seen = 0;

	while (*query) {
		size_t length = strcspn(query, "&");

		if (length > 0 && !read_pair(route, query, length, &seen, refusal))
			return false;
		query += length;
		if (*query == '&')
			query++;
	}
	return true;
}

bool route_parse(const char *method, const char *path, const char *query, struct route *route, struct route_refusal *refusal)
{
	size_t path_bytes = strlen(path), query_bytes = strlen(query);

	*refusal = (struct route_refusal){.type = PROBLEM_NOT_FOUND};
	*route = (struct route){.max_age_ms = ROUTE_MAX_AGE_USUAL_MS, .limit = ROUTE_LIMIT_USUAL};
	if (path_bytes + query_bytes + 1 > ROUTE_TARGET_MAX_BYTES)
		return refuse(refusal, PROBLEM_BAD_REQUEST, "the target of the request is too long", "", 0, "");
	route->name = find(path);
	if (route->name == ROUTE_COUNT)
		return refuse(refusal, PROBLEM_NOT_FOUND, "there is no ", path, path_bytes, "");
	route->method = (enum route_method)method_of(method);
	if (!(routes[route->name].methods & route->method)) {
		refusal->allow = routes[route->name].allow;
		return refuse(refusal, PROBLEM_METHOD_NOT_ALLOWED, "there is no ", method, strlen(method), " here");
	}
	if (has_name(route->name)) {
		const char *name = path + strlen(routes[route->name].path);

		if (!decode(name, strlen(name), route->id, sizeof route->id) || !is_name(route->id, routes[route->name].id_max_bytes))
			return refuse(refusal, PROBLEM_BAD_REQUEST, "this is no name of a run or a step (letters, digits, - _ .): ", name, strlen(name), "");
	}
	return read_query(route, query, refusal);
}

const char *route_method_name(enum route_method method)
{
	switch (method) {
	case ROUTE_PUT: return "PUT";
	case ROUTE_POST: return "POST";
	case ROUTE_DELETE: return "DELETE";
	default: return "GET";
	}
}

char *route_write(const struct route *route, char *out)
{
	const int64_t values[PARAMETER_COUNT] = {route->max_age_ms, route->after, route->limit, route->wait_s, route->verbose, route->non_production};
	char mark = '?';
	struct buf target;

	buf_init(&target, out, ROUTE_TARGET_MAX_BYTES + 1);
	(void)buf_printf(&target, "%s%s", routes[route->name].path, route->id);
	for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
		if (!(routes[route->name].parameters & 1U << i))
			continue;
		(void)buf_printf(&target, "%c%s=%" PRId64, mark, parameters[i].key, values[i]);
		mark = '&';
	}
	assert(!target.overflow);
	return out;
}
