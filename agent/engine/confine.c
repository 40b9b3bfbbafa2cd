#include "engine/confine.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/jail.h"
#include "platform/secretfile.h"

enum {
	FILES_MAX = 9,            /* that one configuration names, itself included */
	PATHS_MAX = CONFINE_CONFIGS_MAX * (2 * FILES_MAX + 1) + 5,
	PORTS_MAX = CONFINE_CONFIGS_MAX * (4 + CONFIG_LISTEN_MAX) + 1,
	NAME_SERVER_PORT = 53,    /* TCP: answers that do not fit into a datagram */
};

_Static_assert((int)CONFIG_TEXT_BYTES <= (int)SECRETFILE_PATH_MAX_BYTES, "every path of a configuration fits");

static struct confine {
	char texts[PATHS_MAX][PATH_MAX]; /* pages that nobody touches cost nothing */
	struct jail_path paths[PATHS_MAX];
	struct jail_port ports[PORTS_MAX];
	unsigned path_count, port_count;
	bool may_execute;
} the_confine;

static void add_path(struct confine *confine, const char *path, unsigned rights)
{
	unsigned at = confine->path_count;

	for (unsigned i = 0; i < at; i++)
		if (confine->paths[i].rights == rights && strcmp(confine->paths[i].path, path) == 0)
			return;
	if (at == PATHS_MAX)
		return;
	(void)snprintf(confine->texts[at], sizeof confine->texts[at], "%s", path);
	confine->paths[at] = (struct jail_path){confine->texts[at], rights};
	confine->path_count++;
}

/* The folder of FILE, or the nearest one above that is there already; never all of the file system. */
static void add_folder(struct confine *confine, const char *file)
{
	char folder[PATH_MAX];
	char *slash;

	(void)snprintf(folder, sizeof folder, "%s", file);
	while ((slash = strrchr(folder, '/')) != NULL && slash != folder) {
		*slash = '\0';
		if (access(folder, F_OK) == 0) {
			add_path(confine, folder, JAIL_READ);
			return;
		}
	}
	add_path(confine, file, JAIL_READ);
}

/* A file that may be replaced while this process lives: a log that rotates, a new password. Where a link leads, too. */
static void add_file(struct confine *confine, const char *file)
{
	char target[PATH_MAX];

	if (file[0] == '\0')
		return;
	add_folder(confine, file);
	if (realpath(file, target))
		add_folder(confine, target);
}

static void add_secret(struct confine *confine, const char *name)
{
	char file[SECRETFILE_PATH_MAX_BYTES];
	struct error later = {0}; /* said by whoever reads it */

	if (name[0] && secretfile_path(name, file, &later) == 0)
		add_file(confine, file);
}

static void add_port(struct confine *confine, unsigned port, unsigned right)
{
	if (port != 0 && confine->port_count < PORTS_MAX)
		confine->ports[confine->port_count++] = (struct jail_port){port, right};
}

static void add_config(struct confine *confine, const struct config *config)
{
	add_file(confine, config->path);
	add_path(confine, config->agent.state_dir, JAIL_READ | JAIL_WRITE);
	add_secret(confine, config->cli.password_file);
	add_file(confine, config->cli.key_file);
	add_secret(confine, config->xmi.password_file);
	add_file(confine, config->xmi.ca_file);
	add_file(confine, config->appliance.gateway_ca_file);
	add_file(confine, config->log.file);
	add_file(confine, config->log.certificate);
	add_file(confine, config->log.key);
	add_port(confine, config->cli.port, JAIL_CONNECT);
	add_port(confine, config->xmi.url.port, JAIL_CONNECT);
	add_port(confine, config->appliance.gateway_mgmt_url.port, JAIL_CONNECT);
	add_port(confine, config->appliance.gateway_api_url.port, JAIL_CONNECT);
	for (unsigned i = 0; i < config->log.listen_count; i++)
		add_port(confine, config->log.listen[i].port, JAIL_BIND);
	confine->may_execute |= config->cli.transport == CONFIG_EXEC;
}

int confine_enter(const struct config *const *configs, unsigned count, bool verbose, struct error *error)
{
	struct confine *confine = &the_confine;
	struct jail_settings settings = {.role = JAIL_ENGINE, .paths = confine->paths, .ports = confine->ports};
	struct jail_report report;

	for (unsigned i = 0; i < count; i++)
		add_config(confine, configs[i]);
	add_file(confine, "/etc/resolv.conf"); /* and hosts and services beside it */
	add_path(confine, CLOCK_BOOT_PATH, JAIL_READ);
	add_port(confine, NAME_SERVER_PORT, JAIL_CONNECT);
	settings.path_count = confine->path_count;
	settings.port_count = confine->port_count;
	settings.may_execute = confine->may_execute;
	if (jail_enter(&settings, &report, error))
		return -1;
	if (verbose)
		(void)fprintf(stderr, "drr-agent: system calls are %s, files and ports are %s (Landlock ABI %d)\n", report.seccomp ? "restricted" : "NOT RESTRICTED",
			      report.landlock ? "restricted" : "NOT RESTRICTED", report.landlock_abi);
	return 0;
}
