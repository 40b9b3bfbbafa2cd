#include "platform/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
	ROWS = 24,
	COLUMNS = 500,       /* the appliance's tables must not wrap */
	REAP_TICK_MS = 5,
	STATUS_WAIT_MS = 200, /* from the pty's end to the command's exit status */
	HANGUP_WAIT_MS = 150, /* what a command gets to end by itself after SIGHUP */
	KILL_WAIT_MS = 150,
};

struct exec {
	struct transport base; /* first: the functions cast */
	pid_t pid;             /* also its session and process group; 0 once reaped */
	int status;            /* waitpid()'s, when reaped */
	bool status_known;
};

static struct exec *of(struct transport *t)
{
	return (struct exec *)(void *)t;
}

/* Asks for the command's end for at most WAIT_MS. True when it is gone. */
static bool reap(struct exec *exec, int wait_ms)
{
	static const struct timespec tick = {.tv_nsec = REAP_TICK_MS * 1000000L};

	while (exec->pid != 0) {
		pid_t rc = waitpid(exec->pid, &exec->status, WNOHANG);

		if (rc == exec->pid || (rc < 0 && errno == ECHILD)) {
			exec->status_known = rc == exec->pid;
			exec->pid = 0;
		} else if (wait_ms <= 0) {
			return false;
		} else {
			(void)nanosleep(&tick, NULL);
			wait_ms -= REAP_TICK_MS;
		}
	}
	return true;
}

static int ended(struct exec *exec, struct error *error)
{
	static const char next[] = "run the command of [cli] by hand to see what it says";

	if (!reap(exec, STATUS_WAIT_MS))
		return error_set(error, ERROR_LOST, next, "the command behind the CLI closed its terminal");
	if (!exec->status_known)
		return error_set(error, ERROR_LOST, next, "the command behind the CLI ended, with an unknown status");
	if (WIFSIGNALED(exec->status))
		return error_set(error, ERROR_LOST, next, "the command behind the CLI was ended by signal %d (%s)", WTERMSIG(exec->status),
				 strsignal(WTERMSIG(exec->status)));
	return error_set(error, ERROR_LOST, next, "the command behind the CLI ended with exit status %d", WEXITSTATUS(exec->status));
}

static enum transport_step exec_connect(struct transport *t, struct error *error)
{
	(void)t;
	(void)error;
	return TRANSPORT_DONE;
}

static int exec_read(struct transport *t, void *bytes, size_t size_bytes, size_t *got_bytes, struct error *error)
{
	ssize_t count;

	*got_bytes = 0;
	do {
		count = read(t->fd, bytes, size_bytes);
	} while (count < 0 && errno == EINTR);
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (count == 0 || (count < 0 && errno == EIO)) /* EIO: nobody has the other side open, and everything was read */
		return ended(of(t), error);
	if (count < 0)
		return error_set_errno(error, ERROR_LOST, errno, NULL, "reading from the command behind the CLI");
	*got_bytes = (size_t)count;
	return 0;
}

static int exec_write(struct transport *t, const void *bytes, size_t count_bytes, size_t *taken_bytes, struct error *error)
{
	ssize_t count;

	*taken_bytes = 0;
	do {
		count = write(t->fd, bytes, count_bytes);
	} while (count < 0 && errno == EINTR);
	if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (count < 0 && errno == EIO)
		return ended(of(t), error);
	if (count < 0)
		return error_set_errno(error, ERROR_LOST, errno, NULL, "writing to the command behind the CLI");
	*taken_bytes = (size_t)count;
	return 0;
}

static short exec_events(const struct transport *t)
{
	(void)t;
	return POLLIN;
}

static void exec_close(struct transport *t)
{
	struct exec *exec = of(t);

	(void)close(t->fd); /* the kernel hangs up the terminal: SIGHUP for its foreground group */
	if (exec->pid != 0 && !reap(exec, 0)) {
		(void)kill(-exec->pid, SIGHUP);
		(void)kill(-exec->pid, SIGCONT); /* a stopped command could not notice */
		if (!reap(exec, HANGUP_WAIT_MS)) {
			(void)kill(-exec->pid, SIGKILL);
			(void)reap(exec, KILL_WAIT_MS);
		}
	}
	free(exec);
}

/* Raw, as bytes are to pass unchanged, and no echo: what we write must not come back from this side of the command. */
static int terminal_prepare(int terminal)
{
	struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
	struct termios mode;

	if (tcgetattr(terminal, &mode) != 0)
		return -1;
	cfmakeraw(&mode);
	if (tcsetattr(terminal, TCSANOW, &mode) != 0)
		return -1;
	return ioctl(terminal, (int)TIOCSWINSZ, &size);
}

/* Opens a pty: *terminal is the command's side. Both close on exec. */
static int pty_open(int *terminal)
{
	int saved, pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[128];

	*terminal = -1;
	if (pty < 0)
		return -1;
	if (grantpt(pty) == 0 && unlockpt(pty) == 0 && ptsname_r(pty, name, sizeof name) == 0)
		*terminal = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*terminal >= 0 && terminal_prepare(*terminal) == 0 && fcntl(pty, F_SETFL, O_RDWR | O_NONBLOCK) == 0)
		return pty;
	saved = errno;
	if (*terminal >= 0)
		(void)close(*terminal);
	(void)close(pty);
	errno = saved;
	return -1;
}

/* In the child, where only async-signal-safe calls are allowed. Does not return. */
static _Noreturn void run(const char *command, int terminal)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, &standard, NULL); /* SIGPIPE is ignored by us, and exec(2) would keep that */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (setsid() < 0 || ioctl(terminal, TIOCSCTTY, 0) != 0)
		_exit(127);
	if (dup2(terminal, 0) < 0 || dup2(terminal, 1) < 0 || dup2(terminal, 2) < 0)
		_exit(127);
#ifdef SYS_close_range
	/* ours are close-on-exec; this takes those that came to us from elsewhere */
	(void)syscall(SYS_close_range, 3U, ~0U, 0U);
#endif
	(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static struct transport *failed(struct exec *exec, int sys_errno, struct error *error)
{
	(void)error_set_errno(error, ERROR_INTERNAL, sys_errno, NULL, "cannot start the command behind the CLI");
	free(exec);
	return NULL;
}

struct transport *exec_open(const char *command, struct error *error)
{
	static const struct transport_ops ops = {exec_connect, exec_read, exec_write, exec_events, exec_close};
	struct exec *exec = calloc(1, sizeof *exec);
	int terminal, saved;

	if (!exec)
		return failed(NULL, ENOMEM, error);
	exec->base.ops = &ops;
	exec->base.fd = pty_open(&terminal);
	if (exec->base.fd < 0)
		return failed(exec, errno, error);
	exec->pid = fork();
	if (exec->pid == 0)
		run(command, terminal);
	saved = errno;
	/* not earlier: without any open side the first read would already see a hang-up */
	(void)close(terminal);
	if (exec->pid > 0)
		return &exec->base;
	(void)close(exec->base.fd);
	return failed(exec, saved, error);
}
