/* platform/ssh.c against OpenSSH's sshd: ways to log in, algorithms old and new, re-keying, narrow connections, and its limits.
 * sshd runs as root in a mount namespace with users, passwords and PAM rules of its own: nothing is written on this machine. */
#include <errno.h>

#include <sys/stat.h>
#include <time.h>

#include "ssh_drive.h"

enum { START_MS = 10000, LOG_MAX_BYTES = 4 * 1024 * 1024 };

/* --- sshd --- */

static char *text_of(const char *name)
{
	static char text[LOG_MAX_BYTES];
	FILE *file = fopen(in_folder(name), "r");
	size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;

	if (file)
		(void)fclose(file);
	text[length] = '\0';
	return text;
}

static unsigned in_log(const char *words)
{
	unsigned count = 0;

	for (const char *at = text_of("log"); (at = strstr(at, words)) != NULL; at += strlen(words))
		count++;
	return count;
}

/* sshd writes a refusal when it pleases, perhaps after we are gone; a second one would have been written before the next look. */
static unsigned in_log_soon(const char *words)
{
	for (int i = 0; i < 500 && in_log(words) == 0; i++)
		(void)usleep(10000);
	return in_log(words);
}

/* Users, keys and the script that gives sshd a world of its own. OpenSSH without PAM has no keyboard-interactive. */
static const char prepare[] =
	"set -e; cd %s; chmod 755 .\n"
	"for bits in 256 384 521; do for who in host_ecdsa ecdsa; do ssh-keygen -q -t ecdsa -b $bits -m PEM -N '' -f $who$bits; done; done\n"
	"for who in host_rsa rsa; do ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f $who; done\n"
	"ssh-keygen -q -t ed25519 -N '' -f host_ed25519; ssh-keygen -q -t ecdsa -m PEM -N '' -f other\n"
	"for key in host_*.pub; do ssh-keygen -lf $key | cut -d' ' -f2 >${key%%.pub}.print; done\n"
	"cat rsa.pub ecdsa*.pub >authorized; echo 'We watch you.' >banner\n"
	"hash=$(perl -e 'print crypt(\"secret\\xc3\\xa9\", q($6$salt$))')\n"
	"for user in root:0 sshd:101 admin:65500 open:65501 old:65502; do echo ${user%%:*}:x:${user#*:}:65534::/:/bin/sh; done >passwd\n"
	"{ echo \"admin:$hash:19000:0:99999:7:::\"; echo 'open::19000:0:99999:7:::'; echo \"old:$hash:0:0:99999:7:::\"; } >shadow\n"
	"{ echo auth required pam_unix.so nodelay; echo account required pam_unix.so; echo password required pam_unix.so;\n"
	"  echo session required pam_permit.so; } >pam\n"
	"cat >world <<END\n"
	"set -e; mount --bind $PWD/passwd /etc/passwd; mount --bind $PWD/shadow /etc/shadow; mount --bind $PWD/pam /etc/pam.d/sshd\n"
	"mount -t tmpfs none /run; mkdir -m 755 /run/sshd; mount -t tmpfs none /var/log\n"
	"exec /usr/sbin/sshd -D -E $PWD/log -f $PWD/conf\n"
	"END\n";

/* With OPTIONS (lines of sshd_config, before ours: the first one counts) and the host key KEY. */
static struct server sshd_start(const char *options, const char *key)
{
	const char *arguments[] = {"/usr/bin/unshare", "-m", "/bin/sh", NULL, NULL};
	struct mono limit = mono_add_ms(clock_now(), START_MS);
	char world[300], print[64];
	struct server server;
	FILE *file;

	(void)close(listen_local(&server.port));
	file = fopen(in_folder("conf"), "w");
	assert_non_null(file);
	(void)fprintf(file, "%s\nPort %u\nListenAddress 127.0.0.1\nHostKey %s/%s\nAuthorizedKeysFile %s/authorized\n", options, server.port, folder, key, folder);
	(void)fprintf(file, "StrictModes no\nPidFile none\nUsePAM no\nUseDNS no\nLogLevel DEBUG1\n");
	assert_int_equal(fclose(file), 0);
	(void)unlink(in_folder("log"));
	(void)snprintf(world, sizeof world, "%s", in_folder("world"));
	arguments[3] = world;
	server.pid = spawn(arguments, -1, -1);
	while (in_log("Server listening") == 0) {
		if (mono_reached(limit, clock_now()) || waitpid(server.pid, NULL, WNOHANG) != 0)
			fail_msg("sshd does not start: %s", text_of("log"));
		(void)usleep(5000);
	}
	(void)snprintf(print, sizeof print, "%s.print", key);
	assert_int_equal(sscanf(text_of(print), "%51s", server.fingerprint), 1);
	return server;
}

