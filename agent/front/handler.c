#include "front/handler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/problem.h"
#include "front/openapi.h"
#include "front/routes.h"
#include "platform/clock.h"

static const char again[] = "ask again; GET /v1/state says what is known then";

/* TEXT becomes RESPONSE's, which frees it. */
static void set_body(struct https_response *response, const char *content_type, char *text, size_t text_bytes)
{
	response->content_type = content_type;
	response->body = text;
	response->body_bytes = text_bytes;
	response->release = free;
}

static void set_problem(struct https_response *response, enum problem_type type, const char *detail, const char *next)
{
	char *text = problem_text(type, detail, next);

	response->status = problem_status(type);
	response->retry_after_s = problem_retry_after_s(type);
	set_body(response, PROBLEM_CONTENT_TYPE, text, strlen(text));
}

/* The server keeps the type longer than the reply lives. */
static const char *static_type(const char *type)
{
	static const char *const types[] = {"application/json", PROBLEM_CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8"};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i], type) == 0)
			return types[i];
	return "application/octet-stream";
}

/* Takes WHOLE over; for a client that did not ask for OpenMetrics it is rewritten. */
static void set_metrics_form(struct https_response *response, struct buf *whole, bool open_metrics, const char *type)
{
	size_t size = 2 * whole->len + 1;
	char *memory = open_metrics ? NULL : malloc(size);
	struct buf text;

	if (!memory) {
		set_body(response, static_type(type), whole->data, whole->len);
		return;
	}
	buf_init(&text, memory, size);
	(void)https_metrics_classic(whole->data, whole->len, &text);
	free(whole->data);
	set_body(response, "text/plain; version=0.0.4; charset=utf-8", memory, text.len);
}

/* The engine's text and ours behind it. */
static void set_metrics(struct handler *handler, struct https_response *response, const struct exchange_reply *reply, bool open_metrics)
{
	size_t size = reply->body_bytes + HTTPS_METRICS_MAX_BYTES;
	struct https_server *server = atomic_load(&handler->server);
	uint64_t requests[HTTPS_METRICS_CODE_COUNT];
	struct https_counts counts = {0};
	char *memory = malloc(size);
	struct buf text;

	if (!memory) {
		set_problem(response, PROBLEM_INTERNAL, "no memory for the metrics", NULL);
		return;
	}
	for (unsigned i = 0; i < HTTPS_METRICS_CODE_COUNT; i++)
		requests[i] = atomic_load(&handler->requests[i]);
	if (server)
		https_server_counts(server, &counts);
	buf_init(&text, memory, size);
	if (reply->body)
		(void)buf_add(&text, reply->body, reply->body_bytes);
	(void)https_metrics_write(&text, &counts, requests);
	response->status = 200;
	set_metrics_form(response, &text, open_metrics, reply->type);
}

static void set_reply(struct handler *handler, struct https_response *response, const struct route *route, struct exchange_reply *reply, bool open_metrics)
{
	if (reply->status == 200 && route->name == ROUTE_METRICS) {
		set_metrics(handler, response, reply, open_metrics);
	} else if (reply->status == 200 && route->name == ROUTE_OPENAPI) {
		response->status = 200;
		response->content_type = "application/json";
		response->body = (char *)(uintptr_t)openapi_json; /* never written: nothing releases it */
		response->body_bytes = openapi_json_bytes;
	} else {
		response->status = (int)reply->status;
		response->retry_after_s = reply->retry_after_s;
		(void)snprintf(response->location, sizeof response->location, "%s", reply->location);
		if (reply->body) {
			set_body(response, static_type(reply->type), reply->body, reply->body_bytes);
			return;
		}
	}
	free(reply->body);
}

static void set_result(struct handler *handler, struct https_response *response, const struct route *route, enum exchange_result result,
		       struct exchange_reply *reply, bool open_metrics)
{
	switch (result) {
	case EXCHANGE_ANSWERED: set_reply(handler, response, route, reply, open_metrics); break;
	case EXCHANGE_NO_ENGINE:
		set_problem(response, PROBLEM_ENGINE_RESTARTING, "the engine is being started; what was asked may or may not have been begun", again);
		break;
	case EXCHANGE_LATE: set_problem(response, PROBLEM_NO_ANSWER, "the engine did not answer; what was asked may or may not have been begun", again); break;
	case EXCHANGE_FULL:
		set_problem(response, PROBLEM_TOO_MANY, "too many requests wait for the engine; nothing was begun", "ask again, with fewer requests at a time");
		break;
	case EXCHANGE_ENDED: set_problem(response, PROBLEM_STOPPING, "drr-agent is being stopped", "systemctl status drr-agent"); break;
	case EXCHANGE_BAD_REPLY: set_problem(response, PROBLEM_INTERNAL, "the engine answered with something that is no answer", again); break;
	}
}

/* The certificate's names, one a line. Names that do not fit are left out: they can only give rights, never take them. */
static size_t join_names(const struct https_request *request, char out[FRAME_NAMES_MAX_BYTES + 1])
{
	struct buf names;

	buf_init(&names, out, FRAME_NAMES_MAX_BYTES + 1);
	for (unsigned i = 0; i < request->name_count; i++)
		(void)buf_printf(&names, "%s%s", names.len > 0 ? "\n" : "", request->names[i].text);
	return names.len;
}

static struct frame_field field_of(const char *string)
{
	return (struct frame_field){string, strlen(string)};
}

static void ask(struct handler *handler, const struct https_request *request, struct route *route, struct https_response *response)
{
	char target[ROUTE_TARGET_MAX_BYTES + 1], names[FRAME_NAMES_MAX_BYTES + 1];
	bool audits = route->name == ROUTE_AUDIT; /* takes as long as a long poll, and a worker with it */
	bool waits = (route->wait_s > 0 || audits) && request->may_wait && exchange_wait_begin(handler->exchange);
	struct exchange_reply reply = {0};
	struct frame_field fields[FRAME_FIELDS_MAX];
	enum exchange_result result;

	if (audits && !waits) {
		set_problem(response, PROBLEM_TOO_MANY, "as many requests as may wait for the engine do so already", "ask again in a moment");
		return;
	}
	if (!waits)
		route->wait_s = 0;
	fields[0] = field_of(route_method_name(route->method));
	fields[1] = field_of(route_write(route, target));
	fields[2] = (struct frame_field){names, join_names(request, names)};
	fields[3] = field_of(request->local ? "unix" : "tls");
	fields[4] = (struct frame_field){request->body, request->body_bytes};
	result = exchange_ask(handler->exchange, fields, &reply);
	if (waits)
		exchange_wait_end(handler->exchange);
	set_result(handler, response, route, result, &reply, request->open_metrics);
}

static void answer(struct handler *handler, const struct https_request *request, struct https_response *response)
{
	struct route_refusal refusal;
	struct route route;

	if (!route_parse(request->method, request->path, request->query, &route, &refusal)) {
		set_problem(response, refusal.type, refusal.detail, "GET /v1/openapi.json");
		response->allow = refusal.allow;
	} else if (request->body_bytes > FRAME_BODY_MAX_BYTES) {
		set_problem(response, PROBLEM_BODY_TOO_LARGE, "the body may have 16384 bytes", NULL);
	} else if (request->body_bytes > 0 && (route.method == ROUTE_GET || route.method == ROUTE_DELETE)) {
		set_problem(response, PROBLEM_BAD_REQUEST, "this request has no body", NULL);
	} else {
		ask(handler, request, &route, response);
	}
}

static void log_access(const struct https_request *request, const struct https_response *response, int64_t took_ms)
{
	char status[16], ms[24];

	(void)snprintf(status, sizeof status, "%d", response->status);
	(void)snprintf(ms, sizeof ms, "%" PRId64, took_ms);
	log_line(LOG_LEVEL_INFO, "request answered", "method", request->method, "path", request->path, "query", request->query[0] ? request->query : NULL, "status", status,
		 "ms", ms, "peer", request->peer, "name", request->name_count > 0 ? request->names[0].text : NULL, NULL);
}

void handler_answer(void *context, const struct https_request *request, struct https_response *response)
{
	struct handler *handler = context;
	struct mono began = clock_now();

	(void)atomic_fetch_add(&handler->busy, 1);
	answer(handler, request, response);
	(void)atomic_fetch_add(&handler->requests[https_metrics_code(response->status)], 1);
	log_access(request, response, mono_diff_ms(clock_now(), began));
	(void)atomic_fetch_sub(&handler->busy, 1);
}

/* What the server refused by itself, in the closed list's words. The status stays HTTP's own. */
void handler_refuse(void *context, struct https_response *response)
{
	static const struct {
		int status;
		enum problem_type type;
		const char *detail;
	} refusals[] = {
		{400, PROBLEM_BAD_REQUEST, "this is no HTTP request"},
		{408, PROBLEM_BAD_REQUEST, "the request took too long to arrive"},
		{411, PROBLEM_BAD_REQUEST, "the request must say how long its body is"},
		{413, PROBLEM_BODY_TOO_LARGE, "the body may have 16384 bytes"},
		{417, PROBLEM_BAD_REQUEST, "the request expects what is not done here"},
		{431, PROBLEM_HEADER_TOO_LARGE, "the head of a request may have 8192 bytes"},
		{501, PROBLEM_BAD_REQUEST, "the request needs what is not done here"},
		{503, PROBLEM_TOO_MANY, "too many connections at the same time"},
		{505, PROBLEM_BAD_REQUEST, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
	};
	struct handler *handler = context;
	enum problem_type type = PROBLEM_INTERNAL;
	const char *detail = NULL;
	struct json *problem;
	char *text;

	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		if (refusals[i].status == response->status) {
			type = refusals[i].type;
			detail = refusals[i].detail;
		}
	problem = problem_json(type, detail, NULL);
	json_set_int(problem, "status", response->status);
	text = json_text(problem, false);
	json_free(problem);
	response->retry_after_s = problem_retry_after_s(type);
	set_body(response, PROBLEM_CONTENT_TYPE, text, strlen(text));
	(void)atomic_fetch_add(&handler->requests[https_metrics_code(response->status)], 1);
}

void handler_refused(void *context, const char *peer, const char *why)
{
	struct handler *handler = context;
	struct mono now = clock_now();
	char unsaid[16];

	if (handler->refused_said_at.ms != 0 && mono_diff_ms(now, handler->refused_said_at) < HANDLER_REFUSED_MS) {
		handler->refused_unsaid++;
		return;
	}
	(void)snprintf(unsaid, sizeof unsaid, "%u", handler->refused_unsaid);
	log_line(LOG_LEVEL_WARNING, "a client was refused", "peer", peer, "why", why, "next", "drr-agent cert show",
		 "unsaid", handler->refused_unsaid > 0 ? unsaid : NULL, NULL);
	handler->refused_said_at = now;
	handler->refused_unsaid = 0;
}
