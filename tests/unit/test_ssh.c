/* platform/ssh.c and platform/dial.c against ssh_server.py (asyncssh) and against sockets that are no SSH server. test_openssh.c: the real thing. */
#include <errno.h>

#include <sys/stat.h>
#include <time.h>

#include "ssh_drive.h"

/* --- the server --- */

/* OPTIONS: "--auth password --key ssh-rsa", split at blanks. */
static struct server server_start(const char *options)
{
	const char *arguments[ARGUMENTS_MAX] = {"/usr/bin/python3", DRR_TESTS_DIR "/unit/ssh_server.py"};
	char copy[512], line[200];
	int to[2], from[2], count = 2;
	struct server server;

	(void)snprintf(copy, sizeof copy, "%s", options);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		arguments[count++] = word;
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	server.pid = spawn(arguments, to[0], from[1]);
	(void)close(to[0]);
	(void)close(from[1]);
	server.to = to[1];
	server.from = fdopen(from[0], "r");
	assert_non_null(fgets(line, sizeof line, server.from));
	assert_int_equal(sscanf(line, "%u %51s", &server.port, server.fingerprint), 2);
	return server;
}

struct counts {
	int begun, password, rounds, answers, key;
};

static struct counts server_counts(struct server *server)
{
	struct counts c;
	char line[200];

	assert_int_equal(write(server->to, "counts\n", 7), 7);
	assert_non_null(fgets(line, sizeof line, server->from));
	assert_int_equal(sscanf(line, "%d %d %d %d %d", &c.begun, &c.password, &c.rounds, &c.answers, &c.key), 5);
	return c;
}

static void server_stop(struct server *server)
{
	(void)close(server->to);
	(void)fclose(server->from);
	(void)kill(server->pid, SIGKILL);
	(void)waitpid(server->pid, NULL, 0);
}

/* --- cases: sessions --- */

static void test_none(void **state)
{
	struct server server = server_start("--auth none");
	struct ssh_settings settings = settings_for(&server);
	struct transport *t;
	char out[4096];

	(void)state;
	settings.user = ""; /* the appliance asks inside the session */
	settings.password = &password;
	t = expect_login(&settings, "none");
	assert_false(report.password_sent);
	assert_string_equal(report.key_fingerprint, server.fingerprint);
	assert_string_equal(report.key_type, "ecdsa-sha2-nistp256");
	assert_int_equal(receive_until(t, "\r\n", out, sizeof out), 0);
	assert_string_equal(out, "pty None\r\n");
	expect_answer(t, "show time\n", "10 show time\r\n");
	expect_answer(t, "stderr to the side\n", "to the side\r\n");
	transport_close(t);
	server_stop(&server);
}

/* One mebibyte through a window of 64 KiB, with key re-exchanges in between, and in odd read sizes. */
static void test_much_output(void **state)
{
	enum { NUMBERS = 131072, SIZE = 8 * NUMBERS + 4096 };
	struct server server = server_start("--auth none --legacy --rekey 300000");
	struct ssh_settings settings = settings_for(&server);
	struct transport *t = expect_login(&settings, "none");
	char *out = malloc(SIZE), number[16];

	(void)state;
	assert_int_equal(receive_until(t, "\r\n", out, SIZE), 0); /* the pty line */
	send_text(t, "big 131072\n");
	assert_int_equal(receive_until(t, "\r\n", out, SIZE), 0);
	for (int i = 0; i < NUMBERS; i++) {
		(void)snprintf(number, sizeof number, "%08d", i);
		assert_memory_equal(out + 8 * (size_t)i, number, 8);
	}
	assert_int_equal(strlen(out), 8 * NUMBERS + 2);
	free(out);
	transport_close(t);
	server_stop(&server);
}

/* The server does not read for a while: writes stop being taken, close works in that state, nothing is lost otherwise. */
static void test_much_input(void **state)
{
	struct server server = server_start("--auth none");
	struct ssh_settings settings = settings_for(&server);
	struct transport *t = expect_login(&settings, "none");
	static char line[60001], answer[60100], out[61000];
	size_t taken = 1, total = 0;

	(void)state;
	memset(line, 'a', sizeof line - 1);
	line[sizeof line - 2] = '\n';
	(void)snprintf(answer, sizeof answer, "%zu %.*s\r\n", sizeof line - 1, (int)sizeof line - 2, line);
	assert_int_equal(receive_until(t, "\r\n", out, sizeof out), 0);
	send_text(t, line);
	assert_int_equal(receive_until(t, "\r\n", out, sizeof out), 0);
	assert_string_equal(out, answer);
	send_text(t, "deaf 30\n");
	kill(server.pid, SIGSTOP);
	for (int i = 0; i < 100000 && taken > 0; i++, total += taken)
		assert_int_equal(transport_write(t, line, sizeof line - 2, &taken, &error), 0);
	assert_int_equal(taken, 0);
	assert_true(total > 100000);
	transport_close(t);
	server_stop(&server);
}

