#include "engine/kept.h"

#include <stdio.h>
#include <string.h>

#include "platform/clock.h"
#include "platform/durable.h"

enum { PATH_BYTES = CONFIG_TEXT_BYTES + 16 };

_Static_assert((int)WATCHDOG_BOOT_BYTES >= (int)CLOCK_BOOT_BYTES, "a boot id fits");
_Static_assert((int)WATCHDOG_OBSERVE == (int)CONFIG_OBSERVE && (int)WATCHDOG_NUDGE == (int)CONFIG_NUDGE && (int)WATCHDOG_BOUNCE == (int)CONFIG_BOUNCE &&
	       (int)WATCHDOG_RUN == (int)CONFIG_RUN, "the same policies");

struct watchdog_settings kept_settings(const struct config *config)
{
	return (struct watchdog_settings){
		.policy = (enum watchdog_policy)config->watchdog.on_reboot,
		.heartbeat_s = config->watchdog.heartbeat_s,
		.slack_s = config->watchdog.slack_s,
		.settle_s = config->watchdog.settle_s,
		.await_s = config->limits.await_timeout_s,
		.pushes = config->log.source == CONFIG_LOG_FILE || config->log.source == CONFIG_LOG_SYSLOG,
		.has_log = config->log.source != CONFIG_LOG_NONE,
		.has_group = config->watchdog.group_file[0] != '\0',
	};
}

void kept_now(struct watchdog_time *now)
{
	static char boot_id[CLOCK_BOOT_BYTES];

	if (boot_id[0] == '\0')
		(void)clock_boot_id(boot_id);
	now->boot_ms = clock_now().ms;
	now->wall_ms = clock_wall_ms();
	(void)snprintf(now->boot_id, sizeof now->boot_id, "%s", boot_id);
}

void kept_tell_nobody(void *context, const struct watchdog_news *news)
{
	(void)context;
	(void)news;
}

static void make_path(const struct config *config, char out[PATH_BYTES])
{
	(void)snprintf(out, PATH_BYTES, "%s/watchdog", config->agent.state_dir);
}

int kept_read(const struct config *config, struct watchdog *w, bool runs, watchdog_tell *tell, void *context, struct error *error)
{
	struct watchdog_settings settings = kept_settings(config);
	char path[PATH_BYTES], text[WATCHDOG_KEPT_MAX_BYTES];
	struct watchdog_time now;
	size_t got;

	kept_now(&now);
	watchdog_init(w, &settings, config->agent.name, tell, context, &now);
	make_path(config, path);
	if (durable_read(path, text, sizeof text, &got, error))
		return -1;
	if (got == 0)
		return 0;
	return watchdog_restore(w, text, got, runs, &now) ? 1 : error_set(error, ERROR_ANSWER, NULL, "%s is damaged, or of another version", path);
}

int kept_write(const struct config *config, const struct watchdog *w, struct error *error)
{
	char path[PATH_BYTES], memory[WATCHDOG_KEPT_MAX_BYTES + 1];
	struct watchdog_time now;
	struct buf text;

	kept_now(&now);
	buf_init(&text, memory, sizeof memory);
	make_path(config, path);
	if (watchdog_save(w, &text, &now))
		return error_set(error, ERROR_INTERNAL, NULL, "what the watchdog remembers does not fit into %d bytes", WATCHDOG_KEPT_MAX_BYTES);
	return durable_replace(path, text.data, text.len, error);
}
