/* platform/durable: files in a scratch folder, the lock between two processes, and failures that a test can cause. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/durable.h"

static char folder[] = "/tmp/drr-durable-XXXXXX";
static char path[64];
static struct error error;

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/drr-durable-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof path, "%s/journal", folder);
	error_clear(&error);
	return 0;
}

static int drop_folder(void **state)
{
	static const char *const names[] = {"journal", "journal.new", "journal.1", "lock", "link", "target", "fifo"};
	char name[96];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(name, sizeof name, "%s/%s", folder, names[i]);
		(void)unlink(name);
	}
	return rmdir(folder);
}

static void assert_content(const char *expected)
{
	char memory[256];
	size_t got;

	assert_int_equal(durable_read(path, memory, sizeof memory, &got, &error), 0);
	assert_int_equal(got, strlen(expected));
	assert_memory_equal(memory, expected, got);
}

static void appends_and_cuts(void **state)
{
	int fd = durable_open(path, &error);
	struct stat status;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(durable_append(fd, "one\n", 4, &error), 0);
	assert_int_equal(durable_append(fd, "two\n", 4, &error), 0);
	assert_content("one\ntwo\n");
	assert_int_equal(durable_cut(fd, 4, &error), 0);
	assert_int_equal(durable_append(fd, "three\n", 6, &error), 0);
	assert_content("one\nthree\n");
	(void)close(fd);
	fd = durable_open(path, &error); /* again: nothing is lost */
	assert_int_equal(durable_append(fd, "4\n", 2, &error), 0);
	(void)close(fd);
	assert_content("one\nthree\n4\n");
}

static void refuses_links_and_fifos(void **state)
{
	char name[96], target[96];

	(void)state;
	(void)snprintf(name, sizeof name, "%s/link", folder);
	(void)snprintf(target, sizeof target, "%s/target", folder);
	assert_int_equal(symlink(target, name), 0);
	assert_int_equal(durable_open(name, &error), -1);
	assert_int_equal(access(target, F_OK), -1);
	error_clear(&error);
	(void)snprintf(name, sizeof name, "%s/fifo", folder);
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_int_equal(durable_open(name, &error), -1);
	assert_non_null(strstr(error.what, "not a regular file"));
}

static void reads_missing_short_and_long(void **state)
{
	char memory[8];
	size_t got = 9;
	int fd;

	(void)state;
	assert_int_equal(durable_read(path, memory, sizeof memory, &got, &error), 0);
	assert_int_equal(got, 0);
	fd = durable_open(path, &error);
	assert_int_equal(durable_append(fd, "12345678", 8, &error), 0);
	assert_int_equal(durable_read(path, memory, sizeof memory, &got, &error), 0);
	assert_int_equal(got, 8);
	assert_int_equal(durable_append(fd, "9", 1, &error), 0);
	(void)close(fd);
	assert_int_equal(durable_read(path, memory, sizeof memory, &got, &error), -1);
	assert_int_equal(error.code, ERROR_INTERNAL);
	assert_non_null(strstr(error.what, "longer than 8 bytes"));
}

static void replaces(void **state)
{
	char rotated[96];
	int left_over;

	(void)state;
	(void)snprintf(rotated, sizeof rotated, "%s/journal.new", folder);
	left_over = open(rotated, O_WRONLY | O_CREAT, 0644); /* as a killed process leaves it */
	assert_int_equal(write(left_over, "junk", 4), 4);
	(void)close(left_over);
	assert_int_equal(durable_replace(path, "first", 5, &error), 0);
	assert_int_equal(durable_replace(path, "2nd", 3, &error), 0);
	assert_content("2nd");
	assert_int_equal(access(rotated, F_OK), -1);
	(void)snprintf(rotated, sizeof rotated, "%s/journal.1", folder);
	assert_int_equal(durable_rename(path, rotated, &error), 0);
	assert_content("");
	assert_int_equal(access(rotated, F_OK), 0);
}

