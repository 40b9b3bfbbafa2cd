#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int exit_code;
} codes[ERROR_CODE_COUNT] = {
	[ERROR_NONE] = {"none", 0},
	[ERROR_INTERNAL] = {"internal", 1},
	[ERROR_USAGE] = {"usage", 2},
	[ERROR_CONFIG] = {"config", 2},
	[ERROR_REFUSED] = {"refused", 3},
	[ERROR_FAILED] = {"failed", 4},
	[ERROR_INCOMPLETE] = {"incomplete", 5},
	[ERROR_BUSY] = {"busy", 6},
	[ERROR_AUTH] = {"auth", 7},
	[ERROR_PERMISSION] = {"permission", 7},
	[ERROR_HOST_KEY] = {"host-key", 7},
	[ERROR_UNREACHABLE] = {"unreachable", 8},
	[ERROR_TIMEOUT] = {"timeout", 8},
	[ERROR_LOST] = {"lost", 8},
	[ERROR_ANSWER] = {"answer", 4},
	[ERROR_DISABLED] = {"disabled", 9},
};

static void fill(struct error *error, enum error_code code, const char *next, const char *format, va_list arguments)
{
	error->code = code;
	(void)vsnprintf(error->what, sizeof error->what, format, arguments);
	(void)snprintf(error->next, sizeof error->next, "%s", next ? next : "");
}

int error_set(struct error *error, enum error_code code, const char *next, const char *format, ...)
{
	va_list arguments;

	if (error->code != ERROR_NONE)
		return -1;
	va_start(arguments, format);
	fill(error, code, next, format, arguments);
	va_end(arguments);
	return -1;
}

int error_set_errno(struct error *error, enum error_code code, int sys_errno, const char *next, const char *format, ...)
{
	va_list arguments;
	size_t length;

	if (error->code != ERROR_NONE)
		return -1;
	va_start(arguments, format);
	fill(error, code, next, format, arguments);
	va_end(arguments);
	error->sys_errno = sys_errno;
	length = strlen(error->what);
	(void)snprintf(error->what + length, sizeof error->what - length, ": %s", strerror(sys_errno));
	return -1;
}

void error_clear(struct error *error)
{
	memset(error, 0, sizeof *error);
}

const char *error_name(enum error_code code)
{
	assert(code < ERROR_CODE_COUNT);
	return codes[code].name;
}

int error_exit_code(enum error_code code)
{
	assert(code < ERROR_CODE_COUNT);
	return codes[code].exit_code;
}