static void sshd_stop(const struct server *server)
{
	(void)kill(server->pid, SIGTERM);
	(void)waitpid(server->pid, NULL, 0);
}

static void is_served(struct transport *t)
{
	expect_answer(t, "echo $((6*7)); exec cat\n", "42\n");
	expect_answer(t, "and back\n", "and back\n");
	transport_close(t);
}

/* --- cases: ways to log in --- */

static void openssh_none(void **state)
{
	struct server server = sshd_start("PermitEmptyPasswords yes", "host_ecdsa256");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.user = "open";
	settings.password = &password;
	is_served(expect_login(&settings, "none"));
	assert_false(report.password_sent);
	sshd_stop(&server);
}

static void openssh_password(void **state)
{
	char banner[400];
	struct server server;
	struct ssh_settings settings;

	(void)state;
	(void)snprintf(banner, sizeof banner, "KbdInteractiveAuthentication no\nBanner %s", in_folder("banner"));
	server = sshd_start(banner, "host_ecdsa256");
	settings = settings_for(&server);
	settings.password = &password;
	is_served(expect_login(&settings, "password"));
	assert_true(report.password_sent);
	assert_false(report.password_refused);
	settings.password = &wrong;
	expect_failure(&settings, ERROR_AUTH);
	assert_true(report.password_refused);
	assert_int_equal(in_log_soon("Failed password for admin"), 1);
	settings.user = "nobody-of-that-name";
	settings.password = &password;
	expect_failure(&settings, ERROR_AUTH);
	assert_true(report.password_refused);
	sshd_stop(&server);
}

static void openssh_keyboard(void **state)
{
	struct server server = sshd_start("UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes", "host_ecdsa256");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.password = &password;
	is_served(expect_login(&settings, "keyboard-interactive"));
	assert_true(report.password_sent);
	settings.user = "old"; /* PAM asks for a new password in the next round */
	expect_failure(&settings, ERROR_AUTH);
	assert_true(report.password_refused);
	settings.user = "admin";
	settings.password = &wrong;
	expect_failure(&settings, ERROR_AUTH);
	assert_true(report.password_refused);
	assert_int_equal(in_log_soon("Failed keyboard-interactive/pam for admin"), 1);
	sshd_stop(&server);
}

