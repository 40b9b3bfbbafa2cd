/* soma.h - SOMA, the SOAP dialect of the XML management interface: documents to POST, and responses read as a stream. Pure.
 *
 * A response is never held: a row of a status or a configured object is handed out when it closes, a file as it is decoded. Elements are matched
 * by local name; what is not known is skipped. One response is one document: a second one behind it is an error. */
#ifndef DRR_APPLIANCE_SOMA_H
#define DRR_APPLIANCE_SOMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/error.h"
#include "platform/xml.h"

enum {
	SOMA_ROW_MAX_BYTES = 16384,   /* names and values of one row that are kept; more is ERROR_ANSWER */
	SOMA_PROPERTIES_MAX = 512,    /* of one row, nested ones included; likewise */
	SOMA_WORDS_MAX_BYTES = 1024,  /* what the appliance says in a result, its error log or a fault; the rest is dropped */
	SOMA_CODE_BYTES = 64,         /* a faultcode */
};

/* ---- requests: appended to OUT. What does not fit, or holds a control character (which XML cannot say), sets OUT's overflow. Every value is escaped. */

/* The envelope, up to and with the request for DOMAIN; and its end. */
void soma_request_begin(struct buf *out, const char *domain);
void soma_request_end(struct buf *out);

/* Text as it may stand between two tags or in an attribute's quotes. */
void soma_add_text(struct buf *out, const char *text);

/* <NAME>VALUE</NAME>; NAME is ours and not escaped. */
void soma_add_property(struct buf *out, const char *name, const char *value);

/* Whole documents. */
void soma_get_status(struct buf *out, const char *domain, const char *class_name);
void soma_get_config(struct buf *out, const char *domain, const char *class_name); /* all objects of the class */
void soma_get_file(struct buf *out, const char *domain, const char *file);             /* logtemp:///gwd-log.log */
void soma_get_filestore(struct buf *out, const char *domain, const char *location);    /* logtemp: */
/* <ACTION><ObjectName class="CLASS">OBJECT</ObjectName></ACTION> */
void soma_do_action(struct buf *out, const char *domain, const char *action, const char *class_name, const char *object);

/* What stands around an object's properties (soma_add_property(); mAdminState must be the first). VERB: modify-config or set-config. */
void soma_config_begin(struct buf *out, const char *domain, const char *verb, const char *class_name, const char *object);
void soma_config_end(struct buf *out, const char *verb, const char *class_name);

/* ---- responses */

struct soma_property {
	const char *name;   /* Address; a nested one has its own name: Class of LogEvents */
	const char *value;  /* without white space at its ends; "" when it is there and empty */
	unsigned parent;    /* of a nested one: the index of its property + 1; 0: of the row itself */
};

/* A row of a status, or a configured object. */
struct soma_row {
	const char *class_name; /* GatewayPeeringStatus, GatewayPeering */
	const char *name;       /* its name attribute; "" none */
	const struct soma_property *properties;
	unsigned count;
};

/* The value of the first property NAME of the row itself; NULL: it is not there. */
const char *soma_value(const struct soma_row *row, const char *name);
/* The same, of a property nested in the one with index PARENT. */
const char *soma_nested(const struct soma_row *row, unsigned parent, const char *name);

/* A file of a listing. */
struct soma_entry {
	const char *path;     /* location, directories and name, with one form for every way to write it: "logtemp:dir/gwd-log.log" */
	const char *size;     /* bytes, decimal; as printed; "" not told */
	const char *modified; /* as printed; "" not told */
};

/* What a response is handed to. Any may be NULL. Non-zero: stop; the function has filled ERROR. Pointers are valid during the call. */
struct soma_functions {
	int (*row)(void *context, const struct soma_row *row, struct error *error);
	const char *const *wanted; /* the properties that are kept, up to a NULL; NULL: all */
	int (*file)(void *context, const char *bytes, size_t count_bytes, struct error *error);
	uint64_t file_max_bytes;   /* decoded */
	int (*entry)(void *context, const struct soma_entry *entry, struct error *error);
};

enum soma_outcome {
	SOMA_STRANGE,   /* an XML document, but none of SOMA's */
	SOMA_NOTHING,   /* a response with no result and no data: an empty status */
	SOMA_DATA,      /* rows, a file or a listing (may be empty) */
	SOMA_OK,        /* <result>OK</result> */
	SOMA_DENIED,    /* Authentication failure: wrong credentials, an unknown domain or a refused operation */
	SOMA_COMPLAINT, /* an error log or another result: see words */
	SOMA_FAULT,     /* a SOAP fault: see words and code */
};

struct soma_reader {
	/* After soma_reader_end(). */
	uint64_t rows, file_bytes;
	bool have_file;     /* a file element was there; an empty file has no bytes */
	bool have_listing, have_status, have_config;
	bool have_result;   /* also when it is empty */
	char code[SOMA_CODE_BYTES];            /* faultcode */
	char timestamp[40];                    /* as printed; "" not told */
	char words[SOMA_WORDS_MAX_BYTES + 1];  /* foreign */
	size_t words_bytes;

	/* Private. */
	const struct soma_functions *functions;
	void *context;
	struct xml *xml;
	struct error *error;      /* the caller's, during a call */
	bool begun, have_response, have_data, have_fault, have_events;
	unsigned depth;           /* open elements */
	unsigned char place[XML_DEPTH_MAX + 1];
	struct base64_decoder decoder;
	struct buf result, said;  /* over result_text and words; white space runs are one blank */
	char result_text[64];     /* longer than anything that is looked for */
	/* The row, or the path, under way: all its texts in one arena. */
	size_t text_bytes;
	size_t value_at;          /* of the value that is being read, while value_open */
	bool value_open;
	unsigned open_parent;     /* index + 1 of the open property of the row; 0 none */
	unsigned count;           /* properties */
	const char *class_name, *name;
	size_t path_at[XML_DEPTH_MAX + 1]; /* of a listing: where the path of each depth begins */
	const char *size, *modified;
	struct soma_property properties[SOMA_PROPERTIES_MAX];
	char text[SOMA_ROW_MAX_BYTES];
};

/* FUNCTIONS and CONTEXT must outlive the reader. */
void soma_reader_init(struct soma_reader *reader, const struct soma_functions *functions, void *context);
void soma_reader_free(struct soma_reader *reader); /* may be called twice */

/* Feeds COUNT bytes of any kind. 0, or -1: a function said stop, or ERROR_ANSWER: no XML, a limit, bad base64; or ERROR_INTERNAL: no memory. */
int soma_reader_input(struct soma_reader *reader, const char *bytes, size_t count_bytes, struct error *error);

/* The body is complete. 0, or -1: ERROR_ANSWER, truncated. */
int soma_reader_end(struct soma_reader *reader, struct error *error);

/* What the response means; after soma_reader_end(). */
enum soma_outcome soma_reader_outcome(const struct soma_reader *reader);

/* NAME in the form of soma_entry.path: "logtemp:///gwd-log.log" becomes "logtemp:gwd-log.log". -1: does not fit. */
int soma_path(char *out, size_t size_bytes, const char *name);

#endif
