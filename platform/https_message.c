/* Where a request ends, and what a response looks like. The grammar is civetweb's, the same that the worker will read the request with. */
#include <civetweb_session.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "platform/https_gate.h"

enum { LENGTH_DIGITS_MAX = 9, HEAD_OUT_MAX_BYTES = 768 };

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {303, "See Other"}, {304, "Not Modified"}, {400, "Bad Request"},
	{403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"},
	{411, "Length Required"}, {413, "Content Too Large"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"}, {422, "Unprocessable Content"},
	{429, "Too Many Requests"}, {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
	{502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
};

static const char *reason_of(int status)
{
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return status < 400 ? "OK" : "Error";
}

/* The value of a Content-Length: digits, and not many. False: it is none. */
static bool read_length(const char *text, size_t *length)
{
	size_t digits = strspn(text, "0123456789");

	*length = 0;
	if (digits == 0 || text[digits] != '\0')
		return false;
	for (size_t i = 0; i < digits; i++)
		*length = *length > HTTPS_BODY_MAX_BYTES ? *length : *length * 10 + (size_t)(text[i] - '0');
	return true;
}

/* What the head's fields say about the body: 0 or a status. */
static int read_fields(const struct mg_request_info *info, size_t *body_bytes, bool *asks)
{
	unsigned lengths = 0;

	*body_bytes = 0;
	*asks = false;
	if (info->num_headers >= MG_MAX_HEADERS)
		return 431; /* civetweb does not look at more */
	for (int i = 0; i < info->num_headers; i++) {
		const char *name = info->http_headers[i].name, *value = info->http_headers[i].value;

		if (strcasecmp(name, "Transfer-Encoding") == 0)
			return 411; /* our clients know how long their bodies are; and two ways to say it are one too many */
		if (strcasecmp(name, "Content-Length") == 0 && (lengths++ > 0 || !read_length(value, body_bytes)))
			return 400;
		if (strcasecmp(name, "Expect") == 0) {
			if (strcasecmp(value, "100-continue") != 0)
				return 417;
			*asks = true;
		}
	}
	return *body_bytes > HTTPS_BODY_MAX_BYTES ? 413 : 0;
}

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* Each field a line of its own, and no blank before its colon (RFC 9112, 5.1 and 5.2). civetweb takes a continued line for a field without a name: a length or a
 * coding that a proxy reads in it would be none to us, and the body a request. HEAD ends with an empty line. */
static bool has_plain_fields(const char *head, size_t length)
{
	const char *end = head + length, *line = head;

	while (line < end && (*line == '\r' || *line == '\n')) /* empty lines before the request */
		line++;
	while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL && ++line < end) {
		size_t name = 0;

		if (*line == '\n' || (*line == '\r' && line + 1 < end && line[1] == '\n'))
			return true;
		while (line + name < end && is_token(line[name]))
			name++;
		if (name == 0 || line + name == end || line[name] != ':')
			return false;
	}
	return true;
}

int https_message_frame(const char *bytes, size_t count_bytes, size_t *head_bytes, size_t *body_bytes)
{
	int length = civetweb_head_bytes(bytes, (int)(count_bytes > HTTPS_HEAD_MAX_BYTES ? HTTPS_HEAD_MAX_BYTES : count_bytes)), status;
	struct mg_request_info info;
	char *copy;
	bool asks;

	if (length < 0)
		return 400;
	if (length == 0)
		return count_bytes >= HTTPS_HEAD_MAX_BYTES ? 431 : FRAME_MORE;
	copy = malloc((size_t)length + 1); /* it is taken apart in place */
	if (!copy)
		return 503;
	memcpy(copy, bytes, (size_t)length);
	copy[length] = '\0';
	if (!has_plain_fields(bytes, (size_t)length) || civetweb_head_parse(copy, length, &info) <= 0)
		status = 400;
	else if (strcmp(info.http_version, "1.1") != 0 && strcmp(info.http_version, "1.0") != 0)
		status = 505;
	else
		status = read_fields(&info, body_bytes, &asks);
	free(copy);
	if (status != 0)
		return status;
	*head_bytes = (size_t)length;
	if (count_bytes - *head_bytes >= *body_bytes)
		return FRAME_WHOLE;
	return asks ? FRAME_BODY_ASKED : FRAME_BODY;
}

static void add(char *head, size_t *at, const char *name, const char *value)
{
	/* A line break would end the field: ours never have one, but LOCATION may hold what a client named. */
	if (value[strcspn(value, "\r\n")] != '\0')
		return;
	*at += (size_t)snprintf(head + *at, HEAD_OUT_MAX_BYTES - *at, "%s: %s\r\n", name, value);
}

size_t https_message_write(struct https_response *response, bool head_only, bool keep, char **out)
{
	bool bodiless = response->status == 204 || response->status == 304;
	size_t body_bytes = bodiless || !response->body ? 0 : response->body_bytes, at;
	char number[24];
	char *head = malloc(HEAD_OUT_MAX_BYTES + (head_only ? 0 : body_bytes));

	if (head) {
		at = (size_t)snprintf(head, HEAD_OUT_MAX_BYTES, "HTTP/1.1 %d %s\r\n", response->status, reason_of(response->status));
		if (body_bytes > 0 && response->content_type)
			add(head, &at, "Content-Type", response->content_type);
		(void)snprintf(number, sizeof number, "%zu", body_bytes);
		if (!bodiless)
			add(head, &at, "Content-Length", number);
		(void)snprintf(number, sizeof number, "%u", response->retry_after_s);
		if (response->retry_after_s > 0)
			add(head, &at, "Retry-After", number);
		if (response->location[0] != '\0')
			add(head, &at, "Location", response->location);
		if (response->allow)
			add(head, &at, "Allow", response->allow);
		add(head, &at, "Cache-Control", "no-store");
		add(head, &at, "X-Content-Type-Options", "nosniff");
		add(head, &at, "Connection", keep ? "keep-alive" : "close");
		head[at++] = '\r';
		head[at++] = '\n';
		if (!head_only && body_bytes > 0)
			memcpy(head + at, response->body, body_bytes);
		at += head_only ? 0 : body_bytes;
	}
	if (response->release && response->body)
		response->release(response->body);
	response->body = NULL;
	*out = head;
	return head ? at : 0;
}

void https_message_refuse(const struct https_settings *settings, int status, struct https_response *response)
{
	memset(response, 0, sizeof *response);
	response->status = status;
	response->retry_after_s = status == 503 ? 5 : 0;
	if (settings->refusal) {
		settings->refusal(settings->context, response);
		return;
	}
	response->content_type = "text/plain";
	response->body = (char *)(uintptr_t)reason_of(status);
	response->body_bytes = strlen(response->body);
}
