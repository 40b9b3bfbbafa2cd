/* ini.c - inih, fed by a reader that hands it only lines it cannot misread.
 *
 * inih cuts long lines, joins continuation lines, drops what follows " ;" and what follows a section's bracket, depending on how it was
 * compiled and always in silence. So each line is checked here first, and blanks in front of it are taken off. Line numbers are counted
 * here too: inih passes them to the handler only with INI_HANDLER_LINENO. */
#include "platform/ini.h"

#include <ini.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"

struct feed {
	const char *text;
	size_t text_bytes, offset;
	ini_key_function *function;
	void *context;
	unsigned line;     /* of the line handed out last */
	unsigned bad_line; /* 0: none so far; the first one stays */
};

static bool is_section(const char *line, size_t length)
{
	return line[0] == '[' && line[length - 1] == ']' && !memchr(line, ']', length - 1);
}

/* A blank and then ; or # inside a value: a comment, or something that inih would take for one. */
static bool has_inner_comment(const char *line, size_t length)
{
	for (size_t i = 1; i < length; i++)
		if ((line[i] == ';' || line[i] == '#') && (line[i - 1] == ' ' || line[i - 1] == '\t'))
			return true;
	return false;
}

/* LINE without blanks at its ends. */
static bool is_readable(const char *line, size_t length)
{
	if (length == 0 || line[0] == ';' || line[0] == '#')
		return true;
	if (length > INI_LINE_MAX_BYTES || has_inner_comment(line, length))
		return false;
	return line[0] != '[' || is_section(line, length);
}

static void announce_section(struct feed *feed, const char *line, size_t length)
{
	char name[INI_LINE_MAX_BYTES + 1];

	(void)text_copy(name, sizeof name, line + 1, length - 2);
	if (feed->function(feed->context, name, NULL, NULL, feed->line) != 0)
		feed->bad_line = feed->line;
}

/* inih's ini_reader: the next line into OUT (SIZE bytes), NULL at the end. A comment becomes an empty line: it may be longer than OUT. */
static char *next_line(char *out, int size, void *context)
{
	struct feed *feed = context;
	const char *line;
	size_t length;

	if (feed->bad_line != 0 || !text_next_line(feed->text, feed->text_bytes, &feed->offset, &line, &length))
		return NULL;
	feed->line++;
	text_trim(&line, &length);
	if (length == 0 || line[0] == ';' || line[0] == '#')
		length = 0;
	if (!is_readable(line, length) || memchr(line, '\0', length) || length + 1 >= (size_t)size) {
		feed->bad_line = feed->line;
		return NULL;
	}
	memcpy(out, line, length);
	memcpy(out + length, "\n", 2);
	if (length > 0 && line[0] == '[')
		announce_section(feed, line, length);
	return feed->bad_line == 0 ? out : NULL;
}

static int take_key(struct feed *feed, const char *section, const char *key, const char *value)
{
	if (feed->bad_line != 0)
		return 0;
	if (key && feed->function(feed->context, section, key, value ? value : "", feed->line) != 0)
		feed->bad_line = feed->line;
	return feed->bad_line == 0;
}

/* inih's ini_handler: 1 to go on, 0 for an error. */
#if INI_HANDLER_LINENO
static int on_key(void *context, const char *section, const char *key, const char *value, int line)
{
	(void)line;
	return take_key(context, section, key, value);
}
#else
static int on_key(void *context, const char *section, const char *key, const char *value)
{
	return take_key(context, section, key, value);
}
#endif

int ini_read(const char *text, size_t text_bytes, ini_key_function *function, void *context, unsigned *bad_line)
{
	struct feed feed = {.text = text, .text_bytes = text_bytes, .function = function, .context = context};
	int result;

	if (text_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		feed.offset = 3; /* a byte order mark */
	result = ini_parse_stream(next_line, &feed, on_key, &feed);
	*bad_line = feed.bad_line;
	if (result > 0 && (feed.bad_line == 0 || (unsigned)result < feed.bad_line))
		*bad_line = (unsigned)result; /* a line without = or : */
	return result == 0 && *bad_line == 0 ? 0 : -1;
}
