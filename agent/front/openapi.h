/* openapi.h - conf/openapi.json, as it is served: without line ends, blanks, the long descriptions and summaries (cross/embed-json). */
#ifndef DRR_FRONT_OPENAPI_H
#define DRR_FRONT_OPENAPI_H

#include <stddef.h>

extern const unsigned char openapi_json[]; /* no NUL behind it */
extern const size_t openapi_json_bytes;

#endif
