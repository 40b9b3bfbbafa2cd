/* xmi_link.h - one conversation with the XML management interface: connects (TLS), sends one request at a time, notices silence and loss. The counterpart of cli_link.h;
 * the façade over both is link.h. Also used, with a connection of its own, by the log source.
 *
 * A connection is kept for the requests of one operation and, where the appliance keeps it, for the next one for a few seconds; a kept connection that turns out closed
 * before a request has left is opened again without a word. A refusal of the credentials is remembered on disk (refused.h) and they are not tried
 * again until the configuration or the password's file changes. The Authorization header lives in wiped memory and in no message. */
#ifndef DRR_ENGINE_XMI_LINK_H
#define DRR_ENGINE_XMI_LINK_H

#include <poll.h>

#include "appliance/xmi.h"
#include "base/mono.h"
#include "base/secret.h"
#include "config.h"
#include "engine/cli_link.h"
#include "platform/http.h"
#include "platform/tls.h"

enum {
	XMI_LINK_OPERATION_TIMEOUTS = 8, /* an operation as a whole may take this many times timeout_s, however talkative the appliance is */
	XMI_LINK_FILE_TIMEOUTS = 40,     /* the same for a file */
	XMI_LINK_KEEP_MS = 5000,         /* how long an idle connection is believed in */
	XMI_LINK_READ_BYTES = 4096,
	XMI_LINK_ROUNDS = 16,            /* pieces that one step reads: whoever takes them gets a chance in between */
};

enum xmi_link_status { XMI_LINK_IDLE, XMI_LINK_WAIT, XMI_LINK_DONE, XMI_LINK_FAILED };

struct xmi_link {
	const struct config *config;
	struct secret password;
	struct transport *transport;
	struct tls_settings tls_settings;
	struct tls_report tls;
	struct http_response http;
	struct xmi xmi;
	struct error error;           /* of the last operation: XMI_LINK_FAILED */
	enum xmi_link_status status;
	enum appliance_effect effect; /* of the last operation */
	bool connected;
	bool reused;                  /* this connection has answered something already */
	struct mono deadline, operation_deadline; /* silence, or connecting; the operation as a whole */
	struct mono kept_until;       /* an idle connection is not used again after that */
	enum xmi_link_kind { XMI_LINK_OP, XMI_LINK_FILE, XMI_LINK_LIST } kind; /* what is under way, in case it must begin anew */
	enum appliance_op op;
	const char *name;
	xmi_file_function *function;
	void *context;
	struct secret head;           /* the request's head, with Authorization; its length is 0 while none is being sent */
	size_t sent_bytes;            /* of head and body */
	bool repeated;                /* this operation was begun anew once */
	bool more;                    /* the last step stopped before it had to wait */
	cli_link_trace_function *trace; /* hears the name of each operation and what became of it */
	void *trace_context;
};

/* Loads the password file. FACTS: the façade's, or the caller's own. 0 or -1. LINK is large: static memory. Only with config->xmi.url set. */
int xmi_link_init(struct xmi_link *link, const struct config *config, const struct appliance_wanted *wanted, struct appliance_facts *facts, struct error *error);
void xmi_link_free(struct xmi_link *link);

/* Begin an operation: see xmi.h. */
void xmi_link_start(struct xmi_link *link, enum appliance_op op, struct mono now);
void xmi_link_start_file(struct xmi_link *link, const char *name, xmi_file_function *function, void *context, struct mono now);
void xmi_link_start_list(struct xmi_link *link, const char *name, struct mono now);

/* Does what can be done without waiting. */
enum xmi_link_status xmi_link_step(struct xmi_link *link, struct mono now);

/* What to wait for while XMI_LINK_WAIT. */
struct pollfd xmi_link_poll(const struct xmi_link *link);
struct mono xmi_link_deadline(const struct xmi_link *link);

/* Ends the connection and what is under way, whose effect stays as `effect` says; a command on its way is kept from arriving (transport_abort). */
void xmi_link_close(struct xmi_link *link);

#endif
