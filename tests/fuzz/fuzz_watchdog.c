/* Any text as what the watchdog has kept: refused, and nothing is changed; or taken, then the watchdog goes on from it, whatever comes, and acts only where it may.
 * The check sum is put right, so that the fuzzer gets behind it; the first byte says what comes. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"
#include "watch/watchdog_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_BYTES = sizeof "drr-watchdog 1 12345678" };

static const struct watchdog_settings settings = {.policy = WATCHDOG_RUN, .heartbeat_s = 300, .slack_s = 120, .settle_s = 180, .await_s = 2400, .has_log = true};

static void check(bool right)
{
	if (!right)
		abort();
}

static void hear(void *context, const struct watchdog_news *news)
{
	(void)context;
	check(news->name && news->sentence[0] && news->next[0]);
	for (const char *p = news->sentence; *p; p++)
		check((unsigned char)*p >= ' ');
}

static void go_on(struct watchdog *w, unsigned what, struct watchdog_time now)
{
	struct watchdog_standing standing = {.step = what & 1, .hold_owner = {what & 2 ? 'b' : '\0'}};
	struct watchdog_look look = {.answered = !(what & 4), .uptime_reload_s = what, .uptime_reboot_s = 100 * what, .primaries = WATCHDOG_ONE, .quorum = WATCHDOG_TRI_YES,
		.enabled = WATCHDOG_TRI_YES, .up = WATCHDOG_TRI_YES, .collections = what >> 3};
	bool acted = w->acted;
	uint64_t restarts = w->restarts;

	for (unsigned i = 0; i < 40; i++) {
		struct watchdog_wish wish = watchdog_turn(w, &standing, &now);

		if (wish.act) {
			check(!w->acted && !standing.step && !standing.hold_owner[0]);
			check(!acted || w->restarts > restarts || w->own.tries > 0);
			watchdog_begin(w, &now);
			watchdog_take_end(w, what & 8 ? 0 : 6, "ended", &now);
		}
		if (wish.look)
			watchdog_take_look(w, &look, &standing, &now);
		watchdog_take_line(w, (enum line_event)(i % (LINE_RESTARTED + 1)), what & 16, &standing, &now);
		check(watchdog_deadline(w) >= 0);
		now.boot_ms += (int64_t)1000 << i % 12;
		now.wall_ms += 1000;
	}
	check(w->state < WATCHDOG_STATE_COUNT && w->verdict < WATCHDOG_VERDICT_COUNT);
}

static void restore(const char *text, size_t size, unsigned what)
{
	static struct watchdog w, before;
	struct watchdog_time now = {.boot_ms = 5000000, .wall_ms = 1790000000000, .boot_id = "boot-0"}, kept = now;
	char again[WATCHDOG_KEPT_MAX_BYTES + 1];
	struct buf buf;

	if (what & 32)
		strcpy(now.boot_id, "boot-1");
	watchdog_init(&w, &settings, "gw1", hear, NULL, &now);
	before = w;
	if (!watchdog_restore(&w, text, size, what & 64, &now)) {
		check(memcmp(&w, &before, sizeof w) == 0);
		return;
	}
	buf_init(&buf, again, sizeof again);
	check(watchdog_save(&w, &buf, &kept) == 0);
	watchdog_init(&before, &settings, "gw1", hear, NULL, &now);
	check(watchdog_restore(&before, again, buf.len, true, &now));
	go_on(&w, what, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2 * WATCHDOG_KEPT_MAX_BYTES], head[HEAD_BYTES + 1];

	if (size < 1 || size > sizeof text)
		return 0;
	memcpy(text, data + 1, size - 1);
	restore(text, size - 1, data[0]);
	if (size - 1 <= HEAD_BYTES)
		return 0;
	(void)snprintf(head, sizeof head, "drr-watchdog 1 %08" PRIx32 "\n", crc32_of(text + HEAD_BYTES, size - 1 - HEAD_BYTES));
	memcpy(text, head, HEAD_BYTES);
	restore(text, size - 1, data[0]);
	return 0;
}