/* A full disk as the file size limit of a child: the write is cut short, then refused. */
static void places(void **state)
{
	const struct durable_form open_to_all = {0644, DURABLE_OWNER_SELF, true}, new_only = {0640, DURABLE_OWNER_SELF, false};
	struct durable_form given = {0600, 12345, false};
	mode_t mask = umask(0077);
	struct stat status;
	char temporary[96], link_path[96];

	(void)state;
	(void)snprintf(temporary, sizeof temporary, "%s.new", path);
	(void)snprintf(link_path, sizeof link_path, "%s/link", folder);
	assert_int_equal(durable_place(path, "a", 1, &new_only, &error), 0);
	assert_content("a");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640); /* whatever the umask says */
	assert_int_equal(status.st_nlink, 1);
	assert_int_equal(durable_place(path, "b", 1, &new_only, &error), -1);
	assert_int_equal(error.code, ERROR_REFUSED);
	assert_content("a");
	assert_int_equal(access(temporary, F_OK), -1);
	error_clear(&error);
	assert_int_equal(durable_place(path, "c", 1, &open_to_all, &error), 0);
	assert_content("c");
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	assert_int_equal(symlink("nowhere", link_path), 0); /* a link that leads nowhere is something that is there */
	assert_int_equal(durable_place(link_path, "d", 1, &new_only, &error), -1);
	assert_int_equal(error.code, ERROR_REFUSED);
	error_clear(&error);
	(void)unlink(path);
	if (geteuid() == 0) {
		assert_int_equal(durable_place(path, "e", 1, &given, &error), 0);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_uid, 12345);
	} else {
		assert_int_equal(durable_place(path, "e", 1, &given, &error), -1);
		assert_int_equal(error.code, ERROR_PERMISSION);
		assert_int_equal(access(path, F_OK), -1);
	}
	(void)umask(mask);
}

static void cuts_back_when_full(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		struct rlimit limit = {10, 10};
		int fd = durable_open(path, &error);

		(void)signal(SIGXFSZ, SIG_IGN);
		if (fd < 0 || durable_append(fd, "first\n", 6, &error) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(2);
		if (durable_append(fd, "too long by far\n", 16, &error) != -1)
			_exit(3);
		_exit(error.sys_errno == EFBIG && strstr(error.what, "/journal") ? 0 : 4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_content("first\n");
}

static void says_what_is_full(void **state)
{
	int fd = open("/dev/full", O_RDWR);

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(durable_append(fd, "x", 1, &error), -1);
	assert_int_equal(error.sys_errno, ENOSPC);
	assert_non_null(strstr(error.what, "/dev/full: No space left"));
	assert_non_null(strstr(error.next, "make room"));
	(void)close(fd);
}

static void locks_once(void **state)
{
	int fd = durable_lock(folder, &error);
	char pid[32];
	int status;
	pid_t child;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	(void)snprintf(pid, sizeof pid, "(pid %ld)", (long)getpid());
	child = fork();
	if (child == 0)
		_exit(durable_lock(folder, &error) == -1 && error.code == ERROR_BUSY && strstr(error.what, pid) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	(void)close(fd);
	fd = durable_lock(folder, &error);
	assert_true(fd >= 0);
	(void)close(fd);
}

static void lock_goes_with_its_process(void **state)
{
	int ready[2], fd;
	char byte;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		if (durable_lock(folder, &error) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(durable_lock(folder, &error), -1);
	assert_int_equal(error.code, ERROR_BUSY);
	error_clear(&error);
	(void)kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	fd = durable_lock(folder, &error);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void lock_needs_its_folder(void **state)
{
	(void)state;
	assert_int_equal(durable_lock("/tmp/drr-durable-is-not-there", &error), -1);
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, "state_dir"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(appends_and_cuts, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(refuses_links_and_fifos, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(reads_missing_short_and_long, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(replaces, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(places, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(cuts_back_when_full, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(says_what_is_full, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(locks_once, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(lock_goes_with_its_process, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(lock_needs_its_folder, make_folder, drop_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
