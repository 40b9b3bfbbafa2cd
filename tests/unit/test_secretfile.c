/* platform/secretfile: what is taken, what is refused, and that no error holds the secret. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/secretfile.h"

static char folder[64], path[80], link_path[80];
static struct error error;
static struct secret secret;

static int make_folder(void **state)
{
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/drr-secret-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof path, "%s/pw", folder);
	(void)snprintf(link_path, sizeof link_path, "%s/link", folder);
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	error_clear(&error);
	return 0;
}

static int drop_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)unlink(link_path);
	return rmdir(folder);
}

static void put(const char *bytes, size_t length, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), (long)length);
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

static void assert_loads(const char *bytes, size_t length, const char *expected)
{
	put(bytes, length, 0600);
	assert_int_equal(secretfile_load(path, &secret, &error), 0);
	assert_int_equal(secret.length, strlen(expected));
	assert_string_equal(secret.bytes, expected);
	secretfile_free(&secret);
	assert_null(secret.bytes);
	secretfile_free(&secret);
}

static void assert_refused(const char *why)
{
	error_clear(&error);
	assert_int_equal(secretfile_load(path, &secret, &error), -1);
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, why));
	assert_non_null(strstr(error.what, path));
	assert_null(strstr(error.what, "s3cret"));
	assert_null(strstr(error.next, "s3cret"));
	assert_null(secret.bytes);
}

static void takes_one_line(void **state)
{
	(void)state;
	assert_loads("s3cret", 6, "s3cret");
	assert_loads("s3cret\n", 7, "s3cret");
	assert_loads("s3cret\r\n", 8, "s3cret");
	assert_loads(" s3 cret \n", 10, " s3 cret ");
}

static void refuses_content(void **state)
{
	(void)state;
	put("", 0, 0600);
	assert_refused("empty");
	put("\n", 1, 0600);
	assert_refused("empty");
	put("s3cret\n\n", 8, 0600);
	assert_refused("line end");
	put("s3cret\nb", 8, 0600);
	assert_refused("line end");
	put("s3cret\0b", 8, 0600);
	assert_refused("NUL");
}

static void knows_its_limit(void **state)
{
	char bytes[SECRET_MAX_BYTES + 8];

	(void)state;
	memset(bytes, 'x', sizeof bytes);
	put(bytes, SECRET_MAX_BYTES - 1, 0600);
	assert_int_equal(secretfile_load(path, &secret, &error), 0);
	assert_int_equal(secret.length, SECRET_MAX_BYTES - 1);
	secretfile_free(&secret);
	bytes[SECRET_MAX_BYTES - 1] = '\r';
	bytes[SECRET_MAX_BYTES] = '\n';
	put(bytes, SECRET_MAX_BYTES + 1, 0600);
	assert_int_equal(secretfile_load(path, &secret, &error), 0);
	secretfile_free(&secret);
	bytes[SECRET_MAX_BYTES - 1] = 'x';
	put(bytes, SECRET_MAX_BYTES, 0600);
	assert_refused("longer than 1023");
	put(bytes, sizeof bytes, 0600);
	assert_refused("longer than 1023");
}

static void looks_at_the_mode(void **state)
{
	(void)state;
	put("s3cret\n", 7, 0640);
	assert_int_equal(secretfile_load(path, &secret, &error), 0);
	secretfile_free(&secret);
	put("s3cret\n", 7, 0604);
	assert_refused("open to every user");
	assert_non_null(strstr(error.next, "chmod o= /tmp/"));
	put("s3cret\n", 7, 0601);
	assert_refused("open to every user");
}

static void looks_at_the_owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put("s3cret\n", 7, 0600);
	assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
	assert_refused("belongs to user 12345");
}

static void follows_links_but_not_folders(void **state)
{
	char own[80];

	(void)state;
	put("s3cret\n", 7, 0600);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(secretfile_load(link_path, &secret, &error), 0);
	secretfile_free(&secret);
	(void)snprintf(own, sizeof own, "%s", path);
	(void)snprintf(path, sizeof path, "%s", folder);
	assert_refused("not a regular file");
	(void)snprintf(path, sizeof path, "%s", own);
	(void)unlink(path);
	assert_refused("No such file");
}

static void finds_credentials(void **state)
{
	(void)state;
	put("s3cret\n", 7, 0400);
	assert_int_equal(secretfile_load("pw", &secret, &error), -1);
	assert_non_null(strstr(error.what, "CREDENTIALS_DIRECTORY"));
	error_clear(&error);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	assert_int_equal(secretfile_load("pw", &secret, &error), 0);
	assert_string_equal(secret.bytes, "s3cret");
	secretfile_free(&secret);
	assert_int_equal(secretfile_load("../pw", &secret, &error), -1);
	error_clear(&error);
	assert_int_equal(secretfile_load("..", &secret, &error), -1);
	error_clear(&error);
	assert_int_equal(secretfile_load("", &secret, &error), -1);
}

static void assert_pem_refused(bool is_key, const char *why)
{
	error_clear(&error);
	assert_int_equal(secretfile_pem_load(path, is_key, &secret, &error), -1);
	assert_int_equal(error.code, ERROR_CONFIG);
	assert_non_null(strstr(error.what, why));
	assert_non_null(strstr(error.what, path));
	assert_null(secret.bytes);
}

static void takes_pem_as_it_is(void **state)
{
	static char large[SECRETFILE_PEM_MAX_BYTES + 1];

	(void)state;
	put("-----BEGIN X-----\nYWJj\n-----END X-----\n", 39, 0600);
	assert_int_equal(secretfile_pem_load(path, true, &secret, &error), 0);
	assert_int_equal(secret.length, 39);
	assert_string_equal(secret.bytes, "-----BEGIN X-----\nYWJj\n-----END X-----\n");
	secretfile_pem_free(&secret);
	assert_null(secret.bytes);
	secretfile_pem_free(&secret);
	memset(large, 'x', sizeof large);
	put(large, SECRETFILE_PEM_MAX_BYTES, 0600);
	assert_int_equal(secretfile_pem_load(path, true, &secret, &error), 0);
	assert_int_equal(secret.length, SECRETFILE_PEM_MAX_BYTES);
	assert_int_equal(secret.bytes[SECRETFILE_PEM_MAX_BYTES], '\0');
	secretfile_pem_free(&secret);
	put(large, sizeof large, 0600);
	assert_pem_refused(true, "longer than 40960");
	put("", 0, 0600);
	assert_pem_refused(true, "empty");
	put("0\0\1", 3, 0600);
	assert_pem_refused(false, "no PEM");
	(void)unlink(path);
	assert_pem_refused(true, "No such file");
}

static void looks_at_a_keys_mode_only(void **state)
{
	(void)state;
	put("key", 3, 0644);
	assert_pem_refused(true, "open to every user");
	error_clear(&error);
	assert_int_equal(secretfile_pem_load(path, false, &secret, &error), 0);
	secretfile_pem_free(&secret);
}

/* The flags of the mapping, as the kernel tells them: "dd" not dumped, "wf" wiped on fork. */
static void is_out_of_cores(void **state)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long from, to, at;
	bool inside = false, found = false;

	(void)state;
	if (!maps)
		skip();
	put("s3cret\n", 7, 0600);
	assert_int_equal(secretfile_load(path, &secret, &error), 0);
	at = (unsigned long)secret.bytes;
	while (fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= at && at < to;
		if (inside && strncmp(line, "VmFlags:", 8) == 0)
			found = strstr(line, " dd") && strstr(line, " wf");
	}
	(void)fclose(maps);
	secretfile_free(&secret);
	assert_true(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_one_line, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(refuses_content, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(knows_its_limit, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(looks_at_the_mode, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(looks_at_the_owner, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(follows_links_but_not_folders, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(finds_credentials, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(takes_pem_as_it_is, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(looks_at_a_keys_mode_only, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(is_out_of_cores, make_folder, drop_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
