/* What outlives the engine, as lines "KEY VALUE" in the order of a table behind a line with a check sum. What is read back must be, byte for byte, what would be written. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32.h"
#include "base/text.h"
#include "watch/watchdog_table.h"

enum kind {
	WORD,  /* an enum or unsigned int: 0 to MAX */
	FLAG,
	COUNT, /* from 0 */
	FACT,  /* -1 not known */
	CODE,  /* an int, -1 to 255 */
	POINT, /* boot_ms of the boot that wrote it, negative before it; 0 none, INT64_MAX never */
	TEXT,  /* MAX bytes with its NUL; no control characters */
};

/* Ample for milliseconds, and far from where sums of two overflow. */
static const int64_t number_max = (int64_t)1 << 53;

#define AT(member) offsetof(struct watchdog, member)

/* Ticks of another boot are moved; a look's own are compared with that boot's id (restart_between). */
static const struct field {
	const char *key;
	enum kind kind;
	size_t offset;
	unsigned max;
} fields[] = {
	{"state", WORD, AT(state), WATCHDOG_STATE_COUNT - 1},
	{"cause", WORD, AT(cause), WATCHDOG_CAUSE_COUNT - 1},
	{"verdict", WORD, AT(verdict), WATCHDOG_VERDICT_COUNT - 1},
	{"told", WORD, AT(own.told), WATCHDOG_VERDICT_COUNT - 1},
	{"since", POINT, AT(since.boot_ms), 0},
	{"since_wall", COUNT, AT(since.wall_ms), 0},
	{"episode", POINT, AT(episode.boot_ms), 0},
	{"episode_wall", COUNT, AT(episode.wall_ms), 0},
	{"deadline", POINT, AT(deadline_ms), 0},
	{"peering", POINT, AT(own.deadlines_ms[WATCHDOG_PEERING]), 0},
	{"service", POINT, AT(own.deadlines_ms[WATCHDOG_SERVICE]), 0},
	{"event", POINT, AT(own.deadlines_ms[WATCHDOG_EVENT]), 0},
	{"config", POINT, AT(own.deadlines_ms[WATCHDOG_CONFIG]), 0},
	{"waited", POINT, AT(own.waited_ms), 0},
	{"got", POINT, AT(own.accepted_ms), 0},
	{"retry", POINT, AT(own.retry_ms), 0},
	{"restarts", COUNT, AT(restarts), 0},
	{"actions", COUNT, AT(actions), 0},
	{"verdicts", COUNT, AT(verdicts), 0},
	{"restart_wall", COUNT, AT(restart_wall_ms), 0},
	{"action_wall", COUNT, AT(action_wall_ms), 0},
	{"action_run", TEXT, AT(action_run), WATCHDOG_RUN_BYTES},
	{"action_exit", CODE, AT(action_exit), 0},
	{"tries", WORD, AT(own.tries), WATCHDOG_TRIES_MAX},
	{"blocker", WORD, AT(own.blocker), UINT32_MAX},
	{"acted", FLAG, AT(acted), 0},
	{"waiting", FLAG, AT(waiting), 0},
	{"accepted", FLAG, AT(accepted), 0},
	{"restarted", FLAG, AT(own.restarted), 0},
	{"again", FLAG, AT(own.again), 0},
	{"renewed", FLAG, AT(own.renewed), 0},
	{"away_told", FLAG, AT(own.away_told), 0},
	{"granted", FLAG, AT(own.granted), 0},
	{"other_run", TEXT, AT(own.other_run), WATCHDOG_RUN_BYTES},
	{"other_by", TEXT, AT(own.other_by), WATCHDOG_NAME_BYTES},
	{"before", FACT, AT(collections_before), 0},
	{"look", COUNT, AT(last_at.boot_ms), 0},
	{"look_wall", COUNT, AT(last_at.wall_ms), 0},
	{"look_boot", TEXT, AT(last_at.boot_id), WATCHDOG_BOOT_BYTES},
	{"uptime_reload", FACT, AT(last.uptime_reload_s), 0},
	{"uptime_reboot", FACT, AT(last.uptime_reboot_s), 0},
	{"primaries", WORD, AT(last.primaries), WATCHDOG_SEVERAL},
	{"primary", TEXT, AT(last.primary), WATCHDOG_NAME_BYTES},
	{"quorum", WORD, AT(last.quorum), WATCHDOG_TRI_YES},
	{"enabled", WORD, AT(last.enabled), WATCHDOG_TRI_YES},
	{"up", WORD, AT(last.up), WATCHDOG_TRI_YES},
	{"collections", FACT, AT(last.collections), 0},
	{"memory", FLAG, AT(last.memory), 0},
	{"sentence", TEXT, AT(sentence), WATCHDOG_SENTENCE_BYTES},
	{"next", TEXT, AT(next), WATCHDOG_NEXT_BYTES},
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static const char magic[] = "drr-watchdog 1 ";

static int add_field(const struct watchdog *w, const struct field *field, struct buf *out)
{
	const char *at = (const char *)w + field->offset;
	unsigned word;
	int code;
	bool flag;
	int64_t number;

	switch (field->kind) {
	case WORD:
		memcpy(&word, at, sizeof word);
		return buf_printf(out, "%s %u\n", field->key, word);
	case FLAG:
		memcpy(&flag, at, sizeof flag);
		return buf_printf(out, "%s %d\n", field->key, flag);
	case CODE:
		memcpy(&code, at, sizeof code);
		return buf_printf(out, "%s %d\n", field->key, code);
	case TEXT:
		return buf_printf(out, "%s %s\n", field->key, at);
	default:
		memcpy(&number, at, sizeof number);
		return buf_printf(out, "%s %" PRId64 "\n", field->key, number);
	}
}

/* The lines behind the check sum: first when they were written. */
static int add_body(const struct watchdog *w, struct buf *out, const struct watchdog_time *now)
{
	(void)buf_printf(out, "kept %" PRId64 "\nkept_wall %" PRId64 "\nkept_boot %s\n", now->boot_ms, now->wall_ms, now->boot_id);
	for (unsigned i = 0; i < FIELDS; i++)
		(void)add_field(w, &fields[i], out);
	return out->overflow ? -1 : 0;
}

int watchdog_save(const struct watchdog *w, struct buf *out, const struct watchdog_time *now)
{
	char body[WATCHDOG_KEPT_MAX_BYTES];
	struct buf buf;

	buf_init(&buf, body, sizeof body - sizeof magic - 9);
	if (add_body(w, &buf, now) != 0)
		return -1;
	return buf_printf(out, "%s%08" PRIx32 "\n%s", magic, crc32_of(buf.data, buf.len), buf.data);
}

/* ---- and back */

struct reader {
	const char *at;
	size_t left;
};

/* The value of the next line, which must have this KEY. */
static bool next_value(struct reader *reader, const char *key, const char **value, size_t *length)
{
	const char *end = memchr(reader->at, '\n', reader->left);
	size_t key_bytes = strlen(key), bytes = end ? (size_t)(end - reader->at) : 0;

	if (!end || bytes <= key_bytes || memcmp(reader->at, key, key_bytes) != 0 || reader->at[key_bytes] != ' ')
		return false;
	*value = reader->at + key_bytes + 1;
	*length = bytes - key_bytes - 1;
	reader->at = end + 1;
	reader->left -= bytes + 1;
	return true;
}

static bool take_text(const char *value, size_t length, char *out, size_t size)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
			return false;
	return text_copy(out, size, value, length) == 0;
}

