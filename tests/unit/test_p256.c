/* P-256 in mbedTLS comes from HACL* (cross/patches/mbedtls-p256.patch): published answers, mbedTLS's own arithmetic as the judge of many more, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>

enum { ROUNDS = 60 };

/* RFC 6979, A.2.5: the key. */
#define KEY "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
#define KEY_X "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
#define KEY_Y "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
#define ORDER "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"

static mbedtls_ecp_group group;

static uint32_t drawn = 1;

/* Numbers that are the same in each run. */
static int draw(void *context, unsigned char *out, size_t count)
{
	(void)context;
	for (size_t i = 0; i < count; i++) {
		drawn = drawn * 1664525 + 1013904223;
		out[i] = (unsigned char)(drawn >> 24);
	}
	return 0;
}

static mbedtls_mpi number(const char *hex)
{
	mbedtls_mpi n;

	mbedtls_mpi_init(&n);
	assert_int_equal(mbedtls_mpi_read_string(&n, 16, hex), 0);
	return n;
}

static mbedtls_ecp_point point(const char *x, const char *y)
{
	mbedtls_ecp_point p;

	mbedtls_ecp_point_init(&p);
	assert_int_equal(mbedtls_ecp_point_read_string(&p, 16, x, y), 0);
	return p;
}

/* RFC 5903, 8.1. */
static void test_exchange(void **state)
{
	mbedtls_mpi i = number("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433");
	mbedtls_mpi r = number("C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53");
	mbedtls_ecp_point gi = point("DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180",
				     "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3");
	mbedtls_mpi shared = number("D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE");
	mbedtls_ecp_point got;

	(void)state;
	mbedtls_ecp_point_init(&got);
	assert_int_equal(mbedtls_ecp_mul(&group, &got, &i, &group.G, draw, NULL), 0);
	assert_int_equal(mbedtls_ecp_point_cmp(&got, &gi), 0);
	assert_int_equal(mbedtls_ecp_mul(&group, &got, &r, &gi, draw, NULL), 0);
	assert_int_equal(mbedtls_mpi_cmp_mpi(&got.MBEDTLS_PRIVATE(X), &shared), 0);
	assert_int_equal(mbedtls_ecp_mul(&group, &gi, &r, &gi, draw, NULL), 0); /* the result may lie where the point lay */
	assert_int_equal(mbedtls_ecp_point_cmp(&got, &gi), 0);
	mbedtls_ecp_point_free(&gi);
	mbedtls_ecp_point_free(&got);
	mbedtls_mpi_free(&i);
	mbedtls_mpi_free(&r);
	mbedtls_mpi_free(&shared);
}

/* A group without its name is computed with by mbedTLS itself. */
static void test_against_mbedtls(void **state)
{
	mbedtls_ecp_group plain;
	mbedtls_ecp_point at, ours, theirs;
	mbedtls_mpi scalar;

	(void)state;
	mbedtls_ecp_group_init(&plain);
	mbedtls_ecp_point_init(&at);
	mbedtls_ecp_point_init(&ours);
	mbedtls_ecp_point_init(&theirs);
	mbedtls_mpi_init(&scalar);
	assert_int_equal(mbedtls_ecp_group_load(&plain, MBEDTLS_ECP_DP_SECP256R1), 0);
	plain.id = MBEDTLS_ECP_DP_NONE;
	assert_int_equal(mbedtls_ecp_copy(&at, &group.G), 0);
	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(mbedtls_ecp_gen_privkey(&group, &scalar, draw, NULL), 0);
		if (i % 8 < 3) /* 1, 2 and 3; N - 1, N - 2 and N - 3 */
			assert_int_equal(mbedtls_mpi_lset(&scalar, i % 8 + 1), 0);
		if (i % 16 < 3)
			assert_int_equal(mbedtls_mpi_sub_mpi(&scalar, &group.N, &scalar), 0);
		assert_int_equal(mbedtls_ecp_mul(&group, &ours, &scalar, &at, draw, NULL), 0);
		assert_int_equal(mbedtls_ecp_mul(&plain, &theirs, &scalar, &at, draw, NULL), 0);
		assert_int_equal(mbedtls_ecp_point_cmp(&ours, &theirs), 0);
		if (i % 8 > 2)
			assert_int_equal(mbedtls_ecp_copy(&at, &ours), 0);
	}
	mbedtls_mpi_free(&scalar);
	mbedtls_ecp_point_free(&theirs);
	mbedtls_ecp_point_free(&ours);
	mbedtls_ecp_point_free(&at);
	mbedtls_ecp_group_free(&plain);
}

static void test_bad_points_and_scalars(void **state)
{
	mbedtls_ecp_point off = point(KEY_X, KEY_X), huge = point("FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF", KEY_Y), got;
	mbedtls_mpi good = number(KEY), zero = number("0"), order = number(ORDER);

	(void)state;
	mbedtls_ecp_point_init(&got);
	assert_int_equal(mbedtls_ecp_mul(&group, &got, &good, &off, draw, NULL), MBEDTLS_ERR_ECP_INVALID_KEY);
	assert_int_equal(mbedtls_ecp_mul(&group, &got, &good, &huge, draw, NULL), MBEDTLS_ERR_ECP_INVALID_KEY);
	assert_int_equal(mbedtls_ecp_mul(&group, &got, &zero, &group.G, draw, NULL), MBEDTLS_ERR_ECP_INVALID_KEY);
	assert_int_equal(mbedtls_ecp_mul(&group, &got, &order, &group.G, draw, NULL), MBEDTLS_ERR_ECP_INVALID_KEY);
	mbedtls_mpi_free(&order);
	mbedtls_mpi_free(&zero);
	mbedtls_mpi_free(&good);
	mbedtls_ecp_point_free(&got);
	mbedtls_ecp_point_free(&huge);
	mbedtls_ecp_point_free(&off);
}

