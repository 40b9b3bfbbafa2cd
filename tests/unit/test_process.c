/* platform/process.c: what a child finds. The child is this very program, with words behind its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/loop.h"
#include "platform/process.h"
#include "self.h"

enum { SAID_BYTES = 2048, LIMIT_MS = 60000, FDS_SEEN = 256 };

static struct error error;

/* ---- the child -------------------------------------------------------------------------------------------------- */

/* Everything that it was given, in a line, to descriptor 3. */
static int child_tells(void)
{
	char said[SAID_BYTES];
	struct sigaction action;
	sigset_t blocked;
	size_t used = 0;

#define SAY(...) (used += (size_t)snprintf(said + used, sizeof said - used, __VA_ARGS__))
	SAY("fds");
	for (int fd = 0; fd < FDS_SEEN; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			SAY(" %d", fd);
	(void)sigprocmask(SIG_SETMASK, NULL, &blocked);
	SAY("; blocked");
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&blocked, number) == 1)
			SAY(" %d", number);
	SAY("; ignored");
	for (int number = 1; number < NSIG; number++)
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			SAY(" %d", number);
	SAY("; session %s", getsid(0) == getpid() ? "own" : "inherited");
	SAY("; environment");
	for (size_t i = 0; environ[i]; i++)
		SAY(" %s", environ[i]);
#undef SAY
	return write(3, said, used) == (ssize_t)used ? 0 : 1;
}

static int child(char **words)
{
	char byte;

	if (strcmp(words[1], "tell") == 0)
		return child_tells();
	if (strcmp(words[1], "exit") == 0)
		return atoi(words[2]);
	if (strcmp(words[1], "signal") == 0)
		(void)raise(atoi(words[2]));
	if (strcmp(words[1], "swapped") == 0) /* 3 and 4 hold what was 4 and 3 */
		return write(3, "three", 5) == 5 && write(4, "four", 4) == 4 ? 0 : 1;
	if (strcmp(words[1], "standard") == 0) /* what comes in goes out again, and there is nothing behind 2 */
		return read(0, &byte, 1) == 1 && write(1, &byte, 1) == 1 && fcntl(3, F_GETFD) < 0 && fcntl(4, F_GETFD) < 0 ? 0 : 1;
	if (strcmp(words[1], "user") == 0)
		return (long)getuid() == atol(words[2]) && (long)geteuid() == atol(words[2]) ? 0 : 1;
	if (strcmp(words[1], "wait") == 0) /* until the other end closes */
		return read(3, &byte, 1) == 0 ? 0 : 1;
	return 99;
}

/* ---- the parent ------------------------------------------------------------------------------------------------- */

static pid_t start_plan(struct process_plan plan, const char *verb, const char *word)
{
	const char *environment[] = {"DRR_ONE=a b", NULL};
	struct self self;

	self_fill(&self, (const char *const[]){verb, word, NULL});
	plan.exe = self.exe;
	plan.arguments = self.words;
	plan.environment = environment;
	error_clear(&error);
	return process_start(&plan, &error);
}

static pid_t start(const char *verb, const char *word, int three, int four)
{
	return start_plan((struct process_plan){.fds = {three, four}}, verb, word);
}

static struct process_end end_of(pid_t pid)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
	struct process_end end;
	struct loop loop;

	assert_int_equal(loop_open(&loop, &error), 0);
	assert_int_equal(loop_watch_children(&loop, &error), 0);
	while (!process_ended(pid, &end)) {
		assert_false(mono_reached(limit, clock_now()));
		assert_true(loop_wait(&loop, NULL, 0, limit, &error) >= 0);
	}
	loop_close(&loop);
	return end;
}

static void assert_exit(pid_t pid, int status)
{
	struct process_end end;

	assert_true(pid > 0);
	end = end_of(pid);
	assert_false(end.by_signal);
	assert_int_equal(end.number, status);
}

static const char *receive(int fd)
{
	static char said[SAID_BYTES];
	ssize_t got = read(fd, said, sizeof said - 1);

	assert_true(got >= 0);
	said[got] = '\0';
	return said;
}

static void gives_what_it_was_asked(void **state)
{
	int ends[2], stray = open("/dev/null", O_RDONLY); /* not close-on-exec: it came to us from elsewhere */
	sigset_t all;

	assert_true(stray >= 0);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_BLOCK, &all, NULL), 0);
	assert_int_equal(setenv("DRR_SECRET", "x", 1), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_exit(start("tell", NULL, ends[1], ends[1]), 0);
	assert_string_equal(receive(ends[0]), "fds 0 1 2 3 4; blocked; ignored; session own; environment DRR_ONE=a b");
	assert_exit(start("tell", NULL, ends[1], -1), 0);
	assert_non_null(strstr(receive(ends[0]), "fds 0 1 2 3;"));
	(void)sigprocmask(SIG_UNBLOCK, &all, NULL);
	(void)close(stray);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* The sources are 3 and 4 themselves, the wrong way round. */
static void swaps(void **state)
{
	int saved[2] = {dup(3), dup(4)}; /* -1 where nothing is there; cmocka or make may have them */
	int three[2], four[2], high[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, three), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, four), 0);
	for (int i = 0; i < 2; i++)
		high[i] = fcntl(i ? four[0] : three[0], F_DUPFD_CLOEXEC, 20);
	assert_true(high[0] >= 20 && high[1] >= 20);
	{
		int high_three = fcntl(three[1], F_DUPFD_CLOEXEC, 20), high_four = fcntl(four[1], F_DUPFD_CLOEXEC, 20);

		(void)close(three[0]), (void)close(three[1]), (void)close(four[0]), (void)close(four[1]);
		assert_int_equal(dup3(high_three, 4, O_CLOEXEC), 4);
		assert_int_equal(dup3(high_four, 3, O_CLOEXEC), 3);
		(void)close(high_three), (void)close(high_four);
	}
	assert_exit(start("swapped", NULL, 4, 3), 0);
	assert_string_equal(receive(high[0]), "three");
	assert_string_equal(receive(high[1]), "four");
	(void)close(high[0]), (void)close(high[1]);
	for (int i = 0; i < 2; i++) {
		(void)close(3 + i);
		if (saved[i] >= 0) {
			(void)dup2(saved[i], 3 + i);
			(void)close(saved[i]);
		}
	}
}

