/* xmi.h - the questions and commands of appliance.h as requests to the XML management interface (SOMA over HTTPS), the counterpart of cli.h. Pure: it says which
 * document to POST next and reads the bodies that come back; the caller moves the bytes (engine/xmi_link.c).
 *
 * Every operation is a list of requests, one POST each. The effect of a command is known like in cli.h. */
#ifndef DRR_APPLIANCE_XMI_H
#define DRR_APPLIANCE_XMI_H

#include <stddef.h>

#include "appliance/appliance.h"
#include "appliance/soma.h"

enum {
	XMI_REQUEST_MAX_BYTES = 4096,
	XMI_FILE_MAX_BYTES = 64 * 1024 * 1024, /* decoded; an appliance's log target has at most 50,000 KB */
	XMI_BODY_MAX_BYTES = 96 * 1024 * 1024, /* one response: such a file in base64 */
};

enum { XMI_ANSWERED_FILE = APPLIANCE_OP_COUNT, XMI_ANSWERED_LIST };

enum xmi_status { XMI_IDLE, XMI_BUSY, XMI_DONE, XMI_FAILED };

struct xmi_settings { /* the caller's; must outlive the xmi */
	const char *domain;
	const char *object; /* configured peering object; "" for auto */
	const struct appliance_wanted *wanted; /* may be NULL where no such command is started */
};

/* Gets the decoded bytes of a file as they come. Non-zero: stop. */
typedef int xmi_file_function(void *context, const char *bytes, size_t count_bytes);

struct xmi {
	struct xmi_settings settings;
	struct appliance_facts *facts; /* the caller's */
	struct error error;            /* XMI_FAILED. Wrong credentials, an unknown domain and a refused operation look alike: ERROR_AUTH and a sentence with all three causes */
	enum xmi_status status;
	enum appliance_effect effect;
	bool authenticated;            /* some request was answered with a result: the credentials are right */
	unsigned answered;             /* operations that were, by bit; XMI_ANSWERED_FILE and _LIST: files, listings: a denial of one of these means that the credentials are not right any more */

	/* of xmi_start_file() */
	bool file_missing;             /* there is no such file (the operation is XMI_DONE then) */
	uint64_t file_bytes;           /* handed out so far */

	/* of xmi_start_list(): the file that was asked for */
	bool list_found;
	uint64_t list_size_bytes;
	char list_modified[40];        /* as printed; compare as text only */

	/* Private. */
	int kind;                      /* an operation, a file or a list */
	enum appliance_op op;
	unsigned step;                 /* the request of the operation's list that is to be sent, or awaited */
	bool awaited;                  /* it was sent, its response is not complete */
	bool default_denied;           /* this user may not ask in domain default: it is not asked there again */
	const char *name;              /* of the file */
	xmi_file_function *function;
	void *context;
	char path[APPLIANCE_WORD_BYTES * 2]; /* the file as listings name it */
	bool drafted;                  /* a response is under way: BEFORE holds what was known before its rows came */
	unsigned char before[offsetof(struct appliance_facts, peerings)]; /* the lists behind are valid only when their operation is done */
	struct error body_error;       /* the response cannot be read; told when its HTTP status is known */
	struct soma_functions functions;
	struct soma_reader reader;
	struct buf request;
	char request_text[XMI_REQUEST_MAX_BYTES];
	/* What the rows of an operation add up to. */
	bool found;
	int64_t count;
	struct peering_table table;
	char manager[APPLIANCE_WORD_BYTES], own[APPLIANCE_WORD_BYTES], v5[16];
	char service[APPLIANCE_WORD_BYTES]; /* name of the service's object; "" not seen yet: default */
};

/* Whether OP can be done this way at all. */
bool xmi_can(enum appliance_op op);

void xmi_init(struct xmi *xmi, const struct xmi_settings *settings, struct appliance_facts *facts);
void xmi_free(struct xmi *xmi); /* what a response under way holds */

/* Begins OP (xmi_can), a file (`get-file`, NAME like logtemp:///gwd-log.log), or the look at a file's size and time (`get-filestore`; no content is
 * moved). NAME must outlive the operation. It can be over at once: XMI_FAILED where the request cannot be written, XMI_DONE where nothing is left to ask. */
void xmi_start(struct xmi *xmi, enum appliance_op op);
void xmi_start_file(struct xmi *xmi, const char *name, xmi_file_function *function, void *context);
void xmi_start_list(struct xmi *xmi, const char *name);

/* The document to POST now; NULL when none is to be sent (not busy, or a response is awaited). Valid until the next call of anything. After
 * xmi_sent() the response is awaited. */
const char *xmi_request(struct xmi *xmi, size_t *length_bytes);
/* SENT: at least one byte of it has left; from here on a command may have its effect. */
void xmi_sent(struct xmi *xmi);

/* A piece of the response's body, any bytes; one that comes before xmi_sent() counts as xmi_sent(). 0, or -1: the file's function said stop, the operation has failed. A body that cannot be read is told by
 * xmi_response(): only the HTTP status says whether it had to be SOMA at all. */
int xmi_input(struct xmi *xmi, const char *bytes, size_t count_bytes);

/* The response is complete, with HTTP_STATUS. Takes its facts (rows of a response that is cut, refused or unreadable change none); the next request may follow.
 * Returns the status. */
enum xmi_status xmi_response(struct xmi *xmi, int http_status);

/* The connection failed or the caller gave up: the operation fails with ERROR; its effect stays as it is known. */
void xmi_lost(struct xmi *xmi, const struct error *error);

#endif
