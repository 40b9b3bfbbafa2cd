#include "platform/entropy.h"

#include <errno.h>
#include <mbedtls/entropy.h>
#include <unistd.h>

/* mbedTLS's name for the source of entropy that it is built with; no header of its has it. 0, or its error. */
int mbedtls_hardware_poll(void *context, unsigned char *out, size_t size_bytes, size_t *got_bytes);

int mbedtls_hardware_poll(void *context, unsigned char *out, size_t size_bytes, size_t *got_bytes)
{
	(void)context;
	if (size_bytes > ENTROPY_MAX_BYTES)
		size_bytes = ENTROPY_MAX_BYTES;
	*got_bytes = 0;
	if (getentropy(out, size_bytes) != 0)
		return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
	*got_bytes = size_bytes;
	return 0;
}

int entropy_get(void *out, size_t size_bytes, const char *purpose, struct error *error)
{
	if (getentropy(out, size_bytes) == 0)
		return 0;
	return error_set_errno(error, ERROR_INTERNAL, errno, "let the system call getrandom through (a seccomp filter, or a kernel before 3.17)",
			       "there are no random numbers to be had for %s", purpose);
}
