/* program.h - starts a test's other end as a program whose standard input and output are ours; DRR_TEST_VERBOSE lets its standard error through. */
#ifndef DRR_TESTS_PROGRAM_H
#define DRR_TESTS_PROGRAM_H

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

/* It ends with us. *to and *from are the caller's to close. Returns its process id. */
static inline pid_t program_start(const char *const *arguments, int *to, FILE **from)
{
	int in[2], out[2];
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		if (!getenv("DRR_TEST_VERBOSE"))
			(void)dup2(open("/dev/null", O_WRONLY), 2);
		(void)execv(arguments[0], (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	*to = in[1];
	*from = fdopen(out[0], "r");
	return pid;
}

#endif