static void test_session_ends(void **state)
{
	static const char *const ways[] = {"exit\n", "disconnect\n"};
	struct server server = server_start("--auth none");
	struct ssh_settings settings = settings_for(&server);
	char out[8192];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct transport *t = expect_login(&settings, "none");
		struct timespec pause = {.tv_nsec = 300000000};

		assert_int_equal(receive_until(t, "\r\n", out, sizeof out), 0);
		send_text(t, ways[i]);
		(void)nanosleep(&pause, NULL); /* so that all of it is there at once */
		assert_int_equal(receive_until(t, NULL, out, sizeof out), -1);
		assert_int_equal(strlen(out), 3010);
		assert_string_equal(out + 3000, "Goodbye.\r\n");
		assert_string_equal(error_name(error.code), "lost");
		if (i == 1)
			if (!strstr(error.what, "maintenance"))
				fail_msg("%s", error.what);
		transport_close(t);
	}
	server_stop(&server);
}

static void test_close_early(void **state)
{
	struct server server = server_start("--auth none");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	for (int steps = 0; steps < 8; steps++) {
		struct transport *t = open_transport(&settings);
		struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);

		for (int i = 0; i < steps; i++)
			if (transport_connect(t, &error) == TRANSPORT_WAIT)
				wait_for(t, limit);
		transport_close(t);
	}
	transport_close(NULL);
	server_stop(&server);
}

/* --- cases: authentication --- */

static void test_password(void **state)
{
	struct server server = server_start("--auth password,kbdint,publickey");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.password = &password;
	transport_close(expect_login(&settings, "password"));
	assert_true(report.password_sent);
	assert_false(report.password_refused);
	assert_int_equal(server_counts(&server).password, 1);
	server_stop(&server);
}

static void test_password_refused(void **state)
{
	struct server server = server_start("--auth password,kbdint");
	struct ssh_settings settings = settings_for(&server);
	struct counts counts;

	(void)state;
	settings.password = &wrong;
	expect_failure(&settings, ERROR_AUTH);
	assert_true(report.password_sent);
	assert_true(report.password_refused);
	assert_null(strstr(error.what, wrong_bytes));
	counts = server_counts(&server);
	assert_int_equal(counts.password, 1);
	assert_int_equal(counts.rounds, 0);
	server_stop(&server);
}

/* Ends that come instead of an answer to the password, and a password that is to be changed. */
static void test_password_cut(void **state)
{
	static const char *const ways[] = {"--auth password --answer hangup", "--auth password --answer disconnect",
					   "--auth password --answer expired"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct server server = server_start(ways[i]);
		struct ssh_settings settings = settings_for(&server);

		settings.password = &password;
		expect_failure(&settings, ERROR_AUTH);
		assert_true(report.password_refused);
		assert_int_equal(server_counts(&server).password, 1);
		server_stop(&server);
	}
}

static void test_keyboard(void **state)
{
	struct server server = server_start("--auth kbdint");
	struct ssh_settings settings = settings_for(&server);
	struct counts counts;

	(void)state;
	settings.password = &password;
	transport_close(expect_login(&settings, "keyboard-interactive"));
	assert_true(report.password_sent);
	settings.password = &wrong;
	expect_failure(&settings, ERROR_AUTH);
	assert_true(report.password_refused);
	counts = server_counts(&server);
	assert_int_equal(counts.rounds, 2); /* one for each log-in */
	assert_int_equal(counts.answers, 2);
	server_stop(&server);
}

/* A second question, or two at once: no further answer goes out. */
static void test_keyboard_stops(void **state)
{
	struct server server = server_start("--auth kbdint --answer again");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.password = &password;
	expect_failure(&settings, ERROR_AUTH);
	assert_true(report.password_refused);
	assert_int_equal(server_counts(&server).answers, 1);
	server_stop(&server);

	server = server_start("--auth kbdint --answer two");
	settings = settings_for(&server);
	settings.password = &password;
	expect_failure(&settings, ERROR_AUTH);
	assert_false(report.password_sent);
	assert_int_equal(server_counts(&server).answers, 0);
	server_stop(&server);
}