static bool take_number(const char *value, size_t length, int64_t least, int64_t most, int64_t *number)
{
	bool negative = length > 0 && value[0] == '-';
	unsigned long long found;

	if (!text_to_unsigned(value + negative, length - negative, INT64_MAX, &found))
		return false;
	*number = negative ? -(int64_t)found : (int64_t)found;
	return *number >= least && *number <= most;
}

static bool take_field(struct watchdog *w, const struct field *field, struct reader *reader)
{
	const struct { int64_t least, most; } limits[] = {
		[WORD] = {0, field->max}, [FLAG] = {0, 1}, [COUNT] = {0, number_max}, [FACT] = {-1, number_max}, [CODE] = {-1, 255}, [POINT] = {-number_max, INT64_MAX},
	};
	char *at = (char *)w + field->offset;
	const char *value;
	size_t length;
	int64_t number;

	if (!next_value(reader, field->key, &value, &length))
		return false;
	if (field->kind == TEXT)
		return take_text(value, length, at, field->max);
	if (!take_number(value, length, limits[field->kind].least, limits[field->kind].most, &number) || (number > number_max && number != INT64_MAX))
		return false;
	switch (field->kind) {
	case WORD:
		memcpy(at, &(unsigned){(unsigned)number}, sizeof(unsigned));
		break;
	case FLAG:
		memcpy(at, &(bool){number == 1}, sizeof(bool));
		break;
	case CODE:
		memcpy(at, &(int){(int)number}, sizeof(int));
		break;
	default:
		memcpy(at, &number, sizeof number);
	}
	return true;
}

