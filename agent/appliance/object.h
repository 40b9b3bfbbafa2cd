/* object.h - object dumps of the CLI: `gateway-peering: gwd [up]` (or `web-mgmt [up]` for what there is one of), a row of dashes, ` property value` lines.
 * Pure; every function takes any bytes; slices point into the text that was parsed and are foreign: escape before showing. */
#ifndef DRR_APPLIANCE_OBJECT_H
#define DRR_APPLIANCE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

struct object_slice {
	const char *bytes; /* inside the text that was parsed */
	size_t length;
};

struct object_dump {
	struct object_slice class_name; /* `gateway-peering` */
	struct object_slice name;       /* `gwd`; may be empty */
	struct object_slice state;      /* `up`, `down`, ...; empty when there is none */
	bool modified;                  /* `(modified)` stood behind the state */
	struct object_slice body;       /* the property lines, up to the next header or the end of the text */
};

/* The next dump at or after *OFFSET in TEXT; moves *OFFSET behind it (to the next header, or to the end). A header is a line CLASS: NAME [STATE] with a
 * dashes row under it, so text around it (log lines, blank lines) is skipped; log lines may also stand between the two. False when there is none. */
bool object_next(const char *text, size_t text_bytes, size_t *offset, struct object_dump *dump);

/* The value of the first line ` PROPERTY value` of the body, trimmed; a reference keeps its `[up]` (object_reference_name takes it off).
 * False when there is no such property; an empty value is true with length 0. */
bool object_property(const struct object_dump *dump, const char *property, struct object_slice *value);

/* ` gwd  [up]` or `gwd (deprecated)  [up]` -> `gwd`; empty when there is no name before the bracket. */
struct object_slice object_reference_name(struct object_slice value);

#endif
