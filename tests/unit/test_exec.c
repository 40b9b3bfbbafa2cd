/* platform/exec.c with real commands. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/exec.h"
#include "platform/loop.h"

enum { LIMIT_MS = 15000 };

static struct error error;

static struct transport *start(const char *command)
{
	struct transport *t;

	error_clear(&error);
	t = exec_open(command, &error);
	assert_non_null(t);
	assert_int_equal(transport_connect(t, &error), TRANSPORT_DONE);
	return t;
}

/* Reads until END came (0) or the command ended (-1). */
static int receive(struct transport *t, const char *end, char *out, size_t size)
{
	struct mono limit = mono_add_ms(clock_now(), LIMIT_MS);
	size_t length = 0, got;

	out[0] = '\0';
	for (;;) {
		struct pollfd fd = {.fd = transport_fd(t), .events = transport_events(t)};

		if (transport_read(t, out + length, size - 1 - length, &got, &error) != 0)
			return -1;
		length += got;
		out[length] = '\0';
		assert_true(length < size - 1);
		if (end && strstr(out, end))
			return 0;
		assert_true(mono_diff_ms(limit, clock_now()) > 0);
		if (got == 0)
			(void)poll(&fd, 1, 1000);
	}
}

static void send_text(struct transport *t, const char *text)
{
	size_t taken;

	assert_int_equal(transport_write(t, text, strlen(text), &taken, &error), 0);
	assert_int_equal(taken, strlen(text));
}

static void expect_output(const char *command, const char *output, const char *why)
{
	struct transport *t = start(command);
	static char out[300000];

	assert_int_equal(receive(t, NULL, out, sizeof out), -1);
	assert_string_equal(out, output);
	assert_string_equal(error_name(error.code), "lost");
	if (!strstr(error.what, why))
		fail_msg("%s", error.what);
	transport_close(t);
}

static void test_ends(void **state)
{
	expect_output("echo one; echo two >&2; exit 0", "one\ntwo\n", "exit status 0");
	expect_output("exit 7", "", "exit status 7");
	expect_output("printf x; kill -9 $$", "x", "signal 9");
	expect_output("/no/such/thing 2>/dev/null", "", "exit status 127");
	/* the terminal is closed, but the command goes on */
	expect_output("printf x; exec <&- >&- 2>&-; sleep 100", "x", "closed its terminal");
}

static void test_terminal(void **state)
{
	expect_output("stty size", "24 500\n", "exit status 0");
	expect_output("test -t 0 && test -t 1 && test -t 2 && tty >/dev/null && echo yes", "yes\n", "exit status 0");
	expect_output("stty -a | grep -o -e '-echo ' -e '-opost' | tr -d ' ' | sort | tr '\\n' ' '", "-echo -opost ", "exit status 0");
	expect_output("ps -o sid= -p $$ | tr -d ' ' | grep -qx $$ && echo leader", "leader\n", "exit status 0");
}

static void test_clean_start(void **state)
{
	struct loop loop;
	int extra[2];

	assert_int_equal(pipe(extra), 0); /* not close-on-exec */
	assert_int_equal(loop_open(&loop, &error), 0);
	/* Signals 32 and 33 are libc's own: some parents leave them ignored, and nobody can reset them. */
	expect_output("grep -E 'Sig(Blk|Ign)' /proc/self/status | sed 's/SigIgn:\t0000000[01]8/SigIgn:\t000000000/' | tr -s '\\t\\n' '  '", "SigBlk: 0000000000000000 SigIgn: 0000000000000000 ",
		      "exit status 0");
	expect_output("for n in 3 4 5 6 7 8 9 10 11 12; do test -e /proc/$$/fd/$n && echo $n; done; echo none", "none\n", "exit status 0");
	loop_close(&loop);
	(void)close(extra[0]);
	(void)close(extra[1]);
}

static void test_dialogue(void **state)
{
	struct transport *t = start("printf 'login: '; read u; printf 'Password: '; read p; printf 'Welcome %s %s\\nidg# ' \"$u\" \"$p\"; cat");
	char out[2000], line[1200];

	assert_int_equal(receive(t, "login: ", out, sizeof out), 0);
	send_text(t, "admin\n");
	assert_int_equal(receive(t, "Password: ", out, sizeof out), 0);
	assert_string_equal(out, "Password: "); /* no echo */
	send_text(t, "s\x04\x03 \xff\n");       /* no control character is special */
	assert_int_equal(receive(t, "idg# ", out, sizeof out), 0);
	assert_string_equal(out, "Welcome admin s\x04\x03 \xff\nidg# ");
	memset(line, 'x', sizeof line);
	memcpy(line + sizeof line - 6, "end\r\n", 6);
	send_text(t, line);
	assert_int_equal(receive(t, "end\r\n", out, sizeof out), 0);
	assert_string_equal(out, line);
	transport_close(t);
}

static void test_much_output(void **state)
{
	static char want[250000];
	char number[16];

	for (int i = 0; i < 31000; i++) {
		(void)snprintf(number, sizeof number, "%07d\n", i);
		memcpy(want + 8 * (size_t)i, number, 8);
	}
	expect_output("i=0; while [ $i -lt 31000 ]; do printf '%07d\\n' $i; i=$((i+1)); done", want, "exit status 0");
}

/* Closing ends the command, also one that does not want to, quickly, and leaves no process. */
static void expect_close(const char *command)
{
	struct transport *t = start(command);
	struct mono begun;
	char out[200];
	pid_t pid;

	assert_int_equal(receive(t, "\n", out, sizeof out), 0);
	pid = (pid_t)atol(out);
	assert_true(pid > 1);
	begun = clock_now();
	transport_close(t);
	assert_in_range(mono_diff_ms(clock_now(), begun), 0, 800);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_close(void **state)
{
	expect_close("echo $$; sleep 1000");
	expect_close("echo $$; exec cat");
	expect_close("trap '' HUP TERM INT; echo $$; while :; do sleep 1; done");
	expect_close("echo $$; exit 3");
	expect_close("echo $$; kill -STOP $$");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),     cmocka_unit_test(test_terminal),    cmocka_unit_test(test_clean_start),
		cmocka_unit_test(test_dialogue), cmocka_unit_test(test_much_output), cmocka_unit_test(test_close),
	};

	(void)alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
