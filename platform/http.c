/* http.c - picohttpparser reads the head. Chunks are read here: its decoder works in place, bounds neither a chunk's line nor the trailers, and takes
 * "5x" for 5. */
#include "platform/http.h"

#include <picohttpparser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum state { HEAD, BODY_LENGTH, BODY_UNTIL_END, CHUNK_SIZE, CHUNK_BLANKS, CHUNK_EXTENSION, CHUNK_LF, CHUNK_DATA, CHUNK_CR, CHUNK_DATA_LF, TRAILER, DONE };

enum {
	INTERIM_MAX = 16,     /* responses 1xx before the one that counts */
	SIZE_DIGITS_MAX = 15, /* of a chunk, hexadecimal: no overflow */
};

/* What the headers say about where the body ends. */
struct framing {
	bool have_length, chunked, other_coding, close, keep_alive, ambiguous;
	uint64_t length;
};

static const char next_step[] = "check that url in [xmi] leads to the XML management interface of the appliance, and to nothing in between that changes answers";

void http_response_init(struct http_response *response, uint64_t body_max_bytes, http_body_function *body, void *context)
{
	memset(response, 0, offsetof(struct http_response, head));
	response->body_max_bytes = body_max_bytes;
	response->body = body;
	response->context = context;
	response->state = HEAD;
}

/* The head may hold the credentials, echoed. */
static void wipe_head(struct http_response *response)
{
	explicit_bzero(response->head, response->head_bytes);
	response->head_bytes = 0;
}

static int fail(struct http_response *response, struct error *error, const char *what)
{
	wipe_head(response);
	response->failed = true;
	return error_set(error, ERROR_ANSWER, next_step, "the answer is no HTTP that can be read: %s", what);
}

static int too_long(struct http_response *response, struct error *error, const char *part, uint64_t max_bytes)
{
	char what[96];

	(void)snprintf(what, sizeof what, "%s longer than the limit of %llu bytes", part, (unsigned long long)max_bytes);
	return fail(response, error, what);
}

/* ---- the head */

static bool is_header(const struct phr_header *header, const char *name)
{
	return header->name_len == strlen(name) && strncasecmp(header->name, name, header->name_len) == 0;
}

/* Whether the comma-separated list has WORD. */
static bool has_word(const struct phr_header *header, const char *word)
{
	const char *at = header->value, *end = header->value + header->value_len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *piece = at;
		size_t wide = (size_t)((comma ? comma : end) - at);

		text_trim(&piece, &wide);
		if (wide == strlen(word) && strncasecmp(piece, word, wide) == 0)
			return true;
		at = comma ? comma + 1 : end;
	}
	return false;
}

static void take_length(const struct phr_header *header, struct framing *framing)
{
	const char *value = header->value;
	size_t wide = header->value_len;
	unsigned long long length;

	text_trim(&value, &wide);
	if (!text_to_unsigned(value, wide, INT64_MAX, &length) || (framing->have_length && framing->length != length)) {
		framing->ambiguous = true;
		return;
	}
	framing->have_length = true;
	framing->length = length;
}

static void take_coding(const struct phr_header *header, struct framing *framing)
{
	const char *value = header->value;
	size_t wide = header->value_len;

	text_trim(&value, &wide);
	if (wide == strlen("chunked") && strncasecmp(value, "chunked", wide) == 0 && !framing->chunked)
		framing->chunked = true;
	else
		framing->other_coding = true;
}

static void take_headers(const struct phr_header *headers, size_t count, struct framing *framing)
{
	bool *folded = NULL; /* what it is when a line goes on behind the header before it */

	for (size_t i = 0; i < count; i++) {
		const struct phr_header *header = &headers[i];

		if (!header->name || memchr(header->name, ' ', header->name_len) || memchr(header->name, '\t', header->name_len)) {
			/* A line that goes on, or a name with a blank: who reads it otherwise sees another framing. */
			framing->ambiguous = framing->ambiguous || folded || header->name;
			if (folded)
				*folded = true;
			continue;
		}
		folded = NULL;
		if (is_header(header, "content-length")) {
			take_length(header, framing);
			folded = &framing->ambiguous;
		} else if (is_header(header, "transfer-encoding")) {
			take_coding(header, framing);
			folded = &framing->other_coding;
		} else if (is_header(header, "connection")) {
			folded = &framing->close;
			framing->close = framing->close || has_word(header, "close");
			framing->keep_alive = framing->keep_alive || has_word(header, "keep-alive");
		}
	}
}

static void finish(struct http_response *response)
{
	response->state = DONE;
	response->done = true;
}

