#include "group/manager.h"

#include <stdio.h>
#include <string.h>

static const char mark_begin[] = " (drrctl ", mark_end[] = ")";

const char *manager_token(const struct json *answer)
{
	const char *token = json_string(json_get(answer, "access_token"));

	return token && token[0] && !strpbrk(token, " \r\n\t") ? token : NULL;
}

/* ---- the summary ---------------------------------------------------------------------------------------------- */

int manager_read_summary(const struct json *answer, const char *catalog, struct manager_summary *summary, struct error *error)
{
	const char *text = json_string(json_get(answer, "summary"));

	*summary = (struct manager_summary){.there = text != NULL};
	if (!json_is_object(answer) || (text && strlen(text) >= sizeof summary->text))
		return error_set(error, ERROR_ANSWER, NULL, "API Manager's answer for the catalog %s is no object, or has a summary of more than %d bytes", catalog,
				 MANAGER_SUMMARY_BYTES - 1);
	(void)snprintf(summary->text, sizeof summary->text, "%s", text ? text : "");
	return 0;
}

/* How many bytes of TEXT stand before a mark at its end. What somebody wrote behind a mark is not ours, and so the mark stays. */
static size_t unmarked(const char *text)
{
	size_t length = strlen(text), end = sizeof mark_end - 1;
	const char *last = NULL;

	for (const char *at = text; (at = strstr(at, mark_begin)) != NULL; at++)
		last = at;
	if (!last || strchr(last, mark_end[0]) != text + length - end)
		return length;
	return (size_t)(last - text);
}

const char *manager_mark(const char *text, const char *time, char out[MANAGER_SUMMARY_BYTES + MANAGER_MARK_BYTES])
{
	(void)snprintf(out, MANAGER_SUMMARY_BYTES + MANAGER_MARK_BYTES, "%.*s%s%.*s%s", (int)unmarked(text), text, mark_begin,
		       (int)(MANAGER_MARK_BYTES - sizeof mark_begin - sizeof mark_end), time, mark_end);
	return out;
}

/* ---- how far it is -------------------------------------------------------------------------------------------- */

/* The number of KEY in the processing status of a service, or beside it; -1: not told. */
static int64_t count_of(const struct json *service, const char *key)
{
	int64_t value;

	if (json_int(json_get(json_get(service, "gateway_processing_status"), key), &value) || json_int(json_get(service, key), &value))
		return value < 0 ? -1 : value;
	return -1;
}

static int64_t sum(int64_t a, int64_t b)
{
	return a < 0 || b < 0 ? -1 : a + b; /* each below 2^53, and not many */
}

static void read_service(struct manager_catalog *catalog, const struct json *service)
{
	const struct json *status = json_get(service, "gateway_processing_status");
	const char *state = json_string(json_get(status, "service_state"));
	bool current = false;

	if (!json_bool(json_get(status, "service_up_to_date"), &current))
		(void)json_bool(json_get(service, "service_up_to_date"), &current);
	catalog->sent = sum(catalog->sent, count_of(service, "number_of_outstanding_sent_events"));
	catalog->queued = sum(catalog->queued, count_of(service, "number_of_outstanding_queued_events"));
	state = state ? state : json_string(json_get(service, "service_state"));
	if (!current && state && catalog->state[0] == '\0')
		(void)snprintf(catalog->state, sizeof catalog->state, "%s", state);
	catalog->up_to_date &= current;
}

/* An object with "results", as all of its lists; or a list. */
int manager_read_services(const struct json *answer, const char *catalog, struct manager_catalog *out, struct error *error)
{
	const struct json *services = json_is_array(answer) ? answer : json_get(answer, "results");

	*out = (struct manager_catalog){.known = true, .up_to_date = json_at(services, 0) != NULL};
	if (!json_is_array(services)) {
		*out = (struct manager_catalog){0};
		return error_set(error, ERROR_ANSWER, "look at the gateway services in API Manager", "API Manager's answer for the gateway services of the catalog %s is no list", catalog);
	}
	for (; json_at(services, out->services); out->services++)
		read_service(out, json_at(services, out->services));
	return 0;
}

bool manager_is_current(const struct manager_catalog *catalogs, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!catalogs[i].known || !catalogs[i].up_to_date || catalogs[i].sent > 0 || catalogs[i].queued > 0)
			return false;
	return true;
}

void manager_tell(const struct manager_catalog *catalog, const char *name, struct buf *out)
{
	(void)buf_printf(out, "%s: %s", name, !catalog->known ? "not known" : catalog->services == 0 ? "has no gateway service" : catalog->up_to_date ? "up to date" : "not up to date");
	if (!catalog->known)
		return;
	if (catalog->sent > 0 || catalog->queued > 0)
		(void)buf_printf(out, ", %lld events sent and %lld queued are outstanding", (long long)(catalog->sent > 0 ? catalog->sent : 0),
				 (long long)(catalog->queued > 0 ? catalog->queued : 0));
	if (catalog->state[0])
		(void)buf_printf(out, ", service %s", catalog->state);
}
