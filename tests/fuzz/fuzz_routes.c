/* METHOD, blank, PATH, question mark, QUERY. What is understood must be written and understood again as the same; what is refused has a reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "front/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct route *route)
{
	char target[ROUTE_TARGET_MAX_BYTES + 1], again[ROUTE_TARGET_MAX_BYTES + 1], *query;
	struct route_refusal refusal;
	struct route second;

	if (route->name >= ROUTE_COUNT || route->wait_s > ROUTE_WAIT_MAX_S || route->limit < 1 || route->limit > ROUTE_LIMIT_MAX || route->after < 0 || route->max_age_ms < 0)
		abort();
	route_write(route, target);
	if (strpbrk(target, "%\\\"\r\n "))
		abort();
	query = strchr(target, '?');
	if (query)
		*query++ = '\0';
	if (!route_parse(route_method_name(route->method), target, query ? query : "", &second, &refusal))
		abort();
	if (query)
		query[-1] = '?';
	if (strcmp(target, route_write(&second, again)) != 0 || second.method != route->method)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *path, *query;
	struct route_refusal refusal;
	struct route route;

	memcpy(text, data, size);
	text[size] = '\0';
	path = strchr(text, ' ');
	if (path) {
		*path++ = '\0';
		query = strchr(path, '?');
		if (query)
			*query++ = '\0';
		if (route_parse(text, path, query ? query : "", &route, &refusal))
			check(&route);
		else if (refusal.detail[0] == '\0' || (refusal.type == PROBLEM_METHOD_NOT_ALLOWED) != (refusal.allow != NULL))
			abort();
	}
	free(text);
	return 0;
}
