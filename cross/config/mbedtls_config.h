/* mbedTLS: the cryptography of SSH, and nothing else yet (no TLS, no PSA). Every line is used by libssh2's mbedTLS back end or required by
 * one that is. */

/* Speed and constant time where the processor helps. */
#define MBEDTLS_HAVE_ASM
#if defined(__x86_64__)
#define MBEDTLS_AESNI_C
#endif

/* Random numbers: getrandom() seeds a CTR-DRBG. */
#define MBEDTLS_ENTROPY_C
#define MBEDTLS_CTR_DRBG_C

/* Hashes: SHA-1 only because appliances still offer ssh-rsa, hmac-sha1 and group14-sha1; SHA-384 goes with nistp384. */
#define MBEDTLS_MD_C
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C

/* aes-ctr and aes-cbc. */
#define MBEDTLS_AES_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_CIPHER_MODE_CTR
#define MBEDTLS_CIPHER_MODE_CBC

/* Host and user keys: RSA (PKCS#1 v1.5) and ECDSA. Key exchange: finite field (BIGNUM alone) and ecdh-sha2-nistp*; the back end has neither
 * Ed25519 nor X25519. */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_SECP521R1_ENABLED
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C

/* Private keys in PEM files. */
#define MBEDTLS_FS_IO
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_OID_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C

/* libssh2 calls mbedtls_strerror(); the tables of sentences would be 15 KB. */
#define MBEDTLS_ERROR_STRERROR_DUMMY