static void openssh_keys(void **state)
{
	static const struct {
		const char *key, *algorithms;
	} cases[] = {
		{"rsa", "+ssh-rsa"}, {"rsa", "rsa-sha2-512"}, /* which one: this sshd names all that it could do, whatever it may */
		{"ecdsa256", "ecdsa-sha2-nistp256"}, {"ecdsa384", "ecdsa-sha2-nistp384"}, {"ecdsa521", "ecdsa-sha2-nistp521"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char options[100];
		struct server server;
		struct ssh_settings settings;

		(void)snprintf(options, sizeof options, "PasswordAuthentication no\nPubkeyAcceptedAlgorithms %s", cases[i].algorithms);
		server = sshd_start(options, "host_rsa");
		settings = settings_for(&server);
		settings.password = &password;
		settings.key_file = in_folder(cases[i].key);
		is_served(expect_login(&settings, "publickey"));
		assert_false(report.password_sent);
		settings.key_file = in_folder("other");
		expect_failure(&settings, ERROR_AUTH);
		assert_false(report.password_sent);
		sshd_stop(&server);
	}
}

/* --- cases: algorithms --- */

static void openssh_algorithms(void **state)
{
	static const struct {
		const char *options, *key;
	} cases[] = {
		{"HostKeyAlgorithms ssh-rsa\nKexAlgorithms diffie-hellman-group14-sha1\nCiphers aes128-cbc\nMACs hmac-sha1", "host_rsa"},
		{"HostKeyAlgorithms rsa-sha2-256\nKexAlgorithms diffie-hellman-group14-sha256\nCiphers aes256-cbc\nMACs hmac-sha2-256", "host_rsa"},
		{"HostKeyAlgorithms rsa-sha2-512\nKexAlgorithms diffie-hellman-group16-sha512\nCiphers aes192-cbc\nMACs hmac-sha2-512", "host_rsa"},
		{"HostKeyAlgorithms rsa-sha2-512\nKexAlgorithms diffie-hellman-group-exchange-sha256\nCiphers aes128-cbc\nMACs hmac-sha1", "host_rsa"},
		{"Ciphers chacha20-poly1305@openssh.com", "host_ecdsa256"},
		{"KexAlgorithms ecdh-sha2-nistp256\nCiphers aes128-ctr\nMACs hmac-sha2-256-etm@openssh.com", "host_ecdsa256"},
		{"KexAlgorithms ecdh-sha2-nistp384\nCiphers aes192-ctr\nMACs hmac-sha2-512-etm@openssh.com", "host_ecdsa384"},
		{"KexAlgorithms ecdh-sha2-nistp521\nCiphers aes256-ctr\nMACs hmac-sha1-etm@openssh.com", "host_ecdsa521"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct server server = sshd_start(cases[i].options, cases[i].key);
		struct ssh_settings settings = settings_for(&server);

		settings.password = &password;
		is_served(expect_login(&settings, "password"));
		sshd_stop(&server);
	}
}

static void openssh_nothing_in_common(void **state)
{
	static const struct {
		const char *options, *key, *what, *next;
	} cases[] = {
		{"", "host_ed25519", "it offers ssh-ed25519", "ECDSA or RSA"},
		{"KexAlgorithms curve25519-sha256", "host_rsa", "SSH key exchange algorithm", "enable one of ours"},
		{"Ciphers aes256-gcm@openssh.com", "host_rsa", "SSH cipher algorithm", "enable one of ours"},
		{"Ciphers aes128-ctr\nMACs umac-128@openssh.com", "host_rsa", "SSH MAC algorithm", "enable one of ours"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct server server = sshd_start(cases[i].options, cases[i].key);
		struct ssh_settings settings = settings_for(&server);

		settings.password = &password;
		expect_failure(&settings, ERROR_ANSWER);
		if (!strstr(error.what, cases[i].what) || !strstr(error.next, cases[i].next))
			fail_msg("%s | %s", error.what, error.next);
		assert_false(report.password_sent);
		sshd_stop(&server);
	}
}

/* --- cases: much data, re-keying, narrow connections --- */

static char byte_at(size_t i)
{
	return (char)('0' + (uint32_t)i * 2654435761U % 64);
}

/* TOTAL bytes to `cat` and back, both ways at the same time; each read takes at most READ_BYTES. */
static void echo(struct transport *t, size_t total, size_t read_bytes, unsigned pause_us)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
	size_t sent = 0, received = 0;
	char bytes[4096];

	while (received < total) {
		size_t taken = 0, got, count = total - sent < 3000 ? total - sent : 3000;

		for (size_t i = 0; i < count; i++)
			bytes[i] = byte_at(sent + i);
		if (transport_write(t, bytes, count, &taken, &error) != 0)
			fail_msg("sent %zu, received %zu: %s", sent, received, error.what);
		sent += taken;
		if (transport_read(t, bytes, read_bytes, &got, &error) != 0)
			fail_msg("sent %zu, received %zu: %s", sent, received, error.what);
		for (size_t i = 0; i < got; i++)
			if (bytes[i] != byte_at(received + i))
				fail_msg("byte %zu is %d", received + i, bytes[i]);
		received += got;
		if (pause_us > 0)
			(void)usleep(pause_us);
		if (taken == 0 && got == 0)
			wait_for(t, limit);
	}
	assert_int_equal(received, total);
}

static void openssh_rekeys(void **state)
{
	static const char *const options[] = {
		"RekeyLimit 64K", "RekeyLimit 64K\nKexAlgorithms diffie-hellman-group14-sha1\nCiphers aes128-cbc\nMACs hmac-sha1\nHostKeyAlgorithms ssh-rsa"};

	(void)state;
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		struct server server = sshd_start(options[i], "host_rsa");
		struct ssh_settings settings = settings_for(&server);
		struct transport *t;

		settings.password = &password;
		t = expect_login(&settings, "password");
		expect_answer(t, "echo there; exec cat\n", "there\n");
		echo(t, 600000, 4096, 0);
		assert_true(in_log("set_newkeys: rekeying") >= 10); /* in and out each time */
		transport_close(t);
		sshd_stop(&server);
	}
}

/* Forwards one connection in pieces of at most COUNT bytes, each as a packet of its own. */
static pid_t relay(int listener, unsigned port, size_t count)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
	pid_t pid = fork();
	int one = 1;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(60);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fds[0].fd = accept(listener, NULL, NULL);
	fds[1].fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(fds[1].fd, (struct sockaddr *)&address, sizeof address) != 0)
		_exit(1);
	for (int i = 0; i < 2; i++)
		(void)setsockopt(fds[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	while (poll(fds, 2, -1) > 0)
		for (int i = 0; i < 2; i++) {
			char bytes[64];
			ssize_t got = fds[i].revents ? recv(fds[i].fd, bytes, count, 0) : -1;

			if (got == 0 || (got > 0 && send(fds[1 - i].fd, bytes, (size_t)got, MSG_NOSIGNAL) != got))
				_exit(0);
		}
	_exit(0);
}

static void openssh_in_small_pieces(void **state)
{
	static const size_t sizes[] = {1, 7};
	struct server server = sshd_start("RekeyLimit 16K", "host_ecdsa256");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.password = &password;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int listener = listen_local(&settings.port);
		pid_t pid = relay(listener, server.port, sizes[i]);
		struct transport *t = expect_login(&settings, "password");

		expect_answer(t, "echo there; exec cat\n", "there\n");
		echo(t, sizes[i] * 12000, 100, 0);
		transport_close(t);
		(void)close(listener);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	assert_true(in_log("set_newkeys: rekeying") >= 4);
	sshd_stop(&server);
}

/* We read little and late: the window closes again and again, and nothing is lost; meanwhile our lines go out. */
static void openssh_slow_reader(void **state)
{
	struct server server = sshd_start("RekeyLimit 128K", "host_ecdsa256");
	struct ssh_settings settings = settings_for(&server);
	struct transport *t;

	(void)state;
	settings.password = &password;
	t = expect_login(&settings, "password");
	expect_answer(t, "echo there; exec cat\n", "there\n");
	echo(t, 300000, 333, 200);
	transport_close(t);
	sshd_stop(&server);
}

/* --- cases: limits --- */

/* A connection that has got as far as the server's version, and stays. */
static int hold_connection(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	return fd;
}

/* Once the server has noticed that the other connection is gone. */
static struct transport *let_in(const struct ssh_settings *settings)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);

	for (;;) {
		struct transport *t = open_transport(settings);

		if (login(t) == TRANSPORT_DONE)
			return t;
		transport_close(t);
		if (error.code != ERROR_UNREACHABLE || mono_reached(limit, clock_now()))
			fail_msg("%s", error.what);
		(void)usleep(20000);
	}
}

