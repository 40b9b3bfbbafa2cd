/* supervisor/supervisor.c with children that do what the test tells them.
 *
 * The supervisor runs in a process of its own. Its children and their jobs are this very program: each connects to a socket of the test, says hello, reports what it
 * sees and obeys. So every step waits for what the step before it caused; LIMIT_MS is only there to end a test that would wait for ever. */
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
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/channel.h"
#include "platform/process.h"
#include "supervisor/supervisor.h"
#include "self.h"

#define ENGINE RESTARTS_ENGINE
#define FRONT RESTARTS_FRONT
#define JOB(job) ((enum restarts_child)(RESTARTS_CHILDREN + (int)(job))) /* a job's place among the fakes */

enum { FAKES = (int)RESTARTS_CHILDREN + (int)JOB_COUNT, JOB_END_LIMIT_MS = 200 };

enum { LIMIT_MS = 120000, WORDS_BYTES = 4096, LOG_BYTES = 65536, SHORT_LIMIT_MS = 1 };

static struct error error;

/* ---- the child -------------------------------------------------------------------------------------------------- */

static int test_fd; /* to the test */
static int job_fd = -1; /* the engine's end of a job's standard input and output */
static char frame_memory[FRAME_MAX_BYTES];

static void report(const char *words)
{
	if (send(test_fd, words, strlen(words), MSG_NOSIGNAL) < 0)
		_exit(98); /* the test is gone */
}

static void say_frame(int fd, enum frame_kind kind, uint32_t status, const char *one, const char *two)
{
	const char *const strings[] = {one, two};
	struct frame frame = frame_of_strings(kind, 0, status, strings);

	if (channel_send(fd, &frame, -1, &error) != 0)
		report(error.what);
}

/* Reads one frame and reports it. False: closed. */
static bool see(int *fd, bool is_peer, int *peer)
{
	char words[WORDS_BYTES];
	struct frame frame;
	int passed;

	switch (channel_receive(*fd, frame_memory, &frame, &passed)) {
	case CHANNEL_FRAME: break;
	case CHANNEL_NOTHING: return true;
	default:
		report(is_peer ? "peer closed" : "control closed");
		(void)close(*fd);
		*fd = -1;
		return false;
	}
	if (frame.kind == FRAME_CHANNEL) {
		if (*peer >= 0)
			(void)close(*peer);
		*peer = passed;
	}
	(void)snprintf(words, sizeof words, "%s%s", is_peer ? "peer " : "", frame_name(frame.kind));
	if (frame.kind == FRAME_FINISHED)
		(void)snprintf(words + strlen(words), sizeof words - strlen(words), " %u %u", frame.number, frame.status);
	for (unsigned i = 0; i < frame.field_count; i++)
		(void)snprintf(words + strlen(words), sizeof words - strlen(words), " %.*s", (int)frame.fields[i].length, frame.fields[i].bytes);
	report(words);
	return true;
}

