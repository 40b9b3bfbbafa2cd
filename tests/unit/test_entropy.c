/* Random numbers come from the kernel's call: in a jail there is no file to open. A process of its own, as mbedTLS seeds once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/resource.h>

#include "platform/entropy.h"
#include "platform/ssh.h"
#include "platform/tls.h"

int mbedtls_hardware_poll(void *context, unsigned char *out, size_t size_bytes, size_t *got_bytes);

static rlim_t usual;

/* From here on nothing can be opened. */
static int close_the_jail(void **state)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -1;
	usual = limit.rlim_cur;
	limit.rlim_cur = 3;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

/* The leak checker opens files at the end. */
static int open_it_again(void **state)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return -1;
	limit.rlim_cur = usual;
	return setrlimit(RLIMIT_NOFILE, &limit);
}

static void tls_starts_without_a_file(void **state)
{
	static const enum tls_engine engines[] = {TLS_MBEDTLS, TLS_BEARSSL};

	for (int i = 0; i < 2; i++) {
		struct tls_settings settings = {.host = "127.0.0.1", .port = 1, .engine = engines[i], .trust = TLS_TRUST_REPORT};
		struct tls_report report;
		struct error error = {0};
		struct transport *t = tls_open(&settings, &report, &error);

		assert_string_equal(error.what, "");
		assert_non_null(t);
		transport_close(t);
	}
}

static void ssh_starts_without_a_file(void **state)
{
	struct ssh_settings settings = {.host = "127.0.0.1", .port = 1, .user = "admin"};
	struct ssh_report report;
	struct error error = {0};
	struct transport *t = ssh_open(&settings, &report, &error);

	assert_string_equal(error.what, "");
	assert_non_null(t);
	transport_close(t);
}

static void the_source_gives_what_it_says(void **state)
{
	unsigned char one[300] = {0}, two[300] = {0};
	struct error error = {0};
	size_t got = 0;

	assert_int_equal(entropy_get(two, 1, "a test", &error), 0);
	assert_int_equal(mbedtls_hardware_poll(NULL, one, sizeof one, &got), 0);
	assert_true(got >= 32 && got < sizeof one);
	assert_int_equal(one[got], 0);
	assert_int_equal(mbedtls_hardware_poll(NULL, two, 32, &got), 0);
	assert_int_equal(got, 32);
	assert_memory_not_equal(one, two, 32);
	assert_int_equal(two[32], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_starts_without_a_file),
		cmocka_unit_test(ssh_starts_without_a_file),
		cmocka_unit_test(the_source_gives_what_it_says),
	};

	return cmocka_run_group_tests(tests, close_the_jail, open_it_again);
}