static void openssh_connection_limits(void **state)
{
	static const char *const limits[] = {"MaxStartups 1:100:1", "PerSourceMaxStartups 1"};

	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct server server = sshd_start(limits[i], "host_ecdsa256");
		struct ssh_settings settings = settings_for(&server);
		int held = hold_connection(server.port);

		settings.password = &password;
		expect_failure(&settings, ERROR_UNREACHABLE);
		if (!strstr(error.what, "limit") || !strstr(error.next, "maximum-connections"))
			fail_msg("%s | %s", error.what, error.next);
		assert_false(report.password_sent);
		assert_false(report.password_refused);
		(void)close(held);
		is_served(let_in(&settings));
		sshd_stop(&server);
	}
}

static void openssh_session_limit(void **state)
{
	struct server server = sshd_start("MaxSessions 0", "host_ecdsa256");
	struct ssh_settings settings = settings_for(&server);
	struct transport *t;

	(void)state;
	settings.password = &password;
	t = open_transport(&settings);
	assert_int_equal(login(t), TRANSPORT_FAILED);
	transport_close(t);
	assert_string_equal(error_name(error.code), error_name(ERROR_ANSWER));
	if (!strstr(error.what, "let user \"admin\" in but refused a shell") || !strstr(error.next, "limits for sessions"))
		fail_msg("%s | %s", error.what, error.next);
	assert_string_equal(report.auth_method, "password");
	assert_false(report.password_refused);
	sshd_stop(&server);
}