static void gives_standard_input_and_output(void **state)
{
	int ends[2], stray = open("/dev/null", O_RDONLY); /* not close-on-exec */
	char byte = 'x';

	assert_true(stray >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(write(ends[0], &byte, 1), 1);
	assert_exit(start_plan((struct process_plan){.fds = {ends[1], ends[1]}, .standard = true}, "standard", NULL), 0);
	assert_string_equal(receive(ends[0]), "x");
	(void)close(stray);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void becomes_a_user(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	char uid[32];

	if (getuid() != 0 || !nobody)
		skip();
	(void)snprintf(uid, sizeof uid, "%ld", (long)nobody->pw_uid);
	assert_exit(start_plan((struct process_plan){.fds = {-1, -1}, .user = "nobody"}, "user", uid), 0);
	assert_exit(start_plan((struct process_plan){.fds = {-1, -1}, .user = ""}, "user", "0"), 0);
	assert_int_equal(start_plan((struct process_plan){.fds = {-1, -1}, .user = "drr-no-such-user"}, "user", "0"), -1);
	assert_int_equal(error.sys_errno, EPERM);
}

static void finds_what_lies_beside(void **state)
{
	char path[PROCESS_PATH_BYTES], own[PROCESS_PATH_BYTES] = "", name[PROCESS_PATH_BYTES];

	assert_true(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
	assert_string_equal(process_beside(strrchr(own, '/') + 1, path), own);
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_string_equal(process_beside(name, path), "");
}

static void tells_how_it_ended(void **state)
{
	char text[PROCESS_END_BYTES];
	struct process_end end;
	pid_t pid;

	pid = start("exit", "7", -1, -1);
	assert_true(pid > 0);
	end = end_of(pid);
	assert_string_equal(process_end_text(text, &end), "exit status 7");
	pid = start("signal", "9", -1, -1);
	assert_true(pid > 0);
	end = end_of(pid);
	assert_true(end.by_signal);
	assert_int_equal(end.number, SIGKILL);
	assert_string_equal(process_end_text(text, &end), "signal 9 (Killed)");
	assert_true(process_ended(pid, &end)); /* not a child of ours any more: gone */
}

static void has_not_ended(void **state)
{
	struct process_end end;
	int ends[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid = start("wait", NULL, ends[1], -1);
	assert_true(pid > 0);
	assert_false(process_ended(pid, &end));
	(void)close(ends[1]);
	(void)close(ends[0]);
	assert_exit(pid, 0);
}

static void cannot_execute(void **state)
{
	const char *arguments[] = {"nothing", NULL}, *environment[] = {NULL};
	struct process_plan plan = {.exe = "/nowhere/nothing", .arguments = arguments, .environment = environment, .fds = {-1, -1}};

	error_clear(&error);
	assert_int_equal(process_start(&plan, &error), -1);
	assert_int_equal(error.code, ERROR_INTERNAL);
	assert_int_equal(error.sys_errno, ENOENT);
	assert_non_null(strstr(error.what, "nothing"));
}

static void has_a_name(void **state)
{
	char name[32] = "";
	FILE *comm;

	process_set_name("drr-engine");
	comm = fopen("/proc/self/comm", "r");
	assert_non_null(comm);
	assert_non_null(fgets(name, sizeof name, comm));
	(void)fclose(comm);
	assert_string_equal(name, "drr-engine\n");
}

static void picks_an_environment(void **state)
{
	const char *names[] = {"DRR_KEPT", "DRR_ABSENT", NULL}, *extra[] = {"DRR_ALIVE_MS=5000", NULL};
	const char *many[PROCESS_ENVIRONMENT_MAX + 1], *out[PROCESS_ENVIRONMENT_MAX];

	assert_int_equal(setenv("DRR_KEPT", "1", 1), 0);
	assert_int_equal(setenv("DRR_KEPT_NOT", "2", 1), 0);
	error_clear(&error);
	assert_int_equal(process_environment(names, extra, out, &error), 0);
	assert_string_equal(out[0], "DRR_KEPT=1");
	assert_string_equal(out[1], "DRR_ALIVE_MS=5000");
	assert_null(out[2]);
	for (int i = 0; i < PROCESS_ENVIRONMENT_MAX; i++)
		many[i] = "X=1";
	many[PROCESS_ENVIRONMENT_MAX - 1] = NULL;
	assert_int_equal(process_environment(extra, many, out, &error), 0);
	many[PROCESS_ENVIRONMENT_MAX - 1] = "X=1";
	many[PROCESS_ENVIRONMENT_MAX] = NULL;
	assert_int_equal(process_environment(extra, many, out, &error), -1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_what_it_was_asked), cmocka_unit_test(swaps),           cmocka_unit_test(tells_how_it_ended),
		cmocka_unit_test(has_not_ended),           cmocka_unit_test(cannot_execute), cmocka_unit_test(picks_an_environment),
		cmocka_unit_test(has_a_name),              cmocka_unit_test(becomes_a_user), cmocka_unit_test(finds_what_lies_beside),
		cmocka_unit_test(gives_standard_input_and_output),
	};

	return argc > 1 ? child(argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
