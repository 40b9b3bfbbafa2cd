#include "platform/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/jail.h"

enum {
	FD_BEHIND = PROCESS_FD_FIRST + PROCESS_FDS, /* whatever a child gets lies below */
	FD_FALLBACK_MAX = 1024, /* kernels before 5.11 cannot mark all of them at once; what is ours is close-on-exec anyhow */
	EXIT_NOT_EXECUTED = 127,
};

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

static void clean_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &standard, NULL); /* SIGPIPE is ignored by us, and exec would keep that */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_on_exec_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
#endif
	for (int fd = first; fd < FD_FALLBACK_MAX; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* First out of the way (a source may be 3 or 4 itself), then to its place, which begins at FIRST: dup2() leaves it open across exec. */
static int place_fds(const int fds[PROCESS_FDS], int first)
{
	int away[PROCESS_FDS];

	for (int i = 0; i < PROCESS_FDS; i++) {
		away[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, FD_BEHIND);
		if (fds[i] >= 0 && away[i] < 0)
			return -1;
	}
	for (int i = 0; i < PROCESS_FDS; i++) {
		if (away[i] < 0)
			(void)close(first + i);
		else if (dup2(away[i], first + i) < 0)
			return -1;
	}
	return 0;
}

/* In the child. Only async-signal-safe calls, and those of jail_drop_user(): there was one thread. TELL takes errno, and closes by itself when all went well. */
static _Noreturn void become(const struct process_plan *plan, int tell)
{
	int failed, first = plan->standard ? STDIN_FILENO : PROCESS_FD_FIRST;
	struct error error = {0};

	tell = fcntl(tell, F_DUPFD_CLOEXEC, FD_BEHIND);
	clean_signals();
	(void)setsid();
	if (plan->user && jail_drop_user(plan->user, &error) != 0) {
		errno = EPERM;
	} else if (tell >= 0 && place_fds(plan->fds, first) == 0) {
		close_on_exec_from(plan->standard ? PROCESS_FD_FIRST : FD_BEHIND);
		/* execve() takes what it does not change as not const, for historical reasons */
		(void)execve(plan->exe ? plan->exe : "/proc/self/exe", (char *const *)(const void *)plan->arguments, (char *const *)(const void *)plan->environment);
	}
	failed = errno;
	if (tell >= 0)
		while (write(tell, &failed, sizeof failed) < 0 && errno == EINTR)
			;
	_exit(EXIT_NOT_EXECUTED);
}

/* The child's errno, 0 when it became the program. */
static int wait_for_exec(int from)
{
	int failed = 0;
	ssize_t got;

	do
		got = read(from, &failed, sizeof failed);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)sizeof failed ? failed : 0;
}

pid_t process_start(const struct process_plan *plan, struct error *error)
{
	int ends[2], cause;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return error_set_errno(error, ERROR_INTERNAL, errno, NULL, "cannot start %s", plan->arguments[0]);
	pid = fork();
	if (pid == 0)
		become(plan, ends[1]);
	cause = pid < 0 ? errno : 0;
	(void)close(ends[1]);
	if (pid > 0)
		cause = wait_for_exec(ends[0]);
	(void)close(ends[0]);
	if (cause == 0)
		return pid;
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return error_set_errno(error, ERROR_INTERNAL, cause, NULL, "cannot start %s", plan->arguments[0]);
}

char *process_beside(const char *name, char out[PROCESS_PATH_BYTES])
{
	ssize_t length = readlink("/proc/self/exe", out, PROCESS_PATH_BYTES - 1);
	char *slash;

	out[length > 0 ? length : 0] = '\0'; /* " (deleted)" behind it goes with the name */
	slash = strrchr(out, '/');
	if (!slash || (size_t)(slash + 1 - out) + strlen(name) >= PROCESS_PATH_BYTES)
		out[0] = '\0';
	else
		(void)strcpy(slash + 1, name);
	return out;
}

void process_set_name(const char *name)
{
	(void)prctl(PR_SET_NAME, name, 0, 0, 0); /* only for those who look */
}

bool process_ended(pid_t pid, struct process_end *end)
{
	int status = 0;
	pid_t result;

	do
		result = waitpid(pid, &status, WNOHANG);
	while (result < 0 && errno == EINTR);
	if (result == 0)
		return false;
	if (result < 0) { /* ECHILD: somebody else has reaped it; it is gone all the same */
		*end = (struct process_end){.by_signal = false, .number = EXIT_NOT_EXECUTED};
		return true;
	}
	if (!WIFEXITED(status) && !WIFSIGNALED(status))
		return false;
	end->by_signal = WIFSIGNALED(status);
	end->number = end->by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
	return true;
}

char *process_end_text(char out[PROCESS_END_BYTES], const struct process_end *end)
{
	if (end->by_signal)
		(void)snprintf(out, PROCESS_END_BYTES, "signal %d (%s)", end->number, strsignal(end->number));
	else
		(void)snprintf(out, PROCESS_END_BYTES, "exit status %d", end->number);
	return out;
}

int process_environment(const char *const *names, const char *const *extra, const char *out[PROCESS_ENVIRONMENT_MAX], struct error *error)
{
	size_t count = 0;

	for (size_t i = 0; environ && environ[i]; i++) {
		for (size_t n = 0; names[n]; n++) {
			size_t length = strlen(names[n]);

			if (strncmp(environ[i], names[n], length) != 0 || environ[i][length] != '=')
				continue;
			if (count + 1 >= PROCESS_ENVIRONMENT_MAX)
				return error_set(error, ERROR_INTERNAL, NULL, "more than %d variables for a child", PROCESS_ENVIRONMENT_MAX - 1);
			out[count++] = environ[i];
			break;
		}
	}
	for (size_t i = 0; extra[i]; i++) {
		if (count + 1 >= PROCESS_ENVIRONMENT_MAX)
			return error_set(error, ERROR_INTERNAL, NULL, "more than %d variables for a child", PROCESS_ENVIRONMENT_MAX - 1);
		out[count++] = extra[i];
	}
	out[count] = NULL;
	return 0;
}
