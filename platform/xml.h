/* xml.h - XML as a stream of events (expat underneath). Namespaces are cut off: names are local names. A document type, a nesting deeper than
 * XML_DEPTH_MAX, a name longer than XML_NAME_BYTES and a document that takes more memory than XML_MEMORY_MAX_BYTES are
 * errors. Pure, but for the count of that memory; one thread. */
#ifndef DRR_PLATFORM_XML_H
#define DRR_PLATFORM_XML_H

#include <stddef.h>

#include "base/error.h"

enum {
	XML_DEPTH_MAX = 32,
	XML_NAME_BYTES = 128,
	XML_ATTRIBUTES_MAX = 32,
	XML_MEMORY_MAX_BYTES = 4 * 1024 * 1024, /* of all parsers together */
};

struct xml_functions {
	/* ATTRIBUTES: name, value, name, value, ..., NULL; local names; valid during the call. Text comes in pieces of any size. Non-zero from
	 * any: stop; the function has filled the error that it can reach through CONTEXT. */
	int (*start)(void *context, const char *name, const char *const *attributes);
	int (*text)(void *context, const char *bytes, size_t count_bytes);
	int (*end)(void *context, const char *name);
};

struct xml;

/* NULL: no memory. FUNCTIONS and CONTEXT must outlive it. */
struct xml *xml_open(const struct xml_functions *functions, void *context);

/* Feeds COUNT bytes; LAST with the final ones (COUNT may be 0). 0, or -1: a function said stop (ERROR is then left alone), or ERROR_ANSWER: not
 * well-formed, truncated (LAST), a limit. */
int xml_input(struct xml *xml, const char *bytes, size_t count_bytes, int last, struct error *error);

void xml_close(struct xml *xml); /* NULL is fine */

#endif
