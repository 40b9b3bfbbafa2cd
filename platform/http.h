/* http.h - one HTTP/1.1 response out of a stream of bytes (picohttpparser underneath). Pure: the caller moves the bytes.
 *
 * Framing by chunks, whatever lengths the head names besides, Content-Length, or the end of the connection. No header is ever kept or shown but the three that framing needs: the appliance
 * echoes the request's headers, Authorization included. */
#ifndef DRR_PLATFORM_HTTP_H
#define DRR_PLATFORM_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	HTTP_HEAD_MAX_BYTES = 16384, /* status line and all headers, echoed ones included */
	HTTP_HEADERS_MAX = 64,
	HTTP_CHUNK_LINE_MAX_BYTES = 256, /* length and extensions of a chunk; trailers as a whole: HTTP_HEAD_MAX_BYTES */
};

/* Takes a piece of the body. Non-zero: stop, the error is set; the response has failed then. */
typedef int http_body_function(void *context, const char *bytes, size_t count_bytes, struct error *error);

struct http_response {
	bool done;        /* all of it was read */
	bool failed;      /* the first error sticks */
	int status;       /* 200; 0 before the head is complete */
	bool keep;        /* the connection may be used again */
	uint64_t body_bytes; /* so far */

	/* Private. */
	uint64_t body_max_bytes;
	http_body_function *body;
	void *context;
	int state;
	unsigned interims;
	uint64_t remaining;
	size_t line_bytes;
	size_t head_bytes;
	char head[HTTP_HEAD_MAX_BYTES];
};

/* BODY_MAX_BYTES: a longer body is an error. Interim responses (1xx) are skipped. */
void http_response_init(struct http_response *response, uint64_t body_max_bytes, http_body_function *body, void *context);

/* Feeds COUNT bytes. *USED: how many belong to this response (less than COUNT only when done). 0, or -1: ERROR_ANSWER (no HTTP, bad chunk, two different lengths,
 * ...), or the body function's. */
int http_response_input(struct http_response *response, const char *bytes, size_t count_bytes, size_t *used_bytes, struct error *error);

/* The connection has ended. CLEAN: by close_notify (or plain TCP's end). 0 when the response is complete with that; -1: ERROR_LOST, truncated. */
int http_response_end(struct http_response *response, bool clean, struct error *error);

#endif
