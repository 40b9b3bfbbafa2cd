#include "engine/refused.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32.h"
#include "platform/clock.h"
#include "platform/durable.h"
#include "platform/secretfile.h"

enum { RECORD_BYTES = 2048 };

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

int refused_check(const struct config *config, enum refused_way way, struct error *error)
{
	char path[CONFIG_TEXT_BYTES + 32], now[RECORD_BYTES], then[RECORD_BYTES];
	struct error ignored = {0};
	const char *identity;
	size_t got = 0;

	record_path(config, way, path, sizeof path);
	if (durable_read(path, then, sizeof then - 1, &got, &ignored) || got == 0)
		return 0;
	then[got] = '\0';
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
	(void)unlink(path);
	return 0;
}

int refused_remember(const struct config *config, enum refused_way way, struct error *error)
{
	char path[CONFIG_TEXT_BYTES + 32], identity[RECORD_BYTES - 64], record[RECORD_BYTES], when[CLOCK_TEXT_BYTES];
	int length;

	record_path(config, way, path, sizeof path);
	describe(config, way, identity, sizeof identity);
	length = snprintf(record, sizeof record, "%s\n%s", clock_text(when, clock_wall_ms()), identity);
	return durable_replace(path, record, (size_t)length, error);
}
