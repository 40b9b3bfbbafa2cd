/* civetweb_session.h - between civetweb and its only caller, platform/https_server.c. civetweb takes a session for a TLS connection whose bytes have
 * all come and whose answer goes to memory: no function here waits. */
#ifndef CIVETWEB_SESSION_H
#define CIVETWEB_SESSION_H

#include <stddef.h>

#include "civetweb.h"

struct civetweb_session; /* a request under way; the caller's */

/* The caller's, called by a worker. */
int civetweb_session_left(struct civetweb_session *session);                          /* bytes of the request not read yet */
int civetweb_session_read(struct civetweb_session *session, void *bytes, int count);  /* at most so many; 0: none left */
void civetweb_session_end(struct civetweb_session *session);                          /* done; answered or not. SESSION is the caller's again */

/* civetweb's. push: gives a session to a worker; waits when as many as its option connection_queue says wait already. of: whose request this is. stopping:
 * mg_stop() was called. head_bytes: the length of the head at the start of BYTES with its empty line, 0 when more is needed, -1 when it is none. parse: takes a
 * copy of a head apart, in place: its length, or less than one; what INFO gets points into BYTES. */
void civetweb_session_push(struct mg_context *context, struct civetweb_session *session);
struct civetweb_session *civetweb_session_of(const struct mg_connection *connection);
int civetweb_is_stopping(const struct mg_context *context);
int civetweb_head_bytes(const char *bytes, int count);
int civetweb_head_parse(char *bytes, int count, struct mg_request_info *info);

#endif