/* How the body ends, from the head. */
static int begin_body(struct http_response *response, const struct framing *framing, int minor, struct error *error)
{
	if (framing->other_coding)
		return fail(response, error, "its body has a transfer coding other than chunked");
	/* Chunks override a length (RFC 9112, 6.3): the appliance echoes the request's headers, and its Content-Length may be among them. */
	if (!framing->chunked && framing->ambiguous)
		return fail(response, error, "its headers do not agree on the length of the body");
	if (!framing->chunked && framing->have_length && framing->length > response->body_max_bytes)
		return too_long(response, error, "its body is", response->body_max_bytes);
	response->keep = !framing->close && (minor >= 1 || framing->keep_alive);
	response->remaining = framing->chunked ? 0 : framing->length;
	if (response->status == 204 || response->status == 304) {
		finish(response);
	} else if (framing->chunked) {
		response->state = CHUNK_SIZE;
	} else if (framing->have_length) {
		response->state = BODY_LENGTH;
		if (framing->length == 0)
			finish(response);
	} else {
		response->state = BODY_UNTIL_END;
		response->keep = false;
	}
	return 0;
}

/* "HTTP/1.x NNN " is checked here, as far as it came: the parser waits for a whole head, and its numbers have no bounds. */
static bool looks_like_http(const char *head, size_t length)
{
	static const char pattern[] = "HTTP/1.d ddd ";

	for (size_t i = 0; i < length && i < sizeof pattern - 1; i++)
		if (pattern[i] == 'd' ? head[i] < '0' || head[i] > '9' : head[i] != pattern[i])
			return false;
	return true;
}

/* The parser's verdict on the head so far: its length, or -2 for more, -1 for none. */
static int parse_head(struct http_response *response, size_t before, struct framing *framing, int *minor)
{
	struct phr_header headers[HTTP_HEADERS_MAX];
	size_t count = HTTP_HEADERS_MAX, words_bytes;
	const char *words;
	int length;

	if (!looks_like_http(response->head, response->head_bytes))
		return -1;
	/* A number of bytes seen before, never 0: then it waits for the whole head, and a bad one gives the same error however it was split. */
	length = phr_parse_response(response->head, response->head_bytes, minor, &response->status, &words, &words_bytes, headers, &count,
				    before > 0 ? before : 1);
	if (length > 0)
		take_headers(headers, count, framing);
	else
		response->status = 0;
	return length;
}

/* Takes bytes of the head; *USED: how many. */
static int input_head(struct http_response *response, const char *bytes, size_t count, size_t *used, struct error *error)
{
	size_t before = response->head_bytes;
	size_t room = sizeof response->head - before;
	struct framing framing = {0};
	int minor = 0, length;

	*used = count < room ? count : room;
	memcpy(response->head + before, bytes, *used);
	response->head_bytes += *used;
	length = parse_head(response, before, &framing, &minor);
	if (length == -1)
		return fail(response, error, "it does not begin with a head of HTTP/1, or with more headers than are read");
	if (length < 0)
		return response->head_bytes < sizeof response->head ? 0 : too_long(response, error, "its head is", HTTP_HEAD_MAX_BYTES);
	*used = (size_t)length - before;
	wipe_head(response);
	if (response->status >= 200)
		return begin_body(response, &framing, minor, error);
	if (response->status < 100 || ++response->interims > INTERIM_MAX)
		return fail(response, error, "its status is none, or too many interim ones came before it");
	response->status = 0;
	return 0;
}

/* ---- the body */