/* From the ticks of the boot that wrote it to those of this one: by the wall clock, which says nothing when it went back. */
static void move_points(struct watchdog *w, const struct watchdog_time *kept, const struct watchdog_time *now)
{
	int64_t down_ms = now->wall_ms > kept->wall_ms ? now->wall_ms - kept->wall_ms : 0;

	for (unsigned i = 0; i < FIELDS; i++) {
		char *at = (char *)w + fields[i].offset;
		int64_t point;

		if (fields[i].kind != POINT)
			continue;
		memcpy(&point, at, sizeof point);
		if (point == 0 || point == INT64_MAX)
			continue;
		point += now->boot_ms - kept->boot_ms - down_ms;
		point += point == 0;
		memcpy(at, &point, sizeof point);
	}
}

/* No state without what belongs to it. */
static bool is_sound(const struct watchdog *w)
{
	bool judged = w->state == WATCHDOG_VERDICT || w->state == WATCHDOG_STANDBACK || w->state == WATCHDOG_ACTING;

	return judged == (w->verdict != WATCHDOG_NO_VERDICT) && (w->state == WATCHDOG_STEADY) == (w->cause == WATCHDOG_CAUSE_NONE) && (w->state != WATCHDOG_ACTING || w->action_run[0]);
}

static bool read_body(struct watchdog *w, struct reader *reader, struct watchdog_time *kept)
{
	const char *value;
	size_t length;

	*kept = (struct watchdog_time){0};
	if (!next_value(reader, "kept", &value, &length) || !take_number(value, length, 0, number_max, &kept->boot_ms) ||
	    !next_value(reader, "kept_wall", &value, &length) || !take_number(value, length, 0, number_max, &kept->wall_ms) ||
	    !next_value(reader, "kept_boot", &value, &length) || !take_text(value, length, kept->boot_id, sizeof kept->boot_id))
		return false;
	for (unsigned i = 0; i < FIELDS; i++)
		if (!take_field(w, &fields[i], reader))
			return false;
	return reader->left == 0 && is_sound(w);
}

bool watchdog_restore(struct watchdog *w, const char *text, size_t bytes, bool runs, const struct watchdog_time *now)
{
	struct watchdog found = *w;
	struct watchdog_time kept;
	struct reader reader;
	char again[WATCHDOG_KEPT_MAX_BYTES + 1];
	struct buf buf;

	if (bytes < sizeof magic + 8 || bytes > WATCHDOG_KEPT_MAX_BYTES)
		return false;
	reader = (struct reader){text + sizeof magic + 8, bytes - sizeof magic - 8};
	if (!read_body(&found, &reader, &kept))
		return false;
	/* Written again it must be the same: check sum, leading zeros and all. */
	buf_init(&buf, again, sizeof again);
	if (watchdog_save(&found, &buf, &kept) != 0 || buf.len != bytes || memcmp(buf.data, text, bytes) != 0)
		return false;
	if (strcmp(kept.boot_id, now->boot_id) != 0)
		move_points(&found, &kept, now);
	*w = found;
	watchdog_wake(w, runs, now);
	return true;
}