static void openssh_tries_limit(void **state)
{
	struct server server = sshd_start("MaxAuthTries 1", "host_ecdsa256");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.password = &password;
	is_served(expect_login(&settings, "password"));
	/* the key uses up the one try: the password was never asked for */
	settings.key_file = in_folder("other");
	expect_failure(&settings, ERROR_AUTH);
	if (!strstr(error.what, "key") || !strstr(error.what, "Too many authentication failures") || !strstr(error.next, "key_file"))
		fail_msg("%s | %s", error.what, error.next);
	assert_false(report.password_sent);
	assert_false(report.password_refused);
	settings.key_file = NULL;
	settings.password = &wrong;
	expect_failure(&settings, ERROR_AUTH);
	assert_true(report.password_refused);
	sshd_stop(&server);
}

/* OpenSSH 9.8 and later: after a wrong password it does not talk to us for a while. */
static void openssh_penalties(void **state)
{
	struct server server = sshd_start("PerSourcePenalties authfail:30s noauth:0s min:1s", "host_ecdsa256");
	struct ssh_settings settings = settings_for(&server);

	(void)state;
	settings.password = &wrong;
	expect_failure(&settings, ERROR_AUTH);
	(void)usleep(200000);
	settings.password = &password;
	expect_failure(&settings, ERROR_UNREACHABLE);
	if (!strstr(error.what, "limit") || !strstr(error.next, "maximum-connections"))
		fail_msg("%s | %s", error.what, error.next);
	assert_false(report.password_sent);
	assert_false(report.password_refused);
	sshd_stop(&server);
}

/* --- the group --- */

static int openssh_setup(void **state)
{
	char command[sizeof prepare + sizeof folder];

	if (setup(state) != 0)
		return -1;
	(void)snprintf(command, sizeof command, prepare, folder);
	return system(command);
}

/* Why none of this can be done here; NULL: it can. */
static const char *obstacle(void)
{
	if (access("/usr/sbin/sshd", X_OK) != 0)
		return "there is no /usr/sbin/sshd";
	if (geteuid() != 0)
		return "sshd wants to be root";
	if (system("unshare -m true 2>/dev/null") != 0)
		return "no mount namespace of our own to be had";
	return NULL;
}

static bool has_penalties(void)
{
	return system("/usr/sbin/sshd -T -f /dev/null -o PerSourcePenalties=yes 2>&1 | grep -q 'Bad configuration option'") != 0;
}

/* A case that is left out is a line of its own in the output, with the reason: cmocka's skip() has none, and older ones say "not ok" to it. */
static void leave_out(const struct CMUnitTest *test, size_t number, const char *why)
{
	(void)printf("ok %zu # SKIP %s: %s\n", number + 1, test->name, why);
	(void)fflush(stdout);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(openssh_none),
		cmocka_unit_test(openssh_password),
		cmocka_unit_test(openssh_keyboard),
		cmocka_unit_test(openssh_keys),
		cmocka_unit_test(openssh_algorithms),
		cmocka_unit_test(openssh_nothing_in_common),
		cmocka_unit_test(openssh_rekeys),
		cmocka_unit_test(openssh_in_small_pieces),
		cmocka_unit_test(openssh_slow_reader),
		cmocka_unit_test(openssh_connection_limits),
		cmocka_unit_test(openssh_session_limit),
		cmocka_unit_test(openssh_tries_limit),
		cmocka_unit_test(openssh_penalties),
	};
	const char *why = obstacle();
	size_t count = sizeof tests / sizeof *tests;

	if (getenv("DRR_TEST_FILTER"))
		cmocka_set_test_filter(getenv("DRR_TEST_FILTER"));
	for (size_t i = 0; why && i < count; i++)
		leave_out(&tests[i], i, why);
	if (why)
		return 0;
	if (!has_penalties()) {
		count--; /* the last one */
		leave_out(&tests[count], count, "this sshd is older than 9.8");
	}
	return _cmocka_run_group_tests("openssh", tests, count, openssh_setup, teardown);
}