/* Hands out up to COUNT bytes, at most the remaining ones where their number is known. */
static int hand_out(struct http_response *response, const char *bytes, size_t count, size_t *used, struct error *error)
{
	if (response->state != BODY_UNTIL_END && count > response->remaining)
		count = (size_t)response->remaining;
	if (count > response->body_max_bytes - response->body_bytes)
		return too_long(response, error, "its body is", response->body_max_bytes);
	*used = count;
	response->body_bytes += count;
	if (response->state != BODY_UNTIL_END)
		response->remaining -= count;
	if (response->body(response->context, bytes, count, error)) {
		response->failed = true;
		return -1;
	}
	if (response->state == BODY_LENGTH && response->remaining == 0)
		finish(response);
	else if (response->state == CHUNK_DATA && response->remaining == 0)
		response->state = CHUNK_CR;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int take_size(struct http_response *response, char c, struct error *error)
{
	int digit = hex_digit(c);

	if (digit >= 0 && response->line_bytes <= SIZE_DIGITS_MAX) {
		response->remaining = response->remaining << 4 | (uint64_t)digit;
		return 0;
	}
	/* Blanks behind the digits are not in the grammar but were seen with other servers. */
	if (digit >= 0 || response->line_bytes < 2 || !strchr("; \t\r", c) || c == '\0')
		return fail(response, error, "the length of a chunk is none");
	response->state = c == '\r' ? CHUNK_LF : c == ';' ? CHUNK_EXTENSION : CHUNK_BLANKS;
	return 0;
}

/* Behind the length: blanks, an extension, or the line's end. */
static int take_extension(struct http_response *response, char c, struct error *error)
{
	if (c == '\r')
		response->state = CHUNK_LF;
	else if (c == '\n')
		return fail(response, error, "the line before a chunk does not end in CR LF");
	else if (response->state == CHUNK_BLANKS && c == ';')
		response->state = CHUNK_EXTENSION;
	else if (c != '\t' && (response->state == CHUNK_BLANKS ? c != ' ' : (unsigned char)c < ' ' || c == 0x7f))
		return fail(response, error, "there is junk behind the length of a chunk");
	return 0;
}

static void begin_line(struct http_response *response, enum state state)
{
	response->state = (int)state;
	response->line_bytes = 0;
	response->remaining = 0;
}

/* Trailers are not kept; they end with an empty line. REMAINING counts the bytes of the line under way. */
static int take_trailer(struct http_response *response, char c, struct error *error)
{
	if (response->line_bytes > HTTP_HEAD_MAX_BYTES)
		return too_long(response, error, "its trailers are", HTTP_HEAD_MAX_BYTES);
	if (c == '\n' && response->remaining == 0)
		finish(response);
	else if (c == '\n')
		response->remaining = 0;
	else if (c != '\r')
		response->remaining++;
	return 0;
}

/* One byte of what stands around the chunks. */
static int take_chunk_byte(struct http_response *response, char c, struct error *error)
{
	if (++response->line_bytes > HTTP_CHUNK_LINE_MAX_BYTES && response->state != TRAILER)
		return too_long(response, error, "the line before a chunk is", HTTP_CHUNK_LINE_MAX_BYTES);
	switch (response->state) {
	case CHUNK_SIZE:
		return take_size(response, c, error);
	case CHUNK_BLANKS:
	case CHUNK_EXTENSION:
		return take_extension(response, c, error);
	case CHUNK_LF:
		if (c != '\n')
			return fail(response, error, "the line before a chunk does not end in CR LF");
		if (response->remaining == 0)
			begin_line(response, TRAILER);
		else
			response->state = CHUNK_DATA;
		response->line_bytes = 0;
		return 0;
	case CHUNK_CR:
		response->state = CHUNK_DATA_LF;
		return c == '\r' ? 0 : fail(response, error, "a chunk does not end where its length says");
	case CHUNK_DATA_LF:
		begin_line(response, CHUNK_SIZE);
		return c == '\n' ? 0 : fail(response, error, "a chunk does not end where its length says");
	default:
		return take_trailer(response, c, error);
	}
}

static int input_some(struct http_response *response, const char *bytes, size_t count, size_t *used, struct error *error)
{
	switch (response->state) {
	case HEAD:
		return input_head(response, bytes, count, used, error);
	case BODY_LENGTH:
	case BODY_UNTIL_END:
	case CHUNK_DATA:
		return hand_out(response, bytes, count, used, error);
	default:
		*used = 1;
		return take_chunk_byte(response, bytes[0], error);
	}
}

int http_response_input(struct http_response *response, const char *bytes, size_t count_bytes, size_t *used_bytes, struct error *error)
{
	*used_bytes = 0;
	if (response->failed)
		return fail(response, error, "it has failed before");
	while (*used_bytes < count_bytes && !response->done) {
		size_t used = 0;

		if (input_some(response, bytes + *used_bytes, count_bytes - *used_bytes, &used, error))
			return -1;
		*used_bytes += used;
	}
	return 0;
}

int http_response_end(struct http_response *response, bool clean, struct error *error)
{
	static const char again[] = "try again; when it stays so, look at the appliance's log for xml-mgmt";

	response->keep = false;
	if (response->failed)
		return fail(response, error, "it has failed before");
	if (response->state == BODY_UNTIL_END && clean)
		finish(response);
	if (response->done)
		return 0;
	wipe_head(response);
	response->failed = true;
	if (response->status == 0)
		return error_set(error, ERROR_LOST, again, "the connection ended before an answer came");
	return error_set(error, ERROR_LOST, again, "the connection ended in the middle of the answer, after %llu bytes of its body",
			 (unsigned long long)response->body_bytes);
}
