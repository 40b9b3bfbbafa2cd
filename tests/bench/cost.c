/* cost - runs a command and writes what it and all of its descendants cost: one line to FILE,
 *
 *   EXIT WALL_US USER_US SYSTEM_US PEAK_KB
 *
 * EXIT is 128 + the signal where one ended it. PEAK_KB is that of the largest process of the tree, not their sum. Descendants that lost their parent
 * come to us and are waited for. It is so small that the peak a process inherits from before its exec does not matter: a launcher in Python
 * would show its own 13 MB for every command. */
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long microseconds(struct timeval t)
{
	return (long long)t.tv_sec * 1000000 + t.tv_usec;
}

static long long now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	long long began, ended = 0;
	struct rusage usage;
	int status, code = 0;
	pid_t child, pid;
	FILE *file;

	if (argc < 3) {
		(void)fprintf(stderr, "usage: cost FILE COMMAND [ARGUMENT]...\n");
		return 2;
	}
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	began = now_us();
	child = fork();
	if (child == 0) {
		(void)execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	while ((pid = wait(&status)) > 0 || errno == EINTR) {
		if (pid != child)
			continue;
		ended = now_us();
		code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	(void)getrusage(RUSAGE_CHILDREN, &usage);
	file = fopen(argv[1], "w");
	if (!file || fprintf(file, "%d %lld %lld %lld %ld\n", code, ended - began, microseconds(usage.ru_utime),
			     microseconds(usage.ru_stime), usage.ru_maxrss) < 0 || fclose(file)) {
		perror(argv[1]);
		return 1;
	}
	return code;
}