static struct server server_with_keys(const char *auth)
{
	char options[256];

	(void)snprintf(options, sizeof options, "--auth %s --make-client-keys %s", auth, folder);
	return server_start(options);
}

static void test_keys(void **state)
{
	static const char *const names[] = {"rsa", "ecdsa", "ecdsa8"};
	struct server server = server_with_keys("publickey,password");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	for (int i = 0; i < 3; i++) {
		settings.key_file = in_folder(names[i]);
		transport_close(expect_login(&settings, "publickey"));
		assert_false(report.password_sent);
	}
	settings.key_file = in_folder("other"); /* refused, no password: the end */
	expect_failure(&settings, ERROR_AUTH);
	assert_false(report.password_refused);
	settings.password = &password; /* refused, then the password */
	transport_close(expect_login(&settings, "password"));
	server_stop(&server);
}

static void test_key_files(void **state)
{
	struct server server = server_with_keys("publickey");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.key_file = in_folder("ed25519");
	expect_failure(&settings, ERROR_CONFIG);
	assert_non_null(strstr(error.next, "ssh-keygen -t ecdsa -m PEM"));
	settings.key_file = in_folder("openssh");
	expect_failure(&settings, ERROR_CONFIG);
	assert_non_null(strstr(error.next, "ssh-keygen -p"));
	settings.key_file = in_folder("absent");
	expect_failure(&settings, ERROR_CONFIG);
	assert_int_equal(chmod(in_folder("rsa"), 0644), 0);
	settings.key_file = in_folder("rsa");
	expect_failure(&settings, ERROR_CONFIG);
	assert_non_null(strstr(error.next, "chmod"));
	assert_int_equal(server_counts(&server).begun, 0);
	assert_int_equal(chmod(in_folder("rsa"), 0600), 0);
	/* a public key that is not this private key's: the server would take it */
	assert_int_equal(truncate(in_folder("rsa"), 100), 0);
	expect_failure(&settings, ERROR_CONFIG);
	server_stop(&server);
}

static void test_nothing_to_offer(void **state)
{
	struct server server = server_start("--auth password,kbdint,publickey");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	expect_failure(&settings, ERROR_AUTH);
	assert_non_null(strstr(error.what, "keyboard-interactive"));
	assert_false(report.password_refused);
	server_stop(&server);
}

/* --- cases: host keys --- */

static void test_changed_key(void **state)
{
	static const char *const pin = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	struct server server = server_start("--auth none");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.password = &password;
	settings.pins[0] = pin;
	expect_failure(&settings, ERROR_HOST_KEY);
	assert_non_null(strstr(error.what, server.fingerprint));
	assert_non_null(strstr(error.what, pin));
	assert_non_null(strstr(error.what, "ecdsa-sha2-nistp256"));
	assert_non_null(strstr(error.next, server.fingerprint));
	settings.pin_count = 0;
	expect_failure(&settings, ERROR_HOST_KEY);
	assert_non_null(strstr(error.next, server.fingerprint));
	assert_string_equal(report.key_fingerprint, server.fingerprint);
	for (unsigned i = 0; i < SSH_PINS_MAX; i++)
		settings.pins[i] = pin;
	settings.pin_count = SSH_PINS_MAX;
	expect_failure(&settings, ERROR_HOST_KEY);
	assert_non_null(strstr(error.what, server.fingerprint));
	assert_int_equal(server_counts(&server).begun, 0);
	settings.pins[SSH_PINS_MAX - 1] = server.fingerprint;
	transport_close(expect_login(&settings, "none"));
	server_stop(&server);
}