/* "NUMBER JOB ARGUMENT"; without a descriptor where the number is 0. */
static void order(int control, char *words)
{
	char *name = strchr(words, ' ') + 1, *argument = strchr(name, ' ') + 1;
	uint32_t number = (uint32_t)atoi(words);
	int ends[2] = {-1, -1};
	struct frame frame;

	argument[-1] = '\0';
	frame = frame_of_strings(FRAME_START, number, 0, (const char *const[]){name, argument});
	if (number != 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		report(strerror(errno));
	if (channel_send(control, &frame, ends[1], &error) != 0)
		report(error.what);
	(void)close(ends[1]);
	(void)close(job_fd);
	job_fd = ends[0];
}

/* Reads from FD until its end, and reports it. */
static void pass_on(int fd, const char *what)
{
	char words[WORDS_BYTES];
	size_t used = (size_t)snprintf(words, sizeof words, "%s ", what);
	ssize_t got;

	while ((got = read(fd, words + used, sizeof words - 1 - used)) > 0)
		used += (size_t)got;
	words[used] = '\0';
	report(words);
}

static void obey_for_job(const char *words, const char *rest)
{
	if (strcmp(words, "read") == 0)
		pass_on(STDIN_FILENO, "input");
	else if (strcmp(words, "output") == 0)
		pass_on(job_fd, "output");
	else if (strcmp(words, "say") == 0 && write(STDOUT_FILENO, rest, strlen(rest)) < 0)
		report(strerror(errno));
	else if (strcmp(words, "write") == 0 && (write(job_fd, rest, strlen(rest)) < 0 || shutdown(job_fd, SHUT_WR) != 0))
		report(strerror(errno));
	else if (strcmp(words, "endure") == 0) {
		(void)signal(SIGTERM, SIG_IGN);
		report("endures");
	}
}

static void obey(char *words, int *control, int peer)
{
	char *rest = strchr(words, ' ');

	if (rest)
		*rest++ = '\0';
	if (strcmp(words, "exit") == 0)
		_exit(atoi(rest));
	if (strcmp(words, "crash") == 0)
		(void)kill(getpid(), SIGKILL);
	if (strcmp(words, "ready") == 0)
		say_frame(*control, FRAME_READY, 0, NULL, NULL);
	else if (strcmp(words, "alive") == 0)
		say_frame(*control, FRAME_ALIVE, 0, NULL, NULL);
	else if (strcmp(words, "status") == 0)
		say_frame(*control, FRAME_STATUS, 0, rest, NULL);
	else if (strcmp(words, "taken") == 0)
		say_frame(*control, FRAME_TAKEN, 0, "", "");
	else if (strcmp(words, "refused") == 0)
		say_frame(*control, FRAME_TAKEN, 1, rest, "mend it");
	else if (strcmp(words, "peer") == 0)
		say_frame(peer, FRAME_STATUS, 0, rest, NULL);
	else if (strcmp(words, "garbage") == 0)
		(void)send(*control, "garbage", 7, MSG_NOSIGNAL);
	else if (strcmp(words, "echo") == 0)
		report(rest);
	else if (strcmp(words, "start") == 0)
		order(*control, rest);
	else if (strcmp(words, "create") == 0) {
		int fd = open(rest, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		report(fd >= 0 ? "created" : strerror(errno));
		(void)close(fd);
	} else if (strcmp(words, "close") == 0) {
		(void)close(*control);
		*control = -1;
	} else {
		obey_for_job(words, rest);
	}
}

/* "status 123 --json -g FILE; HOME PATH": the command line and the names of the environment. */
static void introduce_job(char **command, char words[WORDS_BYTES])
{
	size_t used = (size_t)snprintf(words, WORDS_BYTES, "%s %ld", command[0], (long)getpid());

	for (char **word = command + 1; *word; word++)
		used += (size_t)snprintf(words + used, WORDS_BYTES - used, " %s", *word);
	used += (size_t)snprintf(words + used, WORDS_BYTES - used, ";");
	for (size_t i = 0; environ[i]; i++)
		used += (size_t)snprintf(words + used, WORDS_BYTES - used, " %.*s", (int)strcspn(environ[i], "="), environ[i]);
}

/* COMMAND: a job's; NULL: it is none. */
static int child(const char *name, const char *path, char **command)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int control = command ? -1 : PROCESS_FD_FIRST, peer = command ? -1 : PROCESS_FD_FIRST + 1;
	char words[WORDS_BYTES];

	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN); /* as loop_open() does */
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	test_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (test_fd < 0 || connect(test_fd, (struct sockaddr *)(void *)&address, sizeof address) != 0)
		return 97;
	(void)snprintf(words, sizeof words, "%s %ld alive=%s notify=%s%s%s", name, (long)getpid(), getenv("DRR_ALIVE_MS") ? getenv("DRR_ALIVE_MS") : "never",
		       getenv("NOTIFY_SOCKET") ? "told" : "hidden", getenv("DRR_JOBS") ? " jobs=" : "", getenv("DRR_JOBS") ? getenv("DRR_JOBS") : "");
	if (command)
		introduce_job(command, words);
	report(words);
	for (;;) {
		struct pollfd fds[] = {{peer, POLLIN, 0}, {control, POLLIN, 0}, {test_fd, POLLIN, 0}};

		if (poll(fds, 3, -1) < 0)
			return 96;
		if (fds[0].revents)
			(void)see(&peer, true, &peer);
		if (fds[1].revents)
			(void)see(&control, false, &peer);
		if (fds[2].revents) {
			ssize_t got = recv(test_fd, words, sizeof words - 1, 0);

			if (got <= 0)
				return 95;
			words[got] = '\0';
			obey(words, &control, peer);
		}
	}
}

/* ---- the test's side -------------------------------------------------------------------------------------------- */

static struct {
	int fd;
	pid_t pid;
	char hello[WORDS_BYTES];
} fakes[FAKES];

static char folder[64], config_path[100], listen_path[100], notify_path[100], key_path[100];
static int listener = -1, notify_fd = -1, log_fd = -1;
static char logged[LOG_BYTES];
static size_t logged_bytes;
static pid_t supervisor;
static bool https; /* the configuration has an endpoint */
static const char *watchdog; /* lines of that section */

static void await(int fd)
{
	struct pollfd poll_fd = {fd, POLLIN, 0};
	int ready;

	do
		ready = poll(&poll_fd, 1, LIMIT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready != 1)
		print_error("waited in vain; the log so far:\n%s\n", logged);
	assert_int_equal(ready, 1);
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (long)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* EXTRA: lines of [limits]. */
static void put_config(const char *extra)
{
	char text[4096], endpoint[1024] = "";

	if (https)
		(void)snprintf(endpoint, sizeof endpoint, "[https]\nlisten = 127.0.0.1:9443\ncertificate = %s/certificate\nkey = %s\nclient_ca = %s/ca\noperators = alice\n",
			       folder, key_path, folder);
	(void)snprintf(text, sizeof text,
		       "[agent]\nname = gw1\nstate_dir = %s\n[appliance]\ndomain = apiconnect\n[cli]\ntransport = telnet\nhost = 127.0.0.1\n"
		       "password_file = %s/password\n%s[watchdog]\n%s[limits]\n%s\n",
		       folder, folder, endpoint, watchdog, extra);
	put_file("agent.conf", text, 0600);
}

static int bound_socket(int type, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address, sizeof address), 0);
	return fd;
}

