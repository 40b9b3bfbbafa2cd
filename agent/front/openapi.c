#include "front/openapi.h"

const unsigned char openapi_json[] = {
#include "openapi_bytes.h"
};

const size_t openapi_json_bytes = sizeof openapi_json;
