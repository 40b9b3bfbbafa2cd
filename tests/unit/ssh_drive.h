/* ssh_drive.h - a client of platform/ssh.c for tests, and the folder and child processes that they need. */
#ifndef DRR_TESTS_SSH_DRIVE_H
#define DRR_TESTS_SSH_DRIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/ssh.h"

enum { LIMIT_MS = 60000, ARGUMENTS_MAX = 24 };

static char folder[] = "/tmp/test_ssh.XXXXXX";
static char password_bytes[] = "secret\xc3\xa9", wrong_bytes[] = "wrong";
static const struct secret password = {password_bytes, sizeof password_bytes - 1}, wrong = {wrong_bytes, sizeof wrong_bytes - 1};

/* --- servers --- */

struct server {
	pid_t pid;
	int to;
	FILE *from;
	unsigned port;
	char fingerprint[SSH_FINGERPRINT_BYTES];
};

static inline pid_t spawn(const char *const *arguments, int in, int out)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(60);
	if (in >= 0)
		(void)dup2(in, 0);
	if (out >= 0)
		(void)dup2(out, 1);
	if (!getenv("DRR_TEST_VERBOSE")) {
		int null = open("/dev/null", O_WRONLY);

		(void)dup2(null, 2);
	}
	(void)execv(arguments[0], (char *const *)(uintptr_t)arguments);
	_exit(127);
}

/* A listener on 127.0.0.1. */
static inline int listen_local(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static inline char *in_folder(const char *name)
{
	static char path[sizeof folder + 256];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

/* --- driving the transport --- */

static struct ssh_report report;
static struct error error;

static inline void wait_for(struct transport *t, struct mono limit)
{
	struct pollfd fd = {.fd = transport_fd(t), .events = transport_events(t)};
	int64_t left = mono_diff_ms(limit, clock_now());

	assert_true(left > 0);
	assert_true(fd.fd >= 0);
	assert_true(poll(&fd, 1, (int)left) >= 0);
}

static inline enum transport_step login(struct transport *t)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);

	for (;;) {
		enum transport_step step = transport_connect(t, &error);

		if (step != TRANSPORT_WAIT)
			return step;
		wait_for(t, limit);
	}
}

static inline struct ssh_settings settings_for(const struct server *server)
{
	struct ssh_settings settings = {.host = "127.0.0.1", .port = server->port, .user = "admin", .pin_count = 1};

	settings.pins[0] = server->fingerprint;
	return settings;
}

static inline struct transport *open_transport(const struct ssh_settings *settings)
{
	struct transport *t;

	error_clear(&error);
	t = ssh_open(settings, &report, &error);
	assert_non_null(t);
	return t;
}

static inline void expect_failure(const struct ssh_settings *settings, enum error_code code)
{
	struct transport *t = open_transport(settings);

	assert_int_equal(login(t), TRANSPORT_FAILED);
	transport_close(t);
	if (getenv("DRR_TEST_VERBOSE"))
		(void)fprintf(stderr, "# %s | %s\n", error.what, error.next);
	assert_string_equal(error_name(error.code), error_name(code));
	assert_null(report.auth_method);
}

static inline struct transport *expect_login(const struct ssh_settings *settings, const char *method)
{
	struct transport *t = open_transport(settings);
	enum transport_step step = login(t);

	if (step != TRANSPORT_DONE)
		(void)fprintf(stderr, "# %s | %s\n", error.what, error.next);
	assert_int_equal(step, TRANSPORT_DONE);
	assert_string_equal(report.auth_method, method);
	return t;
}

static inline void send_text(struct transport *t, const char *text)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
	size_t left = strlen(text), taken;

	while (left > 0) {
		assert_int_equal(transport_write(t, text, left, &taken, &error), 0);
		text += taken;
		left -= taken;
		if (taken == 0)
			wait_for(t, limit);
	}
}

/* Reads until END stands at the end of what came (0), or the session ends (-1). OUT is a string afterwards. */
static inline int receive_until(struct transport *t, const char *end, char *out, size_t size)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
	size_t length = 0, got, end_length = end ? strlen(end) : 0;

	out[0] = '\0';
	for (;;) {
		if (transport_read(t, out + length, size - 1 - length, &got, &error) != 0)
			return -1;
		length += got;
		out[length] = '\0';
		assert_true(length < size - 1);
		if (end && length >= end_length && strcmp(out + length - end_length, end) == 0)
			return 0;
		if (got == 0)
			wait_for(t, limit);
	}
}

static inline void expect_answer(struct transport *t, const char *text, const char *answer)
{
	char out[4096];

	send_text(t, text);
	assert_int_equal(receive_until(t, answer, out, sizeof out), 0);
	assert_string_equal(out, answer);
}

/* --- the folder --- */

static inline int setup(void **state)
{
	(void)state;
	(void)alarm(240);
	return mkdtemp(folder) ? 0 : -1;
}

static inline int teardown(void **state)
{
	struct dirent *entry;
	DIR *directory = opendir(folder);

	(void)state;
	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			(void)unlink(in_folder(entry->d_name));
	if (directory)
		(void)closedir(directory);
	return rmdir(folder);
}

#endif
