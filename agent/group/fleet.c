#include "group/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_BYTES = 16384 };

struct child {
	pid_t pid;
	int fd; /* what it prints */
};

static int begin(const char *path, fleet_function *function, void *context, struct child *child, struct error *error)
{
	int fds[2];

	(void)fflush(stdout); /* or the child prints it once more */
	if (pipe(fds) != 0)
		return error_set(error, ERROR_INTERNAL, NULL, "no pipe for %s: %s", path, strerror(errno));
	child->pid = fork();
	if (child->pid < 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return error_set(error, ERROR_INTERNAL, NULL, "no process for %s: %s", path, strerror(errno));
	}
	if (child->pid == 0) {
		int exit_code;

		(void)close(fds[0]);
		if (dup2(fds[1], STDOUT_FILENO) < 0)
			_exit(1);
		(void)close(fds[1]);
		exit_code = function(context, path);
		_exit(fflush(stdout) == 0 ? exit_code : 1);
	}
	(void)close(fds[1]);
	child->fd = fds[0];
	return 0;
}

/* Copies what it prints to its end; false: nothing came. */
static bool copy_output(int fd, const char *before)
{
	char bytes[READ_BYTES];
	bool any = false;
	ssize_t got;

	while ((got = read(fd, bytes, sizeof bytes)) > 0 || (got < 0 && errno == EINTR)) {
		if (got < 0)
			continue;
		if (!any)
			(void)fputs(before, stdout);
		any = true;
		(void)fwrite(bytes, 1, (size_t)got, stdout);
	}
	return any;
}

static int end(struct child *child)
{
	int status = 0;

	(void)close(child->fd);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	child->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The more it matters, the higher. */
static int weight(int exit_code)
{
	static const int order[] = {0, 7, 8, 2, 1};

	for (int i = 0; i < (int)(sizeof order / sizeof order[0]); i++)
		if (order[i] == exit_code)
			return 2 * i;
	return 1;
}

int fleet_each(const char *const *paths, unsigned count, bool json, fleet_function *function, void *context, struct error *error)
{
	static struct child children[FLEET_GROUPS_MAX];
	unsigned begun = 0, told = 0;
	int worst = 0, failed = 0;
	char head[4096];

	(void)fputs(json ? "[\n" : "", stdout);
	for (unsigned i = 0; i < count; i++) {
		int exit_code;

		while (!failed && begun < count && begun < i + FLEET_AT_ONCE)
			if (begin(paths[begun], function, context, &children[begun], error) != 0)
				failed = -1;
			else
				begun++;
		if (i >= begun)
			break;
		(void)snprintf(head, sizeof head, "%s%s%s", told > 0 ? json ? ",\n" : "\n" : "", json ? "" : paths[i], json ? "" : ":\n");
		told += copy_output(children[i].fd, head);
		exit_code = end(&children[i]);
		worst = weight(exit_code) > weight(worst) ? exit_code : worst;
	}
	(void)fputs(json ? "]\n" : "", stdout);
	return failed ? failed : worst;
}
