/* Each byte is something that happens: to the log (lines, halves of lines, rotations, truncations) or to the reader (looks, cut or whole, restarts from the mark).
 * It begins with a log, with none, or with a rotated one. No line comes twice or out of order; as long as nothing was truncated and no rotation is out of reach, none
 * is missing; and where one is missing and nothing was truncated, a gap is counted. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch/snapshot.h"

enum { TEXTS = SNAPSHOT_ROTATIONS_MAX + 1, TEXT_BYTES = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct { char bytes[TEXT_BYTES]; size_t length; bool there; } texts[TEXTS];
static struct snapshot snapshot;
static unsigned written, next, rotations;
static uint64_t gaps; /* of the snapshots before the last restart */
static bool may_miss, truncated, missed;
static size_t piece;

static void check(bool right)
{
	if (!right)
		abort();
}

static void write_line(unsigned kind)
{
	char line[64];
	int length = snprintf(line, sizeof line, "%08u of this log, %.*s\n", written, (int)(kind % 16), "more and more..");

	if (texts[0].length + (size_t)length > TEXT_BYTES)
		return;
	written++;
	texts[0].there = true;
	memcpy(texts[0].bytes + texts[0].length, line, (size_t)length);
	texts[0].length += (size_t)length;
}

static void take_lines(void)
{
	const char *line;
	size_t length;

	while (snapshot_next(&snapshot, &line, &length)) {
		unsigned number = (unsigned)strtoul(line, NULL, 10);

		check(length >= 21 && line[length] == '\n' && number < written);
		check(may_miss ? number >= next : number == next);
		missed = missed || number > next;
		next = number + 1;
	}
}

static void look(size_t cut)
{
	snapshot_look(&snapshot);
	take_lines();
	while (snapshot_wanted(&snapshot) >= 0) {
		unsigned number = (unsigned)snapshot_wanted(&snapshot);
		bool more = true;
		size_t at = 0;

		check(number < TEXTS);
		snapshot_begin(&snapshot);
		while (texts[number].there && more && at < texts[number].length && at < cut) {
			size_t count = texts[number].length - at < piece ? texts[number].length - at : piece;

			more = snapshot_input(&snapshot, texts[number].bytes + at, count);
			at += count;
		}
		snapshot_end(&snapshot, !texts[number].there ? SNAPSHOT_MISSING : more && at < texts[number].length ? SNAPSHOT_CUT : SNAPSHOT_COMPLETE);
		take_lines();
	}
	if (cut == SIZE_MAX && texts[0].length > 0)
		rotations = 0;
}

static void rotate(bool there)
{
	memmove(texts + 1, texts, (TEXTS - 1) * sizeof texts[0]);
	texts[0].length = 0;
	texts[0].there = there;
	may_miss = may_miss || ++rotations > SNAPSHOT_ROTATIONS_MAX;
}

static void restart(void)
{
	char text[MARK_TEXT_BYTES];
	struct mark mark;

	if (!snapshot_mark(&snapshot, &mark))
		return;
	mark_format(&mark, text);
	check(mark_parse(text, strlen(text), &mark) == 0);
	gaps += snapshot.counts.gaps;
	snapshot_init(&snapshot, "log", SNAPSHOT_ROTATIONS_MAX, &mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(texts, 0, sizeof texts);
	written = next = rotations = 0;
	gaps = 0;
	may_miss = truncated = missed = false;
	if (size == 0)
		return 0;
	piece = 1 + data[0] % 64;
	if (data[0] < 128)
		write_line(0);
	if (data[0] >= 64 && data[0] < 128)
		rotate(false);
	next = written;
	rotations = data[0] >= 64; /* nothing is known yet of the text that comes first */
	snapshot_init(&snapshot, "log", SNAPSHOT_ROTATIONS_MAX, NULL);
	look(SIZE_MAX);
	for (size_t i = 1; i < size && i < 200; i++)
		switch (data[i] >> 5) {
		case 0:
		case 1: write_line(data[i]); break;
		case 2:
			if (texts[0].length > 0)
				rotate(data[i] & 1);
			break;
		case 3:
			/* Cut to nothing and begun again, with what is newer. */
			texts[0].length = 0;
			may_miss = truncated = true;
			if (data[i] & 1)
				write_line(data[i]);
			break;
		case 4: restart(); break;
		case 5: look((data[i] & 31) * 13u); break;
		default: look(SIZE_MAX); break;
		}
	write_line(0);
	look(SIZE_MAX);
	check(may_miss || next == written);
	check(truncated || !missed || gaps + snapshot.counts.gaps > 0);
	return 0;
}