static const struct signature {
	mbedtls_md_type_t hash;
	const char *r, *s; /* of "sample" */
} signatures[] = {
	{MBEDTLS_MD_SHA1, "61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D32", "6D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB"},
	{MBEDTLS_MD_SHA256, "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716", "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
	{MBEDTLS_MD_SHA384, "0EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719", "4861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954"},
	{MBEDTLS_MD_SHA512, "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00", "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE"},
};

static int check(const unsigned char *hash, size_t count, const mbedtls_ecp_point *key, const char *r_hex, const char *s_hex)
{
	mbedtls_mpi r = number(r_hex), s = number(s_hex);
	int result = mbedtls_ecdsa_verify(&group, hash, count, key, &r, &s);

	mbedtls_mpi_free(&r);
	mbedtls_mpi_free(&s);
	return result;
}

static void test_published_signatures(void **state)
{
	mbedtls_ecp_point key = point(KEY_X, KEY_Y);

	(void)state;
	for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
		const mbedtls_md_info_t *info = mbedtls_md_info_from_type(signatures[i].hash);
		unsigned char hash[64];
		size_t count = mbedtls_md_get_size(info);

		assert_int_equal(mbedtls_md(info, (const unsigned char *)"sample", 6, hash), 0);
		assert_int_equal(check(hash, count, &key, signatures[i].r, signatures[i].s), 0);
		for (size_t at = 0; at < count; at++) { /* the leftmost 256 bits count, and only they */
			hash[at] ^= 1;
			assert_int_equal(check(hash, count, &key, signatures[i].r, signatures[i].s), at < 32 ? MBEDTLS_ERR_ECP_VERIFY_FAILED : 0);
			hash[at] ^= 1;
		}
		assert_int_equal(check(hash, count, &key, signatures[i].s, signatures[i].r), MBEDTLS_ERR_ECP_VERIFY_FAILED);
		assert_int_equal(check(hash, count, &key, "0", signatures[i].s), MBEDTLS_ERR_ECP_VERIFY_FAILED);
		assert_int_equal(check(hash, count, &key, signatures[i].r, "0"), MBEDTLS_ERR_ECP_VERIFY_FAILED);
		assert_int_equal(check(hash, count, &key, ORDER, signatures[i].s), MBEDTLS_ERR_ECP_VERIFY_FAILED);
		assert_int_equal(check(hash, count, &key, signatures[i].r, "1" KEY_X), MBEDTLS_ERR_ECP_VERIFY_FAILED);
		assert_int_equal(check(hash, count, &group.G, signatures[i].r, signatures[i].s), MBEDTLS_ERR_ECP_VERIFY_FAILED);
	}
	mbedtls_ecp_point_free(&key);
}

static void test_own_signatures(void **state)
{
	mbedtls_ecp_point key = point(KEY_X, KEY_Y);
	mbedtls_mpi d = number(KEY), r, s, before;
	unsigned char hash[64];

	(void)state;
	mbedtls_mpi_init(&r);
	mbedtls_mpi_init(&s);
	mbedtls_mpi_init(&before);
	for (size_t count = 20; count <= sizeof hash; count += 4) {
		assert_int_equal(draw(NULL, hash, count), 0);
		assert_int_equal(mbedtls_ecdsa_sign(&group, &r, &s, &d, hash, count, draw, NULL), 0);
		assert_int_equal(mbedtls_ecdsa_verify(&group, hash, count, &key, &r, &s), 0);
		assert_int_not_equal(mbedtls_mpi_cmp_mpi(&r, &before), 0); /* no random number twice */
		assert_int_equal(mbedtls_mpi_copy(&before, &r), 0);
		hash[0] ^= 0x80;
		assert_int_equal(mbedtls_ecdsa_verify(&group, hash, count, &key, &r, &s), MBEDTLS_ERR_ECP_VERIFY_FAILED);
	}
	memset(hash, 0xff, sizeof hash); /* above the order */
	assert_int_equal(mbedtls_ecdsa_sign(&group, &r, &s, &d, hash, 32, draw, NULL), 0);
	assert_int_equal(mbedtls_ecdsa_verify(&group, hash, 32, &key, &r, &s), 0);
	mbedtls_mpi_free(&before);
	mbedtls_mpi_free(&s);
	mbedtls_mpi_free(&r);
	mbedtls_mpi_free(&d);
	mbedtls_ecp_point_free(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_against_mbedtls),
		cmocka_unit_test(test_bad_points_and_scalars),
		cmocka_unit_test(test_published_signatures),
		cmocka_unit_test(test_own_signatures),
	};
	int result;

	mbedtls_ecp_group_init(&group);
	if (mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1) != 0)
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	mbedtls_ecp_group_free(&group);
	return result;
}
