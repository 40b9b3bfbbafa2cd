#include "platform/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t read_ms(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now) != 0)
		return 0; /* cannot happen: both clocks are older than every kernel that we run on */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct mono clock_now(void)
{
	return (struct mono){read_ms(CLOCK_BOOTTIME)};
}

int64_t clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

char *clock_text(char out[CLOCK_TEXT_BYTES], int64_t wall_ms)
{
	static const int64_t last_ms = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z: the text has four digits for the year */
	struct tm tm;
	time_t seconds;

	if (wall_ms < 0)
		wall_ms = 0;
	if (wall_ms > last_ms)
		wall_ms = last_ms;
	seconds = (time_t)(wall_ms / 1000);
	(void)gmtime_r(&seconds, &tm);
	/* Not strftime(): it brings time zones and locales, 6 KB. The moduli say how many digits there are. */
	(void)snprintf(out, CLOCK_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		       (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
		       (unsigned)(wall_ms % 1000) % 1000);
	return out;
}

char *clock_boot_id(char out[CLOCK_BOOT_BYTES])
{
	int fd = open(CLOCK_BOOT_PATH, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, out, CLOCK_BOOT_BYTES - 1);

	if (fd >= 0)
		(void)close(fd);
	out[got > 0 ? got : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return out;
}

bool clock_parse(const char *text, int64_t *wall_ms)
{
	char again[CLOCK_TEXT_BYTES];
	struct tm parts = {0};
	unsigned ms = 0;
	size_t length = strlen(text);
	bool with_ms = length == CLOCK_TEXT_BYTES - 1;

	if ((!with_ms && length != CLOCK_TEXT_BYTES - 5) || text[length - 1] != 'Z')
		return false;
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6 ||
	    (with_ms && sscanf(text + 19, ".%3u", &ms) != 1))
		return false;
	parts.tm_year -= 1900;
	parts.tm_mon -= 1;
	*wall_ms = (int64_t)timegm(&parts) * 1000 + ms;
	(void)clock_text(again, *wall_ms); /* there is one spelling for each time: 31 February, or a blank for a digit, is none */
	return strncmp(again, text, 19) == 0 && (!with_ms || strcmp(again, text) == 0);
}
