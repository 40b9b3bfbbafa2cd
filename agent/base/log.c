#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "platform/clock.h"

enum { TAIL_BYTES = 24 }; /* kept free for what says that the line was cut, and its end */

static struct {
	char process[LOG_NAME_MAX_BYTES + 1];
	enum log_level level;
	bool json;
} settings = {"drr-agent", LOG_LEVEL_INFO, false};

static const char *const level_names[] = {[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug"};

void log_open(const char *process, enum log_level level, bool json)
{
	assert(strlen(process) <= LOG_NAME_MAX_BYTES && level <= LOG_LEVEL_DEBUG);
	(void)snprintf(settings.process, sizeof settings.process, "%s", process);
	settings.level = level;
	settings.json = json;
}

bool log_is_on(enum log_level level)
{
	return level <= settings.level;
}

/* VALUE in quotation marks. What text_escape() left is printable: only the mark is still to be escaped, and in JSON the backslashes that it wrote. */
static int add_quoted(struct buf *line, const char *value)
{
	char shown[LOG_VALUE_MAX_BYTES + 1], quoted[2 * LOG_VALUE_MAX_BYTES + 3], *at = quoted;

	(void)text_escape(shown, sizeof shown, value, strlen(value));
	*at++ = '"';
	for (const char *p = shown; *p; p++) {
		if (*p == '"' || (*p == '\\' && settings.json))
			*at++ = '\\';
		*at++ = *p;
	}
	*at++ = '"';
	return buf_add(line, quoted, (size_t)(at - quoted));
}

static bool is_plain(const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:;/+@%?&*()<>";

	return value[0] != '\0' && strlen(value) <= LOG_VALUE_MAX_BYTES && value[strspn(value, plain)] == '\0';
}

static int add_pair(struct buf *line, const char *key, const char *value)
{
	if (buf_printf(line, settings.json ? ",\"%s\":" : " %s=", key))
		return -1;
	return settings.json || !is_plain(value) ? add_quoted(line, value) : buf_add_string(line, value);
}

static void begin(struct buf *line, enum log_level level, const char *sentence)
{
	char shown[LOG_VALUE_MAX_BYTES + 1], time[CLOCK_TEXT_BYTES];

	(void)clock_text(time, clock_wall_ms());
	if (settings.json) {
		(void)buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\",\"message\":", time, level_names[level], settings.process);
		(void)add_quoted(line, sentence);
	} else {
		(void)buf_printf(line, "%s %s %s %s", time, level_names[level], settings.process, text_escape(shown, sizeof shown, sentence, strlen(sentence)));
	}
}

static void write_whole(const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(STDERR_FILENO, bytes, count);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		bytes += written;
		count -= (size_t)written;
	}
}

void log_line(enum log_level level, const char *sentence, ...)
{
	char memory[LOG_LINE_MAX_BYTES + 1];
	int saved_errno = errno;
	struct buf line;
	va_list pairs;
	bool cut = false;
	const char *key;

	if (!log_is_on(level))
		return;
	buf_init(&line, memory, sizeof memory - TAIL_BYTES);
	begin(&line, level, sentence);
	va_start(pairs, sentence);
	while ((key = va_arg(pairs, const char *)) && !cut) {
		const char *value = va_arg(pairs, const char *);
		size_t before = line.len;

		if (value && add_pair(&line, key, value)) {
			line.len = before;
			cut = true;
		}
	}
	va_end(pairs);
	line.size = sizeof memory;
	if (cut)
		(void)buf_add_string(&line, settings.json ? ",\"cut\":\"yes\"" : " cut=yes");
	(void)buf_add_string(&line, settings.json ? "}\n" : "\n");
	write_whole(line.data, line.len);
	errno = saved_errno;
}
