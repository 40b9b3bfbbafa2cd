#include "engine/refused.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32.h"
#include "platform/clock.h"
#include "platform/durable.h"
#include "platform/secretfile.h"

enum {
	RECORD_BYTES = 2048,
	PATH_BYTES = CONFIG_TEXT_BYTES + 32,
	KEPT_MAX = 4, /* accounts; a process has one for each way */
};

/* Records that could not be written, for as long as this process lives; the oldest makes room. */
static struct {
	char path[PATH_BYTES];
	char record[RECORD_BYTES];
} kept[KEPT_MAX];
static unsigned kept_next;

static void describe_file(char *out, size_t size, const char *path)
{
	struct stat file;

	if (path[0] == '\0' || stat(path, &file))
		(void)snprintf(out, size, "-");
	else
		(void)snprintf(out, size, "%llx:%llu:%lld:%lld.%09ld", (unsigned long long)file.st_dev, (unsigned long long)file.st_ino,
			       (long long)file.st_size, (long long)file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
}

static void describe_cli(const struct config *config, char *out, size_t size)
{
	char password[SECRETFILE_PATH_MAX_BYTES] = "", own[96], secret[96], key[96];
	struct error ignored = {0};

	if (config->cli.password_file[0])
		(void)secretfile_path(config->cli.password_file, password, &ignored);
	describe_file(own, sizeof own, config->path);
	describe_file(secret, sizeof secret, password);
	describe_file(key, sizeof key, config->cli.key_file);
	(void)snprintf(out, size, "%s|%u|%s|%s|%s|%s|%s", config->cli.host, config->cli.port, config->cli.command, config->cli.user, own,
		       secret, key);
}

static void describe_xmi(const struct config *config, char *out, size_t size)
{
	char password[SECRETFILE_PATH_MAX_BYTES] = "", own[96], secret[96];
	struct error ignored = {0};

	(void)secretfile_path(config->xmi.password_file, password, &ignored);
	describe_file(own, sizeof own, config->path);
	describe_file(secret, sizeof secret, password);
	(void)snprintf(out, size, "%s|%s|%s|%s", config->xmi.url.text, config->xmi.user, own, secret);
}

static void describe(const struct config *config, enum refused_way way, char *out, size_t size)
{
	if (way == REFUSED_CLI)
		describe_cli(config, out, size);
	else
		describe_xmi(config, out, size);
}

/* One record for each account: several configurations may share a state_dir. */
static void record_path(const struct config *config, enum refused_way way, char *out, size_t size)
{
	char account[RECORD_BYTES];
	int length = way == REFUSED_CLI ? snprintf(account, sizeof account, "%s|%u|%s|%s", config->cli.host, config->cli.port, config->cli.command, config->cli.user)
					: snprintf(account, sizeof account, "%s|%s", config->xmi.url.text, config->xmi.user);

	(void)snprintf(out, size, "%s/refused%s-%08x", config->agent.state_dir, way == REFUSED_XMI ? "-xmi" : "", crc32_of(account, (size_t)length));
}

static char *find_kept(const char *path)
{
	for (unsigned i = 0; i < KEPT_MAX; i++)
		if (strcmp(kept[i].path, path) == 0)
			return kept[i].record;
	return NULL;
}

static void keep(const char *path, const char *record)
{
	char *place = find_kept(path);

	if (!place) {
		(void)snprintf(kept[kept_next].path, PATH_BYTES, "%s", path);
		place = kept[kept_next].record;
		kept_next = (kept_next + 1) % KEPT_MAX;
	}
	(void)snprintf(place, RECORD_BYTES, "%s", record);
}

/* What is remembered under PATH; "" nothing. */
static void recall(const char *path, char record[RECORD_BYTES])
{
	const char *own = find_kept(path);
	struct error ignored = {0};
	size_t got = 0;

	if (own && own[0])
		(void)snprintf(record, RECORD_BYTES, "%s", own);
	else if (durable_read(path, record, RECORD_BYTES - 1, &got, &ignored) == 0)
		record[got] = '\0';
	else
		record[0] = '\0';
}

int refused_check(const struct config *config, enum refused_way way, struct error *error)
{
	char path[PATH_BYTES], now[RECORD_BYTES], then[RECORD_BYTES];
	const char *identity;

	record_path(config, way, path, sizeof path);
	recall(path, then);
	if (then[0] == '\0')
		return 0;
	describe(config, way, now, sizeof now);
	identity = strchr(then, '\n');
	if (identity && strcmp(identity + 1, now) == 0)
		return error_set(error, ERROR_AUTH,
				 way == REFUSED_CLI
					 ? "put the right password into the file that [cli] password_file names (or, when only the account was locked, touch that file), then run the same command again"
					 : "put the right password into the file that [xmi] password_file names, or let that user use the XML management interface and the domain and touch the file; then run the same command again",
				 "the appliance refused user %s%s at %.*s with exactly these files; the same is not tried again (accounts get locked)",
				 way == REFUSED_CLI ? config->cli.user : config->xmi.user, way == REFUSED_CLI ? "" : " of the XML management interface",
				 (int)(identity - then), then);
	if (find_kept(path))
		keep(path, "");
	(void)unlink(path);
	return 0;
}

void refused_remember(const struct config *config, enum refused_way way, struct error *refusal)
{
	char path[PATH_BYTES], identity[RECORD_BYTES - 64], record[RECORD_BYTES], when[CLOCK_TEXT_BYTES];
	struct error failed = {0};
	size_t told;
	int length;

	record_path(config, way, path, sizeof path);
	describe(config, way, identity, sizeof identity);
	length = snprintf(record, sizeof record, "%s\n%s", clock_text(when, clock_wall_ms()), identity);
	if (durable_replace(path, record, (size_t)length, &failed) == 0)
		return;
	keep(path, record);
	told = strlen(refusal->what);
	(void)snprintf(refusal->what + told, sizeof refusal->what - told, "; only this process knows that now, the next start sends them again: %s", failed.what);
}
