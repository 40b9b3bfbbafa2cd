/* mbedTLS: the cryptography of SSH, and TLS 1.2 and 1.3, client and server. Every line of the first part is used by libssh2's mbedTLS back end or
 * required by one that is; TLS's part is at the end. */

/* Speed and constant time where the processor helps. */
#define MBEDTLS_HAVE_ASM
#if defined(__x86_64__)
#define MBEDTLS_AESNI_C
#endif

/* Random numbers: getentropy() alone seeds a CTR-DRBG (platform/entropy.c). mbedTLS itself would open /dev/random with musl. */
#define MBEDTLS_NO_PLATFORM_ENTROPY
#define MBEDTLS_ENTROPY_HARDWARE_ALT
#define MBEDTLS_ENTROPY_C
#define MBEDTLS_CTR_DRBG_C

/* Hashes: SHA-1 only because appliances still offer ssh-rsa, hmac-sha1 and group14-sha1; SHA-384 goes with nistp384. */
#define MBEDTLS_MD_C
#define MBEDTLS_SHA1_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_SHA256_SMALLER
#define MBEDTLS_SHA512_SMALLER

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
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0 /* HACL* computes with P-256; tables for the others, 10 KB, serve keys that hardly anybody has */
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

/* --- TLS --- */

#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_SRV_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_RSA_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE /* the pin is a hash over a part of it */

/* For TLS 1.2 with CBC suites, as appliances of an old firmware have them. */
#define MBEDTLS_SSL_ENCRYPT_THEN_MAC
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET

/* Peers may send records of any legal size; ours are smaller, they carry lines and short documents. */
#define MBEDTLS_SSL_IN_CONTENT_LEN 16384
#define MBEDTLS_SSL_OUT_CONTENT_LEN 4096

/* Ciphers: AES-GCM and ChaCha20-Poly1305, AES-CBC for old peers; HKDF and RSA-PSS are TLS 1.3's. */
#define MBEDTLS_GCM_C
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_HKDF_C
#define MBEDTLS_PKCS1_V21
#define MBEDTLS_X509_RSASSA_PSS_SUPPORT

/* TLS 1.3 computes with PSA. Its random numbers are those above. */
#define MBEDTLS_PSA_CRYPTO_C
#define MBEDTLS_PSA_ASSUME_EXCLUSIVE_BUFFERS /* no other process shares our memory: nothing is copied before it is used */

/* Certificates, valid at the time of the wall clock. */
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_REMOVE_INFO
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE

/* The daemon's HTTPS endpoint has threads. */
#define MBEDTLS_THREADING_C
#define MBEDTLS_THREADING_PTHREAD