static int prepare(void **state)
{
	(void)snprintf(folder, sizeof folder, "/tmp/drr-supervisor-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(config_path, sizeof config_path, "%s/agent.conf", folder);
	(void)snprintf(listen_path, sizeof listen_path, "%s/test", folder);
	(void)snprintf(notify_path, sizeof notify_path, "%s/notify", folder);
	(void)snprintf(key_path, sizeof key_path, "%s/key", folder);
	listener = bound_socket(SOCK_SEQPACKET, listen_path);
	assert_int_equal(listen(listener, 16), 0);
	notify_fd = bound_socket(SOCK_DGRAM, notify_path);
	for (int i = 0; i < FAKES; i++)
		fakes[i].fd = -1;
	https = false;
	watchdog = "";
	logged_bytes = 0;
	logged[0] = '\0';
	return 0;
}

static int clean_up(void **state)
{
	static const char *const files[] = {"agent.conf", "test", "notify", "key", "certificate", "ca"};
	char path[128];

	if (supervisor > 0) { /* the test failed */
		(void)kill(supervisor, SIGKILL);
		(void)waitpid(supervisor, NULL, 0);
	}
	supervisor = 0;
	for (int i = 0; i < FAKES; i++)
		if (fakes[i].fd >= 0)
			(void)close(fakes[i].fd);
	(void)close(listener);
	(void)close(notify_fd);
	(void)close(log_fd);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

/* In a process of its own. Does not return. */
static void run_supervisor(int64_t start_limit_ms)
{
	static struct self engine, front, job;
	static struct config config;
	struct supervisor_settings settings = {
		.arguments = {[ENGINE] = engine.words, [FRONT] = front.words},
		.start_limit_ms = start_limit_ms,
		.jobs = {.programs = {[JOBS_DRRCTL] = {NULL, job.words}, [JOBS_AGENT] = {NULL, job.words}}, .end_limit_ms = JOB_END_LIMIT_MS},
	};

	self_fill(&engine, (const char *const[]){"engine", listen_path, NULL});
	self_fill(&front, (const char *const[]){"front", listen_path, NULL});
	self_fill(&job, (const char *const[]){"job", listen_path, NULL});
	settings.exe = engine.exe;
	settings.jobs.programs[JOBS_AGENT].exe = engine.exe;
	settings.jobs.programs[JOBS_DRRCTL].exe = engine.exe ? engine.exe : job.path;

	(void)setenv("NOTIFY_SOCKET", notify_path, 1);
	(void)setenv("WATCHDOG_USEC", "10000000", 1);
	(void)unsetenv("WATCHDOG_PID");
	if (config_load(config_path, &config, &error)) {
		(void)fprintf(stderr, "%s\n", error.what);
		_exit(94);
	}
	_exit(supervise_with(&config, &settings));
}

static void start_with(int64_t start_limit_ms)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	supervisor = fork();
	assert_true(supervisor >= 0);
	if (supervisor == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		run_supervisor(start_limit_ms);
	}
	(void)close(ends[1]);
	log_fd = ends[0];
}

/* Takes connections until WHICH has said hello. */
static void await_child(enum restarts_child which)
{
	if (fakes[which].fd >= 0)
		(void)close(fakes[which].fd);
	fakes[which].fd = -1;
	while (fakes[which].fd < 0) {
		char hello[WORDS_BYTES];
		enum restarts_child who;
		ssize_t got;
		int fd;

		await(listener);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(fd >= 0);
		await(fd);
		got = recv(fd, hello, sizeof hello - 1, 0);
		assert_true(got > 0);
		hello[got] = '\0';
		who = strncmp(hello, "engine ", 7) == 0 ? ENGINE : FRONT;
		for (int job = 0; job < JOB_COUNT; job++)
			if (strncmp(hello, jobs_name((enum job)job), strlen(jobs_name((enum job)job))) == 0)
				who = JOB(job);
		if (fakes[who].fd >= 0)
			(void)close(fakes[who].fd);
		fakes[who].fd = fd;
		fakes[who].pid = (pid_t)strtol(strchr(hello, ' '), NULL, 10);
		memcpy(fakes[who].hello, hello, sizeof hello);
	}
}

static void tell(enum restarts_child which, const char *words)
{
	assert_int_equal(send(fakes[which].fd, words, strlen(words), MSG_NOSIGNAL), (long)strlen(words));
}

/* The front comes when the engine is at work. */
static void await_children(void)
{
	await_child(ENGINE);
	tell(ENGINE, "ready");
	await_child(FRONT);
}

static void expect(enum restarts_child which, const char *words)
{
	char seen[WORDS_BYTES];
	ssize_t got;

	await(fakes[which].fd);
	got = recv(fakes[which].fd, seen, sizeof seen - 1, 0);
	assert_true(got >= 0);
	seen[got] = '\0';
	assert_string_equal(seen, words);
}

/* It lives, and has been sent nothing that is not yet reported. */
static void expect_nothing(enum restarts_child which)
{
	tell(which, "echo nothing else");
	expect(which, "nothing else");
}

/* It may see "control closed" before the signal. */
static void expect_end(enum restarts_child which)
{
	char seen[WORDS_BYTES];

	do
		await(fakes[which].fd);
	while (recv(fakes[which].fd, seen, sizeof seen, 0) > 0);
	(void)close(fakes[which].fd);
	fakes[which].fd = -1;
}

static void expect_notified(const char *beginning)
{
	char seen[WORDS_BYTES];
	ssize_t got;

	await(notify_fd);
	got = recv(notify_fd, seen, sizeof seen - 1, 0);
	assert_true(got > 0);
	seen[got] = '\0';
	if (strncmp(seen, beginning, strlen(beginning)) != 0)
		assert_string_equal(seen, beginning);
}

/* Reads the log until WORDS stand in it, behind those of the call before. */
static void expect_logged(const char *words)
{
	static size_t seen;
	const char *found;

	if (logged_bytes == 0)
		seen = 0;
	while (!(found = strstr(logged + seen, words))) {
		ssize_t got;

		await(log_fd);
		got = read(log_fd, logged + logged_bytes, sizeof logged - 1 - logged_bytes);
		if (got <= 0)
			print_error("not in the log: %s\n%s\n", words, logged);
		assert_true(got > 0);
		logged_bytes += (size_t)got;
		logged[logged_bytes] = '\0';
	}
	seen = (size_t)(found - logged) + strlen(words);
}

static void expect_exit(int code)
{
	int status;

	/* its end closes its log, and so do those of its children: no wait without a limit */
	for (;;) {
		ssize_t got;

		await(log_fd);
		assert_true(logged_bytes < sizeof logged - 1);
		got = read(log_fd, logged + logged_bytes, sizeof logged - 1 - logged_bytes);
		if (got <= 0)
			break;
		logged_bytes += (size_t)got;
		logged[logged_bytes] = '\0';
	}
	assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
	supervisor = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		print_error("ended otherwise; the log:\n%s\n", logged);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

/* Both started and at work. */
static void start(void)
{
	put_config("");
	start_with(LIMIT_MS);
	await_children();
	expect_notified("STATUS=starts");
	expect_notified("WATCHDOG=1");
	if (https)
		expect(FRONT, "identity CERTIFICATE KEY CA");
	tell(FRONT, "ready");
	expect_notified("READY=1\nSTATUS=at work");
}

static void start_with_https(void)
{
	https = true;
	put_file("certificate", "CERTIFICATE", 0644);
	put_file("key", "KEY", 0600);
	put_file("ca", "CA", 0644);
	start();
	tell(FRONT, "taken");
}

static void stop(void)
{
	assert_int_equal(kill(supervisor, SIGTERM), 0);
	expect_notified("STOPPING=1");
	expect(ENGINE, "stop");
	tell(ENGINE, "exit 0");
	expect(FRONT, "peer closed");
	expect(FRONT, "stop");
	tell(FRONT, "exit 0");
	expect_exit(0);
}

/* ---- the tests -------------------------------------------------------------------------------------------------- */

static void starts_and_stops(void **state)
{
	char hello[64];

	start();
	(void)snprintf(hello, sizeof hello, "engine %ld alive=5000 notify=hidden", (long)fakes[ENGINE].pid);
	assert_string_equal(fakes[ENGINE].hello, hello);
	(void)snprintf(hello, sizeof hello, "front %ld alive=never notify=hidden", (long)fakes[FRONT].pid);
	assert_string_equal(fakes[FRONT].hello, hello);
	expect_logged("at work member=gw1 socket=/tmp/drr-supervisor-");
	tell(ENGINE, "peer hello front");
	expect(FRONT, "peer status hello front");
	tell(FRONT, "peer hello engine");
	expect(ENGINE, "peer status hello engine");
	stop();
	assert_non_null(strstr(logged, "the daemon has ended exit=0"));
}

/* What the supervisor has given up, its children have not either. */
static void is_locked_in(void **state)
{
	char inside[128], outside[128];

	start();
	expect_logged("at work");
	(void)snprintf(inside, sizeof inside, "create %s/test.new", folder);
	(void)snprintf(outside, sizeof outside, "create %s.outside", folder);
	tell(ENGINE, inside);
	expect(ENGINE, "created");
	assert_int_equal(unlink(inside + strlen("create ")), 0);
	if (strstr(logged, "seccomp=yes landlock=yes")) {
		tell(ENGINE, outside);
		expect(ENGINE, "Permission denied");
	}
	stop();
}

static void passes_on_what_the_engine_says(void **state)
{
	start();
	tell(ENGINE, "alive");
	expect_notified("WATCHDOG=1");
	tell(ENGINE, "alive");
	expect_notified("WATCHDOG=1");
	tell(ENGINE, "status waits for the trigger");
	expect_notified("STATUS=waits for the trigger");
	stop();
}

static void front_does_not_speak_for_the_engine(void **state)
{
	static const char *const words[] = {"alive", "status all is well", "garbage"};

	start();
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		tell(FRONT, words[i]);
		expect_end(FRONT);
		await_child(FRONT);
		expect(ENGINE, "peer closed");
		expect(ENGINE, "channel");
		tell(FRONT, "ready");
	}
	tell(ENGINE, "status nothing was passed on before this");
	expect_notified("STATUS=nothing was passed on before this");
	expect_logged("sent what it must not send");
	stop();
}

static void crashes(enum restarts_child which)
{
	enum restarts_child other = which == ENGINE ? FRONT : ENGINE;
	pid_t pid;

	start();
	for (int i = 0; i < RESTARTS_MAX; i++) {
		pid = fakes[which].pid;
		tell(which, "crash");
		expect(other, "peer closed");
		await_child(which);
		assert_int_not_equal(fakes[which].pid, pid);
		if (which == ENGINE)
			expect_notified("WATCHDOG=1");
		expect(other, "channel");
		tell(which, "ready");
		tell(which, "peer again");
		expect(other, "peer status again");
	}
	expect_nothing(other);
}

static void engine_crashes(void **state)
{
	crashes(ENGINE);
	stop();
}

static void front_crashes(void **state)
{
	crashes(FRONT);
	stop();
}

static void gives_up(enum restarts_child which)
{
	enum restarts_child other = which == ENGINE ? FRONT : ENGINE;
	char next[200];

	crashes(which);
	tell(which, "crash");
	expect(other, "peer closed");
	expect(other, "stop");
	expect_notified("STOPPING=1\nSTATUS=given up");
	expect_nothing(other); /* it has all the time that it takes */
	tell(other, "exit 0");
	expect_exit(1);
	(void)snprintf(next, sizeof next, "next=\"drr-agent recover -c %s; journalctl -u drr-agent\"", config_path);
	assert_non_null(strstr(logged, "given up: engine and front ended more than 5 times in 300 s"));
	assert_non_null(strstr(logged, next));
}

static void gives_up_the_engine(void **state)
{
	gives_up(ENGINE);
}

static void gives_up_the_front(void **state)
{
	gives_up(FRONT);
}

static void ends_with_the_childs_code(void **state)
{
	put_config("");
	start_with(LIMIT_MS);
	await_child(ENGINE);
	tell(ENGINE, "exit 6"); /* another daemon has the lock: its front is left alone */
	expect_exit(6);
	assert_null(strstr(logged, "recover"));
	assert_null(strstr(logged, "front"));
}

static void kills_what_never_gets_ready(void **state)
{
	put_config("");
	start_with(SHORT_LIMIT_MS);
	expect_exit(1);
	assert_non_null(strstr(logged, "child was not at work in time"));
	assert_non_null(strstr(logged, "signal 9"));
	assert_non_null(strstr(logged, "given up"));
}

static void waits_for_the_engine(void **state)
{
	start();
	assert_int_equal(kill(supervisor, SIGTERM), 0);
	expect(ENGINE, "stop");
	assert_int_equal(kill(supervisor, SIGTERM), 0);
	expect_logged("asked to end again");
	assert_int_equal(kill(supervisor, SIGINT), 0);
	expect_logged("asked to end again");
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_nothing(ENGINE);
	expect_nothing(FRONT); /* it serves until the engine is done */
	tell(ENGINE, "peer done");
	expect(FRONT, "peer status done");
	tell(ENGINE, "exit 0");
	expect(FRONT, "peer closed");
	expect(FRONT, "stop");
	tell(FRONT, "exit 0");
	expect_exit(0);
}

static void tells_when_the_engine_stopped_badly(void **state)
{
	start();
	assert_int_equal(kill(supervisor, SIGTERM), 0);
	expect(ENGINE, "stop");
	tell(FRONT, "crash"); /* is not started again */
	expect_end(FRONT);
	expect(ENGINE, "peer closed");
	tell(ENGINE, "exit 9");
	expect_exit(9);
	assert_non_null(strstr(logged, "drr-agent recover -c"));
}

static void ends_who_closes_its_control_channel(void **state)
{
	pid_t pid;

	start();
	pid = fakes[ENGINE].pid;
	tell(ENGINE, "close");
	expect_end(ENGINE);
	await_child(ENGINE);
	assert_int_not_equal(fakes[ENGINE].pid, pid);
	expect(FRONT, "peer closed");
	expect(FRONT, "channel");
	tell(ENGINE, "ready");
	expect_notified("WATCHDOG=1");
	stop();
}

static void children_see_its_death(void **state)
{
	start();
	assert_int_equal(kill(supervisor, SIGKILL), 0);
	expect(ENGINE, "control closed");
	expect(FRONT, "control closed");
	expect_nothing(ENGINE); /* nothing kills it: it may finish */
	expect_nothing(FRONT);
	tell(ENGINE, "exit 0");
	tell(FRONT, "exit 0");
}

static void reloads(void **state)
{
	start_with_https();
	put_file("key", "ANOTHER", 0600);
	put_config("quiet_s = 31\n");
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1\nMONOTONIC_USEC=");
	expect(FRONT, "identity CERTIFICATE ANOTHER CA");
	expect_nothing(ENGINE); /* not before the front has taken it */
	tell(FRONT, "taken");
	expect(ENGINE, "reload");
	tell(ENGINE, "taken");
	expect_notified("READY=1");
	expect_logged("configuration taken");
	tell(FRONT, "crash"); /* a new one gets the new key */
	expect_end(FRONT);
	await_child(FRONT);
	expect(FRONT, "identity CERTIFICATE ANOTHER CA");
	tell(FRONT, "taken");
	tell(FRONT, "ready");
	expect(ENGINE, "peer closed");
	expect(ENGINE, "channel");
	stop();
	assert_null(strstr(logged, "ANOTHER"));
}

static void reloads_twice_more_than_once(void **state)
{
	start();
	for (int i = 0; i < 3; i++) { /* three configurations, two places for them */
		assert_int_equal(kill(supervisor, SIGHUP), 0);
		expect_notified("RELOADING=1");
		expect(ENGINE, "reload");
		assert_int_equal(kill(supervisor, SIGHUP), 0); /* while one is under way: done behind it */
		expect_logged("configuration will be read again when both children are at work");
		expect_nothing(ENGINE);
		tell(ENGINE, "taken");
		expect_notified("READY=1");
		expect_notified("RELOADING=1");
		expect(ENGINE, "reload");
		tell(ENGINE, "taken");
		expect_notified("READY=1");
	}
	stop();
}

static void refuses_a_bad_configuration(void **state)
{
	start_with_https();
	put_config("quiet_s = soon\n");
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1");
	expect_notified("READY=1");
	expect_logged("the new configuration is not taken; the old one stays by=supervisor");
	expect_logged("quiet_s");
	put_config("");
	put_file("key", "ANOTHER", 0644); /* open to everybody */
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1");
	expect_notified("READY=1");
	expect_logged("open to every user");
	expect_nothing(FRONT);
	put_file("key", "ANOTHER", 0600);
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1");
	expect(FRONT, "identity CERTIFICATE ANOTHER CA");
	tell(FRONT, "refused key and certificate do not belong together");
	expect_notified("READY=1");
	expect_logged("by=front why=\"key and certificate do not belong together\" next=\"mend it\"");
	expect_nothing(ENGINE);
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1");
	expect(FRONT, "identity CERTIFICATE ANOTHER CA");
	tell(FRONT, "taken");
	expect(ENGINE, "reload");
	tell(ENGINE, "refused no");
	expect_notified("READY=1");
	expect_logged("by=engine why=no");
	stop();
}

static void reloads_when_all_are_at_work(void **state)
{
	start();
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1");
	expect(ENGINE, "reload");
	tell(ENGINE, "crash"); /* its answer never comes */
	expect_notified("READY=1");
	expect_notified("WATCHDOG=1");
	await_child(ENGINE);
	expect_logged("read again when both are at work");
	tell(ENGINE, "ready");
	expect_notified("RELOADING=1");
	expect(ENGINE, "reload");
	tell(ENGINE, "taken");
	expect_notified("READY=1");
	expect(FRONT, "peer closed");
	expect(FRONT, "channel");
	stop();
}

static void takes_no_answer_for_another(void **state)
{
	start_with_https();
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1");
	expect(FRONT, "identity CERTIFICATE KEY CA");
	tell(FRONT, "taken");
	expect(ENGINE, "reload");
	tell(FRONT, "crash");
	expect_end(FRONT);
	expect_notified("READY=1");
	await_child(FRONT);
	expect(FRONT, "identity CERTIFICATE KEY CA");
	expect(ENGINE, "peer closed");
	expect(ENGINE, "channel");
	tell(FRONT, "ready");
	tell(FRONT, "taken");
	expect_logged("child=front");
	expect_nothing(ENGINE); /* it still owes the answer to the first one */
	tell(ENGINE, "refused the first");
	expect_notified("RELOADING=1");
	expect(FRONT, "identity CERTIFICATE KEY CA");
	tell(FRONT, "taken");
	expect(ENGINE, "reload");
	tell(ENGINE, "taken");
	expect_notified("READY=1");
	expect_logged("configuration taken");
	tell(ENGINE, "taken"); /* nobody asked */
	expect_end(ENGINE);
	await_child(ENGINE);
	expect_logged("sent what it must not send");
	expect(FRONT, "peer closed");
	expect(FRONT, "channel");
	expect_notified("WATCHDOG=1");
	stop();
}

static void says_what_needs_a_restart(void **state)
{
	start_with_https();
	https = false;
	put_config("");
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1");
	expect(ENGINE, "reload");
	tell(ENGINE, "taken");
	expect_notified("READY=1");
	expect_logged("key=\"[https] listen\"");
	expect_nothing(FRONT);
	stop();
}

static void starts_nothing_without_its_files(void **state)
{
	https = true;
	put_file("certificate", "CERTIFICATE", 0644);
	put_file("key", "KEY", 0644);
	put_file("ca", "CA", 0644);
	put_config("");
	start_with(LIMIT_MS);
	expect_exit(2);
	assert_non_null(strstr(logged, "open to every user"));
	assert_non_null(strstr(logged, "next=\"chmod o= "));
	assert_null(strstr(logged, "child started"));
}

static void ends_when_the_front_refuses_its_identity(void **state)
{
	https = true;
	put_file("certificate", "CERTIFICATE", 0644);
	put_file("key", "KEY", 0600);
	put_file("ca", "CA", 0644);
	put_config("");
	start_with(LIMIT_MS);
	await_children();
	expect(FRONT, "identity CERTIFICATE KEY CA");
	tell(FRONT, "refused no certificate in it");
	expect(ENGINE, "stop");
	tell(ENGINE, "exit 0");
	expect(FRONT, "peer closed");
	expect(FRONT, "stop");
	tell(FRONT, "exit 0");
	expect_exit(2);
	assert_non_null(strstr(logged, "no certificate in it"));
	assert_non_null(strstr(logged, "next=\"mend it\""));
}

static void cannot_execute(void **state)
{
	const char *const none[] = {"nothing", NULL};
	const struct supervisor_settings settings = {.exe = "/nowhere/nothing", .arguments = {none, none}, .start_limit_ms = LIMIT_MS};
	static struct config config;
	int ends[2];

	put_config("");
	assert_int_equal(config_load(config_path, &config, &error), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	supervisor = fork();
	if (supervisor == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		_exit(supervise_with(&config, &settings));
	}
	(void)close(ends[1]);
	log_fd = ends[0];
	expect_exit(1);
	assert_non_null(strstr(logged, "cannot start nothing: No such file or directory"));
	assert_non_null(strstr(logged, "given up"));
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

#define STATUS JOB(JOB_STATUS)
#define RUN JOB(JOB_RUN)
#define GROUP "group_file = /etc/drr-agent/group.conf\n"
#define NOTIFY "notify_url = https://h/\nnotify_ca_file = /ca\n"

static void start_with_jobs(const char *lines)
{
	watchdog = lines;
	start();
}

static void assert_command(enum restarts_child which, const char *line)
{
	char expected[WORDS_BYTES];
	const char *end = strchr(fakes[which].hello, ';');

	(void)snprintf(expected, sizeof expected, line, (long)fakes[which].pid);
	assert_non_null(end);
	assert_int_equal(end - fakes[which].hello, (long)strlen(expected));
	assert_memory_equal(fakes[which].hello, expected, strlen(expected));
}

static void starts_what_the_engine_orders(void **state)
{
	static const char *const hidden[] = {" NOTIFY_SOCKET", " WATCHDOG_USEC", " DRR_", " DOCKER_HOST", " KUBECONFIG"};

	assert_int_equal(setenv("DRR_SECRET", "x", 1), 0);
	assert_int_equal(setenv("DOCKER_HOST", "x", 1), 0);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1), 0);
	start_with_jobs(GROUP NOTIFY);
	tell(ENGINE, "start 7 status ");
	await_child(STATUS);
	assert_command(STATUS, "status %ld --json -g /etc/drr-agent/group.conf");
	for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
		assert_null(strstr(fakes[STATUS].hello, hidden[i]));
	assert_non_null(strstr(fakes[STATUS].hello, " PATH"));
	assert_non_null(strstr(fakes[STATUS].hello, " CREDENTIALS_DIRECTORY"));
	tell(STATUS, "say {\"members\":3}");
	tell(STATUS, "exit 3");
	expect(ENGINE, "finished 7 3 status exit status 3");
	tell(ENGINE, "output");
	expect(ENGINE, "output {\"members\":3}");
	tell(ENGINE, "start 8 notify ");
	await_child(JOB(JOB_NOTIFY));
	tell(ENGINE, "write hello");
	tell(JOB(JOB_NOTIFY), "read");
	expect(JOB(JOB_NOTIFY), "input hello");
	tell(JOB(JOB_NOTIFY), "exit 0");
	expect(ENGINE, "finished 8 0 notify exit status 0");
	tell(ENGINE, "start 9 run wd-gw1-20261123T170000Z");
	await_child(RUN);
	assert_command(RUN, "run %ld --json --run wd-gw1-20261123T170000Z -g /etc/drr-agent/group.conf");
	tell(ENGINE, "start 10 nudge ");
	await_child(JOB(JOB_NUDGE));
	tell(RUN, "crash");
	expect(ENGINE, "finished 9 137 run signal 9 (Killed)");
	tell(JOB(JOB_NUDGE), "exit 0");
	expect(ENGINE, "finished 10 0 nudge exit status 0");
	expect_nothing(ENGINE);
	stop();
}

static void starts_nothing_else(void **state)
{
	start_with_jobs(GROUP);
	tell(ENGINE, "start 1 shell ");
	expect(ENGINE, "finished 1 65535 shell there is no job of that name");
	expect_logged("a job is not started job=shell");
	tell(ENGINE, "start 2 run a;b");
	expect(ENGINE, "finished 2 65535 run its argument is no run id");
	tell(ENGINE, "start 3 status --help");
	expect(ENGINE, "finished 3 65535 status it takes no argument");
	tell(ENGINE, "start 4 notify ");
	expect(ENGINE, "finished 4 65535 notify [watchdog] notify_url is not set");
	tell(ENGINE, "start 0 status "); /* without a descriptor */
	expect(ENGINE, "finished 0 65535 status the order is not complete");
	tell(ENGINE, "start 6 status ");
	await_child(STATUS);
	tell(ENGINE, "start 7 status ");
	expect(ENGINE, "finished 7 65535 status the one before it still runs");
	tell(STATUS, "exit 0");
	expect(ENGINE, "finished 6 0 status exit status 0");
	tell(FRONT, "start 8 status "); /* not the front's to order */
	expect_end(FRONT);
	await_child(FRONT);
	expect_logged("child sent what it must not send child=front frame=start");
	expect(ENGINE, "peer closed");
	expect(ENGINE, "channel");
	tell(FRONT, "ready");
	stop();
}

static void needs_a_start_for_drrctl(void **state)
{
	start_with_jobs(NOTIFY);
	tell(ENGINE, "start 1 nudge ");
	expect(ENGINE, "finished 1 65535 nudge [watchdog] group_file is not set");
	watchdog = GROUP;
	put_config("");
	assert_int_equal(kill(supervisor, SIGHUP), 0);
	expect_notified("RELOADING=1");
	expect(ENGINE, "reload");
	tell(ENGINE, "taken");
	expect_notified("READY=1");
	expect_logged("key=\"[watchdog] group_file\"");
	tell(ENGINE, "start 2 nudge ");
	expect(ENGINE, "finished 2 65535 nudge [watchdog] group_file was not set when the daemon was started");
	expect_logged("next=\"systemctl restart drr-agent\"");
	stop();
}

/* As often as it likes: the budget of restarts is the children's. */
static void jobs_may_fail(void **state)
{
	start_with_jobs(GROUP);
	for (int i = 0; i < 2 * RESTARTS_MAX; i++) {
		tell(ENGINE, "start 5 status ");
		await_child(STATUS);
		tell(STATUS, "crash");
		expect(ENGINE, "finished 5 137 status signal 9 (Killed)");
	}
	for (int i = 0; i < RESTARTS_MAX; i++) { /* all of it is left */
		tell(FRONT, "crash");
		expect(ENGINE, "peer closed");
		await_child(FRONT);
		expect(ENGINE, "channel");
	}
	tell(FRONT, "ready");
	expect_nothing(ENGINE);
	stop();
}

static void new_engine_hears_of_old_jobs(void **state)
{
	start_with_jobs(GROUP);
	tell(ENGINE, "start 7 run r1");
	await_child(RUN);
	tell(ENGINE, "start 8 status ");
	await_child(STATUS);
	tell(ENGINE, "crash");
	expect_end(ENGINE);
	await_child(ENGINE);
	assert_non_null(strstr(fakes[ENGINE].hello, " jobs=status,run"));
	expect(FRONT, "peer closed");
	expect(FRONT, "channel");
	expect_notified("WATCHDOG=1");
	tell(ENGINE, "ready");
	tell(ENGINE, "start 1 run r2");
	expect(ENGINE, "finished 1 65535 run the one before it still runs");
	tell(RUN, "say nobody reads this");
	expect(RUN, "Broken pipe");
	tell(RUN, "exit 5");
	expect(ENGINE, "finished 7 5 run exit status 5");
	tell(STATUS, "exit 0");
	expect(ENGINE, "finished 8 0 status exit status 0");
	tell(ENGINE, "crash");
	expect_end(ENGINE);
	await_child(ENGINE);
	assert_null(strstr(fakes[ENGINE].hello, "jobs="));
	expect(FRONT, "peer closed");
	expect(FRONT, "channel");
	expect_notified("WATCHDOG=1");
	stop();
}

/* One ends as asked, one has to be killed; the supervisor waits for both, also when engine and front have ended. */
static void ends_jobs_with_the_daemon(void **state)
{
	start_with_jobs(GROUP);
	tell(ENGINE, "start 7 status ");
	await_child(STATUS);
	tell(ENGINE, "start 8 run r1");
	await_child(RUN);
	tell(RUN, "endure");
	expect(RUN, "endures");
	assert_int_equal(kill(supervisor, SIGTERM), 0);
	expect_notified("STOPPING=1");
	expect_end(STATUS);
	expect(ENGINE, "stop");
	expect(ENGINE, "finished 7 143 status signal 15 (Terminated)");
	tell(ENGINE, "exit 0");
	expect(FRONT, "peer closed");
	expect(FRONT, "stop");
	tell(FRONT, "exit 0");
	expect_end(RUN);
	expect_exit(0);
	assert_non_null(strstr(logged, "job is asked to end job=status"));
	assert_non_null(strstr(logged, "job did not end when it was asked to, and is killed job=run"));
	assert_non_null(strstr(logged, "job ended job=run how=\"signal 9 (Killed)\""));
}

static void starts_no_job_while_it_stops(void **state)
{
	start_with_jobs(GROUP);
	assert_int_equal(kill(supervisor, SIGTERM), 0);
	expect(ENGINE, "stop");
	tell(ENGINE, "start 1 nudge ");
	expect(ENGINE, "finished 1 65535 nudge the daemon is stopping");
	tell(ENGINE, "exit 0");
	expect(FRONT, "peer closed");
	expect(FRONT, "stop");
	tell(FRONT, "exit 0");
	expect_exit(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, clean_up)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(starts_and_stops),
		TEST(is_locked_in),
		TEST(passes_on_what_the_engine_says),
		TEST(front_does_not_speak_for_the_engine),
		TEST(engine_crashes),
		TEST(front_crashes),
		TEST(gives_up_the_engine),
		TEST(gives_up_the_front),
		TEST(ends_with_the_childs_code),
		TEST(kills_what_never_gets_ready),
		TEST(waits_for_the_engine),
		TEST(tells_when_the_engine_stopped_badly),
		TEST(ends_who_closes_its_control_channel),
		TEST(children_see_its_death),
		TEST(reloads),
		TEST(reloads_twice_more_than_once),
		TEST(refuses_a_bad_configuration),
		TEST(reloads_when_all_are_at_work),
		TEST(takes_no_answer_for_another),
		TEST(says_what_needs_a_restart),
		TEST(starts_nothing_without_its_files),
		TEST(ends_when_the_front_refuses_its_identity),
		TEST(cannot_execute),
		TEST(starts_what_the_engine_orders),
		TEST(starts_nothing_else),
		TEST(needs_a_start_for_drrctl),
		TEST(jobs_may_fail),
		TEST(new_engine_hears_of_old_jobs),
		TEST(ends_jobs_with_the_daemon),
		TEST(starts_no_job_while_it_stops),
	};

	return argc > 2 ? child(argv[1], argv[2], argc > 3 ? argv + 3 : NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