static void test_host_key_types(void **state)
{
	static const struct {
		const char *options, *type;
	} cases[] = {
		{"--auth none --key ssh-rsa --signatures ssh-rsa", "ssh-rsa"},
		{"--auth none --key ssh-rsa --signatures ssh-rsa --legacy", "ssh-rsa"},
		{"--auth none --key ssh-rsa --signatures rsa-sha2-512", "ssh-rsa"},
		{"--auth none --key ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct server server = server_start(cases[i].options);
		struct ssh_settings settings = settings_for(&server);
		struct transport *t = expect_login(&settings, "none");
		char out[256];

		assert_string_equal(report.key_type, cases[i].type);
		assert_int_equal(receive_until(t, "\r\n", out, sizeof out), 0);
		expect_answer(t, "show time\n", "10 show time\r\n");
		transport_close(t);
		server_stop(&server);
	}
}

static void test_ed25519_only(void **state)
{
	struct server server = server_start("--auth none --key ssh-ed25519");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	expect_failure(&settings, ERROR_ANSWER);
	assert_non_null(strstr(error.what, "it offers ssh-ed25519"));
	assert_non_null(strstr(error.what, "no ed25519"));
	assert_non_null(strstr(error.next, "ECDSA or RSA"));
	assert_int_equal(server_counts(&server).begun, 0);
	server_stop(&server);
}

/* --- cases: no SSH at all --- */

/* A child accepts one connection, says WHAT (again and again if FLOOD), and closes it; with a reset if RESET. */
static pid_t odd_server(int listener, const char *what, bool flood, bool reset)
{
	struct linger linger = {.l_onoff = 1};
	pid_t pid = fork();
	int fd;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(30);
	(void)signal(SIGPIPE, SIG_IGN);
	fd = accept(listener, NULL, NULL);
	do {
		if (send(fd, what, strlen(what), MSG_NOSIGNAL) < 0)
			break;
	} while (flood);
	if (reset)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	if (!reset)
		(void)shutdown(fd, SHUT_WR);
	if (!reset)
		(void)usleep(200000);
	(void)close(fd);
	_exit(0);
}

static void test_no_ssh(void **state)
{
	static const struct {
		const char *what;
		bool flood, reset;
		enum error_code code;
		const char *part;
	} cases[] = {
		{"", false, false, ERROR_UNREACHABLE, "before it spoke SSH: connection limit or access list?"},
		{"", false, true, ERROR_UNREACHABLE, "before it spoke SSH: connection limit or access list?"},
		{"Exceeded MaxStartups\r\n", false, false, ERROR_UNREACHABLE, "limit of its own: it said \"Exceeded MaxStartups"},
		{"Not allowed at this time\r\n", false, false, ERROR_UNREACHABLE, "limit of its own: it said \"Not allowed"},
		{"HTTP/1.0 400 Bad Request\r\n", true, false, ERROR_UNREACHABLE, "does not speak SSH"},
		{"Welcome\r\nSSH-2.0-appliance\r\n", false, false, ERROR_LOST, "agreeing on keys"},
		{"SSH-2.0-x\r\nno packet at all, just text that goes on for a while", false, false, ERROR_ANSWER, "key exchange"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct server server = {.port = 0};
		int listener = listen_local(&server.port);
		pid_t pid = odd_server(listener, cases[i].what, cases[i].flood, cases[i].reset);
		struct ssh_settings settings = settings_for(&server);

		expect_failure(&settings, cases[i].code);
		/* The reset may come so early that it ends the connect. */
		if (!strstr(error.what, cases[i].part) && !(cases[i].reset && strstr(error.what, "reset by peer")))
			fail_msg("case %zu: %s", i, error.what);
		(void)close(listener);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
}

static void test_unreachable(void **state)
{
	struct server server = {.port = 0};
	struct ssh_settings settings;

	(void)state;
	(void)close(listen_local(&server.port));
	settings = settings_for(&server);
	expect_failure(&settings, ERROR_UNREACHABLE);
	assert_int_equal(error.sys_errno, ECONNREFUSED);
	settings.host = "::1";
	expect_failure(&settings, ERROR_UNREACHABLE);
	settings.host = "no-such-host.invalid";
	expect_failure(&settings, ERROR_UNREACHABLE);
	assert_non_null(strstr(error.what, "no-such-host.invalid"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_much_output),
		cmocka_unit_test(test_much_input),
		cmocka_unit_test(test_session_ends),
		cmocka_unit_test(test_close_early),
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_password_refused),
		cmocka_unit_test(test_password_cut),
		cmocka_unit_test(test_keyboard),
		cmocka_unit_test(test_keyboard_stops),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_key_files),
		cmocka_unit_test(test_nothing_to_offer),
		cmocka_unit_test(test_changed_key),
		cmocka_unit_test(test_host_key_types),
		cmocka_unit_test(test_ed25519_only),
		cmocka_unit_test(test_no_ssh),
		cmocka_unit_test(test_unreachable),
	};

	if (getenv("DRR_TEST_FILTER"))
		cmocka_set_test_filter(getenv("DRR_TEST_FILTER"));
	return cmocka_run_group_tests(tests, setup, teardown);
}
